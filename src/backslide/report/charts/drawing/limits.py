"""The limit of what is drawn here; beyond it the compiler of all of Vega-Lite takes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backslide.report.charts.parts import Spec

KNOWN = {
    part: frozenset(keys.split())
    for part, keys in {
        "chart": "$schema title description background config width height data layer mark encoding",
        "layer": "data transform mark encoding",
        "mark": "type color stroke strokeWidth strokeDash fillOpacity opacity interpolate height thickness filled size shape "
        "align dx baseline fontSize limit aria",
        "encoding": "x x2 y y2 yOffset color fill stroke strokeDash fillOpacity size text description",
        "channel": "field type title axis scale value sort legend",
        "scale": "type domain range zero nice padding",
        "axis": "format tickCount labelOverlap labelSeparation labelLimit minExtent maxExtent labelColor ticks domain grid "
        "orient labelAngle titlePadding",
    }.items()
}
"""Keys of each part of a specification that are read here, or change nothing here."""


class UnsupportedError(Exception):
    """A specification uses what is not drawn here."""


def check(spec: Spec) -> None:
    """Check that all that a specification says is drawn here.

    Raises:
        UnsupportedError: it is not.
    """
    _check("chart", spec)
    for layer in spec.get("layer", [spec]):
        if layer is not spec:
            _check("layer", layer)
        if isinstance(layer["mark"], dict):
            _check("mark", layer["mark"])
        _check("encoding", layer.get("encoding", {}))
        for channel in layer.get("encoding", {}).values():
            _check("channel", channel)
            for part in ("scale", "axis"):
                _check(part, channel.get(part) or {})


def _check(part: str, contents: Spec) -> None:
    unknown = contents.keys() - KNOWN[part]
    if unknown:
        raise UnsupportedError(f"{part}: {', '.join(sorted(unknown))}")
