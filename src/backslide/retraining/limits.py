"""How fast an artefact answers and how large it is, measured only where a limit is set."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl

from backslide.contracts.gate import GateLine
from backslide.contracts.retrain_settings import GateSettings
from backslide.models.model import Model
from backslide.stack.artefact import content_digest

CALLS = 31
"""Calls with one row each; their median forgives a busy machine."""
MEGABYTE = 1e6


def limits(
    old: Model | None, new: Model | None, rows: pl.DataFrame, policy: GateSettings, base: Path
) -> tuple[GateLine, ...]:
    """Lines for latency and size."""
    measures: tuple[tuple[Any, str, float | None, Callable[[Model | None], float | None]], ...] = (
        ("latency", "milliseconds", policy.max_latency_ms, lambda model: _latency(model, rows)),
        ("size", "megabytes", policy.max_size_mb, lambda model: _size(model, base)),
    )
    return tuple(_line(kind, unit, most, measure(old), measure(new)) for kind, unit, most, measure in measures if most)


def _line(kind: Any, unit: str, limit: float, old: float | None, new: float | None) -> GateLine:
    return GateLine(
        kind=kind,
        name=kind,
        metric=unit,
        rule=f"at most {limit:g} {unit}",
        margin=limit,
        old=old,
        new=new,
        passed=None if new is None else new <= limit,
        note="" if new is not None else "it cannot be measured",
    )


def _latency(model: Model | None, rows: pl.DataFrame) -> float | None:
    """Median milliseconds of a call with one row."""
    if model is None or not rows.height:
        return None
    took = []
    for k in range(CALLS):
        row = rows[k % rows.height]
        start = perf_counter()
        model.answer(row)
        took.append(perf_counter() - start)
    return float(np.median(took)) * 1000


def _size(model: Model | None, base: Path) -> float | None:
    """Megabytes of the file, or of what a file would hold."""
    if model is None:
        return None
    path = base / model.name
    if path.exists():
        return content_digest(path)[1] / MEGABYTE
    import joblib

    buffer = io.BytesIO()
    try:
        joblib.dump(model.artefact, buffer)
    except Exception:  # not everything can be pickled; that is no reason to stop
        return None
    return None if model.artefact is None else buffer.tell() / MEGABYTE
