"""Values are attached to the wrong rows: a join went wrong.

**Recognised** when columns are distributed as before and no longer hang together with the others: every correlation that was
strong is gone, while the other columns keep theirs among each other. Columns that lost their ties to all the rest and kept
them among themselves came from one joined table, and are one cause. A shift by some rows is a broken join too. With labels, one
column that nothing else tells of, or the labels themselves, are seen to stand some places away from their rows: answers agree
with the labels of those rows and no longer with their own (on all rows, on marked ones, or from a day on).
Up to three columns that tell nothing of the outcome any more, or one that misleads, while the others tell what they told, are
suspected of holding values of other rows, too.

**Which end?** Where columns fall into two groups, the smaller one is the one that was misplaced. Columns that tell the time stand
in their own rows, and with them those that kept their ties to them. Two columns that lost nothing
but each other could both be it: then the one that also lost its relation to the labels is named, and without current labels
the pair.

**Natural drift** weakens correlations; it does not take a strong one to nothing and leave all distributions as they were. Columns
that moved are read only in groups that kept their ties among themselves, and named only where undoing it brings points back.

**Repair** undoes a shift by whole rows where that brings the correlations back, and else draws the values from the other
columns; the price comes from the **injection**: the columns put, together, onto other rows of the reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.association import Dependence, association, dependence, stands_still
from backslide.causes.faults.base import Hypothesis, Signature, evidence_of
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import to_words
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats, Mask
from backslide.stats.two_sample import ranks

STRONG = 0.2
"""Correlation from which on the loss of it counts."""
LOST = 0.2
"""Share of a correlation that may be left of a lost one, beyond noise."""
KEPT = 0.5
"""Share of a correlation that must be left of a kept one."""
MIN_Z = 7.0
REMAINS = 0.06
"""Share of what two columns told about each other in any way that may be left, beyond noise."""
PROVES = 0.3
"""Correlation of which one must be lost for the fault to be named."""
SHIFTS = tuple(k for k in range(-5, 6) if k)
OUTCOME_Z = 4.0
MANY_A_DAY = 2
"""Values a day on average from which on a column that tells the time tells that of the day."""
EVERY_COLUMN = 0.3
"""What another column of the same joined table adds to the table itself: most columns at once are rather the ones in place."""


class BrokenJoin(Signature):
    kind = CauseKind.BROKEN_JOIN
    title = "Broken join"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """One hypothesis per group of columns that was misplaced together."""
        ties = dependence(case)
        if len(ties.names) < 2:
            return
        for group, sure, exact in _groups(case, ties):
            shift = _shift(case, ties, group) if sure else None
            yield self._hypothesis(case, ties, group, shift, sure=sure, exact=exact)

    def _hypothesis(
        self, case: Case, ties: Dependence, group: tuple[str, ...], shift: int | None, *, sure: bool, exact: bool
    ) -> Hypothesis:
        listed = say.listed(group)
        verb = "belong" if len(group) > 1 else "belongs"
        how = f"shifted by {abs(shift)} {'row' if abs(shift) == 1 else 'rows'}" if shift else "to other rows"
        still = "distributed as before, and" if exact else "still related to each other, and"
        seen = (
            f"{listed} no longer {verb} to {'their' if len(group) > 1 else 'its'} rows ({how}): {still} "
            f"unrelated to {say.listed(_lost_partners(ties, group))}"
        )
        if not sure:
            seen = f"{group[0]} and {group[1]} no longer belong together: one of them stands in other rows"
        return Hypothesis(
            signature=self,
            features=group,
            seen=seen,
            undo=f"move {listed} back by {abs(shift)} rows" if shift else f"draw {listed} from the other columns",
            evidence=tuple(evidence_of(case.pairs[c]) for c in group),
            exact=exact,
            reversible=shift is not None,
            rows=np.ones(case.current.sample.height, bool),
            params={"shift": shift, "sure": sure},
            mechanism="join " + " ".join(group),
        )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Move back, or draw from the columns that are in place."""
        shift = hypothesis.params["shift"]
        if shift is not None:
            return frame.with_columns(edit.rolled(frame[c], -shift) for c in hypothesis.features)
        case = case.suspecting(hypothesis.features)
        for column in hypothesis.features if hypothesis.params["sure"] else hypothesis.features[:1]:
            frame = edit.impute(case, frame, column, frame[column].is_not_null().to_numpy())
        return frame

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Put the columns onto other rows, together; of a pair of which either is misplaced, the first."""
        shift = hypothesis.params["shift"]
        if shift is not None:
            return frame.with_columns(edit.rolled(frame[c], shift) for c in hypothesis.features)
        rng = case.rng("join " + " ".join(hypothesis.features))
        order = rng.permutation(frame.height)
        moved = hypothesis.features if hypothesis.params["sure"] else hypothesis.features[:1]
        return frame.with_columns(frame[c][order].alias(c) for c in moved)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes are joined onto other customers; what they spend and pay in tax still hangs together."""
        current = scenarios.next_month(rng)
        first = _with_companions(scenarios.served(rng), rng)
        current = _with_companions(current, rng)
        current = current.with_columns(current["income"].gather(rng.permutation(current.height)).alias("income"))
        return Scenario(
            scenarios.rescored(first),
            scenarios.rescored(current),
            dict(scenarios.ROLES),
            scenarios.TrueModel(),
            "income",
        )


def _with_companions(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    income = np.log(frame["income"].to_numpy())
    extra = {
        "spending": np.exp(0.8 * income + rng.normal(0, 0.3, frame.height)),
        "tax": np.round(np.exp(1.1 * income - 2 + rng.normal(0, 0.3, frame.height)), 2),
    }
    return frame.with_columns(**{name: pl.Series(values) for name, values in extra.items()})


def _groups(case: Case, ties: Dependence) -> list[tuple[tuple[str, ...], bool, bool]]:
    """Groups of columns that were misplaced together, whether it is sure which end it is, and whether that needs no price: some
    of them stand still themselves, and others that moved belong to them."""
    still = [i for i, name in enumerate(ties.names) if stands_still(case.pairs[name])]
    found = _find_misplaced(case, ties, still, still)
    # What hangs on the season comes and goes with it, also without anybody's doing; the time of the day comes round every day.
    asked = [
        i for i, name in enumerate(ties.names) if name not in time_columns(case) or _varies_within_days(case, name)
    ]
    every = [(group, sure) for group, sure in _find_misplaced(case, ties, asked, still) if len(group) > 1]
    if not found:
        return [(group, sure, False) for group, sure in every]
    wider = {group: [w for w, sure in every if sure and set(group) < set(w)] for group, sure in found if sure}
    return [((wider.get(group) or [group])[0], sure, True) for group, sure in found]


def _varies_within_days(case: Case, name: str) -> bool:
    """Whether a column has several values on most days of the reference."""
    days, values = case.reference.blocks, to_words(case.pairs[name].texts[0])
    if days is None:
        return False
    return len(np.unique(np.char.add(values, days.astype(str)))) >= MANY_A_DAY * len(np.unique(days))


def _find_misplaced(
    case: Case, ties: Dependence, asked: list[int], still: list[int]
) -> list[tuple[tuple[str, ...], bool]]:
    """Groups of ``asked`` columns that lost their ties to the rest and kept them among themselves; whether it is sure which end
    it is.

    Kept correlations join columns into groups, lost ones lie between groups. A column alone is followed where it stands
    ``still``.
    """
    kept, lost, proof = _edges(ties)
    groups = [group for group in _components(asked, kept) if len(group) > 1 or group[0] in still]
    losses = _losses(case, ties, groups, np.where(lost, proof, 0.0))
    found: list[tuple[tuple[str, ...], bool]] = []
    blamed: set[int] = set()
    # The group that explains the most lost ties is blamed first; what it explains is not held against its partners.
    while rest := {ends: size for ends, size in losses.items() if size >= PROVES and not blamed & set(ends)}:
        chosen, alone = _first_to_blame(rest, groups)
        partners = sorted({k for ends in rest if chosen in ends for k in ends} - {chosen})
        one, other = groups[chosen], sorted(i for k in partners for i in groups[k])
        by_outcome = _by_clock(case, ties, one, other) or _by_outcome(case, ties, one, other)
        if not alone:
            blamed |= {chosen, *partners}
            if by_outcome is not None:
                found.append((_names_of(ties, by_outcome), True))
            elif len(one) == len(other) == 1:
                found.append((_names_of(ties, sorted([*one, *other])), False))
            continue
        dearer = _cost([one]) > _cost([groups[k] for k in partners])
        end = by_outcome or (other if dearer else one)
        found.append((_names_of(ties, end), True))
        blamed |= {chosen} if end is one else set(partners)
    return found


def _losses(case: Case, ties: Dependence, groups: list[list[int]], proof: Floats) -> dict[tuple[int, int], float]:
    """The strongest lost correlation between two groups; ``proof``: that between two columns, 0 where none is lost."""
    place = {i: k for k, group in enumerate(groups) for i in group}
    losses: dict[tuple[int, int], float] = {}
    for i, j in combinations(sorted(place), 2):
        if proof[i, j] > 0 and place[i] != place[j] and _unrelated(case, ties.names[i], ties.names[j]):
            ends = min(place[i], place[j]), max(place[i], place[j])
            losses[ends] = max(losses.get(ends, 0.0), float(proof[i, j]))
    return losses


def _first_to_blame(losses: dict[tuple[int, int], float], groups: list[list[int]]) -> tuple[int, bool]:
    """Of the groups that lost the most ties the smallest, then the one that lost the strongest; whether it stands out, or its one
    partner could as well be it."""
    count = Counter(k for ends in losses for k in ends)
    top = max(count.values())
    smallest = min(len(groups[k]) for k, n in count.items() if n == top)
    candidates = [k for k, n in count.items() if n == top and len(groups[k]) == smallest]
    if len(candidates) > 1 and top == 1:
        return candidates[0], False
    lost = {k: sum(size for ends, size in losses.items() if k in ends) for k in candidates}
    return max(candidates, key=lambda k: (lost[k], -k)), True


def _cost(groups: list[list[int]]) -> float:
    """How much it takes to blame groups: one table that holds many columns is likelier than many, and less likely than few."""
    return sum(1 + EVERY_COLUMN * (len(group) - 1) for group in groups)


def _names_of(ties: Dependence, group: list[int]) -> tuple[str, ...]:
    return tuple(ties.names[i] for i in group)


def _edges(ties: Dependence) -> tuple[Mask, Mask, Floats]:
    """Per pair of columns: whether their correlations are kept, whether the strong ones are lost, and the strongest lost."""
    error, strong = ties.error(), ties.strong()
    size, left = np.abs(ties.reference), np.abs(ties.current)
    certain = left >= 3 / np.sqrt(np.maximum(ties.rows[1], 1.0))
    is_kept = strong & certain & (left >= KEPT * size) & (ties.reference * ties.current > 0)
    gone = left <= LOST * size + 3 * error
    is_lost = strong & (size >= STRONG) & gone & (size - left >= MIN_Z * error)
    k = len(ties.names)
    kept, lost, partly = (np.zeros((k, k), bool) for _ in range(3))
    proof = np.zeros((k, k))
    i, j = ties.owner[:, None] + 0 * ties.owner[None, :], ties.owner[None, :] + 0 * ties.owner[:, None]
    np.logical_or.at(kept, (i, j), is_kept)
    np.logical_or.at(lost, (i, j), is_lost)
    np.logical_or.at(partly, (i, j), strong & (size >= STRONG) & ~gone)
    np.maximum.at(proof, (i, j), np.where(is_lost, size, 0.0))
    return kept, lost & ~partly & ~kept, proof


def _unrelated(case: Case, one: str, other: str) -> bool:
    """Whether two columns tell nothing about each other any more: two values that changed places undo a correlation as well."""
    before, after, noise_of_it = association(case, one, other)
    return after <= REMAINS * before + 3 * noise_of_it


def _components(nodes: list[int], kept: Mask) -> list[list[int]]:
    left, groups = list(nodes), []
    while left:
        group = [left.pop(0)]
        for i in group:
            joined = [j for j in left if kept[i, j]]
            group += joined
            left = [j for j in left if j not in joined]
        groups.append(sorted(group))
    return groups


def _lost_partners(ties: Dependence, group: tuple[str, ...]) -> tuple[str, ...]:
    _, lost, _ = _edges(ties)
    inside = [ties.names.index(name) for name in group]
    return tuple(name for j, name in enumerate(ties.names) if j not in inside and lost[inside, j].any())


def _by_clock(case: Case, ties: Dependence, one: list[int], other: list[int]) -> list[int] | None:
    """Of two ends, the one without a column that tells the time, which stands in its own rows; None where that does not tell."""
    told = [any(ties.names[i] in time_columns(case) for i in group) for group in (one, other)]
    return None if told[0] == told[1] else other if told[0] else one


def _by_outcome(case: Case, ties: Dependence, one: list[int], other: list[int]) -> list[int] | None:
    """Of two ends, the one that lost its relation to the labels while the other kept it; None where the labels do not tell."""
    if not case.has_labels:
        return None
    changes = [_outcome_loss(case, ties, group) for group in (one, other)]
    if max(changes) < OUTCOME_Z or min(changes) > 0.5 * max(changes):
        return None
    return (one, other)[int(np.argmax(changes))]


def _outcome_loss(case: Case, ties: Dependence, group: list[int]) -> float:
    """Standard errors by which the strongest correlation of a group with the labels shrank."""
    worst = 0.0
    for pair in [case.pairs[name] for name in _names_of(ties, group)]:
        found = edit.outcome_correlations(case, pair) if pair.numeric else None
        if found is not None:
            (before, var_ref), (after, var_cur) = found
            worst = max(worst, (abs(before) - abs(after)) / float(np.sqrt(var_ref + var_cur)))
    return worst


def _shift(case: Case, ties: Dependence, group: tuple[str, ...]) -> int | None:
    """Rows by which the group was shifted down, where moving it back restores its strongest tie; needs every row."""
    if not case.current.complete:
        return None
    _, lost, proof = _edges(ties)
    inside = [ties.names.index(name) for name in group]
    best = max(
        ((i, j) for i in inside for j in range(len(ties.names)) if j not in inside and lost[i, j]),
        key=lambda ij: proof[ij],
        default=None,
    )
    if best is None or not all(case.pairs[ties.names[k]].numeric for k in best):
        return None
    x, y = (case.pairs[ties.names[k]].numbers[1] for k in best)
    target = float(ties.reference[ties.vectors(ties.names[best[0]])[0], ties.vectors(ties.names[best[1]])[0]])
    for k in sorted(SHIFTS, key=abs):
        moved = np.roll(x, -k)
        known = np.isfinite(moved) & np.isfinite(y)
        r = float(np.corrcoef(ranks(moved[known]), ranks(y[known]))[0, 1])
        if abs(r - target) <= 0.2 * abs(target) + 3 / float(np.sqrt(known.sum())):
            return k
    return None
