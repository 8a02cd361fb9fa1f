"""The same rows mean another outcome, or are labelled differently."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from wild.incident import ALL, Change, Incident, Rng, Setting, has_code, is_classification, pick, story
from wild.sets import WildSet

Inside = Callable[[pl.DataFrame], np.ndarray]


def _classes(setting: Setting) -> list[str]:
    return sorted(str(c) for c in setting.world.pipeline.classes_)


def _relabelled(setting: Setting, share: Callable[[pl.DataFrame], np.ndarray], becomes: str | None) -> Change:
    """Each row is labelled otherwise with its own probability: as ``becomes``, or as the class that follows its own."""
    label, classes = setting.data.label, _classes(setting)

    def labels(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        now = rows[label].cast(pl.String).to_numpy().astype(object)
        hit = chance.random(rows.height) < share(rows)
        now[hit] = [becomes or classes[(classes.index(str(v)) + 1) % len(classes)] for v in now[hit]]
        return rows.with_columns(pl.Series(label, now.tolist(), dtype=pl.String).cast(rows.schema[label]))

    return labels


def _scaled(setting: Setting, factor: Callable[[pl.DataFrame], np.ndarray]) -> Change:
    label = setting.data.label
    return lambda rows, _: rows.with_columns(pl.col(label).cast(pl.Float64) * pl.Series(factor(rows)))


def _level(setting: Setting, rng: Rng, column: str) -> str | None:
    counts = setting.rows[column].drop_nulls().value_counts(sort=True)
    common = counts.filter(pl.col("count") >= 0.05 * setting.rows.height)[column].to_list()
    return pick(rng, common)


def _anything(data: WildSet, model: str) -> bool:
    return has_code(data, model) or bool(data.numbers())


@story("concept_drift", needs=is_classification, portions=(ALL, "since-middle"), labels=True)
def annotators_of_one_class(setting: Setting, rng: Rng) -> Incident | None:
    """A new guideline: much of one class is now put under another."""
    one, other = (str(c) for c in rng.choice(_classes(setting), size=2, replace=False))
    share = float(rng.uniform(0.3, 0.8))

    def inside(rows: pl.DataFrame) -> np.ndarray:
        return share * (rows[setting.data.label].cast(pl.String).to_numpy() == one)

    return Incident(
        f"{share:.0%} of {one} labelled {other}",
        labels=_relabelled(setting, inside, other),
        subject="kind",
        classes=(one, other),
    )


@story("concept_drift", needs=is_classification, portions=(ALL, "since-middle"), labels=True)
def annotators_of_one_region(setting: Setting, rng: Rng) -> Incident | None:
    """One office labels by rules of its own."""
    region, share = str(pick(rng, ["north", "south", "west"])), float(rng.uniform(0.25, 0.6))

    def inside(rows: pl.DataFrame) -> np.ndarray:
        return share * (rows["region"] == region).to_numpy()

    return Incident(
        f"{share:.0%} of region {region} labelled otherwise",
        ("region",),
        labels=_relabelled(setting, inside, None),
        subject="segment",
    )


@story("concept_drift", needs=has_code, portions=(ALL, "since-middle"), labels=True)
def relation_turned_in_one_category(setting: Setting, rng: Rng) -> Incident | None:
    """What was true of one category no longer is."""
    column = pick(rng, setting.codes())
    level = None if column is None else _level(setting, rng, column)
    if level is None:
        return None
    return _turned(setting, rng, column, f"{column} = {level}", lambda rows: rows[column].eq_missing(level).to_numpy())


@story("concept_drift", needs=_anything, portions=(ALL, "since-middle"), labels=True)
def relation_turned_above_a_limit(setting: Setting, rng: Rng) -> Incident | None:
    """A new rule applies from some value of a column on."""
    column = pick(rng, setting.quantities())
    if column is None:
        return None
    limit, above = setting.rows[column].quantile(float(rng.uniform(0.4, 0.75))), bool(rng.random() < 0.7)
    words = f"{column} {'>' if above else '<='} {limit:.4g}"
    return _turned(
        setting, rng, column, words, lambda rows: ((rows[column] > limit) == above).fill_null(False).to_numpy()
    )


@story("concept_drift", needs=_anything, portions=(ALL,), labels=True)
def relation_turned_gradually(setting: Setting, rng: Rng) -> Incident | None:
    """Habits change from week to week, until at the end of the window most outcomes differ."""
    most = float(rng.uniform(0.3, 0.7))

    def inside(rows: pl.DataFrame) -> np.ndarray:
        return np.linspace(0, most, rows.height)

    made = (
        _scaled(setting, lambda rows: 1 + inside(rows))
        if setting.data.regression
        else _relabelled(setting, inside, None)
    )
    return Incident(f"growing to {most:.0%}", labels=made, subject="kind")


def _turned(setting: Setting, rng: Rng, column: str, words: str, inside: Inside) -> Incident:
    share = float(rng.uniform(0.4, 0.9))
    factor = float(np.exp(rng.choice([-1, 1]) * rng.uniform(0.25, 0.8)))
    if setting.data.regression:
        made = _scaled(setting, lambda rows: np.where(inside(rows), factor, 1.0))
        return Incident(f"where {words}: outcome times {factor:.2f}", (column,), labels=made, subject="segment")
    made = _relabelled(setting, lambda rows: share * inside(rows), None)
    return Incident(f"where {words}: {share:.0%} turned", (column,), labels=made, subject="segment")
