"""A default stands in for real values on part of the rows.

**Recognised** when one value's share rises by 2 points and six standard errors while the other values keep their proportions to
each other, and the rows that carry it do not look like rows that would have it. A value that was there before must also appear
where the other columns speak against it, as natural growth of a group leaves those rows alone; or take the place of missing
values too; or be one of fifty numbers and more that became three times as frequent on scattered rows while its neighbours did
not. A new number far outside of all that there were needs no steady rest, which may drift. Where other values rose as well it
is a rounding, other codes or other rows, and no default.

**Repair** draws the replaced values from the other columns; the price comes from the **injection**: the value put on the same
share of reference rows.

**Not to be confused with** natural atoms (zeros, ages at a bound, a growing category) or values cut off at a limit.

The classic case is a service that answers -1 when it fails (Breck and others, "Data Validation for Machine Learning", 2019).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.remainder import AHEAD, is_usual
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import LostValues
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import MISSING, Pair
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats
from backslide.stats.two_sample import chi_squared, ks, ks_limit, ks_p_value, proportion_z

MIN_RISE = 0.02
MIN_Z = 6.0
ALSO, ALSO_Z = 0.3, 4.0
"""Share of the rise, and standard errors, by which no other value may have risen."""
NEW_SHARE = 0.002
"""A value under this share before counts as new."""
TOWER, TIMES_AS_MANY, MANY_VALUES = 0.1, 3.0, 50
"""Share of the rows that one value takes, times as often as before, of how many values, from which on it stands in for others if
its neighbours did not become more frequent."""
SCATTERED = 0.5
"""Share of the stretches of rows with the value that there would be, came they in any order."""
FOREIGN_SHARE, FAR_OFF, FOREIGN_MANY = 0.05, 0.25, 0.2
"""Share of the rows, and distance from the reference's range as a share of it, from which on one new value stands in for others
whatever became of the rest; and share of the rows from which on it need only lie outside."""
FEW = 30
"""Reference rows with the value from which on they tell where it belongs."""
STRETCHES = 5
RANGE_OF_NOISE = 2.33
"""Standard deviations between the largest and the smallest of five normal draws, on average."""
GAPS, GAPS_LEFT, NO_GAPS, OTHERS = 0.1, 0.75, 0.1, 0.02
"""Share of rows without a value before; how many of these may be left where one value took their place and that of others, and
where it took theirs alone; and share of the rows with other values that tells which it was."""
UNNATURAL = 0.6
"""Share of the filled-in rate that must also appear where the other columns speak against the value."""

NOTHING = frozenset(
    {"n/a", "na", "nan", "null", "nil", "none", "unknown", "unk", "undefined", "missing", "default", "other", "empty"}
    | {"", "-", "?", "0", "-1", "999", "9999", "xxx", "tbd", "not available", "not specified", "unspecified"}
)
"""Categories that stand for the absence of one, compared without regard to case."""


class DefaultValue(LostValues):
    kind = CauseKind.DEFAULT_VALUE
    title = "Default in place of values"

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis: the value that rose the most."""
        text = _find_rise(pair)
        if text is None:
            return
        before, after = (side.get(text, 0) / sum(side.values()) for side in _levels(pair))
        rate = (after - before) / max(1 - before, 1e-9)
        foreign = before < NEW_SHARE and rate >= FOREIGN_SHARE and _is_far_off(pair, text, rate)
        alone = foreign or _stands_out(pair, text, rate)
        if not (alone or _rest_unchanged(pair, text, rate)):
            return
        if not _fills_gaps(pair, text) and not _unnatural(case, pair, text, rate):
            return
        if after - before <= AHEAD * _usual_range(pair, text):
            return
        rows, shown = pair.texts[1] == text, text if pair.numeric else repr(text)
        yield self.hypothesis(
            pair,
            f"{pair.name} is {shown} on {say.percent(after)} of the rows, {say.percent(before)} before",
            f"fill {pair.name} from the other columns where it is {shown}",
            rows,
            value=pair.current.filter(pl.Series(rows))[0],
            rate=rate,
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """-1 stands for half of the incomes."""
        return scenario_with(
            lambda frame: frame.with_columns(
                income=pl.when(pl.Series(rng.random(frame.height) < 0.5)).then(-1.0).otherwise("income")
            ),
            rng,
        )


@once
def _levels(pair: Pair) -> tuple[dict[str, int], dict[str, int]]:
    """How often each value comes in both windows; none at all is one of them, where the reference often has none."""
    if pair.missing[0].mean() < GAPS:
        return pair.levels
    ref, cur = ({**side, MISSING: int(gone.sum())} for side, gone in zip(pair.levels, pair.missing, strict=True))
    return ref, cur


@once
def _find_rise(pair: Pair) -> str | None:
    """The value whose share rose most, if it rose materially and several other values remain."""
    if pair.identifier or (pair.numeric and pair.largest_share < MIN_RISE):
        return None
    ref, cur = _levels(pair)
    n_ref, n_cur = sum(ref.values()), sum(cur.values())
    if min(n_ref, n_cur) < edit.MIN_ROWS or not cur.keys() - {MISSING}:
        return None
    text = max(cur.keys() - {MISSING}, key=lambda level: cur[level] / n_cur - ref.get(level, 0) / n_ref)
    rise = cur[text] / n_cur - ref.get(text, 0) / n_ref
    others = sum(1 for level in cur if level != text)
    if rise < MIN_RISE or proportion_z(ref.get(text, 0), n_ref, cur[text], n_cur) < MIN_Z or others < 2:
        return None
    # What stands in for values leaves every other one rarer. Several that rise are a rounding, other codes, or other rows.
    rose = (k for k in cur if k != text and cur[k] / n_cur - ref.get(k, 0) / n_ref >= ALSO * rise)
    return None if any(proportion_z(ref.get(k, 0), n_ref, cur[k], n_cur) >= ALSO_Z for k in rose) else text


def _usual_range(pair: Pair, text: str) -> float:
    """How far apart the value's shares lie among consecutive stretches of the reference, beyond noise; 0 without days."""
    if pair.days is None or len(pair.days) != len(pair.reference):
        return 0.0
    hit, days = pair.texts[0] == text, pair.days
    stretch = np.searchsorted(np.quantile(days, np.arange(1, STRETCHES) / STRETCHES), days, "right")
    rows = np.bincount(stretch, minlength=STRETCHES)
    shares = np.bincount(stretch, hit, minlength=STRETCHES)[rows >= FEW] / rows[rows >= FEW]
    if len(shares) < 2:
        return 0.0
    noise = RANGE_OF_NOISE * float(np.sqrt(hit.mean() * (1 - hit.mean()) / rows[rows >= FEW].mean()))
    return max(float(np.ptp(shares)) - noise, 0.0)


def _rest_unchanged(pair: Pair, text: str, rate: float) -> bool:
    """Whether the other values keep their proportions: their distance is within noise or far below the fault's own size."""
    if pair.numeric:
        rest = [n[np.isfinite(n) & (t != text)] for n, t in zip(pair.numbers, pair.texts, strict=True)]
        if min(len(r) for r in rest) < 30:
            return False
        distance = ks(*rest)
        if ks_p_value(distance, len(rest[0]), len(rest[1])) > 1e-4 or distance < 0.15 * rate:
            return True
        return is_usual(distance, ks_limit(len(rest[0]), len(rest[1])), pair.usual_drift)
    both = _levels(pair)
    levels = [level for level in both[0] if level != text]
    counts = [np.array([side.get(level, 0) for level in levels], float) for side in both]
    if min(c.sum() for c in counts) < 30:
        return False
    variation = float(np.abs(counts[0] / counts[0].sum() - counts[1] / counts[1].sum()).sum() / 2)
    if chi_squared(*counts)[1] > 1e-4 or variation < 0.15 * rate:
        return True
    noise = ks_limit(counts[0].sum(), counts[1].sum()) * len(levels) ** 0.5 / 2
    return is_usual(variation, noise, pair.usual_drift)


def _fills_gaps(pair: Pair, text: str) -> bool:
    """Whether many rows had no value before, and this one took the place of nearly all gaps, or of gaps and other values alike.

    A group that grows among those to whom the column does not apply leaves the other values as many as they were.
    """
    gone, left = (float(missing.mean()) for missing in pair.missing)
    if gone < GAPS or left > GAPS_LEFT * gone:
        return False
    before, after = (float((texts == text).mean()) for texts in pair.texts)
    others = 1 - gone - before, 1 - left - after
    alike = others[0] >= OTHERS and others[1] <= others[0] * np.sqrt(left / gone)
    return after - before >= gone - left and bool(alike or left <= NO_GAPS * gone)


def _is_far_off(pair: Pair, text: str, rate: float) -> bool:
    """Whether the value lies well outside of the numbers that the reference held, or outside of them on very many rows: no drift
    of the others puts it there."""
    if not pair.numeric:
        return False
    (low, high), value = (float(pair.finite[0][0]), float(pair.finite[0][-1])), float(text)
    return max(low - value, value - high) > (0.0 if rate >= FOREIGN_MANY else FAR_OFF * (high - low))


def _unnatural(case: Case, pair: Pair, text: str, rate: float) -> bool:
    """Whether the value appears where the other columns speak against it: a filled-in value must, a growing group must not."""
    hit = pair.texts[0] == text
    if hit.mean() < NEW_SHARE:
        return _unnatural_place(pair, text)
    if _stands_out(pair, text, rate):
        return True
    if hit.sum() < FEW and edit.of_a_kind(case, pair.texts[1] == text, leave_out=[pair.name]):
        return False  # too few to know where it belongs, and now on rows of a kind
    chance = edit.expected(case, hit, leave_out=[pair.name])
    order = np.argsort(chance)
    unlikely = order[: max(len(order) // 2, 1)]
    if chance[unlikely].mean() > 0.5 * hit.mean():
        return False  # nothing speaks against the value anywhere: natural growth and a default look the same
    seen = float((pair.texts[1][unlikely] == text).mean())
    return seen > UNNATURAL * rate + float(chance[unlikely].mean())


def _stands_out(pair: Pair, text: str, rate: float) -> bool:
    """Whether one of very many numbers, and none at an end, became several times as frequent here and there, and its neighbours
    did not: no limit, and no feed that stands still."""
    if not pair.numeric or pair.discrete or rate < TOWER or len(pair.levels[0]) < MANY_VALUES:
        return False
    value, ends = float(text), pair.finite[1][[0, -1]]
    before, hit = float((pair.texts[0] == text).mean()), pair.texts[1] == text
    alone = float((hit[1:] & ~hit[:-1]).sum()) >= SCATTERED * hit.sum() * (1 - hit.mean())
    return alone and value not in ends and hit.mean() >= TIMES_AS_MANY * before and _is_atom(pair, value)


def _unnatural_place(pair: Pair, text: str) -> bool:
    """A value that is new: a new category, a sentinel outside the range, or an atom where its neighbourhood did not grow."""
    if not pair.numeric:
        # A new word is an unseen category unless it is one that people write for "nothing here".
        return text.strip().casefold() in NOTHING
    value = float(text)
    ref, cur = pair.finite
    low, high = ref[0], ref[-1]
    if value < low or value > high:
        return not _moved_bound(ref, cur, value, low if value < low else high)
    return _is_atom(pair, value)


def _is_atom(pair: Pair, value: float) -> bool:
    """A shifted density raises the neighbours too; a default raises one value alone."""
    ref, cur = pair.finite
    width = 0.02 * float(np.quantile(ref, 0.98) - np.quantile(ref, 0.02))
    near = [float(((v >= value - width) & (v <= value + width) & (v != value)).mean()) for v in (ref, cur)]
    atom = float((cur == value).mean() - (ref == value).mean())
    return atom > 3 * max(near[1] - near[0], 0.0)


def _moved_bound(ref: Floats, cur: Floats, value: float, bound: float) -> bool:
    """Whether the values that were gathered at the reference's bound are now gathered at the new one: a top code that moved."""
    before, left, after = (float((v == at).mean()) for v, at in ((ref, bound), (cur, bound), (cur, value)))
    return before > 0.5 * after and left < 0.5 * before
