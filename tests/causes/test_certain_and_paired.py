"""What is certain carries the verdict where the days, or a world that became easier, hide what it costs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.explanation import Explanation
from backslide.causes.faults.base import Fault
from backslide.causes.pricing import materiality, proof
from backslide.causes.pricing.materiality import Scale
from backslide.causes.shift import shifts
from backslide.causes.suspicion import is_doubtful
from backslide.contracts.cause import Cause, CauseKind, Confidence, Repair
from backslide.contracts.diagnosis import DegradedPart, Verdict
from backslide.contracts.finding import Estimate
from backslide.jobs import diagnose as job
from backslide.jobs.verdict import Judgement, class_metric, judge
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import METRICS

ACCURACY = METRICS["accuracy"]


def effect(value: float, error: float) -> Effect:
    return Effect(value, value + error * np.random.default_rng(1).standard_normal(400))


def turned(frame: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Some labels the other way round."""
    hit = pl.Series(np.random.default_rng(seed).random(frame.height) < share)
    other = pl.when(pl.col("label") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    return frame.with_columns(label=pl.when(hit).then(other).otherwise(pl.col("label")))


@pytest.mark.parametrize("artefact", [scenarios.TrueModel(), None])
def test_a_fault_that_a_better_world_hides_is_named(artefact):
    """Labels became cleaner by more than the unit change of a tenth of the rows costs."""
    reference, current = worlds.two_months(np.random.default_rng(3), 6000)
    hit = pl.Series(np.random.default_rng(4).random(current.height) < 0.1)
    broken = current.with_columns(income=pl.when(hit).then(pl.col("income") * 12).otherwise(pl.col("income")))
    served = scenarios.rescored(broken)
    scenario = Scenario(turned(reference, 0.2, 5), turned(served, 0.15, 6), worlds.BARE, artefact, "")
    diagnosis = worlds.causes_of(scenario)
    first = diagnosis.causes[0]
    assert (first.kind, first.features) == (CauseKind.UNIT_CHANGE, ("income",))
    assert worlds.accuracy(scenario.current) > worlds.accuracy(scenario.reference)
    assert diagnosis.verdict in (Verdict.DEGRADED, Verdict.IMPROVED)


def test_a_proven_change_of_ours_counts_by_its_best_estimate_only_where_the_metric_fell():
    unclear = effect(-0.03, 0.0175)
    assert not unclear.clear
    fell, rose = (Scale(ACCURACY, effect(sign * 0.08, 0.01), 0.01) for sign in (-1, 1))
    assert materiality.own_change_matters(unclear, fell, current_labels=True)
    assert not materiality.own_change_matters(unclear, rose, current_labels=True)
    assert not materiality.own_change_matters(effect(-0.005, 0.004), fell, current_labels=True)
    assert not materiality.own_change_matters(effect(-0.02, 0.02), fell, current_labels=True)


@pytest.mark.parametrize(
    ("change", "exact", "error", "matters"),
    [
        (-0.05, True, 0.0175, True),
        (0.05, True, 0.0175, False),
        (-0.05, False, 0.0175, False),
        (-0.05, True, 0.03, False),
    ],
)
def test_a_certain_fault_whose_price_is_within_its_noise_is_not_called_harmless(change, exact, error, matters):
    fault: Any = SimpleNamespace(points=effect(-0.03, error), exact=exact)
    assert materiality.matters(fault, Scale(ACCURACY, effect(change, 0.01), 0.01)) == matters


@pytest.mark.parametrize(
    ("kind", "done", "matters"),
    [
        (CauseKind.SIGN_FLIP, -0.06, True),
        (CauseKind.SIGN_FLIP, 0.02, False),  # done to the reference, it would have helped
        (CauseKind.MISSING_VALUES, -0.06, False),  # which growth brings as well
    ],
)
def test_where_the_metric_fell_a_certain_fault_counts_from_one_standard_error_on(kind, done, matters):
    hypothesis: Any = SimpleNamespace(kind=kind, exact=True, reversible=True, features=("a",), near=False)
    fault = Fault((hypothesis,), repair_effect=effect(0.03, 0.024), injection_effect=effect(done, 0.05))
    assert materiality.matters(fault, Scale(ACCURACY, effect(-0.05, 0.01), 0.01)) == matters


@pytest.mark.parametrize(
    ("change", "certain", "verdict"),
    [
        ((0.02, -0.04, 0.08), True, Verdict.DEGRADED),
        ((0.02, -0.04, 0.08), False, Verdict.INCONCLUSIVE),
        ((0.05, 0.02, 0.08), True, Verdict.INCONCLUSIVE),  # it rose for certain
    ],
)
def test_what_values_show_by_themselves_carries_the_verdict_unless_the_metric_rose(change, certain, verdict):
    back = Estimate(estimate=0.03, low=0.01, high=0.05)
    cause = Cause(
        rank=1,
        kind=CauseKind.SWAPPED_COLUMNS,
        features=("a", "b"),
        unit="points",
        points=Estimate(estimate=-0.03, low=-0.05, high=-0.01),
        confidence=Confidence.SUPPORTED,
        repair=Repair(description="exchange a and b back", points_back=back),
        share_of_rows=1.0,
        summary="a and b were exchanged",
        next_step="Exchange them.",
    )
    estimate, low, high = change
    seen: Any = SimpleNamespace(estimate=estimate, low=low, high=high)
    known = frozenset({(CauseKind.SWAPPED_COLUMNS, frozenset({"a", "b"}))}) if certain else frozenset()
    told = proof.verdict_with(
        (cause,),
        Verdict.INCONCLUSIVE,
        seen,
        Scale(ACCURACY, None, 0.01),
        labels=True,
        needs_proof=False,
        artefact=True,
        certain=known,
    )
    assert told == verdict


def test_a_certain_fault_whose_price_may_count_is_suspected_and_not_harmless():
    hypothesis: Any = SimpleNamespace(
        kind=CauseKind.UNIT_CHANGE, exact=True, reversible=True, features=("a",), near=False
    )
    scale = Scale(ACCURACY, effect(-0.05, 0.05), 0.01)
    assert is_doubtful(Fault((hypothesis,), repair_effect=effect(-0.01, 0.02)), scale)
    assert not is_doubtful(Fault((hypothesis,), repair_effect=effect(-0.01, 0.002)), scale)
    unsure: Any = SimpleNamespace(**vars(hypothesis) | {"exact": False})
    assert not is_doubtful(Fault((unsure,), repair_effect=effect(-0.01, 0.02)), scale)


@pytest.mark.parametrize(("inputs", "named"), [(-0.05, True), (-0.005, False), (0.02, False)])
def test_inputs_that_the_reference_never_held_are_a_suspicion_where_nothing_surer_is_found(inputs, named, monkeypatch):
    monkeypatch.setattr(shifts, "moved_features", lambda *_, **__: ("income", "age"))
    bench: Any = SimpleNamespace(target=ACCURACY)
    domain = SimpleNamespace(outside=0.7, overlap=20.0, supported=False)
    parts: Any = SimpleNamespace(
        inputs=effect(inputs, 0.04), relation=effect(-0.01, 0.04), domain=domain, supported=False
    )
    none: Any = None
    found = shifts._among_strangers(bench, none, effect(-0.08, 0.01), parts, None)
    assert [change.kind for change in found] == ([CauseKind.COVARIATE_SHIFT] if named else [])
    assert all(change.confidence == Confidence.SUSPECTED and "70.0%" in change.caveat for change in found)


def test_a_fault_that_cost_the_whole_is_priced_in_the_whole_where_only_a_part_is_sure_to_be_worse(monkeypatch):
    """Days too noisy for the headline, and one class that got worse for certain, by which the unit change cannot be told."""
    reference, current = worlds.two_months(np.random.default_rng(7), 4000)
    hit = pl.Series(np.random.default_rng(8).random(current.height) < 0.3)
    broken = current.with_columns(income=pl.when(hit).then(pl.col("income") * 12).otherwise(pl.col("income")))
    scenario = Scenario(reference, scenarios.rescored(broken), worlds.BARE, scenarios.TrueModel(), "")

    def of_a_class(case: Any) -> Judgement:
        whole = judge(case)
        target = class_metric("f1", 0, case.problem.classes[0])
        part = DegradedPart(
            kind="class", name="yes", metric="f1", reference=0.8, current=0.7, change=Estimate(estimate=-0.1)
        )
        return Judgement(Verdict.DEGRADED_IN_PART, whole.change, target, case.change(target), (part,), ())

    real = job.find_causes

    def not_by_the_class(case: Any, target: Any, **how: Any) -> Explanation:
        found = real(case, target, **how)
        return found if target is case.metric else replace(found, faults=(), harmless=found.faults)

    monkeypatch.setattr(job, "judge", of_a_class)
    monkeypatch.setattr(job, "find_causes", not_by_the_class)
    monkeypatch.setattr(job, "headline_verdict", lambda case, change: Verdict.INCONCLUSIVE)
    diagnosis = worlds.causes_of(scenario)
    assert diagnosis.verdict == Verdict.DEGRADED
    assert any("class yes got worse for certain" in note for note in diagnosis.inputs.notes)
    first = diagnosis.causes[0]
    assert (first.kind, first.features) == (CauseKind.UNIT_CHANGE, ("income",))
    truth = worlds.accuracy(scenario.current) - worlds.accuracy(current)
    assert first.points.low <= truth <= first.points.high


@pytest.mark.parametrize(
    ("kind", "share", "change", "named"),
    [
        (CauseKind.UNSEEN_CATEGORY, 0.1, 0.08, False),
        (CauseKind.UNSEEN_CATEGORY, 0.1, -0.08, True),
        (CauseKind.UNSEEN_CATEGORY, 0.5, 0.08, True),
        (CauseKind.MISSING_VALUES, 0.1, 0.08, True),
    ],
)
def test_some_new_categories_are_growth_where_the_metric_rose(kind, share, change, named):
    hypothesis: Any = SimpleNamespace(kind=kind, rows=np.arange(1000) < share * 1000)
    fault = Fault((hypothesis,), share=effect(-0.03, 0.005))
    assert materiality.matters(fault, Scale(ACCURACY, effect(change, 0.01), 0.01)) == named
