"""Each kind of evidence as one Vega-Lite specification: the page, a notebook and a server draw from the same values.

Foreign strings only ever stand in the data and in titles, never as field names or expressions. Numbers are written by
``report.numbers``, so that a chart and the sentence beside it say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backslide.contracts.evidence import (
    Bars,
    Density,
    Histograms,
    Matrix,
    Ranking,
    Reliability,
    Scatter,
    Segments,
    Series,
    Table,
    Waterfall,
)
from backslide.report.charts.density_map import density
from backslide.report.charts.distributions import bars, histograms
from backslide.report.charts.parts import CONFIG, Spec
from backslide.report.charts.relations import reliability, scatter
from backslide.report.charts.rows import matrix, ranked, table, waterfall
from backslide.report.charts.segments import segments
from backslide.report.charts.time import series

if TYPE_CHECKING:
    from collections.abc import Callable

    from backslide.contracts.evidence import Evidence

WIDTH = 380
"""Whole width of a chart in pixels: two stand beside each other on a desk, one fills a phone."""


def chart_spec(evidence: Evidence, *, width: int = WIDTH) -> Spec:
    """The Vega-Lite specification of a piece of evidence, ``width`` pixels wide in all.

    Raises:
        ValueError: when the parts of the evidence do not fit each other (lengths, no bins).
    """
    body = _DRAW[type(evidence)](evidence, width)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": evidence.title, "anchor": "start", "limit": width},
        "description": evidence.reading,
        "background": "transparent",
        "config": CONFIG,
        **body,
    }


_DRAW: dict[type, Callable[[Any, int], Spec]] = {
    Histograms: histograms,
    Bars: bars,
    Series: series,
    Ranking: ranked,
    Matrix: matrix,
    Waterfall: waterfall,
    Table: table,
    Reliability: reliability,
    Scatter: scatter,
    Density: density,
    Segments: segments,
}
