"""Causes: the kinds there are, and a cause with its points, proof and next step."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from backslide.contracts.finding import Estimate
from backslide.contracts.rendering import Display
from backslide.contracts.values import Value

Family = Literal["data fault", "our own change", "the world"]


class CauseKind(StrEnum):
    """Every kind of cause in order of precedence: the earlier is the more specific name for the same points."""

    SCALER_REFIT = "scaler_refit"
    PREPROCESSING_CHANGE = "preprocessing_change"
    LIBRARY_CHANGE = "library_change"
    CONFIG_CHANGE = "config_change"
    CODE_CHANGE = "code_change"
    THRESHOLD_CHANGE = "threshold_change"
    OUTPUT_CHANGE = "output_change"
    MODEL_CHANGE = "model_change"
    DUPLICATED_ROWS = "duplicated_rows"
    LOST_ROWS = "lost_rows"
    SWAPPED_COLUMNS = "swapped_columns"
    SIGN_FLIP = "sign_flip"
    UNIT_CHANGE = "unit_change"
    CATEGORY_RECODE = "category_recode"
    SCHEMA_CHANGE = "schema_change"
    TEXT_CHANGE = "text_change"
    MISSING_VALUES = "missing_values"
    FROZEN_FEATURE = "frozen_feature"
    CLIPPED_RANGE = "clipped_range"
    ROUNDED_VALUES = "rounded_values"
    DEFAULT_VALUE = "default_value"
    UNSEEN_CATEGORY = "unseen_category"
    STALE_VALUES = "stale_values"
    BROKEN_JOIN = "broken_join"
    ADDED_NOISE = "added_noise"
    UNRECOGNISED_FAULT = "unrecognised_fault"
    LABEL_SHIFT = "label_shift"
    COVARIATE_SHIFT = "covariate_shift"
    CONCEPT_DRIFT = "concept_drift"

    @property
    def precedence(self) -> int:
        """0 for the most specific kind."""
        return list(CauseKind).index(self)

    @property
    def words(self) -> str:
        """The kind inside a sentence: ``unit change``."""
        return self.value.replace("_", " ")

    @property
    def meaning(self) -> str:
        """What the kind says, in one line."""
        return _MEANING[self][0]

    @property
    def remedy(self) -> str:
        """What usually undoes it, in one line."""
        return _MEANING[self][1]

    @property
    def family(self) -> Family:
        """Whether the rows, the serving stack or the world is to blame."""
        if self in (CauseKind.LABEL_SHIFT, CauseKind.COVARIATE_SHIFT, CauseKind.CONCEPT_DRIFT):
            return "the world"
        return "our own change" if self.precedence <= CauseKind.MODEL_CHANGE.precedence else "data fault"


_MEANING: dict[CauseKind, tuple[str, str]] = {
    CauseKind.SCALER_REFIT: (
        "a scaler was fitted again on other rows",
        "Serve the scaler that the model was trained with.",
    ),
    CauseKind.PREPROCESSING_CHANGE: (
        "the preprocessing in production differs from training",
        "Serve the preprocessing that the model was trained with, as one artefact.",
    ),
    CauseKind.LIBRARY_CHANGE: (
        "a library version changed what the model computes",
        "Pin the library to the version that the model was trained with.",
    ),
    CauseKind.CONFIG_CHANGE: (
        "a configuration value changed",
        "Restore the value, or retrain under the new one.",
    ),
    CauseKind.CODE_CHANGE: ("the serving code changed", "Review or revert the commits named."),
    CauseKind.THRESHOLD_CHANGE: (
        "decisions are made at another threshold of the scores",
        "Restore the decision threshold, or choose a new one on fresh labels.",
    ),
    CauseKind.OUTPUT_CHANGE: (
        "the answers were altered after the model gave them",
        "Write and serve the answers as the model gives them: same unit, same order of classes.",
    ),
    CauseKind.MODEL_CHANGE: (
        "another model answered than before",
        "Roll back to the former model, or gate the new one class by class.",
    ),
    CauseKind.DUPLICATED_ROWS: (
        "rows came several times, so some count more than once",
        "Make the load idempotent, or drop copies by request id before anything is counted.",
    ),
    CauseKind.LOST_ROWS: (
        "rows of a segment, or of some hours, stopped coming",
        "Find the filter, join or job that drops them upstream, and load them again.",
    ),
    CauseKind.SWAPPED_COLUMNS: (
        "two columns were exchanged",
        "Correct the column mapping in the pipeline upstream.",
    ),
    CauseKind.SIGN_FLIP: ("the sign, or the scale, of a column was reversed", "Turn the column back upstream."),
    CauseKind.UNIT_CHANGE: (
        "a column comes in another unit, scale or offset",
        "Convert the column back upstream, and validate its range on arrival.",
    ),
    CauseKind.CATEGORY_RECODE: (
        "categories were renamed or permuted",
        "Map the new codes back, or ship the encoder together with the codes.",
    ),
    CauseKind.SCHEMA_CHANGE: (
        "type or format of a column changed",
        "Restore the schema upstream, and check it on arrival.",
    ),
    CauseKind.TEXT_CHANGE: (
        "texts were truncated, garbled or wrapped",
        "Repair the text extraction upstream.",
    ),
    CauseKind.MISSING_VALUES: (
        "values of a column went missing",
        "Find where the column is lost upstream; backfill it.",
    ),
    CauseKind.FROZEN_FEATURE: (
        "a column is stuck at one value",
        "Restart or repair the feed of the column; backfill it.",
    ),
    CauseKind.CLIPPED_RANGE: ("values were cut off at a limit", "Remove the cap upstream."),
    CauseKind.ROUNDED_VALUES: ("values lost their precision", "Restore the precision upstream."),
    CauseKind.DEFAULT_VALUE: (
        "a default stands in for real values",
        "Find why the default is filled in upstream; send missing as missing.",
    ),
    CauseKind.UNSEEN_CATEGORY: (
        "categories appeared that the model has never seen",
        "Map the new categories, or retrain on rows that hold them.",
    ),
    CauseKind.STALE_VALUES: (
        "values are those of an earlier row, day or entity",
        "Refresh the table or cache that the column is read from, and join it as of the row's own time.",
    ),
    CauseKind.BROKEN_JOIN: (
        "values are attached to the wrong rows",
        "Repair the join key upstream.",
    ),
    CauseKind.ADDED_NOISE: ("a column became noisier", "Repair the sensor or source of the column."),
    CauseKind.UNRECOGNISED_FAULT: (
        "a column no longer fits the others; how it was changed is not known",
        "Check how the column has been made upstream since then, and compare its values with their source.",
    ),
    CauseKind.LABEL_SHIFT: (
        "the classes come in other proportions",
        "Correct the scores for the new class shares, or retrain with them.",
    ),
    CauseKind.COVARIATE_SHIFT: (
        "more rows come from where the model was always weak",
        "Retrain with more rows of the kind named.",
    ),
    CauseKind.CONCEPT_DRIFT: (
        "the same inputs now mean another outcome",
        "Retrain on freshly labelled rows.",
    ),
}


class Confidence(StrEnum):
    """How a cause is known, weakest first."""

    SUSPECTED = "suspected"
    SUPPORTED = "supported"
    VERIFIED = "verified"
    PROVEN = "proven"

    @property
    def rank(self) -> int:
        """0 for suspected up to 3 for proven."""
        return list(Confidence).index(self)


class Repair(Value):
    """The fault undone on the current rows and scored again."""

    description: str
    points_back: Estimate | None = None
    """Positive when undoing it helps, whatever the metric's direction."""


class Injection(Value):
    """The fault done to the reference rows and scored again; signed like the metric's change."""

    points: Estimate


class Began(Value):
    """When a cause began: the day, the days that it could be instead (95 %), and whether the metric changed then."""

    at: str
    low: str
    high: str
    coincides: bool | None = None
    """Whether the interval meets that of the metric's own change point; None where that is not known."""


class UpstreamJob(Value):
    """A job that a column comes from, as events of OpenLineage tell."""

    column: str
    """The column that it makes; of jobs farther up, the one that the broken column is made of."""
    dataset: str
    """What it writes: namespace/name."""
    job: str
    """namespace/name."""
    changed: str | None = None
    """When its code, its query or what it makes the column of last changed (ISO), no later than the current window ends; None
    where no event tells of a change."""
    change: str = ""
    """What changed then."""
    known_since: str
    """Its first event (ISO)."""
    inputs: tuple[str, ...] = ()
    """What it makes the column of: namespace/name.column."""


class Cause(Display):
    """Something that explains part of the change, priced in points of the metric."""

    rank: int
    kind: CauseKind
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    segment: str | None = None
    points: Estimate | None = None
    """Signed like ``metric.change``. None where neither labels nor a model allow a price."""
    unit: str = ""
    """Of the points: ``points`` where they are fractions, shown in hundredths; empty in the metric's own unit."""
    confidence: Confidence
    repair: Repair | None = None
    injection: Injection | None = None
    share_of_rows: float = 1.0
    since: str | None = None
    """First day of the current window on which it is seen (ISO), where timestamps allow."""
    until: str | None = None
    """Last day on which it is seen (ISO), where it ended before the window did."""
    began: Began | None = None
    """The same with an interval, where the days tell."""
    summary: str
    evidence: tuple[str, ...] = ()
    """Keys of findings: ``DRF001:income``."""
    next_step: str
    upstream: tuple[UpstreamJob, ...] = ()
    """Jobs that its columns come from, the nearest first, where ``[lineage]`` names events."""

    def one_line(self) -> str:
        about = ", ".join(self.features or self.classes)
        return f"Cause {self.rank}, {self.kind}{f' of {about}' if about else ''}, {self.confidence}: {self.summary}"


class LabelRequest(Value):
    """The fewest current rows, each drawn with a known probability, whose labels would decide: the verdict, or a suspect."""

    rows: int
    of_rows: int
    """Current rows that the draw is from."""
    uniform_rows: int
    """Rows that a draw with equal chances would take for the same interval."""
    file: str | None = None
    """Where the rows were written (``diagnose --ask``), with a column ``label`` to fill in."""
    interval_then: Estimate
    """The change of the metric, or the points of a suspect, with the interval once they are labelled, if it is as large as it
    looks now."""


class Suspect(Cause):
    """Something that may explain part of the change and is not proven enough to be a cause."""

    settle: str
    """What would decide whether it does."""
    label_request: LabelRequest | None = None
    """The rows that it concerns, where labels of some of them would decide it."""

    def one_line(self) -> str:
        return super().one_line().replace("Cause", "Suspect", 1)
