"""Faults of consecutive weeks between which the world moved too: what shows behind that, and on rows that nothing marks."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from backslide.causes.faults.row_exchange import _rows_behind_drift
from backslide.contracts.cause import CauseKind, Confidence
from backslide.playbook.base import Scenario
from causes.related_columns import Change, harm, served, weeks
from worlds import causes_of

MIDDLE = datetime(2026, 2, 12)


def of_other_rows(columns: tuple[str, ...], share: float) -> Change:
    """The columns of another row, together, on a share of the rows that nothing marks."""

    def done(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        order = np.where(rng.random(rows.height) < share, rng.permutation(rows.height), np.arange(rows.height))
        return rows.with_columns(rows[column][order].alias(column) for column in columns)

    return done


@pytest.mark.parametrize(("better", "found"), [(0.15, True), (0.0, False), (-0.15, False)])
def test_an_exchange_from_a_moment_on_is_told_by_the_days(better, found):
    """Many rows of columns that moved fit neither way; how the days before and after fit says which way they stand."""
    rng = np.random.default_rng(21)
    days = np.repeat(np.arange(40), 50)
    gain = np.where(days < 20, -0.3, better) + 0.5 * rng.normal(size=len(days))
    case: Any = SimpleNamespace(current=SimpleNamespace(blocks=days))
    rows = _rows_behind_drift(case, gain, 0.7)
    assert (rows is not None) == found
    assert rows is None or (rows == (days >= 20)).all()


def test_values_of_other_rows_on_some_rows_are_a_join():
    """The column is distributed as it was; rows that do not fit are as many and of the kind that random rows make them."""
    scenario = weeks(31, of_other_rows(("tax",), 0.4))
    first = causes_of(scenario).causes[0]
    assert (first.kind, first.features) == (CauseKind.BROKEN_JOIN, ("tax",))
    assert first.confidence.rank >= Confidence.SUPPORTED.rank
    assert "belong to other rows" in first.summary


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.4, 0.2])
def test_noise_on_some_rows_is_no_join(share):
    def noisy(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        hit = pl.Series(rng.random(rows.height) < share)
        return rows.with_columns(
            tax=pl.when(hit).then(pl.col("tax") + rng.normal(size=rows.height) * 120).otherwise("tax")
        )

    assert CauseKind.BROKEN_JOIN not in {c.kind for c in causes_of(weeks(32, noisy)).causes}


def test_values_lost_by_their_own_size_are_priced_by_what_must_have_been_there():
    def narrow(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        return rows.with_columns(tax=pl.when(pl.col("tax") <= 320).then("tax"))

    scenario = weeks(33, narrow, drift=0.4)
    first = causes_of(scenario).causes[0]
    assert (first.kind, first.features) == (CauseKind.MISSING_VALUES, ("tax",))
    assert "every value above 320" in first.summary
    assert -first.points.estimate == pytest.approx(harm(scenario, weeks(33, drift=0.4).current), rel=0.35)


def test_values_lost_at_random_have_no_limit():
    def lost(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        return rows.with_columns(tax=pl.when(pl.Series(rng.random(rows.height) < 0.5)).then("tax"))

    found = causes_of(weeks(34, lost))
    summary = next(c.summary for c in (*found.causes, *found.harmless) if c.kind == CauseKind.MISSING_VALUES)
    assert "every value" not in summary


def test_one_value_a_day_from_a_moment_on():
    def stale(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        first = pl.col("tax").first().over(pl.col("at").dt.date())
        return rows.with_columns(tax=pl.when(pl.col("at") >= MIDDLE).then(first).otherwise("tax"))

    first = causes_of(weeks(35, stale)).causes[0]
    assert (first.kind, first.features) == (CauseKind.FROZEN_FEATURE, ("tax",))
    assert "since 2026-02-1" in first.summary
    assert first.share_of_rows == pytest.approx(0.46, abs=0.1)


ROLES = {
    "label": "rise",
    "prediction": "said",
    "scores": {"1": "p"},
    "timestamp": "at",
    "features": ("clock", "north", "south", "east", "price"),
}


def half_hours(rng: np.random.Generator, first: datetime, level: float) -> pl.DataFrame:
    """Three regions' demand by the clock, and the price in one; the label is whether it will rise."""
    n = 48 * 70
    at = [first + timedelta(minutes=30 * i) for i in range(n)]
    clock = np.arange(n) % 48 / 2
    demand = np.sin((clock - 9) / 24 * 2 * np.pi) + 0.5 * (np.repeat(rng.normal(size=70), 48) + level)
    north, south, east = (demand + 0.15 * rng.normal(size=n) for _ in range(3))
    price = north + 0.4 * rng.normal(size=n)
    rise = (price + south + 0.5 * rng.normal(size=n) > level).astype(int)
    columns = {"clock": clock, "north": north, "south": south, "east": east, "price": price, "rise": rise}
    return pl.DataFrame({"at": at, "host": np.where(rng.random(n) < 0.15, "b", "a"), **columns})


def answered(rows: pl.DataFrame, level: float) -> pl.DataFrame:
    """With the answers of a model that is a line."""
    chance = 1 / (1 + np.exp(-3 * (rows["price"].to_numpy() + rows["south"].to_numpy() - level)))
    return rows.with_columns(p=pl.Series(chance), said=pl.Series((chance >= 0.5).astype(int)))


@pytest.mark.parametrize("host", ["", "b"])
def test_a_table_joined_onto_other_rows(host):
    """The price and its demand moved with the weather, and so did what stands in place; the clock says which end it is."""
    rng = np.random.default_rng(41)
    reference, current = half_hours(rng, datetime(2026, 1, 1), 0.0), half_hours(rng, datetime(2026, 3, 12), 0.8)
    n, rows = current.height, current["host"].str.contains(host).to_numpy()
    order = np.where(rows, rng.permutation(n), np.arange(n))
    current = current.with_columns(current[c][order].alias(c) for c in ("north", "price"))
    first = causes_of(Scenario(answered(reference, 0.4), answered(current, 0.4), ROLES, None)).causes[0]
    assert (first.kind, set(first.features)) == (CauseKind.BROKEN_JOIN, {"north", "price"})
    assert first.segment == ("host = 'b'" if host else None)


def test_the_relation_is_told_from_the_few_rows_that_both_windows_hold():
    """Most rows are of a kind that the reference never held; on the others the outcome turned."""

    def turned(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        other = pl.Series(rng.random(rows.height) < 0.35)
        return rows.with_columns(sold=pl.when(other).then(1 - pl.col("sold")).otherwise("sold"))

    found = causes_of(weeks(36, turned, drift=1.6)).causes
    assert CauseKind.CONCEPT_DRIFT in {c.kind for c in found}


def test_served_answers_are_those_of_the_model():
    scenario = weeks(31)
    assert served(scenario.current.drop("p_sold", "said"))["said"].equals(scenario.current["said"])
