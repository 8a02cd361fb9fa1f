"""From evidence to an Altair chart: the same drawing as in the report, on white, with its sentence under the title."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.report.charts.standalone import standalone_spec

if TYPE_CHECKING:
    from altair.typing import ChartType

    from backslide.contracts.evidence import Evidence
    from backslide.report.charts.parts import Spec

WIDTH = 480


def draw(evidence: Evidence) -> ChartType:
    """The chart of a piece of evidence."""
    return chart(standalone_spec(evidence, width=WIDTH))


def chart(spec: Spec) -> ChartType:
    """An Altair chart of a specification: it displays in notebooks, takes ``.properties`` and saves itself."""
    import altair  # half a second: only when something is drawn

    # Named rather than left to Chart.from_dict, which tries every kind of chart in turn.
    kind = altair.HConcatChart if "hconcat" in spec else altair.LayerChart if "layer" in spec else altair.Chart
    return kind.from_dict(spec)
