"""Noise told row by row, behind drift and before labels; what the world does to a column, and values of other rows, are none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.expectation import expectation
from backslide.causes.faults.row_noise import read_noise
from backslide.causes.faults.signatures.added_noise import AddedNoise
from backslide.contracts.cause import CauseKind
from backslide.playbook.base import Scenario
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


def test_a_world_that_became_more_varied_is_no_noise():
    """Nothing foretells the column, so nothing tells its variety from an error."""

    def varied(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        return rows.with_columns(wish=pl.col("wish") * 1.8)

    scenario = weeks(43, drift=0.2)
    rng = np.random.default_rng(1)
    windows = [
        f.with_columns(wish=pl.Series(rng.normal(size=f.height))) for f in (scenario.reference, scenario.current)
    ]
    roles = dict(scenario.model) | {"features": (*scenario.model["features"], "wish")}
    case = worlds.case_of(Scenario(windows[0], varied(windows[1], rng), roles, None))
    one = expectation(case, "wish", frozenset({"wish"}))
    assert one is not None
    assert read_noise(case, one) is None


@pytest.mark.parametrize(("share", "noise", "found"), [(0.7, 0.0, False), (0.15, 25.0, True)])
def test_a_group_of_varied_values_that_grew_is_no_noise(share, noise, found):
    """Earnings of freelancers vary four times as much as those of staff; there are more of them, or all come with an error."""

    def month(seed: int, share: float, noise: float) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        free = rng.random(4000) < share
        age = rng.normal(40, 10, 4000)
        earned = age + np.where(free, 24, 6) * rng.normal(size=4000) + noise * rng.normal(size=4000)
        label = (rng.random(4000) < 0.5).astype(int)
        return pl.DataFrame(
            {"earned": earned, "age": age, "job": np.where(free, "free", "staff"), "label": label, "said": label}
        )

    roles = {"label": "label", "prediction": "said", "features": ("earned", "age", "job")}
    case = worlds.case_of(Scenario(month(1, 0.15, 0.0), month(2, share, noise), roles, None))
    named = [h.kind for h in AddedNoise().recognise(case)]
    assert (CauseKind.ADDED_NOISE in named) == found
