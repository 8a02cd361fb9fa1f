"""Columns beside the features: what a log holds of a request that the model never sees."""

from __future__ import annotations

from backslide.case import Case
from backslide.engine.columns import names
from backslide.engine.roles.logged_inputs import input_columns


def context_columns(case: Case) -> list[str]:
    """The columns of both windows that are no features and have no role, in the order of the reference."""
    roles = case.problem.roles
    taken = {*case.problem.features, *roles.columns().values()}
    taken |= set(input_columns(roles, case.current.window.kinds).values())
    now = set(case.current.sample.columns)
    own = (column for column in case.reference.sample.columns if not column.startswith(names.PREFIX))
    return [column for column in own if column in now and column not in taken]
