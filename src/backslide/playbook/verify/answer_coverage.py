"""Rows that got an answer: a metric over answered rows alone does not fall where the model fails on the others."""

from __future__ import annotations

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say

LEAST = 0.02
"""Share of labelled rows without an answer, beyond the reference's, that is said and counts: a few are lost anywhere."""
LEAST_ROWS = 30
"""Labelled rows of each window from which shares are compared."""


def answers_lost(case: Case) -> bool:
    """Whether clearly more labelled rows than in the reference got no answer."""
    shares = _shares(case)
    return shares is not None and shares[1] - shares[0] >= LEAST


def sentences(case: Case) -> tuple[str, ...]:
    """What the first lines say of rows without an answer; nothing where there are as many as before."""
    shares = _shares(case)
    if shares is None or shares[1] - shares[0] < LEAST:
        return ()
    return (
        f"The model gave no answer to {say.percent(shares[1])} of the labelled rows ({say.percent(shares[0])} before): "
        f"{say.metric(case.metric.name)} is that of the other rows alone.",
    )


def _shares(case: Case) -> tuple[float, float] | None:
    """Share of labelled rows without an answer in both windows; None with too few of them."""
    if not case.has_labels:
        return None
    counts = [_counts(side) for side in case.sides]
    if min(labelled for labelled, _ in counts) < LEAST_ROWS:
        return None
    return counts[0][1] / counts[0][0], counts[1][1] / counts[1][0]


def _counts(side: Side) -> tuple[int, int]:
    """Labelled rows of the sample, and those of them without an answer."""
    outcomes = side.outcomes
    numbers = outcomes.labels.dtype.kind == "f"
    labelled = np.isfinite(outcomes.labels.astype(float)) if numbers else outcomes.labels.astype(np.int64) >= 0
    return int(labelled.sum()), int((labelled & ~outcomes.known()).sum())
