"""The few fixed words of the report: verdicts, actions, confidence, severities."""

from __future__ import annotations

from backslide.contracts.cause import Cause, CauseKind, Confidence
from backslide.contracts.diagnosis import Action, Verdict
from backslide.contracts.finding import Severity, Status

VERDICT = {
    Verdict.DEGRADED: ("Degraded", "▼"),
    Verdict.DEGRADED_IN_PART: ("Degraded in part", "◣"),
    Verdict.NO_MATERIAL_CHANGE: ("No material change", "●"),
    Verdict.IMPROVED: ("Improved", "▲"),
    Verdict.INCONCLUSIVE: ("Inconclusive", "?"),
}
"""Word and sign: the sign differs in shape, so that colour is never the only difference."""

ACTION = {
    Action.ROLL_BACK: "Roll back the model",
    Action.FIX_PIPELINE: "Fix the pipeline",
    Action.FIX_UPSTREAM_DATA: "Fix the data upstream",
    Action.RETRAIN: "Retrain the model",
    Action.RELABEL: "Label again",
    Action.RECALIBRATE: "Recalibrate",
    Action.INVESTIGATE: "Investigate",
    Action.NONE: "Nothing to do",
}

SEVERITY = {Severity.FAIL: "fail", Severity.WARN: "warn", Severity.NOTE: "note", Severity.OK: "ok"}

STATUS = {
    Status.NOT_APPLICABLE: "not applicable",
    Status.SKIPPED: "skipped",
    Status.MUTED: "muted",
    Status.FAILED: "failed",
    Status.RAN: "ran",
}


def kind_title(kind: CauseKind) -> str:
    """``Unit change``."""
    return kind.words.capitalize()


def cause_title(cause: Cause) -> str:
    """``Unit change: income``."""
    classes = f"class{'es' if len(cause.classes) > 1 else ''} {shortened(cause.classes)}" if cause.classes else ""
    subject = shortened(cause.features) or classes
    return kind_title(cause.kind) + (f": {subject}" if subject else "")


def shortened(names: tuple[str, ...], most: int = 4) -> str:
    """``a, b, c, d and 12 more``."""
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def no_cause(verdict: Verdict, too_few: str, *, suspects: bool) -> str:
    """What stands in the place of the causes when there are none; ``too_few`` says why none was looked for."""
    if too_few:
        return too_few
    if not (verdict.bad or verdict is Verdict.INCONCLUSIVE):
        return "Nothing material got worse, so no cause is named."
    rest = "What is most suspect stands below, not proven, with what would settle it."
    if not suspects:
        rest = "Nothing is suspected either: nothing was found whose price tells of harm."
    if verdict.bad:
        return f"No cause was confirmed, and the whole change remains unexplained. {rest}"
    return f"No cause is named: whether the model got worse could not be decided. {rest}"


def confidence_means(cause: Cause) -> str:
    """Why the confidence word is deserved, in a few words."""
    if cause.confidence is Confidence.PROVEN:
        return "an exact replay shows it"
    if cause.confidence is Confidence.VERIFIED:
        return "repair and injection agree"
    if cause.confidence is Confidence.SUSPECTED:
        return "an association; nothing could test it"
    back = None if cause.repair is None else cause.repair.points_back
    if back is not None and (back.low is None or back.low > 0):
        return "by the repair"
    return "by the injection" if cause.injection is not None else "by the decomposition"
