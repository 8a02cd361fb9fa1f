"""A diagnosis held against what happened: named, column right, wrongly accused, the world blamed, or silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backslide.contracts.cause import Cause
from backslide.contracts.diagnosis import Diagnosis, Verdict
from wild.catalogue import of
from wild.incident import Incident
from wild.rules import chance
from wild.sets import WildSet
from wild.stage import Staged
from wild.truth import Effect

THE_WORLD = ("covariate_shift", "label_shift", "concept_drift")
OUR_OWN = (
    "scaler_refit",
    "preprocessing_change",
    "library_change",
    "config_change",
    "code_change",
    "threshold_change",
    "output_change",
    "model_change",
)
OUTCOMES = ("named", "column", "accused", "world", "silent")
"""Of the first cause: right kind and column; right column or family alone; something that was not done; the world, where it
was not the world (or another part of it); no cause at all."""

Named = dict[str, Any]
"""A cause as recorded: kind, features, classes, segment, points, confidence."""


def is_named(cause: Named, kinds: Sequence[str], incident: Named) -> bool:
    """Whether the cause gives an accepted kind and the subject."""
    return cause["kind"] in kinds and subject_is_right(cause, incident)


def subject_is_right(cause: Named, incident: Named) -> bool:
    """As the incident asks: exactly its columns, none but them, one of them named anywhere, or nothing."""
    columns, named = set(incident["columns"]), set(cause["features"])
    match incident["subject"]:
        case "columns":
            return named == columns
        case "some":
            return bool(named) and named <= columns
        case "segment":
            return bool(named & columns) or any(c in (cause["segment"] or "") for c in columns)
    return not incident["classes"] or not cause["classes"] or bool(set(cause["classes"]) & set(incident["classes"]))


def column_is_right(cause: Named, incident: Named) -> bool:
    """Whether the first column named is one of the incident's, whatever the kind."""
    columns = incident["columns"]
    if incident["subject"] == "segment" and any(c in (cause["segment"] or "") for c in columns):
        return True
    return bool(cause["features"]) and cause["features"][0] in columns


def outcome(causes: Sequence[Named], kinds: Sequence[str], incident: Named) -> str:
    """One of :data:`OUTCOMES`."""
    if not causes:
        return "silent"
    first = causes[0]
    if is_named(first, kinds, incident):
        return "named"
    if column_is_right(first, incident) or (
        not incident["columns"] and family_of(first["kind"]) == family_of(kinds[0])
    ):
        return "column"
    return "world" if first["kind"] in THE_WORLD else "accused"


def family_of(kind: str) -> str:
    """``world``, ``own`` or ``data``."""
    return "world" if kind in THE_WORLD else "own" if kind in OUR_OWN else "data"


def judged(staged: Staged, diagnosis: Diagnosis) -> dict[str, Any]:
    """What the tables are made of; JSON-safe."""
    causes, harmless = ([recorded(c) for c in cs] for cs in (diagnosis.causes, diagnosis.harmless))
    suspects = [recorded(c) for c in getattr(diagnosis, "suspects", ())]
    comparable = diagnosis.verdict != Verdict.DEGRADED_IN_PART and diagnosis.metric.name == staged.metric
    accused = [c for c in causes if family_of(c["kind"]) == "data"]
    data = staged.world.data
    assert isinstance(data, WildSet)
    return {
        "verdict": diagnosis.verdict.value,
        "causes": causes,
        "harmless": harmless,
        "suspects": suspects,
        "accused": [f"{c['kind']}({', '.join(c['features'])})" for c in accused],
        "calendar_accused": any(set(c["features"]) & set(data.calendar) for c in accused),
        "incidents": [
            _against(staged, story, incident, effect, (causes, harmless, suspects), comparable=comparable)
            for story, incident, effect in zip(staged.cell.stories, staged.incidents, staged.effects, strict=True)
        ],
        "failed_checks": [f"{o.code}: {o.reason}"[:200] for o in diagnosis.checks if o.status == "failed"],
    }


def _against(
    staged: Staged, name: str, incident: Incident, effect: Effect, told: Sequence[list[Named]], *, comparable: bool
) -> dict[str, Any]:
    causes, harmless, suspects = told
    kinds, data = of(name).kinds, staged.world.data
    what: dict[str, Any] = {
        "story": name,
        "family": of(name).family,
        "kinds": list(kinds),
        "columns": list(incident.columns),
        "words": incident.words,
        "subject": incident.subject,
        "classes": list(incident.classes),
        "in_rows": incident.inputs is not None,
        "change": effect.change,
        "error": effect.error,
        "least": effect.least,
        "harm": effect.harm,
        "material": effect.material,
    }
    if not kinds:
        return what
    ranks = [rank for rank, c in enumerate(causes, 1) if is_named(c, kinds, what)]
    right = [rank for rank, c in enumerate(causes, 1) if column_is_right(c, what)]
    best = causes[ranks[0] - 1] if ranks else None
    return what | {
        "outcome": outcome(causes, kinds, what),
        "rank": ranks[0] if ranks else None,
        "column_rank": right[0] if right else None,
        "verified": bool(best and best["confidence"] == "verified"),
        "proposed": any(is_named(c, kinds, what) for c in (*causes, *suspects, *harmless)),
        "column_proposed": any(column_is_right(c, what) for c in (*causes, *suspects, *harmless)),
        "error_of_points": _error(best, effect) if comparable else None,
        "chance": chance(len(data.features()), len(incident.columns), len(kinds)),
    }


def _error(cause: Named | None, effect: Effect) -> float | None:
    if cause is None or cause["points"] is None or not effect.change:
        return None
    return abs(cause["points"] - effect.change) / abs(effect.change)


def recorded(cause: Cause) -> Named:
    """A cause as the results file holds it."""
    return {
        "kind": cause.kind.value,
        "features": list(cause.features),
        "classes": list(cause.classes),
        "segment": cause.segment,
        "points": None if cause.points is None else cause.points.estimate,
        "confidence": cause.confidence.value,
        "share": cause.share_of_rows,
        "since": cause.since,
    }
