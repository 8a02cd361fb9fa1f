"""A column became noisier: random error was added to its values.

**Recognised** when the column's spread grew, its rank correlations with other columns shrank together, and both follow from
one cause: the reference with as much normal noise added is distributed as the current values are, and hangs together with the
other columns as the current values do. A column without partners shows it when its values left the lattice they were recorded
on (whole numbers became fractions).

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
from backslide.causes import columns
from backslide.causes.dependence import Dependence, dependence
from backslide.causes.hypothesis import Hypothesis, Signature
from backslide.causes.lattice import on_step, step_of
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.pair import Pair
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.metrics import Floats
from backslide.stats.two_sample import ks, ks_p_value, ranks

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
LOST_SHARE = 0.5
"""Share of values that must have left the lattice."""


class AddedNoise(Signature):
    kind = CauseKind.ADDED_NOISE
    title = "Added noise"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """At most one hypothesis per numeric column."""
        for column, pair in case.pairs.items():
            extra = _extra(pair)
            if extra is None:
                continue
            noisy = pair.numbers[0] + extra * case.rng(f"noise {column}").standard_normal(len(pair.reference))
            if not _fits(pair, noisy):
                continue
            left_lattice = _left_lattice(pair) or _over_both_ends(pair, noisy)
            if not left_lattice and not _looser(case, dependence(case), pair, noisy):
                continue
            yield Hypothesis(
                signature=self,
                features=(column,),
                seen=f"{column} is noisier: random error of about {say.number(extra, 2)} (one standard deviation) was added",
                undo=f"draw {column} from the other columns",
                evidence=(f"DRF001:{column}",),
                exact=True,
                reversible=False,
                rows=np.isfinite(pair.numbers[1]),
                params={"deviation": extra},
                mechanism=f"noise {column}",
            )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Draw from the other columns."""
        (column,) = hypothesis.features
        return columns.impute(case, frame, column, np.isfinite(columns.numbers_of(frame, column)))

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Add as much noise to the reference."""
        (column,) = hypothesis.features
        drawn = case.rng(f"noise {column}").standard_normal(frame.height)
        values = columns.numbers_of(frame, column) + hypothesis.params["deviation"] * drawn
        return columns.write(frame, column, values, np.isfinite(values))

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
    if min(len(g), len(b)) < columns.MIN_ROWS:
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
    noise = 1.95 * float(np.sqrt(1 / len(g) + 1 / len(b)))
    return ks(noisy[np.isfinite(noisy)], b) <= noise + REMAINS * ks(g, b)


def _left_lattice(pair: Pair) -> bool:
    """Whether values that came in steps no longer do."""
    g, b = pair.finite
    step = step_of(g)
    if step is None or len(np.unique(g)) > len(g) / 3:
        return False
    return on_step(b, step) <= 1 - LOST_SHARE


def _over_both_ends(pair: Pair, noisy: Floats) -> bool:
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
    return ks(np.sort(noisy[np.isfinite(noisy)]), b) < STRETCHED * min(ks(values, b) for values in stretched)


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
