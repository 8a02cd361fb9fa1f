"""Parts of a diagnosis that do not depend on how it was come to: the metric in both windows, warnings, versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from math import isfinite

from backslide.case import Case, Side
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import MetricChange
from backslide.contracts.finding import Estimate, Outcome, Severity, Status, Step
from backslide.jobs.verdict import Judgement
from backslide.playbook.verify.label_coverage import LABELS
from backslide.stats.metrics.metric import Metric

_LIBRARIES = ("backslide", "polars", "numpy", "scipy", "scikit-learn", "pandas")


def metric_change(case: Case, judgement: Judgement) -> MetricChange:
    change = judgement.change
    if change is None:
        before, after = (_level(side, case.metric) for side in case.sides)
        return MetricChange(
            name=case.metric.name,
            higher_is_better=case.metric.higher_is_better,
            reference=before,
            current=after,
            change=None,
        )
    return MetricChange(
        name=case.metric.name,
        higher_is_better=case.metric.higher_is_better,
        reference=change.reference,
        current=change.current,
        change=Estimate(estimate=change.estimate, low=change.low, high=change.high),
    )


def _level(side: Side, metric: Metric) -> float | None:
    """The metric of one window, known from its own labels alone."""
    if side.window.labelled == 0:
        return None
    value = float(metric.value(side.units(metric).total))
    return value if isfinite(value) else None


def warnings_of(outcomes: tuple[Outcome, ...]) -> tuple[str, ...]:
    """Shifts of confidence, crowding, classes and error types, the first thing shown after the verdict; then what failed."""
    loud = [
        f.summary
        for o in outcomes
        if o.step == Step.VERIFY and o.code not in ("VER001", LABELS)
        for f in o.findings
        if f.severity.rank >= Severity.WARN.rank
    ]
    failed = [f"{o.code} could not run: {o.reason}" for o in outcomes if o.status == Status.FAILED]
    return (*loud[:8], *failed)


def unused_settings(settings: Settings) -> list[str]:
    """Settings that this version reads and does not use yet: said, not silently ignored."""
    if settings.artifacts.current_snapshot is not None:
        return []
    keys = {
        "[artifacts] reference_snapshot (without a current_snapshot)": settings.artifacts.reference_snapshot,
        "[artifacts] repository (without snapshots)": settings.artifacts.repository,
    }
    return [f"{key} is set and not evaluated by this version" for key, value in keys.items() if value]


def library_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
