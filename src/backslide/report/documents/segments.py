"""A search for segments as a page: the change shared out, the combinations that explain it, and what fits nearly as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.escape import cleaned
from backslide.contracts.evidence import Waterfall, WaterfallStep
from backslide.contracts.say import Unit
from backslide.report.documents.gate import glance
from backslide.report.documents.page import Page, PageFact, PageSection, Row, rows, table_section

if TYPE_CHECKING:
    from backslide.contracts.segments import RatioPeriod, RatioSegment, SegmentReport


def segments_page(report: SegmentReport) -> Page:
    """Strings of foreign origin are made safe to show first."""
    r = cleaned(report)
    unit = Unit.of(r.ratio, classification=r.share, level=r.current.ratio, change=r.change)
    found = r.explanation
    return Page(
        model=r.ratio,
        about="which segments explain the change?",
        verdict=say.counted(len(found), "segment") if found else "No segment stands out",
        sign="◣" if found else "●",
        tone="degraded_in_part" if found else "inconclusive",
        headline=say.sentence(r.summary),
        facts=_facts(r, unit),
        sections=(*glance(_waterfall(r)), *_tables(r, unit)),
        inputs=_inputs(r),
        notes=r.notes,
    )


def _facts(r: SegmentReport, unit: Unit) -> tuple[PageFact, ...]:
    levels = f"{unit.level(r.reference.ratio)} → {unit.level(r.current.ratio)}"
    return (
        PageFact(r.ratio, levels, (unit.estimate(r.change),)),
        PageFact("of it other rows", unit.change(r.mix), ("each with its usual ratio",)),
        PageFact("not explained", unit.change(r.rest)),
    )


def _waterfall(r: SegmentReport) -> Waterfall:
    steps = [WaterfallStep(label="reference", value=r.reference.ratio, role="level")]
    steps.append(WaterfallStep(label="other rows", value=r.mix, role="cause"))
    for one in r.explanation:
        p = one.points
        steps.append(WaterfallStep(label=one.condition, value=p.estimate, low=p.low, high=p.high, role="cause"))
    steps.append(WaterfallStep(label="not explained", value=r.rest, role="unexplained"))
    steps.append(WaterfallStep(label="current", value=r.current.ratio, role="level"))
    reading = "From the reference through what other rows and the segments add to the current ratio."
    return Waterfall(title="The change shared out", reading=reading, y=r.ratio, steps=tuple(steps), share=r.share)


def _tables(r: SegmentReport, unit: Unit) -> tuple[PageSection, ...]:
    found, rivals = r.explanation, tuple(one for one in r.segments if one.instead_of is not None)
    columns = ("segment", "adds", "95% interval", "share of the change", f"share of {r.denominator}", "inside")
    sections = []
    if found:
        reading = "Each on rows that earlier ones leave; what it adds is beyond what the reference leads to expect of its rows."
        lines = tuple(_cells(one, unit) for one in found)
        sections.append(table_section("Segments that explain the change", reading, columns, lines, depth="brief"))
    if rivals:
        reading = "The same rows, cut more widely or more narrowly: these explain the change less well, and add nothing to it."
        lines = tuple(_cells(one, unit) for one in rivals)
        sections.append(table_section(f"Nearly as well as {found[0].condition}", reading, columns, lines))
    return tuple(sections)


def _cells(one: RatioSegment, unit: Unit) -> tuple[str, ...]:
    of_it = "" if one.share_of_change is None else say.percent(one.share_of_change, 0)
    inside = f"{'no such rows' if one.reference is None else unit.level(one.reference)} → {unit.level(one.current)}"
    return (
        one.condition,
        unit.change(one.points.estimate),
        unit.interval(one.points),
        of_it,
        say.percent(one.share),
        inside,
    )


def _inputs(r: SegmentReport) -> tuple[Row, ...]:
    return rows(
        ("rows from", r.source),
        ("reference", _period(r.reference, r)),
        ("current", _period(r.current, r)),
        ("attributes", ", ".join(r.attributes)),
        ("combinations tried", say.count(r.tried)),
        ("correlation of rows of one combination and time", say.number(r.correlation, 2)),
    )


def _period(period: RatioPeriod, r: SegmentReport) -> str:
    sums = f"{r.numerator} {say.number(period.numerator, 9)} of {r.denominator} {say.number(period.denominator, 9)}"
    return f"{period.span}: {say.counted(period.rows, 'row')}, {say.counted(period.times, 'time')}, {sums}"
