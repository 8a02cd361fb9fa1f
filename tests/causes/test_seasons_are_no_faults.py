"""What a season does to columns is no fault of theirs: levels that move as the reference itself moves, days of the month that
begin again, relations that were learned on other rows; and faults of the same columns are named all the same."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.expectation import expectation
from backslide.causes.columns.support import excess_where_alike
from backslide.causes.faults.misfits import misfits
from backslide.causes.faults.recognition import find_all_faults
from backslide.contracts.cause import CauseKind
from backslide.playbook.base import Scenario

DAYS = 30
ROLES = {
    "label": "sold",
    "prediction": "said",
    "scores": {"1": "p"},
    "timestamp": "at",
    "features": ("warmth", "dew", "humid", "pressure", "day", "delay"),
}


def weather(seed: int, first: int, slope: float = 0.0, rows: int = 3000, days: int = DAYS) -> pl.DataFrame:
    """Hours of some days; ``slope`` is what warmth gains a day. Dew goes with warmth as a curve that bends, and the label with
    the delay, of which nothing else tells."""
    rng = np.random.default_rng(seed)
    day = first + np.sort(rng.random(rows)) * days
    daily = np.random.default_rng(7).normal(size=400)
    warmth = np.round((15 + slope * day + 2 * daily[day.astype(int)] + rng.normal(size=rows)) / 0.18) * 0.18 + 0.05
    humid = np.clip(60 + 12 * rng.normal(size=rows), 5, 100)
    dew = warmth - (100 - humid) / 5 * (1 + 0.03 * warmth) + 0.2 * rng.normal(size=rows)
    pressure = 1013 + 5 * daily[(day + 11).astype(int)] + 0.5 * rng.normal(size=rows)
    delay = np.round(rng.gamma(0.7, 30, rows) - 8)
    chance = 1 / (1 + np.exp(-(delay - 15) / 6))
    at = [datetime(2026, 1, 1) + timedelta(days=float(d)) for d in day]
    return pl.DataFrame(
        {
            "warmth": np.round(warmth, 2),
            "dew": np.round(dew, 2),
            "humid": np.round(humid, 1),
            "pressure": np.round(pressure, 1),
            "day": [t.day for t in at],
            "delay": delay,
            "sold": (rng.random(rows) < chance).astype(int),
            "at": at,
        }
    )


class ByDelay:
    """Answers by the delay alone, and a little by how humid it is."""

    classes_ = np.array([0, 1])
    feature_names_in_ = np.array(ROLES["features"], object)

    def predict_proba(self, rows):
        score = (rows["delay"].to_numpy(float) - 15) / 6 + 0.01 * (rows["humid"].to_numpy(float) - 60)
        chance = 1 / (1 + np.exp(-score))
        return np.column_stack([1 - chance, chance])

    def predict(self, rows):
        return (self.predict_proba(rows)[:, 1] > 0.5).astype(int)


def answered(rows: pl.DataFrame) -> pl.DataFrame:
    chance = ByDelay().predict_proba(rows.to_pandas())[:, 1]
    return rows.with_columns(said=pl.Series((chance > 0.5).astype(int)), p=pl.Series(chance))


def scenario(current: pl.DataFrame, reference: pl.DataFrame) -> Scenario:
    return Scenario(answered(reference), answered(current), ROLES, ByDelay())


def faults_of(current: pl.DataFrame, reference: pl.DataFrame) -> list[tuple[CauseKind, tuple[str, ...]]]:
    """What is read over all rows."""
    found = find_all_faults(worlds.case_of(scenario(current, reference)))
    return [(f.kind, f.features) for f in found if f.segment is None]


def test_a_level_that_moves_as_within_the_reference_is_no_unit():
    reference, current = weather(1, 0, 0.35), weather(2, DAYS, 0.35)
    assert faults_of(current, reference) == []


def test_days_of_the_month_begin_again_and_are_no_hours_off():
    """Reference and current windows lie within a month each."""
    reference, current = weather(3, 2, days=25), weather(4, 33, days=25)
    assert faults_of(current, reference) == []


def test_what_the_weather_of_other_days_does_is_judged_on_rows_that_are_alike():
    """The curve between warmth and dew was learned where it is cold; where it is warm trees do not know better."""
    reference, current = weather(5, 0, 0.3), weather(6, DAYS, 0.3)
    case = worlds.case_of(scenario(current, reference))
    everywhere = expectation(case, "dew", frozenset(), with_strays=True)
    alike = excess_where_alike(case, "dew", frozenset(), np.ones(current.height, bool))
    assert everywhere is not None
    assert alike is not None
    assert everywhere.excess > 0.1
    assert alike < 0.3 * everywhere.excess


def test_a_column_that_broke_does_not_fit_where_the_rows_are_alike():
    reference, current = weather(5, 0), weather(6, DAYS)
    broken = current.with_columns(dew=current["dew"].shuffle(1))
    case = worlds.case_of(scenario(broken, reference))
    excess = excess_where_alike(case, "dew", frozenset(), np.ones(broken.height, bool))
    assert excess is not None
    assert excess > 0.2
    assert "dew" in [one.column for one in misfits(case)]


def test_columns_whose_ranges_have_nothing_in_common_are_exchanged_in_any_season():
    reference, current = weather(1, 0, 0.15), weather(2, DAYS, 0.15)
    gaps = pl.Series(np.random.default_rng(3).random(current.height) < 0.1)
    swapped = current.with_columns(
        warmth=pl.when(gaps).then(None).otherwise(pl.col("pressure")), pressure=pl.col("warmth")
    )
    assert (CauseKind.SWAPPED_COLUMNS, ("pressure", "warmth")) in [
        (kind, tuple(sorted(features))) for kind, features in faults_of(swapped, reference)
    ]


def test_a_column_of_wider_range_in_the_place_of_one_that_the_season_moved():
    reference, current = weather(1, 0, 0.1), weather(2, DAYS, 0.1)
    swapped = current.with_columns(warmth=pl.col("delay"), delay=pl.col("warmth"))
    assert (CauseKind.SWAPPED_COLUMNS, ("delay", "warmth")) in [
        (kind, tuple(sorted(features))) for kind, features in faults_of(swapped, reference)
    ]


def test_the_steps_of_values_tell_a_factor_whatever_the_season():
    """Degrees lie on a lattice that does not pass through zero."""
    reference, current = weather(1, 0, 0.15), weather(2, DAYS, 0.15)
    weekly = current.with_columns(warmth=(pl.col("warmth") * 7).round(2))
    case = worlds.case_of(scenario(weekly, reference))
    (fault,) = [fault for fault in find_all_faults(case) if fault.features == ("warmth",)]
    assert (fault.kind, fault.exact) == (CauseKind.UNIT_CHANGE, True)
    assert "7 times what it was" in fault.hypotheses[0].seen


def test_values_that_are_gone_are_no_other_unit():
    reference, current = weather(1, 0), weather(2, DAYS)
    lost = pl.Series(np.random.default_rng(4).random(current.height) < 0.7)
    nothing = current.with_columns(pressure=pl.when(lost).then(0.0).otherwise("pressure"))
    assert faults_of(nothing, reference) == [(CauseKind.DEFAULT_VALUE, ("pressure",))]


def test_one_of_many_numbers_that_rises_alone_stands_in_for_others():
    """Of a column of which no other tells anything; its neighbours became rarer, as all others did."""
    reference, current = weather(1, 0), weather(2, DAYS)
    hit = pl.Series(np.random.default_rng(5).random(current.height) < 0.35)
    stands_in = current.with_columns(delay=pl.when(hit).then(3.0).otherwise("delay"))
    assert faults_of(stands_in, reference) == [(CauseKind.DEFAULT_VALUE, ("delay",))]
    still = current.with_columns(
        delay=pl.when(pl.Series(np.arange(current.height) > 2000)).then(3.0).otherwise("delay")
    )
    found = find_all_faults(worlds.case_of(scenario(still, reference)))
    assert [fault.kind for fault in found if fault.features == ("delay",)] == [CauseKind.FROZEN_FEATURE]


def test_values_gathered_in_bins_from_a_day_on_are_rounded():
    reference, current = weather(1, 0), weather(2, DAYS)
    low, high = current["delay"].min(), current["delay"].quantile(0.99)
    step = (high - low) / 7
    bins = ((pl.col("delay").clip(low, high) - low) / step).round() * step + low
    later = pl.col("at") >= datetime(2026, 2, 14, 2)
    coarse = current.with_columns(delay=pl.when(later).then(bins).otherwise("delay"))
    found = find_all_faults(worlds.case_of(scenario(coarse, reference)))
    (rounded,) = [f for f in found if f.features == ("delay",)]
    assert rounded.kind == CauseKind.ROUNDED_VALUES
    assert rounded.segment is not None
    assert "2026-02-14" in rounded.segment
    assert "but for 0.94% of the rows" in rounded.hypotheses[0].seen  # the first hours of that day


def test_a_constant_on_some_rows_is_told_by_the_rows():
    """An integer that overflowed: pressures above a limit are that much less; few rows, on days that differ."""
    reference, current = weather(1, 0), weather(2, DAYS)
    over = current.with_columns(
        pressure=pl.when(pl.col("pressure") >= 1016).then(pl.col("pressure") - 1016).otherwise("pressure")
    )

    class ByPressure(ByDelay):
        def predict_proba(self, rows):
            score = (rows["delay"].to_numpy(float) - 15) / 6 + 0.02 * (rows["pressure"].to_numpy(float) - 1013)
            chance = 1 / (1 + np.exp(-score))
            return np.column_stack([1 - chance, chance])

    def served(rows: pl.DataFrame) -> pl.DataFrame:
        chance = ByPressure().predict_proba(rows.to_pandas())[:, 1]
        return rows.with_columns(said=pl.Series((chance > 0.5).astype(int)), p=pl.Series(chance))

    diagnosis = worlds.causes_of(Scenario(served(reference), served(over), ROLES, ByPressure()))
    first = diagnosis.causes[0]
    assert (first.kind, first.features) == (CauseKind.UNIT_CHANGE, ("pressure",))


def of_other_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(rows["delay"].shuffle(5))


def turned(rows: pl.DataFrame) -> pl.DataFrame:
    """Half of the days the outcome is the contrary: on average the delay tells nothing, but on each day it does."""
    hit = pl.col("humid") > 60
    return rows.with_columns(sold=pl.when(hit).then(1 - pl.col("sold")).otherwise("sold"))


def any_labels(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(rows["sold"].shuffle(6))


@pytest.mark.parametrize(
    ("change", "named"),
    [(of_other_rows, True), (turned, False), (any_labels, False)],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_a_column_that_tells_nothing_any_more_may_be_of_other_rows(change, named):
    reference, current = weather(1, 0, rows=6000), weather(2, DAYS, rows=6000)

    def labelled(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        score = (rows["delay"].to_numpy() - 15) / 6 + 0.08 * (rows["humid"].to_numpy() - 60)
        return rows.with_columns(sold=pl.Series((rng.random(rows.height) < 1 / (1 + np.exp(-score))).astype(int)))

    class Both(ByDelay):
        def predict_proba(self, rows):
            score = (rows["delay"].to_numpy(float) - 15) / 6 + 0.08 * (rows["humid"].to_numpy(float) - 60)
            chance = 1 / (1 + np.exp(-score))
            return np.column_stack([1 - chance, chance])

    def served(rows: pl.DataFrame) -> pl.DataFrame:
        chance = Both().predict_proba(rows.to_pandas())[:, 1]
        return rows.with_columns(said=pl.Series((chance > 0.5).astype(int)), p=pl.Series(chance))

    windows = served(labelled(reference, 8)), served(change(labelled(current, 9)))
    diagnosis = worlds.causes_of(Scenario(*windows, ROLES, Both()))
    joins = [c for c in diagnosis.causes if c.kind == CauseKind.BROKEN_JOIN]
    assert [c.features for c in joins] == ([("delay",)] if named else [])
    assert all(c.confidence.value == "suspected" for c in joins)
