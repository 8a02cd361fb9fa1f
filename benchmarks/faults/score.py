"""A diagnosis held against the truth."""

from __future__ import annotations

from typing import Any

from backslide.contracts.cause import Cause
from backslide.contracts.diagnosis import Diagnosis, Verdict
from faults.catalogue import DATA_FAULTS, THE_WORLD
from faults.fault import Fault
from faults.stage import Staged


def is_it(cause: Cause, fault: Fault) -> bool:
    """Whether the cause names the fault: kind and subject."""
    return cause.kind.value == fault.kind and subject_is_right(cause, fault)


def subject_is_right(cause: Cause, fault: Fault) -> bool:
    """Data faults and preprocessing: exactly its columns. A joined table: some of them and no other. The world and a refitted
    scaler: its column among those named, in the segment, or its class among the classes."""
    named = set(cause.features)
    if not fault.columns:
        return not fault.classes or bool(set(cause.classes) & set(fault.classes))
    if fault.kind in THE_WORLD or fault.kind == "scaler_refit":
        return bool(named & set(fault.columns)) or any(c in (cause.segment or "") for c in fault.columns)
    if fault.some_suffice:
        return bool(named) and named <= set(fault.columns)
    return named == set(fault.columns)


def is_false(cause: Cause, faults: tuple[Fault, ...]) -> bool:
    """Whether a data fault is named that was not done: another kind or another column."""
    return cause.kind.value in DATA_FAULTS and not any(is_it(cause, fault) for fault in faults)


def judged(staged: Staged, diagnosis: Diagnosis) -> dict[str, Any]:
    """What the tables are made of; JSON-safe."""
    causes, harmless = diagnosis.causes, diagnosis.harmless
    return {
        "verdict": diagnosis.verdict.value,
        "metric": diagnosis.metric.name,
        "change": diagnosis.metric.change.estimate if diagnosis.metric.change else None,
        "detectable": diagnosis.detectable.estimate,
        "causes": [_told(cause) for cause in causes],
        "harmless": [_told(cause) for cause in harmless],
        "faults": [
            _held(staged, fault, effect, diagnosis) for fault, effect in zip(staged.faults, staged.effects, strict=True)
        ],
        "false_causes": [_name(c) for c in causes if is_false(c, staged.faults)],
        "false_harmless": [_name(c) for c in harmless if is_false(c, staged.faults)],
        "first_is_wrong": bool(causes) and not any(is_it(causes[0], f) for f in staged.faults),
        "failed_checks": [f"{o.code}: {o.reason}" for o in diagnosis.checks if o.status == "failed"],
        "could_not": [n for n in diagnosis.inputs.notes if "could not be" in n],
    }


def _held(staged: Staged, fault: Fault, effect: float, diagnosis: Diagnosis) -> dict[str, Any]:
    """One fault: how large it truly was, at which rank it is named, and how far off its price is."""
    ranks = [rank for rank, cause in enumerate(diagnosis.causes, 1) if is_it(cause, fault)]
    cause = diagnosis.causes[ranks[0] - 1] if ranks else None
    about = [c for c in (*diagnosis.causes, *diagnosis.harmless) if set(c.features) & set(fault.columns)]
    held: dict[str, Any] = {
        "kind": fault.kind,
        "columns": list(fault.columns),
        "classes": list(fault.classes),
        "variant": fault.variant,
        "effect": effect,
        "harm": staged.harm(effect),
        "large": staged.harm(effect) >= staged.bar,
        "rank": ranks[0] if ranks else None,
        "under_harmless": any(is_it(c, fault) for c in diagnosis.harmless),
        "kind_named": any(c.kind.value == fault.kind for c in diagnosis.causes),
        "columns_named": [c.kind.value for c in about],
    }
    # Points of a part are in the metric of that part, which is not the one of the truth.
    comparable = diagnosis.verdict != Verdict.DEGRADED_IN_PART and diagnosis.metric.name == staged.metric
    if cause is not None:
        held |= {
            "confidence": cause.confidence.value,
            "share": cause.share_of_rows,
            "marker_named": _marker(cause, staged),
        }
    if cause is None or cause.points is None or not comparable:
        return held
    points = cause.points
    held["points"] = points.estimate
    held["error"] = abs(points.estimate - effect) / abs(effect) if effect else None
    if points.low is not None and points.high is not None:
        held["covered"] = points.low <= effect <= points.high
    return held


def _marker(cause: Cause, staged: Staged) -> bool | None:
    """Whether what tells the rows hit is named; None where nothing does."""
    if staged.marked_by is None:
        return None
    return bool(cause.since) if staged.marked_by == "time" else staged.marked_by in (cause.segment or "")


def _told(cause: Cause) -> dict[str, Any]:
    points = cause.points
    return {
        "kind": cause.kind.value,
        "features": list(cause.features),
        "classes": list(cause.classes),
        "segment": cause.segment,
        "points": None if points is None else [points.estimate, points.low, points.high],
        "confidence": cause.confidence.value,
        "share": cause.share_of_rows,
        "since": cause.since,
    }


def _name(cause: Cause) -> str:
    return f"{cause.kind.value}({', '.join(cause.features)})"
