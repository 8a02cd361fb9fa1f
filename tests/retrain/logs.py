"""Small logs for retraining: a plain pipeline serves two months, and in the second something may have changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import backslide as bs
from backslide.contracts.config import Settings
from backslide.models.frame import to_pandas

FEATURES = ["amount", "age", "channel"]
QUICK = {
    "diagnose": False,
    "features": False,
    "curve": False,
    "policies": False,
    "folds": 3,
    "windows": ["all", "recent"],
}
"""Only the backtest and the gate, over few candidates."""


def recipe() -> Pipeline:
    """Unfitted."""
    encode = make_column_transformer(
        (StandardScaler(), ["amount", "age"]), (OneHotEncoder(handle_unknown="ignore"), ["channel"])
    )
    return make_pipeline(encode, LogisticRegression())


def rows(rng: np.random.Generator, n: int, start: datetime, days: int, turn: float = 0.0) -> pl.DataFrame:
    """Labels that follow amount and age; ``turn`` from 0 to 1 turns what age means."""
    amount, age = rng.normal(50, 10, n), rng.normal(40, 12, n)
    channel = rng.choice(["web", "phone", "shop"], n, p=[0.5, 0.3, 0.2])
    logit = 1.5 * (amount - 50) / 10 + 1.5 * (1 - 2 * turn) * (age - 40) / 12 + np.where(channel == "web", 0.3, 0.0)
    label = np.where(rng.random(n) < 1 / (1 + np.exp(-logit)), "yes", "no")
    times = [start + timedelta(seconds=float(s)) for s in np.sort(rng.random(n)) * days * 86400]
    return pl.DataFrame({"amount": amount, "age": age, "channel": channel, "label": label, "at": times})


@dataclass
class Log:
    """What a champion served."""

    model: Pipeline
    reference: pl.DataFrame
    current: pl.DataFrame

    def retrain(self, **options: Any) -> Any:
        """The job on both windows; ``policy`` are settings of [retrain]."""
        policy = {**QUICK, **options.pop("policy", {})}
        settings = Settings.from_dict({"retrain": policy, "gate": options.pop("gate", {})})
        roles = options.pop("roles", ROLES)
        given = {"reference_model": self.model, "metric": "accuracy", "settings": settings} | options
        return bs.retrain(self.reference, self.current, roles=roles, **given)


ROLES = bs.Roles(label="label", prediction="prediction", scores={"yes": "p_yes"}, timestamp="at", features=FEATURES)


def served(model: Any, frame: pl.DataFrame) -> pl.DataFrame:
    """With the champion's answers."""
    p = model.predict_proba(to_pandas(frame.select(FEATURES)))[:, list(model.classes_).index("yes")]
    return frame.with_columns(p_yes=pl.Series(p), prediction=pl.Series(np.where(p >= 0.5, "yes", "no")))


def log(seed: int = 0, *, turn: float = 0.0, n: int = 2400) -> Log:
    """A champion trained on a quiet month; a reference like it, and a current month in which age may mean something else."""
    rng = np.random.default_rng(seed)
    past = rows(rng, n, datetime(2026, 1, 1), 28)
    model = recipe().fit(to_pandas(past.select(FEATURES)), past["label"].to_numpy())
    first, second = rows(rng, n, datetime(2026, 2, 1), 28), rows(rng, n, datetime(2026, 3, 1), 28, turn)
    return Log(model, served(model, first), served(model, second))
