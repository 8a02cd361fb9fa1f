"""Which columns tell something of the outcome: the others need not be alike in both windows for rows to be compared.

Only columns that the loss depends on can carry a part of its change with the inputs. Columns beside them that differ between any
two weeks, as the weather does, would leave no row with a counterpart.
"""

from __future__ import annotations

import numpy as np

from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.shift.doubly_robust import bins_of

LEAST_SHARE = 0.1
"""Of what the most telling column tells of an outcome, the share from which on another one counts."""
STRANGE, LEAST_OF_STRANGE = 0.05, 0.02
"""Share of current values that the reference never held, and what such a column must tell, beside the most telling one, to
count."""
MOST_LEVELS = 60
"""Levels of a category beyond which the rare ones are read together."""


def telling_columns(x: Floats, current: Floats, categorical: Mask, outcomes: Floats) -> Mask:
    """Which columns of ``x`` (n, p) tell at least a tenth of what the most telling one does of some column of ``outcomes`` (n,
    F); of a column of which ``current`` (m, p) holds values that ``x`` never does less is enough, as nothing says what these
    tell.

    Told is the share of an outcome's variance between the bins or levels of a column, corrected for their number (epsilon
    squared; Kelley 1935).
    """
    told = np.zeros((x.shape[1], outcomes.shape[1]))
    for place in range(x.shape[1]):
        told[place] = _told(_codes(x[:, place], bool(categorical[place])), outcomes)
    most = told.max(axis=0, initial=0.0)
    strange = np.array([_beyond(x[:, place], current[:, place]) > STRANGE for place in range(x.shape[1])], bool)
    least = np.where(strange, LEAST_OF_STRANGE, LEAST_SHARE)[:, None]
    return np.asarray(((told >= least * most) & (most > 0)).any(axis=1))


def _beyond(known: Floats, values: Floats) -> float:
    """Share of the values outside the range of the known ones; codes of unknown levels are beyond all known codes."""
    known, values = known[np.isfinite(known)], values[np.isfinite(values)]
    if not len(known) or not len(values):
        return 0.0
    return float(((values < known.min()) | (values > known.max())).mean())


def _codes(values: Floats, categorical: bool) -> Ints:
    if not categorical:
        return bins_of(values, values[:0], False, bins=16)[0]
    return np.where(np.isfinite(values), np.minimum(values, MOST_LEVELS), MOST_LEVELS + 1).astype(np.int64)


def _told(codes: Ints, outcomes: Floats) -> Floats:
    rows = np.bincount(codes)
    groups, n = int((rows > 0).sum()), len(codes)
    if groups < 2 or n <= groups:
        return np.zeros(outcomes.shape[1])
    total = outcomes.var(axis=0) * n
    means = np.column_stack([np.bincount(codes, column) for column in outcomes.T]) / np.maximum(rows, 1)[:, None]
    within = ((outcomes - means[codes]) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        told = 1 - (within / (n - groups)) / (total / (n - 1))
    return np.where(total > 0, np.maximum(told, 0.0), 0.0)
