"""Columns of the log that hold what the model was given after preprocessing (``[model] inputs``)."""

from __future__ import annotations

from collections.abc import Iterable

from backslide.contracts.errors import ColumnError, did_you_mean
from backslide.contracts.roles import Roles


def input_columns(roles: Roles, columns: Iterable[str]) -> dict[str, str]:
    """Name of the model's input -> column of the log, in the order of the log (of the mapping, where one is given)."""
    available = list(columns)
    inputs = roles.inputs
    if inputs is None:
        return {}
    if not isinstance(inputs, str):
        return {name: column for name, column in inputs.items() if column in set(available)}
    head, _, tail = inputs.partition("*")
    # A version or a score may be called alike; what has another role is no input.
    taken = {*roles.columns().values(), *(roles.features or ())}
    return {
        column[len(head) : len(column) - len(tail)]: column
        for column in available
        if column not in taken
        and column.startswith(head)
        and column.endswith(tail)
        and len(column) > len(head) + len(tail)
    }


def check_inputs(roles: Roles, schema: Iterable[str]) -> None:
    """That the columns that ``[model] inputs`` names are there, in the current window at least.

    Raises:
        ColumnError: one of them is not, or a pattern matches none.
    """
    if roles.inputs is None:
        return
    missing = [] if isinstance(roles.inputs, str) else [c for c in roles.inputs.values() if c not in schema]
    if missing:
        raise ColumnError(
            f"the current window has no column {missing[0]!r} (role: inputs){did_you_mean(missing[0], schema)}"
        )
    if not input_columns(roles, schema):
        raise ColumnError(f"[model] inputs = {roles.inputs!r} names no column of the current window")
