"""Columns that tell nothing of the outcome do not keep rows from being compared; those that do, or may, are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

import worlds
from backslide.playbook.base import Scenario
from backslide.playbook.concept.decomposition import headline_split
from backslide.playbook.concept.telling_columns import telling_columns

RNG = np.random.default_rng(3)


def test_what_tells_little_is_left_out():
    x = RNG.normal(size=(4000, 4))
    codes = RNG.integers(0, 5, 4000).astype(float)
    columns = np.column_stack([x, codes])
    outcome = (x[:, 0] + 0.5 * x[:, 1] + (codes == 2) + RNG.normal(size=4000) > 0).astype(float)
    categorical = np.array([False, False, False, False, True])
    chosen = telling_columns(columns, columns, categorical, np.column_stack([outcome, np.ones(4000)]))
    assert chosen.tolist() == [True, True, False, False, True]


def test_a_column_with_values_that_never_were_is_kept_where_it_tells_a_little():
    x = RNG.normal(size=(6000, 3))
    outcome = (x[:, 0] + 0.25 * x[:, 1] + 0.3 * RNG.normal(size=6000) > 0).astype(float)[:, None]
    categorical = np.zeros(3, bool)
    moved = x + np.array([0.0, 6.0, 6.0])
    assert telling_columns(x, x, categorical, outcome).tolist() == [True, False, False]
    assert telling_columns(x, moved, categorical, outcome).tolist() == [True, True, False]


def test_the_weather_of_other_weeks_hides_no_change_of_the_relation():
    """Twelve columns that no two weeks have alike, and one that tells the outcome, whose meaning changed."""

    def weeks(seed: int, first: int, turn: float) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        day = first + np.sort(rng.random(3000)) * 20
        daily = np.random.default_rng(1).normal(size=(12, 60))
        weather = daily[:, day.astype(int)] + 0.02 * rng.normal(size=(12, 3000))
        size = rng.normal(size=3000)
        chance = 1 / (1 + np.exp(-3 * size))
        label = (rng.random(3000) < chance).astype(int)
        label = np.where((rng.random(3000) < turn) & (size > 0), 1 - label, label)
        columns = {f"w{k}": weather[k] for k in range(12)}
        at = [datetime(2026, 1, 1) + timedelta(days=float(d)) for d in day]
        return pl.DataFrame(
            {**columns, "size": size, "label": label, "said": (chance > 0.5).astype(int), "p": chance, "at": at}
        )

    roles = {"label": "label", "prediction": "said", "scores": {"1": "p"}, "timestamp": "at"}
    features = [*(f"w{k}" for k in range(12)), "size"]
    case = worlds.case_of(Scenario(weeks(2, 0, 0.0), weeks(3, 20, 0.4), roles | {"features": features}))
    parts = headline_split(case)
    assert parts is not None
    assert parts.supported
    assert parts.relation.value < -0.1
    assert abs(parts.inputs.value) < 0.05
