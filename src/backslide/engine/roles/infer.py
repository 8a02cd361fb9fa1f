"""Guess which column of a prediction log is what, from names and from what the columns hold.

A name proposes, the content disposes: a column named ``prediction`` that holds fractions between 0 and 1 beside a label of
two classes is a score. What cannot be told is left out and said.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from backslide.contracts.errors import TimestampError
from backslide.contracts.roles import Roles
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.roles import names as usual
from backslide.engine.roles import outcome_columns as outcomes
from backslide.engine.roles import vocabulary as words
from backslide.engine.roles.outputs import APART, Outputs, outputs_of
from backslide.engine.roles.table_sample import PLAIN, TableLook, best, listed, look_at
from backslide.engine.times.timestamps import is_text, time_expression

OWN_LOG = ("id", "at", "version", "prediction", "label", "label_at", "label_source")
"""What the prediction log itself puts beside features; an id may come again there."""
SAME = 0.98
"""Agreement from which a column is a copy of another."""


@dataclass(frozen=True)
class Guess:
    """Roles as far as they can be told."""

    roles: Roles
    notes: tuple[str, ...]
    """What a person should check, one sentence each."""
    open: dict[str, str]
    """Role that was left out although a column may have it -> what is to be decided."""


def infer_roles(frame: pl.LazyFrame) -> tuple[Roles, list[str]]:
    """Roles of the columns as far as they can be told, and what a person should check or decide, one sentence each.

    Reads the two ends of the table, and key-like columns in full.
    """
    guess = guess_roles(frame)
    return guess.roles, [*guess.notes, *(f"{role}: {what}" for role, what in guess.open.items())]


def guess_roles(frame: pl.LazyFrame) -> Guess:
    """The same, with what must be decided apart from what should be checked."""
    table = look_at(frame)
    timestamp = table.take(_timestamp(table))
    version = table.take(_version(table))
    key = table.take(_key(table))
    label_source = table.take(_named(table, words.LABEL_SOURCE))
    outputs = outputs_of(table)
    label_time = table.take(_label_time(table, timestamp, outputs.label)) if outputs.label is not None else None
    if outputs.label is None and "label" not in table.open:
        table.notes.append(_no_label(table))
    if outputs.prediction is None and not outputs.scores and not {"prediction", "scores"} & set(table.open):
        table.notes.append("no prediction and no score was recognised; name one, or give the model under [artifacts]")
    roles = Roles(
        label=outputs.label,
        prediction=outputs.prediction,
        scores=outputs.scores or {},
        positive=outputs.positive,
        timestamp=timestamp,
        label_time=label_time,
        label_source=label_source if outputs.label is not None else None,
        id=key,
        version=version,
        features=_features(table, outputs),
    )
    return Guess(roles, tuple(table.notes), dict(table.open))


def _named(table: TableLook, known: tuple[str, ...]) -> str | None:
    return next(iter(best(table.free(), lambda column: usual.rank(column, known))), None)


def _timestamp(table: TableLook) -> str | None:
    def rank(column: str) -> int | None:
        kind = table.kinds[column]
        named = usual.rank(column, words.TIMESTAMP)
        if kind is ColumnKind.TEMPORAL and not _is_moment(table.look[column].dtype):
            return None
        if kind is not ColumnKind.TEMPORAL and (named is None and not usual.is_time_like(column)):
            return None
        other = 200 if _is_another_moment(column) else 0
        return other + (named if named is not None else 50 if usual.is_time_like(column) else 100)

    kinds = (ColumnKind.TEMPORAL, ColumnKind.CATEGORICAL, ColumnKind.NUMERIC)
    ranked = best((c for c in table.free(*kinds) if usual.rank(c, words.LABEL_TIME) is None), rank)
    readable = [column for column in ranked if _is_readable(table, column)]
    if not readable:
        table.notes += [note for column in ranked if (note := _unread(table, column)) is not None][:1]
    if readable and _is_another_moment(readable[0]):
        table.ask(
            "timestamp", f"{listed(readable)} can be read, but refer to another moment than the prediction", readable
        )
        return None
    if len(readable) > 1:
        table.notes.append(f"timestamp: {readable[0]!r} was chosen; {listed(readable[1:])} is readable too")
    return readable[0] if readable else None


def _is_another_moment(column: str) -> bool:
    return usual.is_other_time(column) and usual.rank(column, words.TIMESTAMP) is None


def _is_moment(dtype: pl.DataType) -> bool:
    return dtype == pl.Date or isinstance(dtype, pl.Datetime)


def _times(table: TableLook, column: str) -> pl.Series | None:
    """The values of the look as moments; None where they are none."""
    values = table.look.lazy().select(column)
    try:
        return values.select(time_expression(values, column, table.look[column].dtype)).collect().to_series()
    except TimestampError:
        return None


def _is_readable(table: TableLook, column: str) -> bool:
    known = table.look[column].count()
    parsed = _times(table, column) if known else None
    return parsed is not None and parsed.count() >= 0.99 * known and parsed.n_unique() > 1


def _unread(table: TableLook, column: str) -> str | None:
    """Why a column that is named like a time is not taken as such."""
    like_time = usual.is_time_like(column) and not usual.is_other_time(column) and is_text(table.look[column].dtype)
    if usual.rank(column, words.TIMESTAMP) is None and not like_time:
        return None
    values = table.look.lazy().select(column)
    try:
        time_expression(values, column, table.look[column].dtype)
    except TimestampError as error:
        return str(error)
    return None


def _label_time(table: TableLook, timestamp: str | None, label: str) -> str | None:
    """The column that says when labels came: named so or after the label, and never before the prediction."""
    column = _named(table, words.LABEL_TIME) or _time_of(table, label)
    if column is None:
        return None
    if _is_moment(table.look[column].dtype) and not table.look[column].count():
        return column  # a log without labels yet
    came = _times(table, column)
    served = None if timestamp is None else _times(table, timestamp)
    if came is None or not came.count():
        return None
    if served is not None and int((came < served).sum()) > 0.01 * came.count():
        table.ask("label_time", f"{column!r} is named so, but lies before {timestamp!r} in some rows", (column,))
        return None
    if (came.is_null() & table.look[label].is_not_null()).any():
        table.ask(
            "label_time", f"{column!r} is missing in rows that have a label; is it when the label came?", (column,)
        )
        return None
    return column


def _time_of(table: TableLook, label: str) -> str | None:
    """``returned_at`` for ``returned``."""
    times = table.free(ColumnKind.TEMPORAL, ColumnKind.CATEGORICAL)
    return next((column for column in times if usual.is_time_of(column, label)), None)


def _version(table: TableLook) -> str | None:
    candidates = best(table.free(*PLAIN), lambda column: usual.rank(column, words.VERSION))
    return next((column for column in candidates if table.look[column].n_unique() <= 100), None)


def _key(table: TableLook) -> str | None:
    def rank(column: str) -> int | None:
        named = usual.rank(column, words.ID)
        return named if named is not None else 50 if usual.is_key_like(column) else None

    columns = [c for c in table.free(ColumnKind.CATEGORICAL, ColumnKind.NUMERIC) if not table.look[c].dtype.is_float()]
    for column in best(columns, rank):
        if table.look.height > 1 and _is_unique(table, column):
            return column
    return next((column for column in columns if _is_code(table, column)), None)


def _is_code(table: TableLook, column: str) -> bool:
    """Whether a column holds another text in every row, and no sentences: a key, whatever its name."""
    values = table.look[column]
    if (
        not is_text(values.dtype)
        or values.len() < outcomes.LEAST_ROWS
        or values.null_count()
        or usual.is_time_like(column)
    ):
        return False
    return not values.cast(pl.String).str.contains(r"\s").any() and _is_unique(table, column)


def _is_unique(table: TableLook, column: str) -> bool:
    if table.look[column].n_unique() < table.look.height:  # no second pass over the table for what its ends show
        return False
    counted = table.frame.select(pl.col(column).n_unique()).collect(engine="streaming").item()
    return int(counted) == table.rows


def _features(table: TableLook, outputs: Outputs) -> tuple[str, ...] | None:
    """Explicit features where columns must be left out: row numbers, keys, times, outputs of models, odd types."""
    own = set(OWN_LOG) if set(OWN_LOG) <= set(table.kinds) else set()
    free = table.free()
    no_input = [column for column in free if column in own or _is_no_feature(table, column)]
    leaking = [column for column in free if column not in no_input and _is_output(table, column, outputs)]
    if leaking:
        reason = "because they reveal the model's answer or the true outcome"
        table.notes.append(f"left out of the features, {reason}: {listed(leaking)}; put back what the model is given")
    left_out = {*no_input, *leaking}
    if no_input:
        table.notes.append(f"left out of the features: {listed(no_input)}; put back what the model is given")
    features = tuple(column for column in free if column not in left_out)
    named = [column for column in features if usual.read(column).output and column in table.free(ColumnKind.NUMERIC)]
    if named:
        table.notes.append(
            f"kept among the features although named like outputs of a model: {listed(named)}; check them"
        )
    return features if left_out or table.aside else None


def _is_no_feature(table: TableLook, column: str) -> bool:
    kind = table.kinds[column]
    if (kind not in PLAIN and kind is not ColumnKind.EMBEDDING) or usual.is_index_like(column):
        return True
    if column.startswith(words.OPENTELEMETRY):
        return True
    is_moment = kind is ColumnKind.CATEGORICAL and usual.is_time_like(column) and _is_readable(table, column)
    is_key = usual.is_key_like(column) and not table.look[column].dtype.is_float() and table.look.height > 1
    return is_moment or (is_key and _is_unique(table, column)) or _is_code(table, column)


def _is_output(table: TableLook, column: str, outputs: Outputs) -> bool:
    """Whether a column is named like an output and holds what one would, or its values give the outcome away."""
    if table.kinds[column] not in PLAIN:
        return False
    name = usual.read(column)
    exact = (*words.PREDICTION, *words.SCORE, *words.LABEL, *words.LABEL_TIME, *words.LABEL_SOURCE)
    if usual.rank(column, exact) is not None or name.surely:
        return True
    about = {
        usual.read(c).stem
        for c in (outputs.label, outputs.prediction, *(outputs.scores or {}).values())
        if c is not None
    }
    if (name.output or name.truth) and any(usual.same_subject(name.stem, stem) for stem in about):
        return True
    if (name.score or name.confidence) and not outputs.scores and column in table.shares:
        return True
    return _gives_away(table, column, outputs)


def _gives_away(table: TableLook, column: str, outputs: Outputs) -> bool:
    known = [c for c in (outputs.label, outputs.prediction) if c is not None]
    if any((outcomes.agreement(table.compared, other, column) or 0) >= SAME for other in known):
        return True
    numeric = table.kinds[column] is ColumnKind.NUMERIC
    if numeric and any((outcomes.separation(table.compared, column, other) or 0) >= APART for other in known):
        return True
    scores = list((outputs.scores or {}).values())
    return numeric and any((outcomes.agreement(table.compared, score, column) or 0) >= SAME for score in scores)


def _no_label(table: TableLook) -> str:
    few = [c for c in table.free(*PLAIN) if 2 <= table.look[c].n_unique() <= 20]
    hint = f"; columns of few values: {listed(few[-5:])}" if few else ""
    return "no label was recognised; name the column of the true outcomes under [model] label" + hint
