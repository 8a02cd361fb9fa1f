"""The whole answer: what every report is rendered from, without the data at hand."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from backslide.contracts.cause import Cause, LabelRequest, Suspect
from backslide.contracts.errors import InputError
from backslide.contracts.evidence import Waterfall
from backslide.contracts.finding import Estimate, Outcome
from backslide.contracts.rendering import PublishedAnswer, as_openlineage, framed, tracked
from backslide.contracts.values import Value, write_text

if TYPE_CHECKING:
    from polars import DataFrame

Task = Literal["binary", "multiclass", "regression"]


class Verdict(StrEnum):
    """Whether the model got worse."""

    DEGRADED = "degraded"
    DEGRADED_IN_PART = "degraded_in_part"
    NO_MATERIAL_CHANGE = "no_material_change"
    IMPROVED = "improved"
    INCONCLUSIVE = "inconclusive"

    @property
    def bad(self) -> bool:
        """Whether the command line exits with 1."""
        return self in (Verdict.DEGRADED, Verdict.DEGRADED_IN_PART)


class Action(StrEnum):
    """What to do now."""

    ROLL_BACK = "roll_back"
    FIX_PIPELINE = "fix_pipeline"
    FIX_UPSTREAM_DATA = "fix_upstream_data"
    RETRAIN = "retrain"
    RELABEL = "relabel"
    RECALIBRATE = "recalibrate"
    INVESTIGATE = "investigate"
    NONE = "none"


class Decision(Value):
    """What the person at 3 a.m. should do, and why."""

    action: Action
    reason: str


class MetricChange(Value):
    """The headline metric in both windows. ``change = current - reference``; None where not estimable (no labels)."""

    name: str
    higher_is_better: bool
    basis: Literal["all", "sample"] = "all"
    reference: float | None
    current: float | None
    change: Estimate | None


class DegradedPart(Value):
    """A class, segment or cost that is worse although the headline holds."""

    kind: Literal["class", "segment", "cost"]
    name: str
    metric: str
    reference: float
    current: float
    change: Estimate


class Detectable(Value):
    """The smallest change that these rows would have shown (80 % power at the verdict's error rate)."""

    estimate: float | None
    note: str


class Onset(Value):
    """When it began, with interval, and the events close by."""

    at: str
    low: str | None = None
    high: str | None = None
    events: tuple[str, ...] = ()


class WindowCounts(Value):
    """A count for each window."""

    reference: int
    current: int


LEAST_ROWS = 200
"""Rows of each window from which causes are looked for: fewer do not tell a fault from luck."""


def too_few(rows: WindowCounts, where: str = "") -> str:
    """Why no cause was looked for in so few rows, as a sentence; empty where there are enough."""
    sizes = {name: n for name, n in (("reference", rows.reference), ("current", rows.current)) if n < LEAST_ROWS}
    if not sizes:
        return ""
    have = " and the ".join(f"{name} window has {n}" for name, n in sizes.items())
    return f"No cause was looked for: that takes {LEAST_ROWS} rows in each window, and the {have}{where}."


class WindowPeriod(Value):
    """First and last timestamp of a window (ISO) and the number of days with rows."""

    start: str
    end: str
    days: int


class Inputs(Value):
    """What went in."""

    task: Task
    rows: WindowCounts
    labelled: WindowCounts
    sampled: WindowCounts
    """Rows used where a model must be called or rows are needed one by one."""
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    sources: dict[str, str] = {}
    periods: dict[str, WindowPeriod] = {}
    days_compared: str = ""
    """Which days of both windows are compared, where ``[windows] match`` leaves others out."""
    model_versions: dict[str, tuple[str, ...]] = {}
    """Model versions logged in each window."""
    versions: dict[str, str] = {}
    """Library versions of this run."""
    lineage: dict[str, str] = {}
    """``namespace`` and ``dataset`` of the logged rows in OpenLineage, where ``[lineage]`` names them."""
    made: str | None = None
    """When it was made (ISO, UTC), where the command line wrote it."""
    notes: tuple[str, ...] = ()
    """Said plainly: columns left alone, rows ignored, caveats of the intervals."""


class Diagnosis(PublishedAnswer):
    """Why a model got worse, ranked and priced. Renders anywhere without the data."""

    noun: ClassVar[str] = "a diagnosis"
    writer: ClassVar[str] = "backslide diagnose --json"
    format: Literal["backslide.diagnosis/1"] = "backslide.diagnosis/1"
    model: str
    verdict: Verdict
    summary: str
    """The verdict in one sentence."""
    parts: tuple[DegradedPart, ...] = ()
    warnings: tuple[str, ...] = ()
    decision: Decision
    metric: MetricChange
    detectable: Detectable
    onset: Onset | None = None
    causes: tuple[Cause, ...] = ()
    unexplained: Estimate | None = None
    suspects: tuple[Suspect, ...] = ()
    """What stands behind an inconclusive verdict, or beside causes that leave a part unexplained; most harmful first."""
    label_request: LabelRequest | None = None
    """Rows whose labels would decide an inconclusive verdict; None where it is not, or where no label would."""
    harmless: tuple[Cause, ...] = ()
    checks: tuple[Outcome, ...] = ()
    inputs: Inputs
    waterfall: Waterfall | None = None
    """The change taken apart, ready to draw; None where there is no change to explain."""

    def one_line(self) -> str:
        causes = f"{len(self.causes)} cause{'' if len(self.causes) == 1 else 's'}"
        return f"Diagnosis of {self.model}, {self.verdict}, {causes}: {self.summary}"

    def log_to_mlflow(self, run: Any = None) -> str:
        """Log report, verdict, first cause and metrics to an MLflow run; returns its id.

        ``run`` is an id or MLflow's object; without one it is the active run, else one of its own.

        Raises:
            MissingExtraError: MLflow is not installed.
            ModelError: the run is unknown, or the store refuses it.
        """
        return tracked(self, run)

    def to_openlineage(self, path: str | Path | None = None) -> str:
        """An event of OpenLineage with verdict, causes and findings as assertions; also written to ``path`` when one is given."""
        return write_text(as_openlineage(self), path)

    def to_frame(self, rows: Literal["causes", "findings"] = "causes") -> DataFrame:
        """One row per cause (suspects and harmless ones after those named) or per finding, as a Polars DataFrame.

        Raises:
            InputError: when asked for other rows.
        """
        if rows not in ("causes", "findings"):
            raise InputError(f"to_frame({rows!r}): a diagnosis has rows of 'causes' and 'findings'")
        frame: DataFrame = framed(self, rows)
        return frame
