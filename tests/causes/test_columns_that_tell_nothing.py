"""Columns that tell nothing of the outcome any more: they may be joined onto any rows."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.faults.row_losses import mean_and_variance
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Diagnosis
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats

ROWS, DAYS = 4000, 28
COLUMNS = ("area", "rooms", "age", "floor")
ROLES = {"label": "sold", "prediction": "said", "scores": {"yes": "p_yes"}, "timestamp": "at"}
ROLES |= {"features": list(COLUMNS)}


class Broker:
    """Sells by all four columns alike."""

    def predict_proba(self, frame: pl.DataFrame) -> Floats:
        odds = sum(np.asarray(frame[column], float) for column in COLUMNS)
        chance = 1 / (1 + np.exp(-np.asarray(odds)))
        return np.column_stack([1 - chance, chance])


def weeks(seed: int, first: int, weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(ROWS, len(COLUMNS)))
    day = np.sort(rng.integers(0, DAYS, ROWS))
    odds = values @ np.array(weights) + rng.normal(0, 0.2, DAYS)[day]
    at = [datetime(2026, 3, 1) + timedelta(days=first + int(d), seconds=s) for s, d in enumerate(day)]
    sold = np.where(rng.random(ROWS) < 1 / (1 + np.exp(-odds)), "yes", "no")
    return pl.DataFrame({"at": at, "sold": sold, **{c: values[:, i] for i, c in enumerate(COLUMNS)}})


def served(frame: pl.DataFrame) -> pl.DataFrame:
    chance = Broker().predict_proba(frame)[:, 1]
    return frame.with_columns(p_yes=pl.Series(chance), said=pl.Series(np.where(chance >= 0.5, "yes", "no")))


def found(*joined: str, seed: int = 1, weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)) -> Diagnosis:
    current = weeks(seed + 500, DAYS, weights)
    order = np.random.default_rng(seed).permutation(ROWS)
    broken = current.with_columns(current[column][order] for column in joined)
    return worlds.causes_of(Scenario(served(weeks(seed, 0)), served(broken), ROLES, Broker()))


def test_rows_that_a_model_does_not_answer_count_for_nothing() -> None:
    rises = np.array([[1.0, 3.0, np.nan, 2.0], [np.nan] * 4])
    mean, squared_error = mean_and_variance(rises)
    assert mean == pytest.approx([2.0, 0.0])
    assert squared_error == pytest.approx([(2 / 3) / 3, 0.0])


@pytest.mark.parametrize("joined", [("rooms",), ("area", "rooms")])
def test_columns_of_any_rows_are_one_suspected_join(joined: tuple[str, ...]) -> None:
    cause = found(*joined).causes[0]
    assert cause.kind == CauseKind.BROKEN_JOIN
    assert set(cause.features) == set(joined)
    assert cause.confidence == Confidence.SUSPECTED


def test_where_all_but_one_tell_nothing_the_labels_may_be_wrong() -> None:
    """Four columns that ended at once are no three tables: the labels say nothing any more."""
    diagnosis = found(*COLUMNS)
    assert not {"area", "rooms"} <= {f for c in diagnosis.causes if c.kind == CauseKind.BROKEN_JOIN for f in c.features}


@pytest.mark.parametrize("weights", [(0.5, 0.5, 1.0, 1.0), (-1.0, -1.0, 1.0, 1.0), (1.6, 1.6, 0.6, 0.6)])
def test_relations_that_weakened_or_turned_are_no_join(weights: tuple[float, ...]) -> None:
    named = [found(seed=seed, weights=weights).causes for seed in (3, 4)]
    assert not any(c.kind == CauseKind.BROKEN_JOIN for causes in named for c in causes)
