"""One stream through its detectors: what was raised, when it began, when it was over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from backslide.contracts.watch import Level
from backslide.monitor.stream import MonitoredStream
from backslide.stats.arrays import Floats
from backslide.stats.change.sequential import (
    Alarm,
    Baseline,
    Periods,
    alarm_limit,
    allowance,
    fit_baseline,
    log_bets,
    watch_limit,
)

QUIET_STRETCH = 28
"""Periods without any sign that join a growing reference."""
BACK = 2.0
"""Standard errors within which the last periods are back to normal."""


@dataclass(frozen=True)
class Rules:
    """What is promised, and what counts as over."""

    false_alarms: float
    false_watches: float
    periods_a_year: float
    recover_after: int
    reference: Literal["fixed", "growing", "rolling", "same_weekday"] = "fixed"


@dataclass(frozen=True)
class Signal:
    """Something that a stream raised; indices into its later periods."""

    level: Level
    began: int
    raised: int
    """Index at which its level was reached."""
    sign: int
    change: float
    low: float
    high: float
    closed: int | None = None
    seen: int | None = None
    """Index of the early sign that came before the alarm."""
    words: str = ""
    """What was seen, where that says more than that a value moved."""


@dataclass
class Track:
    """A stream with its baseline, and everything that it raised."""

    followed: MonitoredStream
    baseline: Baseline | None
    """None where nothing is expected but zero."""
    expected: Floats
    noise: Floats
    raised: list[Signal] = field(default_factory=list)
    evidence: float = 0.0
    """Of the alarm after the last period, as a share of its limit (log scale)."""
    early: float = 0.0

    @property
    def level(self) -> Level:
        """Of what is open now."""
        last = self.raised[-1] if self.raised else None
        return Level.QUIET if last is None or last.closed is not None else last.level


def track(followed: MonitoredStream, rules: Rules) -> Track:
    """Run a stream's later periods through alarm and early watch."""
    return _Run(followed, rules).run()


class _Run:
    """The state of one stream while its periods are gone through."""

    def __init__(self, followed: MonitoredStream, rules: Rules) -> None:
        self.followed, self.rules = followed, rules
        self.later = followed.later
        self.limit = alarm_limit(rules.false_alarms * followed.budget, rules.periods_a_year)
        self.open: Signal | None = None
        self.found: list[Signal] = []
        self.quiet = 0
        self._restart(0)

    def run(self) -> Track:
        self._learn(self.followed.reference)
        expected, noise = self.expected.copy(), self.noise.copy()
        for t in range(len(self.later)):
            self._period(t)
            if self.rules.reference in ("growing", "rolling") and self.quiet >= QUIET_STRETCH:
                joined = _join(self.reference, self.later.take(slice(t - QUIET_STRETCH + 1, t + 1)))
                keep = len(self.followed.reference) if self.rules.reference == "rolling" else len(joined)
                self._learn(joined.take(slice(len(joined) - keep, None)))
                expected[t + 1 :], noise[t + 1 :] = self.expected[t + 1 :], self.noise[t + 1 :]
                self.quiet = 0
        if self.open is not None:
            self.found.append(self.open)
        track = Track(self.followed, self.baseline, expected, noise, self.found)
        track.evidence = max(self._evidence(), 0.0) / self.limit
        track.early = max(self.sums) / self.early_limit if self.early_limit > 0 else 0.0
        return track

    def _learn(self, reference: Periods) -> None:
        """Take ``reference`` for what is normal from now on."""
        self.reference = reference
        self.baseline = fit_baseline(
            reference,
            self.followed.row_variance,
            share=self.followed.share,
            shrink=self.rules.reference != "same_weekday",
        )
        self.expected, self.noise = self.baseline.expected(self.later), self.baseline.noise(self.later)
        self.x = {sign: self.baseline.residuals(self.later, sign) for sign in self.followed.signs}
        self.bets = {sign: log_bets(x, len(reference)) for sign, x in self.x.items()}
        usual = float(np.median(self.noise)) if len(self.noise) else float(self.baseline.spread)
        self.k = round(allowance(2 * self.followed.material, usual * self.baseline.inflation), 1)
        self.early_limit = watch_limit(
            self.k,
            len(reference),
            self.rules.false_watches * self.followed.budget / len(self.x),
            self.rules.periods_a_year,
            cycle=reference.cycle,
        )

    def _restart(self, start: int) -> None:
        self.start = start
        self.alarms = {sign: Alarm() for sign in self.followed.signs}
        self.sums = [0.0 for _ in self.followed.signs]

    def _evidence(self) -> float:
        each = [alarm.evidence for alarm in self.alarms.values()]
        return float(np.logaddexp.reduce(each) - np.log(len(each)))

    def _period(self, t: int) -> None:
        if self.open is not None and self.open.level == Level.ALARM:
            self._recovery(t)
            return
        for i, sign in enumerate(self.followed.signs):
            self.alarms[sign] = self.alarms[sign].step(self.bets[sign][t])
            self.sums[i] = max(0.0, self.sums[i] + float(self.x[sign][t]) - self.k)
        if self._evidence() >= self.limit:
            sign = max(self.alarms, key=lambda s: self.alarms[s].evidence)
            last = self.open.raised if self.open is not None else None
            self.open = replace(self._raise(Level.ALARM, sign, t), seen=last)
        elif max(self.sums) > self.early_limit and self.open is None:
            self.open = self._raise(Level.WATCH, self.followed.signs[int(np.argmax(self.sums))], t)
        elif self.open is not None and max(self.sums) == 0.0:
            self.found.append(replace(self.open, closed=t))
            self.open = None
        self.quiet = self.quiet + 1 if self.open is None else 0

    def _raise(self, level: Level, sign: int, t: int) -> Signal:
        began = self.start + _change_point(self.x[sign][self.start : t + 1])
        rows = slice(began, t + 1)
        weight = 1 / self.noise[rows] ** 2
        change = float(weight @ (self.later.values[rows] - self.expected[rows]) / weight.sum())
        half = 1.96 * float(np.sqrt(1 / weight.sum())) * self.baseline.inflation
        return Signal(level, began, t, sign, change, change - half, change + half)

    def _recovery(self, t: int) -> None:
        """Over once the last periods together are within noise, and by half better than what raised it."""
        assert self.open is not None
        after = self.rules.recover_after
        if t - self.open.raised < after:
            return
        x = self.x[self.open.sign]
        last = float(x[t - after + 1 : t + 1].mean())
        alarming = float(x[self.open.began : self.open.raised + 1].mean())
        if last * np.sqrt(after) <= BACK and last <= alarming / 2:
            self.found.append(replace(self.open, closed=t))
            self.open = None
            self._restart(t + 1)
            self.quiet = 0


def _change_point(x: Floats) -> int:
    """Where the periods up to the last one most probably changed: the largest ``sum^2 / n`` of an upper tail of periods."""
    sums = np.cumsum(x[::-1])
    counts = np.arange(1, len(x) + 1)
    score = np.where(sums > 0, sums**2 / counts, -np.inf)
    return int(len(x) - 1 - np.argmax(score)) if np.isfinite(score).any() else len(x) - 1


def _join(a: Periods, b: Periods) -> Periods:
    return Periods(
        np.concatenate([a.values, b.values]),
        np.concatenate([a.rows, b.rows]),
        np.concatenate([a.ordinals, b.ordinals]),
        a.cycle,
    )
