"""The best of several comparisons on the same rows: how far its p-value must be corrected.

Candidates that answer the same rows gain and lose on the same days, so that the best of ten is far from the best of ten
independent ones. The single-step max-t test (Hothorn, Bretz and Westfall 2008) asks how often the largest of so many t values
with the correlation that was seen would be as large; it is never stricter than Bonferroni, which stands in where the
correlation is not known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.stats.arrays import Floats

DRAWS = 20_000
LEAST_UNITS = 20
"""Units (days, blocks of rows) under which a correlation says little: Bonferroni instead."""


@dataclass(frozen=True)
class TestFamily:
    """Comparisons of which the best one is looked at; ``largest`` are draws of the largest of their z values, sorted.

    ``looks``: on how many selections of the rows all of them could have been compared. ``share``: what they have of the error
    rate, where something else may be shown with the rest.
    """

    __test__ = False
    size: int = 1
    largest: Floats | None = None
    looks: int = 1
    share: float = 1.0

    def adjusted(self, p: float) -> float:
        """The p-value of the best, corrected for the others."""
        corrected = p * self.size
        if self.largest is not None:
            from scipy import stats

            above = len(self.largest) - int(np.searchsorted(self.largest, stats.norm.isf(p)))
            corrected = min(corrected, max(p, (above + 1) / (len(self.largest) + 1)))
        return min(corrected * self.looks / self.share, 1.0)

    def level(self, alpha: float) -> float:
        """One-sided level of one comparison at which all together have ``alpha``."""
        alpha *= self.share / self.looks
        if self.largest is None:
            return alpha / self.size
        from scipy import stats

        return max(alpha / self.size, float(stats.norm.sf(np.quantile(self.largest, 1 - alpha))))


def family_of(moves: Floats) -> TestFamily:
    """The family of comparisons whose differences by unit (units, comparisons) are ``moves``."""
    units, size = moves.shape
    spread = moves.std(axis=0)
    varied = spread > 0
    if size < 2 or units < LEAST_UNITS or not varied.any():
        return TestFamily(size)
    correlation = np.atleast_2d(np.corrcoef(moves[:, varied], rowvar=False))
    values, vectors = np.linalg.eigh(correlation)
    draws = np.random.default_rng(0).standard_normal((DRAWS, len(values))) * np.sqrt(np.maximum(values, 0.0))
    return TestFamily(size, np.sort((draws @ vectors.T).max(axis=1)))
