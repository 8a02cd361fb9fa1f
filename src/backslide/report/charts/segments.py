"""Segments with their size, metric and change: as a drawing for export, and as a table with bars for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from backslide.contracts import say
from backslide.report.charts.palette import CURRENT, FAINT, REFERENCE
from backslide.report.charts.parts import (
    MOST_ROWS,
    distinct,
    dots_around_zero,
    level_writer,
    points_or_plain,
    same_length,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from backslide.contracts.evidence import SegmentRow, Segments
    from backslide.report.charts.parts import Spec

BAR = 120
"""Pixels of a bar in the table."""
MOST_IN_TABLE = 60


@dataclass(frozen=True, slots=True)
class SegmentLine:
    """One row of the table, written out, with its two small drawings."""

    segment: str
    rows: str
    sizes: Markup
    before: str
    after: str
    change: str
    interval: str
    bar: Markup
    contribution: str
    flagged: bool


def segments(evidence: Segments, width: int) -> Spec:
    """The change of each segment with its interval around zero; flagged ones are filled."""
    same_length(evidence.rows)
    rows = evidence.rows[:MOST_ROWS]
    names = distinct(row.segment for row in rows)
    write = points_or_plain(share=evidence.share)
    values = [
        {"name": name, "value": row.change, "low": row.low, "high": row.high, "flagged": row.flagged}
        | {"text": "no estimate" if row.change is None else write(row.change), "tip": _tip(row, evidence)}
        for name, row in zip(names, rows, strict=True)
    ]
    dot = {"type": "point", "size": 48, "color": CURRENT, "opacity": 1, "aria": True}
    dots = [
        {"transform": [{"filter": "datum.flagged"}], "mark": dot | {"filled": True}},
        {"transform": [{"filter": "!datum.flagged"}], "mark": dot | {"filled": False}},
    ]
    return dots_around_zero(
        values,
        dots,
        width,
        title=f"change of {evidence.metric}",
        left_out=len(evidence.rows) - len(rows),
        share=evidence.share,
        most_side=190,
        numbers=72,
    )


def _tip(row: SegmentRow, evidence: Segments) -> str:
    level, write = _level(evidence), points_or_plain(share=evidence.share)
    tip = f"{row.segment}: {level(row.reference)} → {level(row.current)}"
    if row.contribution is not None:
        tip += f", adds {write(row.contribution)} to the change"
    return f"{tip}, {say.counted(row.current_rows, 'row')} now"


def lines(evidence: Segments) -> tuple[SegmentLine, ...]:
    """The rows as a table shows them.

    Raises:
        ValueError: when there are none.
    """
    same_length(evidence.rows)
    rows = evidence.rows[:MOST_IN_TABLE]
    ends = [v for row in rows for v in (row.change, row.low, row.high) if v is not None]
    low, high = min(0.0, *ends, 0.0), max(0.0, *ends, 0.0)
    most = max((max(row.reference_rows, row.current_rows) for row in rows), default=0)
    level, write = _level(evidence), points_or_plain(share=evidence.share)
    number = points_or_plain(share=evidence.share, suffix=False)
    return tuple(
        SegmentLine(
            segment=row.segment,
            rows=f"{say.count(row.reference_rows)} → {say.count(row.current_rows)}",
            sizes=_sizes(row, most),
            before=level(row.reference),
            after=level(row.current),
            change="" if row.change is None else write(row.change),
            interval="" if row.low is None or row.high is None else f"{number(row.low)} to {number(row.high)}",
            bar=_bar(row, low, high),
            contribution="" if row.contribution is None else write(row.contribution),
            flagged=row.flagged,
        )
        for row in rows
    )


def _level(evidence: Segments) -> Callable[[float | None], str]:
    """Writes a level of the metric; a dash where there is none."""
    write = level_writer(share=evidence.share)
    return lambda value: "–" if value is None else write(value)


def _sizes(row: SegmentRow, most: int) -> Markup:
    """Two thin bars: rows before, full; rows now, outlined."""
    widths = [round(1 + 58 * count / most, 1) if most else 1.0 for count in (row.reference_rows, row.current_rows)]
    return _svg(
        60,
        f'<rect y="2" width="{widths[0]}" height="5" fill="{REFERENCE}"/>'
        f'<rect x=".5" y="9.5" width="{max(0.5, widths[1] - 1)}" height="4" fill="{CURRENT}" fill-opacity=".35" '
        f'stroke="{CURRENT}"/>',
    )


def _bar(row: SegmentRow, low: float, high: float) -> Markup:
    """The change with its interval on the common scale, around zero."""
    if row.change is None or high == low:
        return Markup("")

    def at(value: float) -> float:
        return round(5 + (BAR - 10) * (value - low) / (high - low), 1)

    zero = f'<path d="M{at(0.0)},0v16" stroke="{FAINT}"/>'
    interval = ""
    if row.low is not None and row.high is not None:
        interval = f'<path d="M{at(row.low)},8H{at(row.high)}" stroke="{CURRENT}" stroke-width="2"/>'
    fill = f'fill="{CURRENT}"' if row.flagged else 'fill="var(--paper)"'
    dot = f'<circle cx="{at(row.change)}" cy="8" r="3.5" {fill} stroke="{CURRENT}" stroke-width="1.5"/>'
    return _svg(BAR, zero + interval + dot)


def _svg(width: int, body: str) -> Markup:
    """The numbers stand beside it in the table: for assistive technology it is decoration."""
    return Markup(f'<svg aria-hidden="true" width="{width}" height="16" viewBox="0 0 {width} 16">{body}</svg>')
