"""Faults that the values of one column show, whatever the other columns say; and what looks like them and is none."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

import worlds
from backslide.causes.faults.recognition import find_all_faults
from backslide.causes.faults.signatures.merged_levels import _merger
from backslide.causes.faults.signatures.repeated_values import _beyond_chance, _share_of_rows, _share_of_same
from backslide.contracts.cause import CauseKind
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

ROLES = dict(scenarios.ROLES) | {"features": ["income", "age", "channel", "premium"]}


def months(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    return scenarios.served(rng), scenarios.next_month(rng)


def faults_of(reference: pl.DataFrame, current: pl.DataFrame) -> list[tuple[CauseKind, set[str], bool]]:
    case = worlds.case_of(Scenario(reference, current, ROLES))
    return [(fault.kind, set(fault.features), fault.exact) for fault in find_all_faults(case)]


def repeated_beyond_chance(values: np.ndarray) -> tuple[float, float]:
    return _beyond_chance(_share_of_same(values), np.unique(values, return_counts=True)[1])


def test_a_share_of_rows_is_told_from_the_repetitions_of_either_mechanism() -> None:
    rng = np.random.default_rng(1)
    values, hit = rng.normal(size=20_000), rng.random(20_000) < 0.3
    shifted = np.where(hit, np.roll(values, 1), values)
    kept = values.copy()
    for i in np.flatnonzero(hit[1:]) + 1:
        kept[i] = kept[i - 1]
    for made in (shifted, kept):
        repeated, error = repeated_beyond_chance(made)
        assert repeated > 10 * error
        assert abs(_share_of_rows(made, repeated) - 0.3) < 0.03
    assert abs(repeated_beyond_chance(values)[0]) < 0.01


def test_rows_that_are_sorted_repeat_no_column_alone() -> None:
    reference, current = months(2)
    assert faults_of(reference, current.sort("channel", "age", "income")) == []


def test_a_category_that_grows_is_no_merger_and_rows_that_are_lost_are_none() -> None:
    before = {"web": 1200, "phone": 900, "branch": 600, "partner": 300}
    assert _merger(before, {"web": 2110, "branch": 590, "partner": 300}) == ("web", ("phone",))
    assert _merger(before, {"web": 1720, "branch": 860, "partner": 420}) is None
    assert _merger(before, {"web": 2000, "phone": 100, "branch": 600, "partner": 300}) is None


def test_two_columns_that_hold_defaults_on_the_same_rows_are_one_fault() -> None:
    reference, current = months(3)
    hit = pl.Series(np.random.default_rng(4).random(current.height) < 0.35)
    zero = current.with_columns(pl.when(hit).then(0).otherwise(pl.col(c)).alias(c) for c in ("income", "age"))
    assert (CauseKind.DEFAULT_VALUE, {"income", "age"}, True) in faults_of(reference, zero)


def test_a_copy_on_all_rows_is_not_read_as_another_unit_of_some() -> None:
    reference, current = months(5)
    copied = current.with_columns(income=pl.col("age").cast(pl.Float64))
    found = faults_of(reference, copied)
    assert (CauseKind.SWAPPED_COLUMNS, {"income"}, True) in found
    assert all(features != {"income"} or kind == CauseKind.SWAPPED_COLUMNS for kind, features, _ in found)


def test_a_column_stuck_by_entity_and_one_that_only_narrowed() -> None:
    reference, current = months(6)
    clients = [f"c{i:02d}" for i in range(30)]
    frames = [
        f.with_columns(client=pl.Series(np.random.default_rng(seed).choice(clients, f.height)))
        for seed, f in ((7, reference), (8, current))
    ]
    stuck = frames[1].with_columns(pl.col("income").first().over("client"))
    assert (CauseKind.FROZEN_FEATURE, {"income"}, True) in faults_of(frames[0], stuck)
    narrowed = frames[1].with_columns((pl.col("income") / 1000).round(0) * 1000)
    assert CauseKind.FROZEN_FEATURE not in {kind for kind, _, _ in faults_of(frames[0], narrowed)}


def test_logs_in_the_order_of_one_column_hold_no_values_of_the_row_before() -> None:
    reference, current = months(9)
    reference = reference.sample(fraction=1.0, shuffle=True, seed=1)
    for column in ("channel", "age", "income"):
        found = faults_of(reference, current.sort(column, maintain_order=True))
        assert CauseKind.STALE_VALUES not in {kind for kind, _, exact in found if exact}, column


def test_a_price_of_the_week_is_not_stuck_in_a_week() -> None:
    rng = np.random.default_rng(10)
    reference, current = months(11)
    frames = []
    for frame, start, days in ((reference, 0, 84), (current, 84, 7)):
        day = np.sort(rng.random(frame.height)) * days + start
        product = rng.integers(0, 20, frame.height)
        price = 10 + product + np.random.default_rng(5).normal(0, 2, (20, 20))[product, (day // 7).astype(int)]
        at = pl.Series("served_at", [datetime(2026, 3, 2) + timedelta(days=float(d)) for d in day])
        frames.append(
            frame.with_columns(at, income=pl.Series(np.round(price, 2)), product=pl.Series(product).cast(pl.String))
        )
    assert CauseKind.FROZEN_FEATURE not in {kind for kind, _, _ in faults_of(*frames)}
