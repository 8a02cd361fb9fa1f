"""Guessing roles on logs as people name them: nearly all wholly right, never a leak, and accepted as they stand."""

from __future__ import annotations

from functools import cache

import pytest
from role_schemas import HELD_ASIDE, SCHEMAS, Schema, frame

from backslide.cli.init import configuration
from backslide.contracts.config import Settings
from backslide.engine.roles.infer import guess_roles
from backslide.engine.roles.proposed_windows import propose_windows
from backslide.engine.window import open_windows


@cache
def guessed(schema: Schema):
    return guess_roles(frame(schema).lazy())


def wrong(schema: Schema) -> str:
    """What is not as a person would have it; empty when all is."""
    found, expected = guessed(schema).roles.columns(), schema.expected().columns()
    told = [f"{role}: {found.get(role)} for {c}" for role, c in expected.items() if found.get(role) != c]
    told += [f"{role}: {column} invented" for role, column in found.items() if role not in expected]
    told += [f"no feature: {c}" for c in sorted(schema.features() - features(schema))]
    return "; ".join(told)


def features(schema: Schema) -> set[str]:
    roles = guessed(schema).roles
    return set(schema.kinds) - set(roles.columns().values()) if roles.features is None else set(roles.features)


def test_nothing_leaks():
    leaks = {schema.what: found for schema in SCHEMAS + HELD_ASIDE if (found := features(schema) & schema.outputs())}
    assert not leaks


@pytest.mark.sample(1)
@pytest.mark.parametrize(("schemas", "least"), [(SCHEMAS, 36), (HELD_ASIDE, 40)], ids=["forty", "held aside"])
def test_nearly_all_are_wholly_right(schemas, least):
    failed = {schema.what: told for schema in schemas if (told := wrong(schema))}
    assert len(schemas) - len(failed) >= least, failed


def test_what_is_not_recognised_is_asked_and_nothing_else_is_invented():
    (harvest,) = [schema for schema in HELD_ASIDE if schema.what == "yield"]
    guess = guessed(harvest)
    assert guess.roles.label is None
    assert guess.roles.prediction is None
    assert "'yield_t_ha' and 'yield_model' agree" in guess.open["prediction"]


TIMED = [schema for schema in SCHEMAS if schema.expected().timestamp is not None]


@pytest.mark.parametrize("schema", TIMED[::3], ids=lambda schema: schema.what)
def test_what_is_written_opens_as_it_stands(schema, tmp_path):
    table = frame(schema)
    table.write_parquet(tmp_path / "log.parquet")
    guess, out = guessed(schema), tmp_path / "backslide.toml"
    windows = propose_windows(table.lazy(), guess.roles)
    out.write_text(
        configuration("log.parquet", "m", guess.roles, list(guess.notes), windows, guess.open), encoding="utf-8"
    )
    settings = Settings.load(out)
    opened = open_windows(settings.windows.reference, settings.windows.current, settings)
    assert opened.problem.task == (
        "regression" if not schema.classes else "binary" if len(schema.classes) == 2 else "multiclass"
    )
    assert opened.reference.rows + opened.current.rows == table.height
