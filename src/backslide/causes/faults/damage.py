"""The fault library: damage done to a table by its plain description, apart from how signatures recognise or inject it.

Self-test, tests and benchmarks take their faults from here, so that no signature is tried on its own injection alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import polars as pl

from backslide.causes.columns import edit
from backslide.contracts.cause import CauseKind
from backslide.stats.arrays import Floats, Mask

Damage = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]
"""Rows in, the same rows damaged out."""
Shape = Literal["normal", "laplace", "uniform"]

NOT_REHEARSED = {
    CauseKind.TEXT_CHANGE: "running text is damaged in too many ways for one of them to say what the model can stand",
    CauseKind.SCHEMA_CHANGE: "a saved model that is asked here, and not in its service, fails on columns of another type",
    CauseKind.STALE_VALUES: "values of any other rows (broken_join) are the worst that a delay can do, and are done",
    CauseKind.UNRECOGNISED_FAULT: "it is what a fault of no known kind is called, so there is none to do",
}
"""Data faults that the self-test does not do, and why."""


def on_rows(frame: pl.DataFrame, rows: Mask, damage: Damage, rng: np.random.Generator) -> pl.DataFrame:
    """``damage`` done to some rows and the others left as they are; a column of two types becomes text, as in a log."""
    if rows.all():
        return damage(frame, rng)
    index = np.arange(frame.height)
    hit = damage(frame.filter(pl.Series(rows)), rng)
    rest = frame.filter(pl.Series(~rows))
    lost = [c for c in frame.columns if c not in hit.columns]
    hit = hit.with_columns(pl.lit(None).cast(frame.schema[c]).alias(c) for c in lost).select(frame.columns)
    both = pl.concat([rest, hit], how="vertical_relaxed")
    order = np.argsort(np.concatenate([index[~rows], index[rows]]), kind="stable")
    return both[order]


def map_values(column: str, values: pl.Expr) -> Damage:
    """Every value is another one: a unit, a sign, a limit, a rounding, other codes."""
    return lambda frame, _: frame.with_columns(values.alias(column))


def map_numbers(column: str, values: Callable[[Floats], Floats]) -> Damage:
    """The same of numbers, which keep their type where the new ones fit it."""
    return lambda frame, _: edit.write(frame, column, values(edit.numbers_of(frame, column)))


def replace_at_random(column: str, value: object, share: float) -> Damage:
    """One value in place of others on a share of the rows: a default, a new category, or none for None."""

    def damage(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        hit = pl.Series(rng.random(frame.height) < share)
        return frame.with_columns(pl.when(hit).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))

    return damage


def add_noise(column: str, size: float, shape: Shape = "normal", *, whole: bool = False) -> Damage:
    """Independent errors on every value, of about ``size`` (one standard deviation), as whole numbers if ``whole``."""

    def damage(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        if shape == "uniform":
            unit = rng.uniform(-1.7, 1.7, frame.height)
        else:
            unit = rng.normal(0, 1, frame.height) if shape == "normal" else rng.laplace(0, 0.7, frame.height)
        errors = pl.Series(np.round(unit * size) if whole else unit * size)
        values, dtype = pl.col(column) + errors, frame.schema[column]
        return frame.with_columns((values.cast(dtype) if whole or dtype.is_float() else values).alias(column))

    return damage


def misplace(columns: Sequence[str], step: int = 0) -> Damage:
    """Columns of one joined table beside the wrong rows: ``step`` rows off, or any others."""

    def damage(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        order = np.roll(np.arange(frame.height), step) if step else rng.permutation(frame.height)
        return frame.with_columns(frame[column][order] for column in columns)

    return damage


def send_again(rows: pl.Expr, times: int) -> Damage:
    """Rows that come ``times`` times, each beside its copies: a join that fans out, or requests sent again."""

    def damage(frame: pl.DataFrame, _: np.random.Generator) -> pl.DataFrame:
        hit = frame.select(rows.fill_null(False)).to_series().to_numpy()
        return frame[np.repeat(np.arange(frame.height), np.where(hit, times, 1))]

    return damage


def lose_rows(rows: pl.Expr) -> Damage:
    """Rows that no longer come."""
    return lambda frame, _: frame.filter(~rows.fill_null(False))


def exchange(one: str, other: str) -> Damage:
    """Two columns in each other's place; numbers of two types become Float64."""

    def damage(frame: pl.DataFrame, _: np.random.Generator) -> pl.DataFrame:
        a, b = frame[one], frame[other]
        if a.dtype != b.dtype:
            a, b = a.cast(pl.Float64), b.cast(pl.Float64)
        return frame.with_columns(b.alias(one), a.alias(other))

    return damage
