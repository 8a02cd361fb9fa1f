"""One look of continuous monitoring as a page: incidents, streams, labels and what the alarms promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.escape import cleaned
from backslide.contracts.watch import Level
from backslide.report.documents.page import (
    Bullets,
    Card,
    Cards,
    Page,
    PageFact,
    PageSection,
    Paragraph,
    Row,
    filled,
    rows,
    section,
    table_section,
)
from backslide.report.documents.watch_timeline import watch_timeline

if TYPE_CHECKING:
    from backslide.contracts.watch import Incident, Stream, WatchReport

VERDICT = {
    Level.QUIET: ("Quiet", "✓", "no_material_change"),
    Level.WATCH: ("Early sign", "!", "inconclusive"),
    Level.ALARM: ("Alarm", "✗", "degraded"),
}
"""Word, sign (differs in shape) and tone."""
ORIGIN = {
    "world": "the world: inputs, or what they mean",
    "model": "the model, or what serves it: not the world",
    "labels": "the labels: those who give them, not the world",
    "data": "the data that the model is given",
    "unsure": "not certain",
}
MOST_STREAMS = 12
"""Streams listed; the rest are in the JSON."""
MOST_MEMBERS = 4
"""Further streams of an incident whose sentences are shown."""


def watch_page(watched: WatchReport) -> Page:
    """The page of a look; strings of foreign origin are made safe to show first."""
    w = cleaned(watched)
    action, reason = _decision(w)
    return Page(
        w.model,
        "is it still as good as it was?",
        *VERDICT[w.status],
        w.summary,
        facts=(*_level(w), PageFact("reference", f"{w.reference[0]} to {w.reference[1]}", (f"by {w.period}",))),
        action=action,
        reason=reason,
        context=rows(("promise", _promise(w)), ("labels", _labels(w)), ("estimate", _estimate(w))),
        sections=(*_over_time(w), *_incidents(w), *_faults(w), _streams(w.streams), *_deliveries(w)),
        inputs=rows(("metric", say.metric(w.metric)), ("as of", say.moment(w.as_of)), ("last period", w.last or "")),
        notes=(*w.labels.notes, *w.notes),
    )


def incidents_page(watched: WatchReport) -> Page:
    """Every incident of a model, the newest first, as ``backslide incidents`` lists them."""
    w = cleaned(watched)
    if w.incidents:
        block = section("Incidents", Cards(tuple(map(incident_card, newest_first(w.incidents)))), depth="brief")
    else:
        block = section("Incidents", Paragraph(NO_INCIDENTS), depth="brief")
    return Page(
        w.model,
        "what was raised",
        *VERDICT[w.status],
        w.summary,
        context=rows(("promise", _promise(w))),
        sections=(block,),
        inputs=rows(("as of", say.moment(w.as_of)), ("last period", w.last or "")),
    )


NO_INCIDENTS = (
    "Nothing was raised so far. What several streams raise together becomes one incident here, with its diagnosis; "
    "backslide incidents mark N false|fixed|known --note TEXT says what it was."
)


def _over_time(w: WatchReport) -> list[PageSection]:
    timeline = watch_timeline(w)
    return [] if timeline is None else [section("Over time", timeline)]


def _level(w: WatchReport) -> list[PageFact]:
    """The headline in the last period that its labels let judge, beside what is usual."""
    stream = next((s for s in w.streams if s.kind == "performance" and s.latest is not None), None)
    if stream is None or stream.latest is None:
        return []
    last = stream.latest
    usual = [say.level(value, share=stream.share) for value in (last.expected, last.low, last.high)]
    notes = (f"on {last.period}; usual {usual[0]} [{usual[1]} to {usual[2]}]",)
    direction = "worse" if stream.level == Level.ALARM else ""
    return [PageFact(stream.words, say.level(last.value, share=stream.share), notes, direction)]


def _decision(w: WatchReport) -> tuple[str, str]:
    """What to do now about the last alarm that asks for somebody, and why; empty while there is none."""
    if w.replay:
        return "", ""
    pressing = [one for one in w.incidents if any(m.level == Level.ALARM for m in one.pressing)]
    if not pressing:
        return "", ""
    diagnosis = pressing[-1].diagnosis
    if diagnosis is None or not diagnosis.decision:
        return "Run backslide diagnose", "No diagnosis was made: [watch] diagnose is off."
    action, _, reason = diagnosis.decision.partition(": ")
    return say.sentence(action).rstrip("."), reason


def _promise(w: WatchReport) -> str:
    return "; ".join(text for text in (w.promise.note, w.promise.marked_note) if text)


def _labels(w: WatchReport) -> str:
    labels = w.labels
    text = "judged as soon as labels are there"
    if labels.age:
        text = f"a period is judged {labels.age} {w.period}s after its end"
    if labels.complete_through:
        text += f"; complete through {labels.complete_through}"
    if labels.waiting:
        text += f"; {say.counted(labels.waiting, w.period)} waiting for labels"
    if labels.level is not None:
        text += f"; {say.metric(w.metric)} of the last periods, as if all labels had come: "
        text += say.level(labels.level, share=_share(w))
    return text


def _estimate(w: WatchReport) -> str:
    one = w.estimated
    if one is None:
        return ""
    if one.estimate is None:
        return f"none for {one.since} to {one.until}: {one.suppressed}"
    values = [one.estimate.estimate, one.estimate.low, one.estimate.high, one.reference]
    shown = [say.level(value, share=_share(w)) for value in values if value is not None]
    return (
        f"{say.metric(one.metric)} of {one.since} to {one.until} (not labelled yet) about {shown[0]} "
        f"[{shown[1]} to {shown[2]}], reference {shown[-1]}; {one.assumption}"
    )


def _share(w: WatchReport) -> bool:
    """Whether the headline is a fraction."""
    return any(stream.share for stream in w.streams if stream.kind in ("performance", "mature", "estimate"))


def _incidents(w: WatchReport) -> list[PageSection]:
    if not w.incidents:
        return [section("Raised", Paragraph("Nothing would have been raised."))] if w.replay else []
    shown = w.incidents if w.replay else tuple(i for i in w.incidents if i.open) or w.incidents[-1:]
    total = ""
    if w.replay:
        alarms = sum(one.level == Level.ALARM for one in w.incidents)
        total = f"{say.counted(alarms, 'alarm')}, {say.counted(len(w.incidents) - alarms, 'early sign')}"
    cards = Cards(tuple(map(incident_card, shown)))
    return [section("Raised" if w.replay else "Incidents", cards, Paragraph(total), depth="brief")]


def newest_first(incidents: tuple[Incident, ...]) -> list[Incident]:
    """What is read first: the last incident that is open, then the others from the newest to the oldest."""
    newest = list(reversed(incidents))
    return sorted(newest, key=lambda one: not one.open)


def incident_card(one: Incident) -> Card:
    """An incident: its sentence, when, what else moved, what to do."""
    state = "open" if one.open else f"over {one.closed}"
    if one.muted is not None:
        state += f", muted: {one.muted}"
    if one.mark is not None:
        state += f", marked {one.mark.mark}" + (f": {one.mark.note}" if one.mark.note else "")
    others = [member.sentence for member in one.members if member.sentence != one.sentence]
    more = [f"and {len(others) - MOST_MEMBERS} more streams"] if len(others) > MOST_MEMBERS else []
    diagnosis = one.diagnosis
    lines = filled(
        Row("when", (f"began {one.began}, known {one.known_on}",)),
        Row("also", (*others[:MOST_MEMBERS], *more)),
        Row("at that time", one.events),
        Row(
            "what moved", (ORIGIN[diagnosis.origin],) if diagnosis is not None and diagnosis.origin is not None else ()
        ),
        Row("do now", (diagnosis.decision,) if diagnosis is not None and diagnosis.decision else (), strong=True),
        Row("report", (diagnosis.report,) if diagnosis is not None and diagnosis.report else ()),
    )
    word, sign, _ = VERDICT[one.level]
    return Card(
        title=f"{sign} {'' if one.number is None else f'Incident {one.number}, '}{one.id}",
        text=one.sentence,
        badge=word.lower(),
        means=state,
        rows=lines,
        level="fail" if one.level is Level.ALARM else "warn",
    )


def _faults(w: WatchReport) -> list[PageSection]:
    if not w.faults:
        return []
    lines = []
    for one in w.faults:
        cost = "not priced" if one.harm is None else say.change(one.harm.estimate, share=_share(w))
        state = VERDICT[one.level][0].lower() if one.level != Level.QUIET else "no alarm"
        lines.append((one.words, state, cost, say.share_of_rows(one.share_of_rows), one.since, one.last))
    return [
        table_section(
            "Data faults of new rows",
            "Read before labels come. What costs nothing that matters, or is over, raises no alarm.",
            ("what was seen", "state", "expected cost", "rows", "since", "last"),
            tuple(lines[:MOST_STREAMS]),
        )
    ]


def _streams(streams: tuple[Stream, ...]) -> PageSection:
    rank = list(Level)
    ranked = sorted(streams, key=lambda s: (-rank.index(s.level), -max(s.evidence, s.early)))
    lines = []
    for one in ranked:
        values = (one.reference, *((one.latest.value, one.latest.expected) if one.latest is not None else (None, None)))
        shown = ["" if value is None else say.level(value, share=one.share) for value in values]
        state = VERDICT[one.level][0].lower() + (", muted" if one.muted else "")
        lines.append((one.name, state, *shown, say.percent(one.evidence, 0)))
    rest = len(lines) - MOST_STREAMS
    return table_section(
        "Streams",
        f"{rest} more, all quieter, are in the JSON." if rest > 0 else "",
        ("stream", "state", "reference", "latest", "expected", "evidence"),
        tuple(lines[:MOST_STREAMS]),
    )


def _deliveries(w: WatchReport) -> list[PageSection]:
    lines = tuple(
        f"{d.kind} of {d.incident}: {d.status.replace('_', ' ')}, {d.error or 'not tried'}"
        for d in w.deliveries
        if d.status != "delivered"
    )
    return [section("Messages that were not delivered", Bullets(lines))] if lines else []
