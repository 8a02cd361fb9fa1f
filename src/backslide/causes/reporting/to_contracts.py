"""An explanation as contract values: causes with ranks, points, proof and sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.faults.collect import collect
from backslide.causes.pricing import materiality
from backslide.causes.pricing.counterfactual import Trial
from backslide.causes.replay.model_or_threshold import Replaced
from backslide.causes.reporting import sentences
from backslide.causes.reporting.timing import fault_period, world_began
from backslide.causes.search import Explanation
from backslide.causes.shift.shifts import Worldly
from backslide.contracts import say
from backslide.contracts.cause import Cause, CauseKind, Injection, Repair
from backslide.contracts.finding import Estimate, Outcome
from backslide.engine.columns import names
from backslide.engine.columns.segments import holds
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import Metric


class Presenter:
    """Turns effects into causes; knows the target metric and what the estimates rest on."""

    def __init__(self, case: Case, target: Metric, found: Explanation, outcomes: tuple[Outcome, ...]) -> None:
        self.case = case
        self.target = target
        self.found = found
        self.keys = {f.key for o in outcomes for f in o.findings}
        self.sampled = None if case.current.complete and case.reference.complete else case.current.sample.height

    def causes(self) -> tuple[Cause, ...]:
        """Causes ranked by harm."""
        made = [self._fault(trial, points) for trial, points in self.found.faults]
        if self.found.ours is not None and self.found.ours_material:
            made.append(self._ours(self.found.ours))
        made += [self._worldly(cause) for cause in self.found.worldly]
        return _ranked(made, self.target)

    def harmless(self) -> tuple[Cause, ...]:
        """Faults that are there and cost nothing that shows."""
        made = [self._fault(trial, trial.points) for trial in self.found.harmless]
        if self.found.ours is not None and not self.found.ours_material:
            made.append(self._ours(self.found.ours))
        return _ranked(made, self.target)

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

    def _fault(self, trial: Trial, points: Effect | None) -> Cause:
        fault = trial.fault
        seen = "; ".join(h.seen for h in fault.hypotheses)
        price, back, injection = self._estimate(points), self._back(trial.repair), self._estimate(trial.injection)
        if back is not None and back.estimate < 0 and not fault.reversible:
            back = None  # values put in place of lost ones did worse still: that says nothing about the fault
        if trial.log_only:
            seen += "; only in the log: what was served follows the values as they were before"
            back = injection = None
        return Cause(
            rank=1,
            kind=fault.kind,
            features=trial.features,
            segment=fault.segment,
            points=price,
            confidence=materiality.confidence(trial, artefact=self.found.artefact),
            repair=Repair(description="; ".join(h.undo for h in fault.hypotheses), points_back=back),
            injection=None if injection is None else Injection(points=injection),
            share_of_rows=float(fault.rows.mean()),
            **self._when(fault.rows),
            summary=sentences.cause_summary(seen, price, self.target, back),
            evidence=tuple(k for h in fault.hypotheses for k in h.evidence if k in self.keys),
            next_step=sentences.next_step(fault.kind, trial.features),
        )

    def _ours(self, ours: Replaced) -> Cause:
        price = self._estimate(ours.effect)
        back = self._back(-ours.effect) if ours.effect is not None else None
        return Cause(
            rank=1,
            kind=ours.kind,
            features=ours.features,
            classes=ours.classes,
            segment=ours.segment,
            points=price,
            confidence=ours.confidence,
            **({} if ours.rows is None else self._when(ours.rows)),
            repair=Repair(description=ours.undo, points_back=back),
            share_of_rows=min(max(ours.share_of_rows, 0.0), 1.0),
            summary=sentences.cause_summary(ours.seen, price, self.target, back),
            evidence=tuple(k for k in ours.evidence if k in self.keys),
            next_step=sentences.next_step(
                ours.kind, ours.features, gains=price is not None and self.target.harm(price.estimate) < 0
            ),
        )

    def _worldly(self, cause: Worldly) -> Cause:
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
        back, began = self._back(cause.gain), world_began(self.case, cause)
        if back is not None and back.high is not None and back.high <= 0:
            back = None  # what was tried brings nothing back, which the caveat says; it is no proof of the cause
        anew = "the answers" if cause.policy else f"the relation along {say.listed(cause.features)}"
        fix = f"learn {anew} anew (recalibrated on the current labels, held out)"
        return Cause(
            rank=1,
            kind=cause.kind,
            features=cause.features,
            classes=cause.classes,
            segment=cause.segment,
            points=price,
            share_of_rows=1.0 if cause.segment is None else _share(self.case, cause.segment),
            since=None if began is None else max(began.at, self._first_day()),
            began=began,
            repair=None if back is None else Repair(description=fix, points_back=back),
            confidence=cause.confidence,
            summary=sentences.worldly_summary(cause, price, self.target),
            evidence=tuple(k for k in evidence if k in self.keys),
            next_step=sentences.worldly_step(cause),
        )

    def _first_day(self) -> str:
        """Of the current window, empty without days."""
        sample = self.case.current.sample
        return str(sample[names.DAY].min()) if names.DAY in sample.columns else ""

    def _when(self, rows: NDArray[np.bool_]) -> dict[str, Any]:
        """First and, where it ended, last day of the affected current rows."""
        found = fault_period(self.case, rows)
        return {} if found is None else {"since": found[0].at, "until": found[1], "began": found[0]}


def _share(case: Case, segment: str) -> float:
    """Share of the current rows in a segment."""
    return float(holds(case.current.sample, segment).fill_null(False).mean() or 0.0)  # type: ignore[arg-type]


ALL_ROWS = 0.95
"""Share of rows from which a fault is one of the whole window."""


def within_segment(causes: tuple[Cause, ...], segment: str, case: Case, part: Case) -> tuple[Cause, ...]:
    """Causes found among the rows of one segment, told about the whole window.

    A data fault that the whole window shows keeps the rows that it has there: it may only hurt in the segment.
    """
    share = part.current.window.rows / max(case.current.window.rows, 1)
    faulty = any(cause.kind.family == "data fault" for cause in causes)
    whole = {(f.kind, frozenset(f.features)): f for f in collect(case)} if faulty else {}
    told = []
    for cause in causes:
        fault = whole.get((cause.kind, frozenset(cause.features)))
        where = segment if cause.segment is None else f"({segment}) and ({cause.segment})"
        changed: dict[str, object] = {"segment": where, "share_of_rows": cause.share_of_rows * share}
        if fault is not None and (fault.segment is not None or fault.rows.mean() >= ALL_ROWS):
            changed = {"segment": fault.segment, "share_of_rows": float(fault.rows.mean())}
        told.append(cause.model_copy(update=changed))
    return tuple(told)


def _ranked(causes: list[Cause], target: Metric) -> tuple[Cause, ...]:
    def harm(cause: Cause) -> float:
        return target.harm(cause.points.estimate) if cause.points is not None else 0.0

    ordered = sorted(causes, key=lambda c: (-harm(c), c.kind.precedence))
    return tuple(cause.model_copy(update={"rank": rank}) for rank, cause in enumerate(ordered, 1))
