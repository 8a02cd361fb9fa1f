"""Watching against stored profiles: what the rows of the reference say, and new rows alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.jobs.profile_days import store_profiles
from backslide.jobs.watch import watch
from backslide.monitor import new_rows
from backslide.monitor.new_rows import read_new_rows
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.rows import SERVED, open_rows
from backslide.store.memory import Book

START = datetime(2026, 3, 2)
ROLES = {
    "label": "label",
    "prediction": "prediction",
    "timestamp": "at",
    "scores": {"yes": "p"},
    "positive": "yes",
    "segments": ["c"],
}


def log(days: int, rows: int = 300, broken: int | None = None) -> pl.DataFrame:
    """Days of a model that is right in four of five rows, and from ``broken`` on in one of two."""
    rng = np.random.default_rng(5)
    n = days * rows
    day = np.arange(n) // rows
    p = rng.random(n)
    label = np.where(rng.random(n) < np.clip(p, 0.1, 0.9), "yes", "no")
    right = rng.random(n) < (0.8 if broken is None else np.where(day >= broken, 0.5, 0.8))
    x = [None if lost else value for lost, value in zip(rng.random(n) < 0.05, rng.normal(size=n).tolist(), strict=True)]
    return pl.DataFrame(
        {
            "at": [START + timedelta(minutes=int(i * 1440 / rows)) for i in range(n)],
            "x": x,
            "c": rng.choice(["a", "b"], n),
            "p": p,
            "label": label,
            "prediction": np.where(right, label, np.where(label == "yes", "no", "yes")),
        }
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("watched")
    rows = log(45, broken=38)
    rows.write_parquet(folder / "log.parquet")
    store_profiles(Settings.from_dict({"model": ROLES}), folder / "profiles", rows=rows.head(28 * 300))
    return folder, rows


def settings_of(folder: Path, reference: str, **watched: object) -> Settings:
    return Settings.from_dict(
        {
            "model": ROLES,
            "windows": {"reference": reference},
            "data": {"source": str(folder / "log.parquet")},
            "watch": {"estimate": False, "diagnose": False, "faults": False, **watched},
        }
    )


def test_a_stored_reference_is_watched_as_its_rows_are(world: tuple[Path, pl.DataFrame]):
    folder, _ = world
    present = START + timedelta(days=46)
    rows = watch(settings_of(folder, "2026-03-02..2026-03-29"), replay=True, as_of=present)
    stored = watch(settings_of(folder, str(folder / "profiles")), replay=True, as_of=present)
    assert [s.name for s in stored.streams] == [s.name for s in rows.streams]
    for ours, known in zip(stored.streams, rows.streams, strict=True):
        assert ours.level == known.level, ours.name
        assert ours.reference == pytest.approx(known.reference, rel=1e-9), ours.name
    assert [i.began for i in stored.incidents] == [i.began for i in rows.incidents]
    assert any("not watched" in note for note in stored.notes)


def test_profiles_are_watched_without_any_row(world: tuple[Path, pl.DataFrame], tmp_path: Path):
    folder, frame = world
    store_profiles(Settings.from_dict({"model": ROLES}), tmp_path / "p", rows=frame)
    present = START + timedelta(days=46)
    settings = settings_of(folder, "2026-03-02..2026-03-29", diagnose=True)
    elsewhere = settings.model_copy(
        update={
            "data": settings.data.model_copy(update={"source": str(tmp_path / "p")}),
            "engine": settings.engine.model_copy(update={"kind": "spark"}),  # which made the profiles
        }
    )
    rows = watch(settings_of(folder, "2026-03-02..2026-03-29"), replay=True, as_of=present)
    stored = watch(elsewhere, replay=True, as_of=present)
    assert [(s.name, s.level) for s in stored.streams] == [(s.name, s.level) for s in rows.streams]
    assert [(i.began, i.level) for i in stored.incidents] == [(i.began, i.level) for i in rows.incidents]
    assert "got worse" in stored.incidents[-1].diagnosis.sentence


def test_a_look_reads_new_rows_alone_and_ends_as_one_over_all(
    world: tuple[Path, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
):
    folder, frame = world
    monkeypatch.setattr(new_rows, "LEAST_ROWS", 1)
    settings = settings_of(folder, str(folder / "profiles"))
    book = Book()
    former = None
    for day in (31, 40, 44, 46):
        at = START + timedelta(days=day)
        rows = read_new_rows(open_rows(settings, PeriodGrid.of(settings.watch), at), book)
        served = rows.later.select(SERVED).collect()[SERVED]
        if former is not None:
            assert served.min() >= former - timedelta(days=2)
        former = at
        assert sum((rows.held or {}).values()) == frame.filter(pl.col("at") < at).height - 28 * 300
        last = watch(settings, as_of=at, book=book, deliver=False)
    whole = watch(settings, replay=True, as_of=START + timedelta(days=46))
    assert [s.level for s in last.streams] == [s.level for s in whole.streams]
    assert [(i.began, i.level) for i in last.incidents] == [(i.began, i.level) for i in whole.incidents]


def test_periods_that_cut_days_are_refused(world: tuple[Path, pl.DataFrame]):
    folder, _ = world
    for period in ("hour", "500 rows"):
        with pytest.raises(ConfigError, match="stored profiles hold whole days"):
            watch(settings_of(folder, str(folder / "profiles"), period=period), replay=True)


def test_an_alarm_is_diagnosed_against_the_profile(world: tuple[Path, pl.DataFrame]):
    folder, _ = world
    settings = settings_of(folder, str(folder / "profiles"), diagnose=True)
    answer = watch(settings, replay=True, as_of=START + timedelta(days=46))
    found = [i.diagnosis for i in answer.incidents if i.diagnosis is not None]
    assert found
    assert "got worse" in found[-1].sentence
