"""Guessing roles on forty logs as people name them: nearly all wholly right, and never a leak."""

from __future__ import annotations

from functools import cache

import pytest
from role_schemas import SCHEMAS, Schema, frame

from backslide.engine.inference import infer_roles


@cache
def guessed(schema: Schema):
    return infer_roles(frame(schema).lazy())


def wrong(schema: Schema) -> str:
    """What is not as a person would have it; empty when all is."""
    roles, _ = guessed(schema)
    found, expected = roles.columns(), schema.expected().columns()
    told = [f"{role}: {found.get(role)} for {c}" for role, c in expected.items() if found.get(role) != c]
    told += [f"{role}: {column} invented" for role, column in found.items() if role not in expected]
    features = _features(schema)
    told += [f"no feature: {c}" for c in sorted(schema.features() - features)]
    return "; ".join(told)


def _features(schema: Schema) -> set[str]:
    roles, _ = guessed(schema)
    rest = set(schema.kinds) - set(roles.columns().values())
    return rest if roles.features is None else set(roles.features)


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.what)
def test_nothing_leaks(schema):
    assert not _features(schema) & schema.outputs()


def test_nearly_all_are_wholly_right():
    assert len(SCHEMAS) == 40
    failed = {schema.what: told for schema in SCHEMAS if (told := wrong(schema))}
    assert len(failed) <= 4, failed
