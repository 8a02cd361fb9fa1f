"""Asking a model: order of columns and classes, batches, failing rows, and shapes that functions return."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from backslide.contracts.errors import ModelError
from backslide.models.load import load_model
from backslide.models.model import EXTRA_CALLS

N = 600
RNG = np.random.default_rng(7)
FRAME = pl.DataFrame({"x": RNG.normal(size=N), "c": RNG.choice(["red", "green", "blue"], N)})
LABELS = np.where(FRAME["x"].to_numpy() + RNG.normal(0, 0.3, N) > 0, 1, 0)


@pytest.fixture(scope="module")
def strict():
    """Refuses colours that it has never seen, for the whole batch."""
    rows = pd.DataFrame({"x": FRAME["x"].to_numpy(), "c": pd.Series(FRAME["c"].to_list(), dtype=object)})
    encode = make_column_transformer((OneHotEncoder(), ["c"]), remainder="passthrough")
    return make_pipeline(encode, LogisticRegression()).fit(rows, LABELS)


class Counting:
    """A function of a frame that counts its calls and refuses marked rows."""

    def __init__(self, refuse=()):
        self.calls = 0
        self.refuse = set(refuse)

    def __call__(self, frame):
        self.calls += 1
        if self.refuse & set(frame["row"]):
            raise ValueError("these rows\nare not to my taste")
        return frame["row"].astype(float) * 2


def rows(n=N) -> pl.DataFrame:
    return pl.DataFrame({"row": np.arange(n)})


def test_missing_column_is_named_with_a_suggestion(strict):
    with pytest.raises(ModelError, match="'c', which is not in the rows; did you mean 'C'"):
        load_model(strict).answer(FRAME.rename({"c": "C"}))


@pytest.mark.parametrize("batch_rows", [1, 7, 599, 600, 50_000])
def test_batch_size_changes_nothing(strict, batch_rows):
    model = load_model(strict)
    frame = FRAME.head(60)
    whole, parts = model.answer(frame), model.answer(frame, batch_rows=batch_rows)
    assert np.abs(whole.scores - parts.scores).max() < 1e-12
    assert whole.predictions.tolist() == parts.predictions.tolist()


def test_only_the_failing_rows_are_lost(strict):
    unseen = [5, 300, 301]
    frame = FRAME.with_row_index().with_columns(
        pl.when(pl.col("index").is_in(unseen)).then(pl.lit("violet")).otherwise("c").alias("c")
    )
    answer = load_model(strict).answer(frame)
    assert np.flatnonzero(answer.failed).tolist() == unseen
    assert "violet" in answer.error
    assert "\n" not in answer.error
    assert np.isnan(answer.scores[unseen]).all()
    assert [answer.predictions[i] for i in unseen] == [None] * 3
    kept = ~answer.failed
    assert np.abs(answer.scores - load_model(strict).answer(FRAME).scores)[kept].max() < 1e-12


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_many_rows_with_one_new_category_are_told_from_the_rest(strict, share):
    """Scattered over the whole window, as a new category is: halving alone would give everything up."""
    hit = np.random.default_rng(3).random(N) < share
    frame = FRAME.with_columns(pl.when(pl.Series(hit)).then(pl.lit("violet")).otherwise("c").alias("c"))
    answer = load_model(strict).answer(frame)
    assert answer.failed.tolist() == hit.tolist()


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_missing_numbers_that_a_model_cannot_take(share):
    hit = np.random.default_rng(4).random(N) < share
    frame = FRAME.select("x").with_columns(pl.when(pl.Series(~hit)).then("x").alias("x"))
    fitted = LogisticRegression().fit(pd.DataFrame({"x": FRAME["x"].to_numpy()}), LABELS)
    answer = load_model(fitted).answer(frame)
    assert answer.failed.tolist() == hit.tolist()
    assert "NaN" in answer.error


def test_effort_is_bounded():
    refused = np.random.default_rng(5).choice(20_000, 2_000, replace=False)
    function = Counting(refused)
    answer = load_model(function).answer(rows(20_000), batch_rows=5_000)
    assert function.calls <= EXTRA_CALLS + 4
    assert answer.failed[refused].all()
    assert not answer.failed.all() or function.calls >= EXTRA_CALLS


def test_all_rows_failing_is_an_answer():
    answer = load_model(Counting(range(N))).answer(rows())
    assert answer.failed.all()
    assert answer.predictions is None
    assert answer.error == "ValueError: these rows are not to my taste"


def test_an_unfitted_model_says_so():
    answer = load_model(LogisticRegression()).answer(FRAME.select("x"))
    assert answer.failed.all()
    assert "not fitted" in answer.error


def test_no_rows():
    answer = load_model(Counting()).answer(rows(0))
    assert answer.failed.shape == (0,)
    assert answer.error is None


def test_numbers_that_are_not_finite_count_as_failed():
    def model(frame):
        values = frame["row"].astype(float).to_numpy().copy()
        values[:2] = [np.nan, np.inf]
        return values

    answer = load_model(model).answer(rows(10))
    assert np.flatnonzero(answer.failed).tolist() == [0, 1]
    assert np.isnan(answer.predictions[:2]).all()
    assert "missing or infinite" in answer.error


def test_decision_function_is_no_probability():
    fitted = LinearSVC().fit(pd.DataFrame({"x": FRAME["x"].to_numpy()}), LABELS)
    answer = load_model(fitted).answer(FRAME)
    assert answer.scores is None
    assert set(answer.predictions) == {"0", "1"}


def test_object_with_probabilities_only():
    class Scorer:
        classes_ = np.array(["no", "yes"])

        def predict_proba(self, frame):
            p = 1 / (1 + np.exp(-frame["x"].to_numpy()))
            return np.column_stack([1 - p, p])

    answer = load_model(Scorer()).answer(FRAME)
    assert answer.predictions.tolist() == ["yes" if x > 0 else "no" for x in FRAME["x"]]
    assert answer.classes == ("no", "yes")


def probabilities(frame):
    p = 1 / (1 + np.exp(-frame["x"].to_numpy()))
    return np.column_stack([p, 1 - p])


def as_frame(frame):
    return pd.DataFrame(probabilities(frame), columns=["yes", "no"])


def as_dict(frame):
    return dict(zip(["yes", "no"], probabilities(frame).T, strict=True))


def as_polars(frame):
    return pl.DataFrame(as_dict(frame))


def as_array(frame):
    return probabilities(frame)


as_array.classes = ["yes", "no"]


@pytest.mark.parametrize("function", [as_frame, as_dict, as_polars, as_array])
def test_scores_of_functions(function):
    model = load_model(function)
    answer = model.answer(FRAME, batch_rows=100)
    assert model.classes == answer.classes == ("yes", "no")
    assert np.array_equal(answer.scores, probabilities(FRAME.select("x").to_pandas()))
    assert answer.predictions.tolist() == ["yes" if x > 0 else "no" for x in FRAME["x"]]


def test_classes_in_another_order_in_another_batch_are_put_right():
    def turning(frame):
        turning.calls += 1
        columns = ["yes", "no"] if turning.calls % 2 else ["no", "yes"]
        return as_frame(frame)[columns]

    turning.calls = 0
    answer = load_model(turning).answer(FRAME, batch_rows=100)
    assert np.array_equal(answer.scores, probabilities(FRAME.select("x").to_pandas()))


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda frame: probabilities(frame), "without class labels"),
        (lambda frame: [1.0] * (len(frame) + 1), "answered 601 rows when asked 600"),
        (lambda frame: None, "found NoneType"),
        (lambda frame: np.zeros((len(frame), 2, 2)), "shape"),
    ],
)
def test_returns_that_are_no_answer(returned, words):
    answer = load_model(returned).answer(FRAME)
    assert answer.failed.all()
    assert words in answer.error


def test_fractions_are_no_labels():
    answer = load_model(lambda frame: probabilities(frame)[:, 0], task="binary").answer(FRAME)
    assert answer.failed.all()
    assert "column per class" in answer.error


@pytest.mark.parametrize(("task", "expected"), [("binary", ["1", "0"]), ("regression", [1.0, 0.0]), (None, [1.0, 0.0])])
def test_task_decides_what_whole_numbers_are(task, expected):
    answer = load_model(lambda frame: np.array([1, 0]), task=task).answer(rows(2))
    assert answer.predictions.tolist() == expected


def test_regression_with_a_column_of_predictions():
    inputs = pd.DataFrame({"x": FRAME["x"].to_numpy()})
    fitted = LinearRegression().fit(inputs, inputs[["x"]] * 3)
    answer = load_model(fitted).answer(FRAME)
    assert answer.predictions.shape == (N,)
    assert np.allclose(answer.predictions, inputs["x"] * 3)


def test_warnings_of_models_stay_inside():
    import warnings

    def noisy(frame):
        warnings.warn("deprecated since yesterday", FutureWarning, stacklevel=1)
        return [0.5] * len(frame)

    assert not load_model(noisy).answer(FRAME).failed.any()


def test_a_model_that_changes_its_input_does_not_change_ours():
    frame = FRAME.clone()

    def careless(given):
        given["x"] = 0.0
        return given["x"]

    load_model(careless).answer(frame)
    assert frame.equals(FRAME)
