"""The sample of a window is drawn from raw rows and prepared afterwards: the same rows as the prepared window holds."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from backslide.contracts.config import Settings
from backslide.engine.columns.sample import positions
from backslide.engine.window import open_windows

ROWS = 3000


def log(seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.random(ROWS)
    start = datetime(2026, 3, 1)
    return pl.DataFrame(
        {
            "at": [(start + timedelta(minutes=15 * i)).isoformat() for i in range(ROWS)],
            "x": rng.normal(size=ROWS),
            "version": pl.Series(rng.integers(1, 3, ROWS)),
            "y": pl.Series(rng.random(ROWS) < score),
            "p": score,
        }
    )


def windows(**more: object):
    model = {"label": "y", "scores": {"true": "p"}, "timestamp": "at", "version": "version", "features": ["x"]}
    settings = Settings.from_dict({"model": model, **more})
    return open_windows(log(0), log(1), settings)


@pytest.mark.parametrize("version", [None, "2"])
def test_drawing_then_preparing_is_preparing_then_drawing(version: str | None):
    more = {} if version is None else {"windows": {"reference_version": version}}
    window = windows(**more).reference
    everything = window.frame.collect()
    drawn = window.sample(200, seed=3)
    assert drawn.height == 200
    assert everything.height == window.rows
    assert_frame_equal(drawn, everything[positions(window.rows, 200, 3)])


def test_a_small_window_is_its_own_sample():
    window = windows().current
    assert_frame_equal(window.sample(10 * ROWS, seed=0), window.frame.collect())
