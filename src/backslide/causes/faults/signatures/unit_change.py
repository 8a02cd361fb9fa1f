"""A column comes in another unit: every value is a*x + c of what it was.

**Recognised** when the distribution moved (KS distance over 0.06 and far beyond noise) and one known conversion maps the
reference onto the current values so well that what remains is noise, or a tenth of what moved. Known conversions: powers of
ten (percent, milli, kilo), time (60, 3600, 24, 7, 12, 52, 365), lengths, weights, temperatures, and the like, both ways.

**Natural drift looks alike.** The mean shift of a lognormal column *is* a scale change. So known factors under 5 without an
offset are named only when undoing them brings points back. So are degrees on another scale that overlap with the former ones,
and conversions that bring values from elsewhere back among the former ones, where they are distributed otherwise. A factor that
is no known unit is named only when it is larger than 5, or when the values themselves show it: the step in which they are
recorded was scaled (whole numbers that all became multiples of 1.93, whatever became of their distribution, or degrees whose
lattice does not pass through zero), or a column of few values came back to those very values. What only its price can tell is
left where the column moved no further than its season leads to expect.
A constant offset of no known unit is named only when the values show it so, or when undoing it brings points back. Another scale
and origin together (standardised values, values between 0 and 1) are named when the scale is five times another, and the map is
one that a scaler fitted on the reference gives.

**Recognised as well**: a logarithm, a root or their opposite (log, log1p, sqrt, square, exp), where the map leaves nothing to
explain and takes values to others than the reference held; it has to prove itself by its price where few values stay among the
former ones, written in the same steps, as a season may take them there. And columns that tell the time, shifted by whole hours,
weekdays or months, on their circle or, also on a part of the rows, against the clock of the rows (another time zone, another
first day of the week). A shift by one hour alone may be daylight saving: named only when undoing it brings points back. And large
values alone, changed by what they are: thousands read as decimals, or an integer that overflowed.

**Repair** applies the inverse map; **injection** applies the map to the reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.conversions import CONVERSIONS, PLAIN_FACTOR, Conversion, sizes_apart
from backslide.causes.columns.monotone_transforms import (
    Affine,
    MonotoneMap,
    Offset,
    find_affine,
    find_curve,
    find_offset,
    lattice_of,
)
from backslide.causes.columns.remainder import is_explained, may_be_the_season
from backslide.causes.columns.resolution import frequent_levels, ks_of_rounded, same_levels, thinned
from backslide.causes.columns.time_of_day import ClockShift, moments, move, turn_of, turn_of_part
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats, Mask
from backslide.stats.two_sample import distinct_of_sorted, ks, ks_limit, ks_p_value

QUANTILES = np.linspace(0.02, 0.98, 49)
MIN_KS = 0.06
REMAINS = 0.1
"""Share of the moved distance that may remain after the conversion."""
MIN_DISTINCT = 5
ELSEWHERE = 0.99
"""Distance from which on hardly any value stands where the former ones stood."""
INSIDE = 0.995
"""Share of the values that a conversion must take back among the former ones."""
TILT = 2.0
"""Ratio of the spreads up to which values that came back may be distributed otherwise."""
MOST_TILTED = 0.5
"""And their distance."""
ROOM = 0.5
"""Share of the former range by which values that came back may lie beyond it: it may be another season."""
MOSTLY = 0.9
"""Share of the values that must come back so."""
ON_LATTICE = 0.02
"""Steps by which a scaled lattice may miss the other one."""
ROUND = 0.002
"""Part of a step by which it may miss a round number."""
SAME_STEP = 0.1
"""Logarithm of the ratio of two steps up to which they are one."""
SAME_FACTOR = 0.005
"""The same of two factors up to which they are one."""
LEAST_FACTOR = 1.5
"""Of a scale that is read against the rows beside, which the season moved as well."""
HALF = 0.5
"""Share of the rows with one value, twice as many as before, from which on the values are gone and not converted."""
FEW = 40
"""Values that are not zero from which on they are read alone."""
FEWER = 0.1
"""Distinct values left, as a share of those of as many reference rows, under which they were gathered in bins, not converted."""


class UnitChange(ColumnSignature):
    kind = CauseKind.UNIT_CHANGE
    title = "Another unit, scale or offset"
    numeric = True
    reversible = True

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """At most one hypothesis per column: of numbers, the conversion that explains the most; dates that moved."""
        yield from super().recognise(case)
        for column, turn in moments(case):
            reference, current = (side.sample[column] for side in case.sides)
            yield self._converted(Pair(column, case.kind(column), reference, current), turn, turn.exact)

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis: the more specific conversion first."""
        conversion = turn_of(case, pair) or of_values(pair)
        if conversion is not None:
            exact = conversion.plain(pair.moved) if isinstance(conversion, Conversion) else conversion.exact
            sure = exact or isinstance(conversion, ClockShift) or sizes_apart(*pair.finite)
            if sure or not may_be_the_season(pair):
                yield self._converted(pair, conversion, exact)
        elif (part := turn_of_part(case, pair)) is not None:
            yield self._converted(pair, part[0], part[0].exact, part[1])

    def _converted(
        self,
        pair: Pair,
        conversion: Conversion | MonotoneMap | Offset | Affine | ClockShift,
        exact: bool,
        rows: Mask | None = None,
    ) -> Hypothesis:
        share = "" if rows is None else f" on {say.percent(float(rows.mean()))} of the rows, by the clock of each"
        return self.hypothesis(
            pair,
            f"{pair.name} is {conversion.words}{share}",
            _undo_words(pair.name, conversion),
            rows,
            exact=exact,
            mechanism=conversion.words,
            evidence=(f"DRF001:{pair.name}",),
            conversion=conversion,
        )

    def on_a_scale(self, pair: Pair) -> Hypothesis | None:
        """That all values are some times as large as those of rows that are alike in all else, by a factor that need be neither
        known nor large; it has yet to prove itself by its price."""
        ref, cur = pair.finite
        if min(len(ref), len(cur)) < edit.MIN_ROWS:
            return None
        factor = _steady_factor(np.quantile(ref, QUANTILES), np.quantile(cur, QUANTILES))
        if factor is None or abs(np.log(factor)) < np.log(LEAST_FACTOR):
            return None
        return self._converted(pair, _unknown(factor), exact=False)

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Back to the reference unit."""
        (column,) = hypothesis.features
        return _converted(frame, column, hypothesis.params["conversion"], hypothesis.rows, back=True)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """The reference in the current unit."""
        (column,) = hypothesis.features
        rows = edit.likely_rows(case, hypothesis.rows, hypothesis.features, float(hypothesis.rows.mean()))
        return _converted(frame, column, hypothesis.params["conversion"], rows, back=False)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Yearly incomes where monthly ones were."""
        return scenario_with(lambda frame: frame.with_columns(frame["income"] * 12), rng)


@once
def of_values(pair: Pair) -> Conversion | MonotoneMap | Offset | Affine | None:
    """The conversion of all values that explains the most, the more specific first."""
    known = convert(pair) or _of_what_is_not_zero(pair) or find_curve(pair) or find_offset(pair) or find_affine(pair)
    return known or _of_another_size(pair)


def _of_another_size(pair: Pair) -> Conversion | None:
    """The factor between the medians of sizes that no season lies between: none fits, as the season moved the column as well."""
    if not pair.numeric or not sizes_apart(*pair.finite) or min(len(np.unique(v)) for v in pair.finite) < MIN_DISTINCT:
        return None
    before, now = (float(np.median(values)) for values in pair.finite)
    words = f"about {say.number(now / before, 2)} times what it was, by the medians (no known unit)"
    return Conversion(now / before, 0.0, words, tilted=True)


def _of_what_is_not_zero(pair: Pair) -> Conversion | None:
    """The factor between the steps of the other values, where most are zero: it leaves those, and so the column hardly moves."""
    if not pair.numeric or min(map(len, pair.finite)) < edit.MIN_ROWS:
        return None
    ref, cur = (values[values != 0] for values in pair.finite)
    shares = [1 - len(rest) / len(every) for rest, every in zip((ref, cur), pair.finite, strict=True)]
    if min(shares) < HALF or min(len(ref), len(cur)) < FEW or abs(shares[0] - shares[1]) > MIN_KS:
        return None
    moved = ks(ref, cur)
    by_steps = _factor_of_steps(ref, cur, moved, pair.usual_drift) if moved > MIN_KS else None
    if by_steps is None or not ks_p_value(moved, len(ref), len(cur)) <= 1e-6:
        return None
    return _known(by_steps)


def _known(by_steps: Conversion) -> Conversion:
    """The conversion that people know by this factor, where there is one."""
    known = [replace(c, lattice=True) for c in CONVERSIONS if c.offset == 0 and c.factor > 0 and _agree(c, by_steps)]
    return min(known, key=lambda c: abs(np.log(c.factor / by_steps.factor)), default=by_steps)


def _converted(
    frame: pl.DataFrame,
    column: str,
    conversion: Conversion | MonotoneMap | Offset | Affine | ClockShift,
    rows: Mask,
    *,
    back: bool,
) -> pl.DataFrame:
    if frame[column].dtype.is_temporal():
        assert isinstance(conversion, ClockShift)
        return frame.with_columns(move(frame[column], -conversion.by if back else conversion.by))
    values = edit.numbers_of(frame, column)
    return edit.write(frame, column, conversion.undo(values) if back else conversion.apply(values), rows)


def _undo_words(column: str, conversion: Conversion | MonotoneMap | Offset | Affine | ClockShift) -> str:
    if isinstance(conversion, MonotoneMap):
        return f"take the inverse: {column} is {conversion.words}"
    if isinstance(conversion, Affine):
        return f"put {column} back on the scale that it had"
    if not isinstance(conversion, Conversion):
        verb, where = ("subtract", "from") if conversion.by > 0 else ("add", "to")
        return f"{verb} {say.number(abs(conversion.by))} {where} {column}"
    if conversion.offset:
        return f"convert {column} back ({conversion.words})"
    if conversion.factor > 1:
        return f"divide {column} by {say.number(conversion.factor)}"
    return f"multiply {column} by {say.number(1 / conversion.factor)}"


def convert(pair: Pair) -> Conversion | None:
    """The conversion that maps the reference column onto the current one, None where none does."""
    if not pair.numeric:
        return None
    ref, cur = pair.finite
    if min(len(ref), len(cur)) < edit.MIN_ROWS:
        return None
    moved = pair.moved
    if moved < MIN_KS or ks_p_value(moved, len(ref), len(cur)) > 1e-6 or len(distinct_of_sorted(ref)) < MIN_DISTINCT:
        return None
    before, after = (len(distinct_of_sorted(values)) for values in thinned(ref, cur))
    if after < FEWER * before or _most_frequent(cur) >= max(HALF, 2 * _most_frequent(ref)):
        return None
    at_ref, at_cur = np.quantile(ref, QUANTILES), np.quantile(cur, QUANTILES)
    spread = float(np.quantile(cur, 0.9) - np.quantile(cur, 0.1))
    if spread <= 0:
        return None
    by_steps = _factor_of_steps(ref, cur, moved, pair.usual_drift)
    miss = [float(np.median(np.abs(c.apply(at_ref) - at_cur))) / spread for c in CONVERSIONS]
    nearest = [CONVERSIONS[int(index)] for index in np.argsort(miss)[:3]]
    if by_steps is not None:  # the steps tell the factor to many digits, the distribution to two
        nearest = [c for c in nearest if _agree(c, by_steps)]
    explaining = [c for c in nearest if _explains(c, ref, cur, moved, pair.usual_drift)]
    if explaining:
        likely = min(
            explaining, key=lambda c: ks_of_rounded(c.apply(ref), cur) + c.oddness * ks_limit(len(ref), len(cur))
        )
        return replace(likely, lattice=by_steps is not None or same_levels(likely.undo, ref, cur))
    return (
        (_known(by_steps) if by_steps is not None and _step(ref) is not None else by_steps)
        or _unknown_scale(ref, cur, at_ref, at_cur, moved, pair.usual_drift)
        or (_brought_back(ref, cur) if moved >= ELSEWHERE else None)
    )


def _most_frequent(values: Floats) -> float:
    """Share of the most frequent of sorted values."""
    return float(np.unique(values, return_counts=True)[1].max() / len(values))


def _brought_back(ref: Floats, cur: Floats) -> Conversion | None:
    """The one known conversion that takes values from where none stood back among the former ones."""
    found = []
    for conversion in CONVERSIONS:
        back = np.sort(conversion.undo(cur))
        inside = float(((back >= ref[0]) & (back <= ref[-1])).mean())
        if inside >= INSIDE and 1 / TILT <= _ratio_of_spreads(ref, back) <= TILT and ks(ref, back) <= MOST_TILTED:
            found.append(conversion)
    plain = [c for c in found if c.plain(1.0)]
    return replace(plain[0], tilted=True) if len(plain) == len(found) == 1 else None


def _explains(conversion: Conversion, ref: Floats, cur: Floats, moved: float, drift: float) -> bool:
    left = ks_of_rounded(conversion.apply(ref), cur)
    noise = ks_limit(len(ref), len(cur))
    if left >= 0.5 * moved:
        return False
    return is_explained(left, moved, noise, REMAINS, conversion.room(drift)) or same_levels(conversion.undo, ref, cur)


def _unknown_scale(
    ref: Floats, cur: Floats, at_ref: Floats, at_cur: Floats, moved: float, drift: float
) -> Conversion | None:
    """A scale that is no known unit: one too large for natural drift, or one that the lattice of the values followed."""
    by_levels = _factor_of_levels(ref, cur)
    if by_levels is not None:
        return by_levels
    factor = _steady_factor(at_ref, at_cur)
    if factor is None:
        return None
    if abs(np.log(factor)) <= np.log(PLAIN_FACTOR):
        return None  # the mean shift of a lognormal column is a scale change too
    conversion = _unknown(factor)
    return conversion if _explains(conversion, ref, cur, moved, drift) else None


def _steady_factor(at_ref: Floats, at_cur: Floats) -> float | None:
    """The factor between quantiles of two windows, where it is the same at all of them; None where it is not, or next to 1."""
    use = (at_ref != 0) & (at_cur != 0) & (np.sign(at_ref) == np.sign(at_cur))
    if use.sum() < 30:
        return None
    ratio = np.log(at_cur[use] / at_ref[use])
    middle = float(np.median(ratio))
    if float(np.subtract(*np.quantile(ratio, [0.75, 0.25]))) > 0.08 or abs(middle) < 0.1:
        return None
    return float(np.exp(middle))


def _unknown(factor: float, *, lattice: bool = False) -> Conversion:
    return Conversion(factor, 0.0, f"{say.number(factor, 3)} times what it was (no known unit)", lattice=lattice)


def _factor_of_levels(ref: Floats, cur: Floats) -> Conversion | None:
    """Of a column of few values: the factor that takes the current values back onto those very values."""
    frequent = [frequent_levels(values) for values in (ref, cur)]
    factors = sorted(
        {float(now / was) for was in frequent[0] for now in frequent[1] if was * now > 0}, key=lambda f: abs(np.log(f))
    )
    found = [
        Conversion(f, 0.0, f"{say.number(f, 6)} times what it was (no known unit)", lattice=True)
        for f in factors
        if same_levels(lambda v, f=f: v / f, ref, cur)  # type: ignore[misc]  # a lambda's default has no type
    ]
    return min(found, key=lambda c: ks_of_rounded(c.apply(ref), cur), default=None)


def _agree(one: Conversion, other: Conversion) -> bool:
    return one.offset != 0 or (one.factor > 0 and abs(np.log(one.factor / other.factor)) < SAME_FACTOR)


def _factor_of_steps(ref: Floats, cur: Floats, moved: float, drift: float) -> Conversion | None:
    """The factor between the steps of two lattices (whole multiples of a step), where it explains how the column moved.

    Values that are recorded in steps keep their steps when the world moves; only a conversion scales them.
    """
    steps = _step(ref), _step(cur)
    if steps[0] is None or steps[1] is None:
        return _factor_of_lattices(ref, cur) if moved >= ELSEWHERE else None
    if abs(np.log(steps[1] / steps[0])) < SAME_STEP:
        return None
    conversion = _unknown(steps[1] / steps[0], lattice=True)
    odd = _is_round(steps[0]) and not _is_round(steps[1]) and _comes_back(ref, cur / conversion.factor)
    return conversion if odd or _explains(conversion, ref, cur, moved, drift) else None


def _factor_of_lattices(ref: Floats, cur: Floats) -> Conversion | None:
    """The same of lattices that do not pass through zero, as of degrees converted from others, which one factor takes to each
    other: of values that stand elsewhere, and come back about where they stood."""
    (step, phase), (scaled, moved_phase) = lattice_of(ref), lattice_of(cur)
    if step is None or scaled is None or abs(np.log(scaled / step)) < SAME_STEP:
        return None
    factor = scaled / step
    off = (moved_phase - factor * phase) / scaled
    matches = abs(off - round(off)) <= ON_LATTICE and _comes_back(ref, cur / factor)
    return _unknown(factor, lattice=True) if matches else None


def _comes_back(ref: Floats, back: Floats) -> bool:
    """Whether most values are back among the former ones, or near them, about as far apart: it may be another season."""
    room, width = ROOM * float(ref[-1] - ref[0]), _ratio_of_spreads(ref, back)
    if not 1 / TILT <= width <= TILT:
        return False
    return float(((back >= ref[0] - room) & (back <= ref[-1] + room)).mean()) >= MOSTLY


def _ratio_of_spreads(ref: Floats, back: Floats) -> float:
    """How many times as far apart the tenths at both ends lie."""
    return float(np.subtract(*np.quantile(back, [0.9, 0.1])) / max(np.subtract(*np.quantile(ref, [0.9, 0.1])), 1e-300))


def _is_round(step: float) -> bool:
    """Whether people record in such steps: 1, 2, 2.5 or 5 times a power of ten; a drift takes no column off them."""
    digits = step / 10 ** np.floor(np.log10(step) + 1e-9)
    return bool(np.min(np.abs(digits / np.array([1, 2, 2.5, 5, 10]) - 1)) < ROUND)


def _step(values: Floats) -> float | None:
    """The step of a lattice through zero that holds every value; None where there is none."""
    distinct = np.unique(values)
    if len(distinct) < MIN_DISTINCT:
        return None
    gaps = np.diff(distinct)
    step = float(gaps[gaps > 1e-9 * max(abs(distinct[0]), abs(distinct[-1]))].min(initial=np.inf))
    if not np.isfinite(step):
        return None
    multiples = distinct / step
    return step if bool((np.abs(multiples - np.round(multiples)) < 0.02).all()) else None
