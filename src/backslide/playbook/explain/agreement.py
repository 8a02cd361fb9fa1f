"""How alike two methods rank the features of one window, with the noise of the rows that each of them saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.playbook.explain.charts import replicated_means
from backslide.stats.arrays import Floats
from backslide.stats.change.units import Days

MATTERS = 0.05
"""Share of a method's importance from which a feature matters by it, an equal share where features are more than twenty.

Ranks of features that do nothing are chance, and would make methods that agree on all that counts look apart."""
LEADING = 5
LEAST = 3
"""Features under which a rank correlation says nothing."""


@dataclass(frozen=True)
class MethodImportance:
    """One method on rows of one window: importance (n, p) of columns."""

    method: str
    columns: tuple[str, ...]
    values: Floats
    days: Days


@dataclass(frozen=True)
class MethodAgreement:
    """Spearman's rank correlation with a 95 % bootstrap interval, and leading features in common."""

    value: float
    low: float
    high: float
    common: int
    leading: int
    features: int


def agreement(case: Case, one: MethodImportance, other: MethodImportance, purpose: str) -> MethodAgreement | None:
    """Over the columns of both that matter by either; None where those are fewer than three."""
    columns = [c for c in one.columns if c in other.columns]
    parts = [w.values[:, [w.columns.index(c) for c in columns]] for w in (one, other)]
    means = [np.maximum(v.mean(axis=0), 0.0) for v in parts]
    shares = [m / m.sum() if m.sum() > 0 else m for m in means]
    matters = np.flatnonzero(np.maximum(*shares) >= min(MATTERS, 1 / max(len(columns), 1)))
    if len(matters) < LEAST or any(np.ptp(s[matters]) == 0 for s in shares):
        return None
    samples = [
        replicated_means(
            case, v[:, matters], w.days, f"{purpose} {w.method} against {other.method if w is one else one.method}"
        )
        for v, w in zip(parts, (one, other), strict=True)
    ]
    value = _spearman(shares[0][None, matters], shares[1][None, matters])[0]
    low, high = np.nanquantile(_spearman(samples[0], samples[1]), [0.025, 0.975])
    leading = min(LEADING, len(matters) - 1)
    tops = [set(matters[np.argsort(-s[matters], kind="stable")[:leading]].tolist()) for s in shares]
    return MethodAgreement(
        float(value), float(min(low, value)), float(max(high, value)), len(tops[0] & tops[1]), leading, len(matters)
    )


def _spearman(one: Floats, other: Floats) -> Floats:
    """Row by row (B, p) -> (B,); NaN where all are alike."""
    ranks = [stats.rankdata(v, axis=1) for v in (one, other)]
    ranks = [r - r.mean(axis=1, keepdims=True) for r in ranks]
    size = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    return np.asarray(np.where(size > 0, (ranks[0] * ranks[1]).sum(axis=1) / np.where(size > 0, size, 1.0), np.nan))
