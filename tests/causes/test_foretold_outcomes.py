"""What a certain fault costs is known from fewer rows by the outcomes that calibrated answers foretell."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

import worlds
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.pricing.foretold_outcomes import class_chances
from backslide.playbook.base import Scenario
from backslide.stats.metrics.metric import METRICS
from scale import runs

ROLES = {"label": "label", "prediction": "prediction", "timestamp": "at", "features": ["x", "z"]}
BINARY = ROLES | {"scores": {"yes": "p_yes"}}


def rows(seed: int, count: int, *, number: bool = False) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, count))
    if number:
        label: Any = 3 * x + z + rng.normal(0, 4, count)
    else:
        label = np.where(rng.random(count) < 1 / (1 + np.exp(-1.2 * x - 0.5 * z)), "yes", "no")
    at = [datetime(2026, 3, 1) + timedelta(minutes=30 * k) for k in range(count)]
    return pl.DataFrame({"at": at, "x": x, "z": z, "label": label})


def learned(*, number: bool = False) -> Any:
    frame = rows(0, 20_000, number=number)
    model = LinearRegression() if number else LogisticRegression()
    return model.fit(frame.select("x", "z").to_pandas(), frame["label"].to_numpy())


def served(frame: pl.DataFrame, model: Any) -> pl.DataFrame:
    asked = frame.select("x", "z").to_pandas()
    answered = frame.with_columns(prediction=pl.Series(model.predict(asked)))
    if hasattr(model, "predict_proba"):
        return answered.with_columns(p_yes=pl.Series(model.predict_proba(asked)[:, 1]))
    return answered


def bench_of(seed: int, model: Any, *, count: int = 800, number: bool = False) -> PricingBench:
    windows = [served(rows(seed + k, count, number=number), model) for k in (0, 5_000)]
    case = worlds.case_of(Scenario(*windows, ROLES if number else BINARY, model, ""))
    return PricingBench(case, METRICS["mae" if number else "accuracy"], case.reference_model, artefact=True)


def forgotten(frame: pl.DataFrame) -> pl.DataFrame:
    """The smaller of the two columns is lost."""
    return frame.with_columns(z=pl.lit(0.0))


def truth(model: Any, *, number: bool = False) -> float:
    sound = served(rows(999_999, 400_000, number=number), model)
    lost = served(forgotten(sound).select("at", "x", "z", "label"), model)
    if number:
        return float(
            (lost["prediction"] - lost["label"]).abs().mean() - (sound["prediction"] - sound["label"]).abs().mean()
        )
    return float((lost["prediction"] == lost["label"]).mean() - (sound["prediction"] == sound["label"]).mean())


@pytest.mark.rates
@pytest.mark.parametrize("number", [False, True])
def test_the_price_is_sharper_and_covers_the_truth(number):
    model = learned(number=number)
    true, seeds = truth(model, number=number), range(10, 10 + runs(8, 60))
    sharper, covered = [], []
    for seed in seeds:
        bench = bench_of(seed, model, number=number)
        frame = forgotten(bench.case.reference.sample)
        by_labels, sharp = bench.effect_of(frame), bench.sharp_effect_of(frame)
        sharper.append(np.std(sharp.replicates) < 0.8 * np.std(by_labels.replicates) or by_labels.clear)
        covered.append(sharp.bounds[0] <= true <= sharp.bounds[1])
    assert np.mean(sharper) >= 0.8
    assert sum(covered) >= 0.95 * len(covered) - 2 * np.sqrt(0.95 * 0.05 * len(covered)) - 0.5


def test_scores_that_are_too_sure_are_recalibrated():
    class TooSure:
        """Log odds four times as large as they should be."""

        feature_names_in_, classes_ = np.array(["x", "z"]), np.array(["no", "yes"])

        def predict_proba(self, frame: Any) -> np.ndarray:
            odds = 4 * (1.2 * np.asarray(frame["x"]) + 0.5 * np.asarray(frame["z"]))
            return np.column_stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))])

        def predict(self, frame: Any) -> np.ndarray:
            return self.classes_[(self.predict_proba(frame)[:, 1] >= 0.5).astype(int)]

    bench = bench_of(3, TooSure(), count=4_000)
    sample = bench.case.reference.sample
    chances = class_chances(bench.case)[0][:, list(bench.case.problem.classes).index("yes")]
    right = 1 / (1 + np.exp(-1.2 * sample["x"].to_numpy() - 0.5 * sample["z"].to_numpy()))
    assert np.abs(chances - right).mean() < 0.03
    assert np.abs(sample["p_yes"].to_numpy() - right).mean() > 0.15


def test_labels_that_speak_against_it_keep_the_last_word():
    """The model is wrong about z, and its scores do not know it: losing z helps."""
    frame = rows(1, 20_000).with_columns(z=-pl.col("z"))
    model = LogisticRegression().fit(frame.select("x", "z").to_pandas(), frame["label"].to_numpy())
    bench = bench_of(21, model, count=4_000)
    lost = forgotten(bench.case.reference.sample)
    by_labels, sharp = bench.effect_of(lost), bench.sharp_effect_of(lost)
    assert by_labels.value > 0
    assert sharp.value == by_labels.value


def test_nothing_is_foretold_without_scores_or_of_few_rows():
    model = learned()
    few = bench_of(4, model, count=150)
    assert class_chances(few.case) is None
    frame = forgotten(few.case.reference.sample)
    assert few.sharp_effect_of(frame).value == few.effect_of(frame).value
    tree = HistGradientBoostingRegressor(max_iter=10).fit(
        rows(0, 2_000, number=True).select("x", "z").to_pandas(), rows(0, 2_000, number=True)["label"].to_numpy()
    )
    few = bench_of(5, tree, count=150, number=True)
    frame = forgotten(few.case.reference.sample)
    assert few.sharp_effect_of(frame).value == few.effect_of(frame).value
