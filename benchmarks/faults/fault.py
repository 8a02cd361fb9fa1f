"""What a fault of the bench is, and how it is done to some of the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from sklearn.pipeline import Pipeline

from backslide.causes.faults.damage import Damage
from faults.pipelines import World

Stage = Literal["values", "answers", "draw", "labels"]
Rng = np.random.Generator


@dataclass(frozen=True)
class Fault:
    """One fault, ready to be done."""

    kind: str
    columns: tuple[str, ...]
    """The subject: columns whose name must be given. Empty where the kind alone is the answer."""
    variant: str
    """What exactly, in words."""
    stage: Stage = "values"
    apply: Damage | None = None
    """``values`` and ``labels``: rows before serving in, rows as logged out. ``answers``: served rows in, answered otherwise."""
    choose: Callable[[pl.DataFrame, int, Rng], np.ndarray] | None = None
    """``draw``: positions of the pool that make the current window."""
    classes: tuple[str, ...] = ()
    """Classes that may be named instead of columns."""
    successor: Pipeline | None = None
    """The artefact that answers now, where the user has it."""
    some_suffice: bool = False
    """Whether naming some of the columns is right: a joined table of which not every column matters."""


@dataclass(frozen=True)
class Scene:
    """What a fault is drawn from: the world, and the sound rows that it will hit."""

    world: World
    rows: pl.DataFrame
    partial: bool
    """Whether only a part of the rows is hit."""
    marked: bool
    """Whether the rows hit can be told by the value of another column."""
    timed: bool

    @property
    def data(self) -> Any:
        """The data set."""
        return self.world.data

    def numbers(self, *, distinct: int = 2) -> list[str]:
        """Numeric features with so many distinct values in the rows."""
        return [c for c in self.data.numbers() if self.rows[c].n_unique() >= distinct]

    def codes(self, *, distinct: int = 2) -> list[str]:
        """Features of short text with so many distinct values in the rows."""
        return [c for c in self.data.codes() if self.rows[c].drop_nulls().n_unique() >= distinct]


Drawer = Callable[[Scene, Rng], Fault | None]


def pick(rng: Rng, options: list[Any]) -> Any:
    """One of the options, or None of none; never numpy's own types."""
    return options[int(rng.integers(len(options)))] if options else None


def changed(before: pl.DataFrame, after: pl.DataFrame, columns: tuple[str, ...]) -> float:
    """Share of rows in which any of the columns holds another value (a column that is gone counts whole)."""
    differs = np.zeros(before.height, bool)
    for column in columns:
        if column not in after.columns:
            return 1.0
        one, other = before[column], after[column]
        if not (one.dtype.is_numeric() and other.dtype.is_numeric()):
            one, other = one.cast(pl.String), other.cast(pl.String)
        differs |= one.ne_missing(other).to_numpy()
    return float(differs.mean())
