"""Native files of XGBoost, LightGBM and CatBoost: what is read, what is refused, and the whole way through every command."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import backslide as bs
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.config import Settings
from backslide.contracts.errors import MissingExtraError, ModelError
from backslide.engine.sources.dataframes import from_pandas
from backslide.jobs.gate import gate
from backslide.models.load import load_model

FORMATS = {"json": "xgboost", "ubj": "xgboost", "txt": "lightgbm", "cbm": "catboost"}
COLUMNS = ["income", "age", "plan"]
PLANS = pd.CategoricalDtype(["pro", "plus", "basic"])
ROLES = {"label": "label", "prediction": "prediction", "scores": {"paid": "score"}, "timestamp": "at"}


@cache
def lender(seed: int, n: int = 700, *, broken: bool = False) -> pd.DataFrame:
    """Applications and what came of them; where ``broken``, incomes come monthly instead of yearly."""
    rng = np.random.default_rng(seed)
    income, age = rng.lognormal(3, 0.5, n), rng.integers(18, 80, n)
    plan = rng.choice(["basic", "plus", "pro"], n)
    drive = 3 * (np.log(income) - 3) + (age - 45) / 12 + 1.2 * (plan == "pro")
    at = pd.Timestamp("2026-04-01" if broken else "2026-03-01") + pd.to_timedelta(
        np.sort(rng.integers(0, 20 * 86400, n)), unit="s"
    )
    label = np.where(rng.random(n) < 1 / (1 + np.exp(-drive)), "paid", "default")
    return pd.DataFrame(
        {"at": at, "income": income / 12 if broken else income, "age": age, "plan": plan, "label": label}
    )


def inputs(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[COLUMNS].assign(plan=rows["plan"].astype(PLANS))


def needs_stored_categories(suffix: str = "json") -> None:
    """Skip where the plans, whose order is not the sorted one, cannot be read off the model."""
    if FORMATS[suffix] == "xgboost":
        pytest.importorskip("xgboost", minversion="3.1", reason="XGBoost before 3.1 keeps no categories in a model")


@cache
def fitted(library: str, trees: int = 15):
    rows = lender(0, 1200)
    labels = (rows["label"] == "paid").astype(int) if library == "xgboost" else rows["label"]
    module = pytest.importorskip(library)
    if library == "xgboost":
        return module.XGBClassifier(n_estimators=trees, enable_categorical=True, n_jobs=1).fit(inputs(rows), labels)
    if library == "lightgbm":
        return module.LGBMClassifier(n_estimators=trees, verbose=-1, n_jobs=1).fit(inputs(rows), labels)
    return module.CatBoostClassifier(
        iterations=trees, verbose=0, thread_count=1, cat_features=["plan"], allow_writing_files=False
    ).fit(rows[COLUMNS], labels)


def saved(suffix: str, folder: Path, trees: int = 15) -> str:
    """The file of a fitted model, in its library's own format."""
    model = fitted(FORMATS[suffix], trees)
    path = folder / f"model_{trees}.{suffix}"
    (model.booster_ if suffix == "txt" else model).save_model(str(path))
    return path.name


def served(suffix: str, rows: pd.DataFrame) -> pd.DataFrame:
    model = fitted(FORMATS[suffix])
    score = model.predict_proba(rows[COLUMNS] if suffix == "cbm" else inputs(rows))[:, 1].astype(float)
    return rows.assign(score=score, prediction=np.where(score >= 0.5, "paid", "default"))


def settings(suffix: str, folder: Path, **artifacts) -> Settings:
    for name, rows in (("reference", lender(1)), ("current", lender(2, broken=True))):
        from_pandas(served(suffix, rows)).write_parquet(folder / f"{name}.parquet")
    given = {
        "model": ROLES,
        "windows": {"reference": "reference.parquet", "current": "current.parquet"},
        "artifacts": {"reference_model": saved(suffix, folder)} | artifacts,
    }
    return Settings.from_dict(given, where="test").model_copy(update={"base": folder})


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_answers_as_the_object_does(suffix, tmp_path):
    needs_stored_categories(suffix)
    rows = lender(1)
    model = load_model(saved(suffix, tmp_path), base=tmp_path)
    answer = model.answer(from_pandas(rows))
    assert model.features == tuple(COLUMNS)
    assert model.classes == (("default", "paid") if suffix == "cbm" else ("0", "1"))
    assert not answer.failed.any()
    assert np.abs(answer.scores[:, 1] - served(suffix, rows)["score"]).max() < 1e-6


@pytest.mark.sample(1)
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_diagnosis_is_proven_with_a_file_that_needs_no_trust(suffix, tmp_path):
    needs_stored_categories(suffix)
    chosen = settings(suffix, tmp_path)
    assert not chosen.artifacts.trusted
    diagnosis = bs.diagnose(settings=chosen, quick=True)
    found = [(cause.kind, cause.features, cause.confidence) for cause in diagnosis.causes]
    assert found == [(CauseKind.UNIT_CHANGE, ("income",), Confidence.VERIFIED)]
    assert any("read as scores of 'default' and 'paid'" in note for note in diagnosis.inputs.notes) == (suffix != "cbm")


@pytest.mark.parametrize("suffix", FORMATS)
def test_two_files_are_compared_and_gated(suffix, tmp_path):
    other = saved(suffix, tmp_path, 3)
    chosen = settings(suffix, tmp_path, current_model=other)
    compared = bs.shadow(settings=chosen)
    assert (compared.old, compared.new) == (saved(suffix, tmp_path), other)
    assert compared.inputs.rows == 700
    assert not any("fails" in note for note in compared.inputs.notes)
    gated = gate(settings=chosen)
    assert (gated.champion, gated.challenger) == (compared.old, other)
    assert gated.lines


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_snapshot_holds_its_steps_and_golden_answers(suffix, tmp_path):
    name = saved(suffix, tmp_path)
    taken = [bs.snapshot(name, from_pandas(lender(1)), base=tmp_path, golden=8, env=()) for _ in range(2)]
    assert taken[0].fitted
    assert taken[0].fitted[0].kind.startswith(FORMATS[suffix])
    assert taken[0].golden is not None
    assert taken[0].fitted[0].digest == taken[1].fitted[0].digest
    assert any(package.startswith(FORMATS[suffix]) for package in taken[0].environment.imported)
    assert not [note for note in taken[0].notes if "golden" in note or "trusted" in note]


@pytest.mark.parametrize(
    ("name", "held", "said"),
    [
        ("model.json", b'{"learning_rate": 0.1}', "is not an XGBoost model"),
        ("model.json", b"no JSON", "is not an XGBoost model"),
        ("model.json", b'{"learner": 3}', "cannot be read as an XGBoost model"),
        ("model.ubj", b"{L\x00", "is not an XGBoost model"),
        ("model.txt", b"remember the milk", "is not a LightGBM model"),
        ("model.txt", b"tree\nversion=v4\n", "cannot be read as a LightGBM model"),
        ("model.txt", b"", "is not a LightGBM model"),
        ("model.cbm", b"CBM1 and no more", "cannot be read as a CatBoost model"),
    ],
)
def test_other_files_are_refused_in_one_line(name, held, said, tmp_path):
    pytest.importorskip(FORMATS[name.split(".")[1]])
    (tmp_path / name).write_bytes(held)
    with pytest.raises(ModelError) as raised:
        load_model(name, base=tmp_path)
    assert str(raised.value).startswith(f"{name} {said}")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_missing_library_is_named_by_its_extra(suffix, tmp_path, monkeypatch):
    (tmp_path / f"m.{suffix}").write_bytes(b"tree")
    monkeypatch.setitem(sys.modules, FORMATS[suffix], None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'backslide\[{FORMATS[suffix]}\]'"):
        load_model(f"m.{suffix}", base=tmp_path)


def plain_booster(objective: str, *, names: bool = True):
    """An XGBoost model without scikit-learn's face."""
    xgb = pytest.importorskip("xgboost")
    rows = lender(0, 1200)
    target = np.log(rows["income"]) if objective.startswith("reg") else (rows["label"] == "paid").astype(int)
    more = {"num_class": 2} if objective.startswith("multi") else {}
    given = inputs(rows) if names else rows[["income", "age"]].to_numpy()
    matrix = xgb.DMatrix(given, target, enable_categorical=names)
    return xgb.train({"objective": objective, "nthread": 1, **more}, matrix, 8), xgb


@pytest.mark.parametrize(
    ("objective", "classes"),
    [
        ("binary:logistic", ("0", "1")),
        ("multi:softprob", ("0", "1")),
        ("multi:softmax", ("0", "1")),
        ("reg:squarederror", None),
    ],
)
def test_a_booster_of_xgboost_is_asked_with_a_matrix(objective, classes, tmp_path):
    needs_stored_categories()
    booster, xgb = plain_booster(objective)
    booster.save_model(str(tmp_path / "m.json"))
    rows = lender(1)
    own = booster.predict(xgb.DMatrix(inputs(rows), enable_categorical=True))
    for model in (load_model(booster), load_model("m.json", base=tmp_path)):
        answer = model.answer(from_pandas(rows))
        assert not answer.failed.any(), answer.error
        assert model.classes == classes
        if classes is None:
            assert np.allclose(answer.predictions, own)
        elif objective == "multi:softmax":
            assert answer.predictions.tolist() == [str(int(code)) for code in own]
        else:
            assert np.allclose(answer.scores[:, 1], own if own.ndim == 1 else own[:, 1])


def test_a_booster_fitted_on_an_array_takes_the_columns_by_place():
    booster, xgb = plain_booster("binary:logistic", names=False)
    rows = lender(1)[["income", "age"]]
    answer = load_model(booster).answer(from_pandas(rows))
    assert np.allclose(answer.scores[:, 1], booster.predict(xgb.DMatrix(rows.to_numpy())))


def test_a_regression_of_catboost(tmp_path):
    cb = pytest.importorskip("catboost")
    rows = lender(0)
    made = cb.CatBoostRegressor(iterations=5, verbose=0, thread_count=1, allow_writing_files=False)
    made.fit(rows[["income", "age"]], np.log(rows["income"]))
    made.save_model(str(tmp_path / "m.cbm"))
    answer = load_model("m.cbm", base=tmp_path, task="regression").answer(from_pandas(rows))
    assert np.allclose(answer.predictions, made.predict(rows[["income", "age"]]))


def test_a_model_without_categories_of_its_own_is_said(tmp_path):
    """What older versions of XGBoost write: the column is marked, its categories are not held."""
    xgb = pytest.importorskip("xgboost")
    rows = lender(0, 1200)
    codes = rows["plan"].map({"basic": 0, "plus": 1, "pro": 2})
    matrix = xgb.DMatrix(
        np.column_stack([rows["income"], codes]),
        (rows["label"] == "paid").astype(int),
        feature_names=["income", "plan"],
        feature_types=["q", "c"],
        enable_categorical=True,
    )
    booster = xgb.train({"objective": "binary:logistic", "nthread": 1}, matrix, 8)
    model = load_model(booster)
    held = from_pandas(rows[["income", "plan"]])
    assert np.allclose(model.answer(held).scores[:, 1], booster.predict(matrix))
    assert np.allclose(model.answer(held.head(3)).scores[:, 1], booster.predict(matrix)[:3])
    assert any("sorted values" in remark for remark in model.remarks)


def test_a_saved_file_is_json_that_can_be_told_from_another(tmp_path):
    """The key that an XGBoost file is told by is where its version writes it."""
    saved("json", tmp_path)
    assert "learner" in json.loads((tmp_path / "model_15.json").read_text())


def test_neither_columns_nor_classes_are_named(tmp_path):
    """A file of LightGBM that was fitted on an array: replay finds the order of the columns and the classes of the scores."""
    lgb = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"zeta": rng.normal(size=900), "alpha": rng.normal(1, 2, 900), "mid": rng.exponential(size=900)}
    )
    drive = rows.to_numpy() * [2.0, 1.0, 1.5] + rng.gumbel(size=(900, 3))
    label = np.array(["low", "mid", "high"])[drive.argmax(axis=1)]
    made = lgb.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(
        rows[["alpha", "mid", "zeta"]].to_numpy(), label
    )
    made.booster_.save_model(str(tmp_path / "m.txt"))
    p = made.predict_proba(rows[["alpha", "mid", "zeta"]].to_numpy())
    held = rows.assign(
        prediction=made.classes_[p.argmax(axis=1)],
        label=label,
        **{f"p_{c}": p[:, k] for k, c in enumerate(made.classes_)},
    )
    roles = bs.Roles(
        label="label",
        prediction="prediction",
        scores={c: f"p_{c}" for c in ("low", "mid", "high")},
        features=tuple(rows),
    )
    notes = bs.shadow(held, roles=roles, old_model=tmp_path / "m.txt").inputs.notes
    assert any("is the model that served the current rows" in note for note in notes)
    assert any("read as scores of 'high', 'low' and 'mid' in this order" in note for note in notes)
    assert any("in the order alpha, mid and zeta it gives what was logged" in note for note in notes)
