"""Evidence laid out for the page: a drawing or a real table, with its title and the sentence that says the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from backslide.contracts import say
from backslide.contracts.evidence import Matrix, Segments, Table
from backslide.report.charts.rows import cell_text
from backslide.report.charts.segments import MOST_IN_TABLE, SegmentLine, lines
from backslide.report.charts.spec import WIDTH, chart_spec
from backslide.report.charts.svg import draw
from backslide.report.charts.timeline import timeline_svg

if TYPE_CHECKING:
    from backslide.contracts.evidence import Evidence, Waterfall
    from backslide.report.documents.timeline import Timeline

WIDE = 860
"""Width of the waterfall where there is room."""
NARROW = 360
"""Width of a timeline on a phone: what fits without shrinking its words."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One piece of evidence laid out."""

    title: str
    reading: str
    kind: str = ""
    svg: str = ""
    narrow: str = ""
    """The same drawing for a phone, where it would not shrink well."""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    segments: tuple[SegmentLine, ...] = ()
    """Rows of a table of segments with their bars; ``columns`` and ``rows`` hold the same without bars."""
    left_out: int = 0
    """Rows of the table that are not shown."""
    scrolls: bool = False
    """Whether the drawing may be wider than a phone and must not shrink."""


def is_table(evidence: Evidence) -> bool:
    """Whether the page shows it as a table, which costs little, rather than as a drawing."""
    return isinstance(evidence, (Table, Segments))


def figure(evidence: Evidence) -> Figure:
    """A piece of evidence ready for the page. What cannot be drawn keeps its sentence: a chart never costs a report."""
    title, reading, kind = evidence.title, evidence.reading, evidence.kind
    try:
        if isinstance(evidence, Table):
            rows = tuple(tuple(cell_text(cell) for cell in row) for row in evidence.rows)
            return Figure(title, reading, kind, columns=evidence.columns, rows=rows)
        if isinstance(evidence, Segments):
            return _segments(evidence)
        return Figure(title, reading, kind, svg=_drawing(evidence, WIDTH), scrolls=isinstance(evidence, Matrix))
    except ValueError:
        return Figure(title, reading, kind)


def _segments(evidence: Segments) -> Figure:
    shown = lines(evidence)
    columns = (
        "segment",
        "rows",
        "before",
        "now",
        f"change of {say.metric(evidence.metric)}",
        "adds to the change",
    )
    rows = tuple(
        (line.segment, line.rows, line.before, line.after, f"{line.change} {line.interval}".strip(), line.contribution)
        for line in shown
    )
    left_out = max(0, len(evidence.rows) - MOST_IN_TABLE)
    return Figure(
        evidence.title, evidence.reading, evidence.kind, columns=columns, rows=rows, segments=shown, left_out=left_out
    )


def waterfall_figure(evidence: Waterfall) -> Figure:
    """The waterfall at both widths."""
    try:
        wide, narrow = _drawing(evidence, WIDE), _drawing(evidence, WIDTH)
    except ValueError:
        return Figure(evidence.title, evidence.reading)
    return Figure(evidence.title, evidence.reading, evidence.kind, svg=wide, narrow=narrow)


def timeline_figure(timeline: Timeline) -> Figure:
    """A timeline at both widths."""
    try:
        wide, narrow = timeline_svg(timeline, WIDE), timeline_svg(timeline, NARROW)
    except ValueError:
        return Figure(timeline.title, timeline.reading)
    return Figure(timeline.title, timeline.reading, timeline.kind, svg=wide, narrow=narrow)


def _drawing(evidence: Evidence, width: int) -> Markup:
    return Markup(draw(chart_spec(evidence, width=width), evidence.reading))
