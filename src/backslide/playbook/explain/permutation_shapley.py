"""Shapley values of any model by walking from a usual row to the explained one, column by column, in random order.

Each walk is taken forwards and backwards (antithetic, as the permutation explainer of shap does), and all rows walk at once, so
that the model is called a few times on many rows instead of once per row.

References: Strumbelj and Kononenko (2014); Lundberg and Lee (2017); Mitchell, Cooper, Frank and Holmes (2022).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from backslide.stats.arrays import Floats

Ask = Callable[[pl.DataFrame], Floats]


def sampled_values(
    ask: Ask, frame: pl.DataFrame, background: pl.DataFrame, columns: list[str], walks: int, rng: np.random.Generator
) -> Floats:
    """Shapley values (n, p, K) of ``columns`` against single background rows; NaN rows where the model failed.

    Args:
        ask: rows -> outputs (m, K).
        frame: n rows to explain. Other columns of it than ``columns`` stay as they are.
        background: what is usual.
        columns: p of them.
        walks: pairs of walks per row; 2 p + 1 answers each.
        rng: seeded.
    """
    n, p = frame.height, len(columns)
    table = pl.concat([frame, background.select(frame.columns)])
    total: Floats | None = None
    for _ in range(walks):
        rank = np.argsort(rng.random((n, p)), axis=1)
        usual = n + rng.integers(0, background.height, n)
        for place in (rank, p - 1 - rank):
            step = _walk(ask, table, n, columns, place, usual)
            total = step if total is None else total + step
    assert total is not None
    return total / (2 * walks)


def _walk(ask: Ask, table: pl.DataFrame, n: int, columns: list[str], place: np.ndarray, usual: np.ndarray) -> Floats:
    """One walk of every row: ``place`` (n, p) says as which step a column takes the row's own value."""
    p, own = len(columns), np.arange(n)
    rows = table[np.tile(own, p + 1)]
    at = np.repeat(np.arange(p + 1), n)
    changed = [
        table[c].gather(np.where(np.tile(place[:, j], p + 1) < at, np.tile(own, p + 1), np.tile(usual, p + 1)))
        for j, c in enumerate(columns)
    ]
    answers = ask(rows.with_columns(changed)).reshape(p + 1, n, -1)
    gain = np.diff(answers, axis=0)
    return np.asarray(gain[place.T, own[None, :]].transpose(1, 0, 2))
