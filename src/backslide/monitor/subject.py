"""Which figures of a model are followed: its quantities, segments, features and the vocabularies of its categories."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.segments import resolve as resolve_segments
from backslide.engine.sources.errors import reading
from backslide.engine.window import WindowPair
from backslide.monitor.collect import MOST_VOCABULARY, SumPlan
from backslide.monitor.feature_values import FeatureValues, feature_values
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.stored_reference import vocabularies_of
from backslide.monitor.stream import Subject, quantities
from backslide.store.memory import Json


def subject_of(settings: Settings, both: WindowPair, case: Case, grid: PeriodGrid) -> tuple[Subject, SumPlan]:
    """What is followed, from the configuration and the reference sample, and what must be summed for it."""
    problem = case.problem  # which knows what is material, of numbers too
    stored = case.reference.stored
    present = case.reference.sample.columns if stored is None else list(stored.whole.columns)
    groups = stored.plan.segments if stored is not None else _segments(case)
    segments = tuple(e for group in groups.values() for e in group)
    features = tuple(c for c in case.comparable if c in present)
    categories = [c for c in case.features_of(ColumnKind.CATEGORICAL) if c in features]
    if stored is not None:
        vocabularies = vocabularies_of(stored, categories)
    else:
        vocabularies = _vocabularies(both.reference.frame, categories)
    source = problem.roles.label_source
    days = settings.watch.holidays if grid.name == "day" else ()
    holidays = frozenset(grid.number(datetime(d.year, d.month, d.day)) for d in days)
    values = feature_values(settings.watch.features, case)
    wanted = SumPlan(quantities(problem), problem.classification, segments, features, vocabularies, source, values)
    return Subject(
        problem,
        segments,
        features,
        tuple(vocabularies),
        grid.cycle,
        holidays,
        settings.watch.leave_out,
        source is not None,
        settings.watch.faults,
        settings.watch.canary is not None,
        values,
    ), wanted


def as_learned(subject: Subject, wanted: SumPlan, data: Json) -> tuple[Subject, SumPlan]:
    """Both with features read as when the reference was learned, which kept sums of later periods rest on.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: ``data`` is not what was kept.
    """
    if "values" not in data:
        return subject, wanted
    values = FeatureValues.from_dict(data["values"])
    return replace(subject, values=values), replace(wanted, values=values)


def _segments(case: Case) -> dict[str, tuple[str, ...]]:
    sample = case.reference.sample
    return resolve_segments(case.problem.roles.segments, sample, sample)[0]


def _vocabularies(frame: pl.LazyFrame, columns: list[str]) -> dict[str, tuple[str, ...]]:
    """Values of category columns in the reference, of those that have few."""
    if not columns:
        return {}
    counts = [pl.col(c).cast(pl.String).n_unique().alias(c) for c in columns]
    with reading():
        sizes = frame.select(counts).collect(engine="streaming").row(0, named=True)
        few = [c for c in columns if sizes[c] <= MOST_VOCABULARY]
        tables = pl.collect_all(
            [frame.select(pl.col(c).cast(pl.String).drop_nulls().unique()) for c in few], engine="streaming"
        )
    return {c: tuple(sorted(t.to_series().to_list())) for c, t in zip(few, tables, strict=True)}
