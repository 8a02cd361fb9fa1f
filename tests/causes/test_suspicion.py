"""Where the rows do not decide, what is most worth a look is shown apart from the causes, with what would settle it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.suspicion import label_request_for
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Action, Diagnosis, Verdict
from backslide.jobs.verdict import judge
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

HIT = 12
"""One row of as many is broken."""


def broken(rows: int, seed: int, *, one_in: int = HIT, labels: bool = True) -> Scenario:
    """Yearly incomes in some rows of few: the metric falls, and no test can be sure that it did."""
    rng = np.random.default_rng(seed)
    reference, current = worlds.two_months(rng, rows)
    hit = pl.int_range(pl.len()) % one_in == 0
    yearly = current.with_columns(income=pl.when(hit).then(pl.col("income") * 12).otherwise(pl.col("income")))
    served = scenarios.rescored(yearly)
    if not labels:
        served = served.with_columns(label=pl.lit(None, served["label"].dtype))
    return Scenario(reference, served, worlds.BARE, scenarios.TrueModel(), "")


def some_broken(rows: int, seed: int, *, labels: bool = True) -> Diagnosis:
    return worlds.causes_of(broken(rows, seed, labels=labels))


def test_an_inconclusive_verdict_shows_its_suspects_and_no_causes():
    diagnosis = some_broken(400, 1)
    assert diagnosis.verdict == Verdict.INCONCLUSIVE
    assert diagnosis.causes == ()
    assert "income" in {feature for one in diagnosis.suspects for feature in one.features}
    assert [one.rank for one in diagnosis.suspects] == list(range(1, len(diagnosis.suspects) + 1))
    assert all("source" in one.settle or "label" in one.settle for one in diagnosis.suspects)
    assert "Most suspect:" in diagnosis.summary
    assert diagnosis.decision.action is Action.INVESTIGATE
    assert diagnosis.suspects[0].settle in diagnosis.decision.reason


@pytest.mark.parametrize("seed", [0, 1])
def test_the_verdict_rests_on_a_paired_repair_where_the_change_itself_could_be_noise(seed):
    scenario = broken(500, seed, one_in=5)
    assert judge(worlds.case_of(scenario)).verdict == Verdict.INCONCLUSIVE
    diagnosis = worlds.causes_of(scenario)
    assert diagnosis.verdict == Verdict.DEGRADED
    first = diagnosis.causes[0]
    assert (first.kind, first.confidence) == (CauseKind.UNIT_CHANGE, Confidence.VERIFIED)
    assert first.repair.points_back.low > 0
    assert first.repair.points_back.estimate >= 0.01
    assert "which alone could be noise; the same rows with the fault undone do better" in diagnosis.summary


def test_no_verdict_is_left_without_its_suspects_or_the_word_that_there_are_none():
    diagnosis = some_broken(400, 1)
    for one in diagnosis.suspects:
        assert one.settle
        assert all(feature in diagnosis.summary for feature in one.features)
    assert "What is most suspect stands below, not proven" in " ".join(diagnosis.to_text().split())
    none = diagnosis.model_copy(update={"suspects": ()})
    assert "Nothing is suspected either" in " ".join(none.to_text().split())


def test_suspects_are_shown_by_every_view_under_a_heading_of_their_own():
    diagnosis = some_broken(400, 1)
    for view in (diagnosis.to_text(), diagnosis.to_markdown(), diagnosis.to_html()):
        assert "Suspects, not proven" in view
        assert " ".join(diagnosis.suspects[0].settle.split()[:4]) in " ".join(view.split())
    frame = diagnosis.to_frame().filter("suspect")
    assert frame["kind"].to_list() == [one.kind.value for one in diagnosis.suspects]
    assert Diagnosis.from_dict(diagnosis.to_dict()) == diagnosis


@pytest.mark.parametrize("seed", range(3))
def test_a_column_that_moved_is_suspected_where_no_fault_is_known(seed):
    """The relation is another for everybody, which no repair undoes; incomes moved beside it, which costs little."""
    rng = np.random.default_rng(seed)
    reference, current = worlds.two_months(rng, 260)
    noisy = current.with_columns(income=pl.col("income") * pl.Series(rng.lognormal(0.1, 0.4, current.height)))
    diagnosis = worlds.causes_of(Scenario(reference, scenarios.rescored(noisy), worlds.BARE, scenarios.TrueModel(), ""))
    assert diagnosis.verdict != Verdict.NO_MATERIAL_CHANGE
    named = [*diagnosis.causes, *diagnosis.suspects]
    assert "income" in {feature for one in named for feature in one.features}
    assert all(one.confidence is Confidence.SUSPECTED for one in diagnosis.suspects if not one.repair)


def test_nothing_is_suspected_where_nothing_happened():
    rng = np.random.default_rng(5)
    reference, current = worlds.two_months(rng, 4000)
    quiet = worlds.causes_of(Scenario(reference, current, worlds.BARE, scenarios.TrueModel(), ""))
    assert quiet.suspects == ()


def test_a_cause_that_explains_the_drop_leaves_no_suspect():
    rng = np.random.default_rng(2)
    reference, current = worlds.two_months(rng, 3000)
    broken = current.with_columns(income=pl.col("income") * 12)
    told = worlds.causes_of(Scenario(reference, scenarios.rescored(broken), worlds.BARE, scenarios.TrueModel(), ""))
    assert [cause.kind for cause in told.causes] == [CauseKind.UNIT_CHANGE]
    assert told.suspects == ()


def test_without_labels_a_suspect_has_no_verdict_and_asks_for_labels():
    diagnosis = some_broken(400, 1, labels=False)
    assert diagnosis.verdict == Verdict.INCONCLUSIVE
    for one in diagnosis.suspects:
        assert "labels of the current window would price it" in one.settle


def test_what_is_doubted_under_an_inconclusive_verdict_keeps_its_price():
    """A replaced model that may have cost something is no cause as long as the drop is unsure, and not harmless either."""
    one = some_broken(400, 1)
    assert all(cause.confidence.rank < Confidence.PROVEN.rank for cause in one.suspects)
    assert not {(c.kind, c.features) for c in one.harmless} & {(c.kind, c.features) for c in one.suspects}


def test_what_the_world_may_have_done_is_suspected_beside_a_surer_cause() -> None:
    rng = np.random.default_rng(0)
    reference, current = worlds.two_months(rng, 4000)
    older = pl.Series(rng.random(current.height) < 0.45)
    current = scenarios.rescored(
        current.with_columns(
            age=pl.when(older).then(pl.col("age") + 60).otherwise("age"),
            income=pl.when(pl.col("channel") == "web").then(pl.col("income") * 12).otherwise("income"),
        )
    )
    turned = older & pl.Series(rng.random(current.height) < 0.5)
    other = pl.col("label").replace_strict({"yes": "no", "no": "yes"})
    current = current.with_columns(label=pl.when(turned).then(other).otherwise("label"))
    d = worlds.diagnosis_of(Scenario(reference, current, worlds.BARE, scenarios.TrueModel(), ""))
    assert [(c.kind, c.features) for c in d.causes] == [(CauseKind.UNIT_CHANGE, ("income",))]
    world = d.suspects[0]
    assert world.kind.family == "the world"
    assert world.features == ("age",)
    assert "diagnose again" in world.settle
    # What is suspected is explained by nothing: causes and the rest add up to the change.
    assert d.metric.change is not None
    assert d.unexplained is not None
    assert d.causes[0].points is not None
    assert d.causes[0].points.estimate + d.unexplained.estimate == pytest.approx(d.metric.change.estimate, abs=1e-9)
    assert "in part because of a unit change of income" in d.to_text()


@pytest.mark.parametrize(
    ("waiting", "more", "expected"),
    [
        (0.5, 2.0, (50, 50, 500)),  # twice the 50 labels of its rows, asked for among them alone
        (0.9, 4.0, (30, 90, 300)),
        (0.5, 3.0, None),  # more than wait
        (0.0, 2.0, None),  # every row has its label
        (0.5, 1.0, None),  # those that are there decide
    ],
)
def test_labels_are_asked_for_among_the_rows_that_a_suspect_concerns(waiting, more, expected):
    place = np.arange(1000)
    known, rows = place % 10 >= 10 * waiting, place // 10 % 10 == 0
    points = SimpleNamespace(value=-0.02, z=-2.0)
    bench = SimpleNamespace(
        case=SimpleNamespace(current=SimpleNamespace(outcomes=SimpleNamespace(known=lambda: known)))
    )
    fault = SimpleNamespace(rows=rows, repair_effect=points, points=points)
    request = label_request_for(bench, fault, more)
    if expected is None:
        assert request is None
        return
    assert (request.rows, request.of_rows, request.uniform_rows) == expected
    assert request.interval_then.estimate == -0.02
    assert request.interval_then.high - request.interval_then.low == pytest.approx(2 * 1.96 * 0.01 / more**0.5)
