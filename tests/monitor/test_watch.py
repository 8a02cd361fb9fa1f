"""Watching end to end on simulated logs: quiet, broken, late labels, small segments, replay and day-by-day looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backslide.contracts.errors import BackslideError, ConfigError, InputError
from backslide.contracts.watch import Incident, Level, WatchReport
from backslide.jobs import watch as looks
from backslide.jobs.watch import settings_key, watch
from backslide.monitor import new_rows
from backslide.monitor.rows import open_both
from backslide.store.database import Database, open_database
from streams_of_logs import REFERENCE, after, config, moment, served


@pytest.fixture(name="database")
def _database(tmp_path: Path):
    database = open_database(None, tmp_path)
    yield database
    database.close()


def monthly_income(columns: dict[str, Any], first: int = 20, last: int = 10_000) -> None:
    """Income divided by twelve on some days after the reference."""
    hit = (columns["day"] >= REFERENCE + first) & (columns["day"] < REFERENCE + last)
    columns["income"] = np.where(hit, columns["income"] / 12, columns["income"])


def alarms(found: WatchReport) -> list[Incident]:
    return [one for one in found.incidents if one.level == Level.ALARM]


def test_a_quiet_stream_stays_quiet(tmp_path: Path):
    found = watch(config(tmp_path, served(1, REFERENCE + 40)), replay=True, as_of=moment(45))
    assert found.status != Level.ALARM
    assert not alarms(found)
    assert {s.name for s in found.streams} >= {
        "performance",
        "class:paid",
        "class:default",
        "confidence",
        "missing:income",
        "unknown:branch",
    }
    assert np.isclose(sum(s.share_of_budget for s in found.streams), 1.0)
    assert next(s for s in found.streams if s.name == "performance").share_of_budget == 0.5
    assert WatchReport.from_dict(found.to_dict()) == found


def test_a_fault_is_raised_at_once_and_its_recovery_closes_it(tmp_path: Path):
    frame = served(2, REFERENCE + 50, change=lambda c: monthly_income(c, 20, 30))
    found = watch(config(tmp_path, frame), replay=True, as_of=moment(60))
    (one,) = alarms(found)
    assert one.began == after(20)
    assert after(20) <= one.known_on <= after(21)
    assert not one.open
    assert after(36) <= str(one.closed) <= after(42)
    assert {m.stream for m in one.members} >= {"performance", "confidence"}
    assert one.members[0].kind == "performance"
    assert "accuracy fell by" in one.members[0].sentence.lower()
    assert found.status == Level.QUIET


def test_an_open_alarm_is_an_alarm(tmp_path: Path):
    frame = served(3, REFERENCE + 30, change=monthly_income)
    found = watch(config(tmp_path, frame), replay=True, as_of=moment(35))
    assert found.alarmed
    assert found.summary == alarms(found)[-1].sentence
    change = alarms(found)[0].members[0].change
    assert change is not None
    assert change.high is not None
    assert change.high < -0.05


def test_the_alarm_diagnoses_itself_and_names_the_column(tmp_path: Path):
    frame = served(4, REFERENCE + 26, rows=400, change=monthly_income)
    settings = config(tmp_path, frame, watch={"diagnose": True, "reports": "why"})
    found = watch(settings, replay=True, as_of=moment(30))
    (one,) = alarms(found)
    assert one.diagnosis is not None
    assert one.diagnosis.kind == "unit_change"
    assert one.diagnosis.features == ("income",)
    assert "income" in one.sentence
    assert one.diagnosis.report is not None
    assert "<html" in (tmp_path / one.diagnosis.report).read_text(encoding="utf-8")


def test_late_labels_are_compared_at_equal_age(tmp_path: Path):
    """Positives come late: what is labelled so far looks better than it is, in the reference as well."""
    frame = served(5, REFERENCE + 40, late=(6.0, 1.0))
    settings = config(tmp_path, frame, late=True)
    found = watch(settings, replay=True, as_of=moment(40))
    assert found.labels.age >= 1
    assert found.labels.mature_age is not None
    assert found.labels.mature_age > found.labels.age
    assert found.labels.share_at_age is not None
    assert 0.6 <= found.labels.share_at_age < 0.9
    assert not alarms(found)
    assert any("come later than" in note for note in found.labels.notes)
    streams = {s.name: s for s in found.streams}
    young, old = streams["performance"].reference, streams["performance, all labels"].reference
    assert abs(young - old) > 0.005  # the bias that equal ages take out
    assert found.labels.level is not None
    assert 0.5 < found.labels.level < 1
    assert str(found.labels.complete_through) < str(found.last)


def test_labels_that_came_after_the_present_do_not_exist(tmp_path: Path):
    def flipped(columns: dict[str, Any]) -> None:
        columns["flip"] = np.where(columns["day"] >= REFERENCE + 20, 0.9, 0.0)

    frame = served(6, REFERENCE + 30, late=(4.0, 4.0), change=flipped)
    settings = config(tmp_path, frame, late=True)
    before = watch(settings, replay=True, as_of=moment(22))
    assert not alarms(before)
    assert before.labels.waiting >= 2
    assert alarms(watch(settings, replay=True, as_of=moment(30)))


def test_labels_without_times_wait_until_enough_are_there(tmp_path: Path):
    frame = served(7, REFERENCE + 20)
    young = pl.col("served_at") >= moment(15)
    frame = frame.with_columns(
        pl.when(young & (pl.int_range(pl.len()) % 3 > 0)).then(None).otherwise(pl.col("label")).alias("label")
    )
    found = watch(config(tmp_path, frame), replay=True, as_of=moment(25))
    assert found.labels.waiting == 5
    assert next(s for s in found.streams if s.name == "performance").periods == 15
    assert next(s for s in found.streams if s.name == "confidence").periods == 20


def test_missing_and_unknown_values_are_streams_of_their_own(tmp_path: Path):
    frame = served(8, REFERENCE + 25)
    hit = (pl.col("served_at") >= moment(10)) & (pl.int_range(pl.len()) % 10 == 0)
    frame = frame.with_columns(
        pl.when(hit).then(None).otherwise(pl.col("age")).alias("age"),
        pl.when(hit).then(pl.lit("d")).otherwise(pl.col("branch")).alias("branch"),
    )
    (one,) = alarms(watch(config(tmp_path, frame), replay=True, as_of=moment(30)))
    assert {m.stream for m in one.members} >= {"missing:age", "unknown:branch"}
    assert one.began == after(10)
    told = next(m for m in one.members if m.stream == "missing:age")
    assert "missing values of age rose by" in told.sentence


def test_a_segment_that_got_worse_is_named(tmp_path: Path):
    def worse_in_c(columns: dict[str, Any]) -> None:
        hit = (columns["branch"] == "c") & (columns["day"] >= REFERENCE + 10)
        columns["flip"] = np.where(hit, 0.35, 0.0)

    frame = served(9, REFERENCE + 40, change=worse_in_c)
    found = watch(config(tmp_path, frame, model={"segments": ["branch"]}), replay=True, as_of=moment(45))
    raised = {m.stream for one in alarms(found) for m in one.members}
    assert "segment:branch = 'c'" in raised
    assert not raised & {"segment:branch = 'a'", "segment:branch = 'b'"}


def test_before_labels_the_estimate_and_its_assumption(tmp_path: Path):
    frame = served(10, REFERENCE + 24, late=(30.0, 30.0)).with_columns(
        pl.when(pl.col("served_at") >= moment(0)).then(None).otherwise(pl.col("label")).alias("label"),
        pl.when(pl.col("served_at") >= moment(0)).then(None).otherwise(pl.col("served_at")).alias("label_at"),
    )
    settings = config(tmp_path, frame, late=True, watch={"estimate": True})
    found = watch(settings, replay=True, as_of=moment(25))
    assert found.estimated is not None
    assert found.estimated.estimate is not None
    assert found.estimated.estimate.low < found.estimated.reference < found.estimated.estimate.high
    assert "assumes that inputs are intact" in found.estimated.assumption
    broken = frame.with_columns(
        pl.when(pl.col("served_at") >= moment(0))
        .then(pl.col("income") / 12)
        .otherwise(pl.col("income"))
        .alias("income")
    )
    told = watch(config(tmp_path, broken, late=True, watch={"estimate": True}), replay=True, as_of=moment(25)).estimated
    assert told is not None
    assert told.estimate is None
    assert told.suppressed is not None
    assert "income" in told.suppressed or "outside" in told.suppressed


@pytest.mark.slow
def test_looks_by_the_day_end_where_one_look_does(tmp_path: Path, database: Database):
    frame = served(11, REFERENCE + 34, late=(2.0, 1.0), change=lambda c: monthly_income(c, 12, 20))
    settings = config(tmp_path, frame, late=True)
    book = database.book("loans", settings_key(settings))
    for day in (1, 2, 5, 14, 14, 16, 25, 36):
        found = watch(settings, as_of=moment(day, 6), book=book)
    at_once = watch(settings, replay=True, as_of=moment(36, 6))
    assert found.incidents == at_once.incidents
    assert found.streams == at_once.streams
    again = watch(settings, as_of=moment(36, 6), book=book)
    assert again == found
    assert len(found.incidents) == 1


def test_a_frozen_period_is_not_looked_at_again(tmp_path: Path, database: Database):
    """Rewriting history does not rewrite what was judged."""
    settings = config(tmp_path, served(12, REFERENCE + 20))
    book = database.book("loans", settings_key(settings))
    first = watch(settings, as_of=moment(20, 12), book=book)
    config(tmp_path, served(12, REFERENCE + 20, change=lambda c: monthly_income(c, 5)))
    second = watch(settings, as_of=moment(20, 12), book=book)
    assert second.streams == first.streams
    frame = served(12, REFERENCE + 20)
    late = frame.filter(pl.col("served_at") >= moment(18)).head(60)
    config(tmp_path, pl.concat([frame, late]).sort("served_at"))
    third = watch(settings, as_of=moment(20, 12), book=book)
    assert third.streams == first.streams
    assert any("arrived after they had been judged" in note for note in third.notes)
    assert not any("arrived after" in note for note in second.notes)


@pytest.mark.parametrize(("late", "opened"), [(False, 1), (True, 3)])
def test_rows_are_opened_again_only_for_labels_of_an_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool, opened: int
):
    """Opening reads the label and the score of every row: without times of labels, a look at a new day does so once."""
    settings = config(tmp_path, served(12, REFERENCE + 20, late=(2.0, 1.0)), late=late)
    database = open_database(None, tmp_path)
    book = database.book("loans", settings_key(settings))
    watch(settings, as_of=moment(15), book=book)
    calls = []
    for module in (looks, new_rows):
        monkeypatch.setattr(module, "open_both", lambda rows: calls.append(rows) or open_both(rows))
    watch(settings, as_of=moment(16), book=book)
    database.close()
    assert len(calls) == opened


def test_rows_in_their_order_can_be_periods(tmp_path: Path):
    frame = served(13, REFERENCE + 10, rows=500, change=lambda c: monthly_income(c, 6, 7))
    settings = config(tmp_path, frame, watch={"period": "500 rows"})
    found = watch(settings, replay=True)
    (one,) = alarms(found)
    assert one.began == "rows 3001 to 3500"
    assert len({m.raised for m in one.members}) == 1


def test_holidays_are_left_out(tmp_path: Path):
    frame = served(14, REFERENCE + 20, change=lambda c: monthly_income(c, 10, 12))
    plain = watch(config(tmp_path, frame), replay=True, as_of=moment(25))
    off = watch(config(tmp_path, frame, watch={"holidays": [after(10), after(11)]}), replay=True, as_of=moment(25))
    assert alarms(plain)
    assert not alarms(off)


def test_reviewers_corrections_are_a_stream(tmp_path: Path):
    frame = served(15, REFERENCE + 25)
    rng = np.random.default_rng(0)
    late = (frame["served_at"] >= moment(10)).to_numpy()
    review = rng.random(frame.height) < np.where(late, 0.3, 0.05)
    frame = frame.with_columns(pl.Series("who", np.where(review, "review", "system")))
    found = watch(config(tmp_path, frame, model={"label_source": "who"}), replay=True, as_of=moment(30))
    assert "corrections" in {m.stream for one in alarms(found) for m in one.members}
    assert "performance" not in {m.stream for one in alarms(found) for m in one.members}


def test_a_number_is_watched_too(tmp_path: Path):
    rng = np.random.default_rng(16)
    frame = (
        served(16, REFERENCE + 30)
        .with_columns(pl.Series("label", rng.normal(0, 1, (REFERENCE + 30) * 200)), pl.lit(0.0).alias("prediction"))
        .drop("p_paid")
    )
    late = pl.col("served_at") >= moment(15)
    frame = frame.with_columns(pl.when(late).then(pl.col("label") * 1.6).otherwise(pl.col("label")).alias("label"))
    settings = config(tmp_path, frame)
    settings = settings.model_copy(
        update={"model": settings.model.model_copy(update={"scores": {}, "task": "regression"})}
    )
    (one,) = alarms(watch(settings, replay=True, as_of=moment(35)))
    assert one.began == after(15)
    assert "mean absolute error rose by" in one.sentence.lower()


def test_bad_input_is_said_in_one_line(tmp_path: Path):
    frame = served(17, REFERENCE + 5)
    with pytest.raises(InputError, match="at least 10 periods"):
        watch(config(tmp_path, frame, windows={"reference": "2026-01-05..2026-01-09"}), replay=True)
    settings = config(tmp_path, frame)
    without = settings.model_copy(update={"model": settings.model.model_copy(update={"timestamp": None})})
    with pytest.raises(BackslideError, match="timestamp"):
        watch(without, replay=True)
    with pytest.raises(ConfigError, match="number of rows"):
        config(tmp_path, frame, watch={"period": "fortnight"})
    with pytest.raises(ConfigError, match="nothing to monitor"):
        watch(
            settings.model_copy(update={"data": type(settings.data)()}).model_copy(
                update={"windows": type(settings.windows)(reference="log.parquet")}
            ),
            replay=True,
        )
