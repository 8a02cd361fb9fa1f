"""Our own changes: another threshold, another model, a scaler fitted again, preprocessing that is not the one of training."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import polars as pl
from sklearn.pipeline import Pipeline

from backslide.models.frame import to_pandas
from faults.fault import Fault, Rng, Scene, pick
from faults.pipelines import PREDICTION, labels_of

FEW_ROWS = 400


def threshold_change(scene: Scene, rng: Rng) -> Fault | None:
    """Scores are cut elsewhere."""
    if scene.data.task != "binary":
        return None
    negative, positive = (str(c) for c in scene.world.pipeline.classes_)
    cut = float(pick(rng, [rng.uniform(0.1, 0.42), rng.uniform(0.58, 0.9)]))

    def apply(served: pl.DataFrame, _: Rng) -> pl.DataFrame:
        said = pl.when(pl.col(f"p_{positive}") >= cut).then(pl.lit(positive)).otherwise(pl.lit(negative))
        return served.with_columns(said.alias(PREDICTION))

    return Fault("threshold_change", (), f"{positive} from {cut:.3f} on", "answers", apply)


def model_change(scene: Scene, rng: Rng) -> Fault | None:
    """Another model answers: fitted on few rows, on wrong labels, blind to some columns, or just fitted again."""
    world, train = scene.world, scene.world.train
    variant = pick(rng, ["few rows", "wrong labels", "blind", "other rows"])
    labels: Any = None
    if variant in ("few rows", "other rows"):
        n = FEW_ROWS if variant == "few rows" else train.height // 2
        train = train[np.sort(rng.permutation(train.height)[:n])]
    elif variant == "wrong labels":
        labels = labels_of(scene.data, train).copy()
        wrong = rng.random(len(labels)) < rng.uniform(0.2, 0.45)
        labels[wrong] = rng.permutation(labels)[wrong]
    else:
        features = scene.data.features()
        unseen = rng.choice(features, size=max(len(features) // 3, 1), replace=False)
        train = train.with_columns(train[str(c)][rng.permutation(train.height)] for c in unseen)
    if not scene.data.regression and train[scene.data.label].n_unique() < len(world.pipeline.classes_):
        return None
    successor = world.fit(train, labels, seed=int(rng.integers(1000)))
    return _answered_by(scene, successor, "model_change", (), variant, known=bool(rng.random() < 0.5))


def scaler_refit(scene: Scene, rng: Rng) -> Fault | None:
    """The scaler of the linear pipeline was fitted again: on rows of another kind, or on one column in another unit."""
    if scene.world.model != "linear" or not scene.data.numbers():
        return None
    numbers = scene.data.numbers()
    successor = copy.deepcopy(scene.world.pipeline)
    inner: Pipeline = successor.named_steps["columns"].named_transformers_["numbers"]
    imputer, scaler = inner[0], inner[1]
    column = pick(rng, scene.numbers(distinct=5) or numbers)
    if rng.random() < 0.5:
        rows = scene.world.train
        limit = rows[column].quantile(float(rng.uniform(0.3, 0.8)))
        rows = rows.filter(pl.col(column) > limit)
        if rows.height < 100:
            return None
        scaler.fit(imputer.transform(to_pandas(rows.select(numbers)).astype(float)))
        words = f"fitted on rows with {column} above {limit:.4g}"
    else:
        factor, k = float(np.exp(rng.choice([-1, 1]) * rng.uniform(0.5, 2.5))), numbers.index(column)
        scaler.scale_, scaler.mean_ = scaler.scale_.copy(), scaler.mean_.copy()
        scaler.scale_[k] *= factor
        scaler.mean_[k] += float(rng.uniform(-1, 1)) * scaler.scale_[k]
        scaler.var_[k] = scaler.scale_[k] ** 2
        words = f"fitted with {column} of other mean and scale (times {factor:.3g})"
    return _answered_by(scene, successor, "scaler_refit", (column,), words, known=True)


def preprocessing_change(scene: Scene, rng: Rng) -> Fault | None:
    """An encoder lists its categories in another order, or two columns stand in each other's place."""
    successor = copy.deepcopy(scene.world.pipeline)
    columns = successor.named_steps["columns"]
    numbers, codes = scene.data.numbers(), scene.data.codes()
    if codes and (rng.random() < 0.6 or len(numbers) < 2):
        column = pick(rng, scene.codes() or codes)
        k, encoder = codes.index(column), columns.named_transformers_["codes"]
        order = rng.permutation(len(encoder.categories_[k]))
        encoder.categories_ = [c[order] if i == k else c for i, c in enumerate(encoder.categories_)]
        return _answered_by(scene, successor, "preprocessing_change", (column,), "categories reordered", known=True)
    if len(numbers) < 2:
        return None
    one, other = (str(c) for c in rng.choice(numbers, size=2, replace=False))
    successor.named_steps["door"].exchanged = (one, other)
    return _answered_by(
        scene, successor, "preprocessing_change", (one, other), "two columns in each other's place", known=True
    )


def _answered_by(
    scene: Scene, successor: Pipeline, kind: str, columns: tuple[str, ...], words: str, *, known: bool
) -> Fault:
    def apply(served: pl.DataFrame, _: Rng) -> pl.DataFrame:
        return scene.world.serve(served, successor)

    words += "" if known else " (artefact lost)"
    return Fault(kind, columns, words, "answers", apply, successor=successor if known else None)
