"""Charts of signed numbers by row: ranked lists, the waterfall, matrices and plain tables."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.report.charts.palette import BAND, CURRENT, FAINT, FALL, INK, PAPER, RISE
from backslide.report.charts.parts import (
    MOST_ROWS,
    axis_of,
    distinct,
    dots_around_zero,
    level_writer,
    points_or_plain,
    quantity,
    room_at_the_side,
    rows_axis,
    same_length,
    side_of,
    sized,
    values_at_the_side,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from backslide.contracts.evidence import Matrix, RankedRow, Ranking, Table, Waterfall, WaterfallStep
    from backslide.report.charts.parts import Spec


def ranked(evidence: Ranking, width: int) -> Spec:
    """A dot with its interval per row, around zero, the number written beside it."""
    same_length(evidence.rows)
    rows = evidence.rows[:MOST_ROWS]
    names = distinct(row.label for row in rows)
    write = points_or_plain(share=evidence.share)
    values = [
        {"name": name, "value": row.value, "low": row.low, "high": row.high}
        | {"text": write(row.value), "tip": _row_tip(row, write)}
        for name, row in zip(names, rows, strict=True)
    ]
    dot = {"type": "point", "filled": True, "size": 48, "color": CURRENT, "opacity": 1, "aria": True}
    left_out = len(evidence.rows) - len(rows)
    return dots_around_zero(values, [{"mark": dot}], width, title=evidence.x, left_out=left_out, share=evidence.share)


def _row_tip(row: RankedRow, write: Callable[[float], str]) -> str:
    tip = f"{row.label}: {write(row.value)}"
    if row.low is not None and row.high is not None:
        tip += f" [{write(row.low)} to {write(row.high)}]"
    return tip + (f", {row.note}" if row.note else "")


def waterfall(evidence: Waterfall, width: int) -> Spec:
    """From the reference level step by step to the current one; levels are ticks, since the axis does not start at zero."""
    same_length(evidence.steps)
    names = distinct(step.label for step in evidence.steps)
    values, at = [], 0.0
    for name, step in zip(names, evidence.steps, strict=True):
        start, at = (step.value, step.value) if step.role == "level" else (at, at + step.value)
        values.append(_waterfall_value(name, step, start, at, share=evidence.share))
    narrow = width < 520
    side = side_of(names, 130 if narrow else 280)
    right = 78 if narrow else 190
    plot = max(80, width - side - right)
    x = quantity("start", evidence.y, axis_of(share=evidence.share), zero=False, padding=8)
    y = rows_axis(names, side)
    colours = {"domain": ["level", "cause", "unexplained"], "range": [INK, CURRENT, FAINT]}
    colour = {"field": "role", "type": "nominal", "scale": colours, "legend": None}
    links = [{"at": a["end"], "name": a["name"], "next": b["name"]} for a, b in pairwise(values)]
    layers: list[Spec] = [
        {
            "data": {"values": links},
            "mark": {"type": "rule", "color": FAINT, "strokeWidth": 1, "strokeDash": [2, 2]},
            "encoding": {"x": {**x, "field": "at"}, "y": {**y, "field": "name"}, "y2": {"field": "next"}},
        },
        {
            "mark": {"type": "bar", "height": 14, "opacity": 1},
            "encoding": {"x": x, "x2": {"field": "end"}, "y": y, "color": colour},
        },
        {
            "transform": [{"filter": "datum.role === 'level'"}],
            "mark": {"type": "tick", "thickness": 4, "height": 20, "color": INK, "opacity": 1},
            "encoding": {"x": x, "y": y},
        },
        {
            "transform": [{"filter": "isValid(datum.low) && datum.role !== 'level'"}],
            "mark": {"type": "rule", "strokeWidth": 1.4, "color": INK},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
        },
        values_at_the_side(y, plot + 10, field="short" if narrow else "text"),
        room_at_the_side(plot + right),
    ]
    return sized(plot, {"step": 30}) | {"data": {"values": values}, "layer": layers}


def _waterfall_value(name: str, step: WaterfallStep, start: float, end: float, *, share: bool) -> Spec:
    write = points_or_plain(share=share)
    level = level_writer(share=share)
    text = short = level(step.value) if step.role == "level" else write(step.value)
    value = {"name": name, "role": step.role, "start": start, "end": end}
    if step.low is None or step.high is None or step.role == "level":
        return value | {"text": text, "short": short}
    number = points_or_plain(share=share, suffix=False)
    text += f" [{number(step.low)} to {number(step.high)}]"
    return value | {"text": text, "short": short, "low": start + step.low, "high": start + step.high}


MOST_CELLS_WIDE = 12
"""Rows and columns of a matrix that are drawn: those that hold the largest numbers."""


def matrix(evidence: Matrix, width: int) -> Spec:
    """Tinted cells with their numbers; the tint says the sign by hue and the size by depth."""
    same_length(evidence.rows, evidence.values)
    for line in evidence.values:
        same_length(line, evidence.columns)
    rows, columns = distinct(evidence.rows), distinct(evidence.columns)
    kept_rows = _heaviest(evidence.values)
    kept_columns = _heaviest(tuple(zip(*evidence.values, strict=True)))
    largest = max((abs(v) for line in evidence.values for v in line if v is not None), default=0.0)
    write = points_or_plain(share=evidence.share, suffix=False)
    cells = [(rows[i], columns[j], evidence.values[i][j]) for i in kept_rows for j in kept_columns]
    values = [
        {"row": row, "column": column, "text": "" if v is None else write(v), "tint": _tint(v, largest)}
        for row, column, v in cells
    ]
    # Cells never shrink below what their numbers need: a large matrix scrolls instead.
    step = max(44, min(70, (width - 140) // len(kept_columns)))
    longest = max(len(columns[j]) for j in kept_columns)
    axis: Spec = {"labelLimit": 110, "ticks": False, "domain": False, "grid": False}
    across = {**axis, "orient": "top", "labelAngle": 0 if 6.6 * longest <= step else -45}
    unit = " (cells: points)" if evidence.share else ""
    x = {"field": "column", "type": "nominal", "sort": columns, "axis": across}
    x["title"] = evidence.column_title + _of_all(kept_columns, columns) + unit
    side = side_of((rows[i] for i in kept_rows), 120)
    up = {**axis, "minExtent": side, "titlePadding": 8}
    y = {"field": "row", "type": "nominal", "sort": rows, "axis": up}
    y["title"] = evidence.row_title + _of_all(kept_rows, rows)
    place = {"x": x, "y": y}
    tint = {"field": "tint", "type": "nominal", "scale": None, "legend": None}
    cell = {"type": "rect", "stroke": PAPER, "strokeWidth": 2}
    number = {"type": "text", "fontSize": 11, "color": INK}
    layers = [
        {"mark": cell, "encoding": place | {"fill": tint}},
        {"mark": number, "encoding": place | {"text": {"field": "text"}}},
    ]
    return sized({"step": step}, {"step": 28}) | {"data": {"values": values}, "layer": layers}


def _heaviest(lines: Sequence[Sequence[float | None]]) -> list[int]:
    """Positions, in their own order, of the lines that hold the largest numbers."""
    weight = [max((abs(v) for v in line if v is not None), default=0.0) for line in lines]
    return sorted(sorted(range(len(lines)), key=lambda i: -weight[i])[:MOST_CELLS_WIDE])


def _of_all(places: list[int], names: list[str]) -> str:
    return "" if len(places) == len(names) else f", {len(places)} of {len(names)}"


def _tint(value: float | None, largest: float) -> str:
    if value is None or largest == 0 or abs(value) < 0.08 * largest:
        return PAPER if value is None else BAND
    tints = RISE if value > 0 else FALL
    return tints[min(2, int(3 * abs(value) / largest))]


def cell_text(cell: str | int | float | None) -> str:
    """A cell of a table as a person would write it; nothing for None."""
    if isinstance(cell, str):
        return cell
    return "" if cell is None else say.number(cell)


def table(evidence: Table, width: int) -> Spec:
    """Text in rows and columns; the page itself uses a real table instead."""
    values = [
        {"row": i, "column": j, "text": cell_text(cell)}
        for i, row in enumerate(evidence.rows[:MOST_ROWS])
        for j, cell in enumerate(row)
    ]
    values += [{"row": -1, "column": j, "text": name} for j, name in enumerate(evidence.columns)]
    encoding: Spec = {
        "x": {"field": "column", "type": "ordinal", "axis": None},
        "y": {"field": "row", "type": "ordinal", "axis": None},
        "text": {"field": "text"},
    }
    limit = width // max(1, len(evidence.columns))
    mark = {"type": "text", "limit": limit - 6, "color": INK}
    return sized(width - 20, {"step": 20}) | {"data": {"values": values}, "mark": mark, "encoding": encoding}
