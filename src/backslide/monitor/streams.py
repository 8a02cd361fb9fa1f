"""From sums by period to the figures that are followed."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from backslide.contracts import say
from backslide.contracts.watch import StreamKind
from backslide.engine.columns import names
from backslide.engine.roles.problem import Problem
from backslide.monitor.feature_streams import feature_streams
from backslide.monitor.stream import (
    ESTIMATE,
    QUANTITY,
    Ledger,
    MonitoredStream,
    PeriodSums,
    Subject,
    mean_stream,
    periods_of,
    share_stream,
    spread_of,
    total_of,
)
from backslide.monitor.sums import Sums
from backslide.stats.arrays import Floats
from backslide.stats.change.sequential import MIN_REFERENCE
from backslide.stats.metrics.metric import Metric, class_metric, gradient, macro_f1_over, mean
from backslide.stats.shift.label_delay import LEAST_CHANCE

HEADLINE_SHARE = 0.5
"""Of the budget of false alarms, for the headline (with its early and its mature reading); the others share the rest."""
FAULT_SHARE = 0.2
"""Of the budget, for data faults of new rows together, where they are looked for: they come out of what the others share."""
CANARY_SHARE = 0.05
"""Of the budget, for the canary rows where there are any."""
MIN_CLASS_ROWS = 5.0
"""Labelled rows of a class in a usual period from which its F1 is followed."""
MOST_CLASSES = 20
MOST_FEATURES = 200
OTHER = "\0other"
"""Stands for every label that the reference does not hold."""


def follow(subject: Subject, ledger: Ledger) -> list[MonitoredStream]:
    """Every stream with enough reference, with its share of the budget."""
    streams = [
        *_performance(subject, ledger),
        *_inputs(subject, ledger),
        *feature_streams(subject, ledger.inputs),
    ]
    streams = [
        one
        for one in streams
        if len(one.reference) >= MIN_REFERENCE and not any(fnmatch.fnmatchcase(one.name, p) for p in subject.leave_out)
    ]
    heads = [one for one in streams if one.kind in ("performance", "mature")]
    others, rest = len(streams) - len(heads), 1.0
    rest -= (FAULT_SHARE if subject.faults else 0.0) + (CANARY_SHARE if subject.canary else 0.0)
    share = {True: (HEADLINE_SHARE if others else rest) / max(len(heads), 1), False: rest / max(others, 1)}
    if heads:
        share[False] = (rest - HEADLINE_SHARE) / max(others, 1)
    return [replace(one, budget=share[one.kind in ("performance", "mature")]) for one in streams]


def _performance(subject: Subject, ledger: Ledger) -> Iterator[MonitoredStream]:
    problem, metric = subject.problem, subject.headline
    total = total_of(ledger.labels[0])
    if not total.labelled:
        return
    reading = _Reading.of(problem, metric, total)
    words = say.metric(metric.name)
    floor = problem.min_effect if metric.name == problem.metric else 0.01 if metric.share else 0.02 * abs(reading.level)
    yield reading.stream("performance", "performance", words, ledger.labels, subject, floor)
    if ledger.mature is not None:
        late = _Reading.of(problem, metric, total_of(ledger.mature[0]))
        yield late.stream("performance, all labels", "mature", f"{words}, all labels", ledger.mature, subject, floor)
    if problem.classification:
        for label in _classes(problem, total, len(ledger.labels[0])):
            one = class_metric("f1", reading.classes.index(label), label)
            own = _Reading.of(problem, one, total)
            yield own.stream(f"class:{label}", "class", say.metric(one.name), ledger.labels, subject, 0.02)
    for expression in subject.segments:
        part: PeriodSums = (_inside(ledger.labels[0], expression), _inside(ledger.labels[1], expression))
        inside = total_of(part[0])
        if inside.labelled >= MIN_CLASS_ROWS * max(len(part[0]), 1):
            own = _Reading.of(problem, metric, inside)
            yield own.stream(
                f"segment:{expression}", "segment", f"{words} where {expression}", part, subject, 2 * floor
            )


def _inputs(subject: Subject, ledger: Ledger) -> Iterator[MonitoredStream]:
    problem, total = subject.problem, total_of(ledger.inputs[0])
    headline = subject.headline
    if ESTIMATE in total.moments:
        yield mean_stream(
            subject,
            "estimate",
            "estimate",
            f"expected {say.metric(headline.name)}",
            ledger.inputs,
            ESTIMATE,
            signs=(-headline.sign,),
            share=headline.share,
            material=problem.min_effect,
        )
    shown, word = (names.CONFIDENCE, "confidence") if problem.classification else (names.PREDICTION, "prediction")
    if shown in total.moments:
        material = 0.02 if problem.classification else 0.1 * spread_of(total.moments[shown])
        yield mean_stream(
            subject,
            word,
            "confidence",
            f"mean {word}",
            ledger.inputs,
            shown,
            signs=(1, -1),
            share=problem.classification,
            material=material,
        )
    if subject.corrections and total.labelled:
        words = "share of labelled rows that reviewers corrected"
        yield share_stream(
            subject, "corrections", "corrections", words, ledger.labels, lambda s: (s.corrected, s.labelled)
        )
    columns: tuple[tuple[StreamKind, tuple[str, ...], str], ...] = (
        ("missing", subject.features, "missing values of {}"),
        ("unknown", subject.vocabularies, "values of {} that do not occur in the reference"),
    )
    for kind, names_of, words in columns:
        for name in names_of[:MOST_FEATURES]:
            counts = partial(_column_counts, kind, name)
            yield share_stream(subject, f"{kind}:{name}", kind, words.format(name), ledger.inputs, counts)


def _column_counts(kind: str, column: str, sums: Sums) -> tuple[int, int]:
    return (sums.missing if kind == "missing" else sums.unknown).get(column, 0), sums.rows


def corrected_level(subject: Subject, by_period: dict[int, Sums], chances: dict[str, float], last: int) -> float | None:
    """The headline of the last periods with each row weighed by one over its label's chance to have come.

    Horvitz and Thompson (1952). None for metrics that are not of labels and predictions, and where no chance is known.
    """
    metric = subject.headline
    if not chances or not by_period or not (metric.rows == "counts" or metric.cells is not None):
        return None
    total = total_of({n: by_period[n] for n in sorted(by_period)[-last:]})
    whole = _Reading.of(subject.problem, metric, total)
    cells: Counter[tuple[str, str]] = Counter()
    for (label, prediction), n in total.cells.items():
        # Weights in place of counts:
        cells[label, prediction] = n / max(chances.get(label, 1.0), LEAST_CHANCE)  # type: ignore[assignment]
    sums, _, _ = _vector(whole.metric, whole.classes, replace(total, cells=cells))
    value = float(whole.metric.value(sums))
    return value if np.isfinite(value) else None


def _inside(sums: dict[int, Sums], expression: str) -> dict[int, Sums]:
    return {n: s.segments[expression] for n, s in sums.items() if expression in s.segments}


def _classes(problem: Problem, total: Sums, periods: int) -> list[str]:
    """Classes with enough labels in a usual period, the most frequent first."""
    rows: Counter[str] = Counter()
    for (label, _), n in total.cells.items():
        rows[label] += n
    often = [label for label in problem.classes if rows[label] >= MIN_CLASS_ROWS * max(periods, 1)]
    return sorted(sorted(often, key=lambda label: -rows[label])[:MOST_CLASSES])


@dataclass(frozen=True)
class _Reading:
    """A metric linearised at the reference: a period's value is the reference's plus the mean influence of its rows."""

    metric: Metric
    classes: tuple[str, ...]
    level: float
    mean: Floats
    slope: Floats
    variance: float

    @classmethod
    def of(cls, problem: Problem, metric: Metric, total: Sums) -> _Reading:
        classes = (*problem.classes, OTHER) if problem.classification else ()
        if metric.name == "macro_f1":
            labelled = {label for (label, _), n in total.cells.items() if n}
            metric = macro_f1_over(np.array([c in labelled for c in classes], bool))
        sums, n, second = _vector(metric, classes, total)
        if metric.cells is not None:
            metric = replace(metric, value=mean)
        slope = gradient(metric, sums) * n
        average = sums / max(n, 1.0)
        covariance = second / max(n, 1.0) - np.outer(average, average)
        variance = max(float(slope @ covariance @ slope), 0.5 * metric.event**2 / max(n, 1.0), 1e-12)
        return cls(metric, classes, float(metric.value(sums)), average, slope, variance)

    def value(self, sums: Sums) -> tuple[float, float]:
        """Value and rows of a period."""
        vector, n, _ = _vector(self.metric, self.classes, sums)
        if n <= 0:
            return np.nan, 0.0
        return self.level + float((vector / n - self.mean) @ self.slope), n

    def stream(
        self, name: str, kind: StreamKind, words: str, pair: PeriodSums, subject: Subject, material: float
    ) -> MonitoredStream:
        before, after = (periods_of(side, self.value, subject) for side in pair)
        return MonitoredStream(
            name, kind, words, before, after, self.variance, self.metric.share, (-self.metric.sign,), material
        )


def _vector(metric: Metric, classes: tuple[str, ...], sums: Sums) -> tuple[Floats, float, Floats]:
    """Summed row statistics of a metric, rows, and summed outer products."""
    if metric.rows == "counts" or metric.cells is not None:
        return _count_vector(metric, classes, sums)
    n, total, square = sums.moments.get(QUANTITY[metric.rows], (0.0, 0.0, 0.0))
    return np.array([n, total]), n, np.array([[n, total], [total, square]])


def _count_vector(metric: Metric, classes: tuple[str, ...], sums: Sums) -> tuple[Floats, float, Floats]:
    k, place = len(classes), {label: i for i, label in enumerate(classes)}
    width = 3 * k if metric.cells is None else 2
    vector, second, rows = np.zeros(width), np.zeros((width, width)), 0.0
    for (label, prediction), n in sums.cells.items():
        i, j = place.get(label, k - 1), place.get(prediction, k - 1)
        rows += n
        if metric.cells is None:
            where = [i, k + j, *([2 * k + i] if label == prediction else [])]
            vector[where] += n
            second[np.ix_(where, where)] += n
        else:
            known = len(metric.cells)
            cost = float(metric.cells[i, min(j, known)]) if i < known else float(metric.cells.max())
            row = np.array([1.0, cost])
            vector += n * row
            second += n * np.outer(row, row)
    return vector, rows, second
