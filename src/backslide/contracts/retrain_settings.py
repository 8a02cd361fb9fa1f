"""[retrain] and [gate] of backslide.toml: how a candidate is trained, and what it must show before it may answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backslide.contracts.validation import SettingsSection

Window = Literal["all", "recent", "recency", "balanced", "importance", "top_up", "since", "recalibrated"]
WINDOWS: tuple[Window, ...] = (
    "all",
    "recent",
    "recency",
    "balanced",
    "importance",
    "top_up",
    "since",
    "recalibrated",
)


class GateSettings(SettingsSection):
    """[gate]: when a challenger may take over."""

    headline: Literal["superior", "non_inferior"] = "superior"
    """``superior``: shown to gain, and by at least ``margin``; ``non_inferior``: shown to lose less than ``margin``."""
    margin: float | None = Field(default=None, ge=0)
    """In the headline's unit; default: what is material, ``[model] min_effect``."""
    parts: Literal["harm_shown", "safety_shown"] = "harm_shown"
    """A class or segment holds a challenger when its harm is shown; or, stricter, unless its safety is shown."""
    class_margin: float | None = Field(default=None, ge=0)
    """Loss of F1 of a class that is put up with; default as ``margin``."""
    segment_margin: float | None = Field(default=None, ge=0)
    """Loss of the headline in a user segment that is put up with; default as ``margin``."""
    calibration_margin: float = Field(default=0.02, ge=0)
    """Rise of the calibration error that is put up with, where the Brier score is not shown to be better."""
    max_latency_ms: float | None = Field(default=None, gt=0)
    """Median time of a call with one row."""
    max_size_mb: float | None = Field(default=None, gt=0)
    level: float = Field(default=0.05, gt=0, lt=0.5)
    """One-sided error rate of the headline, and of all classes and segments together."""
    min_rows: int = Field(default=30, ge=2)
    """Labelled rows of a class or segment under which it is not judged."""


class RetrainSettings(SettingsSection):
    """[retrain]: how candidates are trained, and what is tried."""

    recipe: str | None = None
    """``module:function`` of (frame, labels, weights) that returns a fitted model, or the file of an unfitted estimator;
    default: a clone of ``reference_model`` without what it has learned."""
    label_time: str | None = None
    """Column: when the label of a row became known. What was not known at a moment is not used at that moment."""
    label_delay_days: float = Field(default=0, ge=0)
    """Without such a column: days after serving until a label is known."""
    windows: tuple[Window, ...] = WINDOWS
    """Training windows tried; ``recalibrated`` keeps the saved model and fits its answers to later labels."""
    recent: tuple[float, ...] = (0.25, 0.5)
    """Sizes of ``recent``, as shares of the labelled rows there are."""
    folds: int = Field(default=5, ge=2, le=20)
    """Origins of the backtest: each trains on what was known and is judged on the stretch that follows."""
    max_rows: int = Field(default=50_000, ge=200)
    """Rows that one candidate is trained on."""
    features: bool = True
    """Whether candidates without, or with coarsened, unstable features are tried."""
    curve: bool = True
    """Whether the worth of more labels is measured."""
    policies: bool = True
    """Whether retraining never, on schedule, on alarm and continuously is simulated."""
    diagnose: bool = True
    """Whether the cause of the drop is looked for first, where no diagnosis is given."""
    diagnosis: str | None = None
    """File of a diagnosis that was made before."""
    repaired: bool = False
    """Where a repair would fix it: go on with repaired rows instead of refusing."""
    registry: str | None = None
    """Folder of versions that a promoted candidate is written to."""
    mlflow: str | None = None
    """Name in the MLflow registry that a promoted candidate is registered under."""
