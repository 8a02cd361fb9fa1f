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
from backslide.causes.columns.remainder import is_explained
from backslide.causes.faults.base import Hypothesis, Signature, scenario_with
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats
from backslide.stats.two_sample import ks, ks_floor, ks_limit

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
    reversible = True

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """At most one hypothesis per numeric column; what the distribution does not tell, all columns tell together."""
        mirrored = [pair for pair in case.pairs.values() if pair.numeric and _mirror_fits(pair)]
        by_shape = {pair.name for pair in mirrored if _shows(pair)}
        ties = dependence(case) if len(by_shape) < len(mirrored) else None
        by_company = {} if ties is None else find_reversed(ties, {pair.name for pair in mirrored}, by_shape)
        for pair in mirrored:
            if pair.name in by_shape:
                yield self._turned(pair, "one sign before, the other now", exact=True)
            elif pair.name in by_company:
                yield self._turned(pair, "its relation to the other columns is reversed", exact=by_company[pair.name])
        if ties is None:
            return
        rest = [pair for pair in mirrored if pair.name not in by_shape | by_company.keys()]
        # Whether the other columns say anything about a column decides whether its outcome may.
        untied = [pair for pair in rest if not ties.strong()[ties.vectors(pair.name)].any()]
        for pair in [pair for pair in untied if _outcome_turned(case, pair)][:MOST_TRIED]:
            yield self._turned(pair, "its relation to the outcome is reversed", exact=False)

    def _turned(self, pair: Pair, how: str, *, exact: bool) -> Hypothesis:
        return self.hypothesis(
            pair,
            f"the sign of {pair.name} is reversed: {how}",
            f"multiply {pair.name} by -1",
            exact=exact,
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
        return scenario_with(lambda frame: frame.with_columns(-frame["income"]), rng)


@once
def _mirror_fits(pair: Pair) -> bool:
    """Whether the mirrored column is like the reference, as far as noise and mild drift go."""
    ref, cur = pair.finite
    if min(len(ref), len(cur)) < edit.MIN_ROWS or ref[0] == ref[-1] or cur[0] == cur[-1]:
        return False
    noise, mirrored = ks_limit(len(ref), len(cur)), -cur[::-1]
    return all(
        is_explained(distance(ref, mirrored), pair.moved, noise, REMAINS, pair.usual_drift)
        for distance in (ks_floor, ks)
    )


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
    ref, cur = pair.finite
    if _side(ref) * _side(cur) == -1:
        return True
    moved, noise = pair.moved, ks_limit(len(ref), len(cur))
    return (
        _side(ref) * _side(cur) == 0
        and bool((ref < 0).any())
        and moved >= 0.2
        and is_explained(ks(ref, -cur[::-1]), moved, noise, 0.1, pair.usual_drift)
    )


def find_reversed(ties: Dependence, candidates: set[str], known: set[str]) -> dict[str, bool]:
    """Columns whose correlations are reversed, and whether nothing but them can be the one that turned.

    Taken one by one, the clearest first, each undone before the next is looked at: the partner of a flipped column is
    reversed towards that column too.
    """
    after, strong = ties.current.copy(), ties.strong()
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
        partners = set(ties.owner[strong[ties.vectors(best)].any(axis=0)].tolist())
        found[best] = not rivals and len(partners) >= 2
        found |= dict.fromkeys(rivals, False)
    return found


def _turned(ties: Dependence, after: Floats, name: str) -> Floats:
    sign = np.ones(len(after))
    sign[ties.vectors(name)] = -1.0
    return after * np.outer(sign, sign)


def _weight(ties: Dependence, strong: np.ndarray[tuple[int, int], np.dtype[np.bool_]], name: str) -> float:
    """How much the other columns say about a column: its squared correlations."""
    rows = ties.vectors(name)
    return float((np.where(strong, ties.reference, 0.0)[rows] ** 2).sum())


def _miss(ties: Dependence, after: Floats, strong: np.ndarray[tuple[int, int], np.dtype[np.bool_]], name: str) -> float:
    """How far the correlations of a column are from reversed: 0 = all turned, 1 = half way, above = as they were."""
    rows = ties.vectors(name)
    mask = strong[rows]
    ref, cur, error = ties.reference[rows][mask], after[rows][mask], ties.error()[rows][mask]
    if not len(ref) or float(np.abs((cur - ref) / error).max()) < MIN_Z:
        return np.inf
    return float(((cur + ref) ** 2).sum() / max(float(((cur - ref) ** 2).sum()), 1e-12))


def _outcome_turned(case: Case, pair: Pair) -> bool:
    """Whether the correlation of a column with the labels is reversed: worth trying, where labels are there to price it."""
    found = edit.outcome_correlations(case, pair) if case.has_labels else None
    return found is not None and found[0][0] * found[1][0] < 0 and all(abs(r) > 3 * np.sqrt(v) for r, v in found)
