"""Scores of the wrong class: refused, with the probable fix, and never on quiet rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backslide.contracts.errors import LabelError
from backslide.contracts.roles import Roles
from backslide.engine.roles.outcomes import Outcomes
from backslide.engine.roles.problem import Problem
from backslide.engine.roles.score_direction import check_direction, direction, put_right


def problem(classes: int) -> Problem:
    names = tuple("abcde"[:classes])
    roles = Roles(label="y", scores={c: f"p_{c}" for c in names[-1 if classes == 2 else 0 :]})
    return Problem(
        "binary" if classes == 2 else "multiclass",
        names,
        roles,
        (),
        names[-1] if classes == 2 else None,
        0.5,
        "accuracy",
        0.01,
        True,
        True,
    )


def rows(rng: np.random.Generator, n: int, classes: int, sharp: float = 2.0) -> Outcomes:
    """Calibrated answers: labels drawn from the scores, predictions their largest."""
    evidence = np.exp(sharp * rng.normal(size=(n, classes)))
    scores = evidence / evidence.sum(axis=1, keepdims=True)
    labels = (scores.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return Outcomes(labels, scores.argmax(axis=1), scores)


def moved(outcomes: Outcomes, order: list[int]) -> Outcomes:
    assert outcomes.scores is not None
    return replace(outcomes, scores=outcomes.scores[:, order])


@pytest.mark.parametrize("logged", [True, False])
@pytest.mark.parametrize("order", [[1, 0], [1, 0, 2], [1, 2, 0], [0, 2, 1, 3], [1, 0, 3, 2, 4]])
def test_columns_of_other_classes_are_told_and_put_right(order, logged):
    sound = rows(np.random.default_rng(1), 1500, len(order), 4.0)
    found = direction(moved(sound, order), problem(len(order)), logged=logged)
    assert found is not None
    assert found.wrong
    assert found.order == tuple(order)
    assert found.moved == tuple(i for i, j in enumerate(order) if i != j)
    assert np.array_equal(put_right(moved(sound, order).scores, found.order), sound.scores)


def test_the_error_names_column_and_fix():
    swapped = moved(rows(np.random.default_rng(1), 500, 2), [1, 0])
    with pytest.raises(LabelError) as caught:
        check_direction(swapped, problem(2), {"b": "p_b"}, logged=True, whose=" of the reference")
    said = str(caught.value)
    assert "column 'p_b' of the reference contradicts its predictions" in said
    assert 'set [model] scores = { "a" = "p_b" }' in said
    both = {"a": "p_a", "b": "p_b"}
    with pytest.raises(LabelError, match=r"'p_a' and 'p_b'.*each under its own class"):
        check_direction(swapped, problem(2), both, logged=False)


def test_a_poor_model_is_not_taken_for_a_wrong_column():
    rng = np.random.default_rng(3)
    noise = rows(rng, 5000, 2, 0.0)
    slightly = Outcomes((rng.random(5000) < 0.5).astype(int), noise.predictions, rng.random((5000, 2)))
    for outcomes in (noise, slightly):
        found = direction(outcomes, problem(2), logged=False)
        assert found is not None
        assert not found.wrong


@pytest.mark.parametrize("n", [5, 15])
def test_few_rows_tell_nothing(n):
    assert direction(moved(rows(np.random.default_rng(1), n, 2), [1, 0]), problem(2), logged=False) is None


def test_two_hundred_quiet_draws_pass():
    rng = np.random.default_rng(5)
    for _ in range(200):
        classes = int(rng.integers(2, 6))
        outcomes = rows(rng, int(rng.integers(25, 1500)), classes, float(rng.uniform(0.0, 3.0)))
        for logged in (True, False):
            found = direction(outcomes, problem(classes), logged=logged)
            assert found is None or not found.wrong
