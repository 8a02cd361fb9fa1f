"""What an incident is, what a story is told from, and how stories are registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from sklearn.pipeline import Pipeline

from faults.fault import Scene, pick
from faults.pipelines import World
from wild.sets import WildSet

Rng = np.random.Generator
Change = Callable[[pl.DataFrame, Rng], pl.DataFrame]
Subject = Literal["columns", "some", "segment", "kind"]

QUANTITY = 8
"""Distinct values from which a number is a quantity and not a code."""
ALL = "all"
PARTIAL = ("40-marked", "40-unmarked", "10-marked", "10-unmarked", "since-middle")
ANY = (ALL, *PARTIAL)
MARKED = (ALL, "40-marked", "10-marked", "since-middle")


@dataclass(frozen=True)
class Incident:
    """One incident, ready to happen. Each change is given all rows of the window; only the rows hit are then replaced."""

    words: str
    """What exactly."""
    columns: tuple[str, ...] = ()
    """Columns to name; empty where the kind alone is the answer."""
    inputs: Change | None = None
    labels: Change | None = None
    answers: Change | None = None
    """Served rows in, answered otherwise."""
    rows: Callable[[pl.DataFrame, np.ndarray, Rng], np.ndarray] | None = None
    """Positions of the rows that the window holds afterwards, from the rows and the mask of those hit."""
    artefact: Pipeline | None = None
    """The model that answers now, where the user has it."""
    subject: Subject = "columns"
    """``columns``: exactly these; ``some``: none but these; ``segment``: named anywhere in the cause; ``kind``: none asked."""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """What a story is told from: the model, the sound rows of both windows as served, and the rows that will be hit."""

    world: World
    earlier: pl.DataFrame
    rows: pl.DataFrame
    hit: np.ndarray
    portion: str
    marker: str | None
    """Column that tells the rows hit."""

    @property
    def data(self) -> WildSet:
        """The data set."""
        assert isinstance(self.world.data, WildSet)
        return self.world.data

    def quantities(self, *, distinct: int = QUANTITY) -> list[str]:
        """Numbers that measure something: no functions of the time, no codes, and not what marks the rows."""
        return [c for c in self.numbers() if self.rows[c].n_unique() >= distinct]

    def numbers(self) -> list[str]:
        """Numbers that are not functions of the time."""
        calendar = self.data.calendar
        return [c for c in self.data.numbers() if c not in (*calendar, self.marker) and self.rows[c].n_unique() > 1]

    def codes(self, *, distinct: int = 2) -> list[str]:
        """Categories with so many levels in the rows, not the one that marks the rows hit."""
        calendar = self.data.calendar
        codes = [c for c in self.data.codes() if c not in (*calendar, self.marker)]
        return [c for c in codes if self.rows[c].drop_nulls().n_unique() >= distinct]

    def entities(self) -> list[str]:
        """Columns whose levels could be the key of a joined table."""
        names = [*self.codes(distinct=3), *(c for c in self.data.calendar if self.rows[c].n_unique() >= 5)]
        names += [c for c in self.numbers() if self.rows[c].dtype.is_integer() and self.rows[c].n_unique() >= 5]
        return names or ["region"]

    def scene(self) -> Scene:
        """The same for faults of the other bench."""
        return Scene(self.world, self.rows, self.portion != ALL, self.marker is not None, True)


Teller = Callable[[Setting, Rng], Incident | None]
Needs = Callable[[WildSet, str], bool]


@dataclass(frozen=True)
class Story:
    """A function that tells incidents of one sort, and what a diagnosis may call them."""

    name: str
    family: str
    kinds: tuple[str, ...]
    """Kinds that are right; written before any diagnosis was run."""
    tell: Teller
    portions: tuple[str, ...]
    needs: Needs
    labels: bool
    """Whether it can be seen by labels alone, so that cells without labels make no sense."""
    slow: bool
    """Whether telling it trains a model."""


STORIES: dict[str, Story] = {}


def story(
    *kinds: str, needs: Needs, portions: tuple[str, ...] = ANY, labels: bool = False, slow: bool = False
) -> Callable[[Teller], Teller]:
    """Register a function as a story under its own name; its family is the name of its module."""

    def register(tell: Teller) -> Teller:
        family = tell.__module__.rpartition(".")[2]
        STORIES[tell.__name__] = Story(tell.__name__, family, kinds, tell, portions, needs, labels, slow)
        return tell

    return register


def has_quantity(data: WildSet, _: str) -> bool:
    """A number that measures something."""
    rows = data.rows()
    return any(rows[c].n_unique() >= QUANTITY for c in data.numbers() if c not in data.calendar)


def has_code(data: WildSet, _: str) -> bool:
    """A category of three levels or more."""
    rows = data.rows()
    return any(rows[c].n_unique() > 2 for c in data.codes() if c not in data.calendar)


def has_text(data: WildSet, _: str) -> bool:
    """Running text."""
    return bool(data.texts)


def is_binary(data: WildSet, _: str) -> bool:
    """Two classes."""
    return data.task == "binary"


def is_classification(data: WildSet, _: str) -> bool:
    """Classes."""
    return not data.regression


def is_regression(data: WildSet, _: str) -> bool:
    """Numbers."""
    return data.regression


def anything(_: WildSet, __: str) -> bool:
    """Every set."""
    return True


def replaced(column: str, made: pl.Expr | pl.Series) -> Change:
    """The change that puts ``made`` in the place of a column."""
    return lambda rows, _: rows.with_columns(made.alias(column))


__all__ = [
    "ALL",
    "ANY",
    "MARKED",
    "PARTIAL",
    "STORIES",
    "Change",
    "Incident",
    "Rng",
    "Setting",
    "Story",
    "anything",
    "has_code",
    "has_quantity",
    "has_text",
    "is_binary",
    "is_classification",
    "is_regression",
    "pick",
    "replaced",
    "story",
]
