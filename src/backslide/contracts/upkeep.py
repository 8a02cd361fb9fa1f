"""[retrain] and [gate] of backslide.toml: how a candidate is trained, and what it must show before it may answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GateSettings(_Section):
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
    """Rise of the calibration error that is put up with."""
    max_latency_ms: float | None = Field(default=None, gt=0)
    """Median time of a call with one row."""
    max_size_mb: float | None = Field(default=None, gt=0)
    level: float = Field(default=0.05, gt=0, lt=0.5)
    """One-sided error rate of the headline, and of all classes and segments together."""
    min_rows: int = Field(default=30, ge=2)
    """Labelled rows of a class or segment under which it is not judged."""
