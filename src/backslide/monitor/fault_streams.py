"""Data faults of new rows as streams: what the readings of each period say becomes evidence, alarms and early signs.

A reading that names a certain, harmful fault of a column is a hit. While nothing is broken a period hits with a small chance,
and the reference's own readings (each period against the half of the reference that it is not in) raise that chance for what
they show themselves. A hit is worth ``HIT`` over that chance, a period without one ``1 - HIT`` over the rest: e-values, whose
Shiryaev-Roberts sum raises an alarm at one over the promised rate (Shin, Ramdas and Rinaldo 2023; ``stats.change.sequential``
does the same with residuals).

A fault that the reference never shows thus alarms at its first clear hit. What stands still for weeks hits on every day of them:
periods that hit one after the other are one run, which counts once, by its most surprising reading. A column that the reference
itself calls is not certain: it takes several runs, and is no early sign until then. Where the reference calls any column clearly
and harmfully, so may the time after it another one. What a column other than the time marks is read apart from what befell all
rows: there the others of the same period are the control.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backslide.causes.columns.edit import MIN_ROWS
from backslide.causes.screening import ScreenedFault
from backslide.contracts import say
from backslide.contracts.watch import Level
from backslide.monitor.detect import Rules, Signal, Track
from backslide.monitor.fault_readings import FaultReading
from backslide.monitor.stream import MonitoredStream
from backslide.monitor.streams import FAULT_SHARE
from backslide.stats.change.sequential import Periods, alarm_limit
from backslide.stats.metrics.metric import Metric

CHANCE = 2e-5
"""Chance that a day of nothing new reads as a harmful certain fault that the reference never shows: a belief, which
``benchmarks/promise.py`` holds against quiet readings, and which the reference's own readings correct upwards. Of shorter
periods it is as many times smaller: a day has no more chances of being misread for being looked at more often."""
DAYS_A_YEAR = 365.25
UNCLEAR_CHANCE = 0.02
"""The same where the interval of the harm holds zero, and where the reference has few readings: it takes three runs."""
FEW = 10
"""Readings of the reference under which nothing is certain."""
WEIGHT = 10.0
"""Periods that this belief counts for beside the reference's own readings."""
HIT = 0.5
"""Chance of a hit that the evidence bets on where there is a fault: half of its periods."""
ALL_ROWS = 0.995
"""Share of rows that counts as all of them."""
TOTAL = "faults"
"""Name of the stream of their joint harm."""
Key = tuple[str, ...]
"""The columns of a fault: what is read of them in two periods may be of two kinds."""


@dataclass(frozen=True)
class FaultHistory:
    """What was read of one fault by period, and what it raised."""

    track: Track
    hits: dict[int, ScreenedFault]
    """By period that showed it, harmful or not."""

    @property
    def latest(self) -> ScreenedFault:
        """What was read last."""
        return self.hits[max(self.hits)]


@dataclass(frozen=True)
class Precedents:
    """What the reference's own readings call: how often each column, over all rows (False) and on marked ones (True)."""

    readings: int
    columns: Counter[tuple[str, bool]]
    restless: frozenset[bool]
    """Where any column is called with harm that is clear of zero."""
    surprise: float = CHANCE
    """Chance of a reading of nothing new to be clear and harmful."""

    @classmethod
    def of(cls, reference: Mapping[int, FaultReading], periods_a_year: float = DAYS_A_YEAR) -> Precedents:
        """Of the readings that had enough rows."""
        each = [{(c, f.marked) for f in one.faults for c in f.features} for one in reference.values()]
        clear = {f.marked for one in reference.values() for f in one.faults if _clear(f)}
        surprise = CHANCE * min(DAYS_A_YEAR / periods_a_year, 1.0)
        return cls(len(reference), Counter(item for one in each for item in one), frozenset(clear), surprise)

    def count(self, fault: ScreenedFault) -> int:
        """Readings of the reference that call any of the fault's columns, on rows marked likewise."""
        return max(self.columns.get((column, fault.marked), 0) for column in fault.features)

    def chance(self, fault: ScreenedFault | None) -> float:
        """Of a hit while nothing is broken; without a fault, of one that is clear and new."""
        sure = fault is None or (_clear(fault) and self.readings >= FEW)
        belief = (self.surprise if sure else UNCLEAR_CHANCE) * WEIGHT
        seen = 0 if fault is None else max(self.count(fault), int(fault.marked in self.restless))
        return (belief + seen) / (WEIGHT + self.readings)


def _clear(fault: ScreenedFault) -> bool:
    return fault.harmful and (fault.low or 0.0) > 0


def fault_histories(
    reference: Mapping[int, FaultReading],
    later: Mapping[int, FaultReading],
    metric: Metric,
    min_effect: float,
    rules: Rules,
    leave_out: Sequence[str] = (),
) -> list[FaultHistory]:
    """Every fault that later periods showed, the latest first; none that costs nothing and that the reference shows as well."""
    reference, read = _readable(reference), _readable(later)
    precedents = Precedents.of(reference, rules.periods_a_year)
    new = (one for n in read for one in read[n].faults if one.harmful or not precedents.count(one))
    keys = dict.fromkeys(map(_key, new))
    found = []
    for key in keys:
        stream = _stream(f"fault:{'+'.join(key)}", reference, read, metric, min_effect, 0.0, key)
        if not any(fnmatch.fnmatchcase(stream.name, pattern) for pattern in leave_out):
            found.append(_history(stream, read, key, precedents, rules, say.metric(metric.name)))
    return sorted(found, key=lambda one: -min(one.hits))


def total_track(
    reference: Mapping[int, FaultReading], later: Mapping[int, FaultReading], metric: Metric, min_effect: float
) -> Track | None:
    """The joint harm of each period's certain faults; it raises nothing by itself. None where nothing was read."""
    reference, read = _readable(reference), _readable(later)
    if not reference and not read:
        return None
    return _quiet_track(_stream(TOTAL, reference, read, metric, min_effect, FAULT_SHARE, None))


def _readable(readings: Mapping[int, FaultReading]) -> dict[int, FaultReading]:
    """Periods that had enough rows, in order."""
    return {n: readings[n] for n in sorted(readings) if readings[n].rows >= MIN_ROWS and readings[n].error is None}


def _key(fault: ScreenedFault) -> Key:
    return tuple(sorted(fault.features))


def _of(reading: FaultReading, key: Key | None) -> list[ScreenedFault]:
    return [one for one in reading.faults if key is None or _key(one) == key]


def _harm(reading: FaultReading, key: Key | None) -> float:
    return sum(max(one.harm or 0.0, 0.0) for one in _of(reading, key))


def _stream(
    name: str,
    reference: Mapping[int, FaultReading],
    read: Mapping[int, FaultReading],
    metric: Metric,
    min_effect: float,
    budget: float,
    key: Key | None,
) -> MonitoredStream:
    sides = []
    for side in (reference, read):
        numbers = sorted(side)
        values = [_harm(side[n], key) for n in numbers]
        rows = [float(side[n].rows) for n in numbers]
        sides.append(Periods(np.array(values, float), np.array(rows, float), np.array(numbers, np.int64), 0))
    words = "expected harm of data faults" if key is None else f"expected harm of a fault of {' and '.join(key)}"
    return MonitoredStream(name, "fault", words, sides[0], sides[1], 0.0, metric.share, (1,), min_effect, budget)


def _quiet_track(stream: MonitoredStream) -> Track:
    """A stream whose periods are expected to cost nothing; its band is what does not matter yet."""
    n = len(stream.later)
    return Track(stream, None, np.zeros(n), np.full(n, stream.material / 1.96))


def _history(
    stream: MonitoredStream,
    read: Mapping[int, FaultReading],
    key: Key,
    precedents: Precedents,
    rules: Rules,
    headline: str,
) -> FaultHistory:
    limit = alarm_limit(rules.false_alarms * FAULT_SHARE, rules.periods_a_year)
    track, hits, evidence = _quiet_track(stream), _hits(read, key), -np.inf
    signal: Signal | None = None
    first, last, shortest = 0, -np.inf, 1
    counted = 0.0  # what the run's most surprising hit was worth
    for t, number in enumerate(read):
        one = hits.get(number)
        if one is not None:
            if t - last > rules.recover_after:
                first, shortest, counted = max(t - one.periods + 1, 0), one.periods, 0.0
            last, shortest = t, min(shortest, one.periods)
        harmful = one is not None and one.harmful
        if one is None or not harmful:
            evidence = np.logaddexp(evidence, 0.0) + np.log((1 - HIT) / (1 - precedents.chance(one)))
        else:
            worth = max(float(np.log(HIT / precedents.chance(one))), counted)
            evidence, counted = np.logaddexp(evidence, 0.0) + worth - counted, worth
        if signal is not None and t - last >= rules.recover_after + shortest - 1:
            track.raised.append(replace(signal, closed=t))
            signal, evidence = None, -np.inf
        elif one is not None and harmful and (signal is None or signal.level == Level.WATCH):
            level = Level.ALARM if evidence >= limit else Level.WATCH
            if level == Level.ALARM or (signal is None and not precedents.count(one)):
                seen = signal.raised if signal is not None else None
                signal = _signal(level, first, t, one, stream, headline, seen)
    if signal is not None:
        track.raised.append(signal)
    track.evidence = max(float(evidence), 0.0) / limit
    return FaultHistory(track, hits)


def _hits(read: Mapping[int, FaultReading], key: Key) -> dict[int, ScreenedFault]:
    """The worst that each period says of a fault; a longer run that holds a period named by a shorter one says nothing new."""
    hits: dict[int, ScreenedFault] = {}
    for number, reading in read.items():
        for one in sorted(_of(reading, key), key=lambda one: (one.harmful, one.harm or 0.0), reverse=True):
            run = range(number - one.periods + 1, number)
            if not any(n in hits and hits[n].periods < one.periods for n in run):
                hits[number] = one
                break
    return hits


def _signal(
    level: Level, first: int, at: int, fault: ScreenedFault, stream: MonitoredStream, headline: str, seen: int | None
) -> Signal:
    harm = float(fault.harm or 0.0)
    low, high = (harm if end is None else end for end in (fault.low, fault.high))
    told = fault.share_of_rows >= ALL_ROWS or " rows" in fault.words
    seen_on = "" if told else f" on {say.share_of_rows(fault.share_of_rows)}"
    words = f"{fault.words}{seen_on}; expected to cost {say.change(harm, share=stream.share)} of {headline}"
    return Signal(level, first, at, 1, harm, low, high, seen=seen, words=words)
