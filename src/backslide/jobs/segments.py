"""Which segments explain the change of a ratio? A search over counts, of a model's errors or of anything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backslide.contracts import say
from backslide.contracts.finding import Estimate
from backslide.contracts.segments import RatioPeriod, RatioSegment, SegmentReport
from backslide.engine.counts import CountColumns, Counts, PeriodCounts, read_counts
from backslide.engine.times.time_range import parse_time_span
from backslide.jobs.prelude import Progress, silent
from backslide.stats.drift.combinations import LEAST_PERIODS, Combination, SegmentExplanation, explain
from backslide.stats.two_sample import Z95


def segments(
    table: Any,
    *,
    numerator: str,
    denominator: str,
    time: str,
    good: str,
    bad: str,
    attributes: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> SegmentReport:
    """Find the combinations of attributes that explain why a ratio changed.

    Args:
        table: a frame, path, glob or URI; one row for each combination of attributes and time, or finer.
        numerator: column of counts or sums, such as errors.
        denominator: column of counts or sums, such as predictions.
        time: column of times, or of numbers that order the rows.
        good: the period to compare with, ``START..END`` with both ends included.
        bad: the period whose change is to be explained.
        attributes: columns to search; default: every other column.

    Raises:
        BackslideError: bad input, in one line; see ``contracts.errors`` for the tree.
    """
    report_progress = progress or silent
    spans = parse_time_span(good, "--good"), parse_time_span(bad, "--bad")
    report_progress("reading the counts")
    chosen = None if attributes is None else tuple(attributes)
    counts = read_counts(table, CountColumns(numerator, denominator, time, chosen), *spans)
    report_progress("searching combinations")
    return _report(counts, explain(counts.cells), (numerator, denominator), (good, bad))


def _report(
    counts: Counts, explanation: SegmentExplanation, ratio: tuple[str, str], spans: tuple[str, str]
) -> SegmentReport:
    cells = counts.cells
    ref, cur = (_period(*item) for item in zip(spans, (counts.reference, counts.current), strict=True))
    everything = np.arange(len(cells.codes))
    inside = cells.current[:, 0] / np.maximum(cells.current[:, 1], 1e-9)
    error = float(np.sqrt(cells.variance(everything, inside).sum())) / cur.denominator
    change = _estimate(cur.ratio - ref.ratio, error)
    mix = float(cells.expected.sum()) / cur.denominator - ref.ratio
    found = [_segment(counts, one, rank + 1, change) for rank, one in enumerate(explanation.segments)]
    rivals = [
        _segment(counts, one, len(found) + rank + 1, change).model_copy(update={"instead_of": 1})
        for rank, one in enumerate(explanation.rivals)
    ]
    notes = list(counts.notes)
    if cells.periods < LEAST_PERIODS:
        notes.append("the reference has fewer than three times: how much the ratio varies by itself is not known")
    return SegmentReport(
        source=counts.source,
        numerator=ratio[0],
        denominator=ratio[1],
        share=cells.proportion,
        reference=ref,
        current=cur,
        change=change,
        mix=mix,
        rest=change.estimate - mix - sum(one.points.estimate for one in found),
        summary=_summary(" / ".join(ratio), found, change, share=cells.proportion),
        segments=(*found, *rivals),
        attributes=tuple(a.column for a in counts.attributes),
        tried=explanation.tried,
        correlation=cells.dispersion.correlation,
        notes=tuple(notes),
    )


def _period(span: str, sums: PeriodCounts) -> RatioPeriod:
    return RatioPeriod(
        span=span,
        rows=sums.rows,
        times=sums.times,
        numerator=sums.numerator,
        denominator=sums.denominator,
        ratio=sums.numerator / sums.denominator,
    )


def _estimate(value: float, error: float) -> Estimate:
    return Estimate(estimate=value, low=value - Z95 * error, high=value + Z95 * error)


def _segment(counts: Counts, one: Combination, rank: int, change: Estimate) -> RatioSegment:
    attributes = [(counts.attributes[a], level) for a, level in one.conditions]
    return RatioSegment(
        rank=rank,
        where={a.column: a.values[level] for a, level in attributes},
        condition=" and ".join(a.conditions[level] for a, level in attributes),
        points=_estimate(one.contribution, one.error),
        share=one.current[1] / counts.current.denominator,
        share_of_change=one.contribution / change.estimate if change.clear_of_zero() else None,
        reference=one.reference[0] / one.reference[1] if one.reference[1] > 0 else None,
        current=one.current[0] / max(one.current[1], 1e-9),
        denominators=(one.reference[1], one.current[1]),
    )


def _summary(ratio: str, found: Sequence[RatioSegment], change: Estimate, *, share: bool) -> str:
    direction = "rose" if change.estimate > 0 else "fell"
    whole = f"the ratio {ratio} {direction} by {say.change(change.estimate, share=share)}"
    whole = whole if change.estimate else f"the ratio {ratio} did not change"
    if not found:
        return f"{whole}; no combination of attributes stands out"
    parts = []
    for one in found:
        of_it = "" if one.share_of_change is None else f" ({say.percent(one.share_of_change, 0)} of it)"
        sign = "up" if one.points.estimate > 0 else "down"
        parts.append(f"{one.condition} takes it {sign} by {say.change(one.points.estimate, share=share)}{of_it}")
    return f"{whole}; {say.listed(parts)}"
