"""One look of watching for a terminal or a mail."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.watch import Level

if TYPE_CHECKING:
    from backslide.contracts.watch import Incident, Stream, WatchReport

SIGNS = {Level.QUIET: "✓", Level.WATCH: "!", Level.ALARM: "✗"}
WORDS = {Level.QUIET: "Quiet", Level.WATCH: "Early sign", Level.ALARM: "Alarm"}
MOST = 12
"""Streams listed; the rest are in the JSON."""


def render_watched(found: WatchReport, *, width: int = 100) -> str:
    """The answer as plain lines of about ``width`` columns."""
    lines = [f"{SIGNS[found.status]} {WORDS[found.status]}: {found.model}", *textwrap.wrap(found.summary, width), ""]
    for name, text in _facts(found):
        lines += textwrap.wrap(text, width, initial_indent=f"{name:<11}", subsequent_indent=" " * 11)
    if found.incidents:
        shown = found.incidents if found.replay else [i for i in found.incidents if i.open] or found.incidents[-1:]
        lines += ["", "Raised" if found.replay else "Incidents"]
        for one in shown:
            lines += _incident(one, width)
        if found.replay:
            alarms = sum(one.level == Level.ALARM for one in found.incidents)
            lines.append(f"  {alarms} alarm{'' if alarms == 1 else 's'}, {len(found.incidents) - alarms} early signs")
    elif found.replay:
        lines += ["", "Nothing would have been raised."]
    lines += ["", "Streams", *_streams(found.streams)]
    waiting = [one for one in found.deliveries if one.status != "delivered"]
    if waiting:
        lines += ["", "Messages that nobody took"]
        lines += [
            f"  {d.kind} of {d.incident}: {d.status.replace('_', ' ')}, {d.error or 'not tried'}" for d in waiting
        ]
    notes = (*found.labels.notes, *found.notes)
    if notes:
        lines += ["", "Notes", *(f"  {line}" for note in notes for line in textwrap.wrap(note, width - 2))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _facts(found: WatchReport) -> list[tuple[str, str]]:
    first, last = found.reference
    facts = [("reference", f"{first} to {last}, by {found.period}"), ("promise", found.promise.note)]
    labels = found.labels
    age = (
        f"a period is judged {labels.age} {found.period}s after its end"
        if labels.age
        else "judged as soon as labels are there"
    )
    if labels.complete_through:
        age += f"; complete through {labels.complete_through}"
    if labels.waiting:
        age += f"; {labels.waiting} periods wait"
    if labels.level is not None:
        age += (
            f"; {say.metric(found.metric)} of the last periods, as if all labels had come: {say.number(labels.level)}"
        )
    facts.append(("labels", age))
    if found.estimated is not None:
        facts.append(("estimate", _estimate(found)))
    return facts


def _estimate(found: WatchReport) -> str:
    one = found.estimated
    assert one is not None
    if one.estimate is None:
        return f"none for {one.since} to {one.until}: {one.suppressed}"
    values = [one.estimate.estimate, one.estimate.low, one.estimate.high, one.reference]
    shown = [say.number(v) for v in values if v is not None]
    return (
        f"{say.metric(one.metric)} of {one.since} to {one.until} (not labelled yet) about {shown[0]} [{shown[1]}, {shown[2]}], "
        f"reference {shown[-1]}; {one.assumption}"
    )


def _incident(one: Incident, width: int) -> list[str]:
    state = "open" if one.open else f"over {one.closed}"
    if one.muted is not None:
        state += f", muted: {one.muted}"
    head = f"{SIGNS[one.level]} {one.id}  {WORDS[one.level].lower()}, {state}; began {one.began}, known {one.known_on}"
    lines = [f"  {head}", *textwrap.wrap(one.sentence, width, initial_indent="    ", subsequent_indent="    ")]
    if one.events:
        text = f"at that time: {'; '.join(one.events)}"
        lines += textwrap.wrap(text, width, initial_indent="    ", subsequent_indent="    ")
    rest = [m.sentence for m in one.members if m.sentence != one.sentence]
    for text in rest[:4]:
        lines += textwrap.wrap(text, width, initial_indent="    - ", subsequent_indent="      ")
    if len(rest) > 4:
        lines.append(f"    - and {len(rest) - 4} more streams")
    if one.diagnosis is not None and one.diagnosis.decision:
        lines += textwrap.wrap(
            f"do now: {one.diagnosis.decision}", width, initial_indent="    ", subsequent_indent="    "
        )
        if one.diagnosis.report:
            lines.append(f"    report: {one.diagnosis.report}")
    return lines


def _streams(streams: tuple[Stream, ...]) -> list[str]:
    ranked = sorted(streams, key=lambda s: (-list(SIGNS).index(s.level), -max(s.evidence, s.early)))
    rows: list[tuple[str, ...]] = [("", "stream", "reference", "latest", "expected", "evidence")]
    for one in ranked[:MOST]:
        latest = one.latest
        values = (one.reference, *((latest.value, latest.expected) if latest is not None else (None, None)))
        shown = [say.number(v) if v is not None else "" for v in values]
        rows.append((SIGNS[one.level] + ("m" if one.muted else ""), one.name, *shown, f"{one.evidence:.0%}"))
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    made = ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    left = len(streams) - MOST
    return [*made, f"  and {left} more, all quieter"] if left > 0 else made
