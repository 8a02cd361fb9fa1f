"""From what the user gave to two prepared windows of one resolved problem.

A prepared window holds the user's columns untouched, and beside them the roles in one canonical form (see ``engine.names``):
labels as text, times as naive UTC, scores as floats, and the row quantities that profiles sum.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.errors import ColumnError, LabelError
from backslide.contracts.roles import Roles
from backslide.engine.columns import names, segments
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.numbers_as_text import read_texts
from backslide.engine.columns.sample import sample
from backslide.engine.columns.vectors import kinds_of
from backslide.engine.profile.counted_sample import Bins, CountedSample, count_and_sample
from backslide.engine.roles import problem, types
from backslide.engine.roles.derive import derived, label_expression, score_expressions
from backslide.engine.roles.logged_inputs import check_inputs, input_columns
from backslide.engine.roles.problem import Problem
from backslide.engine.roles.resolve_problem import outcome_head, resolve
from backslide.engine.roles.score_scale import AlteredScores, read_scores, with_threshold
from backslide.engine.sources.errors import opening, reading
from backslide.engine.sources.snapshot import is_snapshot, limitations
from backslide.engine.sources.window_source import Cutting, cut_window, need
from backslide.engine.times.both_windows import match_weekdays, times_of
from backslide.engine.times.timestamps import TimeReading
from backslide.stats.arrays import Ints

Preparation = Callable[[pl.LazyFrame], pl.LazyFrame]


@dataclass(frozen=True)
class Window:
    """Prepared rows of one period."""

    name: str
    frame: pl.LazyFrame
    source: str
    kinds: dict[str, ColumnKind]
    """Of the user's columns."""
    rows: int
    labelled: int
    label_counts: dict[str, int]
    """Classification: labelled rows per class."""
    has_time: bool
    versions: tuple[str, ...]
    raw: pl.LazyFrame
    """The rows as they were given, behind ``frame``."""
    prepare: Preparation
    """Row by row from ``raw`` to ``frame``."""
    lost: tuple[str, ...] = ()
    """Features that its source does not hold and the other window's does; read as null throughout."""
    places: Ints | None = None
    """Ascending places (rows,) of the rows in the table that they were drawn from; None where none was left out between them."""
    as_given: bool = False
    """Whether ``raw`` is as its source has it, so that ``prepare`` fits more rows of the source."""

    def sample(self, rows: int, *, seed: int) -> pl.DataFrame:
        """At most ``rows`` prepared rows, uniform and seeded.

        Drawn from the raw rows: preparing what is drawn gives the same as drawing from what is prepared, for a fraction of
        the work.

        Raises:
            SourceError: when the rows cannot be read.
        """
        subset = sample(self.raw, rows, seed=seed, total=self.rows)
        with reading():
            return self.prepare(subset.lazy()).collect()

    def counted_sample(
        self, rows: int, *, seed: int, features: Collection[str], bins: Bins | None, batch_rows: int
    ) -> CountedSample:
        """The same sample, and counts of features for the profile where they come with the same reading.

        Args:
            rows: the most rows to return.
            seed: of the draw.
            features: columns to count.
            bins: of columns of numbers; None where the sample decides them.
            batch_rows: rows that are counted at a time.

        Raises:
            SourceError: when the rows cannot be read.
        """
        of_kind = {kind: [c for c in features if self.kinds.get(c) is kind] for kind in ColumnKind}
        counted = count_and_sample(
            self.raw,
            rows,
            seed=seed,
            total=self.rows,
            numeric=of_kind[ColumnKind.NUMERIC],
            categorical=[*of_kind[ColumnKind.CATEGORICAL], *of_kind[ColumnKind.BOOLEAN]],
            bins=bins,
            batch_rows=batch_rows,
        )
        if counted is None:
            return CountedSample(self.sample(rows, seed=seed), {})
        with reading():
            return CountedSample(self.prepare(counted.rows.lazy()).collect(), counted.counts)

    def where(self, condition: pl.Expr, resolved: Problem) -> Window:
        """The rows of this window for which ``condition`` over its columns holds."""
        raw = self.raw.filter(condition)
        frame = self.prepare(raw)
        rows = int(raw.select(pl.len()).collect(engine="streaming").item())
        labelled, counts = _labels(frame, resolved)
        places = self.places
        if places is not None:
            places = places[self.raw.select(condition).collect().to_series().fill_null(False).to_numpy()]
        return replace(self, raw=raw, frame=frame, rows=rows, labelled=labelled, label_counts=counts, places=places)

    def drawn_from(self, places: Ints) -> Window:
        """The same rows, known to have stood at these ascending places of a larger table; itself where they are neighbours."""
        if len(places) != self.rows or not self.rows or places[-1] - places[0] + 1 == self.rows:
            return self
        return replace(self, places=places - places[0])


@dataclass(frozen=True)
class WindowPair:
    """Both windows, their problem, and what must be said about them."""

    problem: Problem
    reference: Window
    current: Window
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """What must be read right after the verdict."""
    altered: tuple[AlteredScores, ...] = ()
    days_compared: str = ""
    """Which days are compared with which, where ``[windows] match`` leaves others out."""


def open_windows(reference: Any, current: Any, settings: Settings, *, match: str | None = None) -> WindowPair:
    """Open, validate and prepare both windows; ``match`` is that of ``[windows]``, for jobs that heed it.

    Raises:
        SourceError, ColumnError, LabelError, TimestampError, ConfigError: one line each, see the exception classes.
    """
    with opening():
        return _open_windows(reference, current, settings, match)


def _open_windows(reference: Any, current: Any, settings: Settings, match: str | None) -> WindowPair:
    settings = with_threshold(settings)
    roles: Roles = settings.model
    cutting = Cutting(settings)
    raw = {
        n: cut_window(n, source, settings, cutting) for n, source in (("reference", reference), ("current", current))
    }
    given = raw["current"][0]
    schemas = {name: dict(frame.collect_schema()) for name, (frame, _) in raw.items()}
    _type_empty_columns(raw, schemas)
    notes: list[str] = limitations(raw["reference"][0], roles) if is_snapshot(reference, settings.base) else []
    types.decoded(raw, schemas, settings, notes)
    read_texts(raw, schemas, settings, notes)
    for name, schema in schemas.items():
        types.check(schema, name, settings)
    lost = _fill_lost_columns(roles, raw, schemas, notes)
    _check_columns(roles, schemas)
    segments.check(roles.segments, schemas)
    if not (roles.prediction or roles.scores):
        raise LabelError("neither predictions nor scores: name the logged columns under [model] prediction or scores")
    features = _features(roles, schemas, notes)
    if roles.features is None:
        aside = {*settings.shadow.columns(), *input_columns(roles, schemas["current"]).values()}
        features = tuple(c for c in features if c not in aside)
    check_inputs(roles, schemas["current"])
    matched = None if match is None else match_weekdays(raw, schemas, roles, cutting)
    heads = {name: outcome_head(name, frame, roles) for name, (frame, _) in raw.items()}
    left_out = {} if matched is None else matched.left_out
    notes += [*cutting.notes, *cutting.say_rows({n: head.rows + left_out.get(n, 0) for n, head in heads.items()})]
    times = times_of(raw, schemas, roles, cutting, notes)
    frames = {name: frame for name, (frame, _) in raw.items()}
    warnings: list[str] = []
    resolved = resolve(settings, features, heads, frames, notes, warnings)
    altered = read_scores(raw, schemas, settings, notes, warnings)
    resolved = _at_actual_threshold(resolved, raw["reference"][0], schemas["reference"], notes)
    windows = {name: _prepare(name, raw[name], schemas[name], resolved, heads[name].rows, times, notes) for name in raw}
    current_window = replace(windows["current"], lost=lost, as_given=raw["current"][0] is given)
    return WindowPair(
        resolved,
        windows["reference"],
        current_window,
        tuple(dict.fromkeys(notes)),
        tuple(warnings),
        altered,
        "" if matched is None else matched.sentence,
    )


def _fill_lost_columns(
    roles: Roles,
    raw: dict[str, tuple[pl.LazyFrame, str]],
    schemas: dict[str, dict[str, pl.DataType]],
    notes: list[str],
) -> tuple[str, ...]:
    """Features that the current rows no longer have become null columns: losing one is a finding, not an unreadable window."""
    known, present = schemas["reference"], schemas["current"]
    special = set(roles.columns().values())
    wanted = [c for c in (roles.features if roles.features is not None else known) if c not in special and c in known]
    aside = set(input_columns(roles, known).values())
    lost = tuple(c for c in wanted if c not in present and c not in aside)
    if not lost or len(lost) == len(wanted):
        return ()
    frame, text = raw["current"]
    raw["current"] = frame.with_columns(pl.lit(None, dtype=known[c]).alias(c) for c in lost), text
    schemas["current"] = present | {c: known[c] for c in lost}
    notes.append(f"missing from the current window, read as null throughout: {_listed(lost)}")
    return lost


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(columns[:8]) + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")


def _type_empty_columns(raw: dict[str, tuple[pl.LazyFrame, str]], schemas: dict[str, dict[str, pl.DataType]]) -> None:
    """A column without any value has no type of its own in some files; it gets the other window's."""
    for name, other in (("reference", "current"), ("current", "reference")):
        known = schemas[other]
        empty = [c for c, dtype in schemas[name].items() if dtype == pl.Null and known.get(c, pl.Null) != pl.Null]
        if empty:
            frame, text = raw[name]
            raw[name] = frame.with_columns(pl.col(c).cast(known[c]) for c in empty), text
            schemas[name] |= {c: known[c] for c in empty}


def _check_columns(roles: Roles, schemas: dict[str, dict[str, pl.DataType]]) -> None:
    for window, schema in schemas.items():
        for role, column in roles.columns().items():
            if role not in OF_ONE_WINDOW or not any(column in other for other in schemas.values()):
                need(column, role, window, schema)
        for column in roles.features or ():
            need(column, "feature", window, schema)
        taken = [column for column in schema if column.startswith(names.PREFIX) and column in RESERVED]
        if taken:
            raise ColumnError(f"the {window} window has a column named {taken[0]!r}, a reserved name; rename it")


OF_ONE_WINDOW = ("label_time", "label_source")
"""Roles that one window may lack: a training table says nothing about when its labels came."""
RESERVED = {value for key, value in vars(names).items() if key.isupper() and key != "PREFIX" and isinstance(value, str)}


def _features(roles: Roles, schemas: dict[str, dict[str, pl.DataType]], notes: list[str]) -> tuple[str, ...]:
    if roles.features is not None:
        return tuple(dict.fromkeys(roles.features))
    special = set(roles.columns().values())
    sides = {name: [c for c in schema if c not in special] for name, schema in schemas.items()}
    both = [column for column in sides["reference"] if column in set(sides["current"])]
    if not both and any(sides.values()):
        shown = {name: ", ".join(map(repr, columns[:4])) or "none" for name, columns in sides.items()}
        raise ColumnError(
            f"the windows share no feature column: reference has {shown['reference']}, current has {shown['current']}; "
            "check that both are logs of the same model"
        )
    for name, other in (("reference", "current"), ("current", "reference")):
        gone = [column for column in sides[name] if column not in set(sides[other])]
        if gone:
            notes.append(f"only in the {name} window, so not compared: {_listed(gone)}")
    return tuple(both)


def _at_actual_threshold(
    resolved: Problem, frame: pl.LazyFrame, schema: dict[str, pl.DataType], notes: list[str]
) -> Problem:
    """The threshold that the reference logs show, where none is configured and decisions follow the scores."""
    roles = resolved.roles
    if resolved.task != "binary" or not (roles.prediction and roles.scores):
        return resolved
    span = cut_between(_with_outcomes(frame, schema, resolved), resolved)
    if roles.threshold is not None:
        if span is not None and not span[0] < roles.threshold <= span[1]:
            notes.append(
                f"[model] threshold is {say.number(roles.threshold, 4)}, but decisions of the reference "
                f"are cut at {say.number(span[1], 4)} on the "
                f"score of {resolved.positive!r}; repairs use the configured one: leave it out to use that of the log"
            )
        return resolved
    if span is None or span[0] < 0.5 <= span[1]:
        return resolved
    notes.append(
        f"decisions of the reference are cut at {say.number(span[1], 4)} on the score of {resolved.positive!r}, not at 0.5"
    )
    return problem.with_threshold(resolved, span[1])


def cut_between(frame: pl.LazyFrame, resolved: Problem) -> tuple[float, float] | None:
    """The largest score decided negative and the smallest decided positive; None where decisions do not follow one cut."""
    assert resolved.positive is not None
    value = pl.col(names.score(resolved.positive))
    chosen = pl.col(names.PREDICTION) == resolved.positive
    low, high = (
        frame.select(value.filter(~chosen).max().alias("low"), value.filter(chosen).min().alias("high"))
        .collect(engine="streaming")
        .row(0)
    )
    if low is None or high is None or not low < high:
        return None
    return float(low), float(high)


def _prepare(
    name: str,
    raw: tuple[pl.LazyFrame, str],
    schema: dict[str, pl.DataType],
    resolved: Problem,
    count: int,
    times: TimeReading | None,
    notes: list[str],
) -> Window:
    rows, source = raw
    roles = resolved.roles
    prepare = _preparation(schema, resolved, times)
    frame = prepare(rows)
    labelled, counts = _labels(frame, resolved)
    _say_rows(frame, name, count, notes)
    versions: tuple[str, ...] = ()
    if roles.version is not None:
        distinct = frame.select(pl.col(names.VERSION).drop_nulls().unique()).collect(engine="streaming").to_series()
        versions = tuple(sorted(distinct.to_list()))
    kinds = kinds_of(rows, schema)
    return Window(
        name, frame, source, kinds, count, labelled, counts, roles.timestamp is not None, versions, rows, prepare
    )


def _preparation(schema: dict[str, pl.DataType], resolved: Problem, times: TimeReading | None) -> Preparation:
    """What to add to raw rows: roles in canonical form and the row quantities. Each row is prepared by itself."""
    roles = resolved.roles
    first: list[pl.Expr] = []
    if roles.timestamp is not None and times is not None:
        first.append(times.of(schema[roles.timestamp]).alias(names.TIME))
    if roles.version is not None:
        first.append(pl.col(roles.version).cast(pl.String).alias(names.VERSION))

    def prepare(frame: pl.LazyFrame) -> pl.LazyFrame:
        frame = frame.with_columns(first)
        if roles.timestamp is not None:
            frame = frame.with_columns(pl.col(names.TIME).dt.date().alias(names.DAY))
        frame = _with_outcomes(frame, schema, resolved)
        return frame.with_columns(derived(resolved, set(frame.collect_schema().names())))

    return prepare


def _with_outcomes(frame: pl.LazyFrame, schema: dict[str, pl.DataType], resolved: Problem) -> pl.LazyFrame:
    """Label, scores and prediction in canonical form."""
    roles = resolved.roles
    columns: list[pl.Expr] = []
    for column, name in ((roles.label, names.LABEL), (roles.prediction, names.PREDICTION)):
        if column is None:
            continue
        if resolved.classification:
            label = label_expression(column, schema[column])
            columns.append((label.replace(resolved.spellings) if resolved.spellings else label).alias(name))
        else:
            number = pl.col(column).cast(pl.Float64)
            columns.append(pl.when(number.is_finite()).then(number).alias(name))
    columns.extend(score_expressions(resolved, schema))
    return frame.with_columns(columns) if columns else frame


def _labels(frame: pl.LazyFrame, resolved: Problem) -> tuple[int, dict[str, int]]:
    if not resolved.has_labels:
        return 0, {}
    if not resolved.classification:
        return int(frame.select(pl.col(names.LABEL).count()).collect(engine="streaming").item()), {}
    table = frame.group_by(names.LABEL).len().collect(engine="streaming")
    counts = {str(label): int(n) for label, n in table.iter_rows() if label is not None}
    extra = sorted(set(counts) - set(resolved.classes))
    if extra and resolved.roles.scores and len(resolved.roles.scores) > 1:
        problem.check_scores(resolved.roles, resolved.task, set(counts), set())
    return sum(counts.values()), counts


def _say_rows(frame: pl.LazyFrame, name: str, rows: int, notes: list[str]) -> None:
    """Note rows without a readable time or prediction."""
    columns = set(frame.collect_schema().names())
    wanted = [c for c in (names.TIME, names.PREDICTION) if c in columns]
    if not wanted:
        return
    missing = frame.select(pl.col(wanted).null_count()).collect(engine="streaming").row(0)
    for column, count in zip(wanted, missing, strict=True):
        if count:
            what = "time" if column == names.TIME else "prediction"
            notes.append(f"{count} of {rows} {name} rows have no readable {what}")
