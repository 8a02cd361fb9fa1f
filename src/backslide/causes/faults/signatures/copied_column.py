"""A column holds the values of another one: a mapping names the same source twice.

**Recognised** row by row: two columns of numbers, or two of categories, that hardly ever agreed have the very same value on many
rows, by six standard errors, and in many values. The one that stands clearly further from its own past on those rows is the
copy; of two columns of like range the one whose values then go with labels and other columns as the other's did. Where nothing
tells, none is named. Only the first 60 columns of each kind are compared with one another.

**Natural drift** lets two columns agree at a value that both have anyway, as zero at night, and not in whatever value comes.
Numbers must agree more than twice as often as values of different rows do; columns of few values on nine rows of ten, as trips
within a country and counts that come to be alike agree on some by themselves.

**Repair** draws the values from the other columns; the price comes from the **injection**: the same copy on as many rows of the
reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis, Signature, scenario_with
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import MISSING, Pair
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.sorted_search import search_sorted
from backslide.stats.two_sample import ks, proportion_z

LEAST_RISE = 0.04
LEAST_Z = 6.0
USUAL = 0.1
"""Share of reference rows on which two columns may agree anyway."""
TIMES = 2.0
"""Times as often as values of different rows that they must agree, beside that rise."""
ALL = 0.9
"""Share of the rows on which columns of few values must agree: that two of them go together on some is the world's affair."""
LEAST_VALUES = 8
"""Different values in which they must agree."""
ONE_VALUE = 0.5
"""Share of those rows that may have one and the same value."""
KS_LEVEL = 1.63
"""Standard errors by which one must have moved more to be the copy for that: the 1 % point of Kolmogorov's distribution."""
MOST_COLUMNS = 60
LOOKED_AT = 500
"""Rows that tell at once that two columns hold different values."""
MOST_LEVELS = 3
"""Levels of categories, other than of the reference of that column, that tell a copy of few values."""


class CopiedColumn(Signature):
    kind = CauseKind.SWAPPED_COLUMNS
    title = "Column that holds another's values"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """One hypothesis for each copy."""
        numbers = [p for p in case.pairs.values() if p.numeric and min(map(len, p.finite)) >= edit.MIN_ROWS]
        words = [p for p in case.pairs.values() if p.categorical and not p.identifier and all(p.levels)]
        taken: set[str] = set()
        for pairs in (numbers, words):
            for one, other in _alike(pairs[:MOST_COLUMNS]):
                if taken & {one.name, other.name}:
                    continue
                rows = _agreeing(one, other)
                source = None if rows is None else _source(case, one, other, rows)
                if rows is not None and source is not None:
                    copy = other if source is one else one
                    taken.add(copy.name)
                    yield self._hypothesis(copy, source, rows)

    def _hypothesis(self, copy: Pair, source: Pair, rows: Mask) -> Hypothesis:
        share = float(rows.mean())
        where = "" if share > 0.98 else f" on {say.percent(share)} of the rows"
        seen, undo = f"{copy.name} holds the values of {source.name}{where}", f"map {copy.name} to its own source again"
        return self.hypothesis(copy, seen, undo, rows, source=source.name, share=share)

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Draw the values from the other columns."""
        return edit.impute(case, frame, hypothesis.features[0], hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Copy on as many rows."""
        (column,), source = hypothesis.features, frame[hypothesis.params["source"]]
        rows = edit.likely_rows(case, hypothesis.rows, hypothesis.features, hypothesis.params["share"])
        values = np.array([*source.to_list(), None], object)[:-1]
        return edit.write(frame, column, values, rows)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """The age stands where the income should."""
        return scenario_with(lambda frame: frame.with_columns(income=pl.col("age").cast(pl.Float64)), rng)


def _alike(pairs: list[Pair]) -> Iterator[tuple[Pair, Pair]]:
    """Pairs of columns that agree on some of the current rows, of a few that are spread over all."""
    if len(pairs) < 2:
        return
    numbers = dict[str, int]()
    columns = [pair.numbers[1] if pair.numeric else _numbered(pair, numbers) for pair in pairs]
    looked_at = np.stack([column[:: max(len(column) // LOOKED_AT, 1)] for column in columns])
    for i, one in enumerate(pairs[:-1]):
        agree = (looked_at[i + 1 :] == looked_at[i]).mean(axis=1)
        yield from ((one, pairs[i + 1 + j]) for j in np.flatnonzero(agree >= LEAST_RISE / 2))


def _numbered(pair: Pair, numbers: dict[str, int]) -> Ints:
    """The number of the text of each current row (n_cur,), the same in all columns: they compare faster than texts."""
    levels, (_, current) = pair.codes
    return np.array([numbers.setdefault(level, len(numbers)) for level in levels], np.int64)[current]


def _agreeing(one: Pair, other: Pair) -> Mask | None:
    """Current rows with the very same value in both (n_cur,); None where they are not far more than before."""
    values_of_one, values_of_other = _comparable(one, other)
    a, b = values_of_one[1], values_of_other[1]
    now = a == b
    if now.mean() < (ALL if one.discrete or other.discrete else LEAST_RISE):
        return None
    same = [values_of_one[0] == values_of_other[0], now]
    hits, rows = [int(s.sum()) for s in same], [len(s) for s in same]
    before, after = hits[0] / max(rows[0], 1), hits[1] / max(rows[1], 1)
    # What values of different rows have in common, as categories and small counts do, may come to agree for reasons of the world.
    chance = float((a == np.roll(b, len(b) // 2)).mean())
    least = ALL if one.discrete or other.discrete else max(before, TIMES * chance) + LEAST_RISE
    if before > USUAL or after < least or proportion_z(hits[0], rows[0], hits[1], rows[1]) < LEAST_Z:
        return None
    values = one.numbers[1] if one.numeric else one.texts[1]
    distinct, counts = np.unique(values[same[1]].astype(float if one.numeric else str), return_counts=True)
    least = LEAST_VALUES if one.numeric else MOST_LEVELS
    return np.asarray(same[1]) if len(distinct) >= least and counts.max() <= ONE_VALUE * hits[1] else None


def _comparable(one: Pair, other: Pair) -> tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]]:
    """Values of both columns in both windows (n_ref,) and (n_cur,), equal where both are known and the same: texts as numbers."""
    if one.numeric:
        return one.numbers, other.numbers
    place = {level: code for code, level in enumerate(one.codes[0]) if level != MISSING}
    return one.codes_in(place, -1), other.codes_in(place, -2)


def _source(case: Case, one: Pair, other: Pair, rows: Mask) -> Pair | None:
    """The column whose values both hold; None where nothing tells."""
    gap = _moved(one, rows) - _moved(other, rows)
    if abs(gap) > KS_LEVEL * np.sqrt(1 / max(rows.sum(), 1) + 1 / max(len(case.reference.sample), 1)):
        return other if gap > 0 else one
    return whose(case, one, other, rows)


def _moved(pair: Pair, rows: Mask) -> float:
    """How far the column stands from its own past on the rows: KS for numbers, share of values it never had for categories."""
    if pair.numeric:
        values = pair.numbers[1][rows]
        return ks(pair.finite[0], np.sort(values[np.isfinite(values)]))
    return float(np.mean([str(text) not in pair.levels[0] for text in pair.texts[1][rows]]))


# What goes with the values of a column, in the labels and the other columns: by it values are told whose they are.
#
# Two columns of like range hold each other's values without any change of their distributions. What else stands in the rows
# tells: the values of a column go with the labels, and with other columns, as they did in the reference.


BINS = 8
LEAST_ROWS = 8
"""Rows of a bin, in both windows, whose mean says something."""
MOST_COMPANIONS = 20
CLEAR = 5.0
"""Standard deviations of the distance between which two columns are told apart."""


def whose(case: Case, one: Pair, other: Pair, rows: Mask) -> Pair | None:
    """The column whose values stand in both on these current rows (n_cur,); None where it cannot be told."""
    companions = _companions(case, {one.name, other.name})
    far = [_distance(pair, companions, rows) for pair in (one, other)]
    (first, freedom), (second, _) = far
    if abs(first - second) <= CLEAR * np.sqrt(2 * max(freedom, 1)):
        return None
    return one if first < second else other


def _companions(case: Case, without: set[str]) -> list[tuple[Floats, Floats]]:
    """Values of both windows, not a number where they are not known."""
    result: list[tuple[Floats, Floats]] = []
    if case.has_labels:
        labels = [side.outcomes.labels.astype(float) for side in (case.reference, case.current)]
        if case.problem.classification:
            known = [np.where(codes >= 0, codes, np.nan) for codes in labels]
            result += [
                (
                    np.where(np.isnan(known[0]), np.nan, known[0] == k),
                    np.where(np.isnan(known[1]), np.nan, known[1] == k),
                )
                for k in range(min(len(case.problem.classes) - 1, MOST_COMPANIONS))
            ]
        else:
            result.append((labels[0], labels[1]))
    columns = [pair for name, pair in case.pairs.items() if pair.numeric and name not in without]
    return result + [_ranks(pair) for pair in columns[:MOST_COMPANIONS]]


def _ranks(pair: Pair) -> tuple[Floats, Floats]:
    grid = pair.finite[0]

    def rank(values: Floats) -> Floats:
        return np.where(np.isfinite(values), search_sorted(grid, values) / max(len(grid), 1), np.nan)

    return rank(pair.numbers[0]), rank(pair.numbers[1])


def _distance(pair: Pair, companions: list[tuple[Floats, Floats]], rows: Mask) -> tuple[float, int]:
    """How far the means of the companions lie from the reference in bins of the column: chi-squared, and its degrees."""
    if pair.numeric:
        edges = np.quantile(pair.finite[0], np.arange(1, BINS) / BINS)
        bins = [np.where(np.isfinite(v), search_sorted(edges, v), -1) for v in pair.numbers]
    else:
        bins = list(pair.codes[1])
        common = np.argsort(-np.bincount(bins[0][bins[0] >= 0]), kind="stable")[:BINS]
        bins = [np.where(np.isin(codes, common), codes, -1) for codes in bins]
    total, freedom = 0.0, 0
    for before, now in companions:
        for k in np.unique(bins[0][bins[0] >= 0]):
            parts = before[(bins[0] == k) & np.isfinite(before)], now[(bins[1] == k) & rows & np.isfinite(now)]
            if min(map(len, parts)) < LEAST_ROWS:
                continue
            spread = sum(part.var() / len(part) for part in parts) + 1 / (4 * min(map(len, parts)) ** 2)
            total += float((parts[0].mean() - parts[1].mean()) ** 2 / spread)
            freedom += 1
    return total, freedom
