"""Columns that say nothing of the outcome any more, though the model leans on them: they may hold the values of other rows.

A column that no other one foretells is joined on the wrong key, or comes a day late, without a trace in the inputs. What is left
to see is the model's loss: in the reference it rises when rows exchange their values of the column with those beside them, and
now it does not, since the values are those of other rows already.

**Named** where that rise is gone on all rows, to within a third (a quarter without a witness), and on the rows of no level of
another column it is there, or turned round, as it is where a relation changed in the world; while other columns still tell
what they told, if they ever told a tenth as much, as labels that say nothing would take it from all; and where putting values
of rows beside onto the reference costs about what was lost. A relation that ended in the world looks the same, so it is
suspected only. Up to three columns may have come from one table: none of them is a witness for the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns.association import distance, usable
from backslide.causes.columns.text_vocabulary import Vocabulary
from backslide.causes.faults.base import Fault, Hypothesis, Remedy, evidence_of
from backslide.causes.faults.markers import levels_of_columns
from backslide.causes.faults.row_losses import exchanged, in_time, mean_and_variance, rises_when_exchanged
from backslide.causes.pricing.counterfactual import PricingBench, price
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair, to_texts
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats, Ints

MOST_SCREENED, SCREENED_ROWS = 60, 500
"""Columns and rows that are asked first whether any column tells less."""
MUCH, LESS = 0.2, 0.6
"""Share of what the most telling column tells, and of what it told, by which one is asked about on all rows."""
SHUFFLES = 2
MOST_ASKED, LEANS = 8, 0.001
"""Columns that are asked on all rows, and the least that they tell beside the most telling one."""
TOLD_Z, WITNESS_Z = 6.0, 3.0
"""Standard errors by which the reference's loss must rise without a column for it to have told something, and without one of the
other columns for it to say whether they still do."""
NOTHING = 0.35
"""Share of that rise which may be left, either way, where nothing is: by its limit."""
NOTHING_ALONE = 0.25
"""The same where no other column ever told enough to be a witness: labels of which many turned leave a little the other way."""
LIMIT_Z = 1.64
OTHERS_KEEP = 0.5
"""Share of what all other columns told that must be left."""
OTHERS_TELL = 0.1
"""Share of what the column told, under which the others told too little to be asked."""
MOST_ENDED = 3
"""Columns that may have ended at once."""
MOST_OF = 0.5
"""Share of its rows from which on another fault is the column's own."""
STAYED = 0.3
"""Distance that the column may have moved: values of other rows are distributed about as its own."""
NEW_WORDS = 0.1
"""Rise of the share of words never seen before, from which on texts are others, or damaged."""
LEAST_ROWS = 200
LEAST_IN_LEVEL, LEVEL_Z = 60, 3.0
"""Rows of a level of another column, and standard errors by which they must still tell something, or the contrary."""


class ValuesOfRowsBeside(Remedy):
    """Values of rows beside, which hold what an hour or a day has in common, as those of another day do."""

    kind = CauseKind.BROKEN_JOIN

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Nothing tells whose they are."""
        return frame

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Exchanged among the reference rows that follow each other."""
        (column,), order = hypothesis.features, in_time(case.reference, np.arange(frame.height))
        return frame.with_columns(frame[column][exchanged(order, case.rng("values of rows beside"))])


@dataclass(frozen=True)
class _Worth:
    """What a column tells: by how much the loss of each row rises without it."""

    column: str
    before: Floats
    """(n_ref,), NaN without a label."""
    now: Floats
    """(n_cur,)."""

    @property
    def mean(self) -> float:
        return float(np.nanmean(self.before))

    @property
    def z(self) -> float:
        known = self.before[np.isfinite(self.before)]
        if not len(known):
            return 0.0
        return float(known.mean() / max(known.std() / np.sqrt(len(known)), 1e-12))


def find_unrelated_columns(bench: PricingBench, known: Sequence[Fault]) -> list[Fault]:
    """The columns that tell nothing of the outcome any more, as one fault; none of a column most of whose rows have another."""
    if bench.model is None or not (bench.current_labels and bench.reference_labels):
        return []
    told = [one for one in _worths(bench) if one.z >= WITNESS_Z]
    taken = {feature for fault in known if fault.rows.mean() >= MOST_OF for feature in fault.features}
    asked = [one for one in told if one.z >= TOLD_Z and one.column not in taken]
    asked = [one for one in asked if not _moved_far(bench.case.pairs[one.column])]
    ended = [one for one in asked if _tells_nothing(one, NOTHING) and not _tells_somewhere(bench.case, one)]
    # Of several that ended at once, none is a witness for the others.
    others = [one for one in told if one not in ended]
    if not 0 < len(ended) <= MOST_ENDED:
        return []
    witnesses = sum(other.mean for other in others) >= OTHERS_TELL * sum(one.mean for one in ended)
    if not _keep(ended, others) or not (witnesses or (len(ended) == 1 and _tells_nothing(ended[0], NOTHING_ALONE))):
        return []
    found = tuple(_unrelated(bench.case, one, witnesses=witnesses) for one in ended)
    return [price(bench, Fault(found), list(known))]


def _moved_far(pair: Pair) -> bool:
    """Whether the column holds other values than it did; of texts, words that were never seen."""
    if not pair.free_text:
        return distance(pair) > STAYED
    ref, cur = (list(to_texts(column)) for column in (pair.reference, pair.current))
    own = Vocabulary.of(ref)
    now = own.unseen_in(cur)
    return not len(now) or float(now.mean() - own.unseen.mean()) > NEW_WORDS


def _keep(ended: Sequence[_Worth], others: Sequence[_Worth]) -> bool:
    """Whether the other columns tell about as much as they did; or may, to within their errors, where they never told much beside
    those that ended."""
    before = sum(other.mean for other in others)
    now = sum(float(np.nanmean(other.now)) for other in others)
    if before < OTHERS_TELL * sum(one.mean for one in ended):
        now += WITNESS_Z * float(np.sqrt(sum(np.nanvar(other.now) / np.isfinite(other.now).sum() for other in others)))
    return now >= OTHERS_KEEP * before


def _unrelated(case: Case, one: _Worth, *, witnesses: bool) -> Hypothesis:
    label = case.problem.roles.label or "label"
    beside = (
        "while the other columns tell what they told"
        if witnesses
        else f"and the others never told enough to say whether it or {label} holds the values of other rows"
    )
    return Hypothesis(
        signature=ValuesOfRowsBeside(),
        features=(one.column,),
        seen=f"{one.column} tells nothing of the outcome any more, {beside}: the model answers as well with the values of any "
        "other rows",
        undo=f"join {one.column} again on its own key",
        evidence=() if case.pairs[one.column].free_text else (evidence_of(case.pairs[one.column]),),
        exact=False,  # a relation that ended in the world looks the same
        reversible=False,
        rows=np.ones(len(one.now), bool),
    )


def _tells_nothing(one: _Worth, most: float) -> bool:
    known = one.now[np.isfinite(one.now)]
    if len(known) < LEAST_ROWS:
        return False
    limit = abs(float(known.mean())) + LIMIT_Z * float(known.std()) / np.sqrt(len(known))
    return bool(limit <= most * one.mean)


def _tells_somewhere(case: Case, one: _Worth) -> bool:
    """Whether on the rows of some level, or quarter, of another column it tells something, or the contrary: a relation that
    turned there, and no other rows' values."""
    known = np.isfinite(one.now)
    for _, codes, levels in parts_of_rows(case, one.column):
        for level in range(levels):
            there = one.now[known & (codes == level)]
            if len(there) < LEAST_IN_LEVEL:
                continue
            error = float(there.std()) / np.sqrt(len(there))
            if abs(float(there.mean())) > NOTHING * one.mean + LEVEL_Z * error:
                return True
    return False


def parts_of_rows(case: Case, column: str) -> Iterator[tuple[Ints, Ints, int]]:
    """Level of every row of both windows (n_ref,) and (n_cur,) by each column but ``column``: of categories, days and context,
    and quarters of the current numbers."""
    for levels in levels_of_columns(case):
        if levels.column != column:
            yield levels.reference, levels.current, len(levels.texts)
    for pair in case.pairs.values():
        if pair.numeric and not pair.discrete and pair.name != column and len(pair.finite[1]):
            edges = np.quantile(pair.finite[1], [0.25, 0.5, 0.75])
            before, now = (np.searchsorted(edges, part).astype(np.int64) for part in pair.numbers)
            yield before, now, 4


def _worths(bench: PricingBench) -> list[_Worth]:
    """Of the columns that the model leans on, where one of them tells much less than it did; screened on some rows."""
    case = bench.case
    clocks = time_columns(case)
    pairs = [pair for name, pair in case.pairs.items() if name not in clocks]
    columns = [pair.name for pair in pairs if pair.free_text or usable(pair)][:MOST_SCREENED]
    if not columns:
        return []
    some = [case.rng("unrelated columns").permutation(bench.rows(side))[:SCREENED_ROWS] for side in case.sides]
    before, now = (
        mean_and_variance(rises_when_exchanged(bench, side, columns, np.sort(at)))[0]
        for side, at in zip(case.sides, some, strict=True)
    )
    leans = before >= LEANS * max(before.max(), 0.0)
    if not ((before > 0) & (before >= MUCH * before.max()) & (now <= LESS * before)).any():
        return []
    asked = [columns[place] for place in np.argsort(-before)[:MOST_ASKED] if leans[place] and before[place] > 0]
    every = [np.arange(side.sample.height) for side in case.sides]
    twice = [name for name in asked for _ in range(SHUFFLES)]
    rises = [
        rises_when_exchanged(bench, side, twice, at).reshape(len(asked), SHUFFLES, -1).mean(axis=1)
        for side, at in zip(case.sides, every, strict=True)
    ]
    return [_Worth(name, *parts) for name, *parts in zip(asked, *rises, strict=True)]
