"""Another model on some of the rows: named with its rows, its first day and nearly all of its points."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.case import Case
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.replay.base import OwnChange
from backslide.causes.replay.rollout import Rollout, find_rollout
from backslide.causes.replay.version_comparison import find_worse_version
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Verdict
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.shadow.replay import replay

SCORED = {"scores": {"yes": "p_yes"}}
ROLES = {"label": "label", "prediction": "prediction", "timestamp": "served_at", "features": worlds.FEATURES}


@cache
def months() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Reference, current as the old model serves it, and as the new one would; hosts at random."""
    rng = np.random.default_rng(0)
    frames = [f.with_columns(host=pl.Series(rng.choice(list("abcde"), f.height))) for f in worlds.two_months(rng)]
    return frames[0], frames[1], worlds.with_model(frames[1], worlds.Flatter())


def served(rows: np.ndarray) -> pl.DataFrame:
    """The current month with the new model on some rows."""
    _, old, new = months()
    chosen = pl.Series(rows)
    return old.with_columns(pl.when(chosen).then(new[c]).otherwise(pl.col(c)).alias(c) for c in ("p_yes", "prediction"))


def scenario(rows: np.ndarray, *, scores: bool) -> Scenario:
    return Scenario(months()[0], served(rows), ROLES | (SCORED if scores else {}), scenarios.TrueModel())


def told(rows: np.ndarray, *, scores: bool) -> Rollout:
    """The rows of the other model as the replay tells them."""
    case = worlds.case_of(scenario(rows, scores=scores))
    done = replay(case).current
    return find_rollout(case, done.comparable & ~done.equal, done.comparable)


def current() -> pl.DataFrame:
    return months()[1]


HOURS = "EXTRACT(HOUR FROM served_at) IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"
WHERE = {
    "two hosts": (lambda f: f["host"].is_in(["b", "d"]).to_numpy(), "host IN ('b', 'd')", None),
    "hours": (lambda f: (f["served_at"].dt.hour() < 10).to_numpy(), HOURS, None),
    "from a day on": (lambda f: np.arange(f.height) > 1500, None, "2026-04-13"),
    "hosts from a day on": (
        lambda f: (np.arange(f.height) > 1200) & (f["host"] != "a").to_numpy(),
        "host IN ('b', 'c', 'd', 'e')",
        "2026-04-10",
    ),
    "everywhere": (lambda f: np.ones(f.height, bool), None, None),
}


@pytest.mark.parametrize("scores", [True, False], ids=["scores", "decisions"])
@pytest.mark.parametrize("where", WHERE)
def test_rows_of_the_other_model_are_told(where, scores):
    pick, segment, since = WHERE[where]
    rows = pick(current())
    found = told(rows, scores=scores)
    assert (found.segment, found.since) == (segment, since)
    assert found.rows.mean() == pytest.approx(rows.mean(), abs=0.001 if scores else 0.04)


def test_a_mixed_rollout_is_proven_first_with_its_points():
    pick, segment, since = WHERE["hosts from a day on"]
    rows = pick(current())
    d = worlds.causes_of(scenario(rows, scores=True))
    assert d.verdict is Verdict.DEGRADED
    (first,) = d.causes
    assert (first.kind, first.confidence) == (CauseKind.MODEL_CHANGE, Confidence.PROVEN)
    assert (first.segment, first.since) == (segment, since)
    true = worlds.accuracy(served(rows)) - worlds.accuracy(current())
    assert first.points.estimate == pytest.approx(true, rel=0.1)
    assert f"where {segment}" in first.summary


def test_rows_at_random_have_no_mark():
    found = told(np.random.default_rng(1).random(current().height) < 0.4, scores=True)
    assert found.segment is None
    assert found.rows.mean() == pytest.approx(0.4, abs=0.03)


def test_routing_by_a_feature_is_a_mark_where_scores_tell():
    rows = (current()["income"] > 3000).to_numpy()
    assert told(rows, scores=True).segment == "income >= 3000"
    assert told(rows, scores=False).segment is None, "models may agree on rows of one kind anyway"


def beside(rng: np.random.Generator, *, worse: bool, biased: bool = False) -> Case:
    """Two versions side by side without any saved model."""
    reference, old, _ = months()
    chance = np.where(old["income"] < 2500, 0.8, 0.3) if biased else np.full(old.height, 0.5)
    rows = rng.random(old.height) < chance
    log = (served(rows) if worse else old).with_columns(v=pl.Series(np.where(rows, "2", "1")))
    return worlds.case_of(Scenario(reference.with_columns(v=pl.lit("1")), log, ROLES | SCORED | {"version": "v"}))


def worse_in(case: Case) -> OwnChange | None:
    return find_worse_version(PricingBench(case, case.metric, None))


def test_a_worse_version_beside_the_old_one_is_told():
    case = beside(np.random.default_rng(3), worse=True)
    found = worse_in(case)
    assert found.segment == "v = '2'"
    assert found.effect.bounds[1] < -0.03
    assert (found.undone.labels[found.rows] == -1).all()


def test_equal_versions_are_no_cause():
    assert not any(worse_in(beside(np.random.default_rng(seed), worse=False)) for seed in range(20))


def test_groups_that_differ_decide_nothing():
    assert worse_in(beside(np.random.default_rng(1), worse=True, biased=True)) is None


@pytest.mark.slow
def test_a_worse_version_is_a_supported_cause_and_not_drift_as_well():
    reference, old, _ = months()
    rows = np.random.default_rng(3).random(old.height) < 0.5
    log = served(rows).with_columns(v=pl.Series(np.where(rows, "2", "1")))
    d = worlds.causes_of(Scenario(reference.with_columns(v=pl.lit("1")), log, ROLES | SCORED | {"version": "v"}))
    (found,) = d.causes
    assert (found.kind, found.confidence) == (CauseKind.MODEL_CHANGE, Confidence.SUPPORTED)
    assert found.segment == "v = '2'"
