"""From profiles and samples to evidence values that charts are drawn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from backslide.contracts.evidence import Bars, Histograms, Series, SeriesPoint
from backslide.engine.profile.profile import ColumnProfile
from backslide.stats.arrays import Floats, Mask

DRAWN_BINS = 40
DRAWN_LEVELS = 12
DRAWABLE = 1e150
"""Larger numbers have no square."""
DRAWN_DAYS = 90
"""Points of a series; more days are drawn as means of several."""


def shares(counts: ArrayLike) -> tuple[float, ...]:
    """Counts as shares of their sum; zeros when there is nothing."""
    values = np.asarray(counts, float)
    total = values.sum()
    return tuple(float(v) for v in (values / total if total else np.zeros_like(values)))


def histograms(
    reference: ColumnProfile,
    current: ColumnProfile,
    *,
    title: str,
    reading: str,
    x: str,
    marks: dict[str, float] | None = None,
) -> Histograms | None:
    """Both windows on at most 40 equal bins over the middle of the values, the tails gathered in the outer bins.

    The profile's narrow bins are spread over the drawn ones in proportion to their overlap.
    """
    edges = _drawn_edges(*((side.quantile(0.005), side.quantile(0.995)) for side in (reference, current)))
    if not np.abs(edges[[0, -1]]).max() < DRAWABLE:
        return None
    sides = [_rebinned(side, edges) for side in (reference, current)]
    return Histograms(
        title=title,
        reading=reading,
        x=x,
        edges=tuple(edges.tolist()),
        reference=sides[0],
        current=sides[1],
        marks=marks or {},
    )


def _drawn_edges(*middles: tuple[float, float]) -> Floats:
    """Equal bins over the middles of both windows."""
    low, high = min(m[0] for m in middles), max(m[1] for m in middles)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, DRAWN_BINS + 1)


def _rebinned(column: ColumnProfile, edges: Floats) -> tuple[float, ...]:
    at = column.cdf_at(edges)
    at[0], at[-1] = 0.0, 1.0
    return tuple(float(v) for v in np.maximum(np.diff(at), 0.0))


def numeric_histograms(values: tuple[Floats, Floats], *, title: str, reading: str, x: str) -> tuple[Histograms, ...]:
    """Both windows' values (NaN = not counted) on equal bins over the middle, the tails gathered in the outer bins."""
    known = [v[np.isfinite(v)] for v in values]
    if not all(map(len, known)):
        return ()
    edges = _drawn_edges(*((float(np.quantile(v, 0.005)), float(np.quantile(v, 0.995))) for v in known))
    ref, cur = (shares(np.histogram(np.clip(v, edges[0], edges[-1]), edges)[0]) for v in known)
    return (Histograms(title=title, reading=reading, x=x, edges=tuple(edges.tolist()), reference=ref, current=cur),)


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
    levels = sorted(share, key=lambda k: (-abs(share[k][1] - share[k][0]) - 0.2 * max(share[k]), k))[:DRAWN_LEVELS]
    levels.sort(key=lambda k: (-share[k][0], -share[k][1], k))
    values = [share[k] for k in levels]
    names = [k if len(k) <= 60 else k[:57] + "..." for k in levels]
    if len(share) > len(levels):
        names.append(other)
        values.append((max(1 - sum(v[0] for v in values), 0.0), max(1 - sum(v[1] for v in values), 0.0)))
    return Bars(
        title=title,
        reading=reading,
        x=x,
        categories=tuple(names),
        reference=tuple(v[0] for v in values),
        current=tuple(v[1] for v in values),
    )


def by_day(
    days: list[str],
    values: Floats,
    rows: Floats,
    current: Mask,
    *,
    title: str,
    y: str,
    share: bool = False,
    since: str | None = None,
) -> tuple[Series, ...]:
    """A quantity by day (all arrays (D,), in order of time) with the band of nineteen of twenty reference days."""
    span = -(-len(days) // DRAWN_DAYS)
    points = []
    for window in (False, True):
        at = np.flatnonzero(current == window)
        for group in (at[i : i + span] for i in range(0, len(at), span)):
            total = float(rows[group].sum())
            points.append(
                SeriesPoint(
                    at=days[group[0]],
                    value=float(rows[group] @ values[group]) / total,
                    rows=int(total),
                    window="current" if window else "reference",
                )
            )
    before = np.array([p.value for p in points if p.window == "reference"])
    now = np.array([p.value for p in points if p.window == "current"])
    if not (np.abs(np.concatenate([before, now])) < DRAWABLE).all():
        return ()
    band = None
    outside = ""
    if len(before) >= 5:
        middle, half = float(before.mean()), 2.1 * float(before.std(ddof=1))
        band = (middle - half, middle + half)
        beyond = int(((now < band[0]) | (now > band[1])).sum())
        outside = f"; {beyond} of {len(now)} current points lie outside the band of the reference"
    began = f"; it changed on {since}" if since else ""
    return (
        Series(
            title=title,
            reading=f"{title} by day{began}{outside}.",
            y=y,
            points=tuple(points),
            band=band,
            share=share,
            events={"change": since} if since else {},
        ),
    )
