"""A column became noisier: random error was added to its values.

**Recognised** when the column's spread grew, its rank correlations with other columns shrank together, and both follow from
one cause: the reference with as much normal noise added is distributed as the current values are, and hangs together with the
other columns as the current values do. A column without partners shows it when its values left the lattice they were recorded
on (whole numbers became fractions). Where only some values left it, to ever different places and by more than a step, those
are the rows.

**Natural drift** that widens a column keeps its order, and with it its rank correlations; a mixture with other rows changes
the other columns too.

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
from backslide.causes.columns.resolution import is_on_step, on_step, step_of
from backslide.causes.faults.base import Hypothesis, Signature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.metrics.metric import Floats
from backslide.stats.two_sample import ks, ks_limit, ks_p_value, ranks

MIN_SPREAD = 1.1
"""Ratio of the robust spreads from which on noise is looked for."""
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
DIFFERENT = 0.8
"""Distinct values among those off the lattice, as a share of them: a map of the lattice leaves as few as it had."""
STEPS_OFF = (0.6, 0.85, 1.2, 1.7, 2.4, 3.4, 4.8, 6.8, 9.6, 13.6, 19.2)
"""Deviations that are tried, in steps of the lattice; 0.3 of a step is what is lost by rounding."""
BETTER = 0.8
"""Distance of the noisy reference to the values off the lattice over that of the quiet one, at most."""


class AddedNoise(Signature):
    kind = CauseKind.ADDED_NOISE
    title = "Added noise"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """At most one hypothesis per numeric column."""
        for column, pair in case.pairs.items():
            extra = _extra(pair)
            if extra is None:
                yield from self._of_some_rows(case, pair)
                continue
            noisy = pair.numbers[0] + extra * case.rng(f"noise {column}").standard_normal(len(pair.reference))
            if not _fits(pair, noisy):
                continue
            left_lattice = _left_lattice(pair) or _over_both_ends(pair, extra)
            if not left_lattice and not _looser(case, dependence(case), pair, noisy):
                continue
            yield self._told(pair, extra, np.isfinite(pair.numbers[1]))

    def _of_some_rows(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """The rows whose values left the lattice, where it is noise that took them off."""
        off = _off_lattice(pair)
        if off is None:
            return
        extra = _deviation_off(pair, off)
        if extra is not None:
            yield self._told(pair, extra, off, f" on {say.percent(float(off.mean()))} of the rows")

    def _told(self, pair: Pair, extra: float, rows: edit.Mask, where: str = "") -> Hypothesis:
        column = pair.name
        error = f"random error of about {say.number(extra, 2)} (one standard deviation)"
        return Hypothesis(
            signature=self,
            features=(column,),
            seen=f"{column} is noisier{where}: {error} was added",
            undo=f"draw {column} from the other columns",
            evidence=(f"DRF001:{column}",),
            exact=True,
            reversible=False,
            rows=rows,
            params={"deviation": extra, "share": float(rows.mean()) if where else 1.0},
            mechanism=f"noise {column}",
        )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Draw from the other columns."""
        (column,) = hypothesis.features
        return edit.impute(case, frame, column, hypothesis.rows)

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
        current = scenarios.next_month(rng)
        shaken = current["age"].to_numpy() + rng.normal(0, 60, current.height)
        current = scenarios.rescored(current.with_columns(age=pl.Series(shaken)))
        reference = scenarios.rescored(scenarios.served(rng))
        return Scenario(reference, current, dict(scenarios.ROLES), scenarios.TrueModel(), "age")


def _spread(values: Floats) -> float:
    return float(np.quantile(values, 0.84) - np.quantile(values, 0.16)) / 2


def _extra(pair: Pair) -> float | None:
    """Standard deviation of the noise that would explain the spread; None where the spread did not grow."""
    if not pair.numeric or (pair.discrete and len(np.unique(pair.finite[0])) < 5):
        return None
    g, b = pair.finite
    if min(len(g), len(b)) < edit.MIN_ROWS:
        return None
    before, after = _spread(g), _spread(b)
    if before <= 0 or after < MIN_SPREAD * before:
        return None
    if ks_p_value(ks(g, b), len(g), len(b)) > MOVED_P:
        return None
    return _fitted(g, b, float(np.sqrt(after**2 - before**2)))


def _fitted(g: Floats, b: Floats, about: float) -> float:
    """The deviation near ``about`` that makes the reference most like the current values."""
    at = np.linspace(0, len(g) - 1, min(len(g), 2000)).astype(int)
    values = g[at]
    drawn = np.random.default_rng(len(g)).standard_normal(len(values))
    sizes = about * np.array([0.4, 0.55, 0.7, 0.85, 1.0, 1.15, 1.3])
    return float(min(sizes, key=lambda size: ks(values + size * drawn, b)))


def _fits(pair: Pair, noisy: Floats) -> bool:
    g, b = pair.finite
    noise = ks_limit(len(g), len(b))
    return ks(noisy[np.isfinite(noisy)], b) <= noise + REMAINS * ks(g, b)


def _off_lattice(pair: Pair) -> edit.Mask | None:
    """Current rows (n,) off the steps that every reference value lies on; None where few are, or as few different ones."""
    if not pair.numeric or len(pair.finite[1]) < edit.MIN_ROWS:
        return None
    g = pair.finite[0]
    step = step_of(g)
    if step is None or len(np.unique(g)) > len(g) / 3 or len(np.unique(g)) < MIN_LEVELS:
        return None
    values = pair.numbers[1]
    off = np.isfinite(values) & ~is_on_step(values, step)
    if off.sum() < max(edit.MIN_ROWS, MIN_PART * len(values)):
        return None
    return off if len(np.unique(values[off])) >= DIFFERENT * off.sum() else None


def _deviation_off(pair: Pair, off: edit.Mask) -> float | None:
    """Deviation of the noise that makes the reference most like the values off the lattice; None where it needs none."""
    g, b = pair.finite[0], np.sort(pair.numbers[1][off])
    step = step_of(g)
    assert step is not None
    values = g[np.linspace(0, len(g) - 1, min(len(g), 2000)).astype(int)]
    drawn = np.random.default_rng(len(g)).standard_normal(len(values))
    apart = {size * step: ks(np.sort(values + size * step * drawn), b) for size in STEPS_OFF}
    best = min(apart, key=lambda size: apart[size])
    quiet = ks(np.sort(values + 0.29 * step * drawn), b)
    noise = ks_limit(len(values), len(b))
    return best if quiet > noise and apart[best] < min(BETTER * quiet, noise + REMAINS * quiet) else None


def _left_lattice(pair: Pair) -> bool:
    """Whether values that came in steps no longer do."""
    g, b = pair.finite
    step = step_of(g)
    if step is None or len(np.unique(g)) > len(g) / 3:
        return False
    return on_step(b, step) <= 1 - LOST_SHARE


def _over_both_ends(pair: Pair, extra: float) -> bool:
    """Whether values that ended abruptly at both ends, as hours and shares do, now lie beyond both, and tail off there.

    A range that widened ends as abruptly as before: the reference stretched is then as like it as the reference shaken.
    """
    g, b = pair.finite
    low, high = float(g[0]), float(g[-1])
    edge = END * (high - low)
    abrupt = min(float((g <= low + edge).mean()), float((g >= high - edge).mean())) >= AT_END
    if not abrupt or min(float((b < low).mean()), float((b > high).mean())) < BEYOND:
        return False
    scales = _spread(b) / max(_spread(g), 1e-300), float(b[-1] - b[0]) / (high - low)
    middles = (np.median(g), np.median(b)), ((low + high) / 2, (b[0] + b[-1]) / 2)
    stretched = [(g - was) * scale + now for scale, (was, now) in zip(scales, middles, strict=True)]
    return min(ks(values, b) for values in _shaken(g, extra)) < STRETCHED * min(ks(values, b) for values in stretched)


def _shaken(g: Floats, deviation: float) -> list[Floats]:
    """The reference with noise of three shapes, so many times over that the draws are no noise of their own; sorted."""
    rng = np.random.default_rng(len(g))
    n = max(len(g), SHAKEN)
    values = np.resize(g, n)
    shapes = (rng.normal(0, 1, n), rng.laplace(0, 1 / np.sqrt(2), n), rng.uniform(-np.sqrt(3), np.sqrt(3), n))
    return [np.sort(values + deviation * shape) for shape in shapes]


def _looser(case: Case, ties: Dependence, pair: Pair, noisy: Floats) -> bool:
    """Whether the correlations with the other columns shrank, as much as the noise foretells, and by it alone."""
    rows = ties.vectors(pair.name)
    if len(rows) != 1:
        return False
    row = int(rows[0])
    strong = ties.strong()[row]
    if not strong.any():
        return False
    before, after, error = ties.before[row][strong], ties.after[row][strong], ties.error()[row][strong]
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
