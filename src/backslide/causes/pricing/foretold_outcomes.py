"""What other answers to the reference rows would cost by the outcomes that its own answers foretell, in place of the labels.

A label says by chance whether a row whose answer turned was better off; its calibrated score says what to expect. So the price
of doing a fault is known from far fewer rows (Rao and Blackwell: the expectation in place of the draw). The scores are
recalibrated on the labels (vector scaling: Guo et al. 2017, "On Calibration of Modern Neural Networks"), together with the
scores after the fault: where what the fault takes away tells nothing of the labels, nothing is lost with it, however much the
model leans on it. Numbers are foretold alike, from both answers, and taken to miss as they missed on all reference rows. All is
learned again and again on draws of the rows to know how far off it may be. Labels keep the last word: they may not speak against
it.
"""

from __future__ import annotations

import numpy as np

from backslide.case import Case, Outcomes
from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.bootstrap import Resampler
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import Metric
from backslide.stats.shift.doubly_robust import MAX_CLASSES, count_expectations

CLIP = 1e-4
"""Scores are taken as at least so far from 0: a sure one has no finite logarithm."""
MISSES = 49
"""Quantiles of the misses of numbers that stand for all of them."""
LEAST_ROWS = 200
LEAST_OF_CLASS = 20
"""Labelled reference rows, and rows of each class among those that are learned from, under which nothing is foretold."""
LEARNED = 4_000
"""Labelled rows that are learned from, at random."""
TIMES = 20
"""Draws of these rows from which it is learned anew, to know how far what is foretold may be off."""
OFF = 0.1
"""Standard error beside that, as a share of the effect: the recalibration is a straight line, and no model is."""
SUMS = ("counts", "absolute", "squared")
"""Row statistics that are expected row by row."""


def foretold_effect(case: Case, metric: Metric, before: Outcomes, after: Outcomes, draw: Resampler) -> Effect | None:
    """By how much the metric of the labelled reference rows differs between two answers to them, with outcomes as foretold in
    place of the labels; None where nothing foretells them. Its noise allows for how far off that may be."""
    if metric.rows not in SUMS or metric.of is not None or len(before.labels) < LEAST_ROWS:
        return None
    expected = (_by_class if case.problem.classification else _by_misses)(case, metric, before, after)
    if expected is None:
        return None
    values = [float(metric.value(second.sum(0)) - metric.value(first.sum(0))) for first, second in expected]
    first, second = expected[0]
    effect = Effect(values[0], metric.value(draw.sums(second)) - metric.value(draw.sums(first)))
    spread = max(float(np.std(effect.replicates, ddof=1)), 1e-12)
    beside = np.hypot(float(np.std(values[1:], ddof=1)), OFF * abs(effect.value))
    return effect.scaled(float(np.hypot(1.0, beside / spread)))


Expected = list[tuple[Floats, Floats]]
"""Row statistics of both answers, as learned from all rows and then from each draw of them."""


def _by_class(case: Case, metric: Metric, before: Outcomes, after: Outcomes) -> Expected | None:
    """Expected counts of every row (n, 3K); None without scores, and with too few labels of a class or very many classes."""
    k = len(case.problem.classes)
    if before.scores is None or after.scores is None or not 2 <= k <= MAX_CLASSES:
        return None
    labels, terms = before.labels.astype(np.int64), np.hstack([_logs(before.scores), _logs(after.scores)])
    some, *draws = _draws(case, len(labels))
    if np.bincount(labels[some], minlength=k).min() < LEAST_OF_CLASS:
        return None
    told = [class_chances(terms, labels, rows) for rows in (some, *draws) if len(np.unique(labels[rows])) == k]
    answers = [one.predictions.astype(np.int64) for one in (before, after)]
    return [(count_expectations(p, answers[0]), count_expectations(p, answers[1])) for p in told]


def _logs(scores: Floats) -> Floats:
    logs = np.log(np.clip(scores, CLIP, 1.0))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def class_chances(terms: Floats, labels: Ints, rows: Ints) -> Floats:
    """Chance of each class of every row (n, K) by what ``rows``, which hold every class, teach of the ``terms`` (n, t)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10.0, max_iter=300).fit(terms[rows], labels[rows])
    return np.asarray(model.predict_proba(terms))


def _draws(case: Case, count: int) -> list[Ints]:
    """Rows to learn from: some of all, and then as many with replacement."""
    rng = case.rng("rows that foretell")
    some = np.sort(rng.permutation(count)[:LEARNED])
    return [some, *(rng.choice(some, len(some)) for _ in range(TIMES))]


def _by_misses(case: Case, metric: Metric, before: Outcomes, after: Outcomes) -> Expected | None:
    """Expected row statistics of numbers, likewise; None where a label or an answer is no finite number."""
    labels, one, other = (v.astype(float) for v in (before.labels, before.predictions, after.predictions))
    terms, misses = np.column_stack([np.ones(len(one)), other - one]), labels - one
    if not np.isfinite(terms).all() or not np.isfinite(misses).all():
        return None
    places, expected = (np.arange(MISSES) + 0.5) / MISSES, Expected()
    for rows in _draws(case, len(labels)):
        line = np.linalg.lstsq(terms[rows], misses[rows], rcond=None)[0]
        left = np.quantile(misses[rows] - terms[rows] @ line, places)
        told = one + terms @ line
        parts = [
            [Outcomes(told + miss, answers.predictions, None).statistics(metric, 0) for miss in left]
            for answers in (before, after)
        ]
        expected.append((np.mean(parts[0], axis=0), np.mean(parts[1], axis=0)))
    return expected
