"""An explanation as contract values: causes with ranks, points, proof and sentences."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from backslide.case import Case
from backslide.causes.explanation import Explanation
from backslide.causes.faults.base import Fault
from backslide.causes.faults.recognition import find_faults
from backslide.causes.pricing import materiality
from backslide.causes.replay.base import OwnChange
from backslide.causes.reporting import sentences
from backslide.causes.reporting.timing import fault_onset, shift_onset
from backslide.causes.shift.base import WorldChange
from backslide.causes.traffic.base import TrafficChange
from backslide.contracts import say
from backslide.contracts.cause import Cause, CauseKind, Confidence, Injection, Repair, Suspect
from backslide.contracts.finding import Estimate, Outcome
from backslide.engine.columns import names
from backslide.engine.columns.segments import holds
from backslide.stats.arrays import Mask
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import Metric


class Presenter:
    """Turns effects into causes; knows the target metric and what the estimates rest on."""

    def __init__(self, case: Case, target: Metric, found: Explanation, outcomes: tuple[Outcome, ...]) -> None:
        self.case = case
        self.target = target
        self.unit = "points" if target.share else ""
        self.found = found
        self.keys = {f.key for o in outcomes for f in o.findings}
        self.sampled = None if case.current.complete and case.reference.complete else case.current.sample.height

    def causes(self) -> tuple[Cause, ...]:
        """Causes ranked by harm."""
        made = [self._fault(fault) for fault in self.found.faults]
        made += [self._traffic(change) for change in self.found.traffic]
        if self.found.own_change is not None and self.found.own_change_matters:
            made.append(self._own_change(self.found.own_change))
        made += [self._shift(shift) for shift in self.found.shifts]
        return _rank(made, self.target)

    def harmless(self) -> tuple[Cause, ...]:
        """Faults that are there and cost nothing that shows."""
        made = [self._fault(fault) for fault in self.found.harmless]
        made += [self._traffic(change) for change in self.found.harmless_traffic]
        if self.found.own_change is not None and not self.found.own_change_matters:
            made.append(self._own_change(self.found.own_change))
        return _rank(made, self.target)

    def suspects(self, doubted: tuple[Cause, ...]) -> tuple[Suspect, ...]:
        """What is not proven enough: causes ``doubted`` under an inconclusive verdict, what the world may have done beside a
        surer cause, then what the search suspects."""
        world = [(self._shift(one), sentences.UNDO_FIRST, None) for one in self.found.possible_shifts]
        beside = [
            (self._fault(one.fault), one.settle, one.label_request)
            for one in self.found.suspects[: max(0, MOST_SUSPECTS - len(doubted) - len(world))]
        ]
        known = [(cause, sentences.DOUBTED, None) for cause in doubted]
        suspected = [
            (cause.model_copy(update={"confidence": Confidence.SUSPECTED}), settle, request)
            for cause, settle, request in (*world, *beside)
        ]
        return tuple(
            Suspect(**{**dict(cause), "rank": rank, "settle": settle, "label_request": request})
            for rank, (cause, settle, request) in enumerate((*known, *suspected), 1)
        )

    def _estimate(self, effect: Effect | None) -> Estimate | None:
        if effect is None or not np.isfinite(effect.value):
            return None
        found, span = effect.estimate(self.sampled), self.target.span
        low, high = (None if end is None else float(np.clip(end, -span, span)) for end in (found.low, found.high))
        return found.model_copy(update={"low": low, "high": high})

    def _back(self, gain: Effect | None) -> Estimate | None:
        """What a repair brings, positive when it helps."""
        if gain is None:
            return None
        return self._estimate(gain if self.target.higher_is_better else -gain)

    def _fault(self, fault: Fault) -> Cause:
        seen, undo = ("; ".join(texts) for texts in zip(*((h.seen, h.undo) for h in fault.hypotheses), strict=True))
        price, back, injection = (
            self._estimate(fault.points),
            self._back(fault.repair_effect),
            self._estimate(fault.injection_effect),
        )
        if back is not None and back.estimate < 0 and not fault.reversible:
            back = None  # values put in place of lost ones did worse still: that says nothing about the fault
        if fault.log_only:
            seen += "; only in the log: what was served follows the values as they were before"
            back = injection = None
        return Cause(
            rank=1,
            kind=fault.kind,
            features=fault.features,
            segment=fault.segment,
            points=price,
            unit=self.unit,
            confidence=materiality.confidence(fault, artefact=self.found.artefact),
            repair=Repair(description=undo, points_back=back) if undo else None,
            injection=None if injection is None else Injection(points=injection),
            share_of_rows=float(fault.rows.mean()),
            **self._when(fault.rows),
            summary=sentences.cause_summary(seen, price, self.target, back),
            evidence=tuple(k for h in fault.hypotheses for k in h.evidence if k in self.keys),
            next_step=sentences.next_step(fault.kind, fault.features),
        )

    def _traffic(self, change: TrafficChange) -> Cause:
        price, back = self._estimate(change.points), self._back(change.repair_effect)
        injection = self._estimate(change.injection_effect)
        return Cause(
            rank=1,
            kind=change.kind,
            features=change.features,
            segment=change.segment,
            points=price,
            unit=self.unit,
            confidence=change.confidence,
            repair=Repair(description=change.undo, points_back=back),
            injection=None if injection is None else Injection(points=injection),
            share_of_rows=change.share_of_rows,
            **self._when(change.rows),
            summary=sentences.cause_summary(change.seen, price, self.target, back),
            next_step=sentences.next_step(change.kind, change.features),
        )

    def _own_change(self, found: OwnChange) -> Cause:
        price = self._estimate(found.effect)
        back = self._back(-found.effect) if found.effect is not None else None
        return Cause(
            rank=1,
            kind=found.kind,
            features=found.features,
            classes=found.classes,
            segment=found.segment,
            points=price,
            unit=self.unit,
            confidence=found.confidence,
            **({} if found.rows is None else self._when(found.rows)),
            repair=Repair(description=found.undo, points_back=back),
            share_of_rows=min(max(found.share_of_rows, 0.0), 1.0),
            summary=sentences.cause_summary(found.seen, price, self.target, back),
            evidence=tuple(k for k in found.evidence if k in self.keys),
            next_step=sentences.own_step(found, gains=price is not None and self.target.harm(price.estimate) < 0),
        )

    def _shift(self, cause: WorldChange) -> Cause:
        price = self._estimate(cause.effect)
        assert price is not None
        evidence = {
            CauseKind.LABEL_SHIFT: [f"VER003:{c}" for c in cause.classes],
            CauseKind.COVARIATE_SHIFT: [
                "CON001:inputs",
                *(f"{d}:{f}" for f in cause.features for d in ("DRF001", "DRF002")),
            ],
            CauseKind.CONCEPT_DRIFT: ["CON001:relation"],
        }[cause.kind]
        back, began = self._back(cause.gain), shift_onset(self.case, cause)
        if back is not None and back.high is not None and back.high <= 0:
            back = None  # what was tried brings nothing back, which the caveat says; it is no proof of the cause
        share = 1.0
        if cause.segment is not None:
            inside = holds(self.case.current.sample, cause.segment).fill_null(False)
            share = int(inside.sum()) / max(len(inside), 1)
        anew = "the answers" if cause.policy or cause.by_answers else f"the relation along {say.listed(cause.features)}"
        fix = f"learn {anew} anew (recalibrated on the current labels, held out)"
        return Cause(
            rank=1,
            kind=cause.kind,
            features=cause.features,
            classes=() if cause.every_class else cause.classes,
            segment=cause.segment,
            points=price,
            unit=self.unit,
            share_of_rows=share,
            since=None if began is None else max(began.at, self._first_day()),
            began=began,
            repair=None if back is None else Repair(description=fix, points_back=back),
            confidence=cause.confidence,
            summary=sentences.shift_summary(cause, price, self.target),
            evidence=tuple(k for k in evidence if k in self.keys),
            next_step=sentences.shift_step(cause),
        )

    def _first_day(self) -> str:
        """Of the current window, empty without days."""
        sample = self.case.current.sample
        return str(sample[names.DAY].min()) if names.DAY in sample.columns else ""

    def _when(self, rows: Mask) -> dict[str, Any]:
        """First and, where it ended, last day of the affected current rows."""
        found = fault_onset(self.case, rows)
        return {} if found is None else {"since": found[0].at, "until": found[1], "began": found[0]}


MOST_SUSPECTS = 3
Named = TypeVar("Named", bound=Cause)
ALL_ROWS = 0.95
"""Share of rows from which a fault is one of the whole window."""


def restrict_to_segment(causes: tuple[Named, ...], segment: str, case: Case, part: Case) -> tuple[Named, ...]:
    """Causes found among the rows of one segment, told about the whole window.

    A data fault that the whole window shows keeps the rows that it has there: it may only hurt in the segment.
    """
    share = part.current.window.rows / max(case.current.window.rows, 1)
    faulty = any(cause.kind.family == "data fault" for cause in causes)
    whole = {(f.kind, frozenset(f.features)): f for f in find_faults(case)} if faulty else {}
    told = []
    for cause in causes:
        fault = whole.get((cause.kind, frozenset(cause.features)))
        where = segment if cause.segment is None else f"({segment}) and ({cause.segment})"
        changed: dict[str, object] = {"segment": where, "share_of_rows": cause.share_of_rows * share}
        if fault is not None and (fault.segment is not None or fault.rows.mean() >= ALL_ROWS):
            changed = {"segment": fault.segment, "share_of_rows": float(fault.rows.mean())}
        told.append(cause.model_copy(update=changed))
    return tuple(told)


def _rank(causes: list[Cause], target: Metric) -> tuple[Cause, ...]:
    def harm(cause: Cause) -> float:
        return target.harm(cause.points.estimate) if cause.points is not None else 0.0

    ordered = sorted(causes, key=lambda c: (-harm(c), c.kind.precedence))
    return tuple(cause.model_copy(update={"rank": rank}) for rank, cause in enumerate(ordered, 1))
