"""Linear models of nothing but scaled numbers: a scaler fitted on a part of the rows against a model fitted again."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

import worlds
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.replay.base import OwnChange
from backslide.causes.replay.model_or_threshold import find_own_change
from backslide.contracts.cause import CauseKind
from backslide.models.load import load_model
from backslide.playbook.base import Scenario
from scale import runs

NUMBERS = ["speed", "load", "heat", "flow", "noise", "wear"]
ROWS = 3_000


def machines(rng: np.random.Generator, month: int) -> pd.DataFrame:
    """Readings that hang together, with a failure that depends on all of them."""
    common = rng.normal(size=ROWS)
    frame = pd.DataFrame(
        {c: common * w + rng.normal(size=ROWS) for c, w in zip(NUMBERS, (1.5, 1, 1, 0.5, 0.5, 0), strict=True)}
    )
    frame["flow"] = np.exp(frame["flow"] / 2)
    frame["wear"] = np.arange(ROWS) / ROWS + rng.normal(0, 0.2, ROWS)
    risk = frame[NUMBERS].to_numpy() @ np.array([0.8, -0.7, 0.5, 0.4, -0.6, 0.9])
    frame["label"] = np.where(rng.random(ROWS) < 1 / (1 + np.exp(-risk)), "yes", "no")
    frame["at"] = [datetime(2026, month, 1) + timedelta(seconds=40 * 60 * k * 1000 / ROWS) for k in range(ROWS)]
    return frame


def logged(model: Any, rows: pd.DataFrame) -> pl.DataFrame:
    chance = model.predict_proba(rows[NUMBERS])
    said = pd.DataFrame({"prediction": model.classes_[chance.argmax(1)], "p_yes": chance[:, 1]})
    return pl.from_pandas(pd.concat([rows, said], axis=1))


def told(
    model: Any, served_by: Any, reference: pd.DataFrame, current: pd.DataFrame, *, given: bool = False
) -> OwnChange | None:
    roles = {"label": "label", "prediction": "prediction", "scores": {"yes": "p_yes"}, "timestamp": "at"}
    roles |= {"features": tuple(NUMBERS)}
    case = worlds.case_of(Scenario(logged(model, reference), logged(served_by, current), roles, model))
    if given:
        case.current_model = load_model(served_by)
    return find_own_change(PricingBench(case, case.metric, None))


@pytest.fixture(scope="module")
def world() -> tuple[Pipeline, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(4)
    past, reference, current = (machines(rng, month) for month in (1, 2, 3))
    return (
        make_pipeline(StandardScaler(), LogisticRegression()).fit(past[NUMBERS], past["label"]),
        past,
        reference,
        current,
    )


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (lambda rows: rows["speed"] > 1.0, "speed above about"),
        (lambda rows: rows["noise"] < -0.5, "noise below about"),
    ],
)
def test_a_scaler_fitted_on_a_part_of_the_rows_is_told_with_the_part(world, kept, words):
    model, past, reference, current = world
    broken = deepcopy(model)
    broken[0].fit(past.loc[kept(past), NUMBERS])
    found = told(model, broken, reference, current)
    assert found is not None
    assert found.kind is CauseKind.SCALER_REFIT
    assert set(found.features) <= set(NUMBERS)
    assert words in found.seen


def test_a_scaler_fitted_anywhere_is_told_where_the_pipeline_that_answers_is_given(world):
    model, past, reference, current = world
    elsewhere = past[NUMBERS] * 1.3 + np.random.default_rng(2).normal(size=past[NUMBERS].shape) ** 2
    scaler, both = deepcopy(model), deepcopy(model)
    scaler[0].fit(elsewhere)
    both[0].fit(elsewhere)
    both[1].fit(both[0].transform(past[NUMBERS]), past["label"])
    found = told(model, scaler, reference, current, given=True)
    assert found is not None
    assert (found.kind, set(found.features)) == (CauseKind.SCALER_REFIT, set(NUMBERS))
    robust = make_pipeline(RobustScaler().fit(past[NUMBERS]), model[1])
    other = told(model, robust, reference, current, given=True)
    assert other is not None
    assert other.kind is CauseKind.PREPROCESSING_CHANGE  # another scaler is no fit on other rows
    again = told(model, both, reference, current, given=True)
    assert again is not None
    assert again.kind is CauseKind.MODEL_CHANGE


@pytest.mark.slow
@pytest.mark.rates
def test_models_fitted_again_are_no_scalers(world):
    """In at most 1 % of models that were fitted again, on half or a tenth of the rows or with wrong labels."""
    model, past, reference, current = world
    rng = np.random.default_rng(9)
    named, tried = 0, runs(9, 60)
    for k in range(tried):
        rows = past.sample(ROWS // (2 if k % 3 else 10), random_state=k)
        labels = rows["label"].to_numpy().copy()
        if k % 3 == 2:
            wrong = rng.random(len(labels)) < 0.3
            labels[wrong] = rng.permutation(labels)[wrong]
        again = deepcopy(model)
        again[1].fit(model[0].transform(rows[NUMBERS]), labels)
        found = told(model, again, reference, current)
        assert found is not None
        named += found.kind is not CauseKind.MODEL_CHANGE
    assert named <= binom.ppf(0.999, tried, 0.01)
