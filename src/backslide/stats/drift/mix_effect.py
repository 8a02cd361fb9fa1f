"""A change of a mean taken apart by groups of rows: how much because the groups' shares moved, how much inside the groups.

Kitagawa (1955), also Oaxaca-Blinder with the mean of both windows as weights: with shares s and means m of each group,
``change = sum (s1 - s0) (m0 + m1) / 2 + sum (s0 + s1) / 2 (m1 - m0)``. The two parts add up exactly. Where they have opposite
signs, the overall number hides what happens in the groups (Simpson 1951).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.stats.arrays import Floats
from backslide.stats.change.metric_change import Change, Units
from backslide.stats.change.units import functional_change


@dataclass(frozen=True)
class MixSplit:
    """Parts of a change; ``mix + within == total`` in their estimates."""

    total: float
    mix: Change
    """Because rows moved between groups."""
    within: Change
    """Because groups changed inside."""
    groups: Floats
    """What each group's own change adds to ``within`` (G,)."""


def split(reference: Units, current: Units) -> MixSplit:
    """Take the change of a mean apart.

    ``reference`` and ``current`` hold the sums ``[n_1, total_1, n_2, total_2, ...]`` of all groups (see ``units.stacked``).
    A group that is empty in one window changes the mix only.
    """
    before, after = reference.total, current.total
    mix = functional_change(lambda ref, cur: float(_parts(ref, cur)[0].sum()), reference, current)
    within = functional_change(lambda ref, cur: float(_parts(ref, cur)[1].sum()), reference, current)
    by_mix, by_group = _parts(before, after)
    return MixSplit(float(by_mix.sum() + by_group.sum()), mix, within, by_group)


def _parts(before: Floats, after: Floats) -> tuple[Floats, Floats]:
    n, totals = np.vstack([before[0::2], after[0::2]]), np.vstack([before[1::2], after[1::2]])
    share = n / np.maximum(n.sum(1, keepdims=True), 1e-300)
    seen = n > 0
    mean = np.where(seen, totals / np.where(seen, n, 1.0), 0.0)
    mean = np.where(seen, mean, mean[::-1])
    overall = float((share * mean).sum(1).mean())
    # Shares add up to one, so the level drops out of the sum; centred, the parts of single groups can be read as well.
    mix = (share[1] - share[0]) * (mean.mean(0) - overall)
    return np.asarray(mix), np.asarray(share.mean(0) * (mean[1] - mean[0]))
