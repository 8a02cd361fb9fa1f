"""Random error on a column, read row by row: values lie around what the other columns foretell, wider than they did.

The world moves by degrees and for reasons: what is off by it follows the neighbouring rows and the other columns. Noise does
neither, and leaves what was under it: values still go up and down with what is foretold, where those of other rows would not.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.causes.columns.expectation import USUAL, ColumnExpectation
from backslide.causes.faults.base import Hypothesis
from backslide.causes.faults.signatures.added_noise import AddedNoise
from backslide.contracts import say
from backslide.engine.columns.design_matrix import make_design
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats, Mask
from backslide.stats.drift.boosting import regress

LEAST_ROWS = 100
WIDER = 1.6
"""Spread around what is foretold over that of the reference, from which on error was added."""
SLOPE = 0.5
"""Of the reference's slope of values on what is foretold, how much must be left; values of other rows keep none."""
TELLING = 0.2
"""Share of the reference's variance that the others must foretell."""
SERIES = 0.25
"""Correlation with the row before up to which what is off is no drift; two standard errors are allowed besides."""
TOLD = 0.15
"""Share of the variance of what is off that the other columns may tell."""
AS_ADDED = 0.5
"""Of the variance that was added around what is foretold, how much the values' own variance must have grown by: values of other
rows are spread as before."""
LIMIT = 2.33
"""Spreads within which 98 of 100 rows of a normal distribution lie, as many as fit."""
MORE = 1.5
FAR = 1.6
"""Times the distance within which usual rows lie that half of the rows which do not fit must lie off."""
CAPPED = 4.0
"""Spreads at which what is off is capped, so that no single row decides."""


def read_noise(case: Case, one: ColumnExpectation) -> Hypothesis | None:
    """That the column is noisier, on all rows or on those that do not fit; None where it is not, or for a reason."""
    pair = case.pairs[one.column]
    known = one.held_out & np.isfinite(pair.numbers[0])
    finite = np.isfinite(pair.numbers[1])
    if known.sum() < LEAST_ROWS:
        return None
    before, told_before = pair.numbers[0][known], np.asarray(one.reference_foretold, float)[known]
    usual = _spread(before - told_before), _slope(before, told_before)
    if usual[1] < SLOPE or np.corrcoef(before, told_before)[0, 1] ** 2 < TELLING:
        return None  # around what nothing foretells, a world that became more varied looks the same
    added = _added(case, one, finite, usual, every=True)
    if added is not None:
        return AddedNoise().noisier(pair, added, finite)
    rows = finite & one.current
    far = np.abs(pair.numbers[1] - np.asarray(one.foretold, float))[rows]
    limit = float(np.quantile(np.abs(before - told_before), USUAL))
    # Rows just beyond the limit are the tail of what drifts; noise throws them far.
    if not len(far) or np.median(far) < FAR * limit or _added(case, one, rows, usual, every=False) is None:
        return None
    return AddedNoise().noisier(pair, _of_tail(far, limit), rows, f" on {say.percent(float(rows.mean()))} of the rows")


def _of_tail(far: Floats, limit: float) -> float:
    """The deviation of a normal distribution whose values beyond ``limit``, either way, have the upper quarter of ``far``: the
    lower ones are those of drift."""
    upper = float(np.quantile(far, 0.75))
    sizes = upper * np.linspace(0.2, 1.2, 121)
    said = sizes * stats.norm.isf(stats.norm.sf(limit / sizes) * 0.25)
    return float(sizes[int(np.argmin(np.abs(said - upper)))])


def _added(case: Case, one: ColumnExpectation, rows: Mask, usual: tuple[float, float], *, every: bool) -> float | None:
    """Standard deviation of the noise on some rows; None where what is off there is no noise. ``usual``: spread and slope of the
    reference around what is foretold."""
    if rows.sum() < LEAST_ROWS:
        return None
    values, foretold = case.pairs[one.column].numbers[1][rows], np.asarray(one.foretold, float)[rows]
    off = values - foretold
    spread, (was, slope) = _spread(off), usual
    if spread < WIDER * max(was, 1e-300) or abs(float(np.median(off))) > spread:
        return None
    if _slope(values, foretold) < SLOPE * slope:
        return None
    added = spread**2 - was**2
    if every and one.excess > MORE * 2 * stats.norm.sf(LIMIT * was / spread):
        return None  # more rows do not fit than noise on all of them would make: it is on some, and larger
    if every and _spreads(off)[1] > MORE * _spreads(off)[0]:
        return None  # so is it where the tails are wider than the middle
    if every and _variance(values) < _variance(foretold) + was**2 + AS_ADDED * added:
        return None
    capped = np.clip(off - np.median(off), -CAPPED * spread, CAPPED * spread)
    if _with_the_row_before(capped) > SERIES + 2 / np.sqrt(len(capped)) or _told(case, one, rows, capped) > TOLD:
        return None
    return float(np.sqrt(added))


def _spread(values: Floats) -> float:
    """Standard deviation of a normal distribution with the same median deviation (Hampel 1974), or with the same tenths at both
    ends where that is more: of whole numbers most may be told exactly."""
    return max(_spreads(values))


def _spreads(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.1, 0.9])
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))), float(high - low) / 2.563


def _variance(values: Floats) -> float:
    low, high = np.quantile(values, [0.16, 0.84])
    return float((high - low) / 2) ** 2


def _slope(values: Floats, foretold: Floats) -> float:
    """Slope of values on what is foretold of them; 0 where that does not vary."""
    spread = float(foretold.var())
    return float(((values - values.mean()) * (foretold - foretold.mean())).mean()) / spread if spread > 0 else 0.0


def _with_the_row_before(off: Floats) -> float:
    spread = float(off.var())
    return float((off[1:] * off[:-1]).mean()) / spread if spread > 0 else 1.0


def _told(case: Case, one: ColumnExpectation, rows: Mask, off: Floats) -> float:
    """Share of the variance of what is off that the other columns tell, learned on half of the rows and read on the others."""
    design = make_design(case.pairs.values(), leave_out={one.column, *case.suspects, *time_columns(case)})
    if not design.columns:
        return 0.0
    x = design.windows(case.pairs)[1][rows]
    half = case.rng(f"noise of {one.column}").random(len(off)) < 0.5
    model = regress(x[half], off[half], design.categorical)
    left = off[~half] - model.predict(x[~half])
    return 1 - float((left**2).mean()) / max(float(off[~half].var()), 1e-300)
