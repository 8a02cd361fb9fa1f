"""Rows came several times: a join that fans out, a client that sends again what was not acknowledged, a batch loaded twice.

**Recognised** by counting: the same request id again, or, where no ids are logged, the same features, answer and time. The share
of rows that are copies must be two points beyond that of the reference, and three times as large: services retry, and a log
of coarse values repeats itself. In a log without times nothing is said where the reference repeats itself in more than one of
twenty rows. Columns that a fault is known of are no part of what must agree, as a stuck column makes rows alike.

Copies of any rows alike change no metric. Those of a segment weigh it more than it should, and the segment is named where a
column tells it: levels, hours, a run of days, or one cut of a number. Most of its rows came the same number of times: rows drawn
again by chance, as in a simulation, come in all numbers. Copies that no segment tells are only seen by their ids.

**Repair** counts each row once: a row that came *k* times weighs 1/*k*. The price is the metric as served less that, on the same
rows. The **injection** weighs the reference's rows of the segment as often as they now come. Where a window is larger than the
sample, copies are counted among all its rows, once those in the sample say that there are more.

**Not seen**: copies with another id and another time.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case, Side
from backslide.causes.faults.markers import Marker, describe
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.traffic.base import Mask, TrafficChange, as_current, effect_between, weighted_rows
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns import names
from backslide.stats.arrays import Floats
from backslide.stats.change.effect import Effect

BEYOND = 0.02
"""Share of rows that must be copies beyond the reference's."""
TIMES = 3.0
"""Times the reference's share."""
REPEATS = 0.05
"""Share of copies in the reference from which on the values alone do not tell a row from another."""
SAME_NUMBER = 0.5
"""Share of the requests sent again that came the same number of times; of Poisson numbers that are nearly all above one, 0.22."""
LEAST_IN_SAMPLE = 20
"""Copies within a sample of a larger window from which on all its rows are counted."""


def find_duplicated_rows(bench: PricingBench, leave_out: Iterable[str] = ()) -> list[TrafficChange]:
    """Rows that came more often than rows of the reference do, with their price; ``leave_out``: columns that have a fault."""
    case = bench.case
    key = _key(case, set(leave_out))
    if not key:
        return []
    by_id = key == [case.problem.roles.id]
    counts = [_counts(side, key) for side in case.sides]
    usual, share = (float(np.mean(1 - 1 / c)) for c in counts)
    # In a window of more rows each of them finds more others that are like it.
    usual *= max(1.0, case.current.window.rows / max(case.reference.window.rows, 1))
    if share < usual + BEYOND or share < TIMES * usual or (names.TIME not in key and not by_id and usual > REPEATS):
        return []
    copied = counts[1] > 1
    marker = describe(case, copied) or describe(case, copied, among=np.ones(len(copied), bool))
    if not by_id and (marker is None or not _alike(counts[1][copied])):
        return []
    where = "" if marker is None else f", nearly all of them where {marker.expression}"
    often = say.number(float(copied.sum() / np.sum(1 / counts[1][copied])), 2)
    what = "the same request id" if by_id else "the same features, answer and time"
    found = TrafficChange(
        kind=CauseKind.DUPLICATED_ROWS,
        seen=f"{say.percent(share)} of the rows are copies of another with {what} ({say.percent(usual)} in the reference): "
        f"{say.percent(float(copied.mean()))} of the rows came {often} times each{where}",
        undo="count each row once",
        rows=copied,
        share_of_rows=float(copied.mean()),
        rest=(np.ones(case.reference.sample.height, bool), _once_each(case, key, counts[1])),
        repair_effect=_repair(bench, counts[1]),
        injection_effect=None if marker is None else _injection(bench, marker, counts[1]),
        features=() if marker is None or marker.column not in case.pairs else (marker.column,),
        segment=None if marker is None else marker.expression,
    )
    return [found]


def _key(case: Case, leave_out: set[str]) -> list[str]:
    """The columns that tell a row from another: its id, or all that was logged of it; empty where that says too little, and of a
    table of counts, whose rows are equal because they were added up."""
    roles, schemas = case.problem.roles, [side.sample.columns for side in case.sides]
    if roles.weight is not None:
        return []
    if roles.id is not None and all(roles.id in columns for columns in schemas):
        return [roles.id]
    features = [f for f in case.pairs if f not in leave_out]
    answers = [c for c in schemas[0] if c == names.PREDICTION or c.startswith(names.score(""))]
    logged = [*features, *answers, names.TIME]
    return [c for c in logged if all(c in columns for columns in schemas)] if features else []


def _counts(side: Side, key: list[str]) -> Floats:
    """How often each sampled row stands in its window (n,)."""
    own = side.sample.select(_hash(key))
    within = own.select(pl.len().over("key")).to_series().to_numpy().astype(float)
    copies = float((1 - 1 / within).sum())
    if side.complete or copies < LEAST_IN_SAMPLE:
        return np.asarray(within)
    everywhere = side.window.frame.select(_hash(key)).join(own.unique().lazy(), on="key", how="semi")
    counted = everywhere.group_by("key").agg(pl.len().alias("rows")).collect(engine="streaming")
    return np.asarray(own.join(counted, on="key", how="left", maintain_order="left")["rows"].to_numpy().astype(float))


def _alike(counts: Floats) -> bool:
    """Whether most of the requests that came again (k rows) did so the same number of times."""
    requests = np.bincount(np.rint(counts).astype(np.int64), 1 / counts)
    return bool(requests.max() >= SAME_NUMBER * requests.sum())


def _hash(key: list[str]) -> pl.Expr:
    return pl.struct(key).hash().alias("key")


def _once_each(case: Case, key: list[str], counts: Floats) -> Mask:
    """One of the current rows of each key (n_cur,); of a sample of a larger window, as many as weigh the same."""
    if case.current.complete:
        first = case.current.sample.select(_hash(key)).to_series().is_first_distinct()
        return np.asarray(first.to_numpy())
    return np.asarray(case.rng("copies").random(len(counts)) < 1 / counts)


def _repair(bench: PricingBench, counts: Floats) -> Effect | None:
    """What counting each row once does to the metric, on the same rows."""
    if not bench.current_labels:
        return None
    side = bench.case.current
    served, once_each = (weighted_rows(bench, side, w) for w in (np.ones(len(counts)), 1 / counts))
    return effect_between(bench, served, once_each)


def _injection(bench: PricingBench, marker: Marker, counts: Floats) -> Effect | None:
    """What it does to the metric of the reference that its rows of the segment count as often as the current ones came."""
    if not bench.reference_labels or not marker.reference.any():
        return None
    side = bench.case.reference
    often = float(marker.current.sum() / np.sum(1 / counts[marker.current]))
    weights = np.where(marker.reference, often, 1.0)
    once_each, again = (weighted_rows(bench, side, w) for w in (np.ones(len(weights)), weights))
    return as_current(bench, effect_between(bench, once_each, again))
