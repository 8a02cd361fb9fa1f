"""Finding the order of columns that a model needs from what it says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import backslide as bs
from backslide.case import Case
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.config import Settings
from backslide.engine.window import open_windows
from backslide.models.load import load_model
from backslide.models.orders import by_weight, find_order, usual_orders
from backslide.playbook.shadow.replay import replay

NAMES = ("tenure", "income", "age", "debt", "visits", "limit", "rate", "area")


class Linear:
    """Answers of a linear model to one row per order, told apart from those of the right order."""

    def __init__(self, right: tuple[int, ...], seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.rows = rng.normal(size=(40, len(right))) * np.linspace(0.5, 2, len(right)) + np.arange(len(right))
        self.weights = rng.normal(size=len(right))
        self.said = self.rows[:, right] @ self.weights
        self.looked = 0

    def look(self, orders):
        self.looked += len(orders)
        off = np.array([np.abs(self.rows[:, order] @ self.weights - self.said).mean() for order in orders])
        return (off < 1e-9).astype(float), off

    def guide(self, order):
        return by_weight(self.rows, order, (self.rows[:, order] @ self.weights)[:, None], self.said[:, None])


@pytest.mark.parametrize("n", [2, 5, 6, 9, 12, 30])
def test_any_order_of_a_linear_model_is_found(n):
    right = tuple(int(i) for i in np.random.default_rng(n).permutation(n))
    model = Linear(right)
    found = find_order(usual_orders([f"c{i}" for i in range(n)], [True] * n), model.look, most=3_000, guide=model.guide)
    assert found == right
    assert model.looked <= 3_000


def test_an_order_by_alphabet_is_among_the_first_asked():
    right = tuple(sorted(range(len(NAMES)), key=lambda i: NAMES[i]))
    model = Linear(right)
    assert find_order(usual_orders(NAMES, [True] * len(NAMES)), model.look, most=500) == right
    assert model.looked < 20


def test_a_few_columns_out_of_place_are_put_back_step_by_step():
    right = (0, 5, 2, 3, 4, 1, 6, 8, 7)
    model = Linear(right)
    assert find_order([tuple(range(9))], model.look, most=500) == right


def test_what_no_order_explains_is_given_up_within_the_limit():
    model = Linear(tuple(range(9)))
    model.said = np.random.default_rng(1).normal(size=40)
    assert find_order([tuple(range(9))], model.look, most=400) is None
    assert model.looked <= 400


def rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: rng.normal(i / 2, 1 + i / 5, n) for i, name in enumerate(NAMES)})


def label(frame: pd.DataFrame, seed: int) -> np.ndarray:
    drive = (frame[list(NAMES)].to_numpy() - np.arange(8) / 2) @ np.linspace(1.5, -1.2, 8)
    return np.where(np.random.default_rng(seed).random(len(frame)) < 1 / (1 + np.exp(-drive)), "paid", "default")


FITTED = ("area", "debt", "tenure", "rate", "income", "limit", "visits", "age")
ROLES = {"label": "label", "prediction": "prediction", "scores": {"paid": "score"}}


@cache
def fitted(kind: str):
    made = {
        "linear": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        "trees": lambda: HistGradientBoostingClassifier(max_iter=10),
    }[kind]()
    train = rows(1500, 0)
    return made.fit(train[list(FITTED)].to_numpy(), label(train, 1))


def served(model, frame: pd.DataFrame, order, seed: int) -> pd.DataFrame:
    score = model.predict_proba(frame[list(order)].to_numpy())[:, 1]
    return frame.assign(score=score, prediction=np.where(score >= 0.5, "paid", "default"), label=label(frame, seed))


def case_of(reference: pd.DataFrame, current: pd.DataFrame, model, **roles) -> Case:
    settings = Settings.from_dict({"model": ROLES | roles}, where="test")
    return Case(open_windows(reference, current, settings), settings, load_model(model))


@pytest.mark.parametrize("kind", ["linear", "trees"])
def test_the_order_of_the_fit_is_found_by_replay_and_said(kind):
    model = fitted(kind)
    case = case_of(served(model, rows(400, 2), FITTED, 3), served(model, rows(400, 4), FITTED, 5), model)
    done = replay(case)
    assert (done.reference.share, done.current.share) == (1, 1)
    assert case.reference_model.features == FITTED
    assert f"in the order {', '.join(FITTED[:-1])} and {FITTED[-1]}" in case.reference_model.remarks[0]


def test_numbers_and_texts_by_place():
    """A preprocessing that names its columns by number fails on every row in the order of the log."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"plan": rng.choice(["a", "b", "c"], 500), "x": rng.normal(size=500), "y": rng.normal(size=500)}
    )
    target = np.where(frame["x"] + (frame["plan"] == "b") > 0.5, "paid", "default")
    given = frame[["x", "y", "plan"]].to_numpy(object)
    columns = ColumnTransformer([("texts", OneHotEncoder(), [2]), ("numbers", StandardScaler(), [0, 1])])
    model = make_pipeline(columns, LogisticRegression()).fit(given, target)
    score = model.predict_proba(given)[:, 1]
    held = frame.assign(score=score, prediction=np.where(score >= 0.5, "paid", "default"), label=target)
    case = case_of(held, held, model)
    assert replay(case).reference.share == 1
    assert case.reference_model.features == ("x", "y", "plan")


def test_a_function_that_takes_columns_by_name_is_left_alone():
    """Another model than the one that served: no order of columns makes it that one, and none is tried."""
    model = fitted("linear")
    calls = []

    def by_name(frame):
        calls.append(len(frame))
        p = 1 / (1 + np.exp(-frame["age"].to_numpy()))
        return pd.DataFrame({"paid": p, "default": 1 - p})

    held = served(model, rows(300, 2), FITTED, 3)
    case = case_of(held, held, by_name)
    assert replay(case).reference.share < 0.1
    assert case.reference_model.features is None
    assert len(calls) < 12


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "order", [NAMES, ("income", "area", "age", "tenure", "limit", "debt", "visits", "rate")], ids=["log", "any"]
)
def test_an_order_that_changed_is_the_cause(order):
    model = fitted("linear")
    found = bs.diagnose(
        served(model, rows(600, 2), FITTED, 3),
        served(model, rows(600, 4), order, 5),
        roles=bs.Roles(**ROLES),
        reference_model=model,
        quick=True,
    )
    first = found.causes[0]
    assert (first.kind, first.confidence) == (CauseKind.PREPROCESSING_CHANGE, Confidence.PROVEN)
    assert "columns come in another order" in first.summary
    assert not any("does not reproduce" in note for note in found.inputs.notes)
