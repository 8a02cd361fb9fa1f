"""Store what diagnoses and comparisons need of rows, day by day, so that the rows need not be kept or read again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.engine.columns import names
from backslide.engine.profile.daily_profiles import ALL, UNDATED, DailyProfiles, profile_days
from backslide.engine.profile.profile_store import ProfileStore, is_profile_store
from backslide.engine.pushdown.source import PushdownTable, open_pushdown, within
from backslide.engine.sources.columnar_copy import columnar_copies
from backslide.engine.sources.open import describe
from backslide.engine.stored_window import open_like
from backslide.engine.times.time_range import parse_time_ranges
from backslide.engine.window import Window, open_windows
from backslide.jobs.prelude import Progress, silent, window_sources
from backslide.jobs.pushdown import manifest_of, profile_first, profile_more


@dataclass(frozen=True)
class ProfileReport:
    """What was stored."""

    folder: str
    days: list[str]
    """Days that were written; those that were there already were replaced."""
    rows: int
    columns: int
    """Columns with a profile."""
    bytes: int
    """Of the files of these days."""
    stored: int
    """Days in the folder now."""
    notes: list[str]


@columnar_copies()
def store_profiles(
    settings: Settings,
    folder: Path,
    *,
    window: str = "reference",
    rows: Any = None,
    new: bool = False,
    progress: Progress | None = None,
) -> ProfileReport:
    """Profile rows by day, model version and segment into a folder.

    The first rows decide what is counted and on which edges; later ones are counted alike, so that any two periods compare.

    Args:
        settings: roles, segments, and the windows where ``rows`` is not given.
        folder: of the stored profiles; made where it is not there.
        window: which of ``[windows]`` is profiled.
        rows: a table, path or time range in its place.
        new: only days from the last stored one on, which may have been incomplete.
        progress: called with what is being done.

    Raises:
        BackslideError: bad input, in one line; see ``contracts.errors`` for the tree.
    """
    say = progress or silent
    reference, current = window_sources(settings)
    source = rows if rows is not None else {"reference": reference, "current": current}[window]
    if source is None:
        raise ConfigError(f"nothing to profile: set [windows] {window}, or name the rows")
    say("opening the rows")
    table = open_pushdown(source, settings)
    if table is not None:
        return _push(table, settings, folder, new=new)
    if settings.engine.kind != "local":
        raise ConfigError(
            f'[engine] kind = "{settings.engine.kind}" does not count in {describe(source)}; leave kind out'
        )
    if is_profile_store(folder):
        store = ProfileStore.open(folder)
        opened, notes = open_like(source, settings, store.manifest)
    else:
        store, opened, notes = _new_store(source, settings, folder)
    known = [day for day in store.days() if day != UNDATED]
    frame = opened.frame
    if new and known:
        frame = frame.filter(pl.col(names.DAY) >= pl.lit(known[-1]).str.to_date())
    say("profiling every row")
    profiles = profile_days(frame, store.manifest.plan, batch_rows=settings.engine.batch_rows)
    return _report(store, profiles, notes)


def _push(table: PushdownTable, settings: Settings, folder: Path, *, new: bool) -> ProfileReport:
    """The same where a database counts."""
    notes: list[str] = []
    try:
        if not is_profile_store(folder):
            manifest, profiles = profile_first(table, settings, notes)
            store = ProfileStore.create(folder, manifest)
        else:
            store = ProfileStore.open(folder)
            known = [day for day in store.days() if day != UNDATED]
            if new and known:
                span = parse_time_ranges(f"{known[-1]}..9999-12-30")
                assert span is not None
                table = within(table, span, settings)
            profiles = profile_more(table, store.manifest)
    finally:
        table.dialect.close()
    return _report(store, profiles, notes)


def _report(store: ProfileStore, profiles: DailyProfiles, notes: list[str]) -> ProfileReport:
    """Write the profiles, and say what was written."""
    days = store.write(profiles)
    files = [store.folder / "days" / f"{day}.profile" for day in days]
    plan = store.manifest.plan
    return ProfileReport(
        str(store.folder),
        days,
        sum(profile.rows for key, profile in profiles.items() if key.segment == ALL),
        len({*plan.numeric, *plan.categorical}),
        sum(file.stat().st_size for file in files),
        len(store.days()),
        notes,
    )


def _new_store(source: Any, settings: Settings, folder: Path) -> tuple[ProfileStore, Window, list[str]]:
    """A store whose plan is that of a diagnosis with these rows as its reference."""
    pair = open_windows(source, source, settings)
    case = Case(pair, settings)
    window = case.reference.window
    manifest = manifest_of(case, case.plan, case.problem, window.source)
    # Opened as both windows; what is said of the current one repeats what is said of the reference.
    return ProfileStore.create(folder, manifest), window, [note for note in case.notes if "current" not in note]
