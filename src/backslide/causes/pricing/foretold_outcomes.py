"""What other answers to the reference rows would cost by the outcomes that its own answers foretell, in place of the labels.

A label says by chance whether a row whose answer turned was better off; its calibrated score says what to expect. So the price
of doing a fault is known from far fewer rows (Rao and Blackwell: the expectation in place of the draw). The scores are
recalibrated on the labels (vector scaling: Guo et al. 2017, "On Calibration of Modern Neural Networks"), again and again on
draws of them to know how far off that may be; numbers are taken to miss as they missed on all reference rows. Labels keep the
last word: they may not speak against it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case, Outcomes
from backslide.engine.columns.cache import once
from backslide.stats.change.bootstrap import Resampler
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import Floats, Metric
from backslide.stats.shift.doubly_robust import MAX_CLASSES, count_expectations

CLIP = 1e-4
"""Scores are taken as at least so far from 0: a sure one has no finite logarithm."""
MISSES = 99
"""Quantiles of the misses of numbers that stand for all of them."""
LEAST_ROWS = 200
LEAST_OF_CLASS = 10
"""Labelled reference rows, and rows of each class, under which scores are not recalibrated."""
LEARNED = 4_000
"""Labelled rows that are learned from, at random."""
TIMES = 12
"""Draws of these rows from which it is learned anew, to know how far what is foretold may be off."""
OFF = 0.25
"""Standard error beside that, as a share of the effect: a model that leans on a column too little, or too much, foretells as much
too little of what losing it costs. By 7 % where it was fitted to 20,000 rows."""


def foretold_effect(case: Case, metric: Metric, before: Outcomes, after: Outcomes, draw: Resampler) -> Effect | None:
    """By how much the metric of the labelled reference rows differs between two answers to them, with outcomes as foretold in
    place of the labels; None where nothing foretells them. Its noise allows for how far off that may be."""
    statistics = _by_class if case.problem.classification else _by_misses
    first, second = (statistics(case, metric, answers) for answers in (before, after))
    if first is None or second is None:
        return None
    values = [float(metric.value(b.sum(0)) - metric.value(a.sum(0))) for a, b in zip(first, second, strict=True)]
    effect = Effect(values[0], metric.value(draw.sums(second[0])) - metric.value(draw.sums(first[0])))
    spread = max(float(np.std(effect.replicates, ddof=1)), 1e-12)
    beside = np.hypot(float(np.std(values[1:], ddof=1)), OFF * abs(effect.value))
    return effect.scaled(float(np.hypot(1.0, beside / spread)))


def _by_class(case: Case, metric: Metric, answers: Outcomes) -> list[Floats] | None:
    """Expected counts of every row (n, 3K), as learned from all rows and from each draw of them."""
    chances = class_chances(case) if metric.rows == "counts" else None
    return None if chances is None else [count_expectations(p, answers.predictions.astype(np.int64)) for p in chances]


def _by_misses(case: Case, metric: Metric, answers: Outcomes) -> list[Floats] | None:
    """Expected row statistics of numbers, likewise."""
    told = _numbers_told(case)
    if told is None:
        return None
    numbers, draws = told

    def expected(misses: Floats) -> Floats:
        parts = [Outcomes(numbers + miss, answers.predictions, None).statistics(metric, 0) for miss in misses]
        return np.asarray(np.mean(parts, axis=0))

    return [expected(misses) for misses in draws]


@once
def class_chances(case: Case) -> list[Floats] | None:
    """Chance of each class of every labelled reference row (n, K), from what was served, as learned from all rows and from each
    draw; None without scores, and with too few labels or very many classes."""
    k = len(case.problem.classes)
    served = case.reference.outcomes.take(case.labelled_rows(case.reference))
    if served.scores is None or not 2 <= k <= MAX_CLASSES or len(served.labels) < LEAST_ROWS:
        return None
    labels = served.labels.astype(np.int64)
    if np.bincount(labels, minlength=k).min() < LEAST_OF_CLASS:
        return None
    logs = np.log(np.clip(np.nan_to_num(served.scores, nan=1 / k), CLIP, 1.0))
    logs -= logs.mean(axis=1, keepdims=True)
    return [_learned(logs, labels, rows, k) for rows in _draws(case, len(labels))]


def _learned(logs: Floats, labels: NDArray[np.int64], rows: NDArray[np.int64], k: int) -> Floats:
    """Chances (n, K) by what ``rows`` teach."""
    from sklearn.linear_model import LogisticRegression

    chances = np.zeros((len(labels), k))
    model = LogisticRegression(C=10.0, max_iter=300).fit(logs[rows], labels[rows])
    chances[:, model.classes_] = model.predict_proba(logs)
    return chances


def _draws(case: Case, count: int) -> list[NDArray[np.int64]]:
    """Rows to learn from: some of all, and then as many with replacement."""
    rng = case.rng("rows that foretell")
    some = np.sort(rng.permutation(count)[:LEARNED])
    return [some, *(rng.choice(some, len(some)) for _ in range(TIMES))]


@once
def _numbers_told(case: Case) -> tuple[Floats, list[Floats]] | None:
    """The numbers that were served for the labelled reference rows (n,), and quantiles of how far labels lay beyond them."""
    served = case.reference.outcomes.take(case.labelled_rows(case.reference))
    numbers = served.predictions.astype(float)
    misses = served.labels.astype(float) - numbers
    misses = misses[np.isfinite(misses)]
    if len(misses) < LEAST_ROWS:
        return None
    places = (np.arange(MISSES) + 0.5) / MISSES
    return numbers, [np.quantile(misses[rows], places) for rows in _draws(case, len(misses))]
