"""Diagnosis -> plain values ready to print: numbers written, findings sorted, links resolved. Renderers only lay out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.cause import Cause
from backslide.contracts.diagnosis import too_few
from backslide.contracts.finding import Outcome, Status, Step
from backslide.report.documents.findings import StepView, step_view
from backslide.report.format import labels, numbers
from backslide.report.format.escape import cleaned
from backslide.report.format.numbers import Unit

if TYPE_CHECKING:
    from backslide.contracts.diagnosis import DegradedPart, Diagnosis
    from backslide.contracts.evidence import Waterfall
    from backslide.contracts.finding import Estimate


@dataclass(frozen=True, slots=True)
class MetricView:
    """The headline in both windows."""

    name: str
    reference: str
    current: str
    change: str
    interval: str
    direction: str
    """``worse``, ``better``, ``within noise``, ``no different`` or empty, whatever the metric's sign means."""
    basis: str


@dataclass(frozen=True, slots=True)
class Link:
    """A finding that a cause rests on; ``anchor`` is empty when it is not on the page."""

    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class CauseView:
    """One card."""

    rank: int
    title: str
    meaning: str
    family: str
    points: str
    interval: str
    direction: str
    confidence: str
    confidence_means: str
    summary: str
    proof: tuple[str, ...]
    where: str
    """Share of rows, segment, classes."""
    features: tuple[str, ...]
    since: str
    next_step: str
    evidence: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class PartView:
    """A class, segment or cost that is worse."""

    name: str
    kind: str
    metric: str
    title: str
    """``recall of court_filing``."""
    reference: str
    current: str
    change: str
    interval: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """What was not checked, and why."""

    code: str
    title: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a page says, in the order in which it says it."""

    model: str
    verdict: str
    sign: str
    tone: str
    summary: str
    metric: MetricView
    action: str
    reason: str
    warnings: tuple[str, ...]
    onset: str
    onset_interval: str
    onset_events: tuple[str, ...]
    detectable: str
    waterfall: Waterfall | None
    causes: tuple[CauseView, ...]
    no_cause: str
    unexplained: str
    parts: tuple[PartView, ...]
    harmless: tuple[CauseView, ...]
    steps: tuple[StepView, ...]
    unchecked: tuple[Unchecked, ...]
    inputs: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def build(diagnosis: Diagnosis) -> View:
    """The view of a diagnosis; strings of foreign origin are made safe to show first."""
    d = cleaned(diagnosis)
    classification = d.inputs.task != "regression"
    unit = Unit.of(d.metric.name, classification=classification, level=d.metric.reference, change=d.metric.change)
    part_unit = unit if not d.parts else _part_unit(d.parts[0], classification=classification)
    anchors = _anchors(d)
    unused = dict(anchors)
    word, sign = labels.VERDICT[d.verdict]
    better = d.metric.higher_is_better
    return View(
        model=d.model,
        verdict=word,
        sign=sign,
        tone=d.verdict.value,
        summary=d.summary,
        metric=_metric(d, unit),
        action=labels.ACTION[d.decision.action],
        reason=d.decision.reason,
        warnings=d.warnings,
        onset="" if d.onset is None else numbers.moment(d.onset.at),
        onset_interval=_onset_interval(d),
        onset_events=d.onset.events if d.onset else (),
        detectable=d.detectable.note,
        waterfall=d.waterfall,
        causes=tuple(_cause(cause, part_unit, anchors, higher_is_better=better) for cause in d.causes),
        no_cause="" if d.causes else labels.no_cause(d.verdict, too_few(d.inputs.sampled)),
        unexplained="" if d.unexplained is None else part_unit.estimate(d.unexplained),
        parts=tuple(_part(part, classification=classification) for part in d.parts),
        harmless=tuple(_cause(cause, part_unit, anchors, higher_is_better=better) for cause in d.harmless),
        steps=tuple(step_view(step, d.checks, unused) for step in Step),
        unchecked=_unchecked(d.checks),
        inputs=_inputs(d),
        notes=d.inputs.notes,
    )


def _metric(d: Diagnosis, unit: Unit) -> MetricView:
    change = d.metric.change
    return MetricView(
        name=say.metric(d.metric.name),
        reference=unit.level(d.metric.reference),
        current=unit.level(d.metric.current),
        change="" if change is None else unit.change(change.estimate),
        interval="" if change is None else unit.interval(change),
        direction="" if change is None else _direction(change, unit, d.metric.higher_is_better),
        basis="" if change is None else numbers.basis(change),
    )


def _direction(change: Estimate, unit: Unit, higher_is_better: bool) -> str:
    """Better or worse in words; neither where the interval holds zero, or nothing is left after rounding."""
    if not unit.number(change.estimate).strip("0.,"):
        return "no different"
    if change.low is not None and not change.clear_of_zero():
        return "within noise"
    return "better" if (change.estimate > 0) == higher_is_better else "worse"


def _onset_interval(d: Diagnosis) -> str:
    if d.onset is None or not (d.onset.low and d.onset.high):
        return ""
    return f"between {numbers.moment(d.onset.low)} and {numbers.moment(d.onset.high)}"


def _anchors(d: Diagnosis) -> dict[str, str]:
    """Key of a finding -> id on the page. Numbered, so that no foreign string becomes an id."""
    keys = (finding.key for outcome in d.checks for finding in outcome.findings)
    return {key: f"finding-{number}" for number, key in enumerate(dict.fromkeys(keys), start=1)}


def _cause(cause: Cause, unit: Unit, anchors: dict[str, str], *, higher_is_better: bool) -> CauseView:
    points = cause.points
    return CauseView(
        rank=cause.rank,
        title=labels.cause_title(cause),
        meaning=cause.kind.meaning,
        family=cause.kind.family,
        points="no price" if points is None else unit.change(points.estimate),
        interval="" if points is None else unit.interval(points),
        direction="" if points is None else _direction(points, unit, higher_is_better),
        confidence=cause.confidence.value,
        confidence_means=labels.confidence_means(cause),
        summary=cause.summary,
        proof=_proof(cause, unit),
        where=_where(cause),
        features=cause.features,
        since=numbers.since(cause),
        next_step=cause.next_step,
        evidence=tuple(Link(key, anchors.get(key, "")) for key in cause.evidence),
    )


def _proof(cause: Cause, unit: Unit) -> tuple[str, ...]:
    said = []
    if cause.repair is not None:
        back = cause.repair.points_back
        gain = "" if back is None else f"; {_priced(back, unit, ' back')}"
        said.append(f"Repair: {cause.repair.description}{gain}")
    if cause.injection is not None:
        said.append(f"Injection into the reference rows; {_priced(cause.injection.points, unit)}")
    return tuple(said)


def _priced(estimate: Estimate, unit: Unit, suffix: str = "") -> str:
    interval, sampled = unit.interval(estimate), numbers.basis(estimate)
    said = unit.change(estimate.estimate) + suffix + (f" [{interval}]" if interval else "")
    return said + (f", {sampled}" if sampled else "")


def _where(cause: Cause) -> str:
    share = numbers.share_of_rows(cause.share_of_rows)
    said = [f"{share}: {cause.segment}" if cause.segment else share]
    if cause.classes and cause.features:
        said.append("class " + labels.shortened(cause.classes))
    return ", ".join(said)


def _part_unit(part: DegradedPart, *, classification: bool) -> Unit:
    fraction = classification and part.kind != "cost"
    return Unit.of(part.metric, classification=fraction, level=part.reference, change=part.change)


def _part(part: DegradedPart, *, classification: bool) -> PartView:
    unit = _part_unit(part, classification=classification)
    metric = say.metric(part.metric)
    return PartView(
        name=part.name,
        kind=part.kind,
        metric=metric,
        title=metric if metric in part.name else f"{metric} of {part.name}",
        reference=unit.level(part.reference),
        current=unit.level(part.current),
        change=unit.change(part.change.estimate),
        interval=unit.interval(part.change),
    )


def _unchecked(outcomes: tuple[Outcome, ...]) -> tuple[Unchecked, ...]:
    missing = tuple(
        Unchecked("", step.question, "not checked", f"no check of the step “{step.value}” in this run")
        for step in Step
        if not any(outcome.step is step for outcome in outcomes)
    )
    # Failures first: those are ours, the others are the input's.
    idle = sorted(
        (outcome for outcome in outcomes if outcome.status is not Status.RAN),
        key=lambda outcome: outcome.status is not Status.FAILED,
    )
    return tuple(Unchecked(o.code, o.title, labels.STATUS[o.status], o.reason) for o in idle) + missing


def _inputs(d: Diagnosis) -> tuple[tuple[str, str], ...]:
    i = d.inputs
    said: list[tuple[str, str]] = [("task", i.task)]
    for name, counts in (("rows", i.rows), ("labelled", i.labelled), ("sampled", i.sampled)):
        said.append((name, f"{numbers.count(counts.reference)} reference, {numbers.count(counts.current)} current"))
    said += [(f"{name} rows from", source) for name, source in i.sources.items()]
    for name, period in i.periods.items():
        days = f"{period.days} day" + ("" if period.days == 1 else "s")
        said.append((f"{name} period", f"{numbers.moment(period.start)} to {numbers.moment(period.end)}, {days}"))
    said += [(f"{name} model versions", labels.shortened(found)) for name, found in i.model_versions.items() if found]
    if i.classes:
        said.append(("classes", labels.shortened(i.classes, 12)))
    if i.features:
        said.append((f"{len(i.features)} features", labels.shortened(i.features, 12)))
    if i.versions:
        said.append(("computed with", ", ".join(f"{name} {version}" for name, version in i.versions.items())))
    return tuple(said)
