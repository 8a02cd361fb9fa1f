"""Two models that are equally good because each day (or row) a coin decides which of them is called the new one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
import pytest

from backslide.stats.change.units import Days
from backslide.stats.metrics.metric import METRICS, Metric
from backslide.stats.metrics.row_sums import count_rows, loss_rows, value_rows
from backslide.stats.shift.model_difference import compare_paired, delong, mcnemar
from real import worlds
from scale import most, runs

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.rates]
PAIRS = runs(80, 500)
NOMINAL = 0.05
NOISE = most(PAIRS, NOMINAL)
"""Alarms that a test of the nominal error exceeds in one of two hundred such runs."""


@dataclass(frozen=True)
class Pair:
    """Answers of two models to the same rows: labels (n,), decisions or numbers (n,) and scores (n, K) of each, days (n,)."""

    labels: np.ndarray
    answers: tuple[np.ndarray, np.ndarray]
    scores: tuple[np.ndarray, np.ndarray] | None
    days: np.ndarray

    def take(self, rows: np.ndarray) -> Pair:
        scores = None if self.scores is None else (self.scores[0][rows], self.scores[1][rows])
        return Pair(self.labels[rows], (self.answers[0][rows], self.answers[1][rows]), scores, self.days[rows])

    def exchanged(self, turned: np.ndarray) -> Pair:
        one, other = self.answers
        scores = None
        if self.scores is not None:
            wide = turned[:, None]
            scores = tuple(np.where(wide, *pair) for pair in (self.scores[::-1], self.scores))
        return Pair(self.labels, (np.where(turned, other, one), np.where(turned, one, other)), scores, self.days)


@cache
def electricity() -> Pair:
    """Models of two halves of the training rows."""
    served = worlds.electricity()
    train = worlds.table("electricity")[:12_000]
    even = np.arange(train.height) % 2 == 0
    logs = [
        worlds.serve(train.filter(pl.Series(half)), served.log, "price_change", served.features).log
        for half in (even, ~even)
    ]
    classes = sorted(served.roles["scores"])
    labels = np.searchsorted(classes, served.log["price_change"].to_numpy())
    scores = tuple(log.select(f"p_{c}" for c in classes).to_numpy() for log in logs)
    answers = tuple(s.argmax(axis=1) for s in scores)
    return Pair(labels, answers, scores, _days(served.log["timestamp"]))


@cache
def taxi() -> Pair:
    """Models of two halves of the training rows, on a fifth of the trips."""
    served = worlds.taxi()
    train = worlds.table("green_taxi_fares").filter(pl.col("pickup_time") < pl.datetime(2022, 3, 1))
    log = served.log.gather_every(5)
    even = np.arange(train.height) % 2 == 0
    answers = tuple(
        worlds.serve(train.filter(pl.Series(half)), log, "fare_amount", served.features, regression=True)
        .log["served_prediction"]
        .to_numpy()
        for half in (even, ~even)
    )
    return Pair(log["fare_amount"].to_numpy(), answers, None, _days(log["pickup_time"]))


def _days(times: pl.Series) -> np.ndarray:
    return times.dt.date().cast(pl.Int32).to_numpy().astype(np.int64) + 3


def rows_of(metric: Metric, pair: Pair) -> list[np.ndarray]:
    made = []
    for k in (0, 1):
        scores = None if pair.scores is None else pair.scores[k]
        if metric.of is not None:
            made.append(value_rows(metric.of((pair.labels, pair.answers[k], scores))))
        elif metric.rows == "counts":
            made.append(count_rows(pair.labels, pair.answers[k], 2))
        else:
            made.append(loss_rows(metric.rows, pair.labels, pair.answers[k] if scores is None else scores))
    return made


def by_day(pair: Pair, metric: str, days: Days) -> float:
    return compare_paired(METRICS[metric], *rows_of(METRICS[metric], pair), days).p_value


def area(pair: Pair, clusters: Days) -> float:
    return delong(pair.labels == 1, pair.scores[0][:, 1], pair.scores[1][:, 1], clusters).p_value


def only_right(pair: Pair) -> float:
    right = [answer == pair.labels for answer in pair.answers]
    return mcnemar(int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum()))[0]


TESTS = {
    "accuracy by day": (electricity, "day", lambda p: by_day(p, "accuracy", p.days)),
    "macro F1 by day": (electricity, "day", lambda p: by_day(p, "macro_f1", p.days)),
    "log loss by day": (electricity, "day", lambda p: by_day(p, "log_loss", p.days)),
    "AUC by day": (electricity, "day", lambda p: by_day(p, "roc_auc", p.days)),
    "AUC, days as clusters": (electricity, "day", lambda p: area(p, p.days)),
    "mean absolute error by day": (taxi, "day", lambda p: by_day(p, "mae", p.days)),
    "McNemar": (electricity, "row", only_right),
    "DeLong": (electricity, "row", lambda p: area(p, None)),
    "accuracy by row": (electricity, "row", lambda p: by_day(p, "accuracy", None)),
    "macro F1 by row": (electricity, "row", lambda p: by_day(p, "macro_f1", None)),
    "mean absolute error by row": (taxi, "row", lambda p: by_day(p, "mae", None)),
}
"""Test -> (rows, what is exchanged at random, p-value)."""
SIZES = {"all days": None, "five days": 5, "twenty days": 20}


def p_values(name: str, days: int | None) -> np.ndarray:
    make, unit, test = TESTS[name]
    whole, rng = make(), np.random.default_rng(11)
    every = np.unique(whole.days)
    found = []
    for _ in range(PAIRS):
        pair = whole
        if days is not None:
            start = int(rng.integers(0, len(every) - days))
            pair = whole.take(np.flatnonzero(np.isin(whole.days, every[start : start + days])))
        coin = rng.random(len(np.unique(pair.days)))[np.unique(pair.days, return_inverse=True)[1]] < 0.5
        turned = coin if unit == "day" else rng.random(len(pair.labels)) < 0.5
        found.append(test(pair.exchanged(turned)))
    return np.array(found)


RUNS = [(name, days) for name in TESTS for days in SIZES.values() if (name, days) != ("AUC, days as clusters", 5)]
"""Five clusters are no basis for a cluster-robust test by itself; the tests by day are moderated."""


@pytest.mark.parametrize(("name", "days"), RUNS)
def test_equal_models_are_told_apart_no_more_often_than_stated(name, days):
    alarms = int((p_values(name, days) < NOMINAL).sum())
    assert alarms <= NOISE, f"{alarms} of {PAIRS}"


@pytest.mark.parametrize("name", ["accuracy by day", "AUC by day", "log loss by day", "McNemar"])
def test_a_worse_model_is_found(name):
    """The new model turns a fifth of its scores over, on two months.

    Macro F1 is left out: where the old model never predicts a class, it rises by that.
    """
    _, _, test = TESTS[name]
    whole, rng = electricity(), np.random.default_rng(5)
    every, found = np.unique(whole.days), []
    for _ in range(60):
        start = int(rng.integers(0, len(every) - 60))
        pair = whole.take(np.flatnonzero(np.isin(whole.days, every[start : start + 60])))
        coin = rng.random(60)[np.unique(pair.days, return_inverse=True)[1]] < 0.5
        pair = pair.exchanged(coin)
        turned = rng.random(len(pair.labels)) < 0.2
        scores = np.where(turned[:, None], pair.scores[1][:, ::-1], pair.scores[1])
        worse = Pair(pair.labels, (pair.answers[0], scores.argmax(axis=1)), (pair.scores[0], scores), pair.days)
        found.append(test(worse) < 0.01)
    assert np.mean(found) >= 0.8, np.mean(found)
