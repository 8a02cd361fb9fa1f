"""From profiles and samples to evidence values that charts are drawn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from backslide.contracts.evidence import Bars, Histograms
from backslide.engine.profile import ColumnProfile
from backslide.stats.metrics import Floats

DRAWN_BINS = 40
DRAWN_LEVELS = 12


def shares(counts: ArrayLike) -> tuple[float, ...]:
    """Counts as shares of their sum; zeros when there is nothing."""
    values = np.asarray(counts, float)
    total = values.sum()
    return tuple(float(v) for v in (values / total if total else np.zeros_like(values)))


def histograms(
    reference: ColumnProfile, current: ColumnProfile, *, title: str, reading: str, x: str,
    marks: dict[str, float] | None = None,
) -> Histograms | None:  # fmt: skip
    """Both windows on at most 40 equal bins over the middle of the values, the tails gathered in the outer bins.

    The profile's narrow bins are spread over the drawn ones in proportion to their overlap.
    """
    low = min(reference.quantile(0.005), current.quantile(0.005))
    high = max(reference.quantile(0.995), current.quantile(0.995))
    if not (np.isfinite(low) and np.isfinite(high)):
        return None
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, DRAWN_BINS + 1)
    drawn = [_rebinned(side, edges) for side in (reference, current)]
    return Histograms(
        title=title, reading=reading, x=x, edges=tuple(float(e) for e in edges),
        reference=drawn[0], current=drawn[1], marks=marks or {},
    )  # fmt: skip


def _rebinned(column: ColumnProfile, edges: Floats) -> tuple[float, ...]:
    at = column.cdf_at(edges)
    at[0], at[-1] = 0.0, 1.0
    return tuple(float(v) for v in np.maximum(np.diff(at), 0.0))


def bars(
    reference: dict[str, float],
    current: dict[str, float],
    *,
    title: str,
    reading: str,
    x: str,
    other: str = "all other",
) -> Bars:
    """Shares of the same categories, the most moved and most frequent first, the rest folded into one bar."""
    total = max(sum(reference.values()), 1e-12), max(sum(current.values()), 1e-12)
    share = {k: (reference.get(k, 0.0) / total[0], current.get(k, 0.0) / total[1]) for k in {**reference, **current}}
    kept = sorted(share, key=lambda k: (-abs(share[k][1] - share[k][0]) - 0.2 * max(share[k]), k))[:DRAWN_LEVELS]
    kept.sort(key=lambda k: (-share[k][0], -share[k][1], k))
    values = [share[k] for k in kept]
    names = [k if len(k) <= 60 else k[:57] + "..." for k in kept]
    if len(share) > len(kept):
        names.append(other)
        values.append((max(1 - sum(v[0] for v in values), 0.0), max(1 - sum(v[1] for v in values), 0.0)))
    return Bars(
        title=title, reading=reading, x=x, categories=tuple(names),
        reference=tuple(v[0] for v in values), current=tuple(v[1] for v in values),
    )  # fmt: skip
