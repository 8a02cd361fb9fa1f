"""Simulated flats with columns that foretell each other, in weeks that follow each other, and a model that prices them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from backslide.playbook.base import Scenario

FEATURES = ("size", "rooms", "tax", "age", "distance", "city", "week")
ROLES = {
    "label": "sold",
    "prediction": "said",
    "scores": {"1": "p_sold"},
    "timestamp": "at",
    "features": FEATURES,
}
Change = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]


def flats(rng: np.random.Generator, rows: int, first_day: int, days: int, drift: float = 0.0) -> pl.DataFrame:
    """Flats of some days; ``drift`` moves what is behind the columns, in standard deviations."""
    day = first_day + np.sort(rng.random(rows)) * days
    wealth, suburb, region = rng.normal(size=(3, rows)) + drift
    city = np.array(["a", "b", "c", "d"])[np.clip(np.floor(region + 2).astype(int), 0, 3)]
    chance = 0.9 * wealth - 0.8 * suburb + 0.7 * (city == "b") - 0.5 * (city == "d")
    return pl.DataFrame(
        {
            "size": np.round(np.exp(4 + 0.4 * wealth + 0.15 * rng.normal(size=rows)), 2),
            "rooms": np.round(2 + 1.2 * wealth + 0.5 * rng.normal(size=rows)).clip(1, 9),
            "tax": np.round(300 + 90 * wealth + 25 * rng.normal(size=rows), 2),
            "age": np.round(40 + 12 * suburb + 3 * rng.normal(size=rows)),
            "distance": np.round(np.exp(1 + 0.6 * suburb + 0.2 * rng.normal(size=rows)), 3),
            "city": city,
            "week": np.floor(day / 7),
            "sold": (chance + 0.6 * rng.normal(size=rows) > 0).astype(int),
            "at": [datetime(2026, 1, 1) + timedelta(days=float(d)) for d in day],
        }
    )


@cache
def model() -> Pipeline:
    """Trained on the weeks before."""
    past = flats(np.random.default_rng(1), 3000, -40, 40)
    city = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]), remainder="passthrough"
    )
    forest = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    return make_pipeline(city, forest).fit(past.select(FEATURES).to_pandas(), past["sold"].to_numpy())


def served(rows: pl.DataFrame) -> pl.DataFrame:
    """With the model's answers."""
    score = model().predict_proba(rows.select(FEATURES).to_pandas())[:, 1]
    return rows.with_columns(p_sold=pl.Series(score), said=pl.Series((score >= 0.5).astype(int)))


def weeks(seed: int, change: Change | None = None, *, drift: float = 0.15, rows: int = 4000) -> Scenario:
    """Four weeks and the four weeks after them, in which the world drifted and, where given, ``change`` happened."""
    rng = np.random.default_rng(seed)
    reference, current = flats(rng, rows, 0, 28), flats(rng, rows, 28, 28, drift)
    if change is not None:
        current = change(current, rng)
    return Scenario(served(reference), served(current), ROLES, model())


def harm(scenario: Scenario, sound: pl.DataFrame) -> float:
    """Accuracy of the sound rows less that of the rows as they came."""
    came = scenario.current
    return float((served(sound)["said"] == sound["sold"]).mean() - (came["said"] == came["sold"]).mean())
