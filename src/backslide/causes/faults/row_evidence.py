"""What was done to the values that do not fit, read row by row: each value beside what the other columns foretell of it.

Distributions move when the world does; the ratio of a value to what it should be does not. So a constant, a factor, several
powers of ten (a decimal mark that was lost), a sign, or one value in place of all are told here also on a part of the rows and in
consecutive weeks. The answer takes the place of an unrecognised fault when undoing it pays as much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.conversions import CONVERSIONS
from backslide.causes.columns.expectation import ColumnExpectation
from backslide.causes.columns.resolution import levels_of, on_levels
from backslide.causes.faults.base import Hypothesis, Remedy
from backslide.causes.faults.row_noise import read_noise
from backslide.causes.faults.row_scale import read_scale
from backslide.causes.faults.signatures.clipped_range import ClippedRange
from backslide.causes.faults.signatures.default_value import DefaultValue
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats, Mask

LEAST_ROWS = 40
"""Rows that do not fit from which on they are read one by one."""
AGREE = 0.8
"""Share of those rows that one reading must explain."""
BEYOND_CHANCE = 0.3
"""Share by which it must exceed what a reading of that width explains by chance."""
NARROW = 3.0
"""Robust standard deviations of the ratio in the reference within which a ratio is the same."""
WIDEST = 0.75
"""Natural logarithm of the ratio's spread in the reference beyond which only a ratio far beyond that spread says something."""
ALIKE = 1.5
"""Times as far as in the reference that the ratio may be spread on the rows that do not fit."""
LEAST_FACTOR = np.log(1.6)
"""A column that is off by less does not fit for another reason."""
ROOM = 0.25
"""Share of a large factor's logarithm by which rows may lie apart from it: what is expected of them drifts with the world."""
NEAR = 0.05
"""Logarithm of the ratio within which a factor that people know is the one that was found."""
BACK = 0.6
"""Share of the values that a factor must take back among those that the column always had; the world adds some of its own."""
FAR_APART = 4.0
"""Times the width of the usual differences that a constant must be: a level that drifts is off by less."""
FAR = 2.0
"""Times the width of the usual ratios that rows must be off to be read apart from others that do not fit either."""
VALLEY, PEAK = (0.4, 0.7), (0.85, 1.15)
"""Parts of a factor's logarithm between rows that were left alone and rows that it was done to, and around the latter."""
VALLEY_DEPTH = 0.5
"""Most rows there may be in the valley for one at the peak: a tail that drifts off is as dense before the limit as beyond it."""
ONE_VALUE = 0.6
"""Share of the rows that do not fit with one and the same value, from which on it stands in for others."""


@dataclass(frozen=True)
class RowMap(Remedy):
    """Numbers changed by a map of their own on each row; done to as many reference rows with maps drawn from those seen."""

    kind: CauseKind
    undo: Callable[[Floats, Floats], Floats]
    do: Callable[[Floats, Floats], Floats]
    parameter: Floats
    """Of the map on each current row (n_cur,); NaN where there is none."""

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Undo it on its rows."""
        (column,) = hypothesis.features
        return edit.write(frame, column, self.undo(edit.numbers_of(frame, column), self.parameter), hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Do it to reference rows of the same kind."""
        (column,) = hypothesis.features
        share = float(hypothesis.rows.mean())
        rows = edit.likely_rows(case, hypothesis.rows, hypothesis.features, share)
        seen = self.parameter[hypothesis.rows]
        drawn = case.rng(f"row map {column}").choice(seen, frame.height)
        return edit.write(frame, column, self.do(edit.numbers_of(frame, column), drawn), rows)


def read_rows(case: Case, one: ColumnExpectation) -> Hypothesis | None:
    """What the rows that do not fit have in common; None where nothing is."""
    pair = case.pairs[one.column]
    if not pair.numeric or one.current.sum() < LEAST_ROWS:
        return None
    return _one_value(pair, one) or _by_a_number(pair, one) or read_scale(pair, one) or read_noise(case, one)


def _by_a_number(pair: Pair, one: ColumnExpectation) -> Hypothesis | None:
    """A constant or a factor: the one that explains more rows, for on a few rows that are alike a factor is a constant."""
    found = [read for read in (_difference(pair, one), _ratio(pair, one)) if read is not None]
    return max(found, key=lambda read: int(read.rows.sum()), default=None)


def _one_value(pair: Pair, one: ColumnExpectation) -> Hypothesis | None:
    """One value that the reference hardly held stands in most rows that do not fit."""
    values = pair.numbers[1][one.current]
    distinct, counts = np.unique(values, return_counts=True)
    value = float(distinct[counts.argmax()])
    rows = pair.numbers[1] == value
    usual = float(np.mean(pair.numbers[0] == value))
    if counts.max() < ONE_VALUE * len(values) or usual > 0.1 * rows.mean():
        return None
    shown = say.number(value)
    side = _limit(pair, np.asarray(one.foretold, float)[rows], value)
    if side is not None:
        return ClippedRange().cut_off(pair, side, value)
    if pair.discrete:
        return None
    return Hypothesis(
        signature=DefaultValue(),
        features=(pair.name,),
        seen=f"{pair.name} is {shown} on {say.percent(float(rows.mean()))} of the rows, {say.percent(usual)} before, "
        "where other values are expected",
        undo=f"fill {pair.name} from the other columns where it is {shown}",
        evidence=(f"DRF001:{pair.name}",),
        exact=True,
        reversible=False,
        rows=rows,
        params={"value": value, "rate": float(rows.mean())},
    )


def _limit(pair: Pair, foretold: Floats, value: float) -> str | None:
    """On which side the value is a limit: nothing lies beyond it, and what is expected in its place mostly does."""
    for side, end, beyond in (
        ("above", pair.finite[1][-1], foretold > value),
        ("below", pair.finite[1][0], foretold < value),
    ):
        if value == end and beyond.mean() >= ONE_VALUE:
            return side
    return None


def _difference(pair: Pair, one: ColumnExpectation) -> Hypothesis | None:
    """A constant that was added: far more than the others leave open, and the same on the rows to within what they do.

    So are degrees of another scale, and an integer that overflowed: it is less by a power of two.
    """
    values, foretold = pair.numbers[1], np.asarray(one.foretold, float)
    usual = (pair.numbers[0] - np.asarray(one.reference_foretold, float))[one.held_out & np.isfinite(pair.numbers[0])]
    if len(usual) < LEAST_ROWS:
        return None
    apart, width = values - foretold - float(np.median(usual)), NARROW * _spread(usual)
    far = one.current & np.isfinite(apart) & (np.abs(apart) > FAR_APART * width)
    middle = float(np.median(apart[far])) if far.any() else 0.0
    near = far & (np.abs(apart - middle) <= ALIKE * width)
    if width == 0 or near.sum() < max(LEAST_ROWS, AGREE * far.sum()):
        return None
    if _spread(apart[near]) > ALIKE * width / NARROW or not _stands_apart(apart / middle):
        return None
    words = f"{say.number(abs(middle), 3)} {'more' if middle > 0 else 'less'} than it should be"
    return _hypothesis(pair, near, CauseKind.UNIT_CHANGE, np.full(len(values), middle), words, (np.subtract, np.add))


def _ratio(pair: Pair, one: ColumnExpectation) -> Hypothesis | None:
    """A factor, powers of ten, or the opposite sign."""
    reference = _logs(pair.numbers[0], np.asarray(one.reference_foretold, float))
    usual = reference[one.held_out & np.isfinite(reference)]
    if len(usual) < LEAST_ROWS:
        return None
    centre = float(np.median(usual))
    width = NARROW * _spread(usual)
    values, foretold = pair.numbers[1], np.asarray(one.foretold, float)
    logs = _logs(values, foretold) - centre
    misfit = one.current & np.isfinite(logs)
    if width > WIDEST and not (misfit.any() and abs(float(np.median(logs[misfit]))) > FAR * width):
        return None
    for rows in (misfit, _far_off(logs, misfit, width)):
        whole = rows is misfit
        if rows.sum() < (max(LEAST_ROWS, AGREE * one.current.sum()) if whole else LEAST_ROWS):
            continue
        found = _of_one_ratio(pair, foretold, rows, logs, width)
        if found is not None:
            return found
    return None


def _far_off(logs: Floats, misfit: Mask, width: float) -> Mask:
    """Those rows that gather at one ratio far from where all others are: what drifts does not fit either, but is off by less."""
    far = misfit & (np.abs(logs) > FAR * width)
    if far.sum() < LEAST_ROWS:
        return far
    middle = float(np.median(logs[far]))
    near = misfit & (np.abs(logs - middle) <= max(width, ROOM * abs(middle)))
    return near if near.sum() >= AGREE * far.sum() and _stands_apart(logs / middle) else misfit & False


def _of_one_ratio(pair: Pair, foretold: Floats, rows: Mask, logs: Floats, width: float) -> Hypothesis | None:
    values = pair.numbers[1]
    opposite = np.sign(values) * np.sign(foretold) < 0
    if opposite[rows].mean() >= AGREE and float((np.abs(logs[rows]) <= width).mean()) >= AGREE:
        return _hypothesis(
            pair, rows & opposite, CauseKind.SIGN_FLIP, np.full(len(values), -1.0), "with the opposite sign"
        )
    if opposite[rows].mean() > 1 - AGREE:
        return None
    return _factor(pair, rows, logs, width) or _decades(pair, rows, logs, width)


def _logs(values: Floats, foretold: Floats) -> Floats:
    """Logarithm of the ratio of each value to what is foretold, NaN where either is 0 or unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.abs(values) / np.abs(foretold))
    return np.where(np.isfinite(logs), logs, np.nan)


def _spread(logs: Floats) -> float:
    """Standard deviation of a normal distribution with the same median deviation (Hampel 1974)."""
    return 1.4826 * float(np.median(np.abs(logs - np.median(logs))))


def _factor(pair: Pair, rows: Mask, logs: Floats, width: float) -> Hypothesis | None:
    """One factor on all of the rows."""
    middle = float(np.median(logs[rows]))
    near = rows & (np.abs(logs - middle) <= max(width, ROOM * abs(middle)))
    if abs(middle) < max(LEAST_FACTOR, width) or near.sum() < AGREE * rows.sum():
        return None
    if _spread(logs[rows]) > max(ALIKE * width / NARROW, ROOM * abs(middle) / NARROW):
        return None  # off by another ratio on every row: no unit
    factor = _shown_factor(pair, near, middle)
    if factor is None and not _stands_apart(logs / middle):
        return None
    factor = factor or _nearest_factor(middle) or float(np.exp(middle))
    times = f"{say.number(factor, 3)} times" if factor > 1 else f"1/{say.number(1 / factor, 3)} of"
    read = _hypothesis(pair, near, CauseKind.UNIT_CHANGE, np.full(len(logs), factor), f"{times} what it should be")
    return replace(read, params={"apart": abs(middle) / max(width, 1e-12)})


def _shown_factor(pair: Pair, rows: Mask, middle: float) -> float | None:
    """The factor that people know and that the values themselves show.

    What is expected drifts with the world, values do not: those that were divided stand again where the column always stood.
    """
    levels = levels_of(pair.finite[0])
    if levels is None:
        return None
    values = pair.numbers[1][rows]
    back = {
        f: float(on_levels(values / f, levels).mean()) for f in _known_factors(middle, max(ROOM * abs(middle), 0.1))
    }
    return max((f for f in back if back[f] >= BACK), key=lambda f: back[f], default=None)


def _nearest_factor(middle: float) -> float | None:
    """The nearest factor that people know within the error of the ratio."""
    return min(_known_factors(middle, NEAR), key=lambda factor: abs(np.log(factor) - middle), default=None)


def _known_factors(middle: float, room: float) -> list[float]:
    return [c.factor for c in CONVERSIONS if c.offset == 0 and abs(np.log(c.factor) - middle) <= room]


def _stands_apart(parts: Floats) -> bool:
    """Whether rows gather around the factor with few on the way to it; ``parts`` of its logarithm, NaN where unknown."""
    valley, peak = (int(((parts > low) & (parts < high)).sum()) for low, high in (VALLEY, PEAK))
    return valley <= VALLEY_DEPTH * peak


def _decades(pair: Pair, rows: Mask, logs: Floats, width: float) -> Hypothesis | None:
    """Powers of ten that differ from row to row: a decimal mark was lost, or taken for one between thousands."""
    decades = logs / np.log(10)
    power = np.round(decades)
    near = rows & (np.abs(decades - power) <= width / np.log(10)) & (power != 0)
    chance = min(2 * width / np.log(10), 1.0)
    if near.sum() < max(AGREE, chance + BEYOND_CHANCE) * rows.sum() or len(np.unique(power[near])) < 2:
        return None
    words = "by powers of ten that differ from row to row, as when a decimal mark is lost"
    return _hypothesis(pair, near, CauseKind.UNIT_CHANGE, np.where(near, 10.0**power, np.nan), words)


def _hypothesis(
    pair: Pair,
    rows: NDArray[np.bool_],
    kind: CauseKind,
    parameter: Floats,
    words: str,
    maps: tuple[Callable[[Floats, Floats], Floats], Callable[[Floats, Floats], Floats]] = (np.divide, np.multiply),
) -> Hypothesis:
    share = say.percent(float(rows.mean()))
    off = "comes " if kind == CauseKind.SIGN_FLIP else "is off " if words.startswith("by") else "is "
    return Hypothesis(
        signature=RowMap(kind, *maps, parameter),
        features=(pair.name,),
        seen=f"{pair.name} {off}{words} on {share} of the rows, judged by the other columns",
        undo=f"convert {pair.name} back on those rows",
        evidence=(f"DRF001:{pair.name}",),
        exact=True,
        reversible=True,
        rows=rows,
        mechanism=f"{words}|rows",
    )
