"""The training rows as a profile: ranges, quantiles, categories and missing shares of every column, a few kB in all."""

from __future__ import annotations

import base64
import math

import numpy as np
import polars as pl

from backslide.contracts.errors import InputError
from backslide.contracts.snapshot import Snapshot
from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.engine.columns.sample import sample
from backslide.engine.profile.plan import Plan, column_edges
from backslide.engine.profile.profile import Profile
from backslide.engine.profile.run import profile

BINS = 32
LEVELS = 200
EDGE_ROWS = 5000
"""Rows that the edges of the histograms come from."""


def training_profile(frame: pl.LazyFrame, columns: list[str], seed: int = 0) -> Profile:
    """One pass over the training rows; nested and unknown columns are left out."""
    schema = dict(frame.select(columns).collect_schema())
    kinds = {name: kind_of(dtype) for name, dtype in schema.items()}
    numeric = [name for name, kind in kinds.items() if kind == ColumnKind.NUMERIC]
    levels = [name for name, kind in kinds.items() if kind in (ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)]
    chosen = frame.select([*numeric, *levels])
    edges = sample(chosen, EDGE_ROWS, seed=seed)
    plan = Plan(
        numeric={name: _inner(edges.get_column(name)) for name in numeric}, categorical=tuple(levels), max_levels=LEVELS
    )
    return profile(chosen, plan)


def _inner(values: pl.Series) -> tuple[float, ...]:
    """Edges within the range; those for other units and signs would triple the size, and the range itself is exact."""
    edges = column_edges(values, BINS)
    known = values.cast(pl.Float64).drop_nulls().to_numpy()
    known = known[np.isfinite(known)]
    if not len(known):
        return (0.0,)
    low, high = known.min(), known.max()
    inside = [edge for edge in edges if low <= edge <= high]
    thin = inside if len(inside) <= 4 * BINS else inside[:: math.ceil(len(inside) / (4 * BINS))]
    return tuple(thin) or (low,)


def pack(profile: Profile) -> str:
    """As a snapshot holds it."""
    return base64.b64encode(profile.to_bytes()).decode("ascii")


def profile_of(snapshot: Snapshot) -> Profile | None:
    """The training profile of a snapshot; None where none was taken.

    Raises:
        InputError: it is damaged.
    """
    if snapshot.profile is None:
        return None
    try:
        return Profile.from_bytes(base64.b64decode(snapshot.profile, validate=True))
    except ValueError:
        raise InputError(f"the training profile of snapshot {snapshot.name!r} is damaged; take it again") from None
