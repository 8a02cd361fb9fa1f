"""A column comes in another unit: every value is a*x + c of what it was.

**Recognised** when the distribution moved (KS distance over 0.06 and far beyond noise) and one known conversion maps the
reference onto the current values so well that what remains is noise, or a tenth of what moved. Known conversions: powers of
ten (percent, milli, kilo), time (60, 3600, 24, 7, 12, 52, 365), lengths, weights, temperatures, and the like, both ways.

**Natural drift looks alike.** The mean shift of a lognormal column *is* a scale change. So known factors under 5 without an
offset are named only when undoing them brings points back. So are degrees on another scale that overlap with the former ones,
and conversions that bring values from elsewhere back among the former ones, where they are distributed otherwise. A factor
that is no known unit is named only when it is larger than 5, or when the values themselves show it: the step in which they are
recorded was scaled (whole numbers that all became multiples of 1.93), or a column of few values came back to those very values.
A constant offset of no known unit is named only when the values show it so, or when undoing it brings points back. Another scale
and origin together (standardised values, values between 0 and 1) are named when the scale is five times another, and the map is
one that a scaler fitted on the reference gives.

**Recognised as well**: a logarithm, a root or their opposite (log, log1p, sqrt, square, exp), where the map leaves nothing to
explain; and columns that tell the time, shifted by whole hours, weekdays or months, on their circle or, also on a part of the
rows, against the clock of the rows (another time zone, another first day of the week). A shift by one hour alone may be daylight
saving: named only when undoing it brings points back.

**Repair** applies the inverse map; **injection** applies the map to the reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.monotone_transforms import (
    Affine,
    MonotoneMap,
    Offset,
    find_affine,
    find_curve,
    find_offset,
)
from backslide.causes.columns.remainder import is_explained
from backslide.causes.columns.resolution import frequent_levels, ks_of_rounded, same_levels, thinned
from backslide.causes.columns.time_of_day import ClockShift, moments, move, turn_of, turn_of_part
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.stats.metrics.metric import Floats
from backslide.stats.two_sample import ks, ks_limit, ks_p_value

QUANTILES = np.linspace(0.02, 0.98, 49)
MIN_KS = 0.06
REMAINS = 0.1
"""Share of the moved distance that may remain after the conversion."""
PLAIN_FACTOR = 5.0
"""Factors from here on are no natural drift of a whole distribution."""
PLAIN_OFFSET = 0.6
"""Distance that a conversion of degrees must move a column by."""
MIN_DISTINCT = 5
ELSEWHERE = 0.99
"""Distance from which on hardly any value stands where the former ones stood."""
INSIDE = 0.995
"""Share of the values that a conversion must take back among the former ones."""
TILT = 2.0
"""Ratio of the spreads up to which values that came back may be distributed otherwise."""
MOST_TILTED = 0.5
"""And their distance."""
ODD = 0.3
"""Share of the noise of a distance by which other units must fit better than powers of ten and units of time."""
TIMES = (7.0, 12.0, 24.0, 60.0, 3600.0)
SAME_STEP = 0.1
"""Logarithm of the ratio of two steps up to which they are one."""
SAME_FACTOR = 0.005
"""The same of two factors up to which they are one."""
FEWER = 0.1
"""Distinct values left, as a share of those of as many reference rows, under which they were gathered in bins, not converted."""


@dataclass(frozen=True)
class Conversion:
    """current = factor * reference + offset."""

    factor: float
    offset: float
    words: str
    lattice: bool = False
    """Whether the step in which values are recorded was scaled as well."""
    tilted: bool = False
    """Whether the values came back among the former ones, but are distributed otherwise there."""

    def apply(self, values: Floats) -> Floats:
        """Reference unit to current unit."""
        return values * self.factor + self.offset

    def undo(self, values: Floats) -> Floats:
        """Current unit to reference unit."""
        return (values - self.offset) / self.factor

    @property
    def oddness(self) -> float:
        """Share of the noise of a distance by which it must fit better than powers of ten and units of time do."""
        size = max(abs(self.factor), 1 / abs(self.factor))
        frequent = abs(np.log10(size) - round(np.log10(size))) < 1e-9 or min(abs(size / t - 1) for t in TIMES) < 1e-9
        return 0.0 if self.offset == 0 and frequent else ODD

    @property
    def large(self) -> bool:
        """Whether the factor, or the sign, is too much for natural drift of a whole distribution."""
        return self.factor < 0 or abs(float(np.log(self.factor))) > np.log(PLAIN_FACTOR)

    def room(self, drift: float) -> float:
        """What of the usual ``drift`` a column may keep after this is undone: a small factor would explain the drift itself."""
        return drift if self.large and self.offset == 0 else 0.0

    def plain(self, apart: float) -> bool:
        """Whether the map is too large, or too odd, for natural drift; ``apart`` is how far it moves the column (KS distance).

        Degrees on another scale stand where hardly any stood before. Where they overlap, it may as well be a mean that drifted.
        """
        return self.lattice or (not self.tilted and (self.large or (self.offset != 0 and apart >= PLAIN_OFFSET)))


_FACTORS = {
    **{10.0**k: f"1e{k}" for k in range(1, 10)},
    60.0: "minutes and seconds, or hours and minutes",
    3600.0: "hours and seconds",
    1440.0: "days and minutes",
    86400.0: "days and seconds",
    24.0: "days and hours",
    7.0: "weeks and days",
    12.0: "years and months, or pieces and dozens",
    52.0: "years and weeks",
    365.25: "years and days",
    1024.0: "bytes and kibibytes",
    1024.0**2: "bytes and mebibytes",
    1.609344: "miles and kilometres",
    1.852: "nautical miles and kilometres",
    3.28084: "metres and feet",
    2.54: "inches and centimetres",
    0.9144: "yards and metres",
    2.20462: "kilograms and pounds",
    28.3495: "ounces and grams",
    3.78541: "gallons and litres",
    4.184: "calories and joules",
    5280.0: "miles and feet",
    10.7639: "square metres and square feet",
    6.89476: "psi and kilopascal",
    1.33322: "mmHg and hectopascal",
    33.8639: "inHg and hectopascal",
    57.29578: "radians and degrees",
    3.6: "m/s and km/h",
}
_OFFSETS = (
    Conversion(1.8, 32.0, "converted from Celsius to Fahrenheit"),
    Conversion(1 / 1.8, -32 / 1.8, "converted from Fahrenheit to Celsius"),
    Conversion(1.0, 273.15, "converted from Celsius to Kelvin"),
    Conversion(1.0, -273.15, "converted from Kelvin to Celsius"),
)


def _scale(factor: float, words: str) -> Conversion:
    size = f"{say.number(factor)} times larger" if factor > 1 else f"{say.number(1 / factor)} times smaller"
    return Conversion(factor, 0.0, f"{size} than before" + ("" if words.startswith("1e") else f" (as between {words})"))


CONVERSIONS = (
    *(_scale(f, w) for f, w in _FACTORS.items()),
    *(_scale(1 / f, w) for f, w in _FACTORS.items()),
    *_OFFSETS,
)


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
        if isinstance(conversion, Conversion):
            yield self._converted(pair, conversion, conversion.plain(ks(*pair.finite)))
        elif conversion is not None:
            yield self._converted(pair, conversion, conversion.exact)
        elif (part := turn_of_part(case, pair)) is not None:
            yield self._converted(pair, part[0], part[0].exact, part[1])

    def _converted(
        self,
        pair: Pair,
        conversion: Conversion | MonotoneMap | Offset | Affine | ClockShift,
        exact: bool,
        rows: edit.Mask | None = None,
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
    return convert(pair) or find_curve(pair) or find_offset(pair) or find_affine(pair)


def _converted(
    frame: pl.DataFrame,
    column: str,
    conversion: Conversion | MonotoneMap | Offset | Affine | ClockShift,
    rows: edit.Mask,
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
    if min(len(ref), len(cur)) < edit.MIN_ROWS or len(np.unique(ref)) < MIN_DISTINCT:
        return None
    before, after = (len(np.unique(values)) for values in thinned(ref, cur))
    if after < FEWER * before:
        return None
    moved = ks(ref, cur)
    if moved < MIN_KS or ks_p_value(moved, len(ref), len(cur)) > 1e-6:
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
        by_steps
        or _unknown_scale(ref, cur, at_ref, at_cur, moved, pair.usual_drift)
        or (_brought_back(ref, cur) if moved >= ELSEWHERE else None)
    )


def _brought_back(ref: Floats, cur: Floats) -> Conversion | None:
    """The one known conversion that takes values from where none stood back among the former ones."""
    found = []
    for conversion in CONVERSIONS:
        back = np.sort(conversion.undo(cur))
        inside = float(((back >= ref[0]) & (back <= ref[-1])).mean())
        spread = float(
            np.subtract(*np.quantile(back, [0.9, 0.1])) / max(np.subtract(*np.quantile(ref, [0.9, 0.1])), 1e-300)
        )
        if inside >= INSIDE and 1 / TILT <= spread <= TILT and ks(ref, back) <= MOST_TILTED:
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
    use = (at_ref != 0) & (at_cur != 0) & (np.sign(at_ref) == np.sign(at_cur))
    if use.sum() < 30:
        return None
    ratio = np.log(at_cur[use] / at_ref[use])
    middle = float(np.median(ratio))
    if float(np.subtract(*np.quantile(ratio, [0.75, 0.25]))) > 0.08 or abs(middle) < 0.1:
        return None
    if abs(middle) <= np.log(PLAIN_FACTOR):
        return None  # the mean shift of a lognormal column is a scale change too
    conversion = _unknown(float(np.exp(middle)))
    return conversion if _explains(conversion, ref, cur, moved, drift) else None


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
    if steps[0] is None or steps[1] is None or abs(np.log(steps[1] / steps[0])) < SAME_STEP:
        return None
    conversion = _unknown(steps[1] / steps[0], lattice=True)
    return conversion if _explains(conversion, ref, cur, moved, drift) else None


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
