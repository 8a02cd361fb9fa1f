"""Faults that the rows tell by themselves: two columns in each other's place, an hour off the clock, values in bins."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from backslide.contracts.cause import CauseKind
from backslide.contracts.diagnosis import Verdict
from backslide.playbook.base import Scenario
from causes.related_columns import Change, served, weeks
from worlds import causes_of

MIDDLE = datetime(2026, 2, 12)


def exchanged(since: datetime | None) -> Change:
    """Tax and size change places, on all rows or from a moment on."""

    def done(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        hit = pl.lit(True) if since is None else pl.col("at") >= since
        return rows.with_columns(
            pl.when(hit).then(pl.col("tax")).otherwise(pl.col("size")).alias("size"),
            pl.when(hit).then(pl.col("size")).otherwise(pl.col("tax")).alias("tax"),
        )

    return done


def without_labels(scenario: Scenario) -> Scenario:
    current = scenario.current.with_columns(pl.lit(None, scenario.current["sold"].dtype).alias("sold"))
    return Scenario(scenario.reference, current, scenario.model, scenario.artefact)


@pytest.mark.sample(1)
@pytest.mark.parametrize("since", [None, MIDDLE])
@pytest.mark.parametrize("labels", [True, False])
def test_two_columns_in_each_others_place(since, labels):
    scenario = weeks(21, exchanged(since), drift=0.4)
    diagnosis = causes_of(scenario if labels else without_labels(scenario))
    first = diagnosis.causes[0]
    assert (first.kind, set(first.features)) == (CauseKind.SWAPPED_COLUMNS, {"size", "tax"})
    share = 1.0 if since is None else float((scenario.current["at"] >= since).mean())
    assert first.share_of_rows == pytest.approx(share, abs=0.1)
    assert diagnosis.verdict == Verdict.DEGRADED


def test_an_hour_off_the_clock_of_its_rows_on_some_of_them():
    """Hours come as often as before, so their distribution says nothing; the clock of each row does."""
    rng = np.random.default_rng(5)

    def rows(first: datetime, n: int) -> pl.DataFrame:
        at = pl.datetime_range(first, first + pl.duration(days=28), "10m", eager=True).sample(n, seed=3).sort()
        hour = at.dt.hour()
        night = (hour < 8).to_numpy()
        answer = np.where(rng.random(n) < 0.1, ~night, night).astype(int)
        return pl.DataFrame({"at": at, "hour": hour.cast(pl.Int64), "noise": rng.normal(size=n), "night": answer})

    def answered(frame: pl.DataFrame) -> pl.DataFrame:
        said = (frame["hour"] < 8).cast(pl.Int64)
        return frame.with_columns(said=said, p=said * 0.8 + 0.1)

    reference, current = rows(datetime(2026, 1, 1), 3000), rows(datetime(2026, 2, 1), 3000)
    host = pl.Series("host", np.where(rng.random(3000) < 0.4, "b", "a"))
    shifted = (pl.col("hour") + 8) % 24
    current = current.with_columns(host).with_columns(
        pl.when(pl.col("host") == "b").then(shifted).otherwise("hour").alias("hour")
    )
    reference = reference.with_columns(pl.Series("host", np.where(rng.random(3000) < 0.4, "b", "a")))
    roles = {
        "label": "night",
        "prediction": "said",
        "scores": {"1": "p"},
        "timestamp": "at",
        "features": ("hour", "noise"),
    }
    first = causes_of(Scenario(answered(reference), answered(current), roles, None)).causes[0]
    assert (first.kind, first.features) == (CauseKind.UNIT_CHANGE, ("hour",))
    assert first.share_of_rows == pytest.approx(0.4, abs=0.05)
    assert "+8 hours" in first.summary


def test_few_values_left_of_many_are_bins_whatever_else_drifted():
    def in_bins(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        bins = np.array([150.0, 250.0, 350.0, 450.0])
        return rows.with_columns(tax=pl.Series(bins[np.digitize(rows["tax"].to_numpy(), [200, 300, 400])]))

    scenario = weeks(22, in_bins, drift=0.5)
    found = causes_of(scenario)
    kinds = {c.kind for c in (*found.causes, *found.harmless) if "tax" in c.features}
    assert kinds == {CauseKind.ROUNDED_VALUES}


@pytest.mark.slow
def test_rows_of_another_kind_do_not_break_a_join():
    """More old flats far out: columns hang together otherwise among them, and each row is as it should be."""

    def tilted(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        chance = 1 / (1 + np.exp(-(rows["age"].to_numpy() - 45) / 4))
        return rows.filter(pl.Series(rng.random(rows.height) < np.clip(chance, 0.05, 1)))

    found = causes_of(weeks(23, tilted, rows=8000))
    assert not [c for c in found.causes if c.kind.family == "data fault"]


def test_served_answers_are_those_of_the_model():
    scenario = weeks(21)
    again = served(scenario.current.drop("p_sold", "said"))
    assert again["said"].equals(scenario.current["said"])


@pytest.mark.slow
def test_columns_that_break_together_are_one_cause():
    """Two columns at zero on the same rows: a lookup that failed, told once and undone at once."""

    def null_island(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        lost = pl.Series(rng.random(rows.height) < 0.5)
        return rows.with_columns(
            pl.when(lost).then(0.0).otherwise(pl.col(name)).alias(name) for name in ("tax", "distance")
        )

    first = causes_of(weeks(24, null_island, drift=0.4)).causes[0]
    assert (first.kind, set(first.features)) == (CauseKind.DEFAULT_VALUE, {"tax", "distance"})
    assert first.share_of_rows == pytest.approx(0.5, abs=0.05)


def test_few_rows_of_many_are_no_bins():
    """A day against a month holds fewer distinct values, which says nothing about a conversion."""
    scenario = weeks(25, lambda rows, rng: rows.with_columns(pl.col("tax") * 12), rows=9000)
    day = Scenario(scenario.reference, scenario.current.sample(400, seed=1), scenario.model, scenario.artefact)
    first = causes_of(day).causes[0]
    assert (first.kind, first.features) == (CauseKind.UNIT_CHANGE, ("tax",))
