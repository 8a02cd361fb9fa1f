"""Where both windows hold rows that are alike in all other columns.

What was learned of a column in summer says little of rows as only winter has them: trees foretell beyond what they saw as if
nothing went on. So that a column no longer fits the others must show on rows that are alike in these others as well.
"""

from __future__ import annotations

import numpy as np

from backslide.case import Case
from backslide.causes.columns.expectation import ColumnExpectation, expectation, partners
from backslide.engine.columns.cache import once
from backslide.stats.arrays import Floats, Mask
from backslide.stats.drift.boosting import classify

ALIKE = 0.2
"""Chance of the other window, from the columns beside, from which on it holds rows that are alike."""
MOST_LEARNED = 3_000
"""Rows of each window that the classifier learns from."""
ROUNDS, LEAVES = 40, 8
LEAST_ROWS = 300
"""Rows of the current window that must be alike before they say anything."""


@once
def alike_rows(case: Case, column: str, leave_out: frozenset[str]) -> tuple[Mask, Mask]:
    """Rows (n_ref,) and (n_cur,) of which the other window holds the like, by a domain classifier on the columns that may
    foretell ``column``, those that left the reference too; all rows where there are none."""
    design = partners(case, column, leave_out, with_strays=True)
    if not design.columns:
        return tuple(np.ones(side.sample.height, bool) for side in case.sides)  # type: ignore[return-value]  # of two sides
    reference, current = _chances(design.windows(case.pairs), design.categorical, case.rng(f"rows alike {column}"))
    return reference >= ALIKE, 1 - current >= ALIKE


def _chances(x: tuple[Floats, Floats], categorical: Mask, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Chance that each row is a current one, were there as many of both, from trees that did not see it (n_ref,) and (n_cur,)."""
    rows, window = np.vstack(x), np.repeat([0, 1], [len(part) for part in x])
    fold, chance = rng.permutation(len(rows)) % 2, np.empty(len(rows))
    for one in (0, 1):
        # As many rows of both windows, so that a chance of a half is none.
        sides = [np.flatnonzero((fold != one) & (window == side)) for side in (0, 1)]
        n = min(*map(len, sides), MOST_LEARNED)
        learn = np.concatenate([rng.choice(side, n, replace=False) for side in sides])
        model = classify(rows[learn], window[learn], categorical, rounds=ROUNDS, leaves=LEAVES)
        chance[fold == one] = model.predict_proba(rows[fold == one])[:, 1]
    return chance[window == 0], chance[window == 1]


def excess_where_alike(case: Case, column: str, leave_out: frozenset[str], at_home: Mask) -> float | None:
    """Share of the rows alike that do not fit the other columns beyond what is usual among such reference rows; None where too
    few rows are alike.

    Args:
        case: The two windows.
        column: Whose values are asked about.
        leave_out: Columns that are no witnesses.
        at_home: Current rows that may be asked (n_cur,).
    """
    again = expectation(case, column, leave_out, with_strays=True)
    if again is None or at_home.sum() < LEAST_ROWS:
        return None
    rows = alike_rows(case, column, leave_out)
    asked = rows[1] & at_home
    return None if asked.sum() < LEAST_ROWS else float(again.current[asked].mean()) - _usual(again, rows[0])


def _usual(one: ColumnExpectation, alike: Mask) -> float:
    """Share of such held-out reference rows that do not fit; of all where few are alike."""
    rows = one.held_out & alike
    return float(one.reference[rows].mean()) if rows.sum() >= LEAST_ROWS else one.usual
