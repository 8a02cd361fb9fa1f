"""Marked rows in which columns no longer hang together, although each of them is distributed as before.

Values put onto other rows on one host, or turned in sign there around their middle, leave every distribution as it was. What
gives them away is the product of two columns' ranks: its mean is their correlation, inside the marked rows and outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.causes.columns.association import dependence, followed
from backslide.engine.columns.cache import once
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change import affected_period

Codes = Ints

PARTNERS = 3
"""Strongest partners by which a column is followed."""
MOST = 60
"""Ties followed in all."""
STRONG = 0.2
"""Correlation from which on a tie is followed."""
LOST = 0.25
"""Share of a tie that must be lost inside the marked rows."""
KEPT = 0.25
"""Share of what is lost inside that may be lost outside, beyond noise."""
NOISE = 5.0
"""Standard errors by which a tie must have changed in a level."""
MIN_ROWS = 100
MIN_SHARE, MAX_SHARE = 0.01, 0.9
ENDED = 20.0
"""Squared standard errors by which a run of days that ended before the window must beat those that last."""


@dataclass(frozen=True)
class Ties:
    """Strong correlations of the reference, row by row."""

    owners: tuple[tuple[str, str], ...]
    before: Floats
    """Correlation in the reference (m,)."""
    reference: Floats
    current: Floats
    """Products of standard ranks of the rows of each window (n, m); their mean is the correlation. 0 where one is missing."""
    spread: Floats
    """Standard deviation of a row's product (m,)."""


@once
def tie_products(case: Case) -> Ties:
    """The strongest ties of every column; computed once."""
    ties = dependence(case)
    size = np.where(ties.strong(), np.abs(ties.reference), 0.0)
    size[size < STRONG] = 0.0
    chosen = {
        (min(i, int(j)), max(i, int(j)))
        for i in range(len(size))
        for j in np.argsort(-size[i], kind="stable")[:PARTNERS]
        if size[i, j] > 0
    }
    pairs = sorted(chosen, key=lambda ij: (-size[ij], ij))[:MOST]
    if not pairs:
        none = [np.empty((side.sample.height, 0)) for side in case.sides]
        return Ties((), np.empty(0), none[0], none[1], np.empty(0))
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    before, after = (z[:, first] * z[:, second] for z in followed(case, ties.names))
    owners = tuple((ties.names[int(ties.owner[i])], ties.names[int(ties.owner[j])]) for i, j in pairs)
    return Ties(owners, ties.reference[first, second], before, after, np.maximum(after.std(0), 1e-9))


def untied(
    reference: Codes, current: Codes, levels: int, column: str, ordered: bool, ties: Ties
) -> dict[str, tuple[float, tuple[int, ...]]]:
    """Per column: how much of its strongest tie is lost inside some levels of a marker and kept outside, and which levels.

    ``reference`` and ``current`` hold the level of each row (-1 = none). A tie inside a level is compared with what it was inside
    that level, where the reference has rows of it.
    """
    if not ties.owners:
        return {}
    before, after = (
        _by_level(codes, levels, of) for codes, of in ((reference, ties.reference), (current, ties.current))
    )
    found: dict[str, tuple[float, tuple[int, ...]]] = {}
    for k, owners in enumerate(ties.owners):
        if column in owners:
            continue
        tie = _Tie(before[0][:, k], before[1], after[0][:, k], after[1], float(ties.before[k]), float(ties.spread[k]))
        chosen = tie.since() if ordered else tie.lost()
        score = tie.contrast(chosen, len(current))
        for name in owners if score is not None else ():
            if score is not None and score > found.get(name, (0.0,))[0]:
                found[name] = (score, tuple(int(i) for i in np.flatnonzero(chosen)))
    return found


def _by_level(codes: Codes, levels: int, products: Floats) -> tuple[Floats, Floats]:
    """Sums of the products (levels, m) and rows (levels,)."""
    known = codes >= 0
    sums = np.zeros((levels, products.shape[1]))
    np.add.at(sums, codes[known], products[known])
    return sums, np.bincount(codes[known], minlength=levels).astype(float)


@dataclass(frozen=True)
class _Tie:
    """One tie by level: sums of its products and rows, in both windows."""

    sums_ref: Floats
    rows_ref: Floats
    sums: Floats
    rows: Floats
    before: float
    spread: float

    def _loss(self, part: Mask) -> tuple[float, float]:
        """Share of the tie lost over some levels, and its standard error."""
        n_ref, n = self.rows_ref[part].sum(), self.rows[part].sum()
        own = n_ref >= MIN_ROWS
        was = self.sums_ref[part].sum() / n_ref if own else self.before
        noise = np.sqrt(1 / max(n, 1.0) + (1 / n_ref if own else 0.0))
        return float((was - self.sums[part].sum() / max(n, 1.0)) / self.before), float(
            self.spread * noise / abs(self.before)
        )

    def lost(self) -> Mask:
        """Levels in which at least half of the tie is lost."""
        chosen = np.zeros(len(self.rows), bool)
        for level in np.flatnonzero(self.rows >= MIN_ROWS):
            lost, noise = self._loss(np.arange(len(self.rows)) == level)
            chosen[level] = lost >= max(LOST, NOISE * noise)
        return chosen

    def since(self) -> Mask:
        """Days from the one on that parts the window best into two means, or up to another where that is clearly better."""
        start, stop = affected_period.runs(len(self.rows))
        upto, count = (np.concatenate([[0.0], np.cumsum(v)]) for v in (self.sums, self.rows))
        n, inside = count[stop] - count[start], upto[stop] - upto[start]
        rest = count[-1] - n
        gap = np.abs(inside / np.maximum(n, 1) - (upto[-1] - inside) / np.maximum(rest, 1))
        z = np.where(
            (n >= MIN_ROWS) & (rest >= MIN_ROWS), gap * np.sqrt(n * rest / max(count[-1], 1)) / self.spread, 0.0
        )
        if not z.any():
            return np.zeros(len(self.rows), bool)
        lasting = np.where(stop == len(self.rows), z, 0.0)
        best = int(np.argmax(z if z.max() ** 2 > lasting.max() ** 2 + ENDED else lasting))
        day = np.arange(len(self.rows))
        return np.asarray((day >= start[best]) & (day < stop[best]))

    def contrast(self, chosen: Mask, n: int) -> float | None:
        """Share of the tie lost inside less the share lost outside; None where it is not lost inside alone."""
        inside, outside = self.rows[chosen].sum(), self.rows[~chosen].sum()
        if inside < max(MIN_ROWS, MIN_SHARE * n) or inside > MAX_SHARE * n or outside < MIN_ROWS:
            return None
        (lost, noise), (rest, rest_noise) = self._loss(chosen), self._loss(~chosen)
        if lost < max(LOST, NOISE * noise) or abs(rest) > KEPT * lost + 2 * rest_noise:
            return None
        # On the scale of distances, on which other contrasts are: a tie of one that is gone is as far as can be.
        return float(abs(self.before) * (lost - abs(rest)) / 2)
