"""Guess which column of a prediction log is what, from names and from what the columns hold.

A name proposes, the content disposes: a column named ``prediction`` that holds fractions between 0 and 1 beside a label of
two classes is a score. What cannot be told is left out and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeVar

import polars as pl

from backslide.contracts.errors import TimestampError
from backslide.contracts.labels import AFFIRMATIVE
from backslide.contracts.roles import Roles
from backslide.engine import outcome_columns as outcomes
from backslide.engine import role_names as usual
from backslide.engine.columns import ColumnKind, kind_of
from backslide.engine.times import is_text, time_expression

T = TypeVar("T")

LOOK = 10_000
"""Rows read at each end of the table. The newest rows often have no labels yet, so both ends are read."""

_PLAIN = (ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.CATEGORICAL)


@dataclass
class _Table:
    """A bounded look at the table, and what has been decided so far."""

    frame: pl.LazyFrame
    rows: int
    look: pl.DataFrame
    kinds: dict[str, ColumnKind]
    notes: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def free(self, *kinds: ColumnKind) -> list[str]:
        """Columns of these kinds (any when none is given) that have no role yet."""
        return [c for c, kind in self.kinds.items() if c not in self.taken and (not kinds or kind in kinds)]

    def take(self, column: str | None) -> str | None:
        """Mark a column as used."""
        if column is not None:
            self.taken.add(column)
        return column


def infer_roles(frame: pl.LazyFrame) -> tuple[Roles, list[str]]:
    """Roles of the columns as far as they can be told, and what a person should check, one sentence each.

    Reads the two ends of the table, and key-like columns in full.
    """
    table = _look(frame)
    timestamp = table.take(_timestamp(table))
    version = table.take(_version(table))
    key = table.take(_key(table))
    label, prediction = _label_and_prediction(table)
    scores, positive, prediction = _scores(table, label, prediction)
    if label is None:
        table.notes.append(_no_label(table))
    if prediction is None and not scores:
        table.notes.append("no prediction and no score was recognised; name one, or give the model under [artifacts]")
    roles = Roles(
        label=label,
        prediction=prediction,
        scores=scores,
        positive=positive,
        timestamp=timestamp,
        id=key,
        version=version,
        features=_features(table),
    )
    return roles, table.notes


def propose_windows(frame: pl.LazyFrame, timestamp: str) -> tuple[str, str] | None:
    """Two time ranges over one table: the last quarter of its days, in whole weeks where there are enough, and before.

    Returns:
        ``("2026-03-01..2026-03-31", "2026-04-01..2026-04-14")``, or None where there are fewer than two days.
    """
    schema = dict(frame.collect_schema())
    try:
        time = time_expression(frame, timestamp, schema[timestamp])
    except TimestampError:
        return None
    ends = frame.select(time.min().dt.date().alias("first"), time.max().dt.date().alias("last"))
    first, last = ends.collect(engine="streaming").row(0)
    if not isinstance(first, date) or not isinstance(last, date) or first == last:
        return None
    days = (last - first).days + 1
    newest = max(1, days // 4)
    newest = newest // 7 * 7 if newest >= 7 else newest
    cut = last - timedelta(days=newest - 1)
    return f"{first}..{cut - timedelta(days=1)}", f"{cut}..{last}"


def _look(frame: pl.LazyFrame) -> _Table:
    kinds = {name: kind_of(dtype) for name, dtype in frame.collect_schema().items()}
    rows = int(frame.select(pl.len()).collect(engine="streaming").item())
    ends = frame if rows <= 2 * LOOK else pl.concat([frame.head(LOOK), frame.tail(LOOK)])
    return _Table(frame, rows, ends.collect(), kinds)


def _best(candidates: Iterable[T], rank: Callable[[T], int | None]) -> list[T]:
    """Candidates that have a rank, best first; ties stay in order."""
    ranked = [(place, item) for item in candidates if (place := rank(item)) is not None]
    return [item for _, item in sorted(ranked, key=lambda pair: pair[0])]


def _timestamp(table: _Table) -> str | None:
    def rank(column: str) -> int | None:
        kind = table.kinds[column]
        named = usual.rank(column, usual.TIMESTAMP)
        if kind is ColumnKind.TEMPORAL and not _is_moment(table.look[column].dtype):
            return None
        if kind is not ColumnKind.TEMPORAL and (named is None and not usual.is_time_like(column)):
            return None
        other = 200 if usual.is_other_time(column) else 0
        return other + (named if named is not None else 50 if usual.is_time_like(column) else 100)

    kinds = (ColumnKind.TEMPORAL, ColumnKind.CATEGORICAL, ColumnKind.NUMERIC)
    ranked = _best(table.free(*kinds), rank)
    readable = [column for column in ranked if _is_readable(table, column)]
    if not readable:
        table.notes += [told for column in ranked if (told := _unread(table, column)) is not None][:1]
    if len(readable) > 1:
        table.notes.append(f"timestamp: {readable[0]!r} was taken; {_listed(readable[1:])} would be readable too")
    return readable[0] if readable else None


def _is_moment(dtype: pl.DataType) -> bool:
    return dtype == pl.Date or isinstance(dtype, pl.Datetime)


def _is_readable(table: _Table, column: str) -> bool:
    values = table.look.lazy().select(column)
    try:
        parsed = values.select(time_expression(values, column, table.look[column].dtype)).collect().to_series()
    except TimestampError:
        return False
    known = table.look[column].count()
    return known > 0 and parsed.count() >= 0.99 * known and parsed.n_unique() > 1


def _unread(table: _Table, column: str) -> str | None:
    """Why a column that is named like a time is not taken as such."""
    like_time = usual.is_time_like(column) and not usual.is_other_time(column) and is_text(table.look[column].dtype)
    if usual.rank(column, usual.TIMESTAMP) is None and not like_time:
        return None
    values = table.look.lazy().select(column)
    try:
        time_expression(values, column, table.look[column].dtype)
    except TimestampError as error:
        return str(error)
    return None


def _version(table: _Table) -> str | None:
    found = _best(table.free(*_PLAIN), lambda column: usual.rank(column, usual.VERSION))
    return next((column for column in found if table.look[column].n_unique() <= 100), None)


def _key(table: _Table) -> str | None:
    def rank(column: str) -> int | None:
        named = usual.rank(column, usual.ID)
        return named if named is not None else 50 if usual.is_id_like(column) else None

    columns = [c for c in table.free(ColumnKind.CATEGORICAL, ColumnKind.NUMERIC) if not table.look[c].dtype.is_float()]
    for column in _best(columns, rank):
        if table.look.height > 1 and _is_unique(table, column):
            return column
    return None


def _is_unique(table: _Table, column: str) -> bool:
    ends_overlap = table.rows <= 2 * LOOK
    if ends_overlap and table.look[column].n_unique() < table.rows:
        return False
    counted = table.frame.select(pl.col(column).n_unique()).collect(engine="streaming").item()
    return int(counted) == table.rows


def _label_and_prediction(table: _Table) -> tuple[str | None, str | None]:
    labels = _best(table.free(*_PLAIN), lambda column: usual.rank(column, usual.LABEL))
    label = labels[0] if labels else None
    predictions = _best(table.free(*_PLAIN), lambda column: usual.rank(column, usual.PREDICTION))
    prediction = predictions[0] if predictions else None
    named = {usual.normal(column): column for column in table.free(*_PLAIN)}
    if prediction is None:
        prediction, target = _affixed_prediction(table, named)
        label = label or target
    if label is None:
        label = next((column for word, column in named.items() if usual.labelled_target(word)), None)
        label = None if label == prediction else label
    if label is None and prediction is not None:
        label = outcomes.most_alike(table.look, prediction, [c for c in table.free(*_PLAIN) if c != prediction])
        if label is not None:
            table.notes.append(f"label: {label!r} was taken because it agrees with {prediction!r}; check it")
    elif len(labels) > 1:
        table.notes.append(f"label: {label!r} was taken; {_listed(labels[1:])} would have been next by name")
    return table.take(label), table.take(prediction)


def _affixed_prediction(table: _Table, named: dict[str, str]) -> tuple[str | None, str | None]:
    """A column such as ``fare_pred``, with the column ``fare`` or ``fare_actual`` where there is one."""
    targets = {column: target for column in named.values() if (target := usual.predicted_target(column))}
    for column, target in targets.items():
        truth = named.get(target) or next(
            (other for word, other in named.items() if usual.labelled_target(word) == target), None
        )
        if truth is not None and truth != column:
            return column, truth
    plain = [column for column in targets if not outcomes.is_share(table.look[column])]
    return (plain[0] if len(plain) == 1 else None), None


def _scores(table: _Table, label: str | None, prediction: str | None) -> tuple[dict[str, str], str | None, str | None]:
    """Scores by class label, the positive class where a lone score decides it, and the prediction that remains."""
    classes = outcomes.classes_of(table.look, [label, prediction])
    shares = [column for column in table.free(ColumnKind.NUMERIC) if outcomes.is_share(table.look[column])]
    scores = outcomes.score_group(table.look, shares, classes)
    if scores:
        table.taken.update(scores.values())
        absent = [name for name in classes if name not in scores]
        if absent and len(classes) > 2:
            table.notes.append(f"scores: left out, because no column was recognised for the classes {_listed(absent)}")
            return {}, None, prediction
        return scores, None, prediction
    if label is not None and prediction is not None and outcomes.is_fraction(table.look[prediction]):
        classes = outcomes.classes_of(table.look, [label])
        if len(classes) == 2:
            table.notes.append(f"{prediction!r} holds fractions from 0 to 1 beside a label of two classes: a score")
            lone, positive = _lone_score(table, [prediction], classes, label)
            return lone, positive, None if lone else prediction
    found = _best(shares, lambda column: usual.rank(column, usual.SCORE))
    lone, positive = _lone_score(table, found, classes, label or prediction)
    return lone, positive, prediction


def _lone_score(
    table: _Table, columns: list[str], classes: list[str], judge: str | None
) -> tuple[dict[str, str], str | None]:
    if not columns or judge is None:
        if columns:
            table.notes.append(f"{columns[0]!r} looks like a score; say of which class under [model] scores")
        return {}, None
    column = columns[0]
    if len(classes) != 2:
        table.notes.append(f"{column!r} looks like the score of whichever class was predicted; give one per class")
        return {}, None
    positive = outcomes.scored_class(table.look, column, judge, classes)
    if positive is None:
        table.notes.append(f"{column!r} looks like a score, but not of which class; say so under [model] scores")
        return {}, None
    table.take(column)
    if [name for name in classes if name.lower() in AFFIRMATIVE] == [positive]:
        return {positive: column}, None
    table.notes.append(f"score: {column!r} is higher where {judge!r} is {positive!r}, so it is taken as its score")
    return {positive: column}, positive


def _features(table: _Table) -> tuple[str, ...] | None:
    """Explicit features where columns must be left out: row numbers, keys, times, outputs of models, odd types."""
    left_out = [column for column in table.free() if _is_no_feature(table, column)]
    if not left_out:
        return None
    table.notes.append(f"left out of the features: {_listed(left_out)}; put back what the model is given")
    return tuple(column for column in table.free() if column not in left_out)


def _is_no_feature(table: _Table, column: str) -> bool:
    kind = table.kinds[column]
    if (kind not in _PLAIN and kind is not ColumnKind.EMBEDDING) or usual.is_index_like(column):
        return True
    output = (*usual.PREDICTION, *usual.SCORE, *usual.LABEL[:9], "confidence")
    if usual.rank(column, list(output)) is not None or usual.predicted_target(column):
        return True
    is_moment = kind is ColumnKind.CATEGORICAL and usual.is_time_like(column) and _is_readable(table, column)
    is_key = usual.is_id_like(column) and not table.look[column].dtype.is_float() and table.look.height > 1
    return is_moment or (is_key and _is_unique(table, column))


def _no_label(table: _Table) -> str:
    few = [c for c in table.free(*_PLAIN) if 2 <= table.look[c].n_unique() <= 20]
    hint = f"; columns of few values: {_listed(few[-5:])}" if few else ""
    return "no label was recognised; name the column of the true outcomes under [model] label" + hint


def _listed(columns: list[str], most: int = 8) -> str:
    shown = ", ".join(repr(column) for column in columns[:most])
    return shown + (f" and {len(columns) - most} more" if len(columns) > most else "")
