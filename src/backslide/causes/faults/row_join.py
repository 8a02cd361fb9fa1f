"""Values that belong to other rows, on a part of the rows that nothing marks: a join that went wrong for some.

Such a column is distributed as it was, and loses its ties only in part, so that neither shows it. The rows that do not fit do: of
reference rows given the values of others, at random, it is known how many do not fit, and which value then stands where which is
expected. Where a share of the current rows is like that, in number and in kind, their values come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.expectation import ColumnExpectation
from backslide.causes.faults.base import Hypothesis, Remedy, evidence_of
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair, to_words
from backslide.stats.arrays import Floats, Mask
from backslide.stats.sorted_search import search_sorted

LEAST_ROWS = 60
"""Rows that do not fit from which on it is told of which kind they are."""
TELLS = 0.1
"""Share of rows with a value from elsewhere that must not fit, beyond the usual: else the others hardly tell the column."""
LEAST_SHARE = 0.05
MOST_SHARE = 1.2
"""Share of the rows with values from elsewhere that explains those that do not fit; a little over all of them is noise."""
ALIKE = 0.12
"""Share of the rows that do not fit that may be of another kind, beyond noise: the world adds some of its own."""
PARTS = 4
"""Parts of a column's range, or its most frequent levels but one, by which kinds are told."""
SAME_ROWS = 0.5
"""Of what two columns would have in common on the very same rows, beyond chance, how much makes them one join."""


@dataclass(frozen=True)
class RowJoin(Remedy):
    """Values of other rows on a share of the rows."""

    kind: CauseKind = CauseKind.BROKEN_JOIN

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Put what is foretold where the value does not fit."""
        (column,) = hypothesis.features
        return edit.write(frame, column, hypothesis.params["values"], hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Give a share of the reference rows the values of others; columns of one join the same rows and others."""
        (column,), rng = hypothesis.features, case.rng("rows of a join")
        order, hit = rng.permutation(frame.height), rng.random(frame.height) < hypothesis.params["share"]
        return frame.with_columns(frame[column][np.where(hit, order, np.arange(frame.height))].alias(column))


def read_join(case: Case, one: ColumnExpectation) -> Hypothesis | None:
    """That some rows hold values from elsewhere; None where those that do not fit are of another kind."""
    pair = case.pairs[one.column]
    found = _share_elsewhere(pair, one)
    if found is None:
        return None
    share, apart, noise = found
    if not LEAST_SHARE <= share <= MOST_SHARE or apart > ALIKE + noise:
        return None
    share = min(share, 1.0)
    return Hypothesis(
        signature=RowJoin(),
        features=(one.column,),
        seen=f"about {say.percent(share, 0)} of the rows hold values of {one.column} that belong to other rows: "
        f"{say.percent(float(one.current.mean()))} do not fit the other columns, as when values are put onto other rows",
        undo=f"replace the values of {one.column} that do not fit by what the other columns foretell",
        evidence=(evidence_of(pair),),
        exact=True,
        reversible=False,
        rows=one.current,
        params={"values": one.current_values, "share": share},
    )


def of_one_join(one: Hypothesis, other: Hypothesis) -> bool:
    """Whether two columns hold values from elsewhere on the same rows: those that do not fit coincide more than by chance."""
    if not all(isinstance(h.signature, RowJoin) for h in (one, other)):
        return False
    a, b = float(one.rows.mean()), float(other.rows.mean())
    share = float(np.mean([h.params["share"] for h in (one, other)]))
    both, chance = float((one.rows & other.rows).mean()), a * b
    return both - chance >= SAME_ROWS * (chance / share - chance) and share < 1


def with_one_share(group: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Hypotheses of one join, with the share that they have in common."""
    share = float(np.mean([h.params["share"] for h in group]))
    return [replace(h, params={**h.params, "share": share}) for h in group]


def _share_elsewhere(pair: Pair, one: ColumnExpectation) -> tuple[float, float, float] | None:
    """Share of the current rows with values from elsewhere, the share of those that do not fit that is of another kind, and what
    that is by chance; None where too little tells."""
    held_out = one.held_out
    usual, moved = float(one.reference[held_out].mean()), float(one.elsewhere[held_out].mean())
    if one.current.sum() < LEAST_ROWS or moved - usual < TELLS:
        return None
    share = one.excess / (moved - usual)
    codes = _codes(pair, one)
    cells = PARTS * PARTS

    def table(kind: NDArray[np.int64], rows: Mask, of: Mask) -> Floats:
        return np.bincount(kind[rows & of], minlength=cells) / max(int(of.sum()), 1)

    expected = share * table(codes[1], one.elsewhere, held_out) + (1 - share) * table(codes[0], one.reference, held_out)
    expected = np.maximum(expected, 0.0)
    every = np.ones(len(one.current), bool)
    seen = table(codes[2], one.current, every)
    spread = np.sqrt(seen / len(every) + share * expected / max(int(held_out.sum()), 1))
    apart = float(np.abs(seen - expected).sum()) / 2 / seen.sum()
    return share, apart, float(np.sqrt(2 / np.pi) * spread.sum()) / 2 / float(seen.sum())


def _codes(pair: Pair, one: ColumnExpectation) -> tuple[NDArray[np.int64], ...]:
    """Which value stands where which is expected, as one number: of reference rows as they are, of reference rows with the value
    of another, and of current rows (n_ref,), (n_ref,), (n_cur,)."""
    if pair.numeric:
        edges = np.quantile(one.grid, np.arange(1, PARTS) / PARTS)
        ref, cur = (search_sorted(edges, values) for values in pair.numbers)
        likely = [search_sorted(edges, np.asarray(v, float)) for v in (one.reference_foretold, one.foretold)]
    else:
        texts = [to_words(part) for part in pair.texts]
        counts = pair.levels[0]
        place = {level: i for i, level in enumerate(sorted(counts, key=lambda k: (-counts[k], k))[: PARTS - 1])}
        ref, cur = (np.array([place.get(t, PARTS - 1) for t in part]) for part in texts)
        likely = [
            np.array([place.get(str(t), PARTS - 1) for t in part]) for part in (one.reference_foretold, one.foretold)
        ]
    return ref * PARTS + likely[0], ref[one.other] * PARTS + likely[0], cur * PARTS + likely[1]
