"""Noise told row by row, behind drift and before labels; what the world does to a column, and values of other rows, are none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.expectation import expectation
from backslide.causes.faults.row_noise import read_noise
from backslide.contracts.cause import CauseKind
from causes.related_columns import Change, weeks


def read(change: Change | None, drift: float, column: str = "tax"):
    case = worlds.case_of(weeks(41, change, drift=drift))
    one = expectation(case, column, frozenset({column}))
    assert one is not None
    return read_noise(case, one)


def shaken(size: float, share: float) -> Change:
    def done(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        hit = rng.random(rows.height) < share
        return rows.with_columns(tax=pl.col("tax") + pl.Series(size * hit * rng.normal(size=rows.height)))

    return done


@pytest.mark.parametrize(("size", "share"), [(150.0, 1.0), (400.0, 0.4)])
def test_noise_is_read_behind_drift(size, share):
    found = read(shaken(size, share), drift=0.5)
    assert found is not None
    assert (found.kind, found.features) == (CauseKind.ADDED_NOISE, ("tax",))
    assert found.rows.mean() == pytest.approx(share, abs=0.12)
    assert found.params["deviation"] == pytest.approx(size, rel=0.35)


def others(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    return rows.with_columns(tax=rows["tax"][rng.permutation(rows.height)])


def raised(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """A new law taxes the suburbs otherwise, more every week."""
    since = (pl.col("week") - 3) / 4
    return rows.with_columns(tax=pl.col("tax") + 150 * since * (pl.col("distance").log() - 1))


@pytest.mark.parametrize("change", [None, others, raised])
@pytest.mark.parametrize("column", ["tax", "size"])
def test_what_the_world_does_is_no_noise(change, column):
    assert read(change, 0.5, column) is None
