"""Columns whose values are broken in a way that no other column tells, beside a world that changes its relations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.faults.misleading_column import Misleading, as_fault, find_misleading_column
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Verdict
from backslide.playbook.base import Scenario
from backslide.playbook.concept.decomposition import served_populations
from backslide.stats.arrays import Floats
from backslide.stats.change.effect import Effect
from scale import most, runs

ROLES = {"label": "label", "prediction": "prediction", "scores": {"yes": "p_yes"}, "timestamp": "at"}
ROLES |= {"features": ["x", "z", "site"]}
ROWS = 4000
Change = Callable[[Floats, np.random.Generator], Floats]


def month(seed: int, first: int, broken: Change | None = None, world: str = "") -> pl.DataFrame:
    """Four weeks of rows whose label follows x, which goes with no other column, and z; days differ a little."""
    rng = np.random.default_rng(seed)
    x = np.exp(rng.normal(0.4 if world == "inputs" else 0.0, 0.8, ROWS))
    z, site = rng.normal(size=ROWS), rng.choice(["a", "b", "c"], ROWS)
    odds = 2.0 * np.log(x) + 0.8 * z - 0.7
    day = np.sort(rng.integers(0, 28, ROWS))
    odds = odds + rng.normal(0, 0.2, 28)[day]
    if world == "above a limit":
        odds = np.where(x > 1.6, -odds, odds)
    if world == "one site":
        odds = np.where(site == "b", -odds, odds)
    if world == "the other column":
        odds = odds - 2.4 * z
    if world == "all sites but one":
        odds = np.where(site != "a", 0.8 * z - 0.6, odds)
    if world == "where z is high":
        odds = odds - 3 * np.log(x) * (z > 0)
    if world == "classes":
        odds = odds - 1.5
    label = rng.random(ROWS) < 1 / (1 + np.exp(-odds))
    if world == "labels":
        label ^= rng.random(ROWS) < 0.15
    if broken is not None:
        x = broken(x, rng)
    chance = 1 / (1 + np.exp(-(2.0 * np.log(np.maximum(x, 1e-6)) + 0.8 * z - 0.7)))
    at = [datetime(2026, 3, 1) + timedelta(days=first + int(d), seconds=s) for s, d in enumerate(day)]
    return pl.DataFrame(
        {
            "at": at,
            "x": x,
            "z": z,
            "site": site,
            "label": np.where(label, "yes", "no"),
            "prediction": np.where(chance >= 0.5, "yes", "no"),
            "p_yes": chance,
        }
    )


def scenario(seed: int, broken: Change | None = None, world: str = "") -> Scenario:
    return Scenario(month(seed, 0), month(seed + 500, 28, broken, world), ROLES, None, "x")


def mean_of_others(x: Floats, rng: np.random.Generator) -> Floats:
    """Each row gets the mean of nine drawn rows."""
    return np.asarray(x[rng.integers(0, len(x), (len(x), 9))].mean(axis=1))


def values_of_others(x: Floats, rng: np.random.Generator) -> Floats:
    """Seven of ten rows get the value of another one."""
    return np.where(rng.random(len(x)) < 0.7, rng.permutation(x), x)


@pytest.mark.parametrize(
    ("broken", "kind"), [(mean_of_others, CauseKind.UNRECOGNISED_FAULT), (values_of_others, CauseKind.BROKEN_JOIN)]
)
def test_a_column_without_which_nothing_was_lost_is_what_broke(broken, kind):
    """Neither another column nor a known damage tells of it; the points are those that the very rows lost."""
    diagnosis = worlds.causes_of(scenario(3, broken))
    assert diagnosis.verdict is Verdict.DEGRADED
    first = diagnosis.causes[0]
    moved = kind is CauseKind.UNRECOGNISED_FAULT
    assert (first.kind, first.features) == (kind, ("x",))
    assert first.confidence is (Confidence.SUPPORTED if moved else Confidence.SUSPECTED)
    right, wrong = (worlds.accuracy(month(503, 28, change)) for change in (None, broken))
    assert first.points.low <= wrong - right <= first.points.high
    assert "predicted without it, the outcome is as predictable as it was" in first.summary
    assert ("or its relation to the outcome ended" in first.summary) is not moved
    assert all(cause.kind is not CauseKind.CONCEPT_DRIFT for cause in diagnosis.causes)


def test_rows_that_were_not_asked_are_counted():
    case = worlds.case_of(scenario(3, mean_of_others))
    bench = PricingBench(case, case.metric, None)
    one = Effect(1.0, np.ones(len(bench.served_change.replicates)))
    for asked, said in ((0.8, True), (0.99, False)):
        fault = as_fault(bench, Misleading("x", one, one - one, asked), bench.served_change, [])
        assert ("told by the 80% of the rows" in fault.hypotheses[0].seen) is said


def test_numbers_are_foretold_alike():
    def served(seed: int, broken: Change | None = None) -> pl.DataFrame:
        rows = month(seed, 0 if broken is None else 28, broken)
        true = month(seed, 0)
        rng = np.random.default_rng(seed)
        value = 3 * true["z"].to_numpy() + 2 * np.log(true["x"].to_numpy()) + rng.normal(0, 0.5, ROWS)
        said = 3 * rows["z"].to_numpy() + 2 * np.log(rows["x"].to_numpy())
        return rows.select("at", "x", "z", "site", label=pl.Series(value), prediction=pl.Series(said))

    roles = {name: ROLES[name] for name in ("label", "prediction", "timestamp", "features")}
    first = worlds.causes_of(Scenario(served(7), served(8, mean_of_others), roles, None, "x")).causes[0]
    assert (first.kind, first.features) == (CauseKind.UNRECOGNISED_FAULT, ("x",))


def test_a_certain_fault_is_kept_beside_it():
    """Its unit is known for sure, and undone; what else is wrong with the column is left to what the labels say."""

    def metres(x: Floats, rng: np.random.Generator) -> Floats:
        return values_of_others(x, rng) * 1000

    causes = worlds.causes_of(scenario(3, metres)).causes
    assert any(cause.kind is CauseKind.UNIT_CHANGE and cause.features == ("x",) for cause in causes)


def accused(seed: int, world: str) -> bool:
    case = worlds.case_of(scenario(seed, None, world))
    return find_misleading_column(PricingBench(case, case.metric, None), served_populations(case)) is not None


def test_what_the_world_changes_leads_no_column_astray():
    """At most one in fifty of worlds in which relations, inputs, classes, labels, or nothing but days changed."""
    named = ("", "inputs", "above a limit", "one site", "the other column", "classes", "labels")
    named = (*named, "all sites but one", "where z is high")
    count = runs(18, 99)
    found = sum(accused(100 + seed, named[seed % len(named)]) for seed in range(count))
    assert found <= most(count, 0.02)
