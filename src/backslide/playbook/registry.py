"""Discovery: every check in the folders of the playbook, and those that others registered."""

from __future__ import annotations

import inspect
import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from backslide import playbook
from backslide.contracts.finding import Step
from backslide.playbook.base import Check

ENTRY_POINTS = "backslide.checks"


@cache
def all_checks() -> tuple[type[Check], ...]:
    """Every check in the order of the playbook, then by code."""
    by_code: dict[str, type[Check]] = {}
    for info in pkgutil.walk_packages(playbook.__path__, playbook.__name__ + "."):
        _collect(import_module(info.name), by_code)
    for entry in entry_points(group=ENTRY_POINTS):
        loaded: Any = entry.load()
        checks: list[type[Check]] = _checks_in(loaded) if inspect.ismodule(loaded) else [loaded]
        by_code |= {check.code: check for check in checks}
    steps = list(Step)
    return tuple(sorted(by_code.values(), key=lambda check: (steps.index(check.step), check.code)))


def _checks_in(module: ModuleType) -> list[type[Check]]:
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and issubclass(value, Check)
        and not inspect.isabstract(value)
    ]


def _collect(module: ModuleType, checks: dict[str, type[Check]]) -> None:
    for check in _checks_in(module):
        if check.code in checks and checks[check.code] is not check:
            raise RuntimeError(f"two checks share the code {check.code}: {checks[check.code]} and {check}")
        checks[check.code] = check
