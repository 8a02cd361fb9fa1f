"""Values that left the steps in which they always came: something worked them out anew, whatever it was.

Numbers are recorded in steps, as whole years, tenths of a degree, halves of a star. The world moves them along these steps and
never off them. A column of which many values lie between has been through arithmetic: error that adds up until a restart, means
in place of values, a formula that changed, noise. Nothing but the column itself is needed to see that, on the very rows.

**Named** where at least twenty different values of the reference, practically all, are multiples of one usual step; where at
least a tenth of the current rows are none, and these are distributed otherwise than those beside them, or than the reference, by
more than its halves are; and where a repair pays by four standard errors and a material part, and the row loss does not speak
against it. Tried are: what the other columns foretell; the level that the others foretell, or that of the reference, in place of
the own level of a stretch of rows; and the distribution of the reference. Where no repair pays, rows that nothing marks are held
against the others of the same days: what the metric loses by them is the price. More digits of the same values are not named,
whatever changed in the same weeks. Beyond the precision of single floats nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from backslide.case import Case
from backslide.causes.columns.association import STILL
from backslide.causes.columns.expectation import expectation
from backslide.causes.columns.resolution import step_of
from backslide.causes.faults.base import Fault, Hypothesis, evidence_of
from backslide.causes.faults.column_signature import Replacement
from backslide.causes.faults.markers import describe
from backslide.causes.faults.misfits import recognised_as
from backslide.causes.faults.misleading_column import NoRepair
from backslide.causes.faults.row_losses import in_time
from backslide.causes.pricing import materiality
from backslide.causes.pricing.counterfactual import PricingBench, price
from backslide.causes.pricing.materiality import Scale
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.effect import Effect
from backslide.stats.two_sample import distinct_of_sorted, ks, ks_limit

LEAST_VALUES = 20
"""Different values of the reference from which on their steps are no accident of a few."""
FEW_VALUES = 0.5
"""Share of the reference rows that may hold a value of their own, for values to keep to their steps by habit."""
LEAST_OFF, LEAST_ROWS = 0.1, 60
"""Share of the known current values that must lie between the steps, and how many."""
NEARLY_ALL = 0.9
"""Share from which on the others lie on a step by chance."""
OFF, FLOAT32 = 1e-6, 4e-7
"""Part of a step, and of the value, by which it must be away from it: what single floats leave open."""
LEVELS = 30
"""Parts of the window, in order of time, whose level is taken as one; of this many rows at least."""
LEAST_IN_PART = 40
MOST_ASKED = 4
LEAST_BESIDE = 200
"""Labelled rows of either sort that price what no repair restores."""
MUCH_MORE = 2.0
"""Times what a known fault was thought to cost that the repair must bring back to be of more than that."""
WHOLE = 0.995
"""Share of the current rows from which on no mark of them is looked for."""


def columns_off_grid(case: Case, known: Sequence[Fault]) -> dict[str, Mask]:
    """The rows (n_cur,) of columns whose values left their steps, those with most first; none of a column that tells the time, or
    whose own ``known`` fault restores its values or hits others as well."""
    out = {name for fault in known if fault.reversible or len(fault.features) > 1 for name in fault.features}
    asked = [pair for name, pair in case.pairs.items() if name not in out | time_columns(case)]
    found = {pair.name: rows for pair in asked if (rows := rows_off_grid(pair)) is not None}
    return dict(sorted(found.items(), key=lambda one: -int(one[1].sum()))[:MOST_ASKED])


def find_off_grid(
    bench: PricingBench, columns: Mapping[str, Mask], known: Sequence[Fault], scale: Scale
) -> list[Fault]:
    """Faults of ``columns`` that left their steps on some rows, each with the repair that pays most, priced beside those before
    it and the ``known`` ones; none where no repair pays. One of a column that has a known fault is of its kind, and stands in
    its place where the repair brings back much more than that was thought to cost."""
    case, found = bench.case, list[Fault]()
    for name, rows in columns.items():
        hypothesis = _hypothesis(case, case.pairs[name], rows)
        own = next((fault for fault in known if name in fault.features), None)
        others = [*(fault for fault in known if fault is not own), *found]
        tried = [
            price(bench, Fault((replace(hypothesis, params={"values": values}, undo=undo),)), others)
            for values, undo in _repairs(case, case.pairs[name], rows)
        ]
        paid = [fault for fault in tried if materiality.repair_pays(fault, scale, none_worse=True)]
        best = max(paid, key=lambda fault: materiality.gain_of(fault, scale), default=None)
        if best is None and own is None:
            best = _priced_by_rows_beside(bench, hypothesis, scale)
        if best is None:
            continue
        if own is None:
            found.append(best)
        elif own.points is None or materiality.gain_of(best, scale) >= MUCH_MORE * scale.harm(own.points):
            found.append(recognised_as(own, best))
    return found


def _priced_by_rows_beside(bench: PricingBench, hypothesis: Hypothesis, scale: Scale) -> Fault | None:
    """The fault of rows that no repair restores and nothing marks, at what the metric loses by them beside the other rows of the
    same days; None where that is not clear, or where something tells these rows from the others."""
    case, side = bench.case, bench.case.current
    at = bench.rows(side)
    sound = ~hypothesis.rows[at]
    if hypothesis.segment is not None or min(int(sound.sum()), int((~sound).sum())) < LEAST_BESIDE:
        return None
    every = side.outcomes.take(at).statistics(bench.target, len(case.problem.classes))
    value, draw = bench.target.value, bench.draw(side)
    whole, beside = (
        Effect(float(value(some.sum(0))), value(draw.sums(some))) for some in (every, every * sound[:, None])
    )
    cost = whole - beside
    if abs(cost.z) < materiality.GAIN_Z or scale.harm(cost) < materiality.MATERIAL * scale.min_effect:
        return None
    seen = f"{hypothesis.seen}; on the others of the same days the model errs less"
    return Fault((replace(hypothesis, signature=NoRepair(), seen=seen),), share=cost)


def rows_off_grid(pair: Pair) -> Mask | None:
    """The current rows whose values lie between the steps of the reference (n_cur,), all known ones where nearly all do; None
    where it has no steps, where they keep to them, or where they are distributed as the reference is."""
    if not pair.numeric:
        return None
    ref, values = pair.finite[0], pair.numbers[1]
    distinct = distinct_of_sorted(ref)
    if not LEAST_VALUES <= len(distinct) <= FEW_VALUES * len(ref):
        return None
    step = step_of(ref)
    if step is None:
        return None
    known = np.isfinite(values)
    steps = np.where(known, values, 0.0) / step
    off = known & (np.abs(steps - np.round(steps)) > np.maximum(OFF, FLOAT32 * np.abs(steps)))
    if off.sum() < LEAST_ROWS or off.sum() < LEAST_OFF * known.sum():
        return None
    rows = known if off.sum() >= NEARLY_ALL * known.sum() else off
    # More digits of the same values leave the distribution as it was; rows of the same days are the better measure of that.
    others = np.sort(values[known & ~rows])
    drift, beside = (pair.usual_drift, ref) if len(others) < LEAST_ROWS else (0.0, others)
    moved = ks(beside, np.sort(values[rows])) - drift
    return rows if moved > STILL + ks_limit(len(beside), int(rows.sum())) else None


def _hypothesis(case: Case, pair: Pair, rows: Mask) -> Hypothesis:
    step = step_of(pair.finite[0])
    assert step is not None
    of_what = "whole numbers" if step == 1 else f"multiples of {say.number(step)}"
    values = pair.numbers[1][rows]
    shown = say.listed([say.number(float(values[len(values) * k // 3])) for k in (0, 1, 2)])
    share = f"{say.percent(float(rows.mean()))} of them are not" if rows.mean() < WHOLE else "now they are not"
    marker = None if rows.mean() >= WHOLE else describe(case, rows, {pair.name}, np.ones(len(rows), bool))
    return Hypothesis(
        signature=Replacement(CauseKind.UNRECOGNISED_FAULT),
        features=(pair.name,),
        seen=f"the values of {pair.name} were always {of_what}, and {share}: {shown}, as when they are worked out anew",
        undo="",
        evidence=(evidence_of(pair),),
        exact=True,
        reversible=False,
        rows=rows,
        segment=None if marker is None else marker.expression,
    )


def _repairs(case: Case, pair: Pair, rows: Mask) -> Iterator[tuple[Floats, str]]:
    """Values in place of those on ``rows`` (n_cur,), and in words what is done."""
    name, values = pair.name, pair.numbers[1]
    at = np.flatnonzero(rows)
    order = at[in_time(case.current, at)]
    parts = np.array_split(order, max(min(LEVELS, len(order) // LEAST_IN_PART), 1))
    former = float(np.median(pair.finite[0]))
    a_stretch = "a stretch of rows at a time"
    yield _with_level(values, parts, np.full(len(values), former)), f"give {name} its former level, {a_stretch}"
    ranked = values.copy()
    place = np.argsort(np.argsort(values[rows], kind="stable"), kind="stable")
    ranked[rows] = np.quantile(pair.finite[0], (place + 0.5) / len(place))
    yield ranked, f"give {name} its former distribution"
    told = expectation(case, name, frozenset())
    if told is None:
        return
    foretold = np.asarray(told.foretold, float)
    yield foretold, f"replace the values of {name} by what the other columns foretell"
    yield _with_level(values, parts, foretold), f"give {name} the level that the other columns foretell, {a_stretch}"


def _with_level(values: Floats, parts: Sequence[Ints], to: Floats) -> Floats:
    """``values`` (n,) moved, part by part, so that their median is that of ``to`` (n,)."""
    moved = values.copy()
    for part in parts:
        moved[part] += float(np.nanmedian(to[part])) - float(np.median(values[part]))
    return moved
