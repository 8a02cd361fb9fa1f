"""Faults of some rows: found where something marks them, as a mixture where nothing does, and nowhere on quiet rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.case import Case
from backslide.causes.faults.markers import MarkerLevels, describe
from backslide.causes.faults.mixtures import recognise_mixtures
from backslide.causes.faults.recognition import find_faults
from backslide.causes.faults.signatures.unit_change import convert
from backslide.causes.faults.subset_rules import _Codes, _Contrast, find_markers
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.engine.columns.segments import holds
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from scale import runs

CUT = scenarios.START + timedelta(days=28 + 17)
HOST = pl.col("host") == "a"
LATE = pl.col("served_at") >= CUT
OLD = pl.col("age") >= 60
MENDED = scenarios.START + timedelta(days=28 + 12)
WEEK = pl.col("served_at").is_between(MENDED - timedelta(days=8), MENDED, closed="left")
ALONE = pl.col("agent").is_null()
LOUD = pl.Series(np.random.default_rng(8).random(3000) < 0.3)


def months(seed: int = 0, rows: int = 3000) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    both = scenarios.served(rng, rows), scenarios.next_month(rng, rows=rows)
    first, second = (
        frame.with_columns(pl.Series("host", rng.choice(["a", "b", "c"], frame.height, p=[0.4, 0.35, 0.25])))
        for frame in both
    )
    return no_agent(first, seed), no_agent(second, seed + 1)


def no_agent(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """A column that a third of the rows do not have."""
    agents = np.random.default_rng(100 + seed).choice(["app", "web"], frame.height)
    gone = np.random.default_rng(200 + seed).random(frame.height) < 0.33
    return frame.with_columns(agent=pl.when(pl.Series(gone)).then(None).otherwise(pl.Series(agents)))


def unit(where: pl.Expr):
    return lambda f: f.with_columns(pl.when(where).then(pl.col("income") * 12).otherwise("income").alias("income"))


def default(where: pl.Expr):
    return lambda f: f.with_columns(pl.when(where).then(-1.0).otherwise("income").alias("income"))


def missing(where: pl.Expr):
    return lambda f: f.with_columns(pl.when(where).then(None).otherwise("income").alias("income"))


def recoded(where: pl.Expr):
    shouted = pl.col("channel").replace({"web": "w", "phone": "p", "branch": "b", "partner": "x"})
    return lambda f: f.with_columns(pl.when(where).then(shouted).otherwise("channel").alias("channel"))


def swapped(where: pl.Expr):
    return lambda f: f.with_columns(
        income=pl.when(where).then(pl.col("age").cast(pl.Float64)).otherwise("income"),
        age=pl.when(where).then(pl.col("income").round().cast(pl.Int64)).otherwise("age"),
    )


MARKED = {
    "unit": (unit(HOST), CauseKind.UNIT_CHANGE, {"income"}, "host = 'a'", HOST),
    "default": (default(HOST), CauseKind.FROZEN_FEATURE, {"income"}, "host = 'a'", HOST),
    "missing": (missing(HOST), CauseKind.MISSING_VALUES, {"income"}, "host = 'a'", HOST),
    "recoded": (recoded(HOST), CauseKind.CATEGORY_RECODE, {"channel"}, "host = 'a'", HOST),
    "swapped": (swapped(HOST), CauseKind.SWAPPED_COLUMNS, {"income", "age"}, "host = 'a'", HOST),
    "since a day": (unit(LATE), CauseKind.UNIT_CHANGE, {"income"}, "served_at >= DATE '2026-04-16'", LATE),
    "between two days": (
        unit(WEEK),
        CauseKind.UNIT_CHANGE,
        {"income"},
        "served_at >= DATE '2026-04-03' AND served_at < DATE '2026-04-11'",
        WEEK,
    ),
    "mended": (
        missing(WEEK),
        CauseKind.MISSING_VALUES,
        {"income"},
        "served_at >= DATE '2026-04-03' AND served_at < DATE '2026-04-11'",
        WEEK,
    ),
    "where another is missing": (unit(ALONE), CauseKind.UNIT_CHANGE, {"income"}, "agent IS NULL", ALONE),
    "by a cut": (unit(OLD), CauseKind.UNIT_CHANGE, {"income"}, "age >= 60", OLD),
}
each = pytest.mark.parametrize("name", MARKED)


@cache
def world(name: str) -> tuple[Scenario, pl.Series, float]:
    """The scenario, which rows are hit, and what the fault truly costs."""
    reference, sound = months()
    damage, *_, where = MARKED[name]
    rows = sound.select(where.alias("hit")).to_series()
    broken = scenarios.rescored(damage(sound))
    truth = worlds.accuracy(broken) - worlds.accuracy(scenarios.rescored(sound))
    return Scenario(scenarios.rescored(reference), broken, worlds.BARE, scenarios.TrueModel()), rows, truth


@cache
def diagnosed(name: str) -> Diagnosis:
    return worlds.causes_of(world(name)[0])


@pytest.mark.sample(4)
@each
def test_the_fault_is_named_with_what_marks_its_rows(name):
    _, kind, features, segment, _ = MARKED[name]
    diagnosis = diagnosed(name)
    assert diagnosis.verdict is Verdict.DEGRADED
    first = diagnosis.causes[0]
    assert (first.kind, set(first.features), first.segment) == (kind, features, segment)
    assert first.confidence.rank >= Confidence.SUPPORTED.rank
    assert len(diagnosis.causes) == 1, "the same points have one name"


@each
def test_the_segment_selects_the_rows_when_pasted(name):
    scenario, rows, _ = world(name)
    first = diagnosed(name).causes[0]
    # A numeric cut and a day are as exact as the data allow, so a few rows at the edge may differ.
    assert (holds(scenario.current, first.segment) == rows).mean() > 0.97
    assert first.share_of_rows == pytest.approx(rows.mean(), abs=0.03)


@each
def test_the_price_is_what_the_fault_cost(name):
    points, truth = diagnosed(name).causes[0].points, world(name)[2]
    assert truth < -0.02
    assert abs(points.estimate - truth) <= points.high - points.low


@pytest.mark.parametrize("name", ["since a day", "between two days", "mended", "unit"])
def test_when_it_began_and_ended(name):
    first = diagnosed(name).causes[0]
    days = world(name)[0].current.filter(world(name)[1])["served_at"].dt.date()
    assert first.began.low <= str(days.min()) <= first.began.high
    assert first.since == first.began.at == str(days.min())
    assert first.until == (str(days.max()) if name in ("between two days", "mended") else None)


@pytest.mark.parametrize("name", ["unit", "recoded", "swapped"])
def test_repair_restores_the_marked_rows_and_leaves_the_others(name):
    case = worlds.case_of(world(name)[0])
    (fault,) = [f for f in find_faults(case) if f.kind == MARKED[name][1]]
    repaired = fault.repair(case, case.current.sample)
    _, sound = months()
    for column in MARKED[name][2]:
        wanted, got = sound[column].cast(pl.String), repaired[column].cast(pl.String)
        if sound[column].dtype.is_numeric():
            assert np.allclose(repaired[column].cast(pl.Float64), sound[column].cast(pl.Float64), atol=0.51)
        else:
            assert wanted.equals(got, null_equal=True)


def shouted(frame: pl.DataFrame, where: pl.Expr) -> pl.DataFrame:
    return frame.with_columns(channel=pl.when(where).then(pl.col("channel").str.to_uppercase()).otherwise("channel"))


def times(frame: pl.DataFrame, where: pl.Expr) -> pl.DataFrame:
    age = pl.col("age").cast(pl.Float64)
    return frame.with_columns(age=pl.when(where).then(age * 0.2436).otherwise(age))


def mostly(frame: pl.DataFrame, where: pl.Expr) -> pl.DataFrame:
    hit = where & pl.Series(np.random.default_rng(9).random(frame.height) < 0.7)
    return frame.with_columns(visits=pl.when(hit).then(0).otherwise("visits"))


def with_visits(frame: pl.DataFrame) -> pl.DataFrame:
    """A count that follows age, and is nought on a fifth of the rows by itself."""
    visits = np.random.default_rng(frame.height).poisson(np.exp((frame["age"].to_numpy() - 35) / 8))
    return frame.with_columns(visits=pl.Series(visits))


@pytest.mark.parametrize(
    ("damage", "kind", "column"),
    [
        (shouted, CauseKind.CATEGORY_RECODE, "channel"),
        (times, CauseKind.UNIT_CHANGE, "age"),
        (mostly, CauseKind.DEFAULT_VALUE, "visits"),
    ],
)
def test_rows_are_marked_where_the_fault_shows_over_all_rows_as_well(damage, kind, column):
    """Few rows, and the values of other rows do not take the mark away: old spellings stay, a default occurs by itself."""
    reference, sound = map(with_visits, months(2))
    roles = worlds.BARE | {"features": (*worlds.BARE["features"], "visits")}
    case = worlds.case_of(Scenario(reference, damage(sound[:900], HOST), roles))
    fault = next(f for f in find_faults(case) if f.features == (column,))
    assert (fault.kind, fault.segment, fault.exact) == (kind, "host = 'a'", True)


@pytest.mark.parametrize(("damage", "column"), [(missing, "income"), (unit, "income"), (mostly, "visits")])
def test_rows_of_a_host_too_few_to_be_read_alone_are_still_its_rows(damage, column):
    reference, sound = map(with_visits, months(6))
    small = sound[:420]  # some 170 of the host
    broken = damage(small, HOST) if damage is mostly else damage(HOST)(small)
    roles = worlds.BARE | {"features": (*worlds.BARE["features"], "visits")}
    (fault,) = find_faults(worlds.case_of(Scenario(reference, broken, roles)))
    assert (fault.features, fault.segment) == ((column,), "host = 'a'")
    assert "nothing marks" not in fault.hypotheses[0].seen
    assert fault.hypotheses[0].seen.endswith("where host = 'a'")


def test_rows_of_every_host_are_of_none():
    reference, sound = months(7)
    case = worlds.case_of(Scenario(reference, missing(LOUD)(sound), worlds.BARE))
    (fault,) = find_faults(case)
    assert fault.segment is None


def test_a_frequent_unit_goes_before_one_that_fits_as_well():
    rng = np.random.default_rng(3)

    def factor(times: float, rows: int) -> float:
        ref, cur = np.exp(rng.normal(2, 0.5, 2000)), np.exp(rng.normal(2, 0.5, rows)) * times
        return convert(Pair("x", ColumnKind.NUMERIC, pl.Series(ref), pl.Series(cur))).factor

    assert np.mean([factor(10.0, 220) == 10.0 for _ in range(20)]) >= 0.9
    assert factor(10.7639, 20_000) == 10.7639


def test_other_spellings_of_some_rows_are_done_to_as_many():
    reference, sound = months(4)
    case = worlds.case_of(Scenario(reference, shouted(sound, LOUD), worlds.BARE))
    (fault,) = find_faults(case)
    assert fault.segment is None
    done = fault.inject(case, case.reference.sample)["channel"] != case.reference.sample["channel"]
    assert done.mean() == pytest.approx(0.3, abs=0.05)


@pytest.mark.slow
def test_rows_that_nothing_marks_are_found_as_a_mixture():
    reference, sound = months(3)
    hit = pl.Series(np.random.default_rng(4).random(sound.height) < 0.4)
    broken = scenarios.rescored(
        sound.with_columns(pl.when(hit).then(pl.col("income") * 12).otherwise("income").alias("income"))
    )
    truth = worlds.accuracy(broken) - worlds.accuracy(scenarios.rescored(sound))
    diagnosis = worlds.causes_of(Scenario(scenarios.rescored(reference), broken, worlds.BARE, scenarios.TrueModel()))
    first = diagnosis.causes[0]
    assert (first.kind, first.features, first.segment) == (CauseKind.UNIT_CHANGE, ("income",), None)
    assert first.share_of_rows == pytest.approx(0.4, abs=0.05)
    assert abs(first.points.estimate - truth) < 0.02


def test_two_columns_swapped_on_unmarked_rows():
    reference, sound = months(5)
    hit = pl.Series(np.random.default_rng(6).random(sound.height) < 0.4)
    case = worlds.case_of(Scenario(reference, swapped(hit)(sound), worlds.BARE))
    (fault,) = find_faults(case)
    assert (fault.kind, set(fault.features)) == (CauseKind.SWAPPED_COLUMNS, {"income", "age"})
    assert (fault.rows == hit.to_numpy()).mean() > 0.98


@pytest.mark.rates
@pytest.mark.parametrize("seed", range(runs(6, 12)))
def test_quiet_months_have_neither_marker_nor_fault(seed):
    case = worlds.case_of(Scenario(*months(seed + 20, 1500), worlds.BARE))
    assert find_markers(case) == []
    assert find_faults(case) == []


def test_a_host_that_serves_other_people_now_is_no_fault():
    """Host b takes over the young, whatever host they had: its inputs moved, and nothing is broken."""
    reference, current = months(7)
    moved = current.with_columns(pl.when(pl.col("age") < 35).then(pl.lit("b")).otherwise("host").alias("host"))
    case = worlds.case_of(Scenario(reference, moved, worlds.BARE))
    assert [f for f in find_faults(case) if f.exact] == []


def test_a_column_that_follows_the_calendar_is_no_fault():
    reference, current = months(8)
    month = pl.col("served_at").dt.strftime("%b").alias("month")
    rate = (pl.col("served_at").dt.ordinal_day() * 0.01).alias("rate")
    frames = [f.with_columns(month, rate) for f in (reference, current)]
    roles = worlds.BARE | {"features": (*worlds.FEATURES, "month", "rate")}
    case = worlds.case_of(Scenario(*frames, roles))
    assert [(f.kind, f.features) for f in find_faults(case) if f.exact] == []


def test_a_mark_must_cover_the_rows_and_little_else():
    case = worlds.case_of(Scenario(*months(9), worlds.BARE))
    rows = (case.current.sample["host"] == "a").to_numpy()
    found = describe(case, rows, ())
    assert found is not None
    assert found.expression == "host = 'a'"
    half = rows & (np.random.default_rng(0).random(len(rows)) < 0.5)
    assert describe(case, half, ()) is None


def unmarked(seed: int, change: Callable[[pl.Series], pl.DataFrame]) -> tuple[Case, np.ndarray]:
    """A quiet pair with something done to two rows in five, and which."""
    reference, sound = months(seed)
    hit = pl.Series("hit", np.random.default_rng(seed + 1).random(sound.height) < 0.4)
    current = sound.with_columns(hit).with_columns(change(hit)).drop("hit")
    return worlds.case_of(Scenario(reference, current, worlds.BARE)), hit.to_numpy()


def test_the_logarithm_of_unmarked_rows_is_known_by_the_values_it_leaves():
    case, hit = unmarked(11, lambda h: pl.when(h).then(pl.col("age").log1p()).otherwise("age").alias("age"))
    (fault,) = find_faults(case)
    assert (fault.kind, fault.features, fault.exact) == (CauseKind.UNIT_CHANGE, ("age",), True)
    assert (fault.rows == hit).mean() > 0.98


@pytest.mark.rates
@pytest.mark.parametrize("seed", [13, 14, 15][: runs(1, 3)])
def test_noise_on_unmarked_rows_takes_whole_numbers_off_their_places(seed):
    error = pl.Series(np.random.default_rng(seed).normal(0, 12, 3000))
    case, hit = unmarked(seed, lambda h: pl.when(h).then(pl.col("age") + error).otherwise("age").alias("age"))
    (fault,) = find_faults(case)
    assert (fault.kind, fault.features) == (CauseKind.ADDED_NOISE, ("age",))
    assert (fault.rows == hit).all()
    assert fault.hypotheses[0].params["deviation"] == pytest.approx(12, rel=0.6)


@pytest.mark.rates
@pytest.mark.parametrize("seed", [16, 17, 18][: runs(1, 3)])
def test_finer_recording_of_some_rows_is_no_noise(seed):
    rest = pl.Series(np.random.default_rng(seed).uniform(-0.5, 0.5, 3000))
    case, _ = unmarked(seed, lambda h: pl.when(h).then(pl.col("age") + rest).otherwise("age").alias("age"))
    assert [f.kind for f in find_faults(case)] == []


def test_features_that_moved_in_no_level_are_left_out_at_once_and_no_other():
    """Looking at many features together leaves out only what looking at each would."""
    rng = np.random.default_rng(3)
    rows, levels = 4000, 6
    marks = [rng.integers(-1, levels, rows) for _ in range(2)]
    inside = _Contrast(MarkerLevels("host", marks[0], marks[1], tuple("abcdef"), ordered=False))
    codes = {
        f"c{i}": (rng.integers(0, 5 + i % 7, rows), rng.integers(0, 5 + i % 7, rows), 5 + i % 7, i % 2 == 0)
        for i in range(40)
    }
    for name in ("c4", "c9"):  # in one level of the marker everything falls into the first cell
        ref, cur, cells, ordered = codes[name]
        codes[name] = ref, np.where(marks[1] == 2, 0, cur), cells, ordered
    contrasts = {name for name, coded in codes.items() if inside.of(*coded) is not None}
    candidates = inside.candidates(_Codes(codes).together(tuple(codes)))
    assert contrasts == {"c4", "c9"}
    assert contrasts <= candidates
    assert len(candidates) < 8


@pytest.mark.parametrize("drift", [0.85, 1.0])
def test_minutes_below_zero_have_the_other_sign_and_are_no_degrees(drift):
    """Of a quarter of 600 rows, while the others became shorter as well: what was never below zero is so for one reason."""

    def month(seed: int, rows: int, scale: float, share: float) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        minutes = np.round(np.exp(rng.normal(2.4, 0.75, rows)) * scale, 2)
        noise = rng.normal(size=rows)
        label = np.where(noise + rng.normal(size=rows) > 0, "a", "b")
        minutes = np.where(rng.random(rows) < share, -minutes, minutes)
        return pl.DataFrame({"minutes": minutes, "noise": noise, "label": label, "said": label})

    roles = {"label": "label", "prediction": "said", "features": ("minutes", "noise")}
    for seed in range(4):
        rows = month(1, 5000, 1.0, 0.0), month(50 + seed, 600, drift, 0.25)
        (found,) = recognise_mixtures(worlds.case_of(Scenario(*rows, roles, None)), set())
        assert found.kind == CauseKind.SIGN_FLIP
        assert (found.rows == (rows[1]["minutes"] < 0).to_numpy()).mean() > 0.98
