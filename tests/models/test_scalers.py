"""Which columns a saved pipeline scales, by how much, and the pipeline with its scalers fitted again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from backslide.models.refit import categories, refit_parts
from backslide.models.scalers import scaled_columns

COLUMNS = ["a", "b", "c", "kind"]


def rows(seed: int = 0, scale: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(5, 2, 200) * scale, rng.gamma(3, 4, 200), rng.uniform(-1, 3, 200)
    return pd.DataFrame({"a": a, "b": b, "c": c, "kind": rng.choice(["x", "y"], 200).astype(object)})


def fitted(chosen, scaler=None):
    parts = [("n", scaler or StandardScaler(), chosen), ("kind", OneHotEncoder(), ["kind"])]
    return ColumnTransformer(parts).fit(rows())


@pytest.mark.parametrize(
    "chosen",
    [
        ["a", "c"],
        [0, 2],
        [True, False, True, False],
        np.array([0, 2]),
        slice(0, 3, 2),
        make_column_selector(pattern="^[ac]$"),
        [-4, -2],
    ],
    ids=["names", "places", "mask", "array", "slice", "selector", "from the end"],
)
def test_columns_however_they_are_chosen(chosen):
    model = make_pipeline(fitted(chosen), LinearRegression())
    found = scaled_columns(model, COLUMNS)
    assert list(found) == ["a", "c"]
    for name, scaled in found.items():
        assert (scaled.centre, scaled.spread) == (
            pytest.approx(rows()[name].mean()),
            pytest.approx(rows()[name].std(ddof=0)),
        )


def test_a_slice_of_names_holds_its_end():
    assert list(scaled_columns(fitted(slice("a", "b")), COLUMNS)) == ["a", "b"]
    assert list(scaled_columns(fitted(slice(None, "b")), COLUMNS)) == ["a", "b"]
    assert list(scaled_columns(fitted(slice(1, 3)), COLUMNS)) == ["b", "c"]


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler((-1, 2)), RobustScaler(), MaxAbsScaler()])
def test_centre_and_spread_scale_as_the_scaler_does(scaler):
    numbers = rows()[["a", "b", "c"]]
    scaler.fit(numbers)
    found = scaled_columns(scaler, ["a", "b", "c"])
    for k, (name, scaled) in enumerate(found.items()):
        assert np.allclose((numbers[name] - scaled.centre) / scaled.spread, scaler.transform(numbers)[:, k])
        assert scaled.scaler == type(scaler).__name__


@pytest.mark.parametrize("options", [{"with_mean": False}, {"with_std": False}], ids=["no mean", "no deviation"])
def test_parts_of_a_scaler_that_are_switched_off(options):
    scaler = StandardScaler(**options).fit(rows()[["a"]])
    found = scaled_columns(scaler, ["a"])["a"]
    assert np.allclose((rows()["a"] - found.centre) / found.spread, scaler.transform(rows()[["a"]])[:, 0])


def test_nested_pipelines_and_the_rest():
    numbers = make_pipeline(SimpleImputer(strategy="median"), "passthrough", MinMaxScaler())
    inner = ColumnTransformer([("n", numbers, ["b", "a"])], remainder="drop")
    found = scaled_columns(make_pipeline(make_pipeline(inner), LinearRegression()).fit(rows(), rows()["c"]), COLUMNS)
    assert list(found) == ["b", "a"]
    assert found["a"].filling == pytest.approx(rows()["a"].median())
    assert found["b"].filling == pytest.approx(rows()["b"].median())
    rest = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder=RobustScaler()).fit(rows())
    assert list(scaled_columns(rest, COLUMNS)) == ["a", "b", "c"]


def test_what_is_no_longer_a_column_is_not_told_as_one():
    numbers = rows()[["a", "b", "c"]]
    assert scaled_columns(make_pipeline(PCA(3), StandardScaler()).fit(numbers), ["a", "b", "c"]) == {}
    gaps = numbers.where(numbers["a"] > 3)
    flagged = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()).fit(gaps)
    assert scaled_columns(flagged, ["a", "b", "c"]) == {}
    assert scaled_columns(LinearRegression().fit(numbers, rows()["c"]), ["a", "b", "c"]) == {}


def test_values_behind_another_function_are_marked():
    logged = make_pipeline(FunctionTransformer(np.log), StandardScaler()).fit(rows()[["b"]])
    assert not scaled_columns(logged, ["b"])["b"].direct
    assert scaled_columns(make_pipeline(StandardScaler()).fit(rows()[["b"]]), ["b"])["b"].direct


@pytest.mark.parametrize("chosen", [["a", "b"], [0, 1], "ab"], ids=["names", "places", "behind an array"])
def test_refitted_is_what_fitting_on_other_rows_gives(chosen):
    other = rows(1, 3.0)
    if chosen == "ab":
        numbers = ["a", "b", "c"]
        part = ColumnTransformer([("n", StandardScaler(), [0, 1]), ("rest", "passthrough", [2])])
        model = make_pipeline(SimpleImputer(), part, LinearRegression()).fit(rows()[numbers], rows()["c"])
        again, known = refit_parts(model, other[numbers]), rows()[numbers]
    else:
        part = fitted(chosen, make_pipeline(SimpleImputer(), StandardScaler()))
        model = make_pipeline(part, LinearRegression()).fit(rows(), rows()["c"])
        again, known = refit_parts(model, other), rows()
    found = scaled_columns(again, list(known.columns))
    for name in ("a", "b"):
        assert found[name].centre == pytest.approx(other[name].mean())
    before, after = (m[:-1].transform(known) for m in (model, again))
    wanted = (before[:, 0] * rows()["a"].std(ddof=0) + rows()["a"].mean() - other["a"].mean()) / other["a"].std(ddof=0)
    assert np.allclose(after[:, 0], wanted)
    assert np.array_equal(model[-1].coef_, again[-1].coef_), "only scalers are fitted"
    assert scaled_columns(model, list(known.columns))["a"].centre == pytest.approx(rows()["a"].mean()), "a copy"


def test_an_encoder_that_was_given_no_column_has_no_categories():
    """Of a list of columns that happens to be empty: scikit-learn leaves the encoder unfitted."""
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    encode = ColumnTransformer([("codes", OrdinalEncoder(), [])], remainder=StandardScaler())
    model = make_pipeline(encode, LinearRegression()).fit(frame, [1.0, 2.0, 3.0])
    assert categories(model, ["x"]) == {}
