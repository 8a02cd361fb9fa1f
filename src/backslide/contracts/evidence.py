"""Charts are values: what a check hands over so that any surface can draw it.

Each kind carries aggregated data (never rows), a title, and a one-sentence ``reading`` that is both caption and text alternative.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from backslide.contracts.values import Value


class _Chart(Value):
    """What every kind has, first in its JSON."""

    kind: str
    title: str
    reading: str


class Histograms(_Chart):
    """The same numeric quantity in both windows, as shares of rows per bin ``[edges[i], edges[i+1])``."""

    kind: Literal["histograms"] = "histograms"
    x: str
    """What the axis shows, with unit."""
    edges: tuple[float, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    marks: dict[str, float] = {}
    """Named vertical lines, such as a decision threshold."""


class Bars(_Chart):
    """Shares of the same categories in both windows, in a shared order."""

    kind: Literal["bars"] = "bars"
    x: str
    categories: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    share: bool = True
    """Whether the values are shares (drawn as percentages) or plain numbers."""


class SeriesPoint(Value):
    """One block of time: its value with interval and the window it belongs to."""

    at: str
    value: float
    low: float | None = None
    high: float | None = None
    window: Literal["reference", "current"]
    rows: int | None = None


class Series(_Chart):
    """A quantity over time with intervals, a horizontal band of what is usual, and dated events."""

    kind: Literal["series"] = "series"
    y: str
    points: tuple[SeriesPoint, ...]
    band: tuple[float, float] | None = None
    events: dict[str, str] = {}
    """Name of the event -> ISO time."""
    share: bool = False
    """Whether the values are fractions drawn as percentages."""


class RankedRow(Value):
    """One line of a ranked list."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""

    @classmethod
    def of(cls, label: str, change: Any, note: str = "") -> Self:
        """The line of anything with ``estimate``, ``low`` and ``high``."""
        return cls(label=label, value=change.estimate, low=change.low, high=change.high, note=note)


class Ranking(_Chart):
    """Signed values with intervals, most important first."""

    kind: Literal["ranked"] = "ranked"
    x: str
    rows: tuple[RankedRow, ...]
    share: bool = False


class Matrix(_Chart):
    """A table of signed numbers by row and column name, such as the change of a confusion matrix."""

    kind: Literal["matrix"] = "matrix"
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row_title: str
    column_title: str
    values: tuple[tuple[float | None, ...], ...]
    share: bool = True


class WaterfallStep(Value):
    """One step of a waterfall: a total (``level``) or a signed change."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    role: Literal["level", "cause", "unexplained"]


class Waterfall(_Chart):
    """From the reference metric through each cause's points to the current one."""

    kind: Literal["waterfall"] = "waterfall"
    y: str
    steps: tuple[WaterfallStep, ...]
    share: bool = True


class Table(_Chart):
    """Plain rows for what is read rather than seen."""

    kind: Literal["table"] = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]


class ReliabilityBin(Value):
    """Rows of one window whose scores lie together: their mean score and how often they were right to say so."""

    window: Literal["reference", "current"]
    predicted: float
    """Mean score of the rows."""
    observed: float
    """Share of the rows that are of the class."""
    low: float | None = None
    high: float | None = None
    rows: int = 0


class Reliability(_Chart):
    """Calibration of both windows: observed share against mean score; the diagonal is perfect."""

    kind: Literal["reliability"] = "reliability"
    x: str
    bins: tuple[ReliabilityBin, ...]
    """By window and rising score."""


class ScatterPoint(Value):
    """One named point; ``flagged`` ones are drawn strong and labelled."""

    label: str
    x: float
    y: float
    flagged: bool = False
    note: str = ""


class Scatter(_Chart):
    """Named points on two axes, such as how far each feature moved against how much the model leans on it."""

    kind: Literal["scatter"] = "scatter"
    x: str
    y: str
    points: tuple[ScatterPoint, ...]
    x_share: bool = False
    y_share: bool = False


class DensityCell(Value):
    """One cell of a map: the shares of both windows' rows that lie in it."""

    x: float
    """Its centre."""
    y: float
    reference: float
    current: float


class Density(_Chart):
    """A map of both windows on two axes, as shares of rows by cell of an even grid; no row is in it."""

    kind: Literal["density"] = "density"
    x: str
    y: str
    step: tuple[float, float]
    """Width and height of a cell."""
    cells: tuple[DensityCell, ...]
    """Those that hold rows of either window."""


class SegmentRow(Value):
    """One segment: its size in both windows, its metric in both, the change, and what it adds to the overall change."""

    segment: str
    """Expression over columns."""
    reference_rows: int
    current_rows: int
    reference: float | None
    current: float | None
    change: float | None
    low: float | None = None
    high: float | None = None
    contribution: float | None = None
    """Signed like the change; what of the overall change happens in this segment."""
    flagged: bool = False


class Segments(_Chart):
    """A table of segments with bars, most important first."""

    kind: Literal["segments"] = "segments"
    metric: str
    rows: tuple[SegmentRow, ...]
    share: bool = True


Evidence = Annotated[
    Histograms | Bars | Series | Ranking | Matrix | Waterfall | Table | Reliability | Scatter | Density | Segments,
    Field(discriminator="kind"),
]
