"""Segments whose error rate rose, by the search of ``backslide segments``, where rows are many for each combination of columns.

Then a combination has a usual rate of its own, all labelled rows are added up, and the exact combination is named in place of
its neighbours. Where combinations are as many as rows, as with any column of free numbers, ``slice_search`` is asked instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from backslide.case import Case
from backslide.engine import counts
from backslide.engine.columns import names
from backslide.engine.columns.conditions import ConditionCodes
from backslide.engine.columns.segments import holds
from backslide.engine.counts import Counts
from backslide.engine.sources.errors import reading
from backslide.stats.arrays import Floats
from backslide.stats.change.metric_change import Change
from backslide.stats.drift.combinations import SMALLEST, Cells, Combination, Ints, explain
from backslide.stats.drift.slice_search import Slice
from backslide.stats.two_sample import Z95

LEAST_CELL = 20.0
"""Reference rows for each combination of columns, on average, from which on a combination knows its own rate."""
MOST_TIMES = 5_000
"""Distinct times up to which each is a period; of a log of single moments the days are."""


@dataclass(frozen=True)
class CountedSegments:
    """What was found, with its conditions over the sampled rows."""

    columns: list[ConditionCodes]
    """One for each condition of the slices."""
    slices: list[Slice]
    tried: int
    """Combinations."""
    searched: int
    """Columns."""


def counted_segments(case: Case, columns: Sequence[str], samples: Sequence[pl.DataFrame]) -> CountedSegments | None:
    """Combinations of ``columns`` whose share of errors rose; None where they are too many for the rows.

    Args:
        case: a classifier's.
        columns: to search.
        samples: labelled sampled rows of both windows, for the conditions.
    """
    table = _count(case, columns)
    if table is None:
        return None
    explanation = explain(table.cells, direction=1)
    rows = pl.concat([sample.select(columns) for sample in samples], how="vertical_relaxed")
    codes: list[ConditionCodes] = []
    slices = []
    for one in explanation.segments:
        own = [(table.attributes[a].column, table.attributes[a].conditions[level]) for a, level in one.conditions]
        first = len(codes)
        codes += [
            ConditionCodes(column, holds(rows, text).to_numpy().astype(np.int16), 2, ((1, 1),), (text,))
            for column, text in own
        ]
        conditions = tuple((place, 0) for place in range(first, len(codes)))
        slices.append(_slice(table.cells, one, explanation.tried, conditions))
    return CountedSegments(codes, slices, explanation.tried, len(table.attributes))


def _count(case: Case, columns: Sequence[str]) -> Counts | None:
    """Errors and labelled rows of both windows; None where combinations are too many."""
    frames = [side.window.frame for side in case.sides]
    schemas = [frame.collect_schema() for frame in frames]
    same = [c for c in columns if schemas[0][c] == schemas[1][c]]
    sample = case.reference.sample.select(same)
    if len(same) < len(columns) or not same or 2 * sample.n_unique() > sample.height:
        return None
    with reading():
        cells = frames[0].select(same).unique().select(pl.len()).collect(engine="streaming").item()
        if case.reference.window.rows < LEAST_CELL * cells:
            return None
        period = pl.lit(0)
        if case.reference.window.has_time:
            times = frames[0].select(pl.col(names.TIME).n_unique()).collect(engine="streaming").item()
            period = pl.col(names.TIME) if times <= MOST_TIMES else pl.col(names.DAY)
    label, prediction = pl.col(names.LABEL), pl.col(names.PREDICTION)
    rows = [
        frame.filter(label.is_not_null() & prediction.is_not_null()).select(
            *same,
            pl.lit(window).alias(counts.WINDOW),
            period.alias(counts.PERIOD),
            (label != prediction).cast(pl.Float64).alias(counts.UP),
            pl.lit(1.0).alias(counts.DOWN),
        )
        for window, frame in enumerate(frames)
    ]
    return counts.count(pl.concat(rows), same, case.reference.window.source)


def _slice(cells: Cells, one: Combination, tried: int, conditions: tuple[tuple[int, int], ...]) -> Slice:
    rest = np.setdiff1d(np.arange(len(cells.codes)), one.cells)
    (inside, error), (outside, noise) = _change(cells, one.cells), _change(cells, rest)
    change = _made(inside, error, one.current[0] / one.current[1])
    excess = _made(inside - outside, float(np.hypot(error, noise)), inside)
    by_search = float(stats.norm.sf(np.sqrt(2 * one.gain)))  # half of the likelihood ratio's: one direction alone
    return Slice(
        conditions,
        change,
        excess,
        min(max(by_search, excess.p_worse) * tried, 1.0),
        (round(one.reference[1]), round(one.current[1])),
        (change.reference, change.current),
        0,
        one.gain,
        float(one.current[1] / cells.current[:, 1].sum()),
    )


def _change(cells: Cells, inside: Ints) -> tuple[float, float]:
    """Change of the ratio of some cells beyond what the reference leads to expect of them, and its standard error."""
    if not len(inside):
        return 0.0, 0.0
    (k, n), expected = cells.current[inside].sum(0), cells.expected[inside].sum()
    ratio: Floats = np.clip(cells.usual[inside] * k / max(expected, SMALLEST), 0.0, 1 - 1e-6)
    return float((k - expected) / n), float(np.sqrt(cells.variance(inside, ratio).sum()) / n)


def _made(estimate: float, se: float, current: float) -> Change:
    p_worse = float(stats.norm.sf(estimate / se)) if se > 0 else 1.0
    half = Z95 * se
    return Change(
        current - estimate, current, estimate, se, np.inf, "row", estimate - half, estimate + half, p_worse, estimate
    )
