"""What a person would do today: blame the feature that drifted most, or the one with the most drift times importance."""

from __future__ import annotations

import numpy as np
import polars as pl

from faults import truth
from faults.stage import Staged

BINS = 10
FLOOR = 1e-4
"""Share that an empty bin is given, so that the logarithm exists."""
IMPORTANCE_ROWS = 1_500

_importances: dict[tuple[str, str, int], dict[str, float]] = {}


def blamed(staged: Staged) -> dict[str, str]:
    """Rule -> column."""
    drift = {c: psi(staged.pair.reference, staged.current, c) for c in staged.world.data.features()}
    weight = importance(staged)
    weighed = {c: drift[c] * max(weight[c], 0.0) for c in drift}
    return {"psi": max(drift, key=drift.__getitem__), "psi_importance": max(weighed, key=weighed.__getitem__)}


def psi(reference: pl.DataFrame, current: pl.DataFrame, column: str) -> float:
    """Population stability index over deciles of the reference, categories, or lengths of running text; missing is a bin."""
    before = reference[column]
    after = current[column] if column in current.columns else pl.Series([None] * current.height, dtype=before.dtype)
    if before.dtype == pl.String and before.n_unique() > 0.5 * before.len():
        before, after = before.str.len_chars(), after.cast(pl.String).str.len_chars()
    if before.dtype.is_numeric():
        before, after = (s.cast(pl.Float64, strict=False) for s in (before, after))
        edges = np.unique(np.quantile(before.drop_nulls().to_numpy(), np.linspace(0, 1, BINS + 1)[1:-1]))
        return _psi(*(_bins(s, edges) for s in (before, after)))
    before, after = (s.cast(pl.String).fill_null("\0missing").to_numpy() for s in (before, after))
    levels = np.unique(np.concatenate([before, after]))
    return _psi(*(np.bincount(np.searchsorted(levels, v), minlength=len(levels)) for v in (before, after)))


def _bins(values: pl.Series, edges: np.ndarray) -> np.ndarray:
    there = values.drop_nulls().drop_nans().to_numpy()
    counts = np.bincount(np.searchsorted(edges, there, side="right"), minlength=len(edges) + 1)
    return np.append(counts, len(values) - len(there))


def _psi(before: np.ndarray, after: np.ndarray) -> float:
    p, q = (np.maximum(v / max(v.sum(), 1), FLOOR) for v in (before, after))
    return float(((q - p) * np.log(q / p)).sum())


def importance(staged: Staged) -> dict[str, float]:
    """Harm of shuffling each column of the reference; once for each model."""
    case, world, data = staged.case, staged.world, staged.world.data
    key = (case.data, case.model, case.seed)
    if key not in _importances:
        rng = np.random.default_rng(0)
        rows = world.rest[rng.permutation(world.rest.height)[:IMPORTANCE_ROWS]]
        base = truth.score(data, staged.metric, world.serve(rows))
        _importances[key] = {
            c: staged.harm(
                truth.score(data, staged.metric, world.serve(rows.with_columns(rows[c][rng.permutation(rows.height)])))
                - base
            )
            for c in data.features()
        }
    return _importances[key]
