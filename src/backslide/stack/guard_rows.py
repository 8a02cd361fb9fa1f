"""Rows as services hand them over: frames of any make, arrays, and one row or several as dictionaries.

The serving guard reads them value by value where there are few and column by column where there are many, whichever is quicker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Cell = Callable[[int, int, str], Any]
"""Row, place of the column, its name -> value."""


def count_of(rows: Any) -> int:
    """How many rows there are."""
    if isinstance(rows, dict):
        first: Any = next(iter(rows.values()), None)
        return len(first) if _many(first) else 1
    return len(rows) if hasattr(rows, "__len__") else int(rows.shape[0])  # sparse matrices have no length


def holds(rows: Any, name: str) -> bool:
    """Whether there is a column of that name."""
    if hasattr(rows, "columns"):
        return name in rows.columns
    return all(name in row for row in rows) if _records(rows) else isinstance(rows, dict) and name in rows


def is_dictionary(rows: Any) -> bool:
    """One row or several as dictionaries."""
    return isinstance(rows, dict) or _records(rows)


def cells(rows: Any) -> Cell | None:
    """How single values are read, where that is quicker than whole columns.

    Frames and arrays are read by place, which must be that of training.
    """
    if hasattr(rows, "iat"):
        at = rows.iat
        return lambda i, place, _: at[i, place]
    if isinstance(rows, dict):
        return (
            (lambda i, _, name: rows[name][i])
            if _many(next(iter(rows.values()), None))
            else (lambda _i, _, name: rows[name])
        )
    if _records(rows):
        return lambda i, _, name: rows[i][name]
    if isinstance(rows, np.ndarray) and rows.ndim == 2:
        return lambda i, place, _: rows[i, place]
    return None


def column_of(rows: Any, name: str, place: int | None) -> NDArray[Any] | None:
    """The values of one column; None where they cannot be told."""
    if hasattr(rows, "columns"):
        return np.asarray(rows[name].to_numpy())
    if isinstance(rows, dict):
        values = rows[name]
        return _array(list(values) if _many(values) else [values])
    if _records(rows):
        return _array([row[name] for row in rows])
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and place is not None:
        return rows[:, place]
    return None


def spread(rows: Any, most: int, count: int) -> Any:
    """At most so many rows, evenly spread."""
    step = -(-count // most)
    if step <= 1:
        return rows
    if isinstance(rows, dict):
        return {name: values[::step] if _many(values) else values for name, values in rows.items()}
    return rows[::step]


def with_column(rows: Any, name: str, place: int | None, values: NDArray[Any]) -> Any:
    """The rows with one column replaced; what was given stays as it is."""
    if hasattr(rows, "assign"):
        return rows.assign(**{name: values})
    if hasattr(rows, "with_columns"):
        import polars as pl

        return rows.with_columns(pl.Series(name, values.tolist()))
    if isinstance(rows, dict):
        return rows | {name: values.tolist() if _many(rows[name]) else values[0]}
    if _records(rows):
        return [row | {name: value} for row, value in zip(rows, values.tolist(), strict=True)]
    changed = rows.copy()
    changed[:, place] = values
    return changed


def _many(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (hasattr(value, "__len__") and hasattr(value, "dtype"))


def _records(rows: Any) -> bool:
    return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict)


def _array(values: list[Any]) -> NDArray[Any]:
    """Numbers as numbers, all else as objects, so that 1 beside "a" stays a number."""
    if all(isinstance(v, (bool, int, float, np.number)) for v in values):
        return np.array(values, dtype=np.float64)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
