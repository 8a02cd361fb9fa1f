"""New rows read for data faults: told on the first or second day, priced before labels, and quiet where nothing is broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backslide.causes.pricing.materiality import Scale
from backslide.causes.screening import ScreenedFault, harm_of
from backslide.contracts.cause import CauseKind
from backslide.contracts.config import Settings
from backslide.contracts.finding import Estimate
from backslide.contracts.watch import Level, WatchReport
from backslide.jobs.watch import settings_key, watch
from backslide.monitor.detect import Rules
from backslide.monitor.fault_readings import FaultReader, FaultReading
from backslide.monitor.fault_streams import fault_histories
from backslide.monitor.publish import mean_harm
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import METRICS
from backslide.store.database import Database, open_database
from backslide.store.memory import Book
from streams_of_logs import REFERENCE, after, config, moment, served

CLIENTS = np.array(["acme", "globex", "initech", "umbrella"], object)
LATE = (12.0, 12.0)
FEATURES = {"features": ["income", "age", "branch"]}


@pytest.fixture(name="database")
def _database(tmp_path: Path):
    database = open_database(None, tmp_path)
    yield database
    database.close()


def clients(columns: dict[str, Any]) -> None:
    """One more column that the model does not see: who sent the row."""
    columns["client"] = columns["rng"].choice(CLIENTS, len(columns["day"]))


def cents(columns: dict[str, Any], first: int = 4, last: int = 10_000) -> None:
    """One client sends cents in place of euros from a day after the reference on."""
    clients(columns)
    hit = (columns["day"] >= REFERENCE + first) & (columns["day"] < REFERENCE + last) & (columns["client"] == "globex")
    columns["income"] = np.where(hit, columns["income"] * 100, columns["income"])


def log(folder: Path, days: int, change: Any, *, rows: int = 400, seed: int = 61, **watch_settings: Any) -> Settings:
    """Labels come twelve days late."""
    frame = served(seed, REFERENCE + days, rows=rows, late=(0.0, 0.0), change=change)
    frame = frame.with_columns(pl.col("served_at").dt.offset_by("12d").alias("label_at"))
    return config(folder, frame, late=True, watch={"faults": True, **watch_settings}, model=FEATURES)


@pytest.fixture(name="looks", scope="module")
def _looks(tmp_path_factory: pytest.TempPathFactory) -> dict[int, WatchReport]:
    """Looks at the mornings after the fourth quiet day and the first broken one, by that day."""
    settings, book = log(tmp_path_factory.mktemp("log"), 6, cents, diagnose=True), Book()
    return {day: watch(settings, as_of=moment(day, 6), book=book) for day in (4, 5)}


def test_cents_for_euros_of_one_client_are_told_the_day_after(looks: dict[int, WatchReport]):
    """The alarm comes before any label, names kind, column and rows, and is an alarm of the look after the first broken day."""
    assert looks[4].status == Level.QUIET
    assert not looks[4].incidents
    assert not looks[4].faults
    found = looks[5]
    assert found.alarmed
    (one,) = found.incidents
    assert one.began == one.known_on == after(4)
    assert "income is 100 times larger" in found.summary
    assert "where client = 'globex'" in found.summary
    assert one.diagnosis is not None
    assert (one.diagnosis.kind, one.diagnosis.features) == ("unit_change", ("income",))
    assert one.diagnosis.decision.startswith("fix upstream data")
    (fault,) = found.faults
    assert (fault.level, fault.kind, fault.segment) == (Level.ALARM, "unit_change", "client = 'globex'")
    assert fault.harm is not None
    assert fault.harm.estimate > 0.02
    assert 0.15 < fault.share_of_rows < 0.35
    assert WatchReport.from_dict(found.to_dict()) == found


def test_models_of_numbers_are_watched_for_faults_and_early_signs(tmp_path: Path):
    """What matters is a part of how far labels differ, which only the reference tells: no band and no early sign without it."""
    frame = served(63, REFERENCE + 6, rows=400, change=cents)
    noise = np.random.default_rng(2).normal(size=frame.height)
    worse = np.where((frame["served_at"] >= moment(4)).to_numpy(), 1.4, 1.0)
    frame = frame.with_columns(prediction=pl.col("p_paid") * 10, label=pl.col("p_paid") * 10 + pl.Series(noise * worse))
    numbers = {**FEATURES, "scores": {}, "task": "regression"}
    settings = config(tmp_path, frame, watch={"faults": True}, model=numbers)
    found = watch(settings, replay=True, as_of=moment(5, 6))
    fault = found.faults[0]
    assert (fault.kind, fault.features, fault.level) == ("unit_change", ("income",), Level.ALARM)
    headline = next(stream for stream in found.streams if stream.name == "performance")
    assert headline.level != Level.QUIET


@pytest.mark.slow
def test_mended_it_is_over_and_looks_by_the_day_end_where_one_look_does(tmp_path: Path, database: Database):
    settings = log(tmp_path, 16, lambda c: cents(c, 4, 8))
    book = database.book("loans", settings_key(settings))
    found = [watch(settings, as_of=moment(day, 6), book=book) for day in (3, 4, 6, 12, 15)][-1]
    assert found.status == Level.QUIET
    (one,) = found.incidents
    assert one.closed == after(14)  # seven days without it
    (fault,) = found.faults
    assert (fault.level, fault.periods, fault.last) == (Level.QUIET, 4, after(7))
    at_once = watch(settings, replay=True, as_of=moment(15, 6))
    # Prices rest on the labels of the reference that were there when a period was read.
    told = [
        [(i.id, i.level, i.began, i.closed) for i in report.incidents]
        + [fault.model_copy(update={"harm": None}) for fault in report.faults]
        for report in (at_once, found)
    ]
    assert told[0] == told[1]


@pytest.mark.slow
def test_a_fault_that_costs_nothing_is_shown_and_calls_nobody(tmp_path: Path):
    """The broken column is one that the model makes nothing of."""

    frame = served(62, REFERENCE + 7, rows=400)
    rng = np.random.default_rng(0)
    late = (frame["served_at"] >= moment(4)).to_numpy()
    size = np.round(rng.gamma(4, 2, frame.height) * np.where(late, 100, 1), 2)
    settings = config(
        tmp_path,
        frame.with_columns(pl.Series("size", size)),
        watch={"faults": True},
        model={"features": [*FEATURES["features"], "size"]},
    )
    found = watch(settings, replay=True, as_of=moment(7, 6))
    assert found.status == Level.QUIET
    (fault,) = found.faults
    assert (fault.features, fault.level) == (("size",), Level.QUIET)
    assert fault.since == after(4)
    assert "size" in found.to_text()


@pytest.mark.slow
def test_quiet_rows_stay_quiet(tmp_path: Path):
    """Some weeks row by row; the years are in benchmarks/fault_streams.py."""
    found = watch(log(tmp_path, 40, clients, rows=250), replay=True, as_of=moment(41))
    assert [one for one in found.incidents if one.level == Level.ALARM] == []
    assert next(s for s in found.streams if s.name == "faults").periods == 40


RULES = Rules(0.1, 1.0, 365.25, recover_after=7)


def reading(*faults: ScreenedFault) -> FaultReading:
    return FaultReading(500, faults)


def seen(harm: float = 0.03, low: float = 0.01, *, harmful: bool = True, periods: int = 1) -> ScreenedFault:
    return ScreenedFault(
        CauseKind.UNIT_CHANGE,
        ("income",),
        None,
        0.25,
        "income is 100 times larger",
        "divide income by 100",
        harm,
        low,
        0.05,
        harmful,
        periods,
    )


def raised(
    later: list[FaultReading], reference: list[FaultReading] | None = None, rules: Rules = RULES
) -> list[tuple[Level, int, int | None]]:
    of_reference = [reading()] * 14 if reference is None else reference
    histories = fault_histories(
        {n - 20: one for n, one in enumerate(of_reference)}, dict(enumerate(later)), METRICS["accuracy"], 0.01, rules
    )
    return [(one.level, one.raised, one.closed) for history in histories for one in history.track.raised]


def test_one_clear_reading_is_an_alarm_and_an_unclear_one_an_early_sign():
    assert raised([reading(), reading(seen()), *[reading()] * 8]) == [(Level.ALARM, 1, 8)]
    unclear = reading(seen(low=-0.01))
    assert raised([reading(), unclear]) == [(Level.WATCH, 1, None)]
    assert raised([unclear] * 30) == [(Level.WATCH, 0, None)]
    assert raised([unclear] * 3 + [reading(seen())]) == [(Level.ALARM, 3, None)]
    assert raised([reading(seen(0.0, -0.01, harmful=False))] * 9) == []


def test_a_harm_without_an_interval_is_published_without_one():
    """The model answers no row any more, so that no replicate tells how far the harm may be off."""
    scale = Scale(METRICS["accuracy"], None, 0.01)
    alone = harm_of(Effect(-0.75, np.full(50, np.nan)), scale)
    assert alone == (0.75, None, None)
    assert harm_of(Effect(float("nan"), np.zeros(50)), scale) == harm_of(None, scale) == (None, None, None)
    without, within = replace(seen(), harm=0.75, low=None, high=None), replace(seen(), harm=0.25, low=0.125, high=0.5)
    assert mean_harm([without, within]) == Estimate(estimate=0.5)
    assert mean_harm([within, replace(within, harm=None)]) == Estimate(estimate=0.25, low=0.125, high=0.5)


def test_looks_by_the_hour_call_at_the_first_clear_reading_as_looks_by_the_day_do():
    hourly = replace(RULES, periods_a_year=24 * RULES.periods_a_year)
    assert raised([reading(), reading(seen())], rules=hourly) == [(Level.ALARM, 1, None)]
    assert raised([reading(seen(low=-0.01))] * 30, rules=hourly) == [(Level.WATCH, 0, None)]


def test_what_stands_still_for_weeks_in_the_reference_as_well_calls_nobody():
    now_and_then = [*[reading()] * 12, reading(seen()), reading(seen())]
    assert raised([reading(seen())] * 40, now_and_then) == []
    other_kind = replace(seen(harmful=False), kind=CauseKind.FROZEN_FEATURE)
    assert raised([reading(seen())] * 40, [reading(other_kind), *[reading()] * 13]) == []


def test_a_reference_that_calls_one_column_makes_others_less_certain():
    """Whatever befell all rows of another column; not what befell the rows of one client while all others were sound."""
    moved = reading(replace(seen(), features=("age",)))
    assert raised([reading(seen())], [moved, *[reading()] * 13]) == [(Level.WATCH, 0, None)]
    client = replace(seen(), segment="client = 'globex'", marked=True)
    assert raised([reading(client)], [moved, reading(seen()), *[reading()] * 12]) == [(Level.ALARM, 0, None)]


def test_new_rows_are_read_unless_that_is_turned_off():
    assert Settings().watch.faults
    assert not Settings.from_dict({"watch": {"faults": False}}).watch.faults


def test_a_short_reference_makes_nothing_certain():
    assert raised([reading(seen())] * 3, [reading()] * 9) == [(Level.WATCH, 0, None)]


def test_readings_of_one_run_count_once():
    unclear = reading(seen(low=-0.01, periods=4))
    assert raised([unclear] * 9) == [(Level.WATCH, 0, None)]


class ReaderOfSizes(FaultReader):
    """Says of so many rows what it is given."""

    def __init__(self, by_rows: dict[int, list[ScreenedFault]]) -> None:
        self.by_rows = by_rows

    def _screened(self, reference: pl.DataFrame, current: pl.DataFrame) -> list[ScreenedFault]:
        return self.by_rows[current.height]


def test_with_days_of_before_a_fault_is_not_taken_for_another_one_of_its_columns():
    """The day alone shows columns that were exchanged; with a sound day before it, values that neither had before."""
    exchanged = replace(seen(), kind=CauseKind.SWAPPED_COLUMNS, features=("income", "age"))
    other, elsewhere = replace(seen(), kind=CauseKind.UNSEEN_CATEGORY, features=("age",)), seen()
    elsewhere = replace(elsewhere, features=("city", "income"))
    reader = ReaderOfSizes({300: [exchanged], 600: [other, elsewhere]})
    frames = {day: pl.DataFrame({"x": range(300)}) for day in (1, 2)}
    found = reader._readings(frames[1], frames, [[2], [1, 2]])
    assert [(one.features, one.periods) for one in found.faults] == [(("income", "age"), 1), (("city", "income"), 2)]
