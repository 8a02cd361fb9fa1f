"""What is said of an alarm: only causes that may be behind it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from backslide.jobs.investigate import _of_column


def cause(*features: str) -> Any:
    return SimpleNamespace(features=features)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("missing", "missing:age", [("city", "age")]),
        ("unknown", "unknown:income", [("income",)]),
        ("share", "share:age=40", [("city", "age")]),
        ("missing", "missing:ag", []),
        ("performance", "performance", [("income",), ("branch",), ("city", "age")]),
        ("segment", "segment:branch = 'north'", [("income",), ("branch",), ("city", "age")]),
    ],
)
def test_an_alarm_about_a_column_is_not_explained_by_another_one(kind: str, name: str, expected: list[tuple[str, ...]]):
    followed = SimpleNamespace(kind=kind, name=name)
    group: Any = SimpleNamespace(speaker=SimpleNamespace(track=SimpleNamespace(followed=followed)))
    diagnosis: Any = SimpleNamespace(
        causes=(cause("income"),), suspects=(cause("branch"),), harmless=(cause("city", "age"),)
    )
    assert [one.features for one in _of_column(group, diagnosis)] == expected
