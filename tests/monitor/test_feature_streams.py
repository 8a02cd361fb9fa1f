"""Features that are followed by name: what is read of them, what an alarm says, and how often nothing raises one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backslide.contracts.errors import ConfigError
from backslide.contracts.watch import Level, Member, WatchReport
from backslide.jobs.profile_days import store_profiles
from backslide.jobs.watch import settings_key, watch
from backslide.monitor.collect import SumPlan, gather
from backslide.monitor.exposition import exposition
from backslide.monitor.feature_values import FeatureValues, NumberScale, level_name, value_name
from backslide.monitor.periods import PERIOD
from backslide.report.documents.watch_timeline import watch_timeline
from backslide.store.memory import Book
from feature_streams import Change, delay, quiet
from scale import most, runs
from streams_of_logs import REFERENCE, START, after, config, moment, served

FOLLOWED: dict[str, Any] = {"features": ["inc*", "age", "branch"]}


def members(found: WatchReport) -> dict[str, Member]:
    return {m.stream: m for one in found.incidents for m in one.members if m.level == Level.ALARM}


def moved(columns: dict[str, Any]) -> None:
    """From day 12 on: income is half as much again, age lies wider about the same mean, half of branch a is branch b."""
    late = columns["day"] >= REFERENCE + 12
    columns["income"] = np.where(late, columns["income"] * 1.5, columns["income"])
    columns["age"] = np.where(late, 40 + (columns["age"] - 40) * 1.5, columns["age"])
    gone = late & (columns["branch"] == "a") & (columns["rng"].random(len(late)) < 0.5)
    columns["branch"] = np.where(gone, "b", columns["branch"])


def test_numbers_are_cut_and_what_is_no_number_is_left_to_other_streams():
    scale = NumberScale.of(np.array([np.nan, 1.0, 2.0, 3.0, 4.0, 5.0]))
    assert scale is not None
    assert (scale.low, scale.high) == (-4.0, 10.0)
    frame = pl.LazyFrame(
        {PERIOD: [1] * 6, "x": [3.0, None, np.nan, np.inf, -np.inf, 1e9], "c": ["a", "b", None, "a", "a", "z"]}
    )
    values = FeatureValues({"x": scale}, {"c": ("a",)})
    (sums,) = gather(frame, SumPlan((), False, (), ("x", "c"), {}, None, values)).values()
    rows, total, _ = sums.moments[value_name("x")]
    assert rows == 4  # of six: one is null, one NaN
    assert scale.centre + scale.deviation * total / rows == pytest.approx((3 + 10 - 4 + 10) / 4)
    assert sums.moments[level_name("c", "a")] == (5, 3, 3)
    assert NumberScale.of(np.full(9, 4.0)) is None
    assert FeatureValues.from_dict(values.to_dict()) == values


def test_an_alarm_says_column_statistic_before_and_now_and_since_when(tmp_path: Path):
    settings = config(tmp_path, served(3, REFERENCE + 30, change=moved), watch=FOLLOWED)
    report = watch(settings, replay=True, as_of=moment(40))
    found = members(report)
    (one,) = [incident for incident in report.incidents if incident.level == Level.ALARM]
    assert one.members[0].known_on > one.known_on == after(12)  # the first that told, not the first to read
    assert {"level:income", "spread:age", "share:branch=a", "share:branch=b"} <= set(found)
    assert "level:age" not in found
    level = found["level:income"]
    assert (level.kind, level.began) == ("level", after(12))
    assert level.sentence.startswith("Mean of income (values cut at ")
    assert "from 22.7" in level.sentence
    assert level.sentence.endswith(f"since {after(12)}.")
    assert found["spread:age"].sentence.startswith("Standard deviation of age ")
    assert found["share:branch=a"].sentence.startswith("The share of rows where branch = 'a' fell by ")
    assert abs(found["share:branch=a"].change.estimate + 1 / 6) < 0.03
    assert 'backslide_stream_level{model="loans",stream="level:income"} 2.0' in exposition(report)
    drawn = watch_timeline(report)
    assert drawn is not None
    assert {panel.title for panel in drawn.panels} & {m.words for m in found.values() if m.kind == "level"}


def test_nothing_is_followed_that_is_not_named_and_the_budget_is_one(tmp_path: Path):
    frame = served(3, REFERENCE + 16, change=moved).with_columns(one=pl.lit(7.0))
    plain = watch(config(tmp_path, frame), replay=True, as_of=moment(20))
    assert not {"level", "spread", "share"} & {s.kind for s in plain.streams}
    named = watch(config(tmp_path, frame, watch={"features": ["one", "branch"]}), replay=True, as_of=moment(20))
    assert {s.name for s in named.streams if s.kind in ("level", "spread", "share")} == {
        f"share:branch={b}" for b in "abc"
    }
    assert sum(s.share_of_budget for s in named.streams) == pytest.approx(1.0)
    assert any("nothing to follow of one" in note for note in named.notes)
    beside = config(tmp_path, frame, watch={"features": ["branch"]}, model={"features": ["income", "age"]})
    assert "share:branch=a" in {
        s.name for s in watch(beside, replay=True, as_of=moment(20)).streams
    }  # no model sees it
    fewer = config(tmp_path, frame, watch={"features": ["*"], "leave_out": ["spread:*", "share:*"]})
    kinds = [s.kind for s in watch(fewer, replay=True, as_of=moment(20)).streams]
    assert kinds.count("level") == 2
    assert not {"spread", "share"} & set(kinds)


@pytest.mark.parametrize(
    ("name", "line"),
    [("incone", "no column without another role; did you mean 'income'"), ("vector", "neither numbers nor categories")],
)
def test_a_name_that_has_nothing_to_follow_is_refused(tmp_path: Path, name: str, line: str):
    frame = served(1, REFERENCE + 2, rows=60)
    with pytest.raises(ConfigError, match=line):
        watch(
            config(
                tmp_path, frame.with_columns(vector=pl.Series([[1.0, 2.0]] * frame.height)), watch={"features": [name]}
            ),
            as_of=moment(2),
        )


def test_a_column_that_is_gone_or_turned_into_text_ends_no_look(tmp_path: Path):
    frame = served(3, REFERENCE + 6, rows=60)
    settings = config(tmp_path, frame, watch=FOLLOWED)
    late = pl.col("served_at") >= START + timedelta(days=REFERENCE)
    before, later = frame.filter(~late), frame.filter(late).drop("branch").with_columns(pl.lit("n/a").alias("income"))
    found = watch(settings, replay=True, as_of=moment(8), reference=before, later=later)
    streams = {s.name: s.periods for s in found.streams}
    assert (streams["level:age"], streams["level:income"], streams["share:branch=a"]) == (6, 0, 0)


def test_look_after_look_says_what_a_replay_says(tmp_path: Path):
    """The way in which values are read is kept with the reference: sums of earlier looks rest on it."""
    settings = config(tmp_path, served(3, REFERENCE + 18, rows=100, change=moved), watch=FOLLOWED)
    assert settings_key(settings) != settings_key(config(tmp_path, served(3, REFERENCE + 18, rows=100, change=moved)))
    book = Book()
    for day in (5, 13, 18):
        found = watch(settings, book=book, as_of=moment(day, 6))
    assert members(found) == members(watch(settings, replay=True, as_of=moment(18, 6)))
    assert "level:income" in members(found)


def test_a_stored_profile_has_shares_and_says_that_it_has_no_numbers(tmp_path: Path):
    frame = served(3, REFERENCE + 20, change=moved)
    settings = config(tmp_path, frame, watch=FOLLOWED)
    reference = frame.drop("label_at").filter(pl.col("served_at") < START + timedelta(days=REFERENCE))
    store_profiles(settings.model_copy(update={"windows": type(settings.windows)()}), tmp_path / "days", rows=reference)
    found = watch(settings, replay=True, as_of=moment(25), reference=str(tmp_path / "days"))
    assert members(found)["share:branch=a"].began == after(12)
    assert any("nothing to follow of income and age" in note for note in found.notes)


@pytest.mark.rates
def test_quiet_years_keep_the_promise():
    years = runs(4, 200)
    for rows in (200, 1000):
        tally = quiet(np.random.default_rng([rows, 7]), rows, years, 0.3)
        assert tally.alarms <= most(years, 0.1)


@pytest.mark.rates
@pytest.mark.parametrize(
    ("kind", "size", "days"),
    [("level", 0.5, 5), ("spread", 0.5, 5), ("share", 0.1, 12), ("missing", 0.05, 6), ("unknown", 0.05, 6)],
)
def test_a_change_is_found(kind: str, size: float, days: int):
    waits = [delay(np.random.default_rng([run, 5]), 1000, 0.3, Change(kind, size)) for run in range(runs(1, 20))]
    assert np.median(waits) <= days
