"""Watching against a stored profile: its days give the sums of the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from backslide.contracts.config import Settings
from backslide.engine.columns import names
from backslide.engine.profile.daily_profiles import UNDATED
from backslide.engine.profile.profile import ColumnProfile, Profile
from backslide.engine.profile.segment_counts import WindowPart
from backslide.engine.roles import problem
from backslide.engine.stored_window import StoredWindow
from backslide.engine.window import Window, WindowPair
from backslide.monitor.collect import MOST_VOCABULARY, SumPlan, gather
from backslide.monitor.feature_values import level_name
from backslide.monitor.periods import PERIOD, PeriodGrid
from backslide.monitor.rows import PeriodRows, with_periods
from backslide.monitor.sums import Moments, Sums
from backslide.store.memory import Book


def vocabularies_of(window: StoredWindow, columns: list[str]) -> dict[str, tuple[str, ...]]:
    """Values of category columns in a stored reference, of those that have few."""
    found = {}
    for name in columns:
        column = window.whole.columns.get(name)
        if column is not None and not column.rest_rows and len(column.levels) <= MOST_VOCABULARY:
            found[name] = tuple(sorted(column.levels))
    return found


def sums_of_days(window: StoredWindow, wanted: SumPlan, grid: PeriodGrid) -> dict[int, Sums]:
    """Sums of each period of the reference, from the profiles of its days."""
    by_period: dict[int, Sums] = {}
    for day, profile in sorted(window.days.items()):
        if day != UNDATED:
            number = grid.number(datetime.fromisoformat(day))
            sums = _sums_of_day(profile, wanted)
            by_period[number] = by_period[number] + sums if number in by_period else sums
    return by_period


def _sums_of_day(profile: Profile, wanted: SumPlan) -> Sums:
    whole = WindowPart(profile.rows, profile.cells, profile.sums)
    segments = {
        expression: _sums_of(part, profile, wanted)
        for parts in profile.parts.values()
        for expression, part in parts.items()
        if expression in wanted.segments and part.rows
    }
    sums = _sums_of(whole, profile, wanted)
    return replace(
        sums,
        moments=sums.moments | _shares(profile, wanted),
        segments=segments,
        missing={c: profile.columns[c].missing for c in wanted.features if c in profile.columns},
        unknown={
            c: _unknown(profile.columns[c], words) for c, words in wanted.vocabularies.items() if c in profile.columns
        },
    )


def _shares(profile: Profile, wanted: SumPlan) -> dict[str, Moments]:
    """Rows that hold a category that is followed, among those that hold any."""
    found: dict[str, Moments] = {}
    for name, levels in wanted.values.levels.items():
        column = profile.columns.get(name)
        among = 0 if column is None else sum(column.levels.values()) + column.rest_rows
        if column is not None and among:
            rows = {level: float(column.levels.get(level, 0)) for level in levels}
            found |= {level_name(name, level): (float(among), n, n) for level, n in rows.items()}
    return found


def _unknown(column: ColumnProfile, vocabulary: tuple[str, ...]) -> int:
    known = set(vocabulary)
    return column.rest_rows + sum(rows for level, rows in column.levels.items() if level not in known)


def sums_of(
    window: Window, grid: PeriodGrid, wanted: SumPlan, numbers: Iterable[int] | None = None, *, reference: bool
) -> dict[int, Sums]:
    """Sums of a window by period, of some periods or all of them.

    Raises:
        SourceError: the rows cannot be read.
    """
    chosen = None if numbers is None else set(numbers)
    if isinstance(window, StoredWindow):
        return {n: s for n, s in sums_of_days(window, wanted, grid).items() if chosen is None or n in chosen}
    frame = with_periods(window, grid, reference=reference)
    return gather(frame if chosen is None else frame.filter(pl.col(PERIOD).is_in(sorted(chosen))), wanted)


def _sums_of(part: WindowPart, profile: Profile, wanted: SumPlan) -> Sums:
    cells: Counter[tuple[str, str]] = Counter()
    labelled = 0
    places = profile.plan.cells
    if names.LABEL in places:
        label = places.index(names.LABEL)
        prediction = places.index(names.PREDICTION) if names.PREDICTION in places else None
        for cell, rows in part.cells.items():
            own, answer = cell[label], None if prediction is None else cell[prediction]
            labelled += rows if own is not None else 0
            if own is not None and answer is not None:
                cells[own, answer] += rows
    elif not wanted.classification:  # errors are summed where there is a label
        labelled = sum(n for n, _, _ in part.sums.get(names.ABSOLUTE, {}).values())
    moments: dict[str, Moments] = {}
    for name in wanted.quantities:
        blocks = part.sums.get(name, {}).values()
        if any(n for n, _, _ in blocks):
            n, total, squares = (float(sum(values)) for values in zip(*blocks, strict=True))
            moments[name] = n, total, squares
    return Sums(part.rows, labelled, 0, cells, moments)


def settings_without_rows(rows: PeriodRows) -> Settings:
    """The settings of a look; without what is learned from rows of the reference where it holds none."""
    if rows.stored is None:
        return rows.settings
    watch = rows.settings.watch.model_copy(update={"faults": False, "estimate": False, "canary": None})
    return rows.settings.model_copy(update={"watch": watch})


def with_known_classes(both: WindowPair, book: Book) -> WindowPair:
    """The problem with the classes that periods were judged by before, which the new rows may not hold."""
    if not both.problem.classification:
        return both
    frozen: list[Mapping[str, Any]] = list(book.periods("labels").values())
    seen = {text for sums in frozen for cell in sums.get("cells", []) for text in cell[:2]}
    classes = problem.order_classes({*both.problem.classes, *seen})
    return replace(both, problem=replace(both.problem, classes=classes))
