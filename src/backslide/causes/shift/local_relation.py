"""Where the relation between inputs and outcome changed: the one segment whose errors rose beyond what its inputs foretell.

Rows of the other segments of the same days are the control, so what all rows of a bad week share falls out, and a relation that
turned in one category or above one limit shows although the days differ, and although other inputs moved beyond the reference.

The loss of each row less the loss that the reference leads to expect of its inputs is searched for segments
(``stats/drift/slice_search``): found on one half of the days, tested on the other. Named at one-sided 0.25 % over all that were
tested, when its rows lost as much where its columns fit the others (``causes/faults/misfits``), as they do not where a column
broke, and at least half of `min_effect` is the segment's own; suspected only where it went the same way within the reference
already. Of several the surest is named. The price takes the segment's rows to what their inputs foretell and what the other rows
show besides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.faults.misfits import misfits
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.engine.columns.conditions import ConditionCodes
from backslide.playbook.clock import beyond_the_reference
from backslide.playbook.concept.decomposition import Populations
from backslide.playbook.verify.slices import coded_columns, labelled_rows_of, text_of
from backslide.stats.arrays import Floats
from backslide.stats.change.effect import Effect
from backslide.stats.change.metric_change import VERDICT_ALPHA
from backslide.stats.drift.slice_search import PAIRED, LabelledRows, Slice, changes_of, find_slices, inside_of
from backslide.stats.metrics.metric import Metric

ALPHA = VERDICT_ALPHA / 2
"""Error rate of all segments tested: one alone may carry a verdict, beside the headline's own rate."""
LEAST = 0.5
"""Share of ``min_effect`` that the segment must cost."""
MOST = 0.7
"""Share of the largest price from which on the surest segment is preferred: a wider one holds what else moved."""
LEAST_Z = 4.0
"""Standard errors of the price by row of the segment."""
KEEP = 3
"""Segments that go to the test from each half."""
LEAST_DAYS = 8
"""Current days from which on their later half is searched by itself."""
AHEAD = 2.0
"""The middles of two windows lie twice as far apart as those of two halves of one."""
MOST_USUAL = 0.5
"""Share of what a segment moved that such drift may be before it is only suspected."""
WHERE_FIT = 0.8
"""Share of the segment's loss by row that rows on which its columns fit the others must have lost, too."""
LEAST_FORETOLD = 0.1
"""Share of the usual loss below which no loss is foretold."""
LEAST_ROWS = 240
"""Labelled rows of each window: two halves with room for a segment and its rest."""


@dataclass(frozen=True)
class LocalDrift:
    """A segment whose relation to the outcome changed."""

    segment: str
    columns: tuple[str, ...]
    effect: Effect
    """Its part of the change of the target metric."""
    usual: bool = False
    """Whether the segment moved against the others by as much within the reference already: the world goes on as it did."""


def find_local_drift(bench: PricingBench, p: Populations, lost: NDArray[np.bool_]) -> LocalDrift | None:
    """The segment that explains most; None where no segment stands out from the rows of the same days.

    Current rows on which values are ``lost`` (n_cur,) say nothing about the relation and take no part.
    """
    case = bench.case
    if min(len(p.s_g), len(p.s_b)) < LEAST_ROWS or not p.x_g.shape[1]:
        return None  # few rows, or no column that foretells a loss, as where a text is all that is given
    loss = _excess_loss(p, p.expectations, bench.target, p.classes) if p.expectations[0].any() else None
    if loss is None:
        return None  # with very many classes nothing is foretold
    picked, beyond = [bench.rows(side) for side in case.sides], beyond_the_reference(case)
    rows = labelled_rows_of(case, picked)
    rows = LabelledRows(rows.current, loss, rows.days, rows.half)
    columns = [column for column in coded_columns(case, picked) if column.column not in beyond]
    sound = np.concatenate([np.ones(len(picked[0]), bool), ~lost[picked[1]]])
    parts = [part for whole in _parts(rows) if (rows.current & (part := whole & sound)).sum() >= LEAST_ROWS]
    found = [(one, part) for part in parts for one in _search(columns, rows, part, len(parts))]
    harm = bench.target.harm
    priced = []
    for one, part in sorted(found, key=lambda item: -item[0].score):
        inside = inside_of(columns, one.conditions) & part
        effect = _price(bench, p, inside[rows.current], np.ones(len(p.s_b), bool))
        # Days on which it had not begun, or that hold few of its rows, are no noise of what each of these rows lost.
        since = effect if part.all() else _price(bench, p, inside[rows.current], part[rows.current])
        z = max(abs(effect.z), _z_by_row(bench, since, inside[rows.current], part[rows.current]))
        if harm(effect.value) < LEAST * case.problem.min_effect or z < LEAST_Z:
            continue
        named = tuple(dict.fromkeys(columns[c].column for c, _ in one.conditions))
        if _fits(case, named, rows.loss[inside & rows.current], picked[1][inside[rows.current]]):
            priced.append((z, LocalDrift(text_of(columns, one), named, effect, _goes_on(rows, inside))))
    return _surest(priced, harm)


def _surest(priced: Sequence[tuple[float, LocalDrift]], harm: Callable[[float], float]) -> LocalDrift | None:
    """The surest of the segments, each behind its standard errors, that cost much; without a condition that takes nothing of the
    price away."""
    most = max((harm(one.effect.value) for _, one in priced), default=0.0)
    much = sorted((item for item in priced if harm(item[1].effect.value) >= MOST * most), key=lambda item: -item[0])
    first = next((one for _, one in much), None)
    wider = (one for _, one in much if first and set(one.segment.split(" and ")) < set(first.segment.split(" and ")))
    return next((one for one in wider if first and harm(one.effect.value) >= harm(first.effect.value)), first)


def _z_by_row(bench: PricingBench, effect: Effect, inside: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    """Standard errors of a price on rows ``among`` (n_b,), had each draw of the days held as many rows of those ``inside``."""
    counts = bench.draw(bench.case.current).sums(np.column_stack([inside, among]).astype(float))
    by_row = effect.replicates * (inside.sum() / among.sum()) * counts[:, 1] / np.maximum(counts[:, 0], 1.0)
    return abs(effect.value) / max(float(np.std(by_row, ddof=1)), 1e-12)


def _fits(case: Case, columns: Sequence[str], loss: Floats, at: NDArray[np.int64]) -> bool:
    """Whether the segment's columns fit the others, or its rows (``loss`` of each, ``at`` their places in the current sample)
    lost as much where they do: what a column that broke cost, rows with values that may be right did not lose."""
    unfit = misfits(case, columns=[c for c in columns if c in case.pairs])
    fitting = ~np.logical_or.reduce([np.zeros(len(at), bool), *(one.current[at] for one in unfit)])
    return not unfit or _mean(loss[fitting]) >= WHERE_FIT * _mean(loss)


def _parts(rows: LabelledRows) -> list[NDArray[np.bool_]]:
    """Rows to search (n,): all of them, and the reference with the later half of the current days, where there are enough. What
    began in the middle shows twice as much there, and days with and without it no longer look like chance."""
    parts = [np.ones(len(rows.loss), bool)]
    if rows.days is None or len(np.unique(rows.days[rows.current])) < LEAST_DAYS:
        return parts
    late = ~rows.current | (rows.days >= np.median(np.unique(rows.days[rows.current])))
    return [*parts, late] if (late & rows.current).sum() >= LEAST_ROWS else parts


def _search(columns: Sequence[ConditionCodes], rows: LabelledRows, part: NDArray[np.bool_], parts: int) -> list[Slice]:
    """Segments of one part of the rows that stand out."""
    days = None if rows.days is None else rows.days[part]
    chosen = LabelledRows(rows.current[part], rows.loss[part], days, rows.half[part])
    coded = [replace(column, codes=column.codes[part]) for column in columns]
    found = find_slices(coded, chosen, [chosen.loss], (KEEP,))
    return [one for one in found if _stands_out(one, coded, chosen, ALPHA / parts)]


def _stands_out(one: Slice, columns: Sequence[ConditionCodes], rows: LabelledRows, alpha: float) -> bool:
    """Whether either test sees it, each at half of the rate: on the half that did not choose it, which knows of no search, or on
    all rows, where every condition counts as tested (Bonferroni)."""
    tested = changes_of(rows, inside_of(columns, one.conditions), np.ones(len(rows.loss), bool))
    searched = sum(len(column.ranges) for column in columns) + PAIRED * (PAIRED - 1) // 2
    whole = 1.0 if tested is None else searched * tested[1].p_worse
    return 2 * min(one.p_value, whole) < alpha


def _goes_on(rows: LabelledRows, inside: NDArray[np.bool_]) -> bool:
    """Whether the drift between the earlier and the later half of the reference, carried on to the current window, is most of
    what the segment moved against the others."""
    if rows.days is None:
        return False
    before = ~rows.current
    late = before & (rows.days > np.median(rows.days[before]))

    def lead(part: NDArray[np.bool_]) -> float:
        return _mean(rows.loss[part & inside]) - _mean(rows.loss[part & ~inside])

    within = lead(late) - lead(before & ~late)
    return AHEAD * within >= MOST_USUAL * (lead(rows.current) - lead(before))


def _mean(losses: Floats) -> float:
    return float(losses.mean()) if len(losses) else float("nan")


def _excess_loss(p: Populations, expected: tuple[Floats, Floats], target: Metric, classes: int) -> Floats | None:
    """Loss of each labelled row less what is foretold, reference first (n_ref + n_cur,); None for metrics that are no means.

    Wrong answers; or errors in units of what is foretold, because where they are large by nature they also grow most.
    """
    both = list(zip((p.s_g, p.s_b), expected, strict=True))
    if target.rows == "counts":
        hits = slice(2 * classes, None)
        return np.concatenate([(m - s)[:, hits].sum(1) for s, m in both])
    if p.s_g.shape[1] == 2 and not target.higher_is_better:
        loss, foretold = (np.concatenate(parts)[:, 1] for parts in zip(*both, strict=True))
        return np.asarray((loss - foretold) / np.maximum(foretold, LEAST_FORETOLD * np.median(foretold)))
    return None


def _price(bench: PricingBench, p: Populations, inside: NDArray[np.bool_], among: NDArray[np.bool_]) -> Effect:
    """The metric of the labelled current rows ``among`` (n_b,), less what it would be if those ``inside`` (n_b,) fared as
    foretold and as the others did besides.

    What the others lost besides was lost by all and is no part of it; what they gained besides the rows inside never had, and
    missing it is no loss: the cheaper of the two counts.
    """
    expected, others = p.expectations[1], among & ~inside
    now, foretold = p.s_b[others].mean(0), expected[others].mean(0)
    if bench.target.rows == "counts":
        besides = expected + (now - foretold)
    else:
        besides = expected * np.where(foretold > 0, now / np.where(foretold > 0, foretold, 1.0), 1.0)
    draw, value = bench.draw(bench.case.current), bench.target.value
    rows = [np.where(inside[:, None], otherwise, p.s_b) * among[:, None] for otherwise in (p.s_b, besides, expected)]
    served, *undone = (Effect(float(value(s.sum(0))), value(draw.sums(s))) for s in rows)
    return min((served - without for without in undone), key=lambda effect: bench.target.harm(effect.value))
