"""Columns were exchanged: two of them, or several in a ring, as when a column was added to a file that is read by position.

**Recognised** when each of the two columns is now distributed as the other was: both crossed distances are under half of both
own distances (KS for numbers, total variation for categories); or when two columns whose ranges, or values, have nothing in
common have each other's, or one is distributed as the other was and that one lies where the first was and hardly did before, or
now holds the one value that the first held most; or when two columns of like ranges go with the others as the other one did: in
each other's place their correlations are what they were. Of three columns and more each must be distributed as the next one
was, at half of its own distance: the assignment of columns to columns that costs least (Kuhn 1955) falls into rings.

**Repair** puts them back; **injection** exchanges them in the reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import polars as pl
from scipy.optimize import linear_sum_assignment

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.association import dependence, distance, distance_between, noise
from backslide.causes.columns.remainder import is_explained
from backslide.causes.faults.base import Hypothesis, Signature, evidence_of, scenario_with
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats

MIN_OWN = 0.1
"""Distance of each column from its own past."""
EXACT = 0.25
"""Crossed distance over own distance below which the exchange is named without a price."""
NEAR = 0.5
"""The same below which it is worth a price."""
FAR = 0.3
"""Distance from which on no drift takes three columns each to where the next one stood."""
NEARER = 0.8
"""The same where the very values of both columns changed places: their shares may have moved for reasons of their own."""
MIN_LEVELS = 4
"""Values of categorical columns from which their shares are told apart from mere drift."""
INSIDE, BEYOND = 0.9, 0.5
"""Share of the values of one column that must lie where the other's were, give or take a share of that range, where the two
ranges have nothing in common."""
HARDLY = 0.4
"""Share of a column of wider range that may have lain there before."""
ATOM, NO_ATOM = 0.2, 0.01
"""Share of the rows with one value from which it tells the column, and up to which another does not have it."""
TIES_CHANGED, TIES_LEFT = 0.15, 0.2
"""Sum of the squared changes of a column's correlations from which its ties are others, and the share of it that may be left once
two columns are taken for each other."""
TIES_BESIDE = 0.02
"""And the least that must have changed beside the column that tells most: one tie alone may be that column's own."""
RARE = 3
"""Rows under which a value says nothing."""
MOST_IN_RINGS = 40
"""Columns that moved the most, which are asked for rings."""


class SwappedColumns(Signature):
    kind = CauseKind.SWAPPED_COLUMNS
    title = "Exchanged columns"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """Pairs of columns, the clearest first, and rings of more before pairs that are less clear; a column takes part in one
        exchange only."""
        pairs = sorted(_exchanges(case), key=lambda item: item[2])
        taken = {name for i, j, ratio in pairs if ratio < EXACT for name in (i, j)}
        found: list[tuple[tuple[str, ...], bool]] = [((i, j), ratio < EXACT) for i, j, ratio in pairs]
        rings = list(_rings(case, taken))
        by_ties = _exchange_ties(case, taken | {name for ring, clear in rings if clear for name in ring})
        # Without labels nothing tells an exchange from a world that turned, nor which of two that explain each other it was.
        sure = case.has_labels and len(by_ties) == 1
        found += [*rings, *((two, sure) for two in by_ties)]
        told = {(i, j) for i, j, _ in pairs}
        taken = set()
        for ring, exact in sorted(found, key=lambda item: not item[1] and len(item[0]) == 2):
            if not taken & set(ring):
                taken |= set(ring)
                yield self._exchanged(case, ring, exact, by_ties=ring in by_ties and ring not in told)

    def _exchanged(self, case: Case, ring: tuple[str, ...], exact: bool, *, by_ties: bool) -> Hypothesis:
        how = "goes with the other columns as the other one did" if by_ties else "holds what the other one held"
        seen = f"{say.listed(ring)} were exchanged: each {how}"
        if len(ring) > 2:
            seen = (
                f"{say.listed(ring)} changed places: each is distributed as the next one was, and the last as the first"
            )
        return Hypothesis(
            signature=self,
            features=ring,
            seen=seen,
            undo=f"exchange {say.listed(ring)} back"
            if len(ring) == 2
            else f"put {say.listed(ring)} back in their places",
            evidence=tuple(evidence_of(case.pairs[name]) for name in ring),
            exact=exact,
            reversible=True,
            rows=np.ones(case.current.sample.height, bool),
        )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Give each column the values that stand in the one before it, and the first those of the last."""
        ring = hypothesis.features
        return frame.with_columns(frame[ring[k - 1]].alias(name) for k, name in enumerate(ring))

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Give each column the values of the next one."""
        ring = hypothesis.features
        return frame.with_columns(frame[ring[(k + 1) % len(ring)]].alias(name) for k, name in enumerate(ring))

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Income and age change places."""
        return scenario_with(
            lambda frame: frame.with_columns(income=pl.col("age").cast(pl.Float64), age=pl.col("income")), rng
        )


def _exchanges(case: Case) -> Iterable[tuple[str, str, float]]:
    """Two columns and how near each is to the other's past, of its own distance (0 to 0.5)."""
    for moved in _moved(case):
        for (p, own_p), (q, own_q) in combinations(moved, 2):
            ratio = max(distance_between(p, q), distance_between(q, p)) / min(own_p, own_q)
            by_values = (ratio < NEARER and _exchange_values(p, q)) or _exchange_ranges(p, q)
            own = min(own_p, own_q)
            if by_values or any(
                _exchange_in_season(*two, own) or _exchange_atom(*two, own) for two in ((p, q), (q, p))
            ):
                yield p.name, q.name, min(ratio, EXACT) / 2
            elif ratio < NEAR:
                # Two yes-or-no columns differ in one number each: that they trade it is no proof.
                yield p.name, q.name, ratio if _telling(p) and _telling(q) else max(ratio, EXACT)


def _exchange_ties(case: Case, known: set[str]) -> list[tuple[str, str]]:
    """Two columns of numbers whose rank correlations with the others changed, and are what they were once the two are taken for
    each other, also without the column that tells most; columns of ``known`` exchanges are neither asked nor witnesses."""
    ties = dependence(case)
    own = {name: int(ties.vectors(name)[0]) for name in ties.names if case.pairs[name].numeric and name not in known}
    witness = ~np.isin(ties.owner, [ties.names.index(name) for name in known if name in ties.names])
    change = ((ties.reference - ties.current) ** 2)[:, witness].sum(axis=1)
    found: list[tuple[float, tuple[str, str]]] = []
    for p, q in combinations([name for name, i in own.items() if change[i] >= TIES_CHANGED], 2):
        i, j = own[p], own[q]
        rest = witness.copy()
        rest[[i, j]] = False
        before, now = ties.reference[[i, j]][:, rest], ties.current[[i, j]][:, rest]
        apart = [((before - side) ** 2).sum(axis=0) for side in (now, now[::-1])]
        strongest = ties.owner[rest] == ties.owner[rest][apart[0].argmax()] if rest.any() else rest[rest]
        as_they_stand, crossed = (float(side.sum()) for side in apart)
        without = [float(side[~strongest].sum()) for side in apart]
        if as_they_stand < 2 * TIES_CHANGED or crossed > TIES_LEFT * as_they_stand:
            continue
        if without[0] < TIES_BESIDE or without[1] > NEAR * without[0]:
            continue
        spans = [(float(case.pairs[name].finite[0][0]), float(case.pairs[name].finite[0][-1])) for name in (q, p)]
        if all(_inside(case.pairs[name].finite[1], span) >= INSIDE for name, span in zip((p, q), spans, strict=True)):
            found.append((crossed / as_they_stand, (p, q)))
    return [two for _, two in sorted(found)]


def _exchange_ranges(p: Pair, q: Pair) -> bool:
    """Whether two columns that have no range in common, or of categories no value, now have that of the other: no drift takes
    both there."""
    if not (p.numeric and q.numeric):
        return p.categorical and q.categorical and _exchange_levels(p, q)
    spans = [(float(one.finite[0][0]), float(one.finite[0][-1])) for one in (p, q)]
    if spans[0][0] <= spans[1][1] and spans[1][0] <= spans[0][1]:
        return False
    own, crossed = (
        [_inside(one.finite[1], span) for one, span in zip(pairs, spans, strict=True)] for pairs in ((p, q), (q, p))
    )
    return min(crossed) >= INSIDE and max(own) <= 1 - INSIDE


def _exchange_levels(p: Pair, q: Pair) -> bool:
    known = [{k for k, n in one.levels[0].items() if n >= RARE} for one in (p, q)]
    if known[0] & known[1] or not (known[0] and known[1]):
        return False

    def share(of: Pair, among: set[str]) -> float:
        now = of.levels[1]
        return sum(n for k, n in now.items() if k in among) / max(sum(now.values()), 1)

    return min(share(p, known[1]), share(q, known[0])) >= INSIDE


def _exchange_atom(p: Pair, q: Pair, own: float) -> bool:
    """Whether ``q`` is distributed as ``p`` was, and ``p`` now holds the one value that ``q`` held on many rows and lost: a value
    put in place of others would not take from ``q`` what it brings to ``p``."""
    if not (p.numeric and q.numeric) or own < FAR or distance_between(p, q) > EXACT * own:
        return False
    values, counts = np.unique(q.finite[0], return_counts=True)
    atom = values[counts.argmax()]
    (p_ref, p_cur), (q_ref, q_cur) = ([float((side == atom).mean()) for side in one.finite] for one in (p, q))
    return min(q_ref, p_cur) >= ATOM and max(p_ref, q_cur) <= NO_ATOM


def _exchange_in_season(p: Pair, q: Pair, own: float) -> bool:
    """Whether ``q`` is distributed as ``p`` was, and ``p``, of a wider range, lies where ``q`` was and hardly did before: what
    the season did to the values of ``q`` need not be nothing."""
    if not (p.numeric and q.numeric) or distance_between(p, q) > EXACT * own:
        return False
    span = (float(q.finite[0][0]), float(q.finite[0][-1]))
    return _inside(p.finite[1], span) >= INSIDE and _inside(p.finite[0], span) <= HARDLY and own >= FAR


def _inside(values: Floats, span: tuple[float, float]) -> float:
    """Share of the values that lie within a range, give or take."""
    low, high = span
    room = BEYOND * (high - low)
    return float(((values >= low - room) & (values <= high + room)).mean())


def _moved(case: Case) -> Iterable[list[tuple[Pair, float]]]:
    """The columns of numbers, and those of categories, that moved, with their distances."""
    numeric = [p for p in case.pairs.values() if p.numeric and min(map(len, p.finite)) >= edit.MIN_ROWS]
    categorical = [p for p in case.pairs.values() if p.categorical and not p.identifier and all(p.levels)]
    for pairs in (numeric, categorical):
        yield [(pair, own) for pair in pairs if (own := distance(pair)) >= MIN_OWN]


def _rings(case: Case, taken: set[str]) -> Iterable[tuple[tuple[str, ...], bool]]:
    """Three columns and more outside ``taken`` of which each now holds what the next one held, and whether that is clear."""
    for every in _moved(case):
        moved = [(pair, own) for pair, own in every if pair.name not in taken and _telling(pair)]
        moved = sorted(moved, key=lambda item: -item[1])[:MOST_IN_RINGS]
        if len(moved) < 3:
            continue
        # How far the current values of each column are from the reference of every column.
        crossed = np.array([[distance_between(q, p) for q, _ in moved] for p, _ in moved])
        near = crossed < NEAR * np.minimum.outer(*[np.array([own for _, own in moved])] * 2)
        following: list[int] = linear_sum_assignment(np.where(near, crossed, 1.0))[1].tolist()
        left = set(following)
        while left:
            ring = [min(left)]
            while (k := following[ring[-1]]) != ring[0]:
                ring.append(k)
            left -= set(ring)
            if len(ring) > 2 and all(near[k, following[k]] for k in ring):
                steps = [(moved[following[k]], moved[k]) for k in ring]
                clear = all(
                    min(own_q, own_p) >= FAR or _was_there(q, p, min(own_q, own_p)) for (q, own_q), (p, own_p) in steps
                )
                yield tuple(moved[k][0].name for k in ring), clear


def _was_there(before: Pair, now: Pair, own: float) -> bool:
    """Whether the current values of a column are those that another had, up to noise and what that one moves by itself."""
    left = distance_between(before, now)
    return left < EXACT * own or is_explained(left, own, noise(before), 0.0, before.usual_drift)


def _telling(pair: Pair) -> bool:
    """Whether the column has enough values for its distribution to say which column it is."""
    return not pair.discrete or len(set(pair.levels[0]) | set(pair.levels[1])) >= MIN_LEVELS


def _exchange_values(p: Pair, q: Pair) -> bool:
    """Whether each of two columns of few values now has the very values of the other, and they were not the same."""
    if not (p.discrete and q.discrete):
        return False
    (p_ref, p_cur), (q_ref, q_cur) = (
        ({k for k, n in side.items() if n >= RARE} for side in p.levels),
        ({k for k, n in side.items() if n >= RARE} for side in q.levels),
    )
    return p_ref != q_ref and p_cur == q_ref and q_cur == p_ref
