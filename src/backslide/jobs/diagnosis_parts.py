"""Parts of a diagnosis that do not depend on how it was come to: the metric in both windows, warnings, versions."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from math import isfinite

import polars as pl

from backslide.case import Case, Side
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Inputs, MetricChange, WindowCounts, WindowPeriod
from backslide.contracts.finding import Estimate, Outcome, Severity, Status, Step
from backslide.engine.columns import names
from backslide.engine.profile.daily_profiles import UNDATED
from backslide.jobs.verdict import Judgement
from backslide.playbook.verify.label_coverage import LABELS
from backslide.stats.metrics.metric import Metric

_LIBRARIES = ("backslide", "polars", "numpy", "scipy", "scikit-learn", "pandas")


def metric_change(case: Case, judgement: Judgement) -> MetricChange:
    change = judgement.change
    before, after = (
        (_level(side, case.metric) for side in case.sides) if change is None else (change.reference, change.current)
    )
    return MetricChange(
        name=case.metric.name,
        higher_is_better=case.metric.higher_is_better,
        reference=before,
        current=after,
        change=None if change is None else Estimate(estimate=change.estimate, low=change.low, high=change.high),
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


def _library_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions


def inputs_of(case: Case, notes: Iterable[str]) -> Inputs:
    """What the diagnosis rests on, with what must be said of it; of a stored profile there is no sample."""
    windows = {side.window.name: side.window for side in case.sides}
    rows, labelled, sampled = (
        WindowCounts(reference=ref, current=cur)
        for ref, cur in (
            [side.window.rows for side in case.sides],
            [side.window.labelled for side in case.sides],
            [0 if side.stored is not None else side.sample.height for side in case.sides],
        )
    )
    return Inputs(
        task=case.problem.task,
        rows=rows,
        labelled=labelled,
        sampled=sampled,
        features=case.problem.features,
        classes=case.problem.classes,
        sources={name: window.source for name, window in windows.items()},
        periods={name: period for name, side in zip(windows, case.sides, strict=True) if (period := _period(side))},
        days_compared=case.days_compared,
        model_versions={name: window.versions for name, window in windows.items() if window.versions},
        versions=_library_versions(),
        notes=tuple(dict.fromkeys(notes)),
    )


def _period(side: Side) -> WindowPeriod | None:
    """First and last time of a window and its days; of stored profiles the first and last whole day."""
    if not side.window.has_time:
        return None
    if side.stored is not None:
        days = sorted(day for day in side.stored.days if day != UNDATED)
        return WindowPeriod(start=f"{days[0]}T00:00:00Z", end=f"{days[-1]}T23:59:59Z", days=len(days))
    time = pl.col(names.TIME)
    low, high, count = (
        side.window.frame.select(time.min().alias("a"), time.max().alias("b"), pl.col(names.DAY).n_unique().alias("c"))
        .collect(engine="streaming")
        .row(0)
    )
    if low is None:
        return None
    return WindowPeriod(start=f"{low.isoformat()}Z", end=f"{high.isoformat()}Z", days=int(count))
