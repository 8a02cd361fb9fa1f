"""What is kept over a repair is what would be computed anew, and only what the repair did not touch is kept."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.case import Case
from backslide.causes.columns.category_profiles import CategoryProfiles, profiles_by_value
from backslide.causes.faults.recognition import find_faults
from backslide.engine.columns.cache import once
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.models.model import MOST_RECALLED
from backslide.models.wrap import wrap
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario


@pytest.fixture(scope="module")
def case() -> Case:
    rng = np.random.default_rng(5)
    current = scenarios.next_month(rng)
    lost = pl.Series(rng.random(current.height) < 0.4)
    current = current.with_columns(
        income=pl.col("income") * 12,
        age=pl.when(lost).then(-1).otherwise(pl.col("age")),
        channel=pl.col("channel").replace("phone", "telephone"),
    )
    return worlds.case_of(Scenario(scenarios.served(rng), current, dict(scenarios.ROLES), None, ""))


def told(case: Case) -> list[tuple[str, tuple[str, ...], str]]:
    return [(str(h.kind), h.features, h.seen) for fault in find_faults(case) for h in fault.hypotheses]


def test_a_repaired_case_finds_what_a_new_one_finds(case):
    assert {kind for kind, _, _ in told(case)} >= {"unit_change", "default_value", "category_recode"}
    frame = case.current.sample.with_columns(pl.col("income") / 12)
    repaired, anew = case.repaired(frame), case.repaired(frame)
    every = np.ones(case.reference.sample.height, bool), np.ones(frame.height, bool)
    anew = anew.part(*every)
    assert anew.pairs["age"] is not repaired.pairs["age"], "nothing is known of a part beforehand"
    found = told(repaired)
    assert found == told(anew)
    assert "unit_change" not in {kind for kind, _, _ in found}


def test_only_untouched_columns_are_kept(case):
    before = case.pairs
    after = case.repaired(case.current.sample.with_columns(pl.col("income") / 12)).pairs
    assert after["income"] is not before["income"]
    assert after["age"] is before["age"]
    some = case.part(np.ones(case.reference.sample.height, bool), np.arange(case.current.sample.height) % 2 == 0)
    assert some.pairs["age"] is not before["age"]


def test_a_result_is_computed_once_and_forgotten_with_its_column(case):
    calls = []

    @once
    def mean(pair: Pair, window: int, *, scale: float = 1.0) -> float:
        """The mean of a window."""
        calls.append((pair.name, window, scale))
        return scale * float(np.nanmean(pair.numbers[window]))

    repaired = case.repaired(case.current.sample.with_columns(pl.col("income") / 12))
    for some in (case, repaired, case):
        assert mean(some.pairs["age"], 0) == mean(some.pairs["age"], 0)
        assert mean(some.pairs["income"], 1, scale=2.0) > 0
    assert calls == [("age", 0, 1.0), ("income", 1, 2.0), ("income", 1, 2.0)]
    assert mean.__doc__ == "The mean of a window."


def test_a_case_forgets_with_its_rows_and_not_with_its_suspects(case):
    rows = case.labelled_rows(case.current)
    assert case.labelled_rows(case.current) is rows
    suspecting = case.suspecting(["age"])
    assert suspecting.labelled_rows(suspecting.current) is rows
    assert (case.suspects, suspecting.suspects) == (frozenset(), {"age"})
    assert suspecting.pairs["age"] is case.pairs["age"]
    part = case.part(np.ones(case.reference.sample.height, bool), np.arange(case.current.sample.height) < 500)
    assert len(part.labelled_rows(part.current)) == 500


def test_what_only_the_reference_says_is_kept_while_current_rows_are_repaired(case):
    case.reference.cache.get(test_a_case_forgets_with_its_rows_and_not_with_its_suspects, (), lambda: "once")
    repaired = case.repaired(case.current.sample.with_columns(pl.col("income") / 12))
    assert repaired.reference.cache is case.reference.cache
    assert repaired.current.cache is case.current.cache
    part = case.part(np.arange(case.reference.sample.height) < 500, np.ones(case.current.sample.height, bool))
    assert part.reference.cache is not case.reference.cache
    assert part.reference.seconds is None or len(part.reference.seconds) == 500


def test_codes_of_a_column_point_to_its_sorted_texts():
    pair = Pair("c", ColumnKind.CATEGORICAL, pl.Series(["b", None, "a"]), pl.Series(["z", "b", "b"]))
    levels, codes = pair.codes
    assert levels == ["(missing)", "a", "b", "z"]
    assert [[levels[k] for k in part] for part in codes] == [part.tolist() for part in pair.texts]


def test_a_model_is_asked_once_about_rows_of_the_same_content():
    asked = []

    def model(rows):
        asked.append(len(rows))
        return np.zeros(len(rows))

    one = wrap(model, name="counting", task="regression")
    rows = pl.DataFrame({"x": [1.0, None, 2.0]})
    for frame in (rows, rows.clone(), rows.select(pl.col("x") * 1)):
        np.testing.assert_array_equal(one.recall(frame).predictions, 0.0)
    assert len(asked) == 1
    for frame in (rows.reverse(), rows.fill_null(0.0), rows.with_columns(pl.col("x").cast(pl.Float32))):
        one.recall(frame)
    assert len(asked) == 4
    one.answer(rows)
    assert len(asked) == 5
    with pytest.raises(ValueError, match="read-only"):
        one.recall(rows).predictions[0] = 1.0
    for n in range(3 * MOST_RECALLED):
        one.recall(pl.DataFrame({"x": [float(n)]}))
    assert len(one.answers) == MOST_RECALLED


def test_costs_of_profiles_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    texts = tuple(np.array(rng.choice(["a", "b", "c"], n), object) for n in (300, 400))
    others = tuple(rng.normal(size=(len(t), 4)) for t in texts)
    codes = [np.searchsorted(["a", "b", "c"], part.astype(str)) for part in texts]
    profiles = [profiles_by_value(c, ["a", "b", "c"], x, [0, 1, 3]) for c, x in zip(codes, others, strict=True)]
    company = CategoryProfiles((profiles[0], profiles[1]), (300, 400), 3)
    others = tuple(columns[:, [0, 1, 3]] for columns in others)
    for window, level in ((0, "a"), (1, "c")):
        share, means, rows = company.of(window, level)
        hit = texts[window] == level
        assert (share, rows) == (hit.mean(), hit.sum())
        np.testing.assert_allclose(means, others[window][hit].mean(0), rtol=1e-12)
    assert company.of(1, "new")[0] == 0
    np.testing.assert_allclose(
        company.costs(["a", "b"], ["b", "c", "new"]),
        [[sum(company._squared(o, n)) for n in ("b", "c", "new")] for o in ("a", "b")],
    )
