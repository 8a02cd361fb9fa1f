"""What a certain fault costs is known from fewer rows by the outcomes that calibrated answers foretell."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import worlds
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.pricing.foretold_outcomes import class_chances, foretold_effect
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
    sharper, decided, covered = [], [], []
    for seed in seeds:
        bench = bench_of(seed, model, number=number)
        frame = forgotten(bench.case.reference.sample)
        by_labels, sharp = bench.effect_of(frame), bench.sharp_effect_of(frame)
        kept = sharp.value == by_labels.value
        sharper.append(kept or np.std(sharp.replicates) < 0.8 * np.std(by_labels.replicates))
        decided.append(sharp.clear - by_labels.clear)
        covered.append(sharp.bounds[0] <= true <= sharp.bounds[1])
    assert all(sharper)
    assert number or np.mean(decided) >= 0.2
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
    served = bench.case.reference.outcomes
    terms = np.log(np.clip(served.scores, 1e-4, 1))
    chances = class_chances(terms, served.labels.astype(int), np.arange(sample.height))
    right = 1 / (1 + np.exp(-1.2 * sample["x"].to_numpy() - 0.5 * sample["z"].to_numpy()))
    yes = list(bench.case.problem.classes).index("yes")
    assert np.abs(chances[:, yes] - right).mean() < 0.03
    assert np.abs(sample["p_yes"].to_numpy() - right).mean() > 0.15


@pytest.mark.rates
def test_a_column_that_tells_nothing_costs_nothing_however_much_the_model_leans_on_it():
    """Stated: the interval of 95 %. Losing pure noise helps, and an injection must not say the contrary."""
    model = learned()
    model.coef_ = model.coef_ * [[1.0, 0.0]] + [[0.0, 0.6]]

    def noise(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
        return served(
            frame.drop("z").with_columns(z=pl.Series(np.random.default_rng(seed).normal(size=frame.height))), model
        )

    harmful, seeds = 0, range(40, 40 + runs(8, 80))
    for seed in seeds:
        windows = [noise(rows(seed + k, 800), seed + k + 1) for k in (0, 5_000)]
        case = worlds.case_of(Scenario(*windows, BINARY, model, ""))
        bench = PricingBench(case, METRICS["accuracy"], case.reference_model, artefact=True)
        harmful += bench.sharp_effect_of(forgotten(case.reference.sample)).bounds[1] < 0
    assert harmful <= 0.025 * len(seeds) + 2 * np.sqrt(0.025 * len(seeds)) + 0.5


def test_labels_that_speak_against_it_keep_the_last_word():
    """The model is wrong about z, and its scores do not know it: losing z helps."""
    frame = rows(1, 20_000).with_columns(z=-pl.col("z"))
    model = LogisticRegression().fit(frame.select("x", "z").to_pandas(), frame["label"].to_numpy())
    bench = bench_of(21, model, count=4_000)
    lost = forgotten(bench.case.reference.sample)
    by_labels, sharp = bench.effect_of(lost), bench.sharp_effect_of(lost)
    assert by_labels.value > 0
    assert sharp.value == by_labels.value


def test_nothing_is_foretold_of_few_rows_of_rare_classes_or_of_quantiles():
    model = learned()
    few = bench_of(4, model, count=150)
    frame = forgotten(few.case.reference.sample)
    assert few.sharp_effect_of(frame).value == few.effect_of(frame).value
    rare_label = pl.when(pl.int_range(pl.len()) < 12).then(pl.lit("yes")).otherwise(pl.lit("no"))
    frames = [served(rows(seed, 3_000).with_columns(label=rare_label), model) for seed in (5, 6)]
    case = worlds.case_of(Scenario(*frames, BINARY, model, ""))
    rare = PricingBench(case, METRICS["accuracy"], case.reference_model, artefact=True)
    assert rare.sharp_effect_of(forgotten(case.reference.sample)) is not None
    outcomes = rare.reference_answers
    assert foretold_effect(case, METRICS["accuracy"], outcomes, outcomes, rare.draw(case.reference)) is None
    numbers = bench_of(5, learned(number=True), number=True)
    answers, draw = numbers.reference_answers, numbers.draw(numbers.case.reference)
    assert foretold_effect(numbers.case, METRICS["p90_absolute_error"], answers, answers, draw) is None
    assert foretold_effect(numbers.case, METRICS["mae"], answers, answers, draw).value == 0


def test_before_labels_come_those_of_the_reference_speak_alone():
    model = learned()
    windows = [served(rows(seed, 800), model) for seed in (11, 12)]
    windows[1] = windows[1].with_columns(label=pl.lit(None, pl.String))
    case = worlds.case_of(Scenario(*windows, BINARY, model, ""))
    bench = PricingBench(case, METRICS["accuracy"], case.reference_model, artefact=True)
    frame = forgotten(case.reference.sample)
    assert bench.sharp_effect_of(frame).value == bench.effect_of(frame).value
