"""A snapshot that keeps rows stands for the reference window; one that keeps none says what to do."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import joblib
import numpy as np
import polars as pl
import pytest
from stacks import unfitted
from typer.testing import CliRunner

import backslide
from backslide.cli.app import app
from backslide.contracts.cause import CauseKind
from backslide.contracts.errors import SourceError
from backslide.contracts.roles import Roles
from backslide.models.frame import to_pandas

ROLES = Roles(label="label", prediction="prediction", scores={"default": "p_default", "paid": "p_paid"}, timestamp="at")


@pytest.fixture(scope="module")
def made():
    """A pipeline, its training rows with labels, and a later window in which income comes in another unit."""
    rng = np.random.default_rng(4)

    def rows(n: int) -> pl.DataFrame:
        frame = pl.DataFrame(
            {
                "income": rng.lognormal(8, 0.5, n),
                "age": rng.integers(18, 80, n).astype(float),
                "channel": rng.choice(["web", "phone", "branch"], n),
            }
        )
        paid = 2.5 * (np.log(frame["income"].to_numpy()) - 8) + rng.logistic(0, 0.5, n) > 0
        return frame.with_columns(label=pl.Series(np.where(paid, "paid", "default")))

    train = rows(4000)
    model = unfitted().fit(_frame(train), train["label"].to_numpy())
    later = rows(3000)
    return model, train, later


def _frame(rows: pl.DataFrame):
    return to_pandas(rows.select("income", "age", "channel"))


def log(model, rows: pl.DataFrame) -> pl.DataFrame:
    chance = model.predict_proba(_frame(rows))
    times = [datetime(2026, 4, 1) + timedelta(minutes=10 * k) for k in range(rows.height)]
    return rows.with_columns(
        pl.Series("p_default", chance[:, 0]),
        pl.Series("p_paid", chance[:, 1]),
        pl.Series("prediction", model.classes_[chance.argmax(axis=1)].astype(str)),
        pl.Series("at", times),
    )


def test_a_unit_change_is_found_against_the_snapshot_alone(made):
    model, train, later = made
    taken = backslide.snapshot(model, train, rows=3000, name="loans")
    broken = log(model, later.with_columns(pl.col("income") / 12))
    d = backslide.diagnose(taken, broken, roles=ROLES, reference_model=model, metric="accuracy", quick=True)
    first = d.causes[0]
    assert (first.kind, first.features) == (CauseKind.UNIT_CHANGE, ("income",))
    assert d.inputs.rows.reference == 3000
    assert "training rows of snapshot loans" in d.inputs.sources["reference"]
    assert any("hold no times" in note for note in d.inputs.notes)


def test_nothing_is_named_where_nothing_changed(made):
    model, train, later = made
    taken = backslide.snapshot(model, train, rows=3000)
    d = backslide.diagnose(taken, log(model, later), roles=ROLES, reference_model=model, metric="accuracy", quick=True)
    assert d.causes == ()
    assert not d.verdict.bad


def test_without_labels_in_training_the_answer_says_so(made):
    model, train, later = made
    taken = backslide.snapshot(model, train.drop("label"), rows=2000)
    d = backslide.diagnose(taken, log(model, later), roles=ROLES, reference_model=model, metric="accuracy", quick=True)
    assert d.verdict == "inconclusive"
    assert any("hold no labels" in note for note in d.inputs.notes)


def test_a_snapshot_without_rows_is_refused_with_the_remedy(made):
    model, train, later = made
    with pytest.raises(SourceError, match=r"holds a training profile and no rows.*--rows"):
        backslide.diagnose(backslide.snapshot(model, train), log(model, later), roles=ROLES)


def test_from_the_command_line(made, tmp_path, monkeypatch):
    model, train, later = made
    monkeypatch.chdir(tmp_path)
    joblib.dump(model, "model.joblib")
    train.write_parquet("train.parquet")
    log(model, later.with_columns(pl.col("income") / 12)).write_parquet("current.parquet")
    arguments = ["snapshot", "--model", "model.joblib", "--data", "train.parquet", "--rows", "2000", "--out", "v1.json"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    roles = 'label = "label"\nprediction = "prediction"\nscores = { default = "p_default", paid = "p_paid" }\n'
    (tmp_path / "backslide.toml").write_text(
        f'[model]\n{roles}[windows]\nreference = "v1.json"\ncurrent = "current.parquet"\n'
        '[artifacts]\nreference_model = "model.joblib"\ntrusted = true\n'
    )
    CliRunner().invoke(app, ["diagnose", "backslide.toml", "--json", "d.json", "-q"])
    found = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    assert found["causes"][0]["kind"] == "unit_change"
    assert len((tmp_path / "v1.json").read_bytes()) < 1_000_000
