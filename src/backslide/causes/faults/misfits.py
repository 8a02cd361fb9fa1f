"""A column that no longer fits the others, whatever was done to it.

Asked whatever the metric did, as a world that became easier may hide a fault; without labels of every column that moved, or of
which a tie to another one changed, by little already. For every column the others foretell what it should
be (``causes/columns/expectation``); values that do not fit are replaced by what is foretold and the model answers again. A broken
column brings back most of what is missing; the world, even where it moved, brings back little, because a relation that changed
between inputs and outcome leaves the inputs as they fit each other.

**Named** when 2 % more rows than in the later part of the reference do not fit, by four standard errors between days, and the
replacement brings back 30 % of what is unexplained by four standard errors (of the metric or of the row loss), or a material gain
by seven; and the same replacement brings little back on reference rows. A column that fits on the rows which both windows hold
alike in all others is left alone, as a season moves whole groups of columns to where nothing was learned. Columns that tell the
time are neither accused nor witnesses. On simulated weeks in which only the world moves, a column is accused in at most 2 %.
What it cost is what the replacement brings back, of all rows where those that fit do so by chance, and what foretold values lose
beside the true ones, which reference rows tell that nothing was learned from.

**Rows that say what was done** name the specific kind instead, also before labels come: a factor, powers of ten that differ from
row to row, the opposite sign, a limit, one value in place of all (``row_evidence``), random error (``row_noise``), another scale
of any form or the reverse order (``row_scale``), two columns in each other's place (``row_exchange``), values of other rows on
some (``row_join``).

**Values that left their steps** need no other column (``off_grid``): numbers that always came in whole years or tenths, and lie
between them now on a tenth of the rows or more, have been worked out anew. Where they are distributed otherwise as well, and
a repair pays, the column is named.

**Not seen** here: a column that no other column tells anything about, and one that the model has twice. With labels, a column
that misleads, while the outcome is as predictable without it as before, is told all the same
(``misleading_column``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.association import (
    STILL,
    dependence,
    distance,
    excess_distance,
    noise,
    tied_columns,
    usable,
)
from backslide.causes.columns.expectation import ColumnExpectation, expectation, far_rows, stray_rows
from backslide.causes.columns.support import excess_where_alike
from backslide.causes.faults.base import Fault, Hypothesis, evidence_of
from backslide.causes.faults.column_signature import Replacement
from backslide.causes.faults.row_evidence import read_rows
from backslide.causes.faults.row_exchange import read_exchange
from backslide.causes.faults.row_join import of_one_join, read_join, with_one_share
from backslide.causes.pricing import materiality
from backslide.causes.pricing.counterfactual import PricingBench, price
from backslide.causes.pricing.materiality import Scale
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.playbook.clock import time_columns
from backslide.playbook.concept.screen import VERY_WIDE, left_by_screen
from backslide.stats.change.effect import Effect

LEAST_EXCESS = 0.02
"""Share of rows beyond the usual that must not fit: as many as the usual ones."""
EXCESS_Z = 4.0
"""Standard errors of that share; with sixty columns asked, a quiet one passes in 0.2 % of diagnoses."""
MOST_PRICED = 12
"""Columns whose replacement the model is asked about, those that fit least."""
SAME_ROWS = 0.9
"""Rows of both over rows of either from which on two columns broke together."""
TIE, TIE_Z = 0.1, 6.0
"""Change of a correlation, and its standard errors, from which on a tie is another."""
LEAST_MOVE, LEAST_TIE_Z = 0.75 * LEAST_EXCESS, 3.0
"""Distance that a column must have moved, or standard errors by which one of its ties must have changed, to be asked about
without labels. With 20,000 rows two in a hundred columns at rest pass; of those with other values on 3 % of the rows, or with
values of other rows on 10 % and a tie of .5, three in a hundred do not. With fewer rows more pass of both."""
MOST_SUSPECTS = 3
OF_REFERENCE = 0.25
"""Share of the gain that the same replacement may bring on reference rows: a model that dislikes outliers is no fault."""
MOST_JOINED = 4
"""Columns of one join that are asked about without each other."""
MOST_READ = 6
"""Columns whose rows are read one by one, those that fit least."""
NEARLY_ALL, WIDTHS_APART = 0.9, 2.0
"""Share of the rows that one factor must explain, and widths of usual ratios (three deviations each) that it must be away from 1,
for a column to be wrong whatever it costs."""
FAR_SHARE = 0.8
"""Share of the rows of a fault whose numbers must lie far from all that there were for it to be certain."""
SHOWN = 2


def anything_moved(case: Case, known: Sequence[Fault]) -> bool:
    """Whether a column that tells no time and has no ``known`` fault moved, or a tie between two such columns changed: where all
    are as they were, none can be broken by much, and it need not be asked row by row."""
    out = _columns_of(known) | time_columns(case)
    if any(
        distance(pair) > STILL + noise(pair) for name, pair in case.pairs.items() if name not in out and usable(pair)
    ):
        return True
    ties = dependence(case)
    asked = ~np.isin(ties.owner, [ties.names.index(name) for name in out if name in ties.names])
    changed = np.abs(ties.reference - ties.current) > np.maximum(TIE, TIE_Z * ties.error())
    return bool((changed & ties.strong())[np.ix_(asked, asked)].any())


def find_row_faults(bench: PricingBench, known: Sequence[Fault], scale: Scale) -> list[Fault]:
    """Faults that the rows which no longer fit tell by themselves (``row_evidence``, ``row_exchange``), each priced beside those
    before it; none of a column that has a fault already."""
    case, groups = bench.case, list[list[Hypothesis]]()
    asked = misfits(case, _columns_of(known))
    elsewhere: list[Hypothesis] = []
    for one in asked[:MOST_READ]:
        if any(one.column in h.features for group in groups for h in group):
            continue
        hypothesis = read_exchange(case, one, asked) or read_rows(case, one)
        if hypothesis is not None:
            own = next((group for group in groups if broke_together(group[0], hypothesis)), None)
            groups.append([hypothesis]) if own is None else own.append(hypothesis)
        elif (moved := read_join(case, one)) is not None:
            elsewhere.append(moved)
    groups = [_culprits(case, group) for group in groups] + _joins(case, elsewhere)
    found: list[Fault] = []
    for group in groups:
        columns = frozenset(feature for h in group for feature in h.features)
        fault = price(bench, Fault(tuple(group), columns), [*known, *found])
        if materiality.row_fault_stands(fault, scale, certain=_is_far_off(case, group)):
            found.append(fault)
    return found


def _is_far_off(case: Case, group: Sequence[Hypothesis]) -> bool:
    """Whether the rows hold numbers that lie far from all that the reference held, or nearly all of them are off by one factor,
    many times as far as the others leave open: these are wrong, whatever they cost."""

    def by_one_factor(h: Hypothesis) -> bool:
        return bool(h.rows.mean() >= NEARLY_ALL) and float(h.params.get("apart", 0.0)) >= WIDTHS_APART

    return all(
        by_one_factor(h) or float(far_rows(case.pairs[h.features[0]])[h.rows].mean()) >= FAR_SHARE for h in group
    )


def _columns_of(known: Sequence[Fault]) -> frozenset[str]:
    """Columns that need not be asked, as their fault is known; where some values are missing, those that are there may be
    wrong."""
    return frozenset(f for fault in known if fault.kind != CauseKind.MISSING_VALUES for f in fault.features)


def broke_together(one: Hypothesis | Fault, other: Hypothesis | Fault) -> bool:
    """Whether two columns have the same on the very same rows, which makes it one fault."""
    both, either = (one.rows & other.rows).sum(), (one.rows | other.rows).sum()
    return one.kind == other.kind and bool(both >= SAME_ROWS * either)


def _joins(case: Case, found: list[Hypothesis]) -> list[list[Hypothesis]]:
    """Columns with values from elsewhere, those of one join together."""
    groups: list[list[Hypothesis]] = []
    while found:
        same = [found[0], *(h for h in found[1:] if of_one_join(found[0], h))][:MOST_JOINED]
        groups.append(with_one_share(_culprits(case, same)))
        found = [h for h in found if h not in same]
    return groups


def _culprits(case: Case, group: list[Hypothesis]) -> list[Hypothesis]:
    """Of columns that do not fit on the same rows those that do not either whichever of the others is no witness, as a sound
    column does not fit beside a broken one; the one that fits least where that says nothing."""
    broken = [h for h in group if all(_without(case, h, other) for other in group if other is not h)]
    return broken or group[:1]


def _without(case: Case, hypothesis: Hypothesis, other: Hypothesis) -> bool:
    """Whether a column does not fit either where another is no witness."""
    again = expectation(case, hypothesis.features[0], frozenset(other.features))
    return again is not None and _is_unfit(case, again)


def find_unrecognised(bench: PricingBench, known: Sequence[Fault], rest: Effect, scale: Scale) -> list[Fault]:
    """Columns that stopped fitting the others and whose replacement brings back a good part of ``rest``, each priced beside those
    before it; ``known`` faults are undone throughout and their columns are no witnesses."""
    case = bench.case
    suspects: list[Fault] = []
    asked = misfits(case, _columns_of(known))
    while asked and len(suspects) < MOST_SUSPECTS:
        others = [*known, *suspects]
        priced = [price(bench, _fault(case, one), others) for one in asked[:MOST_PRICED]]
        standing = [
            fault
            for fault, one in zip(priced, asked, strict=False)
            if materiality.unrecognised_stands(fault, rest, scale) and not _usual_gain(bench, fault, one, scale)
        ]
        if not standing:
            break
        best = max(standing, key=lambda fault: -scale.harm(fault.repair_effect) if fault.repair_effect else 0.0)
        one = next(one for one in asked if one.column in best.features)
        best = _of_every_row(bench, best, one, others, scale)
        suspects.append(_with_lost_truth(bench, best, one, rest, scale))
        taken = _columns_of([*known, *suspects])
        asked = misfits(case, taken, [one.column for one in asked if one.column not in taken])
    return suspects


def recognised_as(known: Fault, suspect: Fault) -> Fault:
    """The kind that ``known`` tells of the same column, on the rows that do not fit and at the price of what is foretold."""
    (hypothesis,) = suspect.hypotheses
    seen = f"{known.hypotheses[0].seen}; {hypothesis.seen}"
    named = replace(hypothesis, signature=Replacement(known.kind), seen=seen, exact=True)
    return replace(suspect, hypotheses=(named,))


def as_certain(fault: Fault) -> Fault:
    """The fault, whose column does not fit the others, so that what it says of it need not prove itself on other rows."""
    return replace(fault, hypotheses=tuple(replace(h, exact=True) for h in fault.hypotheses))


def misfits(
    case: Case, taken: frozenset[str] = frozenset(), columns: Sequence[str] | None = None
) -> list[ColumnExpectation]:
    """Columns outside ``taken`` of which more rows than usual do not fit, those that fit least first; of a table of very many
    columns, those that the screen of the decomposition kept, which is noted there, as far as they go with one another."""
    out = taken | time_columns(case) | frozenset(left_by_screen(case))
    names = [name for name in (case.pairs if columns is None else columns) if name not in out]
    if len(case.pairs) > VERY_WIDE:
        # A column that goes with no other is foretold by none: it fits nothing only where it left what the reference held.
        worth = tied_columns(case, names) | stray_rows(case).keys()
        names = [name for name in names if name in worth]
    if not case.has_labels:
        stirred = stirred_columns(case)
        names = [name for name in names if name in stirred]
    asked = [expectation(case, name, taken) for name in names]
    unfit = [one for one in asked if one is not None and _is_unfit(case, one) and not _moved_along(case, one, taken)]
    return sorted(unfit, key=lambda one: -one.excess)


@once
def stirred_columns(case: Case) -> frozenset[str]:
    """Columns that moved at all, or of which a tie to another one changed: the others need not be asked row by row where no
    metric says that something is missing."""
    ties = dependence(case)
    changed = ties.strong() & (np.abs(ties.reference - ties.current) > LEAST_TIE_Z * ties.error())
    of_ties = {ties.names[place] for place in np.unique(ties.owner[changed.any(axis=1)])}
    return frozenset(
        name
        for name, pair in case.pairs.items()
        if usable(pair) and (name in of_ties or name not in ties.names or excess_distance(pair) > LEAST_MOVE)
    )


def _is_unfit(case: Case, one: ColumnExpectation) -> bool:
    """Whether more rows than usual do not fit; days may differ in how many, but not in values far from all that there were."""
    if one.excess < LEAST_EXCESS:
        return False
    return one.z(case) >= EXCESS_Z or float(far_rows(case.pairs[one.column]).mean()) >= LEAST_EXCESS


def _moved_along(case: Case, one: ColumnExpectation, taken: frozenset[str]) -> bool:
    """Whether a column fits as ever on the rows that are alike in the other columns, where none of these left the reference.

    It went with them where they went, as season goes with month: which of them broke, or whether the year went on, these rows do
    not say.
    """
    strays = [rows for name, rows in stray_rows(case).items() if name not in taken and name != one.column]
    at_home = ~np.logical_or.reduce([np.zeros(len(one.current), bool), *strays])
    excess = excess_where_alike(case, one.column, taken, at_home)
    return excess is not None and excess < LEAST_EXCESS


def _fault(case: Case, one: ColumnExpectation) -> Fault:
    pair = case.pairs[one.column]
    seen = (
        f"{one.column} no longer fits the other columns on {say.percent(float(one.current.mean()))} of the rows, "
        f"{say.percent(one.usual)} before"
    )
    shown = _examples(one, pair.numbers[1] if pair.numeric else pair.texts[1])
    return Fault(
        (
            Hypothesis(
                signature=Replacement(CauseKind.UNRECOGNISED_FAULT),
                features=(one.column,),
                seen=f"{seen}: {shown}" if shown else seen,
                undo=f"replace the values of {one.column} that do not fit by what the other columns foretell",
                evidence=(evidence_of(pair),),
                exact=False,
                reversible=False,
                rows=one.current,
                params={"values": one.current_values},
            ),
        )
    )


def _examples(one: ColumnExpectation, values: np.ndarray[tuple[int], np.dtype[np.generic]]) -> str:
    """A few values beside what was expected in their place; spread over the rows that do not fit."""
    rows = np.flatnonzero(one.current)
    chosen = rows[np.linspace(0, len(rows) - 1, SHOWN).astype(int)] if len(rows) >= SHOWN else rows

    def shown(value: object) -> str:
        return say.number(float(value)) if isinstance(value, (float, np.floating)) else repr(str(value))

    return " and ".join(f"{shown(values[i])} where about {shown(one.foretold[i])} is expected" for i in chosen)


def _of_every_row(
    bench: PricingBench, fault: Fault, one: ColumnExpectation, others: Sequence[Fault], scale: Scale
) -> Fault:
    """The fault on all rows, where what the others foretell serves the rows that fit better, too: these are wrong and fit by
    chance."""
    (hypothesis,) = fault.hypotheses
    rows = ~bench.case.pairs[one.column].missing[1]
    every = replace(
        hypothesis,
        seen=f"{hypothesis.seen}; the other values fit by chance",
        undo=f"replace the values of {one.column} by what the other columns foretell",
        rows=rows,
        params={"values": np.where(one.current, one.current_values, one.foretold)},
    )
    whole = price(bench, replace(fault, hypotheses=(every,)), others)
    if whole.repair_effect is None or fault.repair_effect is None or whole.log_only:
        return fault
    more = fault.repair_effect - whole.repair_effect
    return whole if more.clear and scale.harm(more) > 0 else fault


def _with_lost_truth(bench: PricingBench, fault: Fault, one: ColumnExpectation, rest: Effect, scale: Scale) -> Fault:
    """The fault with what is lost for want of the true values, though the others foretell them: what foretold ones cost in place
    of those of reference rows that nothing was learned from, as far as it is part of the ``rest``."""
    known = one.held_out & ~bench.case.pairs[one.column].missing[0]
    if not bench.reference_labels or fault.repair_effect is None or not known.any():
        return fault
    effect = bench.effect_of(edit.write(bench.case.reference.sample, one.column, one.reference_foretold, known))
    if effect is None or scale.harm(effect) <= 0:
        return fault
    left = scale.harm(rest) + scale.harm(fault.repair_effect)
    times = min(float(fault.rows.mean()) / float(known.mean()), left / scale.harm(effect))
    if times <= 0:
        return fault
    dearer = replace(fault, filling_cost=Effect(times * effect.value, times * effect.replicates))
    return dearer if dearer.points is not None and dearer.points.clear else fault


def _usual_gain(bench: PricingBench, fault: Fault, one: ColumnExpectation, scale: Scale) -> bool:
    """Whether the same replacement pays on reference rows too, row for row."""
    if not bench.reference_labels or fault.repair_effect is None or not one.reference.any():
        return False
    sample = bench.case.reference.sample
    effect = bench.effect_of(edit.write(sample, one.column, one.reference_values, one.reference))
    if effect is None:
        return False
    by_row = scale.harm(fault.repair_effect) / float(one.current.mean())
    usual = scale.harm(effect) / float(one.reference.mean())
    return effect.clear and usual < OF_REFERENCE * by_row
