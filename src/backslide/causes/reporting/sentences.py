"""The sentences: of causes, of the verdict, and of what to do now."""

from __future__ import annotations

from backslide.causes.replay.base import OwnChange
from backslide.causes.shift.base import WorldChange
from backslide.contracts import say
from backslide.contracts.cause import Cause, CauseKind, Confidence, Suspect
from backslide.contracts.diagnosis import Action, Decision, DegradedPart, MetricChange, Verdict
from backslide.contracts.finding import Estimate
from backslide.stats.metrics.metric import METRICS, Metric

_ACTIONS = {
    "our own change": Action.FIX_PIPELINE,
    "data fault": Action.FIX_UPSTREAM_DATA,
    "the world": Action.RETRAIN,
}
"""By the family of the cause; another model is rolled back."""


def cost(points: Estimate | None, metric: Metric) -> str:
    """``costs 3.3 points of accuracy (2.5 to 4.1)``."""
    if points is None:
        return "cannot be priced without labels or a model"
    size = say.change(points.estimate, share=metric.share)
    verb = "costs" if metric.harm(points.estimate) >= 0 else "gains"
    text = f"{verb} {size} of {say.metric(metric.name)}"
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


def shift_summary(cause: WorldChange, points: Estimate, metric: Metric) -> str:
    """The sentence of a cause that is nobody's fault."""
    along = f" along {say.listed(cause.features)}" if cause.features else ""
    if cause.kind == CauseKind.LABEL_SHIFT:
        seen = "The classes come in other proportions" + (f" ({'; '.join(cause.facts)})" if cause.facts else "")
    elif cause.kind == CauseKind.COVARIATE_SHIFT:
        along += f" ({'; '.join(cause.facts)})" if cause.facts else ""
        seen = f"More rows come from where the model was always weak{along}"
    elif cause.policy:
        within = f" where {cause.segment}" if cause.segment is not None else ""
        seen = f"Reviewers label otherwise{within}: {'; '.join(cause.facts)}, while the model says what it always said"
    else:
        classes = f", most for {say.listed(cause.classes)}" if cause.classes and not cause.every_class else ""
        along = f" where {cause.segment}" if cause.segment is not None else along
        seen = f"The same inputs now mean another outcome{along}{classes}"
    caveat = f"; {cause.caveat}" if cause.caveat else ""
    return f"{seen}; it {cost(points, metric)}{caveat}."


def next_step(kind: CauseKind, features: tuple[str, ...], *, gains: bool = False) -> str:
    """The remedy, with the columns it is about; of a change of our own that helped, to leave it."""
    if gains:
        return "Keep it: undoing it would take back what it gained. Gate the next one class by class all the same."
    return f"{kind.remedy[:-1]} ({say.listed(features)})." if features else kind.remedy


def own_step(found: OwnChange, *, gains: bool) -> str:
    """What to do about a change of our own: altered answers say themselves how."""
    if found.kind != CauseKind.OUTPUT_CHANGE or gains:
        return next_step(found.kind, found.features, gains=gains)
    return f"{_capital(found.undo)} ({say.listed(found.features)})." if found.features else f"{_capital(found.undo)}."


ASK = "Ask the reviewers which is right"
RECALIBRATE = "Recalibrate the answers on the current labels"


def shift_step(cause: WorldChange) -> str:
    """The remedy of a cause that is nobody's fault."""
    if cause.by_answers:
        return f"{RECALIBRATE}; the model orders the rows as before, so it need not be trained again."
    if not cause.policy:
        step = next_step(cause.kind, cause.features)
        helped = cause.gain is None or cause.gain.clear
        return (
            step
            if helped
            else f"{step} First compare labels of these rows with their source: a refit did not clearly help."
        )
    one, other = cause.classes
    return f"{ASK}, {one!r} or {other!r}; then relabel the training rows alike and retrain."


def verdict_sentence(
    verdict: Verdict,
    metric: MetricChange,
    target: Metric,
    parts: tuple[DegradedPart, ...],
    causes: tuple[Cause, ...],
    reason: str,
    *,
    paired_only: bool = False,
    too_few: str = "",
    suspects: tuple[Suspect, ...] = (),
) -> str:
    """What is read first: whether the model got worse, by how much, and the first cause.

    ``reason`` says why nothing could be decided, ``too_few`` why no cause was looked for; ``paired_only`` that the whole window
    decides nothing and the same rows with a fault undone do.
    """
    moved = _describe_change(metric, target)
    why = _because(causes, too_few, suspects)
    if verdict == Verdict.DEGRADED and paired_only:
        overall = (
            f" {_capital(moved)} overall, which alone could be noise; the same rows with the fault undone do better."
        )
        return f"The model is worse off because of a fault. {why}{overall if moved else ''}"
    if verdict == Verdict.DEGRADED:
        return f"The model got worse: {moved}. {why}"
    if verdict == Verdict.DEGRADED_IN_PART:
        whole = f"{_capital(say.metric(metric.name))} as a whole holds"
        if _clear(metric, target, -1):
            whole = f"As a whole it got better, which hides it: {moved}"
        if _clear(metric, target, 1):
            whole = f"{_capital(moved)} as a whole, not surely by as much as matters"
        return f"The model got worse in part: {_worse(parts)}. {whole}. {why}"
    if verdict == Verdict.IMPROVED:
        against = tuple(cause for cause in causes if not gains(cause, target))
        if against:
            return f"The model got better: {moved}. Something still holds it back. {_because(against, too_few)}"
        return f"The model got better: {moved}." + (f" {why}" if causes else "")
    if verdict == Verdict.NO_MATERIAL_CHANGE:
        return f"No material change: {moved}, within noise or too small to matter."
    if not moved:
        suspected = f" Suspected: {why} Labels would settle it." if causes else ""
        return f"Inconclusive: {reason or 'the rows do not decide'}.{suspected}"
    doubt = "and a change that matters could hide in the noise" if moved.endswith(_STAYED) else "which could be noise"
    first = f" Most suspect: {say.listed([_name(one) for one in suspects])}." if suspects else ""
    return f"Inconclusive: {moved}, {doubt}. {say.sentence(reason)}".rstrip() + first


DOUBTED = (
    "More labelled rows or days, until the drop itself is sure; undoing it on the current rows tells the price now."
)
UNDO_FIRST = "Undo what is named and diagnose again: what is left then is the world's."


def gains(cause: Cause, target: Metric) -> bool:
    """Whether a cause moved the metric for the better."""
    return cause.points is not None and target.harm(cause.points.estimate) < 0


def _clear(metric: MetricChange, target: Metric, way: int) -> bool:
    """Whether the whole interval of the headline's change lies on one side of zero: worse (1) or better (-1)."""
    known = METRICS.get(metric.name, target)
    if metric.change is None or metric.change.low is None or metric.change.high is None:
        return False
    return min(way * known.harm(metric.change.low), way * known.harm(metric.change.high)) > 0


_STAYED = "in both windows"


def _describe_change(metric: MetricChange, target: Metric) -> str:
    """``accuracy fell by 3.4 points (84.2% → 80.8%)``; empty where the change is not known."""
    if metric.change is None or metric.reference is None or metric.current is None:
        return ""
    share = METRICS[metric.name].share if metric.name in METRICS else target.share
    size = say.change(metric.change.estimate, share=share)
    if not size.split()[0].strip("0."):
        return f"{say.metric(metric.name)} is {say.level(metric.current, share=share)} {_STAYED}"
    direction = "fell" if metric.change.estimate < 0 else "rose"
    return (
        f"{say.metric(metric.name)} {direction} by {size} ({say.levels(metric.reference, metric.current, share=share)})"
    )


def _worse(parts: tuple[DegradedPart, ...]) -> str:
    """``for the class 'no', F1 fell by 6.1 points (71.0% → 64.9%), and for 2 more``."""
    worst = parts[0]
    direction = "fell" if worst.change.estimate < 0 else "rose"
    share = worst.kind != "cost" and (worst.metric not in METRICS or METRICS[worst.metric].share)
    levels = say.levels(worst.reference, worst.current, share=share)
    size = f"{direction} by {say.change(worst.change.estimate, share=share)} ({levels})"
    rest = f", and {len(parts) - 1} more" if len(parts) > 1 else ""
    if worst.kind == "cost":
        return f"what errors cost {size}{rest}"
    where = f"the class {worst.name!r}" if worst.kind == "class" else f"rows with {worst.name}"
    return f"for {where}, {say.metric(worst.metric)} {size}{rest}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _name(cause: Cause) -> str:
    """``unit change of income``."""
    return f"{cause.kind.words} of {say.listed(cause.features)}" if cause.features else cause.kind.words


def _because(causes: tuple[Cause, ...], too_few: str, suspects: tuple[Suspect, ...] = ()) -> str:
    if not causes and suspects and not too_few:
        return f"No cause stood up to verification; most suspect: {say.listed([_name(one) for one in suspects])}."
    if not causes:
        return too_few or "No cause stood up to verification, and nothing is suspected."
    more = len(causes) - 1
    first = causes[0].summary
    if not first.startswith(causes[0].features):  # a column keeps its name
        first = _capital(first)
    return first + (f" {more} more {'cause' if more == 1 else 'causes'} below." if more else "")


def decide(
    verdict: Verdict,
    causes: tuple[Cause, ...],
    suspects: tuple[Suspect, ...],
    reason: str,
    target: Metric,
    *,
    too_few: str = "",
) -> Decision:
    """What to do now."""
    if verdict in (Verdict.NO_MATERIAL_CHANGE, Verdict.IMPROVED):
        against = [cause for cause in causes if not gains(cause, target)]
        if against:
            return _for(against[0], target)
        better = "the metric got better" if verdict == Verdict.IMPROVED else "nothing material happened to the metric"
        return Decision(action=Action.NONE, reason=better)
    if causes and causes[0].kind == CauseKind.OUTPUT_CHANGE:
        return _for(causes[0], target)
    if causes and verdict == Verdict.INCONCLUSIVE and causes[0].confidence.rank < Confidence.SUPPORTED.rank:
        return Decision(action=Action.INVESTIGATE, reason=f"suspected without labels: {causes[0].next_step}")
    if causes:
        return _for(causes[0], target)
    if suspects and not too_few:
        doubt = f"{reason or 'the rows do not decide'}; " if verdict == Verdict.INCONCLUSIVE else ""
        return Decision(action=Action.INVESTIGATE, reason=f"{doubt}suspect: {_name(suspects[0])}. {suspects[0].settle}")
    if verdict == Verdict.INCONCLUSIVE:
        return Decision(action=Action.INVESTIGATE, reason=reason or "the rows do not decide")
    if too_few:
        return Decision(
            action=Action.INVESTIGATE, reason=f"the drop is real; {too_few[:1].lower()}{too_few[1:-1]}; give more rows"
        )
    return Decision(
        action=Action.INVESTIGATE,
        reason="the drop is real, no cause stood up to verification and nothing is suspected; look at the worst findings and the "
        "events around the onset",
    )


def _for(cause: Cause, target: Metric) -> Decision:
    action = Action.ROLL_BACK if cause.kind == CauseKind.MODEL_CHANGE else _ACTIONS[cause.kind.family]
    if cause.next_step.startswith(ASK):
        action = Action.RELABEL
    if cause.next_step.startswith(RECALIBRATE):
        action = Action.RECALIBRATE
    if cause.confidence == Confidence.SUSPECTED and (
        action in (Action.RETRAIN, Action.RECALIBRATE) or cause.points is None
    ):
        return Decision(
            action=Action.INVESTIGATE,
            reason=f"{cause.kind.words} is suspected only: {cause.next_step}",
        )
    back = None if cause.repair is None else cause.repair.points_back
    if cause.repair is None or back is None or back.low is None or back.low <= 0 or cause.kind.family == "the world":
        return Decision(action=action, reason=cause.next_step)
    gain = say.change(back.estimate, share=target.share)
    undo = (
        _capital(cause.repair.description)
        if not cause.repair.description.startswith(cause.features)
        else cause.repair.description
    )
    more = "" if cause.next_step.casefold().startswith(undo.casefold()) else f" {cause.next_step}"
    return Decision(action=action, reason=f"{undo}, which brings {gain} back.{more}")
