"""A linear model's answers are imitated exactly, also where the reference held nothing; others are left to trees."""

from __future__ import annotations

import numpy as np
import pytest

from backslide.causes.pricing.linear_form import fit_linear_form
from backslide.engine.columns.design_matrix import Design

DESIGN = Design(("age", "plan"), {"plan": {"a": 0, "b": 1, "c": 2}})


def columns(rng: np.random.Generator, n: int) -> np.ndarray:
    age = np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 10, n))
    plan = np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 3, n))
    return np.column_stack([age, plan])


def answers(x: np.ndarray) -> np.ndarray:
    """A pipeline that fills missing ages by 38 and gives unknown plans no weight."""
    weight = np.array([0.5, -1.0, 2.0, 0.0])
    plan = np.where(np.isnan(x[:, 1]), 3, x[:, 1]).astype(int)
    return np.where(np.isnan(x[:, 0]), 38, x[:, 0]) * 0.3 + weight[plan]


def test_numbers_levels_and_missing_values():
    rng = np.random.default_rng(0)
    x = columns(rng, 2000)
    form = fit_linear_form(x, answers(x)[:, None], DESIGN, rng.random(2000) < 0.75)
    far = np.array([[400.0, 1.0], [np.nan, 2.0], [-50.0, 0.0]])
    assert form is not None
    assert form.predict(far) == pytest.approx(answers(far), abs=1e-3)


def test_what_only_looks_linear_has_no_form():
    rng = np.random.default_rng(1)
    x = columns(rng, 2000)
    bent = answers(x) + 0.02 * np.maximum(np.nan_to_num(x[:, 0]) - 40, 0) ** 2
    assert fit_linear_form(x, bent[:, None], DESIGN, rng.random(2000) < 0.75) is None


def test_few_rows_prove_no_form():
    rng = np.random.default_rng(2)
    x = columns(rng, 30)
    assert fit_linear_form(x, answers(x)[:, None], DESIGN, np.arange(30) < 20) is None
