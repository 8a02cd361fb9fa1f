"""Columns of the log that hold what the model was given after preprocessing (``[model] inputs``)."""

from __future__ import annotations

from collections.abc import Iterable

from backslide.contracts.roles import Roles


def input_columns(roles: Roles, columns: Iterable[str]) -> dict[str, str]:
    """Name of the model's input -> column of the log, in the order of the log (of the mapping, where one is given)."""
    held = list(columns)
    given = roles.inputs
    if given is None:
        return {}
    if not isinstance(given, str):
        return {name: column for name, column in given.items() if column in set(held)}
    head, _, tail = given.partition("*")
    return {
        column[len(head) : len(column) - len(tail)]: column
        for column in held
        if column.startswith(head) and column.endswith(tail) and len(column) > len(head) + len(tail)
    }
