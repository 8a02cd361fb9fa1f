"""What answers: the model, its preparation of the rows, and what happens to the answers behind it."""

from __future__ import annotations

import copy

import numpy as np
import polars as pl

from faults import own_faults
from faults.fault import Drawer
from faults.pipelines import PREDICTION, World, answered
from wild.incident import (
    ALL,
    MARKED,
    Change,
    Incident,
    Rng,
    Setting,
    Subject,
    anything,
    has_code,
    has_quantity,
    is_binary,
    is_classification,
    is_regression,
    pick,
    story,
)
from wild.sets import WildSet

ARM = (*MARKED, "10-unmarked", "40-unmarked")


def _scores(world: World, served: pl.DataFrame) -> np.ndarray:
    return served.select(f"p_{c}" for c in world.pipeline.classes_).to_numpy()


def _answer(world: World, served: pl.DataFrame, scores: np.ndarray) -> pl.DataFrame:
    classes = [str(c) for c in world.pipeline.classes_]
    predicted = np.array(classes, object)[scores.argmax(axis=1)].tolist()
    columns = [pl.Series(f"p_{c}", scores[:, k]) for k, c in enumerate(classes)]
    return served.with_columns(*columns, pl.Series(PREDICTION, predicted, dtype=pl.String))


def _linear(data: WildSet, model: str) -> bool:
    return model == "linear" and bool(data.numbers())


@story("output_change", needs=is_classification)
def scores_mapped_to_the_wrong_classes(setting: Setting, rng: Rng) -> Incident | None:
    """The list of classes is in another order than the columns of scores."""
    k = len(setting.world.pipeline.classes_)
    order = np.arange(k)
    some = rng.choice(k, size=min(k, int(rng.integers(2, 4))), replace=False)
    order[some] = np.roll(some, 1)

    def answers(served: pl.DataFrame, _: Rng) -> pl.DataFrame:
        return _answer(setting.world, served, _scores(setting.world, served)[:, order])

    return Incident(f"{len(some)} classes in each other's place", answers=answers, subject="kind")


@story("output_change", needs=is_binary)
def calibrator_lost(setting: Setting, rng: Rng) -> Incident | None:
    """The step that maps raw scores to probabilities is gone: steeper, and off by a constant on the log-odds."""
    slope, offset = float(rng.uniform(0.5, 3)), float(rng.choice([-1, 1]) * rng.uniform(0.7, 2))

    def answers(served: pl.DataFrame, _: Rng) -> pl.DataFrame:
        p = np.clip(_scores(setting.world, served)[:, 1], 1e-9, 1 - 1e-9)
        raw = 1 / (1 + np.exp(-(slope * np.log(p / (1 - p)) + offset)))
        return _answer(setting.world, served, np.column_stack([1 - raw, raw]))

    return Incident(f"log-odds times {slope:.2f} {offset:+.2f}", answers=answers, subject="kind")


@story("output_change", needs=anything)
def answers_of_the_neighbour(setting: Setting, rng: Rng) -> Incident | None:
    """Answers of a batch are written back shifted by some rows."""
    step = int(rng.integers(1, 4))

    def answers(served: pl.DataFrame, _: Rng) -> pl.DataFrame:
        order = (np.arange(served.height) - step) % served.height
        columns = [c for c in served.columns if c.startswith("p_") or c == PREDICTION]
        return served.with_columns(served[c][order] for c in columns)

    return Incident(f"answers shifted by {step} rows", answers=answers, subject="kind")


@story("output_change", needs=is_regression)
def answers_capped(setting: Setting, rng: Rng) -> Incident | None:
    """A guard behind the model limits what may be said."""
    limit = float(setting.rows[PREDICTION].quantile(float(rng.uniform(0.5, 0.85))) or 0)

    def answers(served: pl.DataFrame, _: Rng) -> pl.DataFrame:
        return served.with_columns(pl.col(PREDICTION).clip(upper_bound=limit))

    return Incident(f"nothing above {limit:.4g}", answers=answers, subject="kind")


@story("output_change", needs=is_regression)
def answers_in_another_unit(setting: Setting, rng: Rng) -> Incident | None:
    """Tax added twice, another currency, or the logarithm not undone and rounded."""
    factor = float(pick(rng, [1.19, 0.84, 1.25, 0.621371, 1.6093]))

    def answers(served: pl.DataFrame, _: Rng) -> pl.DataFrame:
        return served.with_columns(pl.col(PREDICTION) * factor)

    return Incident(f"answers times {factor:g}", answers=answers, subject="kind")


@story("threshold_change", "output_change", needs=is_binary)
def decision_threshold_moved(setting: Setting, rng: Rng) -> Incident | None:
    """Scores are cut elsewhere."""
    return _as_in_the_other_bench(own_faults.threshold_change, setting, rng)


@story("model_change", needs=anything, slow=True, portions=(ALL, "40-marked", "since-middle"))
def older_model_back(setting: Setting, rng: Rng) -> Incident | None:
    """A redeployment brings a model back that was trained on a tenth of the rows, the oldest."""
    train = setting.world.train.head(max(setting.world.train.height // 10, 200))
    return _other_model(setting, rng, train, "the oldest tenth", known=bool(rng.random() < 0.5))


@story("model_change", needs=anything, slow=True, portions=ARM)
def arm_of_an_experiment(setting: Setting, rng: Rng) -> Incident | None:
    """Some of the traffic is answered by a candidate that was trained without a third of the columns."""
    features, train = setting.data.features(), setting.world.train
    blind = [str(c) for c in rng.choice(features, size=max(len(features) // 3, 1), replace=False)]
    train = train.with_columns(train[c][rng.permutation(train.height)] for c in blind)
    return _other_model(setting, rng, train, f"blind to {', '.join(blind)}", known=False)


@story("scaler_refit", "preprocessing_change", needs=_linear, slow=True)
def scaler_fitted_on_each_batch(setting: Setting, rng: Rng) -> Incident | None:
    """``fit_transform`` where ``transform`` was meant: each batch is scaled by itself."""
    world, size = setting.world, int(pick(rng, [50, 100, 200]))
    numbers = setting.data.numbers()

    def answers(served: pl.DataFrame, _: Rng) -> pl.DataFrame:
        parts = []
        for begin in range(0, served.height, size):
            batch = served[begin : begin + size]
            pipeline = copy.deepcopy(world.pipeline)
            inner = pipeline.named_steps["columns"].named_transformers_["numbers"]
            inner[1].fit(inner[0].transform(batch.select(pl.col(numbers).cast(pl.Float64, strict=False)).to_pandas()))
            parts.append(answered(setting.data, pipeline, batch))
        return pl.concat(parts)

    return Incident(f"batches of {size}", answers=answers, subject="kind")


@story("scaler_refit", "preprocessing_change", needs=_linear)
def scaler_fitted_again(setting: Setting, rng: Rng) -> Incident | None:
    """The scaler was fitted again on rows of another kind."""
    return _as_in_the_other_bench(own_faults.scaler_refit, setting, rng, "segment")


@story("preprocessing_change", "model_change", needs=has_code)
def encoder_in_another_order(setting: Setting, rng: Rng) -> Incident | None:
    """The encoder was built again and lists its categories in another order."""
    return _as_in_the_other_bench(own_faults.preprocessing_change, setting, rng)


@story("output_change", needs=has_quantity)
def placeholder_answer_on_timeout(setting: Setting, rng: Rng) -> Incident | None:
    """Where the model is too slow, the most common (or the middle) answer is given instead, with scores from a table."""
    share = float(rng.uniform(0.15, 0.5)) if setting.portion == ALL else 1.0
    told = [c for c in setting.earlier.columns if c.startswith("p_")]
    usual = {c: float(setting.earlier[c].mean() or 0) for c in told}
    answer = setting.earlier[PREDICTION].median() if setting.data.regression else max(usual, key=usual.__getitem__)[2:]

    def answers(served: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        late = pl.Series(chance.random(served.height) < share)
        made = {PREDICTION: answer} | usual
        return served.with_columns(pl.when(late).then(pl.lit(v)).otherwise(pl.col(c)).alias(c) for c, v in made.items())

    return Incident(f"{answer} in {share:.0%}", answers=answers, subject="kind")


def _other_model(setting: Setting, rng: Rng, train: pl.DataFrame, words: str, *, known: bool) -> Incident | None:
    world = setting.world
    if not setting.data.regression and train[setting.data.label].n_unique() < len(world.pipeline.classes_):
        return None
    successor = world.fit(train, seed=int(rng.integers(1000)))
    return Incident(words, answers=_by(setting, successor), artefact=successor if known else None, subject="kind")


def _as_in_the_other_bench(draw: Drawer, setting: Setting, rng: Rng, subject: Subject = "some") -> Incident | None:
    fault = draw(setting.scene(), rng)
    if fault is None:
        return None
    return Incident(
        fault.variant,
        fault.columns,
        answers=fault.apply,
        artefact=fault.successor,
        subject=subject if fault.columns else "kind",
    )


def _by(setting: Setting, successor: object) -> Change:
    return lambda served, _: setting.world.serve(served, successor)
