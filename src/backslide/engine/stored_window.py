"""Windows that are stored profiles: what counts and sums answer is known of them, and rows are not.

Whatever asks such a window for rows meets :class:`NoRowsError`, by way of its frame too: nothing is computed over rows that are
not there, and the runner lists the check as not applicable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import add
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from backslide.contracts import say
from backslide.contracts.config import Settings, WindowSettings
from backslide.contracts.errors import ColumnError, ConfigError, NoRowsError, SourceError
from backslide.contracts.roles import Roles
from backslide.engine.columns import names
from backslide.engine.profile.daily_profiles import UNDATED
from backslide.engine.profile.plan import Plan
from backslide.engine.profile.profile import Profile
from backslide.engine.profile.profile_store import ProfileManifest, ProfileStore, is_profile_store
from backslide.engine.roles import problem
from backslide.engine.roles.problem import Problem
from backslide.engine.sources.window_source import Cutting, cut_window
from backslide.engine.times.time_range import TimeRanges, parse_time_ranges
from backslide.engine.window import Window, WindowPair, open_windows


@dataclass(frozen=True)
class StoredWindow(Window):
    """A period of stored profiles."""

    plan: Plan = field(default_factory=Plan)
    """What of the stored plan the other window holds too."""
    days: dict[str, Profile] = field(default_factory=dict)
    """Day (ISO, or ``UNDATED``) -> its profile."""
    scales: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def whole(self) -> Profile:
        """All days added up."""
        return reduce(add, self.days.values())

    def sample(self, rows: int, *, seed: int) -> pl.DataFrame:  # there are none
        """Never: there are no rows.

        Raises:
            NoRowsError: always.
        """
        raise NoRowsError.of(self.name)

    def where(self, condition: pl.Expr, resolved: Problem) -> Window:  # there are none
        """Never: there are no rows to choose from.

        Raises:
            NoRowsError: always.
        """
        raise NoRowsError.of(self.name)


@dataclass(frozen=True)
class StoredPeriod:
    """Some days of a store, as a configuration names them."""

    store: ProfileStore
    span: TimeRanges | None
    text: str


def stored_period(source: Any, settings: Settings) -> StoredPeriod | None:
    """The stored profiles that a window names: ``profiles``, ``profiles#2026-03-01..2026-03-07``, or a time range where
    ``[data] source`` is a folder of profiles; None where it names rows.

    Raises:
        SourceError: they cannot be read.
        TimestampError: what stands behind # is no time range.
    """
    if isinstance(source, StoredPeriod):
        return source
    span = parse_time_ranges(source)
    if span is not None:
        place = settings.data.source
        if place is None or not is_profile_store(settings.base / place):
            return None
        return StoredPeriod(ProfileStore.open(settings.base / place), span, f"stored profiles {place}, {span}")
    if not isinstance(source, (str, Path)):
        return None
    place, _, period = str(source).partition("#")
    if not place or not is_profile_store(settings.base / place):
        return None
    span = parse_time_ranges(period) if period else None
    if period and span is None:
        raise SourceError(f"expected days such as 2026-03-01..2026-03-07 behind # in {str(source)!r}, got {period!r}")
    return StoredPeriod(ProfileStore.open(settings.base / place), span, f"stored profiles {source}")


def open_stored(reference: Any, current: Any, settings: Settings) -> WindowPair | None:
    """Both windows where the reference is a stored profile, with or without rows of the current window; None where it is not.

    Raises:
        ConfigError: roles that contradict those of the profiles, or a stored current window beside rows.
        SourceError, ColumnError, LabelError, TimestampError: one line each.
    """
    ref, cur = stored_period(reference, settings), stored_period(current, settings)
    if ref is None:
        if cur is None:
            return None
        raise ConfigError(
            "the current window is a stored profile and the reference is not: compare stored profiles with stored profiles, "
            "or make the stored one the reference"
        )
    manifest = ref.store.manifest
    _check_roles(settings, manifest)
    resolved = replace(manifest.problem, metric=settings.model.metric or manifest.problem.metric)
    resolved = replace(
        resolved,
        min_effect=problem.known_effect(resolved.task, resolved.metric, settings.model.min_effect),
        costs=problem.choose_costs(resolved.task, settings.model.costs, resolved.classes),
    )
    version = settings.windows.reference_version
    window = _stored_window("reference", ref, resolved, manifest.plan, version)
    if cur is None:
        opened = _open_current(current, settings, manifest)
    else:
        if cur.store.manifest.digest != manifest.digest:
            raise ConfigError(
                f"{ref.text} and {cur.text} were counted under two plans and cannot be compared; profile both periods into one "
                "folder"
            )
        later = _stored_window("current", cur, resolved, manifest.plan, settings.windows.current_version)
        classes = (
            problem.order_classes({*resolved.classes, *classes_in(later.whole)}) if resolved.classification else ()
        )
        opened = WindowPair(replace(resolved, classes=classes), window, later, ())
    return _joined(window, opened, resolved)


def _joined(window: StoredWindow, opened: WindowPair, resolved: Problem) -> WindowPair:
    """Both windows on what both hold."""
    current = opened.current
    extra = [label for label in opened.problem.classes if label not in resolved.classes]
    classes = problem.order_classes({*resolved.classes, *extra}) if extra else resolved.classes
    task = "multiclass" if resolved.classification and len(classes) > 2 else resolved.task
    present = set(current.frame.collect_schema().names())
    other = {c for c in resolved.features if c in current.kinds and current.kinds[c] != window.kinds.get(c)}
    notes = list(opened.notes)
    if other:
        notes.append(f"of another kind than in the stored profiles, so not compared: {say.listed(sorted(other))}")
    plan = window.plan
    keep = [c for c in plan.columns() if c in present and c not in other]
    narrowed = replace(
        plan,
        numeric={c: edges for c, edges in plan.numeric.items() if c in keep},
        categorical=tuple(c for c in plan.categorical if c in keep),
        sums=tuple(c for c in plan.sums if c in keep),
        segments={v: e for v, e in plan.segments.items() if set(plan.segment_columns(v)) <= set(keep)},
    )
    features = tuple(c for c in resolved.features if c not in other)
    both = replace(resolved, classes=classes, task=task, features=features)
    if isinstance(current, StoredWindow):
        current = replace(current, plan=narrowed)
    return replace(opened, problem=both, reference=replace(window, plan=narrowed), current=current, notes=tuple(notes))


def _check_roles(settings: Settings, manifest: ProfileManifest) -> None:
    """Roles that are configured must be those that the profiles were made with."""
    for role in sorted(settings.model.model_fields_set & set(Roles.model_fields)):
        asked, known = getattr(settings.model, role), getattr(manifest.problem.roles, role)
        if asked is not None and asked != known and role not in ("inputs", "label_time", "label_source", "weight"):
            raise ConfigError(
                f"[model] {role} is {asked!r}, and the stored profiles were made with {known!r}; leave it out, or profile the "
                "rows again into a new folder"
            )


def _stored_window(name: str, period: StoredPeriod, resolved: Problem, plan: Plan, version: str | None) -> StoredWindow:
    store, manifest = period.store, period.store.manifest
    chosen = store.days_within(period.span)
    days = store.by_day(chosen, version=version)
    if not days:
        raise SourceError(
            f"{period.text}: no rows of model version {version!r}; there is {say.listed(store.versions(chosen))}"
        )
    frame = _absent_rows(name, manifest.schema)
    window = StoredWindow(
        name,
        frame,
        period.text + (f", version {version}" if version is not None else ""),
        manifest.kinds,
        sum(profile.rows for profile in days.values()),
        0,
        {},
        any(day != UNDATED for day in days),
        store.versions(chosen) if version is None else (version,),
        frame,
        lambda rows: rows,
        plan=plan,
        days=days,
        scales=manifest.scales,
    )
    labelled, counts = _labels(window.whole, resolved)
    return replace(window, labelled=labelled, label_counts=counts)


def classes_in(whole: Profile) -> set[str]:
    """Every label and every predicted class of a profile."""
    dated = whole.plan.cells[:1] == (names.DAY,)
    return {text for cell in whole.cells for text in cell[dated:] if text is not None}


def _labels(whole: Profile, resolved: Problem) -> tuple[int, dict[str, int]]:
    if not resolved.has_labels:
        return 0, {}
    if not resolved.classification:
        return whole.columns[names.LABEL].finite, {}
    counts: dict[str, int] = {}
    at = whole.plan.cells.index(names.LABEL)
    for cell, rows in whole.cells.items():
        label = cell[at]
        if label is not None:
            counts[label] = counts.get(label, 0) + rows
    return sum(counts.values()), dict(sorted(counts.items()))


def _absent_rows(name: str, schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    """A frame with the columns of the rows that were profiled, which cannot be read."""

    def rows(*_: Any) -> Iterator[pl.DataFrame]:
        raise NoRowsError.of(name)

    return register_io_source(rows, schema=schema)


def open_like(source: Any, settings: Settings, manifest: ProfileManifest) -> tuple[Window, list[str]]:
    """More rows, prepared as those that were profiled, and what must be said of them.

    Raises:
        ConfigError: roles that contradict those of the profiles.
        ColumnError: a column that is counted as numbers holds something else now.
        SourceError, LabelError, TimestampError: one line each.
    """
    _check_roles(settings, manifest)
    pair = _open_current(source, settings, manifest)
    window = pair.current
    other = [c for c in manifest.plan.numeric if c in window.kinds and window.kinds[c] != manifest.kinds.get(c)]
    if other:
        raise ColumnError(
            f"column {other[0]!r} holds {window.kinds[other[0]]} values, and the stored profiles count numbers of it; profile "
            "these rows into another folder"
        )
    return window, list(pair.notes)


def _open_current(source: Any, settings: Settings, manifest: ProfileManifest) -> WindowPair:
    """Rows prepared as the profiled ones were; both windows of the answer are these rows."""
    known, roles = manifest.problem, manifest.problem.roles
    forced = {role: getattr(roles, role) for role in Roles.model_fields} | {
        role: getattr(settings.model, role) for role in ("inputs", "label_time", "label_source", "weight")
    }
    forced |= {"features": known.features, "positive": known.positive}
    if known.task == "binary":
        forced["threshold"] = known.threshold
    if not known.classification:
        forced["task"] = "regression"
    model = settings.model.model_copy(update=forced)
    cutting = Cutting(settings.model_copy(update={"model": model}))
    frame, text = cut_window("current", source, cutting.settings, cutting)
    present = frame.collect_schema()
    lost = tuple(c for c in known.features if c not in present)
    frame = frame.with_columns(pl.lit(None, dtype=manifest.schema[c]).alias(c) for c in lost)
    pair = open_windows(frame, frame, settings.model_copy(update={"model": model, "windows": WindowSettings()}))
    # Opened as both windows, for their kinds and times are read together; what is said of the first is said of the second.
    notes = [*cutting.notes, *(note for note in pair.notes if "reference" not in note)]
    if lost:
        notes.append(f"missing from the current window, read as null throughout: {say.listed(lost)}")
    new = [c for c in present if c not in manifest.schema and c not in lost]
    if new:
        notes.append(f"only in the current window, so not compared: {say.listed(new)}")
    return replace(pair, current=replace(pair.current, source=text, lost=lost), notes=tuple(dict.fromkeys(notes)))
