"""A relation that changed in one segment is told by the other rows of its days, also where the days themselves differ."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Verdict
from backslide.playbook.base import Scenario
from causes.related_columns import Change, weeks
from scale import most, runs
from worlds import causes_of


def turned(where: pl.Expr, share: float) -> Change:
    """A share of the outcomes turns where ``where`` holds."""

    def done(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        hit = where & pl.Series(rng.random(rows.height) < share)
        return rows.with_columns(pl.when(hit).then(1 - pl.col("sold")).otherwise(pl.col("sold")).alias("sold"))

    return done


def with_bad_days(scenario: Scenario, seed: int, spread: float = 0.12) -> Scenario:
    """Days on which more outcomes than usual turn, in both windows, by chance alone."""
    rng = np.random.default_rng(seed)

    def spoilt(rows: pl.DataFrame) -> pl.DataFrame:
        day = rows["at"].dt.date().rank("dense").to_numpy() - 1
        share = np.abs(rng.normal(0, spread, int(day.max()) + 1))[day]
        hit = pl.Series(rng.random(rows.height) < share)
        return rows.with_columns(pl.when(hit).then(1 - pl.col("sold")).otherwise(pl.col("sold")).alias("sold"))

    return Scenario(spoilt(scenario.reference), spoilt(scenario.current), scenario.model, scenario.artefact)


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("where", "column", "share"), [(pl.col("city") == "c", "city", 0.6), (pl.col("distance") > 4.0, "distance", 0.6)]
)
def test_the_segment_is_named_with_its_points(where, column, share):
    scenario = weeks(11, turned(where, share))
    first = causes_of(scenario).causes[0]
    assert (first.kind, first.features, first.confidence) == (
        CauseKind.CONCEPT_DRIFT,
        (column,),
        Confidence.SUPPORTED,
    )
    assert first.segment.startswith(column)
    sound = weeks(11).current["sold"]
    said = scenario.current["said"]
    truth = float((said == scenario.current["sold"]).mean() - (said == sound).mean())
    assert first.points.estimate == pytest.approx(truth, rel=0.35)


@pytest.mark.slow
def test_days_that_differ_hide_the_whole_and_not_the_segment():
    scenario = with_bad_days(weeks(14, turned(pl.col("city") == "c", 0.3)), 14, 0.2)
    diagnosis = causes_of(scenario)
    change = diagnosis.metric.change
    assert change.high > -0.02, "the whole alone would carry a verdict"
    assert diagnosis.verdict == Verdict.DEGRADED
    assert [(c.kind, c.features) for c in diagnosis.causes] == [(CauseKind.CONCEPT_DRIFT, ("city",))]


@pytest.mark.slow
@pytest.mark.rates
def test_days_that_differ_name_no_segment():
    """Stated rate: 0.25 % of quiet pairs, with days as unit of chance."""
    trials = runs(6, 200)
    named = [
        seed
        for seed in range(trials)
        if any(c.segment for c in causes_of(with_bad_days(weeks(300 + seed, drift=0.0, rows=2500), seed)).causes)
    ]
    assert len(named) <= most(trials, 0.0025), named
