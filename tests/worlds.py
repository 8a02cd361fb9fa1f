"""Worlds that several tests share: simulated logs with a known truth, and the way to a case or a diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.finding import Status
from backslide.contracts.roles import Roles
from backslide.engine.window import open_windows
from backslide.jobs.diagnose import diagnose
from backslide.models.load import load_model
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

FEATURES = ("income", "age", "channel", "premium")
BARE = dict(scenarios.ROLES) | {"features": FEATURES}
"""Roles with the features written out, so that helper columns are left alone."""


def settings_of(scenario: Scenario, **sections: Any) -> Settings:
    """A configuration for a scenario; ``sections`` are other tables of backslide.toml."""
    return Settings.from_dict({"model": scenario.model, **sections})


def case_of(scenario: Scenario, **sections: Any) -> Case:
    """The case of a scenario."""
    settings = settings_of(scenario, **sections)
    model = None if scenario.artefact is None else load_model(scenario.artefact)
    opened = open_windows(scenario.reference, scenario.current, settings)
    return Case(opened, settings, model, snapshots=scenario.snapshots)


def causes_of(scenario: Scenario, **options: Any) -> Diagnosis:
    """Verdict and causes of a scenario, without the checks that describe: most of the time, for tests that read none."""
    return diagnosis_of(scenario, quick=True, **options)


def diagnosis_of(scenario: Scenario, **options: Any) -> Diagnosis:
    """The main job on a scenario; no check, signature or trial of it may fail."""
    roles = Roles.model_validate({k: v for k, v in scenario.model.items() if k in Roles.model_fields})
    more = {k: v for k, v in scenario.model.items() if k not in Roles.model_fields}
    artefact = options.pop("reference_model", scenario.artefact)
    diagnosis = diagnose(
        scenario.reference,
        scenario.current,
        roles=roles,
        reference_model=artefact,
        **more | options,
    )
    assert failures(diagnosis) == []
    return diagnosis


def failures(diagnosis: Diagnosis) -> list[str]:
    """What was contained for the user's sake: checks that failed, signatures and trials that could not be read or tried."""
    checks = [f"{outcome.code}: {outcome.reason}" for outcome in diagnosis.checks if outcome.status == Status.FAILED]
    return checks + [
        note for note in diagnosis.inputs.notes if "could not be tried out" in note or "could not be read" in note
    ]


def two_months(rng: np.random.Generator, rows: int = 3000) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two quiet months as the true model serves them."""
    first = scenarios.rescored(scenarios.served(rng, rows))
    return first, scenarios.rescored(scenarios.next_month(rng, rows=rows))


def accuracy(frame: pl.DataFrame) -> float:
    """Share of rows predicted right."""
    return float((frame["label"] == frame["prediction"]).mean())


class Flatter(scenarios.TrueModel):
    """Another model of the same interface that mistrusts income: what a worse deploy looks like."""

    def predict_proba(self, frame: Any) -> np.ndarray:
        columns = {name: np.asarray(frame[name]) for name in FEATURES[:3]}
        columns["income"] = np.exp(8 + (np.log(np.asarray(columns["income"], float)) - 8) * 0.1)
        return super().predict_proba(columns)


def with_model(frame: pl.DataFrame, model: Any) -> pl.DataFrame:
    """The frame as another model serves it."""
    score = model.predict_proba({name: frame[name].to_numpy() for name in FEATURES[:3]})[:, 1]
    return frame.with_columns(p_yes=pl.Series(score), prediction=pl.Series(np.where(score >= 0.5, "yes", "no")))


def model_change(rng: np.random.Generator) -> Scenario:
    """Another model answers."""
    reference, current = two_months(rng)
    return Scenario(reference, with_model(current, Flatter()), BARE, scenarios.TrueModel())


def threshold_change(rng: np.random.Generator) -> Scenario:
    """The same scores are cut at 0.8."""
    reference, current = two_months(rng)
    cut = np.where(current["p_yes"].to_numpy() >= 0.8, "yes", "no")
    return Scenario(reference, current.with_columns(prediction=pl.Series(cut)), BARE, scenarios.TrueModel())


def label_shift(rng: np.random.Generator) -> Scenario:
    """The rarer, harder class comes more often; within a class nothing changed.

    The score leans to "no" (cut at 0.8 in both windows), so that rows of "yes" are the harder ones.
    """
    frames = [
        f.with_columns(prediction=pl.Series(np.where(f["p_yes"] >= 0.8, "yes", "no"))) for f in two_months(rng, 6000)
    ]
    yes = frames[1]["label"].to_numpy() == "yes"
    keep = np.r_[rng.choice(np.flatnonzero(yes), 2100), rng.choice(np.flatnonzero(~yes), 900)]
    return Scenario(frames[0], frames[1][np.sort(keep)], BARE | {"threshold": 0.8, "metric": "accuracy"}, None)


def covariate_shift(rng: np.random.Generator) -> Scenario:
    """More rows with middling incomes, where labels are a coin toss and the model was always weak."""
    reference, current = two_months(rng, 9000)
    logit = np.abs(np.log(current["income"].to_numpy()) - 8) / 0.5
    keep = rng.random(current.height) < np.where(logit < 0.5, 1.0, 0.12)
    return Scenario(reference, current.filter(pl.Series(keep)), BARE | {"metric": "accuracy"}, scenarios.TrueModel())


def concept_drift(rng: np.random.Generator) -> Scenario:
    """Labels of the channel "web" turn: the same inputs now mean another outcome."""
    reference, current = two_months(rng)
    turned = (current["channel"] == "web").to_numpy() & (rng.random(current.height) < 0.4)
    label = current["label"].to_numpy() == "yes"
    label = np.where(np.where(turned, ~label, label), "yes", "no")
    current = current.with_columns(label=pl.Series(label))
    return Scenario(reference, current, BARE | {"metric": "accuracy"}, scenarios.TrueModel())


@dataclass(frozen=True)
class Regression:
    """Two windows of a regression, a fitted pipeline, and the current window before any fault."""

    scenario: Scenario
    clean: pl.DataFrame


def regression(rng: np.random.Generator, fault: Any = None, rows: int = 2500) -> Regression:
    """Rents explained by size, age and distance, served by a scikit-learn pipeline.

    ``fault`` maps the current features to faulty ones; labels stay.
    """

    def month(start: datetime) -> pd.DataFrame:
        size = rng.gamma(9, 8, rows)
        age = rng.integers(0, 90, rows).astype(float)
        distance = rng.lognormal(1.5, 0.6, rows)
        rent = 200 + 11 * size - 2 * age - 20 * distance + rng.normal(0, 60, rows)
        at = [start + timedelta(seconds=float(s)) for s in np.sort(rng.random(rows)) * 28 * 86400]
        return pd.DataFrame({"size": size, "age": age, "distance": distance, "rent": rent, "at": at})

    features = ["size", "age", "distance"]
    past = month(datetime(2026, 1, 1))
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(past[features], past["rent"])

    def serve(frame: pd.DataFrame) -> pl.DataFrame:
        columns = {c: pl.Series(c, frame[c].to_numpy()) for c in [*features, "rent"]}
        columns["at"] = pl.Series("at", frame["at"].tolist())
        columns["predicted"] = pl.Series("predicted", model.predict(frame[features]))
        return pl.DataFrame(columns)

    first, second = month(datetime(2026, 2, 1)), month(datetime(2026, 3, 1))
    broken = second if fault is None else fault(second.copy())
    roles = {"label": "rent", "prediction": "predicted", "timestamp": "at", "task": "regression"}
    return Regression(Scenario(serve(first), serve(broken), roles, model), serve(second))


STORIES: dict[str, Callable[[np.random.Generator], Scenario]] = {
    "quiet": scenarios.quiet,
    "drop": scenarios.drop_in_accuracy,
    "model change": model_change,
    "threshold change": threshold_change,
    "concept drift": concept_drift,
    "regression": lambda rng: regression(rng, lambda f: f.assign(size=f["size"] * 10.764)).scenario,
    "no labels": lambda rng: unlabelled(model_change(rng)),
}


@cache
def diagnosis_named(name: str) -> Diagnosis:
    """A real diagnosis of one of several kinds, made once per run."""
    return diagnosis_of(STORIES[name](np.random.default_rng(4)))


def unlabelled(scenario: Scenario, *, both: bool = False) -> Scenario:
    """The same without current labels (``both``: without a label column at all)."""
    if both:
        roles = {k: v for k, v in scenario.model.items() if k != "label"}
        return Scenario(
            scenario.reference.drop("label"), scenario.current.drop("label"), roles, scenario.artefact, scenario.subject
        )
    current = scenario.current.with_columns(label=pl.lit(None, scenario.current["label"].dtype))
    return Scenario(scenario.reference, current, scenario.model, scenario.artefact, scenario.subject)
