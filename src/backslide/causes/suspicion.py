"""What is most worth a look where the rows do not decide: suspects, each with what would settle it.

First the faults that were recognised and whose price tells of harm, though not surely; then the columns that moved most for what
the model makes of them (distance of the distributions times how far answers move when the column is shuffled), priced by giving
each its former distribution back, rank by rank. A person would look there first: on incidents in consecutive periods that rule
finds the broken column first in two of three cases. A suspect is never a cause and makes no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from backslide.causes.faults.base import Fault, Hypothesis, evidence_of
from backslide.causes.faults.column_signature import Replacement
from backslide.causes.pricing import materiality
from backslide.causes.pricing.counterfactual import PricingBench, distance, price
from backslide.causes.pricing.materiality import Scale
from backslide.contracts import say
from backslide.contracts.cause import CauseKind, LabelRequest
from backslide.contracts.finding import Estimate
from backslide.engine.columns.pair import Pair
from backslide.playbook.clock import time_columns
from backslide.playbook.concept.screen import left_by_screen
from backslide.playbook.drift.tabular.feature_reliance import answers_to_copies
from backslide.stats.arrays import Floats
from backslide.stats.change.effect import Effect

MOST = 3
MOST_SHUFFLED = 12
"""Columns, those that moved most, of which it is asked how much the model leans on them."""
MOST_PRICED = 6
SHUFFLED_ROWS = 2_000
MANY_COLUMNS, ROWS_OF_MANY = 200, 500
"""Of a model of so many columns each row is dear: fewer are asked about."""
LEAST_DISTANCE = 0.05
"""Distance of the distributions (Kolmogorov-Smirnov, total variation) under which a column did not move."""
LEAST_HARM = 0.1
"""Share of the smallest effect that matters under which a price is no reason to look."""
MOST_LEVELS = 60
"""Categories from which on shares say little."""
MOST_TIMES = 20.0
"""Times the labelled rows beyond which nobody labels them for an answer."""
Z95 = 1.96


@dataclass(frozen=True)
class Suspicion:
    """A fault, or a column that moved, that is not proven enough to be a cause."""

    fault: Fault
    settle: str
    """What would decide it, as a sentence."""
    label_request: LabelRequest | None = None
    """Where labels of some of its rows would."""


def find_suspects(
    bench: PricingBench, tried: Sequence[Fault], named: Sequence[Fault], scale: Scale
) -> tuple[Suspicion, ...]:
    """At most three, the most harmful of each sort first: ``tried`` faults that do not stand, then columns that moved; none of a
    column that a ``named`` fault has already."""
    taken = {feature for fault in named for feature in fault.features}
    found: list[Fault] = []
    may_harm = [fault for fault in tried if _may_harm(fault, scale) or is_doubtful(fault, scale)]
    for fault in sorted(may_harm, key=lambda f: -_harm(f, scale)):
        if not taken & set(fault.features):
            found.append(fault)
            taken |= set(fault.features)
    if len(found) < MOST and bench.model is not None:
        moved = _moved_columns(bench, frozenset(taken))
        found += [fault for fault in moved if _may_harm(fault, scale)]
    return tuple(_suspicion(bench, fault) for fault in found[:MOST])


def _harm(fault: Fault, scale: Scale) -> float:
    return 0.0 if fault.points is None else scale.harm(fault.points)


def is_doubtful(fault: Fault, scale: Scale) -> bool:
    """Whether a fault that is there for certain may do harm that counts: it is not known to cost nothing. Of what growth brings
    as well the best estimate must say so, of others an end of the price is enough, or that nothing priced it."""
    if not fault.exact or fault.log_only:
        return False
    if fault.points is None:
        return materiality.is_common(fault)
    by_growth = fault.kind in materiality.BY_THE_WORLD
    price = (fault.points.value,) if by_growth else fault.points.bounds
    return max(map(scale.target.harm, price)) >= scale.min_effect


def _may_harm(fault: Fault, scale: Scale) -> bool:
    """Whether the best estimate of the price tells of harm worth a look, or nothing prices it."""
    if fault.log_only:
        return False
    return fault.points is None or _harm(fault, scale) >= LEAST_HARM * scale.min_effect


def _moved_columns(bench: PricingBench, taken: frozenset[str]) -> list[Fault]:
    """The columns that moved most for what the model makes of them, with the price of giving them their distribution back."""
    case = bench.case
    out = taken | time_columns(case) | frozenset(left_by_screen(case))
    moved = {name: _distance(pair) for name, pair in case.pairs.items() if name not in out}
    asked = sorted((name for name, d in moved.items() if d >= LEAST_DISTANCE), key=lambda name: -moved[name])
    rng = np.random.default_rng(case.settings.engine.seed)
    sample = case.reference.sample
    most = ROWS_OF_MANY if len(case.pairs) > MANY_COLUMNS else SHUFFLED_ROWS
    rows = sample[np.sort(rng.permutation(sample.height)[:most])]
    answers, every = bench.answer(rows), np.ones(rows.height, bool)
    assert bench.model is not None
    seed, some = case.settings.engine.seed, asked[:MOST_SHUFFLED]
    others = answers_to_copies(case, bench.model, (rows.with_columns(rows[name].shuffle(seed)) for name in some))
    weight = {name: moved[name] * distance(one, answers, every) for name, one in zip(some, others, strict=True)}
    first = sorted((name for name, w in weight.items() if w > 0), key=lambda name: -weight[name])[:MOST_PRICED]
    faults = [_moved(case.pairs[name]) for name in first]
    return [price(bench, fault) if fault.hypotheses[0].undo else fault for fault in faults]


def _distance(pair: Pair) -> float:
    """How far the distribution moved: 0 to 1; 0 where neither numbers nor few categories say so."""
    if pair.numeric:
        return pair.moved
    before, now = pair.levels
    if not pair.categorical or not before or not now or len(before.keys() | now.keys()) > MOST_LEVELS:
        return 0.0
    totals = sum(before.values()), sum(now.values())
    apart = (abs(before.get(v, 0) / totals[0] - now.get(v, 0) / totals[1]) for v in before.keys() | now.keys())
    return sum(apart) / 2


def _moved(pair: Pair) -> Fault:
    """A column that moved, as a fault whose repair maps it back."""
    rows = np.ones(len(pair.current), bool)
    values: Floats = np.full(len(pair.current), np.nan)
    if pair.numeric:
        former, now = pair.finite[0], pair.numbers[1]
        rows = np.isfinite(now)
        place = (stats.rankdata(now[rows]) - 0.5) / max(int(rows.sum()), 1)  # equal values stay equal
        values[rows] = np.quantile(former, place, method="nearest")
        medians = (say.number(float(np.median(values))) for values in (former, now[rows]))
        seen = f"{pair.name} moved from a median of {' to '.join(medians)}"
        undo = f"give {pair.name} the distribution that it had"
    else:
        # Shares of categories cannot be given back value by value: there is no repair, and so no price.
        seen, undo = _other_shares(pair), ""
    hypothesis = Hypothesis(
        signature=Replacement(CauseKind.COVARIATE_SHIFT),
        features=(pair.name,),
        seen=f"{seen}, and the model leans on it",
        undo=undo,
        evidence=(evidence_of(pair),),
        exact=False,
        reversible=False,
        rows=rows,
        params={"values": values},
    )
    return Fault((hypothesis,))


def _other_shares(pair: Pair) -> str:
    """``channel is 'web' in 40% of the rows, 25% before``, of the category whose share moved most."""
    shares = [{v: n / sum(side.values()) for v, n in side.items()} for side in pair.levels]
    level = max(shares[0].keys() | shares[1].keys(), key=lambda v: (abs(_rise(v, shares)), v))
    before, now = (say.percent(side.get(level, 0.0)) for side in shares)
    return f"{pair.name} is {level!r} in {now} of the rows, {before} before"


def _rise(level: str, shares: Sequence[Mapping[str, float]]) -> float:
    return shares[1].get(level, 0.0) - shares[0].get(level, 0.0)


def _suspicion(bench: PricingBench, fault: Fault) -> Suspicion:
    """With what would decide whether this is the cause."""
    columns = say.listed(fault.features)
    source = f"Compare some current values of {columns} with their source" if columns else "Look at the rows concerned"
    if not bench.current_labels:
        return Suspicion(fault, f"{source}; labels of the current window would price it.")
    effect = fault.repair_effect if fault.repair_effect is not None else fault.injection_effect
    more = _times_the_rows(effect)
    if more is None or more > MOST_TIMES:
        return Suspicion(fault, f"{source}; more labels alone would hardly decide it.")
    request = label_request_for(bench, fault, more)
    if request is not None:
        rows, of_rows = say.number(request.rows, 6), say.counted(request.of_rows, "row")
        return Suspicion(
            fault, f"{source}, or label {rows} of the {of_rows} it concerns that wait for a label.", request
        )
    needed = int(np.ceil(more * len(bench.rows(bench.case.current)) / 100) * 100)
    return Suspicion(fault, f"{source}, or label about {say.number(needed, 6)} current rows in all.")


def label_request_for(bench: PricingBench, fault: Fault, more: float) -> LabelRequest | None:
    """Labels of rows that the fault concerns: on the others repair changes nothing, so their labels say nothing of its price."""
    side, points = bench.case.current, fault.points
    labelled = side.outcomes.known()
    concerned = fault.rows & ~labelled
    if fault.repair_effect is None or points is None or not concerned.any():
        return None
    rows = int(np.ceil((more - 1) * int((fault.rows & labelled).sum())))
    if not 0 < rows <= concerned.sum():
        return None
    half = Z95 * abs(points.value / points.z) / float(np.sqrt(more))
    return LabelRequest(
        rows=rows,
        of_rows=int(concerned.sum()),
        uniform_rows=int(np.ceil(rows * (~labelled).sum() / concerned.sum())),
        interval_then=Estimate(estimate=points.value, low=points.value - half, high=points.value + half),
    )


def _times_the_rows(effect: Effect | None) -> float | None:
    """Times the labelled rows from which the price, were it the true one, would be sure."""
    if effect is None or not np.isfinite(effect.z) or effect.z == 0:
        return None
    return float(max(1.0, (materiality.GAIN_Z / effect.z) ** 2))
