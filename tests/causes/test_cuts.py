"""The cut of the scores: moved on all rows or on some, and not to be confused with decisions made by hand."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.replay.threshold import ThresholdChange, find_threshold_change
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Verdict
from backslide.playbook.base import Scenario


@cache
def months() -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(2)
    first, second = (f.with_columns(host=pl.Series(rng.choice(list("abc"), f.height))) for f in worlds.two_months(rng))
    return first, second


def scenario(rows: np.ndarray | None, cut: float, overridden: int = 0, seed: int = 0) -> Scenario:
    """The current month with another cut on some rows, and so many decisions changed by hand on rows at random."""
    reference, current = months()
    score = current["p_yes"].to_numpy()
    chosen = np.ones(len(score), bool) if rows is None else rows
    yes = np.where(chosen, score >= cut, score >= 0.5)
    by_hand = np.random.default_rng(seed).choice(len(score), overridden, replace=False)
    yes[by_hand] = ~yes[by_hand]
    return Scenario(reference, current.with_columns(prediction=pl.Series(np.where(yes, "yes", "no"))), worlds.BARE)


def cut(made: Scenario) -> ThresholdChange | None:
    return find_threshold_change(worlds.case_of(made))


def on(host: str) -> np.ndarray:
    return (months()[1]["host"] == host).to_numpy()


def since(day: int) -> np.ndarray:
    first = months()[1]["served_at"].dt.date().min()
    return ((months()[1]["served_at"].dt.date() - first).dt.total_days() >= day).to_numpy()


def at_random(share: float) -> np.ndarray:
    return np.random.default_rng(9).random(months()[1].height) < share


@pytest.mark.parametrize("at", [0.2, 0.8])
def test_another_cut_on_one_host(at):
    found = cut(scenario(on("b"), at))
    assert found.segment == "host = 'b'"
    assert found.share == pytest.approx(on("b").mean(), abs=0.01)
    assert found.new[0] <= at <= found.new[1] or found.new == pytest.approx((at, at), abs=0.02)
    assert found.before[0] < 0.5 <= found.before[1]


def test_another_cut_from_a_day_on():
    rows = since(12)
    found = cut(scenario(rows, 0.8))
    assert found.segment.startswith("served_at >= DATE ")
    assert found.share == pytest.approx(rows.mean(), abs=0.02)


def test_another_cut_on_rows_that_nothing_marks():
    rows = at_random(0.35)
    found = cut(scenario(rows, 0.75))
    assert found.segment is None
    assert found.share == pytest.approx(0.35, abs=0.06)
    assert found.new == pytest.approx((0.75, 0.75), abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_a_cut_of_some_rows_with_a_few_decisions_by_hand(seed):
    found = cut(scenario(on("b"), 0.8, overridden=2, seed=seed))
    assert found is not None
    assert found.segment == "host = 'b'"


@pytest.mark.parametrize("overridden", [5, 30, 150, 600, 1500])
def test_decisions_by_hand_are_no_cut(overridden):
    """Whether few or half of all: they lie on both sides of the cut and at every score."""
    for seed in range(4):
        assert cut(scenario(None, 0.5, overridden, seed)) is None


@pytest.mark.parametrize("side", ["yes", "no"])
def test_decisions_turned_by_hand_one_way_are_no_cut(side):
    """A clerk who refuses a tenth of all who would be accepted, whatever their score."""
    reference, current = months()
    rng = np.random.default_rng(3)
    turned = (current["prediction"] == side).to_numpy() & (rng.random(current.height) < 0.1)
    other = {"yes": "no", "no": "yes"}[side]
    served = np.where(turned, other, current["prediction"].to_numpy())
    assert cut(Scenario(reference, current.with_columns(prediction=pl.Series(served)), worlds.BARE)) is None


@pytest.mark.slow
@pytest.mark.parametrize("most", [0.2, 0.5, 0.8])
def test_doubtful_cases_decided_by_hand_are_no_cut(most):
    """The nearer to the cut, the more often somebody looks at it and turns it."""
    reference, current = months()
    score = current["p_yes"].to_numpy()
    for seed in range(6):
        for reach in (0.2, 0.4):
            chance = most * np.clip(1 - (score - 0.5) / reach, 0, 1) * (score >= 0.5)
            turned = np.random.default_rng(seed).random(len(score)) < chance
            served = np.where(turned, "no", current["prediction"].to_numpy())
            assert cut(Scenario(reference, current.with_columns(prediction=pl.Series(served)), worlds.BARE)) is None


@pytest.mark.slow
def test_one_way_decisions_by_hand_are_no_cut_on_forty_pairs():
    """The chance of a few undisturbed rows at the far end is what a cut must beat."""
    reference, current = months()
    told = []
    for seed in range(40):
        rng = np.random.default_rng(100 + seed)
        turned = (current["prediction"] == "yes").to_numpy() & (
            rng.random(current.height) < rng.choice([0.05, 0.1, 0.2, 0.4])
        )
        served = np.where(turned, "no", current["prediction"].to_numpy())
        told.append(cut(Scenario(reference, current.with_columns(prediction=pl.Series(served)), worlds.BARE)))
    assert told == [None] * 40


def test_the_same_cut_is_no_cause():
    assert cut(scenario(None, 0.5)) is None
    assert cut(scenario(on("b"), 0.5)) is None


@pytest.mark.parametrize("at", [0.2, 0.9])
def test_the_diagnosis_names_it_with_its_rows_and_points(at):
    made = scenario(on("b"), at)
    d = worlds.causes_of(made, metric="accuracy", min_effect=0.01)
    assert d.verdict is Verdict.DEGRADED
    first = d.causes[0]
    assert (first.kind, first.segment, first.confidence) == (
        CauseKind.THRESHOLD_CHANGE,
        "host = 'b'",
        Confidence.PROVEN,
    )
    true = worlds.accuracy(made.current) - worlds.accuracy(months()[1])
    assert first.points.estimate == pytest.approx(true, abs=1e-9)
    assert "host = 'b'" in first.summary


def test_before_labels_come_it_is_priced_on_the_reference():
    made = scenario(on("b"), 0.85)
    d = worlds.causes_of(worlds.unlabelled(made), metric="accuracy", min_effect=0.01)
    first = d.causes[0]
    assert (first.kind, first.segment) == (CauseKind.THRESHOLD_CHANGE, "host = 'b'")
    true = worlds.accuracy(made.current) - worlds.accuracy(months()[1])
    assert first.points.low <= true <= first.points.high
