"""The estimate of one look: performance of the periods that wait for labels, with a band from stretches that have theirs."""

from __future__ import annotations

import numpy as np

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.watch import EstimatedPerformance
from backslide.monitor.expectation import Expectation, estimate_performance
from backslide.monitor.rows import PeriodRows, between, open_both
from backslide.monitor.stream import Ledger, Subject
from backslide.monitor.streams import follow
from backslide.monitor.sums import Sums
from backslide.stats.change.sequential import Periods

ESTIMATED_ROWS = 8000
"""Rows of each window that an estimate without labels rests on: every look makes one."""
STRETCH = 7
"""Periods of a stretch on which past estimates are checked."""


def estimate_waiting(
    rows: PeriodRows,
    settings: Settings,
    expected: Expectation | None,
    subject: Subject,
    ledger: Ledger,
    inputs: dict[int, Sums],
    broken: str | None,
) -> EstimatedPerformance | None:
    """Performance of the periods of ``inputs`` whose labels have not come; None where nothing waits or nothing can be learned.

    ``broken`` says why inputs cannot be trusted, where that is known already.
    """
    labelled = set(ledger.labels[1])
    numbers = [n for n in inputs if n not in labelled][-4 * STRETCH :]
    if expected is None or not numbers or not rows.grid.timed:
        return None
    engine = settings.engine
    engine = engine.model_copy(update={"sample_rows": min(engine.sample_rows, ESTIMATED_ROWS)})
    settings = settings.model_copy(update={"engine": engine})
    case = Case(open_both(between(rows, numbers[0], numbers[-1])), settings)
    return estimate_performance(case, subject.headline, rows.grid, numbers, _history(subject, ledger), broken)


def _history(subject: Subject, ledger: Ledger) -> list[tuple[float, float]]:
    """Expected and actual value of stretches of labelled periods."""
    streams = {s.name: s for s in follow(subject, ledger)}
    if not {"estimate", "performance"} <= streams.keys():
        return []
    estimates, true = streams["estimate"], streams["performance"]
    pairs = []
    for a, b in ((estimates.reference, true.reference), (estimates.later, true.later)):
        both = sorted(set(a.ordinals.tolist()) & set(b.ordinals.tolist()))
        for at in range(0, len(both) - STRETCH + 1, STRETCH):
            some = both[at : at + STRETCH]
            pairs.append((_mean(a, some), _mean(b, some)))
    return pairs


def _mean(stream: Periods, numbers: list[int]) -> float:
    part = stream.take(np.isin(stream.ordinals, numbers))
    return float(np.average(part.values, weights=part.rows))
