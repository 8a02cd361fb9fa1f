"""What the world does: other shares of the classes, other rows, and another meaning of the same rows."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl
from sklearn.pipeline import Pipeline

from backslide.models.frame import to_pandas
from faults.fault import Fault, Rng, Scene, pick
from faults.pipelines import labels_of, unfitted
from faults.sets import SETS
from faults.windows import tilted


def label_shift(scene: Scene, rng: Rng) -> Fault | None:
    """Rows are drawn by their label alone: one class becomes rarer or more frequent by a factor."""
    if scene.data.regression:
        return None
    label = scene.data.label
    classes = sorted(str(c) for c in scene.world.pipeline.classes_)
    chosen = pick(rng, classes)
    factor = float(np.exp(rng.choice([-1, 1]) * rng.uniform(0.6, 2.2)))

    def choose(pool: pl.DataFrame, n: int, chance: Rng) -> np.ndarray:
        weight = np.where(pool[label].cast(pl.String).to_numpy() == chosen, np.log(factor), 0.0)
        return np.argsort(-(weight + chance.gumbel(size=pool.height)))[:n]

    return Fault("label_shift", (), f"{chosen} times {factor:.2f}", "draw", choose=choose, classes=(chosen,))


def covariate_shift(scene: Scene, rng: Rng) -> Fault | None:
    """Rows are drawn by a feature: more large values, or mostly one category."""
    column = pick(rng, [*scene.numbers(distinct=3), *scene.codes()])
    if column is None:
        return None
    strength = float(rng.choice([-1, 1]) * rng.uniform(0.8, 2.0))
    levels = scene.rows[column].drop_nulls().unique().sort().to_list()
    level = pick(rng, levels) if column in scene.data.codes() else None

    def choose(pool: pl.DataFrame, n: int, chance: Rng) -> np.ndarray:
        if level is None:
            return tilted(pool, [column], strength, n, chance)
        weight = np.where((pool[column] == level).fill_null(False).to_numpy(), abs(strength) * 1.5, 0.0)
        return np.argsort(-(weight + chance.gumbel(size=pool.height)))[:n]

    words = f"by {column} ({strength:.2f})" if level is None else f"mostly {column} = {level}"
    return Fault("covariate_shift", (column,), words, "draw", choose=choose)


def concept_drift(scene: Scene, rng: Rng) -> Fault | None:
    """The same rows mean another outcome: in a segment, along a feature, or for one class."""
    options = ["segment", "feature", "class"] if not scene.data.regression else ["segment", "feature", "all"]
    variant = pick(rng, options)
    if variant == "feature" and scene.data.task != "multiclass":
        return _relation_reversed(scene, rng)
    if variant == "class":
        return _class_read_otherwise(scene, rng)
    if variant == "all":
        factor = float(np.exp(rng.choice([-1, 1]) * rng.uniform(0.15, 0.6)))
        everywhere = np.ones
        return _labels_scaled(
            scene, (), f"every outcome times {factor:.2f}", lambda rows: everywhere(rows.height, bool), factor
        )
    return _segment(scene, rng)


def _segment(scene: Scene, rng: Rng) -> Fault | None:
    column = pick(rng, [*scene.numbers(distinct=5), *scene.codes()])
    if column is None:
        return None
    if column in scene.data.codes():
        level = pick(rng, scene.rows[column].drop_nulls().to_list())
        words = f"{column} = {level}"

        def inside(rows: pl.DataFrame) -> np.ndarray:
            return (rows[column] == level).fill_null(False).to_numpy()
    else:
        limit, above = scene.rows[column].quantile(float(rng.uniform(0.4, 0.8))), bool(rng.random() < 0.5)
        words = f"{column} {'>' if above else '<='} {limit:.4g}"

        def inside(rows: pl.DataFrame) -> np.ndarray:
            return ((rows[column] > limit) == above).fill_null(False).to_numpy()

    if scene.data.regression:
        factor = float(np.exp(rng.choice([-1, 1]) * rng.uniform(0.2, 0.9)))
        return _labels_scaled(scene, (column,), f"where {words}: outcome times {factor:.2f}", inside, factor)
    share = float(rng.uniform(0.3, 0.9))
    return _relabelled(scene, (column,), f"where {words}: {share:.0%} labelled otherwise", inside, share, None)


def _class_read_otherwise(scene: Scene, rng: Rng) -> Fault:
    classes = sorted(str(c) for c in scene.world.pipeline.classes_)
    one, other = (str(c) for c in rng.choice(classes, size=2, replace=False))
    share = float(rng.uniform(0.2, 0.7))

    def inside(rows: pl.DataFrame) -> np.ndarray:
        return rows[scene.data.label].cast(pl.String).to_numpy() == one

    return _relabelled(scene, (), f"{share:.0%} of {one} now labelled {other}", inside, share, other)


def _relabelled(
    scene: Scene, columns: tuple[str, ...], words: str, inside: Any, share: float, becomes: str | None
) -> Fault:
    label, classes = scene.data.label, sorted(str(c) for c in scene.world.pipeline.classes_)

    def apply(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        now = rows[label].cast(pl.String).to_numpy().astype(object)
        hit = inside(rows) & (chance.random(rows.height) < share)
        now[hit] = [becomes or classes[(classes.index(str(v)) + 1) % len(classes)] for v in now[hit]]
        return rows.with_columns(pl.Series(label, now.tolist(), dtype=pl.String).cast(rows.schema[label]))

    touched = tuple(classes) if becomes is not None else ()
    return Fault("concept_drift", columns, words, "labels", apply, classes=touched)


def _labels_scaled(scene: Scene, columns: tuple[str, ...], words: str, inside: Any, factor: float) -> Fault:
    label = scene.data.label

    def apply(rows: pl.DataFrame, _: Rng) -> pl.DataFrame:
        now = rows[label].to_numpy().astype(float)
        return rows.with_columns(pl.Series(label, np.where(inside(rows), now * factor, now)))

    return Fault("concept_drift", columns, words, "labels", apply)


def _relation_reversed(scene: Scene, rng: Rng) -> Fault | None:
    """The outcome follows what an oracle, fitted on all rows, says of the row with the feature mirrored at its middle.

    Labels change only as far as the oracle's answer does: coupled draws for classes, a difference for numbers.
    """
    column = pick(rng, scene.numbers(distinct=5))
    if column is None:
        return None
    oracle, label = _oracle(scene.data.name), scene.data.label
    order = np.sort(scene.rows[column].to_numpy().astype(float))

    def apply(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        values = rows[column].to_numpy().astype(float)
        place = np.searchsorted(order, values) / len(order)
        mirrored = order[np.clip(((1 - place) * len(order)).astype(int), 0, len(order) - 1)]
        twin = rows.with_columns(pl.Series(column, mirrored).cast(rows.schema[column]))
        frames = [to_pandas(r.select(scene.data.features())) for r in (rows, twin)]
        if scene.data.regression:
            before, after = (oracle.predict(f) for f in frames)
            return rows.with_columns((pl.col(label).cast(pl.Float64) + pl.Series(after - before)).alias(label))
        before, after = (oracle.predict_proba(f)[:, 1] for f in frames)
        negative, positive = (str(c) for c in oracle.classes_)
        yes, u = rows[label].cast(pl.String).to_numpy() == positive, chance.random(rows.height)
        falls = yes & (after < before) & (u < 1 - after / before)
        rises = ~yes & (after > before) & (u < (after - before) / np.maximum(1 - before, 1e-9))
        now = np.where((yes & ~falls) | rises, positive, negative)
        return rows.with_columns(pl.Series(label, now.tolist(), dtype=pl.String).cast(rows.schema[label]))

    return Fault("concept_drift", (column,), f"relation to {column} reversed", "labels", apply)


@cache
def _oracle(name: str) -> Pipeline:
    data = SETS[name]
    rows = data.rows()
    rows = rows[np.sort(np.random.default_rng(0).permutation(rows.height)[:40_000])]
    return unfitted(data, "boosting", 0).fit(to_pandas(rows.select(data.features())), labels_of(data, rows))
