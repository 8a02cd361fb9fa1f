"""A diagnosis as a page: what happened, how sure, since when, why, what to do now; then all that it rests on."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.diagnosis import too_few
from backslide.contracts.escape import cleaned
from backslide.contracts.finding import Status, Step
from backslide.contracts.say import Unit
from backslide.report.documents import labels
from backslide.report.documents.causes import cause_card, direction_of, without_year
from backslide.report.documents.findings import StepView, step_view
from backslide.report.documents.headline import headline
from backslide.report.documents.page import (
    Card,
    Cards,
    Chart,
    CheckBlock,
    Page,
    PageFact,
    PageSection,
    PageTable,
    Paragraph,
    Row,
    StepLink,
    rows,
    section,
)

if TYPE_CHECKING:
    from backslide.contracts.diagnosis import DegradedPart, Diagnosis, Inputs
    from backslide.contracts.finding import Estimate, Outcome

MOST_WARNINGS = 5
"""Warnings shown, those of most points first: whoever reads a sixth at 3 a.m. reads the JSON."""
_POINTS = re.compile(r"(\d+(?:\.\d+)?) points")
_COLUMNS = (
    ("no numeric feature", "numeric"),
    ("no categorical or boolean feature", "categorical or boolean"),
    ("no date or time feature", "date or time"),
    ("no column of running text", "running text"),
    ("no column of embeddings", "embeddings"),
)
"""Reasons of checks that ask for a kind of column, and its name."""


def diagnosis_page(diagnosis: Diagnosis) -> Page:
    """The page of a diagnosis; strings of foreign origin are made safe to show first."""
    d = cleaned(diagnosis)
    classification = d.inputs.task != "regression"
    unit = _unit(d, classification=classification)
    part_unit = unit if not d.parts else _part_unit(d.parts[0], classification=classification)
    anchors = _anchors(d)
    unused = dict(anchors)
    better = d.metric.higher_is_better
    cards = tuple(
        cause_card(cause, part_unit, anchors, d.checks, higher_is_better=better)
        for cause in (*d.causes, *d.suspects, *d.harmless)
    )
    named, others = cards[: len(d.causes)], cards[len(d.causes) :]
    suspects, harmless = others[: len(d.suspects)], others[len(d.suspects) :]
    ours = any(cause.kind.family == "our own change" for cause in d.causes)
    steps = tuple(step_view(step, d.checks, unused, at_fault=ours and step is Step.INTEGRITY) for step in Step)
    word, sign = labels.VERDICT[d.verdict]
    warnings = sorted(d.warnings, key=lambda warning: -_size(warning, d.checks))
    return Page(
        model=d.model,
        about="why it changed",
        verdict=word,
        sign=sign,
        tone=d.verdict.value,
        headline=headline(d, unit, part_unit),
        facts=_facts(d, unit, part_unit),
        why=tuple(_without_step(card, d.decision.reason) for card in named[:1]),
        action=labels.ACTION[d.decision.action],
        reason=say.sentence(d.decision.reason),
        context=_context(d.inputs),
        warnings=tuple(warnings[:MOST_WARNINGS]),
        more_warnings=max(0, len(warnings) - MOST_WARNINGS),
        sections=(
            *_worse(d, classification=classification),
            *_causes(d, named, part_unit),
            *([section("Suspects, not proven", Cards(suspects), depth="brief")] if suspects else []),
            *_labels(d, unit),
            *([section("Faults that cost nothing", Cards(harmless))] if harmless else []),
            *(
                PageSection(s.question, tuple(map(CheckBlock, s.checks)), "full", step=s.name)
                for s in steps
                if s.checks
            ),
            *_unchecked(d.checks),
        ),
        contents=tuple(_step_link(step) for step in steps),
        inputs=_inputs(d),
        notes=d.inputs.notes,
    )


def _labels(d: Diagnosis, unit: Unit) -> list[PageSection]:
    """Which labels would decide, and how they come in."""
    r = d.label_request
    if r is None:
        return []
    text = (
        f"Labels of {say.count(r.rows)} of {say.count(r.of_rows)} current rows, drawn with known probabilities, may decide it. "
        f"If the change is as it looks now, its interval is {unit.interval(r.interval_then)} then. A draw of equal chances takes "
        f"{say.counted(r.uniform_rows, 'row')} for that."
    )
    how = (
        "They are written by `backslide diagnose --ask labels.csv`."
        if r.file is None
        else f"They are in {r.file}: fill in the column label and run the same command again."
    )
    return [section("What to label", Paragraph(f"{text} {how}"), depth="brief")]


def _unit(d: Diagnosis, *, classification: bool) -> Unit:
    return Unit.of(d.metric.name, classification=classification, level=d.metric.reference, change=d.metric.change)


def _part_unit(part: DegradedPart, *, classification: bool) -> Unit:
    fraction = classification and part.kind != "cost"
    return Unit.of(part.metric, classification=fraction, level=part.reference, change=part.change)


def _facts(d: Diagnosis, unit: Unit, part_unit: Unit) -> tuple[PageFact, ...]:
    """How sure, of what is worse and of the whole; and since when."""
    name, whole = say.metric(d.metric.name), []
    if d.metric.change is None:
        whole.append(PageFact(name, f"{unit.level(d.metric.reference)} → {unit.level(d.metric.current)}"))
    else:
        change = d.metric.change
        direction = direction_of(change, unit, higher_is_better=d.metric.higher_is_better)
        overall = f"{name} overall" if d.parts else "change"
        whole.append(PageFact(overall, unit.change(change.estimate), _sureness(change, unit), direction))
    parts = [
        PageFact(
            "change",
            part_unit.change(part.change.estimate),
            _sureness(part.change, part_unit),
            "worse",
        )
        for part in d.parts[:1]
    ]
    return (*parts, *whole, *_onset(d))


def _sureness(estimate: Estimate, unit: Unit) -> tuple[str, ...]:
    interval = unit.interval(estimate)
    notes = (f"95% interval {interval}" if interval else "", say.basis(estimate))
    return tuple(line for line in notes if line)


def _onset(d: Diagnosis) -> tuple[PageFact, ...]:
    if d.onset is None:
        return ()
    low, high = d.onset.low, d.onset.high
    between = [f"between {say.day(low)} and {say.day(high)}"] if low and high and low != high else []
    return (PageFact("since", say.day(d.onset.at), (*between, *map(without_year, d.onset.events))),)


def _size(warning: str, checks: tuple[Outcome, ...]) -> float:
    """Points of the finding that a warning repeats, else the most it names; without bound where it is about the run itself."""
    finding = next((f for outcome in checks for f in outcome.findings if f.summary == warning), None)
    if finding is not None and finding.estimate is not None and finding.unit in (say.POINTS | say.SHARES):
        return abs(100 * finding.estimate.estimate)
    return max(map(float, _POINTS.findall(warning)), default=float("inf") if finding is None else 0.0)


def _worse(d: Diagnosis, *, classification: bool) -> list[PageSection]:
    lines = []
    for part in d.parts:
        unit = _part_unit(part, classification=classification)
        change = unit.estimate(part.change)
        ends = f"{unit.level(part.reference)} → {unit.level(part.current)}"
        lines.append((part.name, f"{part.kind}, {say.metric(part.metric)}", ends, change))
    columns = ("part", "measured by", "reference → current", "change, 95% interval")
    table = PageTable(columns, tuple(lines), "What is worse")
    return [section("What is worse", table, depth="brief")] if lines else []


def _causes(d: Diagnosis, named: tuple[Card, ...], unit: Unit) -> list[PageSection]:
    rest = "" if d.unexplained is None else f"Unexplained: {unit.estimate(d.unexplained)}"
    sections = []
    if not named:
        none = Paragraph(labels.no_cause(d.verdict, too_few(d.inputs.sampled), suspects=bool(d.suspects)))
        sections.append(section("Causes", none, Paragraph(rest), depth="brief"))
    if len(named) > 1:
        sections.append(section("Other causes", Cards(named[1:], first=2), depth="brief"))
    chart = None if d.waterfall is None else Chart(d.waterfall, wide=True)
    if chart is not None or (rest and named):
        sections.append(section("Where the change comes from", chart, Paragraph(rest if named else ""), depth="brief"))
    return sections


def _without_step(card: Card, reason: str) -> Card:
    """The first card without its next step, where that stands below it as what to do now."""
    return replace(card, rows=tuple(row for row in card.rows if not (row.strong and reason.endswith(row.lines))))


def _step_link(step: StepView) -> StepLink:
    return StepLink(
        step.name, step.question, step.state, step.tally, f"step-{step.name}" if step.checks else "not-checked"
    )


def _unchecked(outcomes: tuple[Outcome, ...]) -> list[PageSection]:
    """What was not checked, and why; checks whose kind of column is not there are one line."""
    # Failures first: those are ours, the others are the input's.
    idle = sorted((o for o in outcomes if o.status is not Status.RAN), key=lambda o: o.status is not Status.FAILED)
    lines: list[tuple[str, str, str]] = []
    absent: dict[str, list[str]] = {}
    for outcome in idle:
        kind = next((name for reason, name in _COLUMNS if outcome.reason.startswith(reason)), "")
        if kind and outcome.status is Status.NOT_APPLICABLE:
            absent.setdefault(kind, []).append(outcome.code)
        else:
            lines.append((f"{outcome.title} {outcome.code}", labels.STATUS[outcome.status], outcome.reason))
    if absent:
        number = sum(map(len, absent.values()))
        why = "no such column: " + "; ".join(f"{kind} ({', '.join(codes)})" for kind, codes in absent.items())
        lines.append((f"{say.counted(number, 'check')} of other kinds of columns", "not applicable", why))
    lines += [
        (step.question, "not checked", f"no check of the step “{step.value}” in this run")
        for step in Step
        if not any(outcome.step is step for outcome in outcomes)
    ]
    block = PageTable(("check", "state", "why"), tuple(lines), "Not checked") if lines else None
    none = None if lines else Paragraph("Every check of the playbook ran.")
    return [section("Not checked, and why", block, none, depth="brief", folded=True)]


def _anchors(d: Diagnosis) -> dict[str, str]:
    """Key of a finding -> id on the page. Numbered, so that no foreign string becomes an id."""
    keys = (finding.key for outcome in d.checks for finding in outcome.findings)
    return {key: f"finding-{number}" for number, key in enumerate(dict.fromkeys(keys), start=1)}


def _context(i: Inputs) -> tuple[Row, ...]:
    windows = tuple(
        f"{name} {p.start[:10]} to {p.end[:10]} ({say.counted(p.days, 'day')})" for name, p in i.periods.items()
    )
    shares = [
        f"{say.count(labelled)} {name}" + (f" ({say.percent(labelled / total, 1)})" if total else "")
        for name, labelled, total in (
            ("reference", i.labelled.reference, i.rows.reference),
            ("current", i.labelled.current, i.rows.current),
        )
    ]
    served = [f"{labels.shortened(versions)} {name}" for name, versions in i.model_versions.items() if versions]
    parts = [say.moment(i.made)] if i.made else []
    if "backslide" in i.versions:
        parts.append(f"with backslide {i.versions['backslide']}")
    lines = [Row("windows", windows)] if windows else []
    return (
        *lines,
        *rows(
            ("days compared", i.days_compared),
            ("rows", f"{say.count(i.rows.reference)} reference, {say.count(i.rows.current)} current"),
            ("labelled", ", ".join(shares)),
            ("model versions", ", ".join(served)),
            ("made", " ".join(parts)),
        ),
    )


def _inputs(d: Diagnosis) -> tuple[Row, ...]:
    i = d.inputs
    sampled = f"{say.count(i.sampled.reference)} reference, {say.count(i.sampled.current)} current"
    periods = [(f"{n} period", f"{say.moment(p.start)} to {say.moment(p.end)}") for n, p in i.periods.items()]
    return rows(
        ("task", i.task),
        ("sampled rows", sampled),
        *((f"{name} rows from", source) for name, source in i.sources.items()),
        *periods,
        ("classes", labels.shortened(i.classes, 12)),
        (say.counted(len(i.features), "feature"), labels.shortened(i.features, 12)),
        ("computed with", ", ".join(f"{name} {version}" for name, version in i.versions.items())),
        ("detectable", d.detectable.note),
    )
