"""Windows of several time ranges, and windows of which like weekdays alone are compared."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import backslide as bs
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError, TimestampError
from backslide.engine.sources.open import TimeRange, parse_time_ranges
from backslide.engine.times.time_range import TimeRanges
from backslide.engine.window import open_windows
from backslide.jobs.verdict import _rows_needed
from backslide.playbook import scenarios
from backslide.stats.change.metric_change import Change

MONDAY = datetime(2026, 3, 2)
ROLES = bs.Roles(
    label="label",
    prediction="prediction",
    scores={"yes": "p_yes"},
    timestamp="served_at",
    features=("income", "age", "channel", "premium"),
)


def log(days=56, rows=2800):
    """Eight weeks from a Monday on, fifty rows a day."""
    frame = scenarios.served(np.random.default_rng(3), rows, start=MONDAY, days=days)
    at = [MONDAY + timedelta(days=i * days // rows, hours=i % 24) for i in range(rows)]
    return frame.with_columns(served_at=pl.Series(at))


def settings(tmp_path, **windows):
    log().write_parquet(tmp_path / "log.parquet")
    model = {key: value for key, value in ROLES.model_dump().items() if value is not None}
    made = Settings.from_dict({"model": model, "data": {"source": "log.parquet"}, "windows": windows})
    return made.model_copy(update={"base": tmp_path})


def test_ranges_are_a_list_or_one_text_with_commas():
    first, second = "2026-03-02..2026-03-08", "2026-03-16..2026-03-22"
    both = TimeRanges(
        (TimeRange(MONDAY, MONDAY + timedelta(7)), TimeRange(MONDAY + timedelta(14), MONDAY + timedelta(21)))
    )
    assert parse_time_ranges([second, first]) == parse_time_ranges(f"{first}, {second}") == both
    assert both.end == MONDAY + timedelta(21)
    assert parse_time_ranges("a,b.parquet") is None
    assert parse_time_ranges(log()) is None
    between = TimeRanges((TimeRange(MONDAY + timedelta(7), MONDAY + timedelta(14)),))
    assert both.apart_from(between)
    assert not both.apart_from(TimeRanges((TimeRange(MONDAY + timedelta(20), MONDAY + timedelta(30)),)))


@pytest.mark.parametrize("source", [["2026-03-02..2026-03-08", "april.parquet"], ["a.parquet", "b.parquet"], []])
def test_a_list_holds_time_ranges_alone(source):
    with pytest.raises(TimestampError, match="expected time ranges like"):
        parse_time_ranges(source)


def test_a_window_of_several_ranges_holds_each_of_their_rows_once(tmp_path):
    reference = ["2026-03-02..2026-03-08", "2026-03-08..2026-03-10", "2026-03-16..2026-03-22"]
    pair = open_windows(reference, "2026-04-06..2026-04-12", settings(tmp_path))
    assert (pair.reference.rows, pair.current.rows) == (16 * 50, 7 * 50)
    assert any("800 in the reference window" in note and "1,650 outside" in note for note in pair.notes)
    assert "2026-03-16..2026-03-22" in pair.reference.source


def test_the_configuration_takes_a_list_and_the_diagnosis_says_what_it_compared(tmp_path):
    windows = {"reference": ["2026-03-02..2026-03-15", "2026-03-23..2026-04-05"], "current": "2026-04-06..2026-04-08"}
    found = bs.diagnose(settings=settings(tmp_path, match="weekday", **windows), quick=True)
    assert (found.inputs.rows.reference, found.inputs.rows.current) == (12 * 50, 3 * 50)
    assert found.inputs.days_compared == (
        "Monday, Tuesday and Wednesday of both windows: 12 reference days with 3 current days; left out: 800 reference rows of "
        "Thursday, Friday, Saturday and Sunday"
    )
    assert "days compared" in found.to_text()
    assert found.inputs.periods["reference"].days == 12
    assert any("1,250 outside" in note for note in found.inputs.notes), found.inputs.notes


def test_like_weekdays_are_compared_in_tables_too_and_rows_without_a_time_are_counted():
    rows = log()
    reference = rows[:1400].with_columns(served_at=pl.when(pl.int_range(1400) < 3).then(None).otherwise("served_at"))
    current = rows[1400 + 5 * 50 : 1400 + 7 * 50]  # a weekend
    made = Settings.from_dict({"model": {key: v for key, v in ROLES.model_dump().items() if v is not None}})
    pair = open_windows(reference, current, made, match="weekday")
    assert (pair.reference.rows, pair.current.rows) == (8 * 50, 100)
    assert pair.days_compared.startswith("Saturday and Sunday of both windows: 8 reference days with 2 current days")
    assert pair.days_compared.endswith("1,000 reference rows of Monday, Tuesday, Wednesday, Thursday and Friday")
    assert open_windows(reference, current, made).days_compared == ""


def test_windows_without_a_like_day_or_a_time_are_refused_in_one_line():
    rows = log()
    made = Settings.from_dict({"model": {key: v for key, v in ROLES.model_dump().items() if v is not None}})
    with pytest.raises(TimestampError, match="the reference window holds Monday and the current window holds Tuesday"):
        open_windows(rows[:50], rows[50:100], made, match="weekday")
    untimed = replace_timestamp(made)
    with pytest.raises(ConfigError, match="needs \\[model\\] timestamp"):
        open_windows(rows[:1400], rows[1400:], untimed, match="weekday")


def replace_timestamp(made):
    return made.model_copy(update={"model": made.model.model_copy(update={"timestamp": None})})


def test_more_days_are_not_asked_for_where_the_change_is_clear_of_noise(tmp_path):
    """A change that is significant and smaller than what matters needs no more rows: the two are too near."""
    from backslide.case import Case

    made = settings(tmp_path)
    case = Case(open_windows("2026-03-02..2026-03-29", "2026-03-30..2026-04-12", made), made)
    change = case.change(case.metric)
    assert isinstance(change, Change)
    floor = case.problem.min_effect
    noisy = replace(change, estimate=-0.8 * floor, se=0.8 * floor, p_worse=0.16)
    clear = replace(change, estimate=-0.8 * floor, se=0.3 * floor, p_worse=0.004)
    assert "times the days" in _rows_needed(case, noisy)
    for one in (clear, replace(clear, estimate=0.8 * floor, p_worse=0.996)):
        assert "too near" in _rows_needed(case, one)
        assert "times" not in _rows_needed(case, one)
