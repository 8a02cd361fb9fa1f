"""Golden rows: a few rows with what the model made of them, to be asked again under another stack.

Which rows are drawn depends on the data alone, so that two snapshots over one table hold the same ones.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl

from backslide.contracts.errors import InputError
from backslide.contracts.snapshot import Golden, Number
from backslide.models.frame import to_pandas
from backslide.models.model import Model
from backslide.stack.canonical import number

ROWS = 24
MOST_TRANSFORMED = 12_000
"""Numbers kept of what the last step is given; wider tables keep fewer rows of it, or none."""

Scalar = str | int | float | bool | None


def golden(model: Model, rows: pl.DataFrame) -> Golden:
    """What ``model`` makes of ``rows`` (feature columns, in the order in which it is given them)."""
    answer = model.answer(rows)
    encoded = encode(rows)
    transformed, columns = last_inputs(model.artefact, rows)
    scores = answer.scores if answer.scores is not None else np.empty((0, 0))
    return Golden(
        dtypes={name: str(dtype) for name, dtype in rows.schema.items()},
        rows=encoded,
        keys=tuple(row_key(rows.columns, row) for row in encoded),
        transformed=transformed,
        transformed_columns=columns,
        predictions=() if answer.predictions is None else tuple(_prediction(v) for v in answer.predictions.tolist()),
        classes=answer.classes or (),
        scores=tuple(tuple(number(v) for v in row) for row in scores.tolist()),
    )


def encode(rows: pl.DataFrame) -> tuple[tuple[Scalar, ...], ...]:
    """Rows as JSON scalars; numbers that JSON has no word for as ``nan``, ``inf`` and ``-inf``."""
    return tuple(tuple(_encode(value) for value in row) for row in rows.iter_rows())


def row_key(columns: list[str], row: tuple[Scalar, ...]) -> str:
    """By which the same row is found again, whatever the order of the columns."""
    content = json.dumps(sorted(zip(columns, row, strict=True)), ensure_ascii=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def decode(stored: Golden) -> pl.DataFrame:
    """The golden rows as the model was given them.

    Raises:
        InputError: a column is of a type that cannot be restored.
    """
    columns = []
    for index, (name, text) in enumerate(stored.dtypes.items()):
        values = [row[index] for row in stored.rows]
        try:
            columns.append(_column(name, text, values))
        except Exception as error:
            raise InputError(f"golden rows: column {name!r} of type {text} cannot be restored: {error}") from None
    return pl.DataFrame(columns)


def ask_again(model: Model, stored: Golden) -> Golden:
    """The same rows, asked again.

    Raises:
        BackslideError: the rows cannot be restored, or the model cannot be given them.
    """
    return golden(model, decode(stored))


def last_inputs(artefact: Any, rows: pl.DataFrame) -> tuple[tuple[tuple[Number, ...], ...], tuple[str, ...]]:
    """What the last step of a pipeline is given for these rows, with names; empty where there is no such table."""
    steps = getattr(artefact, "steps", None)
    if not isinstance(steps, list) or len(steps) < 2:
        return (), ()
    try:
        with warnings.catch_warnings(action="ignore"):  # the model's own; what it answers is what counts
            frame = to_pandas(rows)
            first = steps[0][1]
            texts = callable(getattr(first, "build_analyzer", None))
            table: Any = artefact[:-1].transform(frame.iloc[:, 0] if texts else frame)
        width = table.shape[1]
        height = min(rows.height, MOST_TRANSFORMED // max(width, 1))
        if not height:
            return (), ()
        dense = table[:height].toarray() if hasattr(table, "toarray") else np.asarray(table)[:height]
        values = tuple(tuple(number(v) for v in row) for row in np.asarray(dense, float).tolist())
    except Exception:  # a model may transform to anything
        return (), ()
    try:
        names = tuple(str(name) for name in artefact[:-1].get_feature_names_out())
    except Exception:  # steps of the user's own need not know names
        names = ()
    return values, names if len(names) == width else tuple(f"input {i}" for i in range(width))


def _prediction(value: Any) -> str | float | None:
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return None if value is None else str(value)


def _encode(value: Any) -> Scalar:
    if isinstance(value, float):
        return number(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return int(value / timedelta(microseconds=1))
    return str(value)


def _column(name: str, text: str, values: list[Any]) -> pl.Series:
    if text.startswith(("Float", "Decimal")):
        plain = [None if v is None else float(v) for v in values]
        return pl.Series(name, plain, dtype=pl.Float32 if text == "Float32" else pl.Float64)
    if text.startswith("Datetime"):
        zone = text.split("time_zone=")[-1].strip("')\"") if "time_zone='" in text else None
        series = pl.Series(
            name,
            [None if v is None else datetime.fromisoformat(v).replace(tzinfo=None) for v in values],
            dtype=pl.Datetime("us"),
        )
        return series if zone is None else series.dt.replace_time_zone(zone)
    if text == "Date":
        return pl.Series(name, [None if v is None else date.fromisoformat(v) for v in values], dtype=pl.Date)
    if text.startswith("Duration"):
        return pl.Series(name, values, dtype=pl.Duration("us"))
    plain_type: Any = getattr(pl, text, None)
    if plain_type in (pl.Boolean, pl.Null) or (isinstance(plain_type, type) and plain_type().is_integer()):
        return pl.Series(name, values, dtype=plain_type)
    return pl.Series(name, [None if v is None else str(v) for v in values], dtype=pl.String)
