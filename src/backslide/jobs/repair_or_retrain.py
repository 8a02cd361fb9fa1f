"""Is retraining the answer at all? Where a repair fixes the first cause, a model trained on faulty rows would only hide it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from backslide.case import Case
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.pricing.shapley import undo_all
from backslide.causes.search import find_causes
from backslide.contracts.cause import Cause, CauseKind
from backslide.contracts.diagnosis import Diagnosis
from backslide.jobs.verdict import judge

WORTH = 0.5
"""Share of a cause's points that its repair must bring back to be what fixes it."""


def fixable(diagnosis: Diagnosis | None) -> Cause | None:
    """The first cause, where it is a fault of the data or of our own and undoing it brings the points back."""
    if diagnosis is None or not diagnosis.causes:
        return None
    cause = diagnosis.causes[0]
    if cause.kind.family == "the world" or cause.repair is None:
        return None
    back = cause.repair.points_back
    if back is None:
        return cause if cause.kind is not CauseKind.UNSEEN_CATEGORY else None
    if back.low is None or back.low <= 0:
        return None
    lost = None if cause.points is None else abs(cause.points.estimate)
    return cause if lost is None or back.estimate >= WORTH * lost else None


@dataclass(frozen=True)
class RepairedSample:
    """The current sample with every fault undone, and what was undone."""

    frame: pl.DataFrame
    features: tuple[str, ...]


def repair_rows(case: Case, progress: Callable[[str], None] | None = None) -> RepairedSample:
    """Undo the faults that explain the drop; the rows as they are where the fault is in the serving stack alone."""
    judgement = judge(case)
    explanation = find_causes(case, judgement.target, degraded=judgement.verdict.bad, progress=progress)
    faults = [fault for fault in explanation.faults if fault.reversible]
    if not faults:
        return RepairedSample(case.current.sample, ())
    bench = PricingBench(case, judgement.target, case.reference_model, artefact=case.reference_model is not None)
    features = dict.fromkeys(f for fault in faults for f in fault.features)
    return RepairedSample(undo_all(bench, faults), tuple(features))
