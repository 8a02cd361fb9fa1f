"""A column became noisier: random error was added to its values.

**Recognised** when the column's spread grew, its rank correlations with other columns shrank together, and both follow from
one cause: the reference with as much normal noise added is distributed as the current values are, and hangs together with the
other columns as the current values do. A column without partners shows it when its values left the lattice they were recorded
on (whole numbers became fractions). Where only some values left it, to ever different places and by more than a step, those
are the rows. Where the world moved as well, values off the lattice are noisy if they jump about from row to row, where they
followed each other before, or lie beyond an end at which they ended abruptly.

**Natural drift** that widens a column keeps its order, and with it its rank correlations; a mixture with other rows changes
the other columns too, and leaves the values within their groups as wide as they were.

**Repair** draws the values from the other columns; the price comes from the **injection**: normal noise added to the
reference.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.association import Dependence, dependence
from backslide.causes.columns.jitter import jitter_deviation
from backslide.causes.columns.resolution import is_on_step, on_step, step_of
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats, Mask
from backslide.stats.two_sample import ks, ks_limit, ks_p_value, quantiles_of_sorted, ranks

MIN_SPREAD = 1.1
"""Ratio of the robust spreads from which on noise is looked for."""
FIFTHS = np.linspace(0.2, 0.8, 4)
IN_A_GROUP, MOST_NARROW = 0.4, 0.5
"""Of the variance that was added, how much a group must show; share of the rows in groups that do not that speaks against it."""
REMAINS = 0.2
"""Share of what moved that may remain once the reference has the noise too, beyond sampling noise."""
SHRUNK = 0.85
"""Ratio of the correlations after and before, at most."""
MOVED_P = 1e-3
"""Chance of the distance that moved, at most: the ties that were lost have to prove the noise besides."""
MIN_Z = 5.0
END = 0.05
"""Share of the range that is its end."""
AT_END = 0.03
"""Share of the reference that must lie in each end of its range for it to end abruptly there."""
BEYOND = 0.015
"""Share of the current values that must lie beyond either end."""
STRETCHED = 0.7
"""Distance of the shaken reference over that of the stretched one below which it was noise."""
SHAKEN = 20_000
"""Draws that a noisy reference is made of."""
LOST_SHARE = 0.5
"""Share of values that must have left the lattice."""
MIN_LEVELS = 5
"""Distinct reference values under which they are codes, no readings."""
MIN_PART = 0.05
"""Share of values off the lattice from which some rows are said to be noisy."""
NEARLY_ALL = 0.99
"""Share from which on all of them are: by chance a noisy value stands on the lattice."""
DIFFERENT = 0.8
"""Distinct values among those off the lattice, as a share of them: a map of the lattice leaves as few as it had."""
STEPS_OFF = (0.6, 0.85, 1.2, 1.7, 2.4, 3.4, 4.8, 6.8, 9.6, 13.6, 19.2)
"""Deviations that are tried, in steps of the lattice; 0.3 of a step is what is lost by rounding."""
BETTER = 0.8
"""Distance of the noisy reference to the values off the lattice over that of the quiet one, at most."""


class AddedNoise(ColumnSignature):
    kind = CauseKind.ADDED_NOISE
    title = "Added noise"
    numeric = True

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis: all values are noisier, or the rows whose values left the lattice."""
        extra = _of_all(case, pair)
        if extra is not None:
            yield self.noisier(pair, extra, np.isfinite(pair.numbers[1]))
            return
        off = _off_lattice(pair)
        extra = None if off is None else _deviation_off(pair, off) or jitter_deviation(case, pair)
        if off is not None and extra is not None:
            where = "" if off.mean() >= NEARLY_ALL else f" on {say.percent(float(off.mean()))} of the rows"
            yield self.noisier(pair, extra, off, where)

    def noisier(self, pair: Pair, extra: float, rows: Mask, where: str = "") -> Hypothesis:
        """That as much noise, as one standard deviation, was added to ``rows`` (n_cur,), in words ``where``."""
        return self.hypothesis(
            pair,
            f"{pair.name} is noisier{where}: random error of about {say.number(extra, 2)} (one standard deviation) was added",
            f"draw {pair.name} from the other columns",
            rows,
            mechanism=f"noise {pair.name}",
            deviation=extra,
            share=float(rows.mean()) if where else 1.0,
        )

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Add as much noise to the reference, to as many of its rows."""
        (column,) = hypothesis.features
        rng = case.rng(f"noise {column}")
        drawn = rng.standard_normal(frame.height)
        values = edit.numbers_of(frame, column) + hypothesis.params["deviation"] * drawn
        rows = np.isfinite(values)
        if hypothesis.params["share"] < 1:
            rows &= rng.random(frame.height) < hypothesis.params["share"]
        return edit.write(frame, column, values, rows)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """A sensor of age fails: a year more or less becomes forty."""
        return scenario_with(
            lambda frame: frame.with_columns(pl.col("age") + rng.normal(0, 60, frame.height)), rng, "age"
        )


def _of_all(case: Case, pair: Pair) -> float | None:
    """Standard deviation of the noise on all values; None where it does not explain how they moved."""
    extra = _extra(pair)
    if extra is None:
        return None
    noisy = pair.numbers[0] + extra * case.rng(f"noise {pair.name}").standard_normal(len(pair.reference))
    if not _fits(pair, noisy) or not _in_every_group(case, pair, extra):
        return None
    proven = _left_lattice(pair) or _over_both_ends(pair, extra) or _looser(dependence(case), pair, noisy)
    return extra if proven else None


def _spread(values: Floats) -> float:
    return float(np.quantile(values, 0.84) - np.quantile(values, 0.16)) / 2


def _extra(pair: Pair) -> float | None:
    """Standard deviation of the noise that would explain the spread; None where the spread did not grow."""
    if pair.discrete and len(np.unique(pair.finite[0])) < 5:
        return None
    ref, cur = pair.finite
    if min(len(ref), len(cur)) < edit.MIN_ROWS:
        return None
    ends = (quantiles_of_sorted(values, np.array([0.16, 0.84])) for values in (ref, cur))
    before, after = (float(high - low) / 2 for low, high in ends)
    if before <= 0 or after < MIN_SPREAD * before or not np.isfinite(after):
        return None
    if ks_p_value(pair.moved, len(ref), len(cur)) > MOVED_P:
        return None
    # Of a ratio: squares of numbers near 1e308 leave the range of floats.
    return _fitted(ref, cur, after * float(np.sqrt(1 - (before / after) ** 2)))


def _in_every_group(case: Case, pair: Pair, extra: float) -> bool:
    """Whether the values are wider by as much within the levels of other columns, and the fifths of other numbers: where a
    group of varied values grew, all together are wider, and none of the groups is."""
    for other in case.pairs.values():
        if other.name == pair.name or other.identifier or other.constant_before:
            continue
        groups = list(other.codes[1])
        if other.numeric:
            edges = np.quantile(other.finite[0], FIFTHS) if len(other.finite[0]) else FIFTHS
            groups = [np.searchsorted(edges, n) for n in other.numbers]
        narrow = rows = 0
        for group in np.unique(groups[1]):
            ref, cur = (n[(g == group) & np.isfinite(n)] for n, g in zip(pair.numbers, groups, strict=True))
            if min(len(ref), len(cur)) < edit.MIN_ROWS // 2:
                continue
            rows += len(cur)
            narrow += len(cur) * (_spread(cur) ** 2 < _spread(ref) ** 2 + IN_A_GROUP * extra**2)
        if rows > MOST_NARROW * len(pair.current) and narrow > MOST_NARROW * rows:
            return False
    return True


def _fitted(ref: Floats, cur: Floats, about: float) -> float:
    """The deviation near ``about`` that makes the reference most like the current values."""
    at = np.linspace(0, len(ref) - 1, min(len(ref), 2000)).astype(int)
    values = ref[at]
    drawn = np.random.default_rng(len(ref)).standard_normal(len(values))
    sizes = about * np.array([0.4, 0.55, 0.7, 0.85, 1.0, 1.15, 1.3])
    return float(min(sizes, key=lambda size: ks(values + size * drawn, cur)))


def _fits(pair: Pair, noisy: Floats) -> bool:
    ref, cur = pair.finite
    noise = ks_limit(len(ref), len(cur))
    return ks(noisy[np.isfinite(noisy)], cur) <= noise + REMAINS * pair.moved


def _off_lattice(pair: Pair) -> Mask | None:
    """Current rows (n,) off the steps that every reference value lies on; None where few are, or as few different ones."""
    if len(pair.finite[1]) < edit.MIN_ROWS:
        return None
    ref = pair.finite[0]
    step = step_of(ref)
    if step is None or len(np.unique(ref)) > len(ref) / 3 or len(np.unique(ref)) < MIN_LEVELS:
        return None
    values = pair.numbers[1]
    off = np.isfinite(values) & ~is_on_step(values, step)
    if off.sum() < max(edit.MIN_ROWS, MIN_PART * len(values)):
        return None
    return off if len(np.unique(values[off])) >= DIFFERENT * off.sum() else None


def _deviation_off(pair: Pair, off: Mask) -> float | None:
    """Deviation of the noise that makes the reference most like the values off the lattice; None where it needs none."""
    ref, cur = pair.finite[0], np.sort(pair.numbers[1][off])
    step = step_of(ref)
    assert step is not None
    # Rows that kept their steps saw the same weeks as those that did not, where there are enough of them.
    beside = np.sort(pair.numbers[1][np.isfinite(pair.numbers[1]) & ~off])
    ref = beside if len(beside) >= edit.MIN_ROWS else ref
    values = ref[np.linspace(0, len(ref) - 1, min(len(ref), 2000)).astype(int)]
    drawn = np.random.default_rng(len(ref)).standard_normal(len(values))
    apart = {size * step: ks(np.sort(values + size * step * drawn), cur) for size in STEPS_OFF}
    best = min(apart, key=lambda size: apart[size])
    quiet = ks(np.sort(values + 0.29 * step * drawn), cur)
    noise = ks_limit(len(values), len(cur))
    return best if quiet > noise and apart[best] < min(BETTER * quiet, noise + REMAINS * quiet) else None


def _left_lattice(pair: Pair) -> bool:
    """Whether values that came in steps no longer do."""
    ref, cur = pair.finite
    step = step_of(ref)
    if step is None or len(np.unique(ref)) > len(ref) / 3:
        return False
    return on_step(cur, step) <= 1 - LOST_SHARE


def _over_both_ends(pair: Pair, extra: float) -> bool:
    """Whether values that ended abruptly at both ends, as hours and shares do, now lie beyond both, and tail off there.

    A range that widened ends as abruptly as before: the reference stretched is then as like it as the reference shaken.
    """
    ref, cur = pair.finite
    low, high = float(ref[0]), float(ref[-1])
    edge = END * (high - low)
    abrupt = min(float((ref <= low + edge).mean()), float((ref >= high - edge).mean())) >= AT_END
    if not abrupt or min(float((cur < low).mean()), float((cur > high).mean())) < BEYOND:
        return False
    scales = _spread(cur) / max(_spread(ref), 1e-300), float(cur[-1] - cur[0]) / (high - low)
    middles = (np.median(ref), np.median(cur)), ((low + high) / 2, (cur[0] + cur[-1]) / 2)
    stretched = [(ref - was) * scale + now for scale, (was, now) in zip(scales, middles, strict=True)]
    return min(ks(values, cur) for values in _shaken(ref, extra)) < STRETCHED * min(
        ks(values, cur) for values in stretched
    )


def _shaken(ref: Floats, deviation: float) -> list[Floats]:
    """The reference with noise of three shapes, so many times over that the draws are no noise of their own; sorted."""
    rng = np.random.default_rng(len(ref))
    n = max(len(ref), SHAKEN)
    values = np.resize(ref, n)
    shapes = (rng.normal(0, 1, n), rng.laplace(0, 1 / np.sqrt(2), n), rng.uniform(-np.sqrt(3), np.sqrt(3), n))
    return [np.sort(values + deviation * shape) for shape in shapes]


def _looser(ties: Dependence, pair: Pair, noisy: Floats) -> bool:
    """Whether the correlations with the other columns shrank, as much as the noise foretells, and by it alone."""
    rows = ties.vectors(pair.name)
    if len(rows) != 1:
        return False
    row = int(rows[0])
    strong = ties.strong()[row]
    if not strong.any():
        return False
    before, after, error = ties.reference[row][strong], ties.current[row][strong], ties.error()[row][strong]
    weight = before / np.sqrt((before**2).sum())
    total_before, total_after = float((weight * before).sum()), float((weight * after).sum())
    z = (total_before - total_after) / float(np.sqrt((weight**2 * error**2).sum()))
    if z < MIN_Z or total_after > SHRUNK * total_before:
        return False
    known = np.isfinite(noisy)
    own = float(np.corrcoef(ranks(noisy[known]), ranks(pair.numbers[0][known]))[0, 1])
    return (
        abs(total_after / total_before - own) <= 0.15 + 2 * float(np.sqrt((weight**2 * error**2).sum())) / total_before
    )
