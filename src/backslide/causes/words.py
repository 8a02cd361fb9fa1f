"""The sentences: of causes, of the verdict, and of what to do now."""

from __future__ import annotations

from backslide.causes.world import Worldly
from backslide.contracts import say
from backslide.contracts.cause import Cause, CauseKind, Confidence
from backslide.contracts.diagnosis import Action, Decision, MetricChange, Part, Verdict
from backslide.contracts.finding import Estimate
from backslide.stats.metrics import METRICS, Metric

_ACTIONS = {
    CauseKind.MODEL_CHANGE: Action.ROLL_BACK,
    CauseKind.THRESHOLD_CHANGE: Action.FIX_PIPELINE,
    CauseKind.SCALER_REFIT: Action.FIX_PIPELINE,
    CauseKind.PREPROCESSING_CHANGE: Action.FIX_PIPELINE,
    CauseKind.LIBRARY_CHANGE: Action.FIX_PIPELINE,
    CauseKind.CONFIG_CHANGE: Action.FIX_PIPELINE,
    CauseKind.CODE_CHANGE: Action.FIX_PIPELINE,
    CauseKind.LABEL_SHIFT: Action.RETRAIN,
    CauseKind.COVARIATE_SHIFT: Action.RETRAIN,
    CauseKind.CONCEPT_DRIFT: Action.RETRAIN,
}


_SPELLED = {
    "mae": "mean absolute error", "rmse": "RMSE", "r2": "R²", "macro_f1": "macro F1", "micro_f1": "micro F1", "f1": "F1",
    "weighted_f1": "weighted F1", "matthews": "Matthews correlation", "brier": "Brier score", "bias": "bias",
}  # fmt: skip


def _named(metric: str) -> str:
    """A metric as sentences write it: ``f1[paid]`` is "F1 of 'paid'"."""
    name, _, label = metric.partition("[")
    spelled = _SPELLED.get(name, name.replace("_", " "))
    return f"{spelled} of {label[:-1]!r}" if label else spelled


def cost(points: Estimate | None, metric: Metric) -> str:
    """``costs 3.3 points of accuracy (2.5 to 4.1)``."""
    if points is None:
        return "cannot be priced without labels or a model"
    size = say.change(points.estimate, share=metric.share)
    verb = "costs" if metric.harm(points.estimate) >= 0 else "gains"
    text = f"{verb} {size} of {_named(metric.name)}"
    if points.low is None or points.high is None:
        return text
    ends = sorted(
        metric.harm(v) * (1 if verb == "costs" else -1) * (100 if metric.share else 1)
        for v in (points.low, points.high)
    )
    low, high = (say.number(round(e, 1) if metric.share else e, 3) for e in ends)
    return f"{text} ({low} to {high})"


def cause_summary(seen: str, points: Estimate | None, metric: Metric, back: Estimate | None) -> str:
    """What happened, what it costs, and what undoing it brings back."""
    text = f"{seen}; it {cost(points, metric)}"
    if back is not None and back.estimate > 0 and back.low is not None and back.low > 0:
        text += f", undoing it brings {say.change(back.estimate, share=metric.share)} back"
    return text + "."


def worldly_summary(cause: Worldly, points: Estimate, metric: Metric) -> str:
    """The sentence of a cause that is nobody's fault."""
    along = f" along {say.listed(cause.features)}" if cause.features else ""
    if cause.kind == CauseKind.LABEL_SHIFT:
        seen = "The classes come in other proportions" + (f" ({'; '.join(cause.facts)})" if cause.facts else "")
    elif cause.kind == CauseKind.COVARIATE_SHIFT:
        seen = f"More rows come from where the model was always weak{along}"
    else:
        classes = f", most for {say.listed(cause.classes)}" if cause.classes else ""
        seen = f"The same inputs now mean another outcome{along}{classes}"
    caveat = f"; {cause.caveat}" if cause.caveat else ""
    return f"{seen}; it {cost(points, metric)}{caveat}."


def next_step(kind: CauseKind, features: tuple[str, ...]) -> str:
    """The remedy, with the columns it is about."""
    return f"{kind.remedy[:-1]} ({say.listed(features)})." if features else kind.remedy


def verdict_sentence(
    verdict: Verdict, metric: MetricChange, target: Metric, parts: tuple[Part, ...], causes: tuple[Cause, ...],
    reason: str, *, paired_only: bool = False,
) -> str:  # fmt: skip
    """The one sentence that is read first."""
    share = target.share
    moved = ""
    if metric.change is not None and metric.reference is not None and metric.current is not None:
        direction = "fell" if metric.change.estimate < 0 else "rose"
        own = METRICS[metric.name].share if metric.name in METRICS else share
        size = say.change(metric.change.estimate, share=own)
        ends = f"{say.number(metric.reference)} → {say.number(metric.current)}"
        moved = f"{_named(metric.name)} {direction} by {size} ({ends})"
        if not size.split()[0].strip("0."):
            moved = f"{_named(metric.name)} is what it was ({say.number(metric.current)})"
    if verdict == Verdict.DEGRADED and paired_only:
        start = (
            f"A fault is hurting the model, although {moved} within noise" if moved else "A fault is hurting the model"
        )
        return f"{start}: {_because(causes, target)}"
    if verdict == Verdict.DEGRADED:
        return f"The model got worse: {moved}. {_because(causes, target)}"
    if verdict == Verdict.DEGRADED_IN_PART:
        worst = parts[0]
        rest = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
        moved = "fell" if worst.change.estimate < 0 else "rose"
        size = say.change(worst.change.estimate, share=share)
        name = {"cost": "the cost of errors", "segment": f"the segment {worst.name}"}.get(worst.kind, repr(worst.name))
        held = f"{_named(metric.name)} holds, but {name}{rest} got worse: {_named(worst.metric)} {moved} by {size}"
        return f"{held[:1].upper()}{held[1:]}. {_because(causes, target)}"
    if verdict == Verdict.IMPROVED:
        return f"The model got better: {moved}."
    if verdict == Verdict.NO_MATERIAL_CHANGE:
        return f"No material change: {moved}, within noise or under what matters."
    if causes and not moved:
        suspect = _because(causes, target)
        return f"Inconclusive, for want of labels. Suspected: {suspect} Labels of the current rows would settle it."
    tail = f": {moved}, which could be noise" if moved else ""
    return f"Inconclusive{tail}. {reason[:1].upper()}{reason[1:]}." if reason else f"Inconclusive{tail}."


def _because(causes: tuple[Cause, ...], target: Metric) -> str:
    if not causes:
        return "No cause passed verification."
    first = causes[0].summary
    return (
        first
        if len(causes) == 1
        else f"{first} {len(causes) - 1} more {'cause' if len(causes) == 2 else 'causes'} below."
    )


def decide(verdict: Verdict, causes: tuple[Cause, ...], suspects: tuple[Cause, ...], reason: str) -> Decision:
    """What to do now."""
    if verdict in (Verdict.NO_MATERIAL_CHANGE, Verdict.IMPROVED):
        if causes:
            return _for(causes[0])
        return Decision(action=Action.NONE, reason="nothing material happened to the metric")
    if causes and verdict == Verdict.INCONCLUSIVE and causes[0].confidence.rank < Confidence.SUPPORTED.rank:
        return Decision(action=Action.INVESTIGATE, reason=f"suspected without labels: {causes[0].next_step}")
    if causes:
        return _for(causes[0])
    if verdict == Verdict.INCONCLUSIVE:
        suspects = tuple(s for s in suspects if s.points is None or abs(s.points.estimate) > 0)
        if suspects:
            named = (
                f"{suspects[0].kind} of {say.listed(suspects[0].features)}"
                if suspects[0].features
                else suspects[0].kind
            )
            return Decision(action=Action.INVESTIGATE, reason=f"suspect: {named}; {reason}")
        return Decision(action=Action.INVESTIGATE, reason=reason or "the rows do not decide")
    return Decision(
        action=Action.INVESTIGATE,
        reason="the drop is real and no cause passed verification; look at the worst findings and the events around the onset",
    )


def _for(cause: Cause) -> Decision:
    action = _ACTIONS.get(cause.kind, Action.FIX_UPSTREAM_DATA)
    if cause.confidence == Confidence.SUSPECTED and action == Action.RETRAIN:
        return Decision(action=Action.INVESTIGATE, reason=f"{cause.kind} is suspected only: {cause.next_step}")
    return Decision(action=action, reason=cause.next_step)
