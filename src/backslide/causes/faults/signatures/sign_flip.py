"""The sign of a column was reversed: every value is -x of what it was.

**Recognised** when the mirrored column is distributed as the reference was, and one of these shows that it was mirrored:

- the column had one sign throughout and now has the other;
- the column lost its likeness to its own past and its mirror image has it;
- its rank correlations with the other columns are reversed, while those columns keep theirs among each other.

A column that is symmetric around zero and hangs together with no other column looks the same either way: it is named only
when undoing the flip brings points back.

**Natural drift looks alike** nowhere near: no world turns every value into its opposite.

**Repair** and **injection** both reverse the sign.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.association import Dependence, dependence
from backslide.causes.faults.base import Hypothesis, Signature
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.metrics.metric import Floats
from backslide.stats.two_sample import ks, ks_limit, ranks

ONE_SIDED = 0.995
"""Share of values with one sign from which on a column is one-sided."""
REMAINS = 0.25
"""Share of its move that a column may keep after mirroring back."""
REVERSED = 0.25
"""How much of the correlations' turn may be missing, as a share of their squares (0 = all reversed, 1 = none)."""
MIN_Z = 6.0
MOST_TRIED = 4
"""Columns that nothing but their price can tell, tried at most."""


class SignFlip(Signature):
    kind = CauseKind.SIGN_FLIP
    title = "Reversed sign"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """At most one hypothesis per numeric column."""
        mirrored = {c: pair for c, pair in case.pairs.items() if pair.numeric and _mirror_fits(pair)}
        by_shape = {c for c, pair in mirrored.items() if _shows(pair)}
        ties = dependence(case) if mirrored.keys() - by_shape else None
        by_company = _reversed(ties, set(mirrored), by_shape) if ties is not None else {}
        for column in mirrored:
            if column in by_shape:
                yield self._hypothesis(case, column, "one sign before, the other now", exact=True)
            elif column in by_company:
                seen = "its relation to the other columns is reversed"
                yield self._hypothesis(case, column, seen, exact=by_company[column])
        if ties is not None:
            rest = [c for c in mirrored if c not in by_shape and c not in by_company and not _tied(ties, c)]
            for column in [c for c in rest if _outcome_turned(case, case.pairs[c])][:MOST_TRIED]:
                yield self._hypothesis(case, column, "its relation to the outcome is reversed", exact=False)

    def _hypothesis(self, case: Case, column: str, how: str, *, exact: bool) -> Hypothesis:
        return Hypothesis(
            signature=self,
            features=(column,),
            seen=f"the sign of {column} is reversed: {how}",
            undo=f"multiply {column} by -1",
            evidence=(f"DRF001:{column}",),
            exact=exact,
            reversible=True,
            rows=np.ones(case.current.sample.height, bool),
            mechanism="sign" if exact else "",
        )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Reverse the sign back."""
        (column,) = hypothesis.features
        return edit.write(frame, column, 0.0 - edit.numbers_of(frame, column))

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Reverse the sign."""
        return self.repair(case, hypothesis, frame)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes come as debits."""
        current = scenarios.next_month(rng)
        current = scenarios.rescored(current.with_columns(-current["income"]))
        reference = scenarios.rescored(scenarios.served(rng))
        return Scenario(reference, current, dict(scenarios.ROLES), scenarios.TrueModel(), "income")


@once
def _mirror_fits(pair: Pair) -> bool:
    """Whether the mirrored column is like the reference, as far as noise and mild drift go."""
    g, b = pair.finite
    if min(len(g), len(b)) < edit.MIN_ROWS or g[0] == g[-1] or b[0] == b[-1]:
        return False
    noise = ks_limit(len(g), len(b))
    return ks(g, -b[::-1]) <= max(noise, REMAINS * ks(g, b))


def _side(values: Floats) -> int:
    """+1 or -1 for a column of one sign, else 0; zeros have none."""
    signs = np.sign(values[values != 0])
    if len(signs) < edit.MIN_ROWS:
        return 0
    positive = float((signs > 0).mean())
    return 1 if positive >= ONE_SIDED else -1 if positive <= 1 - ONE_SIDED else 0


@once
def _shows(pair: Pair) -> bool:
    """Whether the distribution alone proves it: of one sign, or far from its past and not from its mirror image."""
    g, b = pair.finite
    if _side(g) * _side(b) == -1:
        return True
    moved, noise = ks(g, b), ks_limit(len(g), len(b))
    return (
        _side(g) * _side(b) == 0 and bool((g < 0).any()) and moved >= 0.2 and ks(g, -b[::-1]) <= max(noise, 0.1 * moved)
    )


def _reversed(ties: Dependence, candidates: set[str], known: set[str]) -> dict[str, bool]:
    """Columns whose correlations are reversed, and whether nothing but them can be the one that turned.

    Taken one by one, the clearest first, each undone before the next is looked at: the partner of a flipped column is
    reversed towards that column too.
    """
    after, strong = ties.after.copy(), ties.strong()
    for name in known:
        after = _turned(ties, after, name)
    found: dict[str, bool] = {}
    for _ in range(len(candidates)):
        left = {c: _miss(ties, after, strong, c) for c in candidates - known - set(found)}
        clear = {c: miss for c, miss in left.items() if miss < REVERSED}
        if not clear:
            break
        best = min(clear, key=lambda c: (-_weight(ties, strong, c), c))
        after = _turned(ties, after, best)
        rivals = [c for c in clear if c != best and abs(_weight(ties, strong, c) - _weight(ties, strong, best)) < 1e-9]
        # One partner alone may have turned for reasons of its own, as heating turns to cooling.
        found[best] = not rivals and _partners(ties, strong, best) >= 2
        found |= dict.fromkeys(rivals, False)
    return found


def _turned(ties: Dependence, after: Floats, name: str) -> Floats:
    sign = np.ones(len(after))
    sign[ties.vectors(name)] = -1.0
    return after * np.outer(sign, sign)


def _weight(ties: Dependence, strong: np.ndarray[tuple[int, int], np.dtype[np.bool_]], name: str) -> float:
    """How much the other columns say about a column: its squared correlations."""
    rows = ties.vectors(name)
    return float((np.where(strong, ties.before, 0.0)[rows] ** 2).sum())


def _partners(ties: Dependence, strong: np.ndarray[tuple[int, int], np.dtype[np.bool_]], name: str) -> int:
    """Columns with which a column is correlated beyond noise."""
    return len(set(ties.owner[strong[ties.vectors(name)].any(axis=0)].tolist()))


def _miss(ties: Dependence, after: Floats, strong: np.ndarray[tuple[int, int], np.dtype[np.bool_]], name: str) -> float:
    """How far the correlations of a column are from reversed: 0 = all turned, 1 = half way, above = as they were."""
    rows = ties.vectors(name)
    mask = strong[rows]
    g, b, error = ties.before[rows][mask], after[rows][mask], ties.error()[rows][mask]
    if not len(g) or float(np.abs((b - g) / error).max()) < MIN_Z:
        return np.inf
    return float(((b + g) ** 2).sum() / max(float(((b - g) ** 2).sum()), 1e-12))


def _tied(ties: Dependence, name: str) -> bool:
    """Whether the other columns say anything about a column."""
    return bool(ties.strong()[ties.vectors(name)].any())


def _outcome_turned(case: Case, pair: Pair) -> bool:
    """Whether the correlation of a column with the labels is reversed: worth trying, where labels are there to price it."""
    if not case.has_labels:
        return False
    found = []
    for y, values in zip(edit.outcomes_of(case), pair.numbers, strict=True):
        known = np.isfinite(values) & np.isfinite(y)
        if known.sum() < edit.MIN_ROWS or np.ptp(y[known]) == 0:
            return False
        found.append((float(np.corrcoef(ranks(values[known]), y[known])[0, 1]), float(np.sqrt(1 / known.sum()))))
    (before, error_g), (after, error_b) = found
    return before * after < 0 and abs(before) > 3 * error_g and abs(after) > 3 * error_b
