"""Did one column move? Distances over all rows, judged against row noise and day noise together.

Numbers: three questions with one answer (weighted Bonferroni over those whose floor is passed). Location: the mean normal
score (van der Waerden 1952), in standard deviations of a normal and deaf to heavy tails. Shape: Kolmogorov-Smirnov. Tails:
rows beyond the reference's 1 % and 99 % quantiles. Categories: chi-squared with a design effect (Rao and Scott 1981), and
the largest change of a single share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.day_noise import DayCounts, Noise, day_noise

LOCATION, SHAPE, TAILS = 0.7, 0.2, 0.1
"""Share of the error rate that each question gets."""
POINTS = 15
POWER_Z = 0.8416
TAIL = 0.01


@dataclass(frozen=True)
class NumericMove:
    """How one numeric column moved. Distances over all rows; ``adjusted`` ones without the effect of other weekdays."""

    ks: float
    ks_adjusted: float
    shift: float
    """Of the mean normal score: standard deviations, were the column normal."""
    shift_adjusted: float
    shift_se: float
    shift_df: float
    tails: float
    """Change of the share of rows beyond the reference's 1 % and 99 % quantiles."""
    tails_adjusted: float
    p_location: float
    p_shape: float
    p_tails: float
    location: Noise
    """Of the mean normal score: what days do to a mean, in standard deviations."""

    def judge(self, ks: float, shift: float, tails: float) -> tuple[float, tuple[str, ...]]:
        """p-value over the questions whose floor is passed, or over all where none is; and which passed."""
        asked = {
            "location": (abs(self.shift_adjusted) >= shift, self.p_location / LOCATION),
            "shape": (self.ks_adjusted >= ks, self.p_shape / SHAPE),
            "tails": (abs(self.tails_adjusted) >= tails, self.p_tails / TAILS),
        }
        passed = tuple(name for name, (over, _) in asked.items() if over)
        p = min(value for name, (_, value) in asked.items() if name in passed or not passed)
        return min(p, 1.0), passed

    def detectable(self, alpha: float, floor: float) -> float:
        """Smallest shift (standard deviations) that would be flagged at level ``alpha`` with 80 % power."""
        critical = float(stats.t.isf(alpha * LOCATION / 2, max(self.shift_df, 1.0)))
        return max(critical * self.shift_se, floor) + POWER_Z * self.shift_se


def numeric_move(reference: Ints, current: Ints, by_day: tuple[DayCounts, DayCounts]) -> NumericMove | None:
    """The move between two count vectors on the same ascending bins; None where a window is empty or the reference constant.

    ``by_day`` are sampled rows of both windows by day on the same bins; they tell the noise, not the distance.
    """
    ref, cur = reference.astype(float), current.astype(float)
    n = float(ref.sum()), float(cur.sum())
    if min(n) == 0:
        return None
    score = normal_scores(ref)
    if score is None:
        return None
    at, levels = _points(ref)
    below = (np.arange(len(ref))[:, None] <= at[None, :]).astype(float)
    outside = _outside(np.cumsum(ref) / n[0])
    out = np.array([float(ref @ outside) / n[0], float(cur @ outside) / n[1]])
    density = _density(levels)
    tail_scale = 2 * float(_density(np.clip(out.mean() / 2, 1e-6, 0.5)))
    noise = day_noise(
        *by_day, np.column_stack([score, outside, below]), n, np.concatenate([[1.0, tail_scale], density])
    )
    one, two = part(noise, [0]), part(noise, [1])
    shift = float(cur @ score) / n[1]
    moved = shift - float(one.composition[0])
    se = _stretched(moved, moved, one)
    ks, adjusted, p_shape = _shape(ref / n[0], cur / n[1], n, levels, part(noise, list(range(2, 2 + len(at)))))
    beyond = float(out[1] - out[0])
    beyond_adjusted = beyond - float(two.composition[0])
    return NumericMove(
        ks,
        adjusted,
        shift,
        moved,
        se,
        float(one.freedom[0]),
        beyond,
        beyond_adjusted,
        t_p(moved / se if se > 0 else 0.0, float(one.freedom[0])),
        p_shape,
        share_p(float(out[0]), n[0], beyond_adjusted, n[1], two),
        one,
    )


def normal_scores(counts: Floats) -> Floats | None:
    """Standardised normal score of each bin by its mid-rank in ``counts``; None where one bin holds everything."""
    n = counts.sum()
    middle = (np.cumsum(counts) - counts / 2) / n
    score = special.ndtri(np.clip(middle, 0.5 / n, 1 - 0.5 / n))
    mean = float(counts @ score) / n
    spread = float(np.sqrt(max(float(counts @ score**2) / n - mean**2, 0.0)))
    return (score - mean) / spread if spread > 1e-9 else None


def _outside(below: Floats) -> Floats:
    """1 for the bins beyond the reference's 1 % and 99 % quantiles, as near as bins come; none where atoms sit there."""
    place = np.arange(len(below))
    low = int(np.argmin(np.abs(below - TAIL)))
    high = int(np.argmin(np.abs(below - (1 - TAIL))))
    under = place <= low if below[low] <= 2 * TAIL else place < 0
    over = place > high if below[high] >= 1 - 2 * TAIL else place < 0
    return np.asarray(under | over, float)


def _points(counts: Floats) -> tuple[Ints, Floats]:
    """Bins that end nearest to evenly spaced quantiles, and the shares below their ends (open unit interval)."""
    share = np.cumsum(counts) / counts.sum()
    at = np.unique(np.searchsorted(share, np.arange(1, POINTS + 1) / (POINTS + 1), side="left"))
    inside = at[(share[at] > 0) & (share[at] < 1)]
    if not len(inside):  # one atom holds nearly everything
        inside = np.flatnonzero((share > 0) & (share < 1))[:1]
    return inside, share[inside]


def _shape(
    ref: Floats, cur: Floats, n: tuple[float, float], levels: Floats, noise: Noise
) -> tuple[float, float, float]:
    """KS distance, the same without the weekday composition, and its p-value with effective rows."""
    below = np.cumsum(ref)[:-1]
    curve = np.cumsum(cur)[:-1] - below
    distance = float(np.abs(curve).max(initial=0.0))
    if not len(levels):
        return distance, distance, 1.0
    bend = np.interp(below, np.concatenate([[0.0], levels, [1.0]]), np.concatenate([[0.0], noise.composition, [0.0]]))
    adjusted = float(np.abs(curve - bend).max(initial=0.0))
    unit = float((levels * (1 - levels)).sum())
    rows = 1 / n[0] + 1 / n[1]
    days = float(noise.day.sum()) / unit
    p = float(special.kolmogorov(adjusted / np.sqrt(rows + days * _latent_ratio(adjusted) ** 2)))
    share = days / (rows + days)
    df = float(np.median(noise.df)) / share**2 if share > 0 else np.inf
    return distance, adjusted, t_p(float(-special.ndtri(max(p, 1e-300) / 2)), df)


def _latent_ratio(distance: float) -> float:
    """Distance over the same on the latent scale: day effects move quantiles, and no shift of them makes a distance of 1."""
    d = min(distance, 1 - 1e-9)
    return d / (2 * float(_density(0.5)) * float(special.ndtri((1 + d) / 2))) if d > 1e-9 else 1.0


def _density(share: Floats | float) -> Floats:
    """Of a standard normal at the quantile of a share."""
    return np.asarray(np.exp(-(special.ndtri(share) ** 2) / 2) / np.sqrt(2 * np.pi))


def _stretched(change: float, latent: float, noise: Noise) -> float:
    """Standard error of ``change`` whose day part is known on the latent scale."""
    ratio = abs(change / latent) if latent else 1.0
    return float(np.sqrt(noise.row[0] + noise.day[0] * min(ratio, 1.0) ** 2))


def t_p(z: float, df: float) -> float:
    """Two-sided p-value of a change in standard errors that have ``df`` degrees of freedom."""
    return float(_t_p(np.array([z]), np.array([df]))[0])


def _t_p(z: Floats, df: Floats) -> Floats:
    known = np.isfinite(df)
    below = special.stdtr(np.where(known, np.maximum(df, 1.0), 1.0), -np.abs(z))
    return np.asarray(2 * np.where(known, below, special.ndtr(-np.abs(z))))


def part(noise: Noise, columns: list[int]) -> Noise:
    """Some of the statistics."""
    window = noise.window[0][columns], noise.window[1][columns]
    return Noise(noise.row[columns], noise.day[columns], noise.df[columns], noise.composition[columns], window)


def share_p(before: float, n_before: float, change: float, n_after: float, noise: Noise) -> float:
    """p-value of a change of one share, with the row variance of the pooled share (score test) and day noise."""
    return float(_shares_p(np.array([before]), np.array([change]), (n_before, n_after), noise)[0])


def _shares_p(before: Floats, change: Floats, n: tuple[float, float], noise: Noise) -> Floats:
    """p-values (K,) of changes of shares; the day part is taken on the latent scale, where no shift of days fills a share."""
    after = np.clip(before + change, 0.0, 1.0)
    pooled = (before * n[0] + after * n[1]) / sum(n)
    row = pooled * (1 - pooled) * (1 / n[0] + 1 / n[1])
    ends = [special.ndtri(np.clip(p, 0.5 / rows, 1 - 0.5 / rows)) for p, rows in ((before, n[0]), (after, n[1]))]
    latent = share_scale(before, after, sum(n)) * (ends[1] - ends[0])
    ratio = np.minimum(np.abs(np.where(latent != 0, change / np.where(latent != 0, latent, 1.0), 1.0)), 1.0)
    day = noise.day * ratio**2
    total = row + day
    z = np.where(total > 0, change / np.sqrt(np.where(total > 0, total, 1.0)), 0.0)
    dated = day > 0
    df = np.where(dated, np.where(dated, noise.df, 1.0) * (total / np.where(dated, day, 1.0)) ** 2, np.inf)
    return _t_p(z, df)


def share_scale(before: Floats, after: Floats, n: float) -> Floats:
    """What one latent standard deviation is for shares: the normal density at the mean share's quantile."""
    return _density(np.clip((before + after) / 2, 0.5 / n, 1 - 0.5 / n))


@dataclass(frozen=True)
class ShareMove:
    """How the shares of K categories moved."""

    before: Floats
    after: Floats
    adjusted: Floats
    """Changes without the effect of other weekdays (K,)."""
    se: Floats
    """Of each change, rows and days (K,)."""
    cramers_v: float
    chi_squared: float
    """Over all rows, before any design effect."""
    total_variation: float
    total_variation_adjusted: float
    p_value: float
    effective: tuple[float, float]
    """Rows that each window is worth after its days."""

    def detectable(self, alpha: float, floor: float) -> float:
        """Smallest change of the largest share that would be flagged at level ``alpha`` with 80 % power."""
        widest = float(self.se.max(initial=0.0))
        critical = float(stats.norm.isf(alpha / 4 / max(len(self.se), 1)))
        return min(max(critical * widest, floor) + POWER_Z * widest, 1.0)


def share_move(reference: Floats, current: Floats, by_day: tuple[DayCounts, DayCounts]) -> ShareMove | None:
    """The move between count vectors (K,) of the same categories; None where a window is empty."""
    n = float(reference.sum()), float(current.sum())
    if min(n) == 0:
        return None
    before, after = reference / n[0], current / n[1]
    noise = day_noise(*by_day, np.eye(len(before)), n, share_scale(before, after, sum(n)))
    change = after - before - noise.composition
    largest = float(_shares_p(before, change, n, noise).min(initial=1.0)) * len(before)
    statistic, v, spread = _chi_squared(reference, current, change)
    kept = np.maximum((before + after) / 2, 5 / sum(n))
    # The trace of the day effects bounds their largest direction: the test errs on the quiet side.
    inflation = 1 + float((noise.day / kept).sum()) / (1 / n[0] + 1 / n[1])
    overall = float(special.chdtrc(max(spread, 1), statistic / inflation))
    pooled = (before * n[0] + after * n[1]) / sum(n)
    se = np.sqrt(np.maximum(pooled * (1 - pooled), 0) * (1 / n[0] + 1 / n[1]) + noise.day)
    unit = float((pooled * (1 - pooled)).sum())
    worth = [
        1 / (1 / rows + (float(own.sum()) / unit if unit > 0 else 0.0))
        for rows, own in zip(n, noise.window, strict=True)
    ]
    return ShareMove(
        before,
        after,
        change,
        se,
        v,
        statistic,
        float(np.abs(after - before).sum() / 2),
        float(np.abs(change).sum() / 2),
        min(2 * largest, 2 * overall, 1.0),
        (worth[0], worth[1]),
    )


def _chi_squared(reference: Floats, current: Floats, change: Floats) -> tuple[float, float, int]:
    """Statistic of the adjusted change with rare categories pooled, Cramer's V, and degrees of freedom."""
    n_ref, n_cur = reference.sum(), current.sum()
    pooled = (reference + current) / (n_ref + n_cur)
    rare = pooled * min(n_ref, n_cur) < 5
    share = np.concatenate([pooled[~rare], [pooled[rare].sum()]])
    moved = np.concatenate([change[~rare], [change[rare].sum()]])
    share, moved = share[share > 0], moved[share > 0]
    if len(share) < 2:
        return 0.0, 0.0, 1
    statistic = float((moved**2 / share).sum() / (1 / n_ref + 1 / n_cur))
    return statistic, float(np.sqrt(statistic / (n_ref + n_cur))), len(share) - 1
