"""What each role's column may hold, checked once and for every command, when a window is opened.

Types alone are looked at here, never values: a list, a duration or a struct in the place of a label is refused in one line before
anything is computed. What the values of a score say is for ``score_scale``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from backslide.contracts.config import Settings
from backslide.contracts.errors import ColumnError, InputError, LabelError, TimestampError
from backslide.contracts.roles import Roles

Schema = Mapping[str, pl.DataType]


@dataclass(frozen=True)
class _RoleTypes:
    """What a role takes: families of types, words for them, and what to do about another one."""

    families: frozenset[str]
    words: str
    remedy: str
    error: type[InputError] = LabelError


_CLASS = frozenset({"text", "boolean", "number", "bytes", "none"})
_TIME = _RoleTypes(
    frozenset({"text", "number", "date", "datetime", "none"}),
    "dates, datetimes, texts or Unix epochs",
    "write the moment as one of these",
    TimestampError,
)
_KEY = _RoleTypes(
    frozenset({"text", "boolean", "number", "date", "datetime", "bytes", "none"}),
    "texts or numbers",
    "write it as text",
    ColumnError,
)
_WANTED = {
    "label": _RoleTypes(_CLASS, "class labels or numbers", "write one plain value in each row"),
    "prediction": _RoleTypes(_CLASS, "class labels or numbers", "write one plain value in each row"),
    "score": _RoleTypes(frozenset({"number", "none"}), "numbers from 0 to 1", "write plain numbers in both windows"),
    "timestamp": _TIME,
    "label_time": _TIME,
    "label_source": _KEY,
    "id": _KEY,
    "version": _KEY,
    "weight": _RoleTypes(frozenset({"number", "none"}), "counts of rows", "write whole numbers", ColumnError),
}


def check(schema: Schema, window: str, settings: Settings, *, unread: bool = False) -> None:
    """That no column has two roles, and that the column of every role has a type which the role takes.

    Columns that are not there are for others to miss. ``[shadow]`` counts as roles of the other model. While texts are
    ``unread``, those of a score may still turn out to be numbers.

    Raises:
        LabelError, ColumnError, TimestampError: one line: column, role, window, what came, what to do.
    """
    named = list(settings.model.columns().items())
    arms = []
    for arm, columns in (("old", settings.shadow.old), ("new", settings.shadow.new)):
        if columns is not None:
            own = [(f"prediction of the {arm} model", columns.prediction)] if columns.prediction else []
            own += [(f"score of {label!r} by the {arm} model", column) for label, column in columns.scores.items()]
            arms.append(own)
    for role, column in (*named, *(one for own in arms for one in own)):
        dtype = schema.get(column)
        wanted = _WANTED[role.split(" ")[0]]
        may_be = {"text"} if unread and role.startswith("score") else set()
        if dtype is not None and family(dtype) not in wanted.families | may_be:
            raise wanted.error(
                f"{role}: expected {wanted.words} in column {column!r}, found {_type_words(dtype)} in the {window} window; "
                f"{wanted.remedy}, or name another column"
            )
    by_column = _once(settings.model)
    # Both models may share a column of [model]; none may take a label or a time for an answer.
    others = [(c, r) for c, r in by_column.items() if not r.startswith(("prediction", "score"))]
    for own in arms:
        _distinct([*others, *((c, r) for r, c in own)])


def _once(roles: Roles) -> dict[str, str]:
    """Column -> role."""
    by_column = _distinct([(column, role) for role, column in roles.columns().items()])
    for column in roles.features or ():
        role = by_column.get(column, "")
        if role.startswith(("label", "prediction", "score")):
            raise ColumnError(
                f"column {column!r} is named as {role} and among [model] features: what is to be predicted, or was, is no "
                "input of the model; take it out of one of them"
            )
    return by_column


def _distinct(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    by_column: dict[str, str] = {}
    for column, role in named:
        if column in by_column:
            raise ColumnError(
                f"column {column!r} is named for two roles, {by_column[column]} and {role}; name another column for one of them, "
                "or leave it out"
            )
        by_column[column] = role
    return by_column


def family(dtype: pl.DataType) -> str:
    """The kind of values in words that roles are told by."""
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_numeric():
        return "number"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    for known, name in ((pl.Null, "none"), (pl.Binary, "bytes"), (pl.Date, "date"), (pl.Datetime, "datetime")):
        if dtype == known:
            return name
    return "nested" if dtype.is_nested() else "other"


_SPOKEN = {
    pl.List: "lists",
    pl.Array: "arrays",
    pl.Struct: "nested objects",
    pl.Duration: "durations",
    pl.Time: "times of day",
    pl.Object: "Python objects",
    pl.Binary: "bytes",
    pl.String: "texts",
    pl.Boolean: "booleans",
    pl.Date: "dates",
    pl.Datetime: "datetimes",
    pl.Categorical: "categories",
    pl.Enum: "categories",
}


def _type_words(dtype: pl.DataType) -> str:
    spoken = next((words for kind, words in _SPOKEN.items() if dtype == kind), None)
    plain = str(dtype)
    shown = plain if len(plain) <= 60 else plain[:57] + "..."
    return shown if spoken is None else f"{spoken} ({shown})"


def decoded(
    raw: dict[str, tuple[pl.LazyFrame, str]],
    schemas: dict[str, dict[str, pl.DataType]],
    settings: Settings,
    notes: list[str],
) -> None:
    """Role columns of bytes as the texts that they encode, in both windows, and a note that says so.

    Raises:
        ColumnError: some of the bytes are no UTF-8 text.
    """
    columns = dict.fromkeys([*settings.model.columns().values(), *settings.shadow.columns()])
    for window, (frame, source) in raw.items():
        binary = [c for c in columns if schemas[window].get(c) == pl.Binary]
        if not binary:
            continue
        texts = [pl.col(c).cast(pl.String) for c in binary]
        for column, text in zip(binary, texts, strict=True):
            try:
                frame.select(text.count()).collect(engine="streaming")
            except pl.exceptions.ComputeError:
                raise ColumnError(
                    f"column {column!r} of the {window} window holds bytes that are not UTF-8 text; write it as text or "
                    "numbers, or name another column"
                ) from None
        raw[window] = frame.with_columns(texts), source
        schemas[window] |= dict.fromkeys(binary, pl.String())
        notes.append(f"bytes of the {window} window are read as UTF-8 text: {', '.join(binary)}")
