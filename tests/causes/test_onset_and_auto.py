"""When it began: the change point with its interval, what coincides, and windows found from it."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.cause import CauseKind
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.contracts.errors import ConfigError, TimestampError
from backslide.jobs.diagnose import diagnose
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.change.change_point import locate

DAYS, CUT = 56, 37
BEGAN = scenarios.START + timedelta(days=CUT)


def log(seed: int = 1, *, fault: bool = True, rows: int = 7000) -> pl.DataFrame:
    frame = scenarios.served(np.random.default_rng(seed), rows, days=DAYS)
    late = (pl.col("served_at") >= BEGAN) & fault
    frame = frame.with_columns(pl.when(late).then(pl.col("income") * 12).otherwise("income").alias("income"))
    version = pl.when(pl.col("served_at") >= BEGAN).then(pl.lit("v2")).otherwise(pl.lit("v1"))
    return scenarios.rescored(frame).with_columns(version.alias("version"))


def found(frame: pl.DataFrame, tmp_path, **windows: str) -> Diagnosis:
    frame.write_parquet(tmp_path / "log.parquet")
    model = worlds.BARE | {"version": "version"}
    settings = Settings.from_dict(
        {"model": model, "data": {"source": "log.parquet"}, "windows": {"current": "auto", **windows}}, base=tmp_path
    )
    return diagnose(settings=settings, reference_model=scenarios.TrueModel(), quick=True)


@pytest.mark.parametrize("reference", [None, "auto", "2026-03-02..2026-03-20"])
def test_auto_finds_the_day_and_the_cause(tmp_path, reference):
    diagnosis = found(log(), tmp_path, **({"reference": reference} if reference else {}))
    assert diagnosis.verdict is Verdict.DEGRADED
    assert diagnosis.inputs.sources["current"].endswith(f"{BEGAN.date()}..2026-04-26")
    assert diagnosis.causes[0].features == ("income",)
    assert any("changed on 2026-04-08" in note for note in diagnosis.inputs.notes)


def test_onset_holds_the_true_day_and_tells_the_deploy(tmp_path):
    onset = found(log(), tmp_path).onset
    assert onset is not None
    assert onset.low <= str(BEGAN.date()) <= onset.high
    assert any("version v2 served first" in event for event in onset.events)
    assert any(event == "same day as the unit change of income" for event in onset.events)


@pytest.mark.slow
def test_auto_on_a_quiet_log_says_that_nothing_was_found(tmp_path):
    diagnosis = found(log(fault=False), tmp_path)
    assert not diagnosis.verdict.bad
    assert diagnosis.onset is None
    assert any("no day was found" in note for note in diagnosis.inputs.notes)


def test_auto_without_labels_goes_by_the_confidence(tmp_path):
    diagnosis = found(log().with_columns(label=pl.lit(None, pl.String)), tmp_path)
    assert any("changed on" in note for note in diagnosis.inputs.notes)


def test_auto_needs_a_source_a_timestamp_and_days(tmp_path):
    frame = log()
    settings = Settings.from_dict({"model": worlds.BARE, "windows": {"current": "auto"}})
    with pytest.raises(ConfigError, match=r"needs \[data\] source"):
        diagnose(settings=settings)
    with pytest.raises(TimestampError, match="at least 6 days"):
        found(frame.filter(pl.col("served_at") < scenarios.START + timedelta(days=4)), tmp_path)


@pytest.mark.parametrize("size", [1.5, 3.0])
def test_the_interval_of_a_change_point_holds_it(size):
    rng = np.random.default_rng(0)
    runs, held, widths = 300, 0, []
    for _ in range(runs):
        values = rng.normal(0, 1, 60)
        values[40:] += size
        point = locate(values, np.ones(60))
        held += point.low <= 40 <= point.high
        widths.append(point.high - point.low)
    assert held >= 0.93 * runs
    assert np.mean(widths) < 20


def test_no_change_point_in_too_few_blocks_and_a_weak_one_in_noise():
    assert locate(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4)) is None
    rng = np.random.default_rng(1)
    strong = [locate(rng.normal(0, 1, 60), np.ones(60)).drop >= 16 for _ in range(300)]
    assert np.mean(strong) < 0.05


@pytest.mark.slow
def test_windows_that_share_their_days_have_no_onset():
    frame = log()
    half = pl.Series(np.random.default_rng(2).random(frame.height) < 0.5)
    diagnosis = diagnose(
        frame.filter(half & (frame["served_at"] < BEGAN)),
        frame.filter(~half),
        settings=Settings.from_dict({"model": worlds.BARE}),
        reference_model=scenarios.TrueModel(),
    )
    assert diagnosis.onset is None


# --- each cause by itself ------------------------------------------------------------------------------------------


def late_only(made: Scenario, quiet: pl.DataFrame, day: datetime) -> Scenario:
    """The scenario's current rows from the day on, and quiet ones before it."""
    moved = made.current.filter(pl.col("served_at") >= day)
    before = quiet.filter(pl.col("served_at") < day).select(moved.columns)
    daily = moved.height / moved["served_at"].dt.date().n_unique()
    wanted = round(daily * before["served_at"].dt.date().n_unique())
    before = before.sample(min(wanted, before.height), seed=1).sort("served_at")
    return Scenario(made.reference, pl.concat([before, moved]), made.model, made.artefact)


WORLDS = {
    CauseKind.LABEL_SHIFT: (worlds.label_shift, 0),
    CauseKind.COVARIATE_SHIFT: (worlds.covariate_shift, 0),
    CauseKind.CONCEPT_DRIFT: (worlds.concept_drift, 6),
}
"""With the days of the current window before it: the first two are too weak to be told from a part of these rows."""


@pytest.mark.sample(1)
@pytest.mark.parametrize("kind", WORLDS)
def test_a_cause_in_the_world_has_an_onset_of_its_own(kind):
    build, sound = WORLDS[kind]
    day = scenarios.START + timedelta(days=28 + sound)
    made = build(np.random.default_rng(4))
    if sound:
        made = late_only(made, worlds.two_months(np.random.default_rng(4), made.reference.height)[1], day)
    diagnosis = worlds.causes_of(made)
    first = diagnosis.causes[0]
    assert first.kind is kind
    assert first.began is not None
    assert first.began.low <= str(day.date()) <= first.began.high
    assert first.began.low <= first.began.at == first.since <= first.began.high
    assert first.began.coincides is (None if diagnosis.onset is None else True)
