"""Sums of row statistics by day, read off the profile: what ``stats.change`` compares."""

from __future__ import annotations

import numpy as np

from backslide.engine.columns import names
from backslide.engine.profile.profile import Profile
from backslide.engine.roles.problem import Problem
from backslide.stats.arrays import Floats
from backslide.stats.change.metric_change import Units
from backslide.stats.metrics.metric import expected_cost

Entry = tuple[int, int, int, int]
"""Day, label code, code of the prediction (-1: none of the classes), rows."""
MAX_UNDATED = 0.05
"""Share of rows without a readable time up to which days are still the unit."""


def count_units(summary: Profile, problem: Problem) -> Units:
    """Counts ``[label, prediction, hit]`` (D, 3K)."""
    k = len(problem.classes)
    days, entries = _entries(summary, problem)
    sums, second = np.zeros((max(len(days), 1), 3 * k)), np.zeros((3 * k, 3 * k))
    for day, label_code, predicted, count in entries:
        places = (
            [label_code]
            + ([k + predicted] if predicted >= 0 else [])
            + ([2 * k + label_code] * (label_code == predicted))
        )
        sums[day, places] += count
        second[np.ix_(places, places)] += count
    return dated_units(sums, sums[:, :k].sum(1), second, days if _dated(summary) else [])


def cell_units(summary: Profile, problem: Problem, cells: Floats) -> Units:
    """``[rows, sum of values]`` (D, 2) of a value by label and prediction (K, K + 1)."""
    days, entries = _entries(summary, problem)
    sums, second = np.zeros((max(len(days), 1), 2)), np.zeros((2, 2))
    for day, label_code, predicted, count in entries:
        row = np.array([1.0, cells[label_code, predicted]])
        sums[day] += count * row
        second += count * np.outer(row, row)
    return dated_units(sums, sums[:, 0], second, days if _dated(summary) else [])


def predicted_rows(summary: Profile) -> dict[str, int]:
    """Rows of each predicted class, by its name."""
    counts: dict[str, int] = {}
    for key, count in summary.cells.items():
        if key[-1] is not None:
            counts[key[-1]] = counts.get(key[-1], 0) + count
    return dict(sorted(counts.items()))


def paid_per_error(summary: Profile, problem: Problem) -> float:
    """Mean cost of a wrong row by the counts of label and prediction; the mean price of a unit where labels are numbers."""
    costs = problem.costs
    assert costs is not None
    if costs.matrix is None:
        return (costs.over + costs.under) / 2
    wrong = [(costs.matrix[label, p], n) for _, label, p, n in _entries(summary, problem)[1] if p != label]
    paid, rows = float(sum(price * n for price, n in wrong)), sum(n for _, n in wrong)
    return paid / rows if paid > 0 else expected_cost(costs).event


def _dated(summary: Profile) -> bool:
    return summary.plan.cells[:1] == (names.DAY,)


def _entries(summary: Profile, problem: Problem) -> tuple[list[str | None], list[Entry]]:
    """Days in the order of their index, and the counts of labelled and predicted rows."""
    index = {label: code for code, label in enumerate(problem.classes)}
    days: dict[str | None, int] = {}
    entries: list[Entry] = []
    # Streaming hands the days over in any order; sorted, the sums are the same to the last digit in every run.
    for key, count in sorted(summary.cells.items(), key=lambda item: tuple(part or "" for part in item[0])):
        label, prediction = key[-2:]
        if label not in index or prediction is None:
            continue
        day = days.setdefault(key[0] if _dated(summary) else None, len(days))
        entries.append((day, index[label], index.get(prediction, -1), count))
    return list(days), entries


def loss_units(summary: Profile, column: str) -> Units:
    """``[rows, sum]`` (D, 2) of a summed column."""
    by_day = dict(sorted(summary.sums.get(column, {}).items(), key=lambda item: item[0] or ""))
    rows = np.array([n for n, _, _ in by_day.values()], float).reshape(-1)
    totals = np.array([total for _, total, _ in by_day.values()], float).reshape(-1)
    squares = float(sum(square for _, _, square in by_day.values()))
    second = np.array([[rows.sum(), totals.sum()], [totals.sum(), squares]])
    return dated_units(np.column_stack([rows, totals]), rows, second, list(by_day))


def variance_units(summary: Profile, sample: Floats) -> Units:
    """``[rows, squared error, label, label^2]`` (D, 4) over all rows; how rows scatter is known from ``sample`` (n, 4)."""
    labels, errors = (summary.sums.get(column, {}) for column in (names.CENTRED, names.SQUARED))
    days = sorted(set(labels) & set(errors), key=lambda day: day or "")
    sums = np.array([[labels[day][0], errors[day][1], labels[day][1], labels[day][2]] for day in days]).reshape(-1, 4)
    rows = sums[:, 0].copy()
    n = max(float(rows.sum()), 1.0)
    mean = sums.sum(0) / n
    scatter = np.cov(sample, rowvar=False, ddof=0) if len(sample) > 1 else np.zeros((4, 4))
    return dated_units(sums, rows, n * (scatter + np.outer(mean, mean)), list(days))


def _without_undated(sums: Floats, rows: Floats, days: list[str | None]) -> tuple[Floats, Floats, list[str | None]]:
    """A few rows without a readable time join the largest day, so that they count and the days stay the unit."""
    lost = days.index(None)
    if rows[lost] > MAX_UNDATED * rows.sum():
        return sums, rows, days
    keep = [i for i in range(len(days)) if i != lost]
    largest = max(keep, key=lambda i: rows[i])
    sums, rows = sums.copy(), rows.copy()
    sums[largest] += sums[lost]
    rows[largest] += rows[lost]
    return sums[keep], rows[keep], [days[i] for i in keep]


def dated_units(sums: Floats, rows: Floats, second: Floats, days: list[str | None]) -> Units:
    """Units with weekdays when every one of them is a day with rows."""
    if None in days and len(days) > 1:
        sums, rows, days = _without_undated(sums, rows, days)
    used = rows > 0
    known = [day for day, keep in zip(days, used, strict=False) if keep]
    if not known or any(day is None for day in known):
        return Units(sums.sum(0, keepdims=True), np.array([rows.sum()]), second, None, None)
    ordinals = np.array([np.datetime64(day, "D").astype(int) for day in known], np.int64) + 3
    return Units(sums[used], rows[used], second, ordinals % 7, ordinals)
