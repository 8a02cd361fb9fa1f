"""Some rows hold the value of the row before: a cache, or a variable that is not reset, answers for the request before.

**Recognised** by the values alone, in the order of the log: neighbouring rows hold the very same value far more often than chance
makes them, by six standard errors, and in the reference they hardly did. No other column has to tell what the value should be.

**Natural drift** makes a value more frequent, which is taken into account, or logs are sorted or grouped where the reference's
were not. So numbers must repeat themselves more than a sorted reference would, categories must come in many runs and cost about
what was lost, and where many columns repeat themselves at once none is named.

**Repair** draws the repeated values from the other columns; the price comes from the **injection**: as many reference rows with
the value of the row before.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case, Side
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis, evidence_of, scenario_with
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import MISSING, Pair
from backslide.playbook.base import Scenario
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats

LEAST_SHARE = 0.08
"""Share of rows with the value of the row before, beyond chance."""
LEAST_Z = 6.0
USUAL = 0.05
"""The same share in the reference, up to which its rows have nothing to do with each other."""
AS_SORTED = 1.1
"""Times as much as the reference would repeat itself if it were sorted that numbers must repeat themselves."""
LEAST_RUNS = 20
"""Runs for each category that there must be: fewer, and the rows are grouped by it."""
IN_RUNS = 0.25
"""Of the runs of three that chance would make of so many repetitions, how many tell that runs come."""
FREQUENT, NEW, MOSTLY = 0.01, 5.0, 0.5
"""Share of the rows that one number has, times as often as before, and share of the repetitions that are of such numbers, from
which on it is they that became frequent, and not rows that repeat the one before."""
MOST_COLUMNS = 0.34
"""Share of the columns that may repeat themselves: more, and rows are sorted or sent again."""


class RepeatedValues(ColumnSignature):
    kind = CauseKind.STALE_VALUES
    title = "Values of the row before"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """One hypothesis for each column that repeats itself, where the rows as a whole do not."""
        if not case.current.complete:
            return  # the rows before are not in the sample
        found = [h for pair in case.pairs.values() for h in self.recognise_column(case, pair)]
        if len(found) <= max(MOST_COLUMNS * len(case.pairs), 1):
            yield from found

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis."""
        neighbours = _neighbours(case.reference)
        if (
            pair.name in time_columns(case)
            or not (pair.numeric or pair.categorical)
            or neighbours.sum() < edit.MIN_ROWS
        ):
            return
        ref, values = _values(pair)
        if len(values) < edit.MIN_ROWS:
            return
        same = float(_same(ref)[neighbours].mean()), _share_of_same(values)
        if same[1] < LEAST_SHARE:
            return  # what is beyond chance is less still
        counts = [_counts(pair, window) for window in (0, 1)]
        (before, _), (now, error) = (_beyond_chance(*one) for one in zip(same, counts, strict=True))
        if now < LEAST_SHARE or before > USUAL or now - before < LEAST_Z * error:
            return
        if pair.numeric and now <= AS_SORTED * (1 - len(counts[0]) / len(pair.reference)):
            return  # as often as if rows were sorted by the column, or grouped by what it is of
        rows = np.concatenate([[False], _same(values)])
        if pair.numeric and _of_frequent_values(pair, rows):
            return  # gathered at a few values, they come one after the other by themselves
        if not pair.numeric and (~rows).sum() < LEAST_RUNS * len(counts[1]):
            return
        yield self.hypothesis(
            pair,
            f"{pair.name} holds the value of the row before on about {say.percent(now, 0)} of the rows, "
            f"{say.percent(max(before, 0.0), 0)} before",
            f"fill {pair.name} from the other columns where it repeats itself",
            rows,
            evidence=(evidence_of(pair),),
            # Customers of one kind may come one after the other; numbers that hardly ever come twice do not.
            exact=pair.numeric,
            share=_share_of_rows(values, min(now, 1.0)),
        )

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Put the value of the row before on as many rows."""
        (column,) = hypothesis.features
        rows = case.rng(f"repeated {column}").random(frame.height) < hypothesis.params["share"]
        before = frame[column].shift(1).fill_null(strategy="backward")
        return frame.with_columns(before.zip_with(pl.Series(rows), frame[column]).alias(column))

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Half of the incomes are those of the customer before."""

        def cached(frame: pl.DataFrame) -> pl.DataFrame:
            hit = pl.Series(rng.random(frame.height) < 0.5)
            return frame.with_columns(
                pl.when(hit).then(pl.col("income").shift(1)).otherwise("income").backward_fill().alias("income")
            )

        return scenario_with(cached, rng)


def _share_of_rows(values: Floats, repeated: float) -> float:
    """Share of rows with the value of the row before, from the share that repeats itself.

    Where each holds what belongs to the row before, two in a row do not show the same value: of a share s only s (1 - s) repeats.
    Where each holds what the row before showed, runs come, and every one of them repeats.
    """
    same = _same(values)
    runs = float((same[1:] & same[:-1]).mean())
    if runs >= IN_RUNS * repeated**2:
        return repeated
    return float((1 - np.sqrt(max(1 - 4 * repeated, 0.0))) / 2)


def _of_frequent_values(pair: Pair, repeated: NDArray[np.bool_]) -> bool:
    """Whether most repetitions are of numbers that many rows have, where few had them: they were rounded or put in bins."""
    distinct, place, counts = np.unique(pair.numbers[1], return_inverse=True, return_counts=True)
    before = np.searchsorted(pair.finite[0], distinct, "right") - np.searchsorted(pair.finite[0], distinct, "left")
    shares = counts / len(pair.numbers[1]), before / max(len(pair.finite[0]), 1)
    became = (shares[0] >= FREQUENT) & (shares[0] >= NEW * shares[1])
    return bool(became[place][repeated].mean() >= MOSTLY)


def _values(pair: Pair) -> tuple[Floats, Floats]:
    """Numbers of both windows, or the places of texts among all of them; NaN where missing."""
    if pair.numeric:
        return pair.numbers
    levels, codes = pair.codes
    missing = levels.index(MISSING) if MISSING in levels else -1
    ref, cur = (np.where(part == missing, np.nan, part) for part in codes)
    return ref, cur


def _same(values: Floats) -> NDArray[np.bool_]:
    """Rows but the first (n - 1,) with the known value of the row before."""
    return np.asarray((values[1:] == values[:-1]) & np.isfinite(values[1:]))


def _share_of_same(values: Floats) -> float:
    return float(_same(values).mean()) if len(values) > 1 else 0.0


@once
def _neighbours(side: Side) -> NDArray[np.bool_]:
    """Sampled rows but the first (n - 1,) whose row before is in the sample as well."""
    return np.zeros(0, bool) if side.places is None else np.asarray(np.diff(side.places) == 1)


def _counts(pair: Pair, window: int) -> NDArray[np.int64]:
    """How often each value comes; each missing number is one of its own, missing texts are one."""
    if pair.numeric:
        return np.asarray(np.unique(pair.numbers[window], return_counts=True, equal_nan=False)[1])
    counts = np.bincount(pair.codes[1][window])
    return np.asarray(counts[counts > 0])


def _beyond_chance(same: float, counts: NDArray[np.int64]) -> tuple[float, float]:
    """Share of rows with the value of the row before beyond what equal values of any rows make, and its standard error."""
    rows = int(counts.sum())
    chance = float(((counts / rows) ** 2).sum())
    return (same - chance) / max(1 - chance, 1e-9), float(np.sqrt(max(chance, 1 / rows) / rows))
