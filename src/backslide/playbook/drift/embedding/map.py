"""Pictures of embeddings: the map of both windows, and the rows that stand for a place on it."""

from __future__ import annotations

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Density, DensityCell
from backslide.engine.columns.kinds import ColumnKind
from backslide.playbook.context import context_columns
from backslide.playbook.drift.embedding.embedding_columns import Vectors
from backslide.playbook.drift.text import text_columns
from backslide.stats.arrays import Ints
from backslide.stats.text.embeddings import axes_of

GRID = 18
"""Cells along each axis of the map."""
QUOTED_COLUMNS = 4
"""Other columns that stand for a row without text or id."""


def density_map(held: Vectors) -> tuple[Density, ...]:
    """Both windows on the two widest axes of the reference, counted by cell; nothing where all vectors are alike."""
    axes = axes_of(held.x[0], 2)
    if len(axes.directions) < 2 or axes.spread[0] <= 0:
        return ()
    points = [axes.coordinates(x) for x in held.x]
    every = np.vstack(points)
    low, high = np.quantile(every, 0.005, axis=0), np.quantile(every, 0.995, axis=0)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return ()
    step = np.where(high > low, high - low, 1.0) / GRID
    share = []
    for own in points:
        cell = np.clip(((own - low) / step).astype(np.int64), 0, GRID - 1)
        share.append(np.bincount(cell[:, 0] * GRID + cell[:, 1], minlength=GRID**2) / len(own))
    cells = tuple(
        DensityCell(
            x=float(low[0] + (k // GRID + 0.5) * step[0]),
            y=float(low[1] + (k % GRID + 0.5) * step[1]),
            reference=float(share[0][k]),
            current=float(share[1][k]),
        )
        for k in np.flatnonzero(share[0] + share[1])
    )
    apart = float(np.abs(share[0] - share[1]).sum() / 2)
    return (
        Density(
            title=f"Map of {held.name}",
            reading=f"On the two widest axes of the reference, {say.percent(apart)} of the rows lie in other cells than before.",
            x=f"first axis ({say.percent(float(axes.spread[0]))} of the reference's spread)",
            y=f"second axis ({say.percent(float(axes.spread[1]))})",
            step=(float(step[0]), float(step[1])),
            cells=cells,
        ),
    )


def described(case: Case, held: Vectors, side: int, at: Ints) -> list[str]:
    """Rows as a reader knows them: their text, else their id, else some of their other columns."""
    sample = case.sides[side].sample
    chosen = sample[held.rows[side][at]]
    text = text_beside(case, held)
    if text is not None:
        return [text_columns.quoted(str(value)) for value in chosen[text].to_list()]
    key = case.problem.roles.id
    if key is not None and key in chosen.columns:
        return [f"{key} {text_columns.quoted(str(value), 60)}" for value in chosen[key].to_list()]
    columns = [c for c in case.pairs if not case.pairs[c].identifier][:QUOTED_COLUMNS]
    rows = chosen.select(pl.col(c).cast(pl.String, strict=False) for c in columns).rows() if columns else []
    lines = [
        ", ".join(f"{c} = {text_columns.quoted(str(v), 30)}" for c, v in zip(columns, row, strict=True)) for row in rows
    ]
    return lines or [f"row {int(row) + 1} of the sample" for row in held.rows[side][at]]


def text_beside(case: Case, held: Vectors) -> str | None:
    """The column of running text that stands beside the vectors, a feature or not."""
    if held.derived:
        return held.column
    text = next(iter(text_columns.text_columns(case)), None)
    return text or next((c for c in context_columns(case) if _sentences(case, c)), None)


def _sentences(case: Case, column: str) -> bool:
    """Whether a column that is no feature holds running text."""
    if case.reference.window.kinds.get(column) != ColumnKind.CATEGORICAL:
        return False
    words = case.reference.sample[column].drop_nulls().head(200).cast(pl.String).str.count_matches(r"\S+")
    # The scalar is a number, though Polars allows for texts and dates:
    return len(words) > 0 and float(words.median() or 0) >= 3  # type: ignore[arg-type]
