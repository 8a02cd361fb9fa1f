"""A specification taken apart: its layers with their rows, and one scale for each direction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backslide.report.charts.drawing.limits import UnsupportedError, check
from backslide.report.charts.drawing.scales import Linear, Logarithmic, Pixels, Rows, Time, ends, nice

if TYPE_CHECKING:
    from collections.abc import Callable

    from backslide.report.charts.drawing.scales import AxisScale
    from backslide.report.charts.parts import Spec

BAND, OUTSIDE = 0.8, 0.2
"""Share of a row that grouped bars take, and of one that lies before the first and after the last, as Vega-Lite has them."""
_TERM = re.compile(r"(?:isValid\(datum\.(\w+)\)|(!?)datum\.(\w+)(?: ([!=])== '(\w+)')?)")
DIRECTIONS = {"x": ("x", "x2"), "y": ("y", "y2")}


@dataclass(frozen=True)
class Layer:
    """Marks of one kind."""

    mark: Spec
    encoding: dict[str, Spec]
    rows: list[Spec]


@dataclass(frozen=True)
class Plot:
    """What is drawn within the axes."""

    width: float
    height: float
    layers: list[Layer]
    scales: dict[str, AxisScale]
    axes: dict[str, Spec]
    """For each direction with an axis the encoding that describes it."""
    offset: Rows | None
    """Where bars of one row stand within it."""


def plan(spec: Spec) -> Plot:
    """The parts of a specification.

    Raises:
        UnsupportedError: it holds what is not drawn here.
    """
    check(spec)
    layers = [_layer(layer, spec) for layer in spec.get("layer", [spec])]
    offset = _offset(layers)
    sizes = {"x": spec["width"], "y": spec["height"]}
    scales, axes = dict[str, Any](), {}
    for direction, size in sizes.items():
        encodings = [
            (layer, layer.encoding[c]) for layer in layers for c in DIRECTIONS[direction] if c in layer.encoding
        ]
        shown = [(layer, e) for layer, e in encodings if "field" in e and e.get("scale", {}) is not None]
        typed = [(layer, e) for layer, e in shown if "type" in e]
        if not typed:
            scales[direction] = Pixels()
            sizes[direction] = size["step"] if isinstance(size, dict) else size
            continue
        first = typed[0][1]
        scales[direction], sizes[direction] = _scale(first, shown, size, offset, upwards=direction == "y")
        if first.get("axis", True) is not None:
            axes[direction] = first
    return Plot(sizes["x"], sizes["y"], layers, scales, axes, offset)


def _layer(layer: Spec, spec: Spec) -> Layer:
    data: Spec = layer.get("data") or spec.get("data") or {}
    rows: list[Spec] = data.get("values", [])
    for step in layer.get("transform", []):
        keep = [_term(term) for term in step["filter"].split(" && ")]
        rows = [row for row in rows if all(term(row) for term in keep)]
    mark = layer["mark"] if isinstance(layer["mark"], dict) else {"type": layer["mark"]}
    return Layer(mark, layer.get("encoding", {}), rows)


def _term(text: str) -> Callable[[Spec], bool]:
    form = _TERM.fullmatch(text)
    if form is None:
        raise UnsupportedError(f"filter {text}")
    known, negated, field, comparison, value = form.groups()
    if known:
        return lambda row: row.get(known) is not None
    if comparison:
        return lambda row: (row.get(field) == value) == (comparison == "=")
    return lambda row: bool(row.get(field)) != bool(negated)


def _offset(layers: list[Layer]) -> Rows | None:
    offsets = [layer.encoding["yOffset"] for layer in layers if "yOffset" in layer.encoding]
    if not offsets:
        return None
    names = tuple(offsets[0]["scale"]["domain"])
    return Rows(names, 1.0, 0.0, 1.0)


def _scale(
    first: Spec, shown: list[tuple[Layer, Spec]], size: Any, offset: Rows | None, *, upwards: bool
) -> tuple[AxisScale, float]:
    """A scale and the pixels that it takes."""
    if first["type"] in ("nominal", "ordinal"):
        return _rows(first, shown, size, offset)
    span = (float(size), 0.0) if upwards else (0.0, float(size))
    options: Spec = {}
    for _, encoding in shown:
        options = encoding.get("scale") or options
    values = [row[e["field"]] for layer, e in shown for row in layer.rows if row.get(e["field"]) is not None]
    domain = tuple(options["domain"]) if "domain" in options else ends(values) if values else (0.0, 1.0)
    if first["type"] == "temporal":
        return Time(domain, span), size
    if options.get("type") == "log":
        return Logarithmic(domain, span), size
    if "domain" not in options:
        if options.get("zero", True):
            domain = min(0.0, domain[0]), max(0.0, domain[1])
        room = options.get("padding", 0) * (domain[1] - domain[0]) / max(size - 2 * options.get("padding", 0), 1)
        domain = domain[0] - room, domain[1] + room
        domain = nice(*domain) if options.get("nice", True) else domain
    return Linear(domain, span), size


def _rows(first: Spec, shown: list[tuple[Layer, Spec]], size: Any, offset: Rows | None) -> tuple[Rows, float]:
    present = {row[e["field"]]: None for layer, e in shown for row in layer.rows if e["field"] in row}
    names = tuple(name for name in first.get("sort", sorted(present)) if name in present)
    if not names:
        raise UnsupportedError("no rows")
    if isinstance(size, dict) and offset is not None:
        band = size["step"] * len(offset.names)
        step = band / BAND
        return Rows(names, step, OUTSIDE * step, band), step * (len(names) - (1 - BAND) + 2 * OUTSIDE)
    step = size["step"] if isinstance(size, dict) else size / len(names)
    return Rows(names, step, 0.0, step), step * len(names)
