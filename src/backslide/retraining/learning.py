"""What more labels would be worth, and how long a retrained model lasts."""

from __future__ import annotations

import numpy as np

from backslide.contracts import say
from backslide.contracts.errors import ModelError
from backslide.contracts.retrain import CurvePoint, LearningCurve, Life
from backslide.playbook.shadow.arms import Arms
from backslide.playbook.shadow.differences import difference
from backslide.retraining.backtest import Backtest, CandidateResult, Run, arms_of, run_of
from backslide.retraining.history import DAY
from backslide.stats.metrics.metric import class_metric

FRACTIONS = (0.125, 0.25, 0.5, 1.0)
REPEATS = 2
WORTH = 0.002
"""Points under which more labels of a class are not worth a sentence."""
AHEAD = 0.5
"""More labels looked ahead, as a share of those there are."""
SPANS = (("week", 7 * DAY), ("day", DAY), ("hour", 3600.0))
"""Units of time in seconds, the largest first."""


def learning_curve(bench: Backtest, best: CandidateResult) -> LearningCurve | None:
    """The best candidate trained on parts of the fresh labels it had at the last origin, judged on the stretch after it."""
    h, k = bench.history, len(bench.folds) - 1
    fold = bench.folds[k]
    known = h.known_at(fold.origin)
    fresh = known[h.fresh[known]]
    if len(fresh) < 4 / FRACTIONS[0]:
        return None
    points: list[CurvePoint] = []
    for share in FRACTIONS:
        values, by_class = [], []
        for turn in range(1 if share == 1 else REPEATS):
            rng = bench.rng("curve", share, turn)
            rows = rng.choice(fresh, max(round(share * len(fresh)), 4), replace=False)
            try:
                run = run_of(bench, best.plan, k, np.concatenate([known[~h.fresh[known]], rows]))
            except ModelError:
                continue
            arms = arms_of(h, run.on(fold.rows), fold.rows)
            if (result := difference(bench.case, arms, bench.metric)) is not None:
                values.append(result.new)
            by_class.append(_of_classes(bench, run, rows))
        if values:
            points.append(
                CurvePoint(
                    labels=max(round(share * len(fresh)), 4),
                    value=float(np.mean(values)),
                    classes=_mean(by_class),
                )
            )
    if len(points) < 3:
        return None
    sentence = _sentence(bench, points, len(fresh))
    return LearningCurve(points=tuple(points), sentence=sentence)


def _of_classes(bench: Backtest, run: Run, subset: np.ndarray) -> dict[str, tuple[int, float]]:
    """Class -> its fresh labels among those kept, and its F1 afterwards."""
    problem, h = bench.case.problem, bench.history
    if not problem.classification:
        return {}
    rows = bench.folds[run.fold].rows
    answers = run.on(rows)
    answers = answers.take(answers.known())
    result = {}
    counts = np.bincount(h.served.labels[subset].astype(np.int64), minlength=len(problem.classes))
    for k, label in enumerate(problem.classes):
        metric = class_metric("f1", k, label)
        value = float(metric.value(answers.statistics(metric, len(problem.classes)).sum(0)))
        if np.isfinite(value):
            result[label] = (int(counts[k]), value)
    return result


def _mean(turns: list[dict[str, tuple[int, float]]]) -> dict[str, tuple[int, float]]:
    labels = {label for turn in turns for label in turn}
    means = {}
    for label in sorted(labels):
        values = [turn[label] for turn in turns if label in turn]
        means[label] = (round(np.mean([n for n, _ in values])), float(np.mean([v for _, v in values])))
    return means


def _sentence(bench: Backtest, points: list[CurvePoint], there: int) -> str:
    """What half as many labels again would be worth, from a line through the logarithm of their number."""
    metric = bench.metric
    more = max(_round(AHEAD * there), 1)
    slope = _slope([p.labels for p in points], [p.value for p in points])
    worth = -metric.harm(slope * float(np.log((there + more) / there)))
    floor = bench.case.floor(metric)
    size = say.change(worth, share=metric.share)
    if worth < floor / 4:
        sentence = (
            f"{more} more fresh labels would gain almost nothing ({size} of {say.metric(metric.name)}): "
            "the curve is flat"
        )
    else:
        sentence = f"{more} more fresh labels would be worth about {size} of {say.metric(metric.name)}"
    best = _best_class(points)
    if best is not None:
        label, count, gain = best
        sentence += f"; {count} more labels of {label!r} about {say.change(gain, share=True)} of its F1"
    return sentence + "."


def _best_class(points: list[CurvePoint]) -> tuple[str, int, float] | None:
    """The class whose F1 gains most from half as many labels of it again."""
    results = []
    for label in points[-1].classes:
        sizes = [p.classes[label] for p in points if label in p.classes and p.classes[label][0] > 0]
        if len(sizes) < 3 or len({n for n, _ in sizes}) < 3:
            continue
        there = sizes[-1][0]
        more = max(_round(AHEAD * there), 1)
        gain = _slope([n for n, _ in sizes], [v for _, v in sizes]) * float(np.log((there + more) / there))
        results.append((gain, label, more))
    best = max(results, default=None)
    return None if best is None or best[0] < WORTH else (best[1], best[2], best[0])


def _slope(labels: list[int], values: list[float]) -> float:
    """Least squares of the value on the logarithm of the number of labels."""
    x = np.log(np.asarray(labels, float))
    x = x - x.mean()
    power = float(x @ x)
    return float(x @ np.asarray(values) / power) if power > 0 else 0.0


def _round(value: float) -> int:
    """To two significant digits."""
    if value < 10:
        return round(value)
    size = 10 ** (len(str(int(value))) - 2)
    return int(round(value / size) * size)


def life(bench: Backtest, best: CandidateResult) -> Life | None:
    """How fast a candidate falls behind one that is trained again: its loss at later folds by its age.

    Each model of the backtest is judged on every later stretch, against the one that was trained right before it. A line
    through the origin gives the loss per day (per row without times), and so the age at which it is material.
    """
    folds, runs, metric = bench.folds, {run.fold: run for run in best.runs}, bench.metric
    aged: list[tuple[float, float]] = []
    for j in range(1, len(folds)):
        for k in range(j):
            rows = folds[j].rows
            old = arms_of(bench.history, runs[k].on(rows), rows)
            new = arms_of(bench.history, runs[j].on(rows), rows)
            result = difference(bench.case, Arms(new.new, old.new, True), metric)
            if result is not None:
                aged.append((folds[j].origin - folds[k].origin, metric.harm(result.estimate)))
    if len(aged) < 3:
        return None
    ages, lost = np.array(aged).T
    rate = float(ages @ lost / (ages @ ages))
    se = float(np.sqrt(((lost - rate * ages) ** 2).sum() / (len(aged) - 1) / (ages @ ages)))
    floor, oldest = bench.case.floor(metric), float(ages.max())
    timed = bench.history.timed
    unit, per = ("days", DAY) if timed else ("rows", 1.0)
    size, span = say.change(floor, share=metric.share), duration(oldest, timed=timed)
    if rate <= 0 or rate < 1.64 * se:
        return Life(days=None, unit=unit, sentence=f"A candidate did not fall behind a retrained one within {span}.")
    age, youngest = floor / rate, float(ages.min())
    if age > 4 * oldest:
        return Life(days=None, unit=unit, sentence=f"A candidate hardly fell behind a retrained one within {span}.")
    if age < youngest:  # what comes sooner than anything that was seen is not told to the hour
        sentence = f"Expected to last less than {duration(youngest, timed=timed)}, the shortest age that was tried"
    else:
        sentence = f"Expected to last about {duration(age, timed=timed)}"
    return Life(
        days=max(age, youngest) / per, unit=unit, sentence=f"{sentence}; by then it is {size} behind a retrained one."
    )


def duration(length: float, *, timed: bool) -> str:
    """``3 weeks``, ``14 hours``, ``2,300 rows``: in the largest unit of which there are two."""
    if not timed:
        return f"{say.count(_round(length))} rows"
    for unit, seconds in SPANS:
        if length >= 2 * seconds:
            return say.counted(round(length / seconds), unit)
    return say.counted(max(round(length / 60), 1), "minute")
