"""What a model's return means: every shape that functions have, read by the roles and the logged answers, or refused."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import ModelError
from backslide.engine.window import open_windows
from backslide.models.load import load_model
from backslide.playbook.shadow.replay import ReplayResult, replay

N = 300


def odds(frame) -> np.ndarray:
    return 2 * frame["x"].to_numpy() + frame["z"].to_numpy()


def paid(frame) -> np.ndarray:
    """Probability of ``paid`` (n,)."""
    return 1 / (1 + np.exp(-odds(frame)))


def words(frame) -> np.ndarray:
    return np.where(paid(frame) >= 0.5, "paid", "default")


@cache
def log() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"x": rng.normal(size=N), "z": rng.normal(size=N)})
    label = np.where(rng.random(N) < paid(rows), "paid", "default")
    return rows.assign(score=paid(rows), prediction=words(rows), label=label)


def asked(
    model, *, rows: pd.DataFrame | None = None, scored: bool = True, task: str | None = None, **roles
) -> tuple[Case, ReplayResult]:
    """A model on a log of two equal windows."""
    rows = log() if rows is None else rows
    given = {"label": "label", "prediction": "prediction", "features": ["x", "z"]} | roles
    given |= {"scores": {"paid": "score"}} if scored and "scores" not in roles else {}
    given |= {} if task is None else {"task": task}
    settings = Settings.from_dict({"model": given}, where="test")
    case = Case(open_windows(rows, rows, settings), settings, load_model(model, task=task))
    return case, replay(case).reference


SAID_PLAINLY = {
    "labels": words,
    "a list of labels": lambda f: words(f).tolist(),
    "a frame by label": lambda f: pd.DataFrame({"paid": paid(f), "default": 1 - paid(f)}),
    "a Polars frame by label": lambda f: pl.DataFrame({"default": 1 - paid(f), "paid": paid(f)}),
    "a frame of one class": lambda f: pd.DataFrame({"paid": paid(f)}),
    "columns like p_paid": lambda f: pd.DataFrame({"p_default": 1 - paid(f), "p_paid": paid(f)}),
    "decisions and scores": lambda f: pd.DataFrame({"prediction": words(f), "paid": paid(f)}),
    "a mapping": lambda f: {"paid": paid(f), "default": 1 - paid(f)},
    "a mapping per row": lambda f: [{"paid": p, "default": 1 - p} for p in paid(f)],
}
READ = {
    "P(positive)": (paid, "the score of 'paid'"),
    "a list": (lambda f: paid(f).tolist(), "the score of 'paid'"),
    "a series": (lambda f: pd.Series(paid(f)), "the score of 'paid'"),
    "single precision": (lambda f: paid(f).astype("float32"), "the score of 'paid'"),
    "one column": (lambda f: paid(f)[:, None], "the score of 'paid'"),
    "P(negative)": (lambda f: 1 - paid(f), "the score of 'default'"),
    "two columns": (lambda f: np.column_stack([1 - paid(f), paid(f)]), "'default' and 'paid' in this order"),
    "two columns turned": (lambda f: np.column_stack([paid(f), 1 - paid(f)]), "'paid' and 'default' in this order"),
    "a frame without names": (
        lambda f: pd.DataFrame(np.column_stack([paid(f), 1 - paid(f)])),
        "'paid' and 'default' in this order",
    ),
    "codes": (lambda f: (paid(f) >= 0.5).astype(int), "numbers of 'default' and 'paid'"),
    "codes turned": (lambda f: (paid(f) < 0.5).astype(int), "numbers of 'paid' and 'default'"),
    "codes as floats": (lambda f: (paid(f) >= 0.5).astype(float), "numbers of 'default' and 'paid'"),
    "truth values": (lambda f: paid(f) >= 0.5, "numbers of 'default' and 'paid'"),
    "log odds": (odds, "as log odds"),
    "unnormalised scores": (lambda f: np.column_stack([0 * odds(f), odds(f)]), "unnormalised"),
    "percent": (lambda f: 100 * paid(f), "in percent"),
    "a server's answer": (lambda f: {"predictions": paid(f).tolist()}, "the score of 'paid'"),
    "a server's matrix": (
        lambda f: {"outputs": np.column_stack([1 - paid(f), paid(f)]).tolist()},
        "'default' and 'paid' in this order",
    ),
    "a series in another order": (lambda f: pd.Series(paid(f), index=f.index).sort_values(), "the score of 'paid'"),
}


@pytest.mark.parametrize("scored", [True, False], ids=["scores logged", "predictions logged"])
@pytest.mark.parametrize("name", SAID_PLAINLY)
def test_what_says_itself_is_read_without_a_word(name, scored):
    case, done = asked(SAID_PLAINLY[name], scored=scored)
    assert done.share == 1
    assert done.failed == 0
    assert case.reference_model.remarks == ()


@pytest.mark.parametrize("scored", [True, False], ids=["scores logged", "predictions logged"])
@pytest.mark.parametrize("name", READ)
def test_what_does_not_is_read_as_what_was_logged_and_said(name, scored):
    function, said = READ[name]
    case, done = asked(function, scored=scored)
    assert done.share == 1
    assert done.failed == 0
    (remark,) = case.reference_model.remarks
    assert said in remark
    assert "100.0%" in remark


REFUSED = {
    "columns of other names": (lambda f: pd.DataFrame({"a": words(f), "b": words(f)}), "the columns 'a' and 'b'"),
    "three scores of two classes": (lambda f: np.column_stack([paid(f)] * 3), "3 scores per row"),
    "noise in two columns": (lambda f: np.random.default_rng(1).random((len(f), 2)), "do not tell which is which"),
    "noise outside 0 to 1": (lambda f: np.random.default_rng(1).normal(0, 3, len(f)), "scores_are"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_mean_anything_is_refused_in_one_line(name):
    function, said = REFUSED[name]
    with pytest.raises(ModelError) as raised:
        asked(function)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "returned", [odds, paid, lambda f: 100 * paid(f)], ids=["log odds", "probabilities", "percent"]
)
@pytest.mark.parametrize("are", ["logit", "percent"])
def test_the_scale_of_the_log_is_not_that_of_the_model(are, returned):
    rows = log().assign(score=odds(log()) if are == "logit" else 100 * paid(log()))
    _, done = asked(returned, rows=rows, scores_are=are)
    assert done.share == 1


def test_another_model_is_read_by_agreement():
    """A challenger never says what was logged; its columns can be told all the same."""
    case, done = asked(lambda f: np.column_stack([1 - paid(f) ** 2, paid(f) ** 2]))
    assert done.share < 0.1
    assert "agrees best" in case.reference_model.remarks[0]
    answered = case.answered(case.reference_model, case.current.sample)
    assert np.allclose(answered.outcomes.scores[:, case.problem.classes.index("paid")], paid(log()) ** 2)


def test_without_agreement_a_vector_is_what_the_documentation_promises():
    def noise(f):
        return np.random.default_rng(5).random(len(f))

    case, _ = asked(noise, positive="paid")
    answered = case.answered(case.reference_model, case.current.sample)
    assert np.allclose(answered.outcomes.scores[:, case.problem.classes.index("paid")], noise(log()))


def test_rows_that_fail_are_counted_and_the_others_read():
    def fails(frame):
        if (frame["x"] < -2.2).any():
            raise ValueError("x is too small")
        return paid(frame)

    _, done = asked(fails)
    assert done.failed == int((log()["x"] < -2.2).sum()) > 0
    assert done.share == 1
    assert "x is too small" in done.answered.error


CLASSES = ("high", "low", "mid")


def three(frame) -> np.ndarray:
    """Probabilities of ``CLASSES`` (n, 3)."""
    raised = np.exp(np.column_stack([frame["x"], frame["z"], 0.5 - frame["x"]]))
    return raised / raised.sum(axis=1, keepdims=True)


@cache
def of_three() -> pd.DataFrame:
    p = three(log())
    label = np.array(CLASSES)[[np.random.default_rng(i).choice(3, p=row) for i, row in enumerate(p)]]
    held = log()[["x", "z"]].assign(prediction=np.array(CLASSES)[p.argmax(axis=1)], label=label)
    return held.assign(**{f"p_{c}": p[:, k] for k, c in enumerate(CLASSES)})


@pytest.mark.parametrize("scored", [True, False], ids=["scores logged", "predictions logged"])
@pytest.mark.parametrize(
    "function",
    [
        three,
        lambda f: three(f)[:, [2, 0, 1]],
        lambda f: np.log(three(f)),
        lambda f: three(f).argmax(axis=1),
        lambda f: np.array(CLASSES)[three(f).argmax(axis=1)],
        lambda f: pd.DataFrame(three(f), columns=[f"prob_{c}" for c in CLASSES]),
    ],
    ids=["sorted", "any order", "log scores", "codes", "labels", "named"],
)
def test_several_classes(function, scored):
    roles = {"scores": {c: f"p_{c}" for c in CLASSES}} if scored else {}
    _, done = asked(function, rows=of_three(), scored=False, **roles)
    assert done.share == 1


@pytest.mark.parametrize(
    "function",
    [
        odds,
        lambda f: odds(f)[:, None],
        lambda f: pd.DataFrame({"prediction": odds(f)}),
        lambda f: pd.DataFrame({"low": odds(f) - 1, "y_pred": odds(f)}),
        lambda f: {"amount": odds(f)},
    ],
)
def test_numbers_of_a_regression(function):
    rows = log()[["x", "z"]].assign(prediction=odds(log()), label=odds(log()) + 0.1)
    _, done = asked(function, rows=rows, scored=False, task="regression")
    assert done.share == 1


def test_columns_of_a_regression_none_of_which_is_the_prediction():
    rows = log()[["x", "z"]].assign(prediction=odds(log()), label=odds(log()) + 0.1)
    with pytest.raises(ModelError, match="the columns low, high; expected one called 'prediction'"):
        asked(lambda f: pd.DataFrame({"low": odds(f), "high": odds(f)}), rows=rows, scored=False, task="regression")


def test_an_estimator_whose_classes_only_count():
    """Labels that were numbered before the fit: the model knows 0 and 1, the log knows words."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(log()[["x", "z"]], (log()["label"] == "paid").astype(int))
    p = fitted.predict_proba(log()[["x", "z"]])[:, 1]
    rows = log().assign(score=p, prediction=np.where(p >= 0.5, "paid", "default"))
    case, done = asked(fitted, rows=rows)
    assert done.share == 1
    assert "the classes '0' and '1', read as scores of 'default' and 'paid'" in case.reference_model.remarks[0]
