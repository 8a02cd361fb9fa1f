"""A relation that changed in one segment is told by the other rows of its days, also where the days themselves differ."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from backslide.causes.shift import local_relation
from backslide.causes.shift.local_relation import LocalDrift
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Verdict
from backslide.playbook.base import Scenario
from backslide.stats.change.effect import Effect
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


@pytest.mark.slow
def test_a_segment_is_named_where_the_split_of_the_whole_tells_nothing():
    """A clear drop whose parts are not: the other rows of the same days are sharper."""
    sound = weeks(12).current["at"]
    since = pl.col("at") >= sound.min() + (sound.max() - sound.min()) / 2
    diagnosis = causes_of(with_bad_days(weeks(12, turned(since & (pl.col("city") == "c"), 0.3)), 12, 0.1))
    assert diagnosis.verdict == Verdict.DEGRADED
    assert [(c.kind, c.features) for c in diagnosis.causes] == [(CauseKind.CONCEPT_DRIFT, ("city",))]


def test_days_that_hold_few_of_its_rows_are_no_noise_of_what_they_cost():
    """Every row of the segment lost a half, on days that hold very many or none of them."""
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(20), 50)
    inside = (day % 3 == 0) & (rng.random(1000) < 0.9)
    draws = rng.multinomial(20, np.full(20, 0.05), size=500)[:, day].astype(float)
    bench = SimpleNamespace(
        case=SimpleNamespace(current=None), draw=lambda _: SimpleNamespace(sums=lambda rows: draws @ rows)
    )
    every = np.ones(1000, bool)
    lost = 0.5 * inside + rng.normal(0, 0.1, 1000)
    effect = Effect(-float(lost.mean()), -(draws @ lost) / (draws @ every))
    assert abs(effect.z) < 4
    assert local_relation._z_by_row(bench, effect, inside, every) > 20


def test_the_surest_of_the_segments_is_named_without_conditions_that_take_nothing_away():
    def drift(segment: str, columns: tuple[str, ...], points: float) -> LocalDrift:
        return LocalDrift(segment, columns, Effect(points, np.zeros(3)))

    wide, true = drift("day >= 5", ("day",), -0.10), drift("city = 'c'", ("city",), -0.08)
    narrow = drift("city = 'c' and size < 90", ("city", "size"), -0.079)
    small = drift("size < 3", ("size",), -0.02)

    def harm(points: float) -> float:
        return -points

    assert local_relation._surest([(5.0, wide), (9.5, narrow), (9.0, true), (30.0, small)], harm) is true
    assert local_relation._surest([], harm) is None


def test_a_column_that_a_season_moved_is_no_excuse_for_rows_on_which_it_fits(monkeypatch):
    unfit = np.zeros(100, bool)
    unfit[:30] = True
    case = SimpleNamespace(pairs={"city": None})
    monkeypatch.setattr(local_relation, "misfits", lambda case, columns: [SimpleNamespace(current=unfit)])
    at = np.arange(20, 80)
    same, broken = np.full(60, 0.4), np.where(unfit[at], 0.9, 0.1)
    assert local_relation._fits(case, ("city",), same, at)
    assert not local_relation._fits(case, ("city",), broken, at)
    monkeypatch.setattr(local_relation, "misfits", lambda case, columns: [])
    assert local_relation._fits(case, ("city",), broken, at)
