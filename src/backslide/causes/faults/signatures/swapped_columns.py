"""Two columns were exchanged.

**Recognised** when each of the two columns is now distributed as the other was: both crossed distances are under half of both
own distances (KS for numbers, total variation for categories).

**Repair** exchanges them back; **injection** exchanges them in the reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.association import distance, distance_between
from backslide.causes.faults.base import Hypothesis, Signature, evidence_of, scenario_with
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario

MIN_OWN = 0.1
"""Distance of each column from its own past."""
EXACT = 0.25
"""Crossed distance over own distance below which the exchange is named without a price."""

NEARER = 0.8
"""The same where the very values of both columns changed places: their shares may have moved for reasons of their own."""
MIN_LEVELS = 4
"""Values of categorical columns from which their shares are told apart from mere drift."""
RARE = 3
"""Rows under which a value says nothing."""


class SwappedColumns(Signature):
    kind = CauseKind.SWAPPED_COLUMNS
    title = "Exchanged columns"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """Pairs of columns, the clearest first; a column takes part in one exchange only."""
        found = sorted(_exchanges(case), key=lambda item: item[2])
        taken: set[str] = set()
        for i, j, ratio in found:
            if taken & {i, j}:
                continue
            taken |= {i, j}
            yield Hypothesis(
                signature=self,
                features=(i, j),
                seen=f"{i} and {j} were exchanged: each is distributed as the other was",
                undo=f"exchange {i} and {j} back",
                evidence=(evidence_of(case.pairs[i]), evidence_of(case.pairs[j])),
                exact=ratio < EXACT,
                reversible=True,
                rows=np.ones(case.current.sample.height, bool),
            )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Exchange the columns."""
        i, j = hypothesis.features
        return frame.with_columns(frame[j].alias(i), frame[i].alias(j))

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Exchange the columns."""
        return self.repair(case, hypothesis, frame)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Income and age change places."""
        return scenario_with(
            lambda frame: frame.with_columns(income=pl.col("age").cast(pl.Float64), age=pl.col("income")), rng
        )


def _exchanges(case: Case) -> Iterable[tuple[str, str, float]]:
    """Two columns and how near each is to the other's past, of its own distance (0 to 0.5)."""
    numeric = [p for p in case.pairs.values() if p.numeric and min(map(len, p.finite)) >= edit.MIN_ROWS]
    categorical = [p for p in case.pairs.values() if p.categorical and not p.identifier and all(p.levels)]
    for pairs in (numeric, categorical):
        moved = [(pair, own) for pair in pairs if (own := distance(pair)) >= MIN_OWN]
        for (p, own_p), (q, own_q) in combinations(moved, 2):
            ratio = max(distance_between(p, q), distance_between(q, p)) / min(own_p, own_q)
            if ratio < NEARER and _exchange_values(p, q):
                yield p.name, q.name, min(ratio, EXACT) / 2
            elif ratio < 0.5:
                # Two yes-or-no columns differ in one number each: that they trade it is no proof.
                yield p.name, q.name, ratio if _telling(p) and _telling(q) else max(ratio, EXACT)


def _telling(pair: Pair) -> bool:
    """Whether the column has enough values for its distribution to say which column it is."""
    return pair.numeric or len(set(pair.levels[0]) | set(pair.levels[1])) >= MIN_LEVELS


def _exchange_values(p: Pair, q: Pair) -> bool:
    """Whether each of two columns of few values now has the very values of the other, and they were not the same."""
    if not (p.discrete and q.discrete):
        return False
    (p_ref, p_cur), (q_ref, q_cur) = (
        ({k for k, n in side.items() if n >= RARE} for side in p.levels),
        ({k for k, n in side.items() if n >= RARE} for side in q.levels),
    )
    return p_ref != q_ref and p_cur == q_ref and q_cur == p_ref
