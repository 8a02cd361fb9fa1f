"""Columns of embeddings as the checks read them: bounded float32 matrices in an order that content decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case, Side
from backslide.contracts.errors import ConfigError, did_you_mean
from backslide.engine.columns.cache import once
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.vectors import LEAST, Matrix, hashes, lengths, matrix, usual_length
from backslide.models.embedders import embed_texts, embedder
from backslide.playbook.drift import change_of_column
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.text.embeddings import norms

MOST = 4_000
"""Vectors per window that are compared with each other."""
MOST_EMBEDDED = 2_000
"""Texts per window that a function of the user's own is asked for."""
CHARACTERS = 10_000
"""Of each of them."""
MOST_NUMBERS = 12_000_000
"""Numbers of one window that are held at once: vectors of many dimensions are fewer."""
LEAST_ROWS = 200
UNIFORM = 0.9
"""Share of the reference's vectors that must have one dimension: lists of any length are no embedding."""
CHUNK = 2_048


@dataclass(frozen=True)
class VectorFacts:
    """What each sampled row of one window holds (n,), whatever its dimension."""

    size: Ints
    """Numbers in it, -1 where there is no vector."""
    finite: Mask
    norm: Floats
    flat: Mask
    """Whether all its numbers are the same; zero vectors among them."""
    key: NDArray[np.uint64]
    """Equal for equal vectors."""
    low: Floats
    """Of the finite vectors of the reference's dimension: the smallest number in each dimension (d,)."""
    high: Floats

    @property
    def known(self) -> Mask:
        """Rows with a vector."""
        return self.size >= 0


@dataclass(frozen=True)
class Vectors:
    """Finite vectors of one dimension in both windows."""

    column: str
    """The column they stand in, or the text column that they were made of."""
    derived: bool
    rows: tuple[Ints, Ints]
    """Their positions in the samples."""
    x: tuple[Matrix, Matrix]
    days: tuple[Ints | None, Ints | None]

    @property
    def name(self) -> str:
        """How findings call them."""
        return f"{self.column} (embedded)" if self.derived else self.column

    def aligned(self, case: Case, values: Sequence[Floats]) -> tuple[Floats, Floats]:
        """A quantity of these vectors as one of the sampled rows, NaN for the others."""
        return change_of_column.scattered(case, self.rows, values)


def check_functions(case: Case) -> None:
    """That every column and function of ``[model] embed`` is there.

    Raises:
        ConfigError: one is not.
    """
    for column, spec in case.settings.model.embed.items():
        held = case.reference.window.kinds
        if column not in held:
            raise ConfigError(f"[model] embed: no column {column!r}{did_you_mean(column, held)}")
        if held[column] != ColumnKind.CATEGORICAL:
            raise ConfigError(f"[model] embed: expected texts in column {column!r}, found {held[column]} values")
        embedder(column, spec, case.settings.base, trusted=case.settings.artifacts.trusted)


def embedding_columns(case: Case) -> list[str]:
    """Features that hold vectors of one dimension."""
    return [c for c in case.features_of(ColumnKind.EMBEDDING) if dimension(case, c) >= LEAST]


@once
def dimension(case: Case, column: str) -> int:
    """Dimension of the reference's vectors; 0 where they have none in common."""
    size = lengths(case.reference.sample[column])
    found, known = usual_length(size), size[size >= 0]
    return found if found >= LEAST and (known == found).mean() >= UNIFORM else 0


@once
def facts(case: Case, side: Side, column: str) -> VectorFacts:
    """Facts about every sampled row, read in chunks."""
    values, d = side.sample[column], dimension(case, column)
    size = lengths(values)
    n = len(size)
    finite, flat = np.zeros(n, bool), np.zeros(n, bool)
    norm, key = np.full(n, np.nan), np.zeros(n, np.uint64)
    low, high = np.full(d, np.inf), np.full(d, -np.inf)
    for start in range(0, n, CHUNK):
        for own in np.unique(size[start : start + CHUNK]):
            if own < 1:
                continue
            at = start + np.flatnonzero(size[start : start + CHUNK] == own)
            x = matrix(values.gather(at), int(own))
            finite[at] = np.isfinite(x).all(axis=1)
            norm[at], key[at] = norms(x), hashes(x)
            flat[at] = (x == x[:, :1]).all(axis=1)
            if own == d and finite[at].any():
                low = np.minimum(low, x[finite[at]].min(axis=0))
                high = np.maximum(high, x[finite[at]].max(axis=0))
    return VectorFacts(size, finite, norm, flat, key, low, high)


def every_vector(case: Case) -> list[Vectors]:
    """The embeddings of all columns, and those that functions of the user's own make of texts."""
    found = [vectors(case, column) for column in embedding_columns(case)]
    found += [made_vectors(case, column) for column in case.settings.model.embed]
    return [v for v in found if v is not None]


@once
def vectors(case: Case, column: str) -> Vectors | None:
    """A bounded sample of both windows; None where a window holds too few vectors of the reference's dimension."""
    d = dimension(case, column)
    rows: list[Ints] = []
    most = max(min(MOST, MOST_NUMBERS // max(d, 1)), LEAST_ROWS)
    for side, days in zip(case.sides, change_of_column.both_days(case), strict=True):
        own = facts(case, side, column)
        at = np.flatnonzero((own.size == d) & own.finite)
        if d < LEAST or len(at) < LEAST_ROWS:
            return None
        order = np.lexsort((own.key[at],) if days is None else (own.key[at], days[at]))
        rows.append(_thinned(case, side, f"vectors of {column}", at[order], most))
    x = [matrix(side.sample[column].gather(at), d) for side, at in zip(case.sides, rows, strict=True)]
    return Vectors(column, False, (rows[0], rows[1]), (x[0], x[1]), _days(case, rows))


@once
def made_vectors(case: Case, column: str) -> Vectors | None:
    """What the function under ``[model] embed`` makes of a bounded sample of texts."""
    settings = case.settings
    function = embedder(column, settings.model.embed[column], settings.base, trusted=settings.artifacts.trusted)
    rows, x = [], []
    for side in case.sides:
        order = change_of_column.canonical(side, [column])
        written = side.sample[column].cast(pl.String, strict=False).str.slice(0, CHARACTERS)
        known = (written.is_not_null() & (written.str.strip_chars() != "")).to_numpy()
        at = _thinned(case, side, f"texts of {column}", order[known[order]], MOST_EMBEDDED)
        made = embed_texts(function, column, written.gather(at).to_list())
        finite = np.isfinite(made).all(axis=1)
        rows.append(at[finite])
        x.append(made[finite])
    if min(map(len, rows)) < LEAST_ROWS or x[0].shape[1] != x[1].shape[1]:
        return None
    return Vectors(column, True, (rows[0], rows[1]), (x[0], x[1]), _days(case, rows))


def _thinned(case: Case, side: Side, purpose: str, order: Ints, most: int) -> Ints:
    if len(order) <= most:
        return order
    rng = case.rng(f"{purpose} {side.window.name}")
    return np.asarray(order[np.sort(rng.choice(len(order), most, replace=False))])


def _days(case: Case, rows: list[Ints]) -> tuple[Ints | None, Ints | None]:
    days = [None if own is None else own[at] for own, at in zip(change_of_column.both_days(case), rows, strict=True)]
    return days[0], days[1]
