"""From evidence to an Altair chart: the same drawing as in the report, on white, with its sentence under the title."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

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
    # Named rather than left to Chart.from_dict, which tries every kind of chart in turn.
    kind = "HConcatChart" if "hconcat" in spec else "LayerChart" if "layer" in spec else "Chart"
    drawing: ChartType = _offline(kind).from_dict(spec)
    return drawing


@cache
def _offline(kind: str) -> Any:
    """A kind of Altair chart that displays as a drawing: Altair's own display loads its renderer from the network."""
    import altair  # half a second: only when something is drawn

    def display(chart: Any, *_: object, **__: object) -> dict[str, str]:
        import vl_convert  # starts a JavaScript engine: only when something is drawn

        return {"image/svg+xml": vl_convert.vegalite_to_svg(chart.to_dict()), "text/plain": repr(chart)}

    return type(kind, (getattr(altair, kind),), {"_repr_mimebundle_": display})
