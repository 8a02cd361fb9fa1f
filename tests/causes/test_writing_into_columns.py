"""Writing into a column keeps every value: the type gives way, never the number."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from backslide.causes.columns.edit import constant, write


@pytest.mark.parametrize(
    ("old", "values", "expected"),
    [
        (pl.Series("x", [1, 2], dtype=pl.Int8), [30_000, 40_000], [30_000, 40_000]),
        (pl.Series("x", [1, 2], dtype=pl.UInt8), [-1, -1], [-1, -1]),
        (pl.Series("x", [1, 2], dtype=pl.Int64), [0.5, 1.0], [0.5, 1.0]),
        (pl.Series("x", [1.0, 2.0]), ["a", None], ["a", None]),
        (pl.Series("x", [True, False]), ["True", "False"], ["True", "False"]),
        (pl.Series("x", ["true", "false"]), [True, None], ["true", None]),
        (pl.Series("x", [None, None], dtype=pl.Null), [1.5, 2.5], [1.5, 2.5]),
        (pl.Series("x", [1.0, 2.0]), [float("nan"), 3.0], [None, 3.0]),
    ],
)
def test_values_survive(old, values, expected):
    assert write(old.to_frame(), "x", values)["x"].to_list() == expected


def test_only_the_rows_given_are_written():
    frame = pl.DataFrame({"x": [1, 2, 3]})
    assert constant(frame, "x", 9, np.array([True, False, False]))["x"].to_list() == [9, 2, 3]
    assert constant(frame, "x", 9, np.array([True, False, False]))["x"].dtype == pl.Int64
