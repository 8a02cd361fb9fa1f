"""Models fitted on pandas categories answer the same for rows that come back from a log, however the log writes them."""

from __future__ import annotations

import warnings
from functools import cache, partial
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from backslide.engine.sources.dataframes import from_pandas
from backslide.models.categories import XgboostTypes, in_order
from backslide.models.load import load_model

CODES = {"basic": 0, "plus": 1, "pro": 2}
COLUMNS = ["income", "plan", "region"]


@cache
def applications(n: int = 300) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows with two columns of text, and whether each was paid."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {"income": rng.normal(size=n), "plan": rng.choice(list(CODES), n), "region": rng.choice(["n", "s", "e"], n)}
    )
    drive = frame["income"] + 1.5 * (frame["plan"] == "pro") - (frame["region"] == "s")
    return frame, np.where(drive + rng.normal(0, 0.5, n) > 0.3, 1, 0)


def typed(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """``plan`` as a category of one kind, ``region`` always as a category of texts."""
    plan, few = frame["plan"], np.arange(len(frame)) % 6 > 0
    made = {
        "texts": plan.astype(pd.CategoricalDtype(["pro", "basic", "plus"])),
        "integers": plan.map(CODES).astype("category"),
        "small integers": plan.map(CODES).astype("int8").astype("category"),
        "booleans": (plan == "pro").astype("category"),
        "fractions": plan.map({"basic": 0.5, "plus": 1.0, "pro": 2.0}).astype("category"),
        "ordered": plan.astype(pd.CategoricalDtype(list(CODES), ordered=True)),
        "texts with gaps": plan.where(few).astype("category"),
        "integers with gaps": plan.map(CODES).where(few).astype("category"),
    }[kind]
    return frame.assign(plan=made, region=frame["region"].astype("category"))


def lightgbm():
    module = pytest.importorskip("lightgbm")
    return module.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1)


def xgboost():
    module = pytest.importorskip("xgboost")
    return module.XGBClassifier(n_estimators=8, enable_categorical=True, n_jobs=1)


def catboost():
    module = pytest.importorskip("catboost")
    return module.CatBoostClassifier(
        iterations=8, verbose=0, thread_count=1, cat_features=["plan", "region"], allow_writing_files=False
    )


def encoded(encoder):
    columns = make_column_transformer((encoder, ["plan", "region"]), remainder="passthrough")
    return make_pipeline(columns, LogisticRegression(max_iter=200))


MODELS = {
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "catboost": catboost,
    "trees": lambda: HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=8),
    "one-hot": lambda: encoded(OneHotEncoder(handle_unknown="ignore")),
    "ordinal": lambda: encoded(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)),
    "lightgbm in a pipeline": lambda: make_pipeline(FunctionTransformer(), lightgbm()),
    "lightgbm, calibrated": lambda: CalibratedClassifierCV(lightgbm(), cv=2),
}
REFUSED = {
    "xgboost": {"booleans", "fractions", "integers with gaps"},
    "catboost": {"fractions", "texts with gaps", "integers with gaps"},
    "ordinal": {"texts with gaps", "integers with gaps"},
}
"""Kinds that the library itself does not take."""


@cache
def fitted(model: str, kind: str):
    if (model, kind) == ("xgboost", "texts"):  # whose order is not the sorted one
        pytest.importorskip("xgboost", minversion="3.1", reason="XGBoost before 3.1 keeps no categories in a model")
    rows, labels = applications()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # boosters warn of categories that never came
        return MODELS[model]().fit(typed(rows, kind)[COLUMNS], labels)


def logged(frame: pd.DataFrame, how: str, folder) -> pl.DataFrame:
    """The rows as a log gives them back."""
    if how == "as served":
        return from_pandas(frame)
    if how == "texts":
        texts = {c: [None if pd.isna(v) else str(v) for v in frame[c].astype(object)] for c in ("plan", "region")}
        return from_pandas(frame.drop(columns=list(texts))).with_columns(
            **{c: pl.Series(v, dtype=pl.String) for c, v in texts.items()}
        )
    if how == "CSV":
        frame.to_csv(folder / "log.csv", index=False)
        return pl.read_csv(folder / "log.csv")
    pytest.importorskip("pyarrow")
    frame.to_parquet(folder / "log.parquet")
    return pl.read_parquet(folder / "log.parquet")


KINDS = (
    "texts",
    "integers",
    "small integers",
    "booleans",
    "fractions",
    "ordered",
    "texts with gaps",
    "integers with gaps",
)
HOWS = ("as served", "texts", "CSV", "Parquet")
READ_OTHERWISE = ("catboost", "booleans", "texts")
"""CatBoost reads truth values as 1 and 0, and texts as they are."""
CASES = [
    case
    for case in product(MODELS, KINDS, HOWS)
    if case[1] not in REFUSED.get(case[0], set()) and case != READ_OTHERWISE
]


@pytest.mark.sample(35)
@pytest.mark.parametrize(("model", "kind", "how"), CASES)
def test_the_log_gives_the_answers_of_the_frame_that_was_served(model, kind, how, tmp_path):
    artefact = fitted(model, kind)
    served = typed(applications()[0], kind)
    answer = load_model(artefact).answer(logged(served, how, tmp_path))
    assert not answer.failed.any(), answer.error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # boosters warn of categories that never came
        assert np.abs(answer.scores - artefact.predict_proba(served[COLUMNS])).max() < 1e-6


class Served:
    """What people wrap a model in."""

    def __init__(self, model):
        self.model = model

    def predict(self, frame):
        return self.model.predict_proba(frame)

    __call__ = predict


def through(model, frame):
    return model.predict_proba(frame)


def in_a_closure(model):
    return lambda frame: model.predict_proba(frame)


REACHED = {
    "an object": Served,
    "its method": lambda m: Served(m).predict,
    "a closure": in_a_closure,
    "a closure in a closure": lambda m: in_a_closure(Served(m).model),
    "a partial function": lambda m: partial(through, m),
}


@pytest.mark.parametrize("kind", ["texts", "small integers"])
@pytest.mark.parametrize("wrapped", REACHED)
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_function_is_asked_with_the_types_of_the_booster_that_it_reaches(library, wrapped, kind):
    artefact = fitted(library, kind)
    served = typed(applications()[0], kind)[COLUMNS]
    model = load_model(REACHED[wrapped](artefact))
    ((rows, reply),) = model.returned(from_pandas(served))
    assert len(rows) == len(served)
    assert np.abs(reply.raw - artefact.predict_proba(served)).max() < 1e-6


def test_a_function_that_hides_its_booster_is_asked_with_texts_as_categories_and_that_is_said():
    artefact = fitted("lightgbm", "texts")
    hidden = {"model": artefact}
    served = typed(applications()[0], "texts")[COLUMNS]
    model = load_model(lambda frame: hidden["model"].predict_proba(frame))
    ((_, reply),) = model.returned(from_pandas(served))
    assert np.abs(reply.raw - artefact.predict_proba(served)).max() < 1e-6
    assert "plan, region are handed to it as pandas categories" in model.remarks[0]


@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "trees"])
def test_few_rows_and_one_batch_each_change_nothing(model):
    artefact = load_model(fitted(model, "texts"))
    rows = from_pandas(typed(applications()[0], "texts")).head(20)
    whole = artefact.answer(rows).scores
    assert np.array_equal(whole, artefact.answer(rows, batch_rows=3).scores)
    assert np.array_equal(whole[4:5], load_model(fitted(model, "texts")).answer(rows[4:5]).scores)


def test_a_category_that_lightgbm_has_never_seen_is_missing_as_in_serving():
    artefact = fitted("lightgbm", "texts")
    rows = typed(applications()[0], "texts").head(30).assign(plan=pd.Categorical(["gold"] * 30))
    answer = load_model(artefact).answer(from_pandas(rows))
    assert np.abs(answer.scores - artefact.predict_proba(rows[COLUMNS])).max() < 1e-12


def test_categories_that_an_xgboost_model_does_not_hold_are_numbered_in_sorted_order_and_that_is_said():
    types = XgboostTypes(["plan"], stored=False)
    types.look(pl.DataFrame({"plan": ["pro", "basic", None, "plus"]}))
    assert types.ways()[0](pd.DataFrame({"plan": ["plus", "pro"]}))["plan"].cat.codes.tolist() == [1, 2]
    assert "plan: they are numbered in the order of their sorted values" in types.note(0)


def test_missing_categories_for_catboost_are_handed_on_as_a_text_and_said():
    rows, labels = applications()
    gaps = rows.assign(plan=rows["plan"].where(np.arange(len(rows)) % 6 > 0))
    served = gaps.assign(plan=gaps["plan"].fillna("nan"))[COLUMNS]
    artefact = catboost().fit(served, labels)
    model = load_model(artefact)
    answer = model.answer(from_pandas(gaps))
    assert np.abs(answer.scores - artefact.predict_proba(served)).max() < 1e-12
    assert any("plan (50 rows)" in remark and "'nan'" in remark for remark in model.remarks)


def test_truth_values_with_gaps_are_numbers_to_a_booster():
    rows, labels = applications()
    flags = rows[["income"]].assign(sent=np.where(np.arange(len(rows)) % 5 == 0, np.nan, rows["plan"] == "pro"))
    artefact = lightgbm().fit(flags, labels)
    held = pl.DataFrame({"income": flags["income"].to_numpy()}).with_columns(
        sent=pl.Series([None if np.isnan(v) else bool(v) for v in flags["sent"]])
    )
    answer = load_model(artefact).answer(held)
    assert np.abs(answer.scores - artefact.predict_proba(flags)).max() < 1e-12


def test_blanks_in_names_that_lightgbm_writes_as_underscores():
    lgb = pytest.importorskip("lightgbm")
    rows, labels = applications()
    given = rows[["income"]].rename(columns={"income": "net income"})
    booster = lgb.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, lgb.Dataset(given, labels), 5)
    answer = load_model(booster).answer(from_pandas(given))
    assert not answer.failed.any()
    assert np.abs(answer.scores[:, 1] - booster.predict(given)).max() < 1e-12


@pytest.mark.parametrize("name", ["self", "a b", "1", "x=y"])
def test_columns_of_odd_names(name):
    rows, labels = applications()
    given = rows[["income", "plan"]].rename(columns={"plan": name}).astype({name: "category"})
    for artefact in (HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=3), lightgbm()):
        answer = load_model(artefact.fit(given, labels)).answer(from_pandas(given))
        assert np.abs(answer.scores - artefact.predict_proba(given)).max() < 1e-12


@pytest.mark.parametrize(
    ("fits", "places"),
    [
        ([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], [0, 1]),
        ([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [1, 2]),
        ([[0.1, 1.0], [0.2, 0.1], [0.0, 0.9]], [1, 2]),
        ([[1.0]], [0]),
    ],
)
def test_lists_of_categories_go_to_columns_in_their_order(fits, places):
    assert in_order(np.array(fits)) == places


def test_categories_keep_their_own_type():
    frame = pd.DataFrame(
        {
            "i": pd.Categorical([2, 1, None]),
            "b": pd.Categorical([True, False, None]),
            "f": pd.Categorical([0.5, 2.0, None]),
            "s": pd.Categorical(["x", "y", None]),
            "t": pd.Categorical(pd.to_datetime(["2026-03-01", "2026-03-02", None])),
        }
    )
    held = from_pandas(frame)
    kinds = [held.schema[name] for name in "ibfs"]
    assert kinds == [pl.Int64, pl.Boolean, pl.Float64, pl.String]
    assert held.schema["t"].is_temporal()
    assert held.null_count().row(0) == (1, 1, 1, 1, 1)
    assert held["i"].to_list() == [2, 1, None]
