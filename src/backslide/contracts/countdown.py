"""How far long work is and about how long the rest takes, as the words of its progress."""

from __future__ import annotations

import time
from collections.abc import Callable

from backslide.contracts.say import fixed

LEAST_SECONDS = 2.0
"""Work that has taken less so far says nothing of what is left: its first parts warm caches and import what all others use."""


class Countdown:
    """Counts the parts of some work that are done; those to come are taken to last as long as those before."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.clock, self.began = total, clock, clock()

    def seconds_left(self, done: int) -> float | None:
        """Of the whole work once ``done`` parts are; None while that cannot be told."""
        passed = self.clock() - self.began
        return passed / done * (self.total - done) if done > 0 and passed >= LEAST_SECONDS else None

    def words(self, done: int) -> str:
        """``3 of 40, about 2 min left``: what is in work once ``done`` parts are."""
        left = self.seconds_left(done)
        return f"{min(done + 1, self.total)} of {self.total}" + (
            "" if left is None else f", about {duration(left)} left"
        )


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h``."""
    if seconds < 90:
        return f"{fixed(seconds, 0)} s"
    return f"{fixed(seconds / 60, 0)} min" if seconds < 90 * 60 else f"{fixed(seconds / 3600, 0)} h"
