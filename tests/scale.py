"""How often null rates, powers and benchmarks are repeated: a few times in every run, all the way before a release.

``make test-rates`` sets BACKSLIDE_RATES and runs what is marked ``rates``; elsewhere the same tests run at their small size.
"""

from __future__ import annotations

import os

from scipy import stats

AT_FULL_SIZE = bool(os.environ.get("BACKSLIDE_RATES"))


def runs(few: int, full: int) -> int:
    """Repetitions of this run."""
    return full if AT_FULL_SIZE else few


def most(repetitions: int, rate: float, luck: float = 0.005) -> int:
    """Events that a process of the stated ``rate`` exceeds with a chance of ``luck`` at most: what a test may see."""
    return int(stats.binom.ppf(1 - luck, repetitions, rate))
