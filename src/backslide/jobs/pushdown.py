"""Profiles that a database or Spark counts: rows stay there, but for one bounded, seeded sample that the edges come from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backslide.case import Case
from backslide.contracts.config import Settings, WindowSettings
from backslide.contracts.errors import ColumnError, ConfigError
from backslide.engine.profile.daily_profiles import DailyProfiles
from backslide.engine.profile.plan import Plan
from backslide.engine.profile.profile_store import MemoryProfiles, ProfileManifest
from backslide.engine.pushdown.source import PushdownTable, counted_plan, open_pushdown, used_columns
from backslide.engine.pushdown.sql_profile import profile_table
from backslide.engine.roles import problem
from backslide.engine.sources.open import describe
from backslide.engine.stored_window import StoredPeriod, classes_in, stored_period
from backslide.engine.window import open_windows
from backslide.stats.metrics.metric import OF_SCORES


def pushed_windows(
    reference: Any, current: Any, settings: Settings, notes: list[str]
) -> tuple[StoredPeriod, StoredPeriod]:
    """Both windows as profiles that ``[engine] kind`` counts, on the edges of the reference's sample.

    Raises:
        ConfigError: a window that it cannot count.
        SourceError, ColumnError: one line each.
    """
    ref = stored_period(reference, settings)
    if ref is None:
        ref = _first(_table("reference", reference, settings), settings, notes)
    cur = stored_period(current, settings)
    if cur is not None:
        return ref, cur
    table = _table("current", current, settings)
    manifest = ref.store.manifest
    try:
        return ref, StoredPeriod(MemoryProfiles(manifest, profile_more(table, manifest)), None, table.text)
    finally:
        table.dialect.close()


def _first(table: PushdownTable, settings: Settings, notes: list[str]) -> StoredPeriod:
    try:
        manifest, profiles = profile_first(table, settings, notes)
    finally:
        table.dialect.close()
    return StoredPeriod(MemoryProfiles(manifest, profiles), None, table.text)


def _table(name: str, source: Any, settings: Settings) -> PushdownTable:
    if source is None:
        raise ConfigError(f"no {name} window: set [windows] {name} or give --{name}")
    table = open_pushdown(source, settings)
    if table is None:
        raise ConfigError(
            f'[engine] kind = "{settings.engine.kind}" counts in DuckDB and PostgreSQL, and the {name} window is '
            f"{describe(source)}; name a duckdb:// or postgresql:// source, or leave kind out"
        )
    return table


def profile_first(table: PushdownTable, settings: Settings, notes: list[str]) -> tuple[ProfileManifest, DailyProfiles]:
    """Profiles of the rows that decide what is counted and on which edges."""
    engine = settings.engine
    sample = table.sample(used_columns(table, settings), engine.sample_rows, engine.seed)
    if not sample.height:
        raise ConfigError(f"no row of {table.text} was drawn; set a larger [engine] sample_rows")
    here = engine.model_copy(update={"kind": "local"})
    pair = open_windows(sample, sample, settings.model_copy(update={"windows": WindowSettings(), "engine": here}))
    case = Case(pair, settings)
    resolved = case.problem
    notes += [note for note in case.notes if "reference" not in note and "current" not in note]
    notes.append(f"roles and bins are those of {sample.height} sampled rows of {table.text}")
    if resolved.has_scores:
        if resolved.metric in OF_SCORES:
            raise ConfigError(
                f"[model] metric {resolved.metric} takes scores, which {table.dialect.name} does not count; choose "
                "accuracy or macro_f1"
            )
        notes.append(
            f"scores are not counted by {table.dialect.name}: confidence, calibration and score drift are left out"
        )
        resolved = replace(resolved, has_scores=False)
    plan, query, integers = counted_plan(table, case.plan, resolved, notes)
    profiles = profile_table(table.dialect, query, plan, integers, resolved.spellings)
    if resolved.classification:
        classes = {*resolved.classes}.union(*(classes_in(profile) for profile in profiles.values()))
        resolved = replace(resolved, classes=problem.order_classes(classes))
    return manifest_of(case, plan, resolved, table.text), profiles


def manifest_of(case: Case, plan: Plan, resolved: problem.Problem, source: str) -> ProfileManifest:
    """What a store says of the profiles of a case's reference."""
    window = case.reference.window
    scales = {} if resolved.classification else {"label_deviation": case.label_deviation}
    return ProfileManifest(plan, resolved, dict(window.frame.collect_schema()), window.kinds, source, scales)


def profile_more(table: PushdownTable, manifest: ProfileManifest) -> DailyProfiles:
    """Profiles of later rows, counted alike.

    Raises:
        ColumnError: a counted column is not there, or of another kind.
    """
    plan, query, integers = counted_plan(table, manifest.plan, manifest.problem, [])
    if plan != manifest.plan:
        lost = [c for c in manifest.plan.columns() if c not in plan.columns()]
        raise ColumnError(
            f"{table.text} does not hold {lost[0]!r} as it was profiled before"
            if lost
            else f"{table.text} was profiled otherwise"
        )
    return profile_table(table.dialect, query, plan, integers, manifest.problem.spellings)
