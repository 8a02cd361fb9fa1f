"""Values of an earlier row: told by what the other columns foretell, named with their delay, and no natural drift."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.lags import Delay, rows_before, rows_near, runs_by_itself
from backslide.causes.faults import damage
from backslide.causes.faults.recognition import find_faults
from backslide.causes.faults.signatures.stale_values import StaleValues
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario

HOURS = 24 * 90
ROLES = {"label": "sold", "prediction": "told", "timestamp": "at", "task": "regression"}
SHIFT = np.random.default_rng(0)


def station(rng: np.random.Generator, start: datetime, warmer: float = 0.0, looser: float = 0.0) -> pl.DataFrame:
    """Hours of a station: temperatures that follow day and weather, what they feel like, the load of the grid, and sales."""
    at = [start + timedelta(hours=i) for i in range(HOURS)]
    hour = np.array([t.hour for t in at])
    weather = np.zeros(HOURS)
    for i in range(1, HOURS):
        weather[i] = 0.97 * weather[i - 1] + rng.normal(0, 1)
    temp = 12 + warmer + 5 * np.sin(2 * np.pi * (hour - 9) / 24) + weather
    felt = temp - 1 + rng.normal(0, 0.8 + looser, HOURS)
    load = 50 - 0.8 * temp + 6 * np.cos(2 * np.pi * (hour - 19) / 24) + rng.normal(0, 2 + looser, HOURS)
    sky = np.where(weather > 1, "clear", np.where(weather < -1, "rain", "cloud"))
    sold = 3 * temp + 10 * (sky == "clear") + rng.normal(0, 4, HOURS)
    columns = {"temp": temp, "felt": felt, "load": load, "sold": sold, "told": 3 * temp + 10 * (sky == "clear")}
    return pl.DataFrame({"at": at, "sky": sky, **columns})


def windows(seed: int, **moved: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    return station(rng, datetime(2026, 1, 1)), station(rng, datetime(2026, 4, 1), **moved)


def stale(reference: pl.DataFrame, current: pl.DataFrame, **engine: int) -> list:
    case = worlds.case_of(Scenario(reference, current, ROLES, None), **({"engine": engine} if engine else {}))
    return list(StaleValues().recognise(case))


DELAYS = [
    ({"temp": pl.col("temp").shift(3).fill_null(10.0)}, "3 rows late", 1.0),
    ({"load": pl.col("load").shift(24).fill_null(50.0)}, "1 day late", 1.0),
    (
        {"temp": pl.when(pl.int_range(HOURS) >= HOURS // 2).then(pl.col("temp").shift(4)).otherwise(pl.col("temp"))},
        "4 rows late",
        0.5,
    ),
]


@pytest.mark.parametrize(("late", "words", "share"), DELAYS)
@pytest.mark.parametrize("warmer", [0.0, 4.0])
def test_a_delay_is_told_also_where_the_world_moves(late, words, share, warmer):
    reference, current = windows(1, warmer=warmer)
    found = stale(reference, current.with_columns(**late))
    assert [(h.features, words in h.seen) for h in found] == [((next(iter(late)),), True)]
    assert found[0].rows.mean() == pytest.approx(share, abs=0.05)
    assert found[0].exact


def test_the_column_is_named_and_moved_back():
    reference, current = windows(2)
    late = damage.misplace(["temp"], 5)(current, SHIFT)
    case = worlds.case_of(Scenario(reference, late, ROLES, None))
    found = find_faults(case)
    assert [(f.kind, f.features) for f in found] == [(CauseKind.STALE_VALUES, ("temp",))]
    assert found[0].repair(case, case.current.sample)["temp"].to_list() == current["temp"].to_list()


def test_a_few_of_the_rows_are_enough():
    reference, current = windows(3)
    found = stale(reference, damage.misplace(["temp"], 4)(current, SHIFT), sample_rows=1500)
    assert [h.features for h in found] == [("temp",)]
    assert "4 rows late" in found[0].seen


def test_the_former_window_again():
    reference, current = windows(4)
    found = stale(reference, current.with_columns(load=reference["load"]))
    assert [h.features for h in found] == [("load",)]
    assert "holds the values of the reference again" in found[0].seen


@pytest.mark.slow
@pytest.mark.parametrize("moved", [{}, {"warmer": 5.0}, {"looser": 2.0}, {"warmer": -4.0, "looser": 1.0}])
def test_nothing_is_late_where_only_the_world_moves(moved):
    for seed in range(5):
        assert stale(*windows(seed, **moved)) == []


def test_values_that_come_early_are_no_stale_ones():
    reference, current = windows(5)
    assert stale(reference, current.with_columns(temp=pl.col("temp").shift(-3).fill_null(10.0))) == []


def test_a_column_that_lasts_for_many_rows_holds_no_former_window():
    """Two windows in order of time begin alike where a column stands still for days, or comes round with the hour."""
    rng = np.random.default_rng(4)
    reference, current = worlds.two_months(rng, 2400)
    slow = pl.Series("season", np.repeat([1, 2, 3, 4], 600))
    hours = pl.Series("slot", np.arange(2400) % 24)
    both = [frame.sort("served_at").with_columns(slow, hours) for frame in (reference, current)]
    roles = {key: value for key, value in worlds.BARE.items() if key != "features"}
    case = worlds.case_of(Scenario(both[0], both[1], roles, None, ""))
    assert "season" in case.pairs
    assert list(StaleValues().recognise(case)) == []


def prices(seed: int, rows: int = 1500) -> np.ndarray:
    """Spikes that no other column foretells, each like the one before."""
    rng, level = np.random.default_rng(seed), np.zeros(rows)
    for i in range(1, rows):
        level[i] = 0.5 * level[i - 1] + rng.normal()
    return np.round(np.exp(3 + level), 4)


def quotes(seed: int, start: datetime, rows: int = 1500) -> pl.DataFrame:
    rng = np.random.default_rng(100 + seed)
    at = [start + timedelta(hours=i) for i in range(rows)]
    noise, product = rng.normal(size=rows), rng.integers(0, 60, rows)
    columns = {"price": prices(seed, rows), "noise": noise, "other": noise + rng.normal(size=rows)}
    names = [f"p{n}" for n in product]
    return pl.DataFrame({"at": at, "product": names, **columns, "sold": columns["price"], "told": columns["price"]})


def late_by_rows(both: pl.DataFrame, first: int, rows: int) -> pl.DataFrame:
    late = pl.when(pl.int_range(pl.len()) >= first).then(pl.col("price").shift(rows)).otherwise("price")
    return both.with_columns(late.alias("price"))


def late_by_key(both: pl.DataFrame, first: int) -> pl.DataFrame:
    late = pl.when(pl.int_range(pl.len()) >= first).then(pl.col("price").shift(1).over("product")).otherwise("price")
    return both.with_columns(late.alias("price"))


@pytest.mark.parametrize(
    ("begin", "delay", "words", "share"),
    [
        (0, 24, "1 day late", 1.0),
        (750, 72, "3 days late", 0.5),
        (0, 6, "6 rows late", 1.0),
        (0, 0, "last row with the same product", 1.0),
    ],
)
def test_the_seam_of_a_delay_tells_it_where_no_column_foretells_the_value(begin, delay, words, share):
    reference, current = quotes(1, datetime(2026, 1, 1)), quotes(2, datetime(2026, 1, 1) + timedelta(hours=1500))
    both = pl.concat([reference, current])
    broken = late_by_rows(both, 1500 + begin, delay) if delay else late_by_key(both, 1500)
    found = stale(reference, broken.tail(1500))
    assert [h.features for h in found] == [("price",)]
    assert words in found[0].seen
    assert found[0].exact
    assert found[0].rows.mean() == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    "kind", ["quiet", "a day of rows twice", "windows that overlap", "whole prices", "steps that come round"]
)
def test_what_repeats_for_another_reason_is_not_late(kind):
    reference, current = quotes(1, datetime(2026, 1, 1)), quotes(2, datetime(2026, 1, 1) + timedelta(hours=1500))
    if kind == "a day of rows twice":
        told = [c for c in current.columns if c != "at"]
        again = pl.concat([current[:600], current[576:600].with_columns(at=current["at"][600:624]), current[624:]])
        assert again[600:624].select(told).equals(again[576:600].select(told))
        current = again
    if kind == "windows that overlap":
        current = pl.concat([reference.tail(6), current])[:1500]
    if kind == "whole prices":
        reference, current = (f.with_columns(pl.col("price").log().round()) for f in (reference, current))
    if kind == "steps that come round":  # as of a machine, which was set back by five between the windows
        turns = [pl.Series(np.round((np.arange(1500) + k) % 97 / 97, 6)) for k in (0, 1500 - 5)]
        reference, current = (f.with_columns(price=t) for f, t in zip((reference, current), turns, strict=True))
    assert stale(reference, current) == []


def test_a_day_on_which_nothing_moved_makes_no_delay_certain():
    """Seventy stores count their stock once a day, and on the first day of the window none of them sold a thing."""
    rng, days, stores = np.random.default_rng(3), 60, 70
    stock = np.round(100 + rng.normal(0, 5, (days, stores)).cumsum(axis=0), 2)
    stock[30] = stock[29]
    at = [datetime(2026, 1, 1) + timedelta(days=d) for d in range(days) for _ in range(stores)]
    sold = rng.normal(size=days * stores)
    names = np.tile([f"s{i}" for i in range(stores)], days)
    rows = {"at": at, "store": names, "stock": stock.ravel(), "noise": sold, "sold": sold, "told": sold}
    frame = pl.DataFrame(rows)
    assert not any(h.exact for h in stale(frame[: 30 * stores], frame[30 * stores :]))


def test_the_price_is_of_as_many_rows_as_are_late():
    """A delay from the middle of the window on is done to the later half of the reference."""
    reference, current = quotes(1, datetime(2026, 1, 1)), quotes(2, datetime(2026, 1, 1) + timedelta(hours=1500))
    broken = late_by_rows(pl.concat([reference, current]), 2250, 72).tail(1500)
    case = worlds.case_of(Scenario(reference, broken, ROLES, None))
    (late,) = StaleValues().recognise(case)
    done = StaleValues().inject(case, late, case.reference.sample)["price"]
    changed = (done != case.reference.sample["price"]).to_numpy()
    assert not changed[:750].any()
    assert changed[750:].mean() > 0.95


def machine(seed: int, earlier: int, rows: int = 4000) -> pl.DataFrame:
    """Half hours of a day that no logged time tells, and what follows them so many rows earlier, as under summer time."""
    rng, slot = np.random.default_rng(seed), np.arange(rows) % 48
    angle = 2 * np.pi * (slot + earlier) / 48
    load = np.sin(angle) + 0.5 * np.sin(2 * angle) + rng.normal(0, 0.2, rows)
    heat = np.cos(angle) + rng.normal(0, 0.2, rows)
    return pl.DataFrame({"slot": slot, "load": load, "heat": heat, "sold": load + heat, "told": load + heat})


@pytest.mark.parametrize("earlier", [2, 3])
def test_a_column_that_runs_by_itself_is_late_for_certain_in_no_order_of_the_others(earlier):
    roles = {key: value for key, value in ROLES.items() if key != "timestamp"}
    case = worlds.case_of(Scenario(machine(1, 0), machine(2, earlier), roles, None))
    found = list(StaleValues().recognise(case))
    assert [h.features for h in found] == [("slot",)]
    assert not found[0].exact


def steps(values: np.ndarray) -> bool:
    frame = pl.Series("x", values)
    return runs_by_itself(Pair("x", ColumnKind.NUMERIC, frame, frame), rows_before(np.arange(len(values)), 1))


def test_what_runs_by_itself():
    rng = np.random.default_rng(1)
    assert steps(np.arange(960) % 48)
    assert steps(np.repeat(np.arange(300) % 12, 5))
    assert not steps(rng.integers(0, 12, 960))
    assert not steps(rng.choice([-1, 1], 960).cumsum() % 48)
    assert not steps(np.arange(960) // 30 % 2), "of two values the other one always comes next"
    assert not steps(np.arange(96) % 48), "seen too seldom"
    assert not steps(rng.normal(size=960))


def test_rows_that_stand_for_those_left_out_of_a_sample_are_nearly_as_late():
    place = np.sort(np.random.default_rng(2).choice(5000, 2000, replace=False))
    for lag in (1, 3, 10):
        near = rows_near(place, lag)
        own = np.arange(len(place))
        there = near >= 0
        assert (near != own).all()
        assert there.mean() > (0.5 if lag == 1 else 0.85)
        assert (abs(place[there] - lag - place[near[there]]) <= lag).all()
        exactly = rows_before(place, lag)
        assert (near[exactly >= 0] == exactly[exactly >= 0]).all()


def test_a_delay_is_priced_alike_on_a_sample_of_the_reference():
    """Of 2,160 hours 1,200 are sampled: nearly half of them have no row three hours before in the sample."""
    late = Delay(rows=3)
    reference, current = windows(6)
    broken = damage.misplace(["temp"], 3)(current, SHIFT)
    moved = []
    for engine in ({}, {"engine": {"sample_rows": 1200}}):
        case = worlds.case_of(Scenario(reference, broken, ROLES, None), **engine)
        (found,) = StaleValues().recognise(case)
        assert found.params["delay"] == late
        done = StaleValues().inject(case, found, case.reference.sample)["temp"]
        moved.append((done - case.reference.sample["temp"]).abs().mean())
    assert moved[1] == pytest.approx(moved[0], rel=0.15)
