"""Small simulated tables for `check_core.py`, run in the environment that is checked.

Without arguments: eight weeks of a loan desk as ``log.csv`` and ``log.parquet``, whose second half another model
serves, both models, the log of a recorder in ``served``, and a ``settings.yaml``. With the path of a configuration that
``backslide init`` wrote: the windows and both models written into it.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import joblib
import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from backslide import Recorder
from backslide.models.frame import to_pandas

ROWS = 2200
FEATURES = ["income", "age", "channel"]
ARTEFACTS = """
[artifacts]
reference_model = "old.joblib"
current_model = "new.joblib"
trusted = true

[shadow]
mode = "replay"
"""


def applications(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    """What came in and what became of it, in the order of time."""
    start, seconds = datetime(2025, 3, 1), np.sort(rng.uniform(0, 56 * 86400, rows))
    channel = rng.choice(["web", "branch", "phone"], rows, p=[0.5, 0.3, 0.2])
    income, age = rng.normal(3, 1, rows), rng.integers(20, 70, rows)
    logit = 1.6 * (income - 3) + 0.03 * (age - 45) + np.where(channel == "web", 0.8, -0.5)
    label = np.where(rng.random(rows) < 1 / (1 + np.exp(-logit)), "yes", "no")
    return pl.DataFrame(
        {
            "served_at": [start + timedelta(seconds=int(second)) for second in seconds],
            "income": income.round(4),
            "age": age,
            "channel": channel.tolist(),
            "label": label.tolist(),
        }
    )


def fitted(rows: pl.DataFrame, strength: float) -> Pipeline:
    """A logistic regression; ``strength`` is how far its weights may go."""
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["channel"]), (StandardScaler(), ["income", "age"])
    )
    model = make_pipeline(columns, LogisticRegression(C=strength))
    return model.fit(to_pandas(rows.select(FEATURES)), rows["label"].to_numpy())


def served(rows: pl.DataFrame, model: Pipeline, version: str) -> pl.DataFrame:
    """The rows as a prediction log holds them."""
    score = model.predict_proba(to_pandas(rows.select(FEATURES)))[:, 1]
    prediction = np.where(score >= 0.5, "yes", "no").tolist()
    return rows.with_columns(p_yes=pl.Series(score), prediction=pl.Series(prediction), model_version=pl.lit(version))


def main() -> None:
    """Write the files into the working folder."""
    for config in sys.argv[1:]:
        text = Path(config).read_text(encoding="utf-8")
        told = [line for line in text.splitlines() if not line.startswith(("reference =", "current ="))]
        told.insert(
            told.index("[windows]") + 1, 'reference = "2025-03-01..2025-03-28"\ncurrent = "2025-03-29..2025-04-25"'
        )
        Path(config).write_text("\n".join(told) + ARTEFACTS, encoding="utf-8")
        return
    rows = applications(np.random.default_rng(3), 2 * ROWS)
    before = rows.filter(pl.col("served_at") < datetime(2025, 3, 29))
    after = rows.filter(pl.col("served_at") >= datetime(2025, 3, 29))
    old, new = fitted(before, 1.0), fitted(before.with_columns(income=pl.col("income").reverse()), 1.0)
    log = pl.concat([served(before, old, "1"), served(after, new, "2")])
    log.write_csv("log.csv")
    log.write_parquet("log.parquet")
    joblib.dump(old, "old.joblib")
    joblib.dump(new, "new.joblib")
    with Recorder("loans", store="served") as recorder:
        recorder.record(features={"income": 3.1}, prediction="yes", scores={"yes": 0.8})
    Path("settings.yaml").write_text("threshold: 0.5\n", encoding="utf-8")


if __name__ == "__main__":
    main()
