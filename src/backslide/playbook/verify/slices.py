"""In which segments did the model get worse that nobody thought of?

Searches conditions on every feature and logged context column (ranges between quantiles, levels, missing), and pairs of the best
twelve, for rows whose loss *changed* more than that of all other rows. Slices are found on one half of the days and tested on
the other, and the other way round, so the search does not flatter its own finds. They are ranked by their contribution to the
change: share of the current rows times the change inside.

**Why it matters.** Faults and drifts rarely hit all rows alike. The rows they hit name the host, the client or the product to
look at, long before the overall number moves.

**Stays quiet** when no slice rose beyond the rest at one-sided 1 % over all slices tested (Bonferroni), or by less than its floor
(2 points, or a tenth of the mean reference loss) or less than `min_effect`. On quiet data at most 1 % of reports show any slice.
Slices need 30 labelled rows and 1 % of the rows in both windows. A drop that is the same everywhere has no slice. Rests on the
sample of rows.

**Counts.** Where every combination of the columns has 20 rows or more on average, as in tables of counts (`[model] weight`), the
search is that of `backslide segments`, over all rows: up to three conditions, the exact combination first, and the same answer.

**What to do.** Read the condition as a filter and look at these rows. Add it to `[model] segments` to have it judged on all rows.

**References.** Chung et al. (2019), Slice Finder; Sagadeeva and Boehm (2021), SliceLine; cross-fitting as in Chernozhukov et al.
(2018).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import SegmentRow, Segments
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine.columns.conditions import ConditionCodes, code
from backslide.engine.columns.kinds import ColumnKind
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.context import context_columns
from backslide.playbook.findings import days_at, with_evidence
from backslide.playbook.verify.counted_segments import counted_segments
from backslide.stats.arrays import Floats
from backslide.stats.drift.slice_search import (
    LabelledRows,
    Slice,
    detectable_excess,
    find_slices,
    halves,
    inside_of,
    own_slices,
)
from backslide.stats.metrics.metric import METRICS

ALPHA = 0.01
"""Error rate of all slices of a report together."""
KEEP = (3, 2)
"""Slices that go to the test from each half: by the judged loss, and by the log loss where there are scores."""
TESTS = 2 * sum(KEEP)
LEAST_ROWS = 120
"""Labelled rows per window: two halves with room for a slice and its rest."""
CLIP = 0.02
"""Smallest score of the true class in the search loss: one sure mistake must not choose the slice."""
REST_STILL = 0.15
"""Share of the change inside a segment that may show in the other rows when the segment is said to be all."""
SHOWN = 8
TYPICAL = 0.1
"""Share of rows that ``detectable`` speaks of."""
KINDS = (ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)


@dataclass(frozen=True)
class AutomaticSegmentsFloors:
    excess: float = 0.02
    """Rise of the error rate beyond the other rows' that is worth a look."""
    relative: float = 0.1
    """The same for losses that are no shares, relative to the mean reference loss."""


@dataclass(frozen=True)
class _Loss:
    """What the slices are judged by."""

    name: str
    """Of the metric that is shown."""
    floor: float
    """Rise of the loss that is material."""
    sign: int
    """-1 where the shown metric falls when the loss rises."""
    share: bool
    values: Floats
    """Loss of every labelled sampled row, reference first."""

    def shown(self, loss: float) -> float:
        """A mean loss as the metric that people read."""
        return 1 - loss if self.name == "accuracy" else loss


@dataclass(frozen=True)
class SegmentSearch:
    """What was searched, and what stands out."""

    columns: list[ConditionCodes]
    rows: LabelledRows
    loss: _Loss
    slices: list[Slice]
    """By their contribution; over counts in the order in which they explain the change."""
    tried: str
    """Words for what was looked at."""
    counted: bool = False
    """Whether over counts of all rows, in place of a sample."""


class AutomaticSegments(Check):
    code = "VER007"
    effort = -1
    title = "Segments found by search"
    step = Step.VERIFY
    needs = (Need.LABELS, Need.PREDICTIONS, Need.FEATURES)
    travels = False  # counts may be over all rows
    thresholds = AutomaticSegmentsFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per slice that stands out; one that says what was searched where none does."""
        found = self.search(case)
        if found is None:
            return []
        floor = self._floor(found.loss, found.rows)
        return _findings(case, found) or [_nothing(case, found, floor)]

    def search(self, case: Case) -> SegmentSearch | None:
        """What was searched and what stands out, done once; None with few rows."""
        return case.cache.get(AutomaticSegments.search, (), lambda: self._search(case))

    def _search(self, case: Case) -> SegmentSearch | None:
        picked = [case.labelled_rows(side) for side in case.sides]
        if min(len(rows) for rows in picked) < LEAST_ROWS:
            return None
        loss, rows = _loss_of(case, picked), labelled_rows_of(case, picked)
        rows = LabelledRows(rows.current, loss.values, rows.days, rows.half)
        floor = self._floor(loss, rows)
        if loss.name == "accuracy":
            samples = [side.sample[at] for side, at in zip(case.sides, picked, strict=True)]
            counted = counted_segments(case, searched(case), samples)
            if counted is not None:
                loud = [one for one in counted.slices if _stands_out(one, loss, floor)]
                tried = f"{say.count(counted.tried)} combinations of {say.counted(counted.searched, 'column')}"
                return SegmentSearch(counted.columns, rows, loss, loud, tried, counted=True)
        columns = coded_columns(case, picked)
        found = find_slices(columns, rows, [loss.values, *_smoother(case, picked)], KEEP)
        loud = own_slices(columns, rows, [one for one in found if _stands_out(one, loss, floor)], floor)
        conditions = sum(len(column.ranges) for column in columns)
        tried = f"{conditions} conditions on {len(columns)} columns, nor a pair of the best,"
        return SegmentSearch(columns, rows, loss, sorted(loud, key=_contribution, reverse=True), tried)

    def _floor(self, loss: _Loss, rows: LabelledRows) -> float:
        if loss.share:
            return max(float(self.thresholds.excess), loss.floor)
        return max(float(self.thresholds.relative * rows.loss[~rows.current].mean()), loss.floor)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Phone requests of premium customers go wrong, one row in eleven."""
        current = scenarios.next_month(rng, rows=6000)
        hit = ((current["channel"] == "phone") & current["premium"]).to_numpy() & (rng.random(current.height) < 0.6)
        label = current["label"].to_numpy()
        label = np.where(hit, np.where(label == "yes", "no", "yes"), label)
        current = current.with_columns(label=pl.Series(label.astype(object).tolist()))
        subject = "channel = 'phone' and premium = true"
        return Scenario(scenarios.served(rng, 6000), current, dict(scenarios.ROLES), None, subject)


def telling_slice(case: Case) -> tuple[str, tuple[str, ...]] | None:
    """The one segment in which all of the loss rose, as a condition with its columns; None where the other rows moved as well."""
    found = AutomaticSegments().search(case)
    if found is None or not found.slices:
        return None
    columns, rows = found.columns, found.rows
    best = max(found.slices, key=lambda one: one.score)
    inside = inside_of(columns, best.conditions)
    rest = [rows.loss[~inside & window] for window in (~rows.current, rows.current)]
    if min(map(len, rest)) < LEAST_ROWS:
        return None
    rise, noise = rest[1].mean() - rest[0].mean(), np.sqrt(sum(r.var() / len(r) for r in rest))
    if rise > REST_STILL * best.change.estimate + 2 * noise or rise > 3 * noise:
        return None
    return text_of(columns, best), tuple(dict.fromkeys(columns[c].column for c, _ in best.conditions))


def _loss_of(case: Case, picked: Sequence[np.ndarray]) -> _Loss:
    taken = [side.outcomes.take(rows) for side, rows in zip(case.sides, picked, strict=True)]
    if not case.problem.classification:
        errors = np.concatenate([o.predictions.astype(float) - o.labels.astype(float) for o in taken])
        if case.metric.name in ("rmse", "r2"):
            return _Loss("mean squared error", 0.0, 1, False, errors**2)
        return _Loss("mae", case.floor(METRICS["mae"]), 1, False, np.abs(errors))
    if case.metric.rows in ("log_loss", "brier"):
        metric = METRICS[case.metric.name]
        values = np.concatenate([o.statistics(metric, len(case.problem.classes))[:, 1] for o in taken])
        return _Loss(metric.name, case.floor(metric), 1, metric.share, values)
    wrong = np.concatenate([o.labels.astype(np.int64) != o.predictions.astype(np.int64) for o in taken])
    return _Loss("accuracy", case.floor(METRICS["accuracy"]), -1, True, wrong.astype(float))


def _smoother(case: Case, picked: Sequence[np.ndarray]) -> list[Floats]:
    """The log loss, bounded: it sees a change earlier than the error does. Else the loss itself, which finds nothing new."""
    if not (case.problem.classification and case.problem.has_scores):
        return [_loss_of(case, picked).values]
    found = []
    for side, rows in zip(case.sides, picked, strict=True):
        taken = side.outcomes.take(rows)
        assert taken.scores is not None
        own = taken.scores[np.arange(len(rows)), taken.labels.astype(np.int64)]
        found.append(-np.log(np.clip(own, CLIP, 1.0)))
    return [np.concatenate(found)]


def labelled_rows_of(case: Case, picked: Sequence[np.ndarray]) -> LabelledRows:
    """Labelled rows of both windows with their days and halves, without a loss."""
    sizes = [len(rows) for rows in picked]
    days = [days_at(side, rows) for side, rows in zip(case.sides, picked, strict=True)]
    split = [
        halves(day, case.rng(f"halves {side.window.name}"), size)
        for side, day, size in zip(case.sides, days, sizes, strict=True)
    ]
    known = [day for day in days if day is not None]
    return LabelledRows(
        np.repeat([False, True], sizes),
        np.zeros(sum(sizes)),
        np.concatenate(known) if len(known) == 2 else None,
        np.concatenate(split),
    )


def coded_columns(case: Case, picked: Sequence[np.ndarray]) -> list[ConditionCodes]:
    """Every feature and context column that has groups."""
    samples = [side.sample[rows] for side, rows in zip(case.sides, picked, strict=True)]
    found = []
    for column in searched(case):
        coded = code(column, case.kind(column), samples[0][column], samples[1][column])
        if coded is not None:
            found.append(coded)
    return found


def searched(case: Case) -> list[str]:
    """Features, and the columns without any role beside them."""
    return [c for c in (*case.problem.features, *context_columns(case)) if case.kind(c) in KINDS]


def _stands_out(one: Slice, loss: _Loss, floor: float) -> bool:
    return one.p_value < ALPHA and one.excess.estimate >= floor and one.change.estimate >= max(loss.floor, 1e-12)


def _contribution(one: Slice) -> float:
    return one.share * one.change.estimate


def text_of(columns: Sequence[ConditionCodes], one: Slice) -> str:
    """The conditions of a slice as one expression."""
    return " and ".join(columns[c].texts[r] for c, r in one.conditions)


def _basis(case: Case, search: SegmentSearch) -> str:
    if search.counted:
        return "all labelled rows, as counts of every combination of columns"
    rows = search.rows
    if case.reference.complete and case.current.complete:
        return "all labelled rows; found on one half of them, tested on the other"
    n, m = int((~rows.current).sum()), int(rows.current.sum())
    return (
        f"sample of {say.number(n, 6)} reference and {say.number(m, 6)} current labelled rows; found on one half, tested on "
        "the other"
    )


def _findings(case: Case, search: SegmentSearch) -> list[Finding]:
    shown = search.slices[:SHOWN]
    return with_evidence([_finding(case, search, one) for one in shown], _table(search, shown)) if shown else []


def _bounds(loss: _Loss, one: Slice) -> tuple[float, float, float]:
    """Change of the shown metric with its interval."""
    change = one.change
    low, high = sorted((loss.sign * change.low, loss.sign * change.high))
    return loss.sign * change.estimate, low, high


def _finding(case: Case, search: SegmentSearch, one: Slice) -> Finding:
    loss, rows = search.loss, search.rows
    estimate, low, high = _bounds(loss, one)
    text = text_of(search.columns, one)
    before, after = (loss.shown(value) for value in one.loss)
    sampled = not (search.counted or (case.reference.complete and case.current.complete))
    return Finding(
        code=AutomaticSegments.code,
        subject=text,
        severity=Severity.WARN,
        summary=f"{text} ({say.percent(one.share)} of rows): {say.metric(loss.name)} {'fell' if estimate < 0 else 'rose'} by "
        f"{say.change(estimate, share=loss.share)} ({say.levels(before, after, share=loss.share)}), "
        f"{say.change(one.excess.estimate, share=loss.share)} more than in the other rows",
        estimate=Estimate(
            estimate=estimate,
            low=low,
            high=high,
            basis="sample" if sampled else "all",
            n=len(rows.loss) if sampled else None,
        ),
        unit="points" if loss.share else "",
        p_value=one.p_value,
        basis=_basis(case, search),
        numbers={
            "metric": loss.name,
            "reference": before,
            "current": after,
            "rows_reference": one.rows[0],
            "rows_current": one.rows[1],
            "share_of_rows": one.share,
            "beyond_the_rest": loss.sign * one.excess.estimate,
            "contribution": loss.sign * _contribution(one),
            **({} if search.counted else {"halves_that_found_it": one.confirmed}),
        },
    )


def _table(search: SegmentSearch, shown: Sequence[Slice]) -> Segments:
    loss, rows = search.loss, search.rows
    total = [loss.shown(float(rows.loss[w].mean())) for w in (~rows.current, rows.current)]
    made = []
    for one in shown:
        estimate, low, high = _bounds(loss, one)
        before, after = (loss.shown(value) for value in one.loss)
        made.append(
            SegmentRow(
                segment=text_of(search.columns, one),
                reference_rows=one.rows[0],
                current_rows=one.rows[1],
                reference=before,
                current=after,
                change=estimate,
                low=low,
                high=high,
                contribution=loss.sign * _contribution(one),
                flagged=True,
            )
        )
    return Segments(
        title=f"Segments whose {say.metric(loss.name)} changed more than the rest",
        reading=f"Overall {say.metric(loss.name)} {say.levels(total[0], total[1], share=loss.share)}; most of it in "
        f"{made[0].segment}.",
        metric=loss.name,
        share=loss.share,
        rows=tuple(made),
    )


def _nothing(case: Case, search: SegmentSearch, floor: float) -> Finding:
    loss = search.loss
    seen = max(detectable_excess(search.rows, TYPICAL, TESTS, ALPHA), floor)
    conditions = sum(len(column.ranges) for column in search.columns)
    return Finding(
        code=AutomaticSegments.code,
        subject="all segments",
        severity=Severity.OK,
        summary=f"none of {search.tried} changed beyond the rest; "
        f"in a segment of {say.percent(TYPICAL)} of the rows, {say.change(seen, share=loss.share)} would have been seen",
        unit="points" if loss.share else "",
        detectable=seen,
        basis=_basis(case, search),
        numbers={"metric": loss.name}
        | ({} if search.counted else {"conditions": conditions, "columns": len(search.columns)}),
    )
