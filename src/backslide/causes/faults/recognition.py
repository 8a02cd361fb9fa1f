"""Which faults the current window has: every signature asked, and its hypotheses gathered by mechanism."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np

from backslide.case import Case
from backslide.causes.columns.edit import MIN_ROWS
from backslide.causes.columns.seasonality import follows_calendar, told_by_day
from backslide.causes.columns.time_of_day import ClockShift
from backslide.causes.faults.base import Fault, Hypothesis
from backslide.causes.faults.confinement import confine, usual_share
from backslide.causes.faults.mixtures import recognise_mixtures
from backslide.causes.faults.subsets import read_signatures, recognise_within
from backslide.contracts.cause import CauseKind
from backslide.contracts.containment import noted
from backslide.engine.columns.segments import columns_of
from backslide.playbook.clock import time_columns

OF_OTHER_DAYS = (
    CauseKind.CATEGORY_RECODE,
    CauseKind.FROZEN_FEATURE,
    CauseKind.CLIPPED_RANGE,
    CauseKind.ROUNDED_VALUES,
    CauseKind.DEFAULT_VALUE,
    CauseKind.UNSEEN_CATEGORY,
    CauseKind.BROKEN_JOIN,
)
"""Kinds that a column which follows the calendar shows by itself."""
ALL_ROWS = 0.95
"""Share of rows from which on a fault needs no mark of its rows."""
REACHES = 0.1
"""Share of the rows hit that lie outside a mark from which on it is no mark of them."""
LOST_TOGETHER = (CauseKind.DEFAULT_VALUE, CauseKind.FROZEN_FEATURE, CauseKind.MISSING_VALUES)
TOGETHER = 0.9
"""Share of the rows of either, but for usual ones, that both must have for two columns to have lost their values together."""
MOST_OF = 0.5
"""Share of rows without a value from which on nothing else is read in a column."""
MOST_ROUNDS = 2
"""Rounds of repair and repeat."""


def find_faults(case: Case) -> list[Fault]:
    """Faults recognised in the current sample, the most specific kind first.

    A signature that fails on a column is noted in the case, never fatal. Windows under 200 rows are not read: with so few
    rows only replays decide.
    """
    if min(side.sample.height for side in case.sides) < MIN_ROWS:
        case.notes.append(
            f"fewer than {MIN_ROWS} rows in a window: no data fault is looked for, only the replay of the model"
        )
        return []
    found, case = read_signatures(case)
    found = [h for h in _with_marked(case, found) if not _seasonal(case, h)]
    named = _lost_together(case, _one_name_per_column(found))
    return _by_mechanism([confine(case, h) for h in named], case.suspects)


def _seasonal(case: Case, hypothesis: Hypothesis) -> bool:
    """Whether other values are what other days bring: a month that is new is no unseen category, and no fault of its days."""
    if _no_more_told_by_day(case, hypothesis):
        return False
    if set(hypothesis.features) <= time_columns(case) and not isinstance(
        hypothesis.params.get("conversion"), ClockShift
    ):
        return True
    by_days = hypothesis.segment is not None and (case.problem.roles.timestamp or "") in columns_of(hypothesis.segment)
    suspect = by_days or hypothesis.kind in OF_OTHER_DAYS
    return suspect and all(follows_calendar(case, f) for f in hypothesis.features)


def _no_more_told_by_day(case: Case, hypothesis: Hypothesis) -> bool:
    """Whether its columns were told by the day and differ within days now: that is no day's doing."""
    days = case.reference.blocks, case.current.blocks
    if any(one is None for one in days):
        return False
    return all(
        told_by_day(case.pairs.get(f), 0, days[0]) and not told_by_day(case.pairs.get(f), 1, days[1])
        for f in hypothesis.features
    )


def find_all_faults(case: Case) -> list[Fault]:
    """Faults of the current sample, also those that show only once the certain and reversible ones are undone.

    Repair and repeat, until nothing new appears. What is recognised in a column that has a fault already is a trace of that one.
    """
    found = find_faults(case)
    for _ in range(MOST_ROUNDS):
        undone = [f for f in found if f.exact and f.reversible]
        if not undone:
            break
        frame = case.current.sample
        for fault in undone:
            frame = fault.repair(case, frame)
        taken = {feature for f in found for feature in f.features}
        suspects = found[0].suspects
        again = find_faults(case.repaired(frame))
        still = {feature for f in again for feature in f.features}
        # A value that only the values of a broken column spoke against is no default once these are back.
        found = [f for f in found if f.kind != CauseKind.DEFAULT_VALUE or set(f.features) & still]
        more = [replace(f, suspects=suspects) for f in again if not taken & set(f.features)]
        if not more:
            break
        found += more
    return found


def _with_marked(case: Case, found: list[Hypothesis]) -> list[Hypothesis]:
    """What is read within marked rows replaces what is read over all rows about the same columns: the rest held still.

    Not so where an exact and reversible fault reaches beyond the mark. What nothing marks is looked for last, in columns that
    no such fault explains.
    """
    marked: list[Hypothesis] = []
    with noted("faults of marked rows", case.notes):
        marked = [h for h in recognise_within(case) if not _beyond_the_mark(case, h, found)]
    taken = {f for h in marked if h.exact for f in h.features}
    found = [*(h for h in found if not taken & set(h.features)), *marked]
    explained = {f for h in found if h.exact and (h.reversible or h.segment) for f in h.features}
    mixtures: list[Hypothesis] = []
    with noted("faults that nothing marks", case.notes):
        mixtures = recognise_mixtures(case, explained)
    # One that explains a column as a mixture explains it better than what is unsure about all of its rows.
    better = {(h.kind, f) for h in mixtures for f in h.features}
    return [*(h for h in found if h.exact or not any((h.kind, f) in better for f in h.features)), *mixtures]


def _beyond_the_mark(case: Case, marked: Hypothesis, found: list[Hypothesis]) -> bool:
    """Whether a fault that is read over all rows hits rows outside the mark too, the same one or any that can be undone or
    leaves none out: a limit is met most often where values are high, and is one for all of them; and what is a new name in the
    marked rows is an unseen value in the others."""
    own = [h for h in found if h.exact and _is_same(h, marked)]
    if not own:
        return False
    rows = np.logical_or.reduce([h.rows for h in own])
    if rows.mean() >= ALL_ROWS or marked.where is None:
        return bool(rows.mean() >= ALL_ROWS)
    outside = float(rows[~marked.where].sum())
    outside -= sum(usual_share(case, h) for h in own) * float((~marked.where).sum())
    return bool(outside > REACHES * rows.sum())


def _is_same(one: Hypothesis, marked: Hypothesis) -> bool:
    if (one.reversible or one.rows.mean() >= ALL_ROWS) and set(one.features) & set(marked.features):
        return True
    renamed = marked.kind == CauseKind.CATEGORY_RECODE and one.kind == CauseKind.UNSEEN_CATEGORY
    return (one.kind == marked.kind or renamed) and one.features == marked.features


def _one_name_per_column(found: list[Hypothesis]) -> list[Hypothesis]:
    """The most specific kind claims a column; what is less specific about the same column is its consequence.

    Of what has yet to prove itself by its price, one hypothesis on several columns goes before one on each of them.
    """
    taken: dict[str, tuple[CauseKind, str]] = {}
    kept: list[Hypothesis] = []
    still = {
        f
        for h in found
        if h.exact and h.kind == CauseKind.FROZEN_FEATURE and _on_all_known(found, h)
        for f in h.features
    }
    for hypothesis in sorted(found, key=lambda h: _precedence(h, still)):
        own = (hypothesis.kind, hypothesis.mechanism or "+".join(hypothesis.features))
        if any(other.features == hypothesis.features and _same_rows(other, hypothesis) for other in kept):
            continue  # read twice, by its mark and as a mixture: undone once
        if all(taken.get(feature, own) == own for feature in hypothesis.features):
            kept.append(hypothesis)
            if hypothesis.kind != CauseKind.MISSING_VALUES or hypothesis.rows.mean() >= MOST_OF:
                taken |= dict.fromkeys(hypothesis.features, own)  # where some are missing, the others may be wrong
    return kept


def _precedence(hypothesis: Hypothesis, still: set[str]) -> tuple[bool, bool, float]:
    """What goes first: the certain before the rest, then the more specific kind; that a column stands still on all of its rows
    explains which of its values are frequent now, and which no longer come."""
    unsure, kind = not hypothesis.exact, float(hypothesis.kind.precedence)
    if hypothesis.kind == CauseKind.FROZEN_FEATURE and set(hypothesis.features) <= still:
        kind = min(kind, CauseKind.CATEGORY_RECODE.precedence - 0.5)
    return unsure, unsure and len(hypothesis.features) == 1, kind


def _on_all_known(found: list[Hypothesis], frozen: Hypothesis) -> bool:
    """Whether a column stands still on nearly all rows on which it has a value."""
    gone = [
        h.rows
        for h in found
        if h.kind == CauseKind.MISSING_VALUES and h.features == frozen.features and h.segment is None
    ]
    known = ~np.logical_or.reduce(gone) if gone else np.ones(len(frozen.rows), bool)
    return bool(known.any() and (frozen.rows & known).sum() >= ALL_ROWS * known.sum())


def _lost_together(case: Case, found: list[Hypothesis]) -> list[Hypothesis]:
    """Columns that lost their values on the very same rows, not all of them, lost them by one mechanism."""
    made: list[Hypothesis] = []
    for hypothesis in found:
        same = next((h for h in made if _is_lost_with(case, h, hypothesis)), None)
        mechanism = "" if same is None else same.mechanism or "+".join(same.features)
        made.append(hypothesis if same is None else replace(hypothesis, mechanism=mechanism))
    return made


def _is_lost_with(case: Case, one: Hypothesis, other: Hypothesis) -> bool:
    """Whether both are lost on the same rows, but for those on which one of them holds that value by nature."""
    if one.kind != other.kind or one.kind not in LOST_TOGETHER or not (one.exact and other.exact):
        return False
    if (one.rows | other.rows).mean() >= ALL_ROWS:
        return False
    both = one.rows & other.rows
    return all(
        h.rows.sum() - usual_share(case, h) * (~both).sum() - both.sum() <= (1 - TOGETHER) * both.sum()
        for h in (one, other)
    )


def _same_rows(one: Hypothesis, other: Hypothesis) -> bool:
    return bool((one.rows & other.rows).sum() > 0.5 * min(one.rows.sum(), other.rows.sum()))


def _by_mechanism(found: list[Hypothesis], suspects: frozenset[str]) -> list[Fault]:
    def key(h: Hypothesis) -> tuple[int, str]:
        return h.kind.precedence, h.mechanism or "+".join(h.features)

    return [Fault(tuple(group), suspects) for _, group in groupby(sorted(found, key=key), key=key)]
