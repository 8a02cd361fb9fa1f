"""Row quantities of many classes are those of few, whichever way they are worked out."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from backslide.contracts.roles import Roles
from backslide.engine.columns import names
from backslide.engine.roles import derive
from backslide.engine.roles.problem import Problem


def problem_of(classes: tuple[str, ...]) -> Problem:
    roles = Roles(label="label", prediction="prediction", scores={c: f"p_{c}" for c in classes})
    return Problem("multiclass", classes, roles, (), None, 0.5, "accuracy", 0.01, True, True, None)


@pytest.mark.parametrize("logged", [{names.LABEL, names.PREDICTION}, {names.LABEL}, {names.PREDICTION}, set()])
def test_both_ways_give_the_same(logged: set[str], monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(1)
    classes = tuple(f"c{k}" for k in range(6))
    scores = rng.dirichlet(np.ones(6) * 0.5, 300)
    frame = pl.DataFrame({names.score(c): scores[:, i] for i, c in enumerate(classes)})
    told = rng.choice([*classes, "stranger"], 300).tolist()
    frame = frame.with_columns(pl.Series(name, told, dtype=pl.String) for name in sorted(logged))
    frame = frame.with_columns(
        *(
            pl.when(pl.int_range(pl.len()) % 17 == 3).then(None).otherwise(pl.col(name)).alias(name)
            for name in sorted(logged)
        ),
        pl.when(pl.int_range(pl.len()) % 13 == 5)
        .then(None)
        .otherwise(pl.col(names.score("c2")))
        .alias(names.score("c2")),
    )
    few = frame.with_columns(derive.derived(problem_of(classes), logged))
    monkeypatch.setattr(derive, "MANY", 3)
    many = frame.lazy().with_columns(derive.derived(problem_of(classes), logged)).collect(engine="streaming")
    assert set(few.columns) == set(many.columns)
    for name in set(few.columns) - set(frame.columns):
        left, right = few[name], many[name]
        assert left.is_null().equals(right.is_null()), name
        if left.dtype == pl.String:
            assert left.equals(right)
        else:
            np.testing.assert_allclose(
                left.drop_nulls().cast(pl.Float64), right.drop_nulls().cast(pl.Float64), atol=1e-12
            )


def test_rows_without_any_score_know_nothing():
    values = derive.row_quantities(np.full((2, 4), np.nan), None, np.array([0, -1]))
    for name in (names.CONFIDENCE, names.ENTROPY, names.LOG_LOSS, names.BRIER):
        assert np.isnan(values[name]).all(), name
    assert (derive.decide(np.full((2, 4), np.nan)) == -1).all()
