"""Quiet pairs of a table with correlated, skewed, bounded and coded columns: no fault, no other preprocessing, no cut.

Random halves, months in a row and months that drift mildly. Not one accusation in fifty pairs is allowed: what every recogniser
states is far below.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import tables
import worlds
from backslide.causes.faults.recognition import find_faults
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.replay.model_or_threshold import find_own_change
from backslide.causes.replay.threshold import find_threshold_change
from backslide.contracts.cause import CauseKind
from backslide.models.frame import to_pandas
from backslide.playbook.base import Scenario
from scale import runs

FEATURES = [*tables.NUMBERS, *tables.TEXTS]
OWN = (CauseKind.SCALER_REFIT, CauseKind.PREPROCESSING_CHANGE, CauseKind.THRESHOLD_CHANGE, CauseKind.MODEL_CHANGE)
SIZES = (1000, 1500, 2200, 3000)


def halves(seed: int, rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One month dealt out at random."""
    both, _ = tables.months(seed, 2 * rows)
    first = np.random.default_rng(seed).permutation(both.height) < rows
    return both.filter(pl.Series(first)), both.filter(pl.Series(~first))


def pairs(count: int) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    for seed in range(count):
        rows = SIZES[seed % len(SIZES)]
        yield f"halves {seed}", *halves(1000 + seed, rows)
        yield f"months {seed}", *tables.months(2000 + seed, rows)
        yield f"drift {seed}", *tables.months(3000 + seed, rows, drift=(0.1, -0.15, 0.2, -0.1)[seed % 4])


def gaps(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Some spendings and plans are missing."""
    rng = np.random.default_rng(seed)
    holes = [pl.Series(rng.random(frame.height) < share) for share in (0.08, 0.04)]
    return frame.with_columns(
        pl.when(hole).then(None).otherwise(name).alias(name)
        for name, hole in zip(("spending", "plan"), holes, strict=True)
    )


def accused(reference: pl.DataFrame, current: pl.DataFrame) -> list[str]:
    case = worlds.case_of(tables.scenario(reference, current))
    named = [f"{f.kind} of {', '.join(f.features)} where {f.segment}" for f in find_faults(case) if f.exact]
    return named + (["another cut"] if find_threshold_change(case) is not None else [])


@pytest.mark.slow
def test_no_fault_is_named_on_quiet_pairs():
    told = {name: accused(gaps(g, 1), gaps(b, 2)) for name, g, b in pairs(4)}
    assert {name: found for name, found in told.items() if found} == {}


@pytest.mark.slow
@pytest.mark.rates
def test_no_fault_is_named_on_many_quiet_pairs():
    told = {name: accused(gaps(g, 3), gaps(b, 4)) for name, g, b in pairs(runs(5, 60))}
    assert {name: found for name, found in told.items() if found} == {}


def model(frame: pl.DataFrame) -> object:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    parts = ColumnTransformer([("n", numbers, list(tables.NUMBERS)), ("t", texts, list(tables.TEXTS))])
    rows = to_pandas(frame.select(FEATURES))
    return make_pipeline(parts, LogisticRegression(max_iter=2000)).fit(rows, frame["label"].to_numpy())


def answered(frame: pl.DataFrame, by: object) -> pl.DataFrame:
    score = by.predict_proba(to_pandas(frame.select(FEATURES)))[:, 1]
    return frame.with_columns(score=pl.Series(score), prediction=pl.Series(np.where(score >= 0.5, "yes", "no")))


@pytest.mark.slow
def test_a_model_that_answers_as_it_did_is_no_change_and_another_one_is_only_that():
    """Trained again it is never a scaler, an encoder or an order of columns."""
    past, _ = tables.months(1)
    saved = model(past)
    for seed in range(3):
        reference, current = (gaps(f, seed) for f in tables.months(400 + seed, 1500, drift=0.1 * (seed % 2)))
        own, again = (answered(current, by) for by in (saved, model(current)))
        for served, wanted in ((own, None), (again, CauseKind.MODEL_CHANGE)):
            case = worlds.case_of(Scenario(answered(reference, saved), served, tables.ROLES, saved))
            found = find_own_change(PricingBench(case, case.metric, None))
            assert (None if found is None else found.kind) == wanted


@pytest.mark.slow
@pytest.mark.rates
def test_diagnoses_of_quiet_pairs_accuse_nothing_of_ours():
    past, _ = tables.months(1)
    saved = model(past)
    for name, g, b in pairs(runs(2, 5)):
        d = worlds.causes_of(Scenario(answered(g, saved), answered(b, saved), tables.ROLES, saved))
        told = [
            c for c in (*d.causes, *d.harmless) if c.kind in OWN or (c.kind.family == "data fault" and c in d.causes)
        ]
        assert told == [], name
