"""Two artefacts at hand, through the command line: what inputs moved is told from what the model responds to differently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from commands import backslide

pytest.importorskip("shap")
COLUMNS = ["income", "age", "tenure"]
ROWS = 3000
CONFIG = """\
[model]
label = "paid"
prediction = "said"
features = ["income", "age", "tenure"]
timestamp = "at"

[model.scores]
yes = "p_yes"
no = "p_no"

[windows]
reference = "reference.parquet"
current = "current.parquet"

[artifacts]
reference_model = "old.joblib"
current_model = "new.joblib"
trusted = true
"""


def month(rng: np.random.Generator, first: str, spread: float = 1.0) -> pl.DataFrame:
    at = pd.Timestamp(first) + pd.to_timedelta(np.sort(rng.random(ROWS)) * 28, unit="D")
    rows = pl.DataFrame({"at": at.to_numpy()} | {name: rng.normal(size=ROWS) for name in COLUMNS})
    rows = rows.with_columns(pl.col("income") * spread)
    z = 1.5 * rows["income"] + 0.7 * rows["age"] + 0.3 * rows["tenure"]
    return rows.with_columns(paid=pl.Series(np.where(rng.random(ROWS) < 1 / (1 + np.exp(-z.to_numpy())), "yes", "no")))


def model(weights: list[float]) -> Pipeline:
    """A fitted pipeline whose coefficients are known."""
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(500, 3)), columns=COLUMNS)
    made = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, np.where(frame["income"] > 0, "yes", "no"))
    made[0].mean_[:], made[0].scale_[:] = 0, 1
    made[1].coef_[:], made[1].intercept_[:] = [weights], 0
    return made


def served(rows: pl.DataFrame, by: Pipeline) -> pl.DataFrame:
    scores = by.predict_proba(rows.select(COLUMNS).to_pandas())
    said = by.classes_[scores.argmax(axis=1)]
    return rows.with_columns(
        p_no=pl.Series(scores[:, 0]), p_yes=pl.Series(scores[:, 1]), said=pl.Series(said.astype(str))
    )


def diagnosed(
    folder: Path, reference: pl.DataFrame, current: pl.DataFrame, old: Pipeline, new: Pipeline
) -> dict[str, Any]:
    """What the command wrote."""
    for name, rows, by in (("reference", reference, old), ("current", current, new)):
        served(rows, by).write_parquet(folder / f"{name}.parquet")
    joblib.dump(old, folder / "old.joblib")
    joblib.dump(new, folder / "new.joblib")
    (folder / "backslide.toml").write_text(CONFIG, encoding="utf-8")
    ran = backslide(folder, "diagnose", "backslide.toml", "--json", "d.json", "--html", "r.html", "-q")
    assert ran.code in (0, 1), ran.err
    return json.loads((folder / "d.json").read_text(encoding="utf-8"))


def parts(d: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Findings about single features, by feature."""
    outcome = next(o for o in d["checks"] if o["code"] == "EXP001")
    return {f["subject"]: f for f in outcome["findings"] if f["subject"] in COLUMNS}


def size(rows: pl.DataFrame, column: str, weight: float) -> float:
    """Mean absolute SHAP value of a linear model whose background has mean 0, in log odds."""
    return float((weight * rows[column]).abs().mean())


OLD, NEW = [1.5, 0.7, 0.3], [0.4, 1.8, 0.3]


@pytest.mark.slow
def test_another_model_on_inputs_that_stayed(tmp_path):
    rng = np.random.default_rng(11)
    reference, current = month(rng, "2026-01-01"), month(rng, "2026-02-01")
    found = parts(diagnosed(tmp_path, reference, current, model(OLD), model(NEW)))
    for k, name in enumerate(("income", "age")):
        numbers = found[name]["numbers"]
        expected = size(current, name, NEW[k]) - size(current, name, OLD[k])
        assert numbers["model responds differently"] == pytest.approx(expected, rel=0.1)
        assert abs(numbers["inputs moved"]) < 0.08
        assert found[name]["severity"] == "warn"
        assert "as the model responds differently" in found[name]["summary"]
    assert (found["age"]["numbers"]["rank before"], found["age"]["numbers"]["rank now"]) == (2, 1)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Why income counts differently" in page
    assert "model differs" in page


@pytest.mark.slow
def test_inputs_that_moved_under_one_model(tmp_path):
    rng = np.random.default_rng(12)
    reference, current = month(rng, "2026-01-01"), month(rng, "2026-02-01", spread=2.0)
    found = parts(diagnosed(tmp_path, reference, current, model(OLD), model(OLD)))
    numbers = found["income"]["numbers"]
    expected = size(current, "income", OLD[0]) - size(reference, "income", OLD[0])
    assert numbers["inputs moved"] == pytest.approx(expected, rel=0.1)
    assert numbers["model responds differently"] == pytest.approx(0, abs=1e-9)
    assert found["income"]["severity"] == "warn"
    assert found["age"]["severity"] == "ok"


@pytest.mark.slow
def test_both_at_once_add_up(tmp_path):
    rng = np.random.default_rng(13)
    reference, current = month(rng, "2026-01-01"), month(rng, "2026-02-01", spread=2.0)
    numbers = parts(diagnosed(tmp_path, reference, current, model(OLD), model(NEW)))["income"]["numbers"]
    moved, differs = numbers["inputs moved"], numbers["model responds differently"]
    assert moved == pytest.approx(size(current, "income", OLD[0]) - size(reference, "income", OLD[0]), rel=0.1)
    assert differs == pytest.approx(size(current, "income", NEW[0]) - size(current, "income", OLD[0]), rel=0.1)
    assert moved + differs == pytest.approx(numbers["current"] - numbers["reference"], abs=0.05)


@pytest.mark.slow
def test_one_model_on_inputs_that_stayed_is_quiet(tmp_path):
    rng = np.random.default_rng(14)
    d = diagnosed(tmp_path, month(rng, "2026-01-01"), month(rng, "2026-02-01"), model(OLD), model(OLD))
    found = parts(d)
    assert set(found) == set(COLUMNS)
    assert {f["severity"] for f in found.values()} == {"ok"}
    assert all(f["numbers"]["model responds differently"] == pytest.approx(0, abs=1e-9) for f in found.values())
