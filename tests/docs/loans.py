"""Simulated loans, as the example of the README reads them: two months of a log, and the pipeline that answered.

Since the first of April the app, where one loan in four comes from, asks for the income of a month. The model knows that
of a year.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["income", "debt", "age", "term_months"]
ROWS = 4000


def write(folder: Path, seed: int = 7) -> None:
    """Write ``march.parquet``, ``april.parquet`` and ``model.joblib``."""
    rng = np.random.default_rng(seed)
    past = _month(rng, datetime(2026, 2, 1, tzinfo=UTC), 28)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(past[FEATURES], past["outcome"])
    joblib.dump(model, folder / "model.joblib")
    _serve(model, _month(rng, datetime(2026, 3, 1, tzinfo=UTC), 31)).write_parquet(folder / "march.parquet")
    april = _month(rng, datetime(2026, 4, 1, tzinfo=UTC), 30)
    april["income"] = april["income"].where(april["channel"] != "app", (april["income"] / 12).round(2))
    _serve(model, april).write_parquet(folder / "april.parquet")


def _month(rng: np.random.Generator, start: datetime, days: int) -> pd.DataFrame:
    income = rng.lognormal(10.6, 0.45, ROWS).round(2)
    debt = rng.lognormal(9.2, 0.7, ROWS).round(2)
    age = rng.integers(21, 75, ROWS)
    channel = rng.choice(["branch", "web", "app"], ROWS, p=[0.4, 0.35, 0.25])
    term = rng.choice([12, 24, 36, 48, 60], ROWS)
    risk = -0.3 - 1.1 * (income - 42_000) / 20_000 + 0.9 * (debt - 12_000) / 9_000 + 0.02 * (term - 36)
    outcome = np.where(rng.random(ROWS) < 1 / (1 + np.exp(-1.8 * risk)), "default", "paid")
    at = [start + timedelta(days=float(day)) for day in np.sort(rng.random(ROWS)) * days]
    return pd.DataFrame(
        {
            "served_at": at,
            "channel": channel,
            "income": income,
            "debt": debt,
            "age": age,
            "term_months": term,
            "outcome": outcome,
        }
    )


def _serve(model: object, month: pd.DataFrame) -> pl.DataFrame:
    """The month as it was logged: column by column, which needs no Arrow."""
    scores = model.predict_proba(month[FEATURES])
    columns = {name: month[name].tolist() for name in month.columns}
    columns |= {"p_default": scores[:, 0].tolist(), "p_paid": scores[:, 1].tolist()}
    columns["prediction"] = np.where(scores[:, 0] >= 0.5, "default", "paid").tolist()
    return pl.DataFrame(columns)
