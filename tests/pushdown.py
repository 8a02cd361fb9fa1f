"""A table that databases and Spark count, with everything that they write differently, and the comparison with one pass here."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.engine.profile.daily_profiles import profile_days
from backslide.engine.profile.profile_store import ProfileStore
from backslide.engine.window import open_windows
from backslide.jobs.profile_days import store_profiles

MODEL = {"label": "label", "prediction": "prediction", "timestamp": "at", "version": "ver"}
EXACT = (
    "rows",
    "nulls",
    "nans",
    "pos_inf",
    "neg_inf",
    "finite",
    "minimum",
    "maximum",
    "integer",
    "levels",
    "rest_rows",
)


def table(rows: int = 3000, seed: int = 0) -> pl.DataFrame:
    """NaN, null and both infinities, integers beyond 2**53, booleans, odd texts, and rows without a time."""
    rng = np.random.default_rng(seed)
    x = rng.lognormal(3, 1, rows)
    x[::50], x[1::70], x[2::90] = np.nan, np.inf, -np.inf
    label = np.where(rng.random(rows) < 0.4, "yes", "no")
    texts = ["a'b", 'c"d', "`e`", "ü", "", "f%s"]
    start = datetime(2026, 3, 1)
    return pl.DataFrame(
        {
            "at": [None if i % 101 == 0 else start + timedelta(minutes=10 * i) for i in range(rows)],
            "x": [None if i % 33 == 0 else value for i, value in enumerate(x.tolist())],
            'odd "name': rng.normal(size=rows) * 1e-3,
            "share": rng.random(rows),
            "k": [None if i % 44 == 0 else int(v) for i, v in enumerate(rng.integers(-5, 2**60, rows))],
            "c": [None if i % 20 == 0 else texts[i % 6] for i in range(rows)],
            "b": [None if i % 17 == 0 else bool(i % 3) for i in range(rows)],
            "label": [None if i % 13 == 0 else one for i, one in enumerate(label.tolist())],
            "prediction": np.where(rng.random(rows) < 0.8, label, "no"),
            "ver": np.where(np.arange(rows) < rows // 2, "v1", "v2"),
        },
        strict=False,
    )


SIZES = {
    "small": [1e-200, 3e-200, -2e-200, 5e-324, 1e-170, 0.0],
    "large": [1e200, 3e200, 1.5, 1e-200, 1.7e308, 1.2e308],
    "mixed": [float("nan"), float("inf"), -float("inf"), 1e154, 1e-162, None],
    "whole": [2**63 - 1, -(2**63), 0, 2**53 + 1, None, 7],
}
"""Numbers whose squares and sums leave the range of floats, and whole ones at the ends of theirs."""
LABELS = [1e55, 3e55, 1.5, 1e-30, 1.7e58, 1.2e58]
"""As large as labels may be: of larger ones no interval could be told, so they are refused."""


def extremes(rows: int = 120) -> pl.DataFrame:
    """Extreme numbers as features, as labels and as predictions, in two days."""
    start = datetime(2026, 3, 1)
    columns = {name: [values[i % 6] for i in range(rows)] for name, values in SIZES.items()}
    labels = [LABELS[i % 6] for i in range(rows)]
    said = [-labels[i // 2] for i in range(rows)]
    return pl.DataFrame(
        {"at": [start + timedelta(minutes=20 * i) for i in range(rows)], **columns, "y": labels, "p": said},
        strict=False,
    )


def assert_extremes_alike(source: str, folder: Path, **sections: Any) -> None:
    """What is counted elsewhere of extreme numbers is what one pass here counts: nothing refused, nothing rounded to nothing."""
    roles = {"label": "y", "prediction": "p", "timestamp": "at", "task": "regression", "features": [*SIZES]}
    store_profiles(Settings.from_dict({"model": roles, **sections}), folder, rows=source)
    store = ProfileStore.open(folder)
    rows, settings = extremes(), Settings.from_dict({"model": roles})
    here = profile_days(open_windows(rows, rows, settings).reference.frame, store.manifest.plan)
    there = {key: profile for day in store.days() for key, profile in store.read(day).items()}
    assert list(there) == list(here)
    for key, known in here.items():
        assert set(SIZES) <= set(known.columns)
        for name, one in known.columns.items():
            other = there[key].columns[name]
            assert [getattr(other, fact) for fact in EXACT] == [getattr(one, fact) for fact in EXACT], (key, name)
            assert other.counts.tolist() == one.counts.tolist(), (key, name)
            assert (other.mean, other.m2) == pytest.approx((one.mean, one.m2), rel=1e-9, abs=1e-320), (key, name)
        for name, blocks in known.sums.items():
            assert there[key].sums[name].keys() == blocks.keys()
            # What is centred adds up to nothing but the errors of its sum, which follow the order of adding.
            left = 1e-9 * len(rows) * max(LABELS) if name == "__centred" else 1e-320
            for block, sums in blocks.items():
                counted = there[key].sums[name][block]
                assert counted == pytest.approx(sums, rel=1e-9, abs=left, nan_ok=True), (key, name)


def settings_of(**sections: Any) -> Settings:
    """Roles of the table."""
    return Settings.from_dict({"model": MODEL, **sections})


def assert_counts_alike(source: str, rows: pl.DataFrame, folder: Path, **sections: Any) -> None:
    """The profiles that are counted elsewhere are those of one pass over the rows here."""
    done = store_profiles(settings_of(**sections), folder, rows=source)
    assert done.rows == rows.height
    assert {"x", 'odd "name', "k", "c", "b"} <= set(ProfileStore.open(folder).manifest.plan.columns())
    assert_stored_alike(folder, rows)


def assert_stored_alike(folder: Path, rows: pl.DataFrame) -> None:
    """Stored profiles are those of one pass over the rows here."""
    store = ProfileStore.open(folder)
    here = profile_days(open_windows(rows, rows, settings_of()).reference.frame, store.manifest.plan)
    there = {key: profile for day in store.days() for key, profile in store.read(day).items()}
    assert list(there) == list(here)
    for key, known in here.items():
        counted = there[key]
        assert (counted.rows, counted.cells) == (known.rows, known.cells), key
        for name, one in known.columns.items():
            other = counted.columns[name]
            for fact in EXACT:
                assert getattr(other, fact) == getattr(one, fact), (key, name, fact)
            if one.counts is not None:
                assert other.counts.tolist() == one.counts.tolist(), (key, name)
                assert other.mean == pytest.approx(one.mean, rel=1e-12)
                assert other.m2 == pytest.approx(one.m2, rel=1e-12)


def regression(rows: int = 2000) -> pl.DataFrame:
    """Numbers to predict, some of them not finite."""
    rng = np.random.default_rng(1)
    y = rng.normal(50, 10, rows)
    y[::40] = np.nan
    start = datetime(2026, 3, 1)
    return pl.DataFrame(
        {
            "at": [start + timedelta(minutes=20 * i) for i in range(rows)],
            "x": rng.normal(size=rows),
            "y": y,
            "p": np.where(np.arange(rows) % 31 == 0, np.inf, rng.normal(50, 12, rows)),
        }
    )
