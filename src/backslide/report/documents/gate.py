"""The gate's report: every requirement as a line of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.escape import cleaned
from backslide.contracts.evidence import Evidence, RankedRow, Ranking
from backslide.contracts.gate import GateLine, GateVerdict
from backslide.contracts.say import Unit
from backslide.report.documents.page import (
    Chart,
    Page,
    PageFact,
    PageSection,
    Row,
    rows,
    section,
    table_section,
    traffic,
)

if TYPE_CHECKING:
    from backslide.contracts.gate import Gate

VERDICT = {
    GateVerdict.PROMOTE: ("Promote", "▲", "improved"),
    GateVerdict.HOLD: ("Hold", "◣", "degraded_in_part"),
    GateVerdict.ROLL_BACK: ("Roll back", "▼", "degraded"),
}
"""Word, sign (differs in shape) and tone."""
ACTION = {
    GateVerdict.PROMOTE: "Let the challenger answer",
    GateVerdict.HOLD: "Keep the champion",
    GateVerdict.ROLL_BACK: "Let the champion answer",
}
MOST_LINES = 40


def gate_page(gate: Gate) -> Page:
    """Strings of foreign origin are made safe to show first."""
    g = cleaned(gate)
    return Page(
        g.model,
        "may the challenger take over?",
        *VERDICT[g.verdict],
        g.summary,
        facts=headline_facts(g.lines[0], (g.champion, g.challenger)),
        action=ACTION[g.verdict],
        reason=say.sentence(g.reason),
        sections=(*glance(*gains(g.lines)), requirements(g.lines)),
        inputs=_inputs(g),
        notes=g.inputs.notes,
    )


def headline_facts(line: GateLine, names: tuple[str, str]) -> tuple[PageFact, ...]:
    """Both levels of the headline, its difference, and who is compared."""
    unit = unit_of(line)
    facts = [PageFact(say.metric(line.metric), f"{unit.level(line.old)} → {unit.level(line.new)}")]
    if line.difference is not None:
        interval = unit.interval(line.difference)
        notes = () if line.level is None else (f"{say.percent(line.level, 0)} interval {interval}",)
        facts.append(PageFact("challenger − champion", unit.change(line.difference.estimate), notes))
    return (*facts, PageFact("compared", f"{names[0]} → {names[1]}"))


def unit_of(line: GateLine) -> Unit:
    """How its numbers are written."""
    if line.kind in ("latency", "size"):
        return Unit(False, 2)
    unit = Unit.of(line.metric.split("[")[0], classification=line.share, level=line.old, change=line.difference)
    return Unit(line.share, unit.decimals)


def requirements(lines: tuple[GateLine, ...]) -> PageSection:
    """The table; what is not met stands first."""
    order = {False: 0, None: 2, True: 1}
    shown = sorted(lines, key=lambda line: (line.kind != "headline", order[line.passed]))
    failed = sum(line.passed is False for line in lines)
    open_lines = sum(line.passed is None for line in lines)
    reading = f"{say.count(len(lines))} requirements, {failed} not met" + (
        f", {open_lines} that could not be judged." if open_lines else "."
    )
    reading += " Tests are one-sided; those of classes and segments are corrected for looking at all of them."
    return table_section(
        "Requirements",
        reading,
        ("requirement", "met", "old", "new", "new − old", "interval", "test", "rows", "rule"),
        tuple(_cells(line) for line in shown[:MOST_LINES]),
    )


def glance(*evidence: Evidence) -> tuple[PageSection, ...]:
    """The drawings of a page, before its tables."""
    return (section("At a glance", *map(Chart, evidence), depth="full"),) if evidence else ()


def _cells(line: GateLine) -> tuple[str, ...]:
    unit = unit_of(line)
    met = {True: "yes", False: "no", None: "not judged"}[line.passed]
    levels = ["" if v is None else unit.level(v) for v in (line.old, line.new)]
    if line.kind in ("latency", "size"):
        levels = [f"{text} {line.metric}" if text else "" for text in levels]
    change = interval = ""
    if line.difference is not None:
        change, interval = unit.change(line.difference.estimate), unit.interval(line.difference)
    p = "" if line.p_value is None else say.p_value(line.p_value)
    name = {"headline": say.metric(line.metric), "class": say.metric(line.metric)}.get(line.kind, line.name)
    rule = f"{line.rule}; {line.note}" if line.note else line.rule
    return name, met, *levels, change, interval, p, say.count(line.rows) if line.rows else "", rule


def gains(lines: tuple[GateLine, ...]) -> tuple[Evidence, ...]:
    """Differences with their intervals, signed so that right is better."""
    shown = [line for line in lines if line.difference is not None and line.kind in ("headline", "class", "segment")]
    shown = [line for line in shown if line.share == shown[0].share][:MOST_LINES] if shown else []
    if len(shown) < 2:
        return ()
    dots = []
    for line in shown:
        assert line.difference is not None
        sign = 1 if line.higher_is_better else -1
        d = line.difference
        ends = sorted(sign * v for v in (d.low, d.high) if v is not None)
        low, high = ends if len(ends) == 2 else (None, None)
        named = say.metric(line.metric) if line.kind != "segment" else line.name
        note = "not met" if line.passed is False else ""
        dots.append(RankedRow(label=named, value=sign * d.estimate, low=low, high=high, note=note))
    failed = [row.label for row in dots if row.note]
    reading = f"Not met: {say.listed(failed)}." if failed else "No class and no segment stands in the way."
    return (Ranking(title="Gain of the challenger", reading=reading, x="gain", rows=tuple(dots), share=shown[0].share),)


def _inputs(g: Gate) -> tuple[Row, ...]:
    p = g.policy
    return rows(
        ("champion", g.champion),
        ("challenger", g.challenger),
        *traffic(g.inputs, "with label and both answers"),
        ("policy", f"headline {p.headline.replace('_', '-')}, parts {p.parts.replace('_', ' ')}, level {p.level:g}"),
    )
