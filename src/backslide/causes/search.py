"""The root-cause search: from a case whose verdict is known to an explanation whose parts add up.

In this order: what replay proves (model, threshold); data faults by their signatures, priced by repair and injection; rows
that came again or no longer; rows and columns that no longer fit the others; how the world shifted, as far as what is left tells
(label shift, covariate shift, concept drift). Each step explains only what the former left over, so no points are counted twice,
and what nothing explains is a line of its own, with what is most worth a look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import polars as pl

from backslide.case import Case, Progress
from backslide.causes.explanation import Explanation
from backslide.causes.faults.base import Fault
from backslide.causes.faults.late_column import find_late_columns
from backslide.causes.faults.misfits import (
    anything_moved,
    as_certain,
    broke_together,
    find_row_faults,
    find_unrecognised,
    misfits,
    recognised_as,
)
from backslide.causes.faults.misleading_column import as_fault, find_misleading_column
from backslide.causes.faults.off_grid import columns_off_grid, find_off_grid
from backslide.causes.faults.recognition import ALL_ROWS, find_all_faults
from backslide.causes.faults.row_lag import find_label_lag, find_row_lag
from backslide.causes.faults.unrelated_column import find_unrelated_columns
from backslide.causes.opened_bench import on_stand_in, open_bench, price_all
from backslide.causes.pricing import materiality
from backslide.causes.pricing.counterfactual import PricingBench, price
from backslide.causes.pricing.materiality import Scale
from backslide.causes.pricing.shapley import share_out, undo_all
from backslide.causes.replay.model_or_threshold import find_own_change
from backslide.causes.replay.snapshot_diff import name_by_snapshots
from backslide.causes.shift import shifts
from backslide.causes.shift.base import WorldChange
from backslide.causes.shift.inputs import find_moved_inputs
from backslide.causes.suspicion import find_suspects, is_doubtful
from backslide.causes.traffic.duplicated_rows import find_duplicated_rows
from backslide.causes.traffic.lost_rows import find_lost_rows
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.containment import noted
from backslide.contracts.diagnosis import LEAST_ROWS
from backslide.playbook.concept.decomposition import populations
from backslide.stats.change.effect import Effect, nothing
from backslide.stats.metrics.metric import Metric

T = TypeVar("T")

LEFT_BY_LOSS = (CauseKind.FROZEN_FEATURE, CauseKind.MISSING_VALUES)
"""Kinds that a column shows by itself where the rows with its other values are lost."""


def find_causes(case: Case, target: Metric, *, degraded: bool, progress: Progress | None = None) -> Explanation:
    """Look for causes of the change of ``target``.

    Faults and replays are looked for whatever the verdict; shifts of the whole only when ``degraded``, because without a drop
    there is nothing for the world to explain.
    """
    say = progress or (lambda _: None)
    say("causes: replaying the saved model")
    served = PricingBench(case, target, None)
    change = served.served_change if case.has_labels else None
    scale = Scale(target, change, case.problem.min_effect)

    say("causes: reading fault signatures")
    faults = find_all_faults(case)
    bench, notes = open_bench(case, target, faults)
    say(f"causes: trying out {len(faults)} possible faults")
    tried = price_all(bench, faults, notes)
    faults = [fault for fault in tried if materiality.stands(fault, scale)]
    unpriced = [f for f in faults if bench.model is None and materiality.unpriced_matters(f, scale)]
    harmful = [*(fault for fault in faults if materiality.matters(fault, scale)), *unpriced]
    harmless = [fault for fault in faults if not any(fault is one for one in harmful)]

    own_change = name_by_snapshots(case, find_own_change(served, faults))
    if own_change is not None and not bench.artefact:
        # A stand-in asked about repaired rows undoes the other answers as well, so what it says of a repair proves no fault.
        harmful = [fault for fault in harmful if fault.exact]
    explanation = Explanation(
        change,
        own_change,
        own_change is not None
        and materiality.own_change_matters(own_change.effect, scale, current_labels=bench.current_labels),
        tuple(share_out(bench, harmful)),
        tuple(harmless),
        artefact=bench.artefact,
        notes=tuple(notes),
    )
    say("causes: columns and labels of other rows")
    bench, explanation = _with_other_rows(bench, explanation, scale)
    say("causes: rows that came again, or no longer")
    explanation = _with_traffic(explanation, served, faults, scale)
    bench, explanation = _with_off_grid(bench, explanation, scale)
    # Asked whatever the change where columns moved: what the world did for the better in the same weeks may hide a fault.
    if _unsettled(explanation, scale) or anything_moved(case, faults):
        say("causes: columns that no longer fit the others")
        if not faults and misfits(case):
            bench, explanation = on_stand_in(bench, explanation)
        if bench.model is not None:
            known = [*faults, *(fault for fault in explanation.faults if fault not in faults)]
            explanation = _with_row_faults(explanation, bench, known, scale)
            explanation = _with_unrecognised(explanation, bench, scale, tried)
    if change is not None:
        explanation = _with_misleading(explanation, bench, scale)
        say("causes: inputs or relation")
        with noted("shifts of the world", notes):
            explanation = _with_shifts(explanation, bench, scale, degraded=degraded)
        explanation = replace(explanation, notes=tuple(dict.fromkeys((*explanation.notes, *notes))))
    if not _unsettled(explanation, scale):
        return explanation
    say("causes: what is most worth a look")
    return _with_suspects(explanation, bench, tried, scale)


def _with_shifts(found: Explanation, bench: PricingBench, scale: Scale, *, degraded: bool) -> Explanation:
    """The explanation with what the world did; beside a surer cause, what the split only suspects stays unexplained."""
    changes = _shifts(found, bench, scale, degraded=degraded)
    sure = tuple(change for change in changes if change.confidence.rank >= Confidence.SUPPORTED.rank)
    if any(_leaves_no_row(fault, scale) for fault in found.faults):
        return replace(found, possible_shifts=changes)
    if any(fault.share_of_loss for fault in found.faults):
        sure = tuple(change for change in sure if change.kind != CauseKind.CONCEPT_DRIFT)
        return replace(found, shifts=sure, possible_shifts=tuple(change for change in changes if change not in sure))
    own = found.own_change.effect if found.own_change is not None and found.own_change_matters else None
    ours = found.traffic or (own is not None and scale.harm(own) > 0)
    if not (sure or ours or any(materiality.is_supported(fault, artefact=found.artefact) for fault in found.faults)):
        return replace(found, shifts=changes)
    return replace(found, shifts=sure, possible_shifts=tuple(change for change in changes if change not in sure))


def _leaves_no_row(fault: Fault, scale: Scale) -> bool:
    """Whether the split may have counted as the world's what the fault cost: nothing priced it, or it left no row that could be
    restored to judge the world by and cost a good part of what was lost."""
    if fault.points is None or scale.change is None:
        return fault.points is None
    lost = fault.exact and not fault.reversible and float(fault.rows.mean()) >= ALL_ROWS
    return lost and scale.harm(fault.points) >= materiality.GAIN_SHARE * scale.harm(scale.change)


def _with_suspects(found: Explanation, bench: PricingBench, tried: list[Fault], scale: Scale) -> Explanation:
    """The explanation with what is suspected beside what is named; of a stand-in that has to be fitted for it, a note."""
    if len(bench.rows(bench.case.reference)) >= LEAST_ROWS:
        bench, found = on_stand_in(bench, found)
    # A price within its noise that would count is no proof that it costs nothing.
    harmless = tuple(fault for fault in found.harmless if not is_doubtful(fault, scale))
    listed = {id(h) for fault in (*found.faults, *harmless) for h in fault.hypotheses}
    left = [fault for fault in tried if not any(id(h) in listed for h in fault.hypotheses)]
    suspects, notes = _attempt("suspects", lambda: find_suspects(bench, left, found.faults, scale))
    listed = {id(h) for suspicion in suspects for h in suspicion.fault.hypotheses}
    harmless = tuple(fault for fault in found.harmless if not any(id(h) in listed for h in fault.hypotheses))
    return replace(found, suspects=suspects, harmless=harmless, notes=(*found.notes, *notes))


def _with_traffic(found: Explanation, bench: PricingBench, known: list[Fault], scale: Scale) -> Explanation:
    """The explanation with rows that came several times or no longer, beside faults that are ``known``; a column that is one
    value on every row, or missing on more of them, because the rows with others are lost has no fault of its own."""
    features = {feature for fault in known for feature in fault.features}
    left = {f for fault in known if fault.kind in LEFT_BY_LOSS for f in fault.features}
    copies, notes = _attempt("copies of rows", lambda: find_duplicated_rows(bench, features))
    losses, more = _attempt("lost rows", lambda: find_lost_rows(bench, features - left, left))
    changes, notes = (*copies, *losses), [*notes, *more]
    harmful = [change for change in changes if materiality.matters(change, scale)]
    harmless = [change for change in changes if not materiality.matters(change, scale)]
    lost = {feature for loss in losses for feature in loss.features}
    own = [tuple(f for f in side if not _is_left_by(f, lost)) for side in (found.faults, found.harmless)]
    found = replace(found, faults=own[0], harmless=own[1])
    return replace(found, traffic=tuple(harmful), harmless_traffic=tuple(harmless), notes=(*found.notes, *notes))


def _is_left_by(fault: Fault, lost: set[str]) -> bool:
    return fault.kind in LEFT_BY_LOSS and bool(lost & set(fault.features))


def _unsettled(found: Explanation, scale: Scale) -> bool:
    """Whether something may be left to find: without labels always, as nothing says how much was lost."""
    return found.unexplained is None or materiality.asks_for_suspect(found.unexplained, scale)


def _with_other_rows(bench: PricingBench, found: Explanation, scale: Scale) -> tuple[PricingBench, Explanation]:
    """The explanation with columns, or labels, that are those of other rows."""
    if materiality.asks_for_lag(found.unexplained, scale):
        bench, found = _with_row_lag(bench, found, scale)
    bench, found = _with_late_columns(bench, found, scale)
    return bench, _with_unrelated(bench, found, scale)


def _with_row_lag(bench: PricingBench, found: Explanation, scale: Scale) -> tuple[PricingBench, Explanation]:
    """The explanation with a column, or labels, that stand some places away from their rows."""
    lag, notes = _attempt(
        "labels of other rows", lambda: [one for one in [find_label_lag(bench.case)] if one is not None]
    )
    found = replace(found, notes=(*found.notes, *notes))
    if not lag:
        return bench, found
    bench, found = on_stand_in(bench, found)
    if bench.model is None:
        return bench, found
    lags, notes = _attempt("labels of other rows", lambda: find_row_lag(bench, lag[0]))
    taken = {feature for fault in found.faults for feature in fault.features}
    return bench, _with_priced(bench, found, [lag for lag in lags if not taken & set(lag.features)], notes, scale)


def _with_unrelated(bench: PricingBench, found: Explanation, scale: Scale) -> Explanation:
    """The explanation with a column that tells nothing of the outcome any more, where nothing else is known to be wrong."""
    rest, labelled = found.unexplained, min(len(bench.rows(side)) for side in bench.case.sides)
    if found.own_change_matters or rest is None or not materiality.asks_for_shift(rest, scale, labelled):
        return found
    columns, notes = _attempt("columns of other rows", lambda: find_unrelated_columns(bench, found.faults))
    return _with_priced(bench, found, columns, notes, scale)


def _with_late_columns(bench: PricingBench, found: Explanation, scale: Scale) -> tuple[PricingBench, Explanation]:
    """The explanation with columns that the labels tell to be late, whatever the change; not beside a change of our own."""
    if found.own_change_matters or not bench.current_labels:
        return bench, found
    asked, standing = on_stand_in(bench, found)
    lost = _unsettled(found, scale)
    columns, notes = _attempt("columns that are late", lambda: find_late_columns(asked, found.faults, lost=lost))
    late = _with_priced(asked, standing, columns, notes, scale)
    return (
        (asked, late) if len(late.faults) > len(found.faults) else (bench, replace(found, notes=(*found.notes, *notes)))
    )


def _with_priced(
    bench: PricingBench, found: Explanation, faults: Sequence[Fault], notes: list[str], scale: Scale
) -> Explanation:
    """The explanation with those of the priced faults that stand and matter, and the points shared out anew."""
    named = [fault for fault in faults if materiality.stands(fault, scale) and materiality.matters(fault, scale)]
    shared = (
        share_out(bench, [*(replace(fault, share=None) for fault in found.faults), *named]) if named else found.faults
    )
    return replace(found, faults=tuple(shared), notes=(*found.notes, *notes))


def _with_off_grid(bench: PricingBench, found: Explanation, scale: Scale) -> tuple[PricingBench, Explanation]:
    """The explanation with columns whose values left the steps in which they came, whatever the change."""
    columns = columns_off_grid(bench.case, found.faults) if bench.current_labels else {}
    if not columns:
        return bench, found
    asked, standing = on_stand_in(bench, found)
    if asked.model is None:
        return bench, found
    faults, notes = _attempt("values off their steps", lambda: find_off_grid(asked, columns, found.faults, scale))
    taken = {feature for fault in faults for feature in fault.features}
    left = tuple(fault for fault in standing.faults if not taken & set(fault.features))
    harmless = tuple(fault for fault in standing.harmless if not taken & set(fault.features))
    return asked, _with_priced(asked, replace(standing, faults=left, harmless=harmless), faults, notes, scale)


def _with_row_faults(found: Explanation, bench: PricingBench, known: list[Fault], scale: Scale) -> Explanation:
    """The explanation with faults that single rows tell by themselves, beside those that are ``known``, harmless ones too."""
    read, notes = _attempt("rows that no longer fit", lambda: find_row_faults(bench, known, scale))
    if not read:
        return replace(found, notes=(*found.notes, *notes))
    faults = [replace(fault, share=None) for fault in found.faults]
    for fault in tuple(read):
        some = fault.rows.mean() < ALL_ROWS
        same = next((one for one in faults if some and broke_together(one, fault)), None)
        with noted("columns that broke together", notes):
            joined = None if same is None else _joined(bench, same, fault, faults)
            if joined is not None and materiality.matters(joined, scale):
                faults = [*(one for one in faults if one is not same), joined]
                read = tuple(one for one in read if one is not fault)
    harmful = [fault for fault in read if materiality.matters(fault, scale)]
    harmless = [fault for fault in read if not materiality.matters(fault, scale)]
    return replace(
        found,
        faults=tuple(share_out(bench, [*faults, *harmful])),
        harmless=(*found.harmless, *harmless),
        notes=(*found.notes, *notes),
    )


def _joined(bench: PricingBench, one: Fault, other: Fault, faults: list[Fault]) -> Fault:
    """Two faults of one mechanism as one, priced beside the others."""
    both = Fault((*one.hypotheses, *other.hypotheses), one.suspects | other.suspects)
    return price(bench, both, [fault for fault in faults if fault is not one])


def _with_unrecognised(found: Explanation, bench: PricingBench, scale: Scale, tried: list[Fault]) -> Explanation:
    """The explanation with columns that no longer fit the others: by the kind that one of the faults that were ``tried`` gives
    them, where undoing that brings back as much."""
    rest = found.unexplained
    if rest is None:
        return found
    suspects, notes = _attempt(
        "columns that no longer fit", lambda: find_unrecognised(bench, found.faults, rest, scale)
    )
    named, harmless = list[Fault](), found.harmless
    for suspect in suspects:
        # What was recognised and priced as a little of everything may be much on the rows that do not fit.
        known = next((fault for fault in harmless if fault.exact and fault.features == suspect.features), None)
        if known is None and (specific := materiality.as_specific(suspect, tried, scale)) is not None:
            named.append(as_certain(specific))
            harmless = tuple(fault for fault in harmless if fault is not specific)
            continue
        if known is None or not found.artefact:
            named.append(suspect)
            continue
        named.append(recognised_as(known, suspect))
        harmless = tuple(fault for fault in harmless if fault is not known)
    return replace(found, faults=(*found.faults, *named), harmless=harmless, notes=(*found.notes, *notes))


def _with_misleading(found: Explanation, bench: PricingBench, scale: Scale) -> Explanation:
    """The explanation with a column that misleads, where without it nothing was lost: beside what is certain, and in place of
    what is not."""
    certain = tuple(fault for fault in found.faults if fault.exact)
    case, rest = bench.case, replace(found, faults=certain).unexplained
    labelled = min(len(bench.rows(side)) for side in case.sides)
    if rest is None or found.own_change_matters or found.traffic:
        return found
    if not materiality.asks_for_shift(rest, scale, labelled):
        return found

    def look() -> list[Fault]:
        frame = undo_all(bench, list(certain)) if certain and bench.model is not None else case.current.sample
        p = populations(case, scale.target, frame, case.current.outcomes)
        one = find_misleading_column(bench, p)
        fault = None if one is None else as_fault(bench, one, rest, found.faults)
        return [] if fault is None else [fault]

    named, notes = _attempt("columns that mislead", look)
    named = tuple(fault for fault in named if materiality.matters(fault, scale))
    return replace(found, faults=(*certain, *named) if named else found.faults, notes=(*found.notes, *notes))


def _attempt(what: str, find: Callable[[], Sequence[T]]) -> tuple[tuple[T, ...], list[str]]:
    """What was found, or a note on why they could not be looked for: one odd column is never the end of the run."""
    found: tuple[T, ...] = ()
    notes: list[str] = []
    with noted(what, notes):
        found = tuple(find())
    return found, notes


def _shifts(found: Explanation, bench: PricingBench, scale: Scale, *, degraded: bool) -> tuple[WorldChange, ...]:
    """What the world did, as far as proven changes and faults leave something of the drop; where that is not clear, whether one
    segment got worse beside the others of its days."""
    case, rest = bench.case, found.unexplained
    assert rest is not None
    labelled = min(len(bench.rows(side)) for side in case.sides)
    whole = degraded and materiality.asks_for_shift(rest, scale, labelled)
    if not whole and not materiality.asks_for_segment(rest, scale, labelled):
        return ()
    outcomes, frame = case.current.outcomes, case.current.sample
    if found.own_change is not None and (found.own_change_matters or found.own_change.kind == CauseKind.OUTPUT_CHANGE):
        outcomes = found.own_change.undone  # altered scores would foretell other outcomes, whatever they cost
    if found.faults and bench.model is not None:
        frame = undo_all(bench, list(found.faults))
        outcomes = bench.answer(frame)
    # What could not be restored says nothing about the world; the points it cost are not counted again as drift.
    lost = tuple(feature for fault in found.faults if not fault.reversible for feature in fault.features)
    nothing_lost = np.zeros(case.current.sample.height, bool)
    rows_lost = np.logical_or.reduce([nothing_lost, *(f.rows for f in found.faults if not f.reversible)])
    if found.traffic:
        ref, cur = (np.logical_and.reduce([t.rest[i] for t in found.traffic]) for i in (0, 1))
        part = case.part(ref, cur)
        # What was not touched stays the very sample, of which more is known.
        frame = part.current.sample if frame is case.current.sample else frame.filter(pl.Series(cur))
        outcomes = part.current.outcomes if outcomes is case.current.outcomes else outcomes.take(cur)
        case, rows_lost = part, rows_lost[cur]
        bench = PricingBench(case, bench.target, bench.model, artefact=bench.artefact)
    p = populations(case, scale.target, frame, outcomes, leave_out=lost)
    if not whole:
        paired = shifts.find_segment_drift(bench, p, rest, rows_lost) or find_moved_inputs(bench, p, rest)
        return () if paired is None else (paired,)
    points = lost_points(found.faults, case.settings.engine.bootstrap)
    return tuple(shifts.find_shifts(bench, p, rest, points, rows_lost))


def lost_points(faults: tuple[Fault, ...], replicates: int) -> Effect:
    """Points of the faults that repair cannot restore: still in the repaired rows, so taken out of the relation's part."""
    total = nothing(replicates)
    for fault in faults:
        if not fault.reversible and fault.points is not None:
            total = total + fault.points
            total = total + fault.repair_effect if fault.repair_effect is not None else total
    return total
