"""Conversions beyond known units: logarithms and roots, plain offsets, and another scale and origin together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from backslide.causes.columns.remainder import is_explained
from backslide.causes.columns.resolution import (
    HARDLY,
    evenly_spaced,
    frequent_levels,
    ks_of_rounded,
    levels_of,
    on_levels,
    on_step,
    same_levels,
    step_of,
)
from backslide.contracts import say
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats
from backslide.stats.two_sample import distinct_of_sorted, ks, ks_limit

MIN_ROWS = 200
MIN_MOVED = 0.3
"""Distance that a logarithm, a root or a power must have moved the column by."""
OFFSET_MOVED = 0.1
PLAIN_OFFSET_MOVED = 0.25
"""The same for an offset that nothing but its price can tell from a drift of the mean."""
FAR = 0.9
"""Distance from which on hardly any value lies where the former ones did: no season takes a column so far along a curve."""
LEAST_OFF = 0.1
"""Share of the values that a curve must take off the steps of a column, so that digits tell: zeros stay zeros."""
REMAINS = 0.1
"""Share of what moved that may remain after a curve, beyond noise."""
ALL_BETWEEN, SAME_PLACE = 0.99, 1e-3
"""Share of the values that must stand between the steps, and how far apart, in steps, their places there may be."""
FREQUENT, APART, AS_OFTEN = 0.02, 2.0, 0.6
"""Share of the rows that one value must hold, times that of the next, and how alike its shares before and now must be."""
ENDINGS = (0.9, 0.95, 0.99)
"""Places between steps that prices end on."""
AFFINE_MOVED = 0.6
AFFINE_VALUES = 20
AFFINE_REMAINS = 0.03
"""Scale and origin fit any two distributions in the middle: what remains is all that speaks for them."""
OF_A_SCALER = 0.3
"""Tolerance: of the scale, as a logarithm, and of the origin, in standard deviations."""
AFFINE_FACTOR = float(np.log(5.0))
"""Natural logarithm of a factor from which on no season brings it."""
_QUANTILES = np.linspace(0.02, 0.98, 49)

Map = Callable[[Floats], Floats]


@dataclass(frozen=True)
class MonotoneMap:
    """A one-to-one map of the values, named by ``key``."""

    key: str
    exact: bool = True
    """Whether it explains nearly all that moved, the digits show it, or hardly any value lies where the former ones did: of few
    rows, a season may look like a curve, too."""

    @property
    def words(self) -> str:
        """Such as "the natural logarithm of what it was"."""
        return _CURVES[self.key][0]

    def apply(self, values: Floats) -> Floats:
        """Reference to current."""
        with np.errstate(all="ignore"):
            return _CURVES[self.key][1](values)

    def undo(self, values: Floats) -> Floats:
        """Current to reference."""
        with np.errstate(all="ignore"):
            return _CURVES[self.key][2](values)


@dataclass(frozen=True)
class Offset:
    """A constant added to every value."""

    by: float
    exact: bool
    """Whether the steps in which values are recorded were moved as well."""

    @property
    def words(self) -> str:
        """Such as "12.5 more than it was"."""
        return f"{say.number(abs(self.by))} {'more' if self.by > 0 else 'less'} than it was"

    def apply(self, values: Floats) -> Floats:
        """Reference to current."""
        return values + self.by

    def undo(self, values: Floats) -> Floats:
        """Current to reference."""
        return values - self.by


@dataclass(frozen=True)
class Affine:
    """Another scale and another origin, as of standardised values or of values put between 0 and 1."""

    factor: float
    by: float
    exact: bool = True

    @property
    def words(self) -> str:
        """Such as "on another scale: 0.02 times what it was, less 1.5"."""
        sign = "plus" if self.by > 0 else "less"
        return f"on another scale: {say.number(self.factor, 3)} times what it was, {sign} {say.number(abs(self.by), 3)}"

    def apply(self, values: Floats) -> Floats:
        """Reference to current."""
        return values * self.factor + self.by

    def undo(self, values: Floats) -> Floats:
        """Current to reference."""
        return (values - self.by) / self.factor


_CURVES: dict[str, tuple[str, Map, Map, Callable[[float, float], bool]]] = {
    "log": ("the natural logarithm of what it was", np.log, np.exp, lambda low, high: low > 0),
    "log1p": ("the logarithm of one plus what it was", np.log1p, np.expm1, lambda low, high: low > -1),
    "log10": ("the decimal logarithm of what it was", np.log10, lambda v: 10.0**v, lambda low, high: low > 0),
    "log2": ("the binary logarithm of what it was", np.log2, np.exp2, lambda low, high: low > 0),
    "sqrt": ("the square root of what it was", np.sqrt, np.square, lambda low, high: low >= 0),
    "square": ("the square of what it was", np.square, np.sqrt, lambda low, high: low >= 0),
    "exp": ("no longer a logarithm: e to the power of what it was", np.exp, np.log, lambda low, high: high < 500),
    "expm1": ("no longer a logarithm of one plus it", np.expm1, np.log1p, lambda low, high: high < 500),
    "exp10": ("no longer a decimal logarithm", lambda v: 10.0**v, np.log10, lambda low, high: high < 250),
}


def curves_for(values: Floats) -> list[MonotoneMap]:
    """The curves that are defined for all of the values (sorted)."""
    return [MonotoneMap(key) for key, (_, _, _, fits) in _CURVES.items() if fits(float(values[0]), float(values[-1]))]


def find_curve(pair: Pair) -> MonotoneMap | None:
    """The curve that maps the reference onto the current values; None where none does."""
    ref, cur = pair.finite
    if min(len(ref), len(cur)) < MIN_ROWS:
        return None
    moved = pair.moved
    if moved < MIN_MOVED:
        return None
    if len(np.unique(ref)) < 20:
        # Of a column of few values: the curve that takes the current values back onto those very values.
        return next((curve for curve in curves_for(ref) if same_levels(curve.undo, ref, cur)), None)
    noise = ks_limit(len(ref), len(cur))
    spread = float(np.quantile(cur, 0.9) - np.quantile(cur, 0.1))
    if spread <= 0:
        return None
    best: tuple[float, MonotoneMap] | None = None
    for curve in curves_for(ref):
        miss = (
            float(np.median(np.abs(curve.apply(np.quantile(ref, _QUANTILES)) - np.quantile(cur, _QUANTILES)))) / spread
        )
        if miss > 0.1:
            continue
        left = ks_of_rounded(curve.apply(ref), cur)
        if left <= max(noise, REMAINS * moved) and (best is None or left < best[0]):
            best = left, curve
    if best is None or _as_before(best[1], ref, cur):
        return None
    shown = moved >= FAR or best[0] <= REMAINS * moved
    return replace(best[1], exact=shown or _by_digits(best[1], ref, cur))


def _by_digits(curve: MonotoneMap, ref: Floats, cur: Floats) -> bool:
    """Whether the current values (sorted) leave the steps that the reference keeps to as often as on the curve, or go back to its
    levels."""
    if same_levels(curve.undo, ref, cur):
        return True
    step = step_of(ref)
    if step is None:
        return False
    expected = 1 - on_step(curve.apply(ref), step)
    return expected >= LEAST_OFF and 1 - on_step(cur, step) >= HARDLY * expected


def _as_before(curve: MonotoneMap, ref: Floats, cur: Floats) -> bool:
    """Whether most current values (sorted) stand among the reference's to the last digit, where hardly any would on the curve:
    then other ones come more often, as in a season, and none was converted."""
    levels = levels_of(ref)
    if levels is None:
        return False
    step, on_curve = step_of(cur), curve.apply(ref)
    if step is not None:
        on_curve = np.round(on_curve / step) * step
    return float(on_levels(cur, levels).mean()) > 1 - HARDLY > 2 * float(on_levels(on_curve, levels).mean())


def _offset_of_levels(ref: Floats, cur: Floats) -> Offset | None:
    """The same for a constant: of the few that take one frequent value to another."""
    frequent = [frequent_levels(values) for values in (ref, cur)]
    steps = sorted({float(now - was) for was in frequent[0] for now in frequent[1]}, key=abs)
    # Months and counts that moved on by whole steps are as evenly spaced as before: the values themselves say nothing.
    step = evenly_spaced(np.unique(ref))
    told = [step is None or not _is_whole(by / step) for by in steps]
    found = [
        Offset(by, exact=exact)
        for by, exact in zip(steps, told, strict=True)
        if same_levels(lambda v, by=by: v - by, ref, cur)  # type: ignore[misc]  # a lambda's default has no type
    ]
    best = min(found, key=lambda offset: ks_of_rounded(offset.apply(ref), cur), default=None)
    noise = ks_limit(len(ref), len(cur))
    if best is not None and not best.exact and ks_of_rounded(best.apply(ref), cur) > noise + REMAINS * ks(ref, cur):
        return None
    return best


def _is_whole(steps: float) -> bool:
    """Whether it is a number of steps; of the smallest numbers that there are, no other one is."""
    return bool(np.isfinite(steps)) and abs(steps - round(steps)) <= 0.02


def find_offset(pair: Pair) -> Offset | None:
    """The constant that was added to every value; None where that does not explain what moved."""
    ref, cur = pair.finite
    if min(len(ref), len(cur)) < MIN_ROWS:
        return None
    if len(distinct_of_sorted(ref)) < 10 or pair.discrete:
        return _offset_of_levels(ref, cur)
    moved = pair.moved
    noise = ks_limit(len(ref), len(cur))
    if moved < OFFSET_MOVED + noise:
        return None
    step_ref, phase_ref = lattice_of(ref)
    step_cur, phase_cur = lattice_of(cur)
    gaps = np.quantile(cur, _QUANTILES) - np.quantile(ref, _QUANTILES)
    by = float(np.median(gaps))
    if step_ref is not None and step_cur is not None and abs(step_ref - step_cur) <= 1e-6 * step_ref:
        off = phase_cur - phase_ref
        by = round((by - off) / step_ref) * step_ref + off
        if (
            abs(off) > 1e-3 * step_ref
            and abs(abs(off) - step_ref) > 1e-3 * step_ref
            and ks_of_rounded(ref + by, cur) <= noise + REMAINS * moved
        ):
            return Offset(by, exact=True)
    between = _between_steps(ref, cur)
    went_along = _frequent_value_moved(ref, cur)
    if between is not None and went_along is not None:
        step, off = between
        by = round((went_along - off) / step) * step + off
        if abs(by - went_along) <= SAME_PLACE * step and ks_of_rounded(ref + by, cur) <= noise + REMAINS * moved:
            return Offset(by, exact=True)
    if moved < PLAIN_OFFSET_MOVED or ks_of_rounded(ref + by, cur) > noise:
        return None
    return Offset(by, exact=False)


def _frequent_value_moved(ref: Floats, cur: Floats) -> float | None:
    """From the most frequent value of the reference (sorted) to the most frequent one now, where both are about as frequent."""
    most = [frequent_levels(values, 2) for values in (ref, cur)]
    shares = [
        [float((values == level).mean()) for level in levels] for values, levels in zip((ref, cur), most, strict=True)
    ]
    alike = AS_OFTEN * shares[0][0] <= shares[1][0] <= shares[0][0] / AS_OFTEN
    apart = all(own[0] >= max(FREQUENT, APART * own[-1]) for own in shares)
    return float(most[1][0] - most[0][0]) if apart and alike else None


def _between_steps(ref: Floats, cur: Floats) -> tuple[float, float] | None:
    """The step that the reference keeps to and how far behind it all current values (sorted) stand; None where they do not all
    stand at one distance."""
    step = step_of(ref)
    if step is None or on_step(cur, step) > 1 - ALL_BETWEEN:
        return None
    places = cur / step - np.floor(cur / step)
    place = float(np.median(places))
    same = np.abs(places - place) <= SAME_PLACE
    if any(abs(place - ending) <= SAME_PLACE for ending in (0.0, *ENDINGS, 1.0)) or same.mean() < ALL_BETWEEN:
        return None
    return step, place * step


def find_affine(pair: Pair) -> Affine | None:
    """The scale and origin that map the reference onto the current values; None where they do not explain what moved, or where
    the scale is one that a season may bring: a price brought back to its former level and spread is answered better, too."""
    ref, cur = pair.finite
    if min(len(ref), len(cur)) < MIN_ROWS or pair.moved < AFFINE_MOVED or len(distinct_of_sorted(ref)) < AFFINE_VALUES:
        return None
    moved = pair.moved
    at_ref, at_cur = np.quantile(ref, _QUANTILES), np.quantile(cur, _QUANTILES)
    if np.ptp(at_ref) == 0 or np.ptp(at_cur) == 0:
        return None
    factor = float(
        np.subtract(*np.quantile(cur, [0.75, 0.25])) / max(np.subtract(*np.quantile(ref, [0.75, 0.25])), 1e-300)
    )
    if not 0 < factor < np.inf or abs(np.log(factor)) < AFFINE_FACTOR:
        return None
    by = float(np.median(at_cur - factor * at_ref))
    left, noise = ks_of_rounded(factor * ref + by, cur), ks_limit(len(ref), len(cur))
    if not is_explained(left, moved, noise, AFFINE_REMAINS, pair.usual_drift):
        return None
    return Affine(factor, by) if _of_a_scaler(ref, factor, by) else None


def _of_a_scaler(ref: Floats, factor: float, by: float) -> bool:
    """Whether scalers map the reference so: by mean and deviation, by quartiles, to 0 to 1 or to 0 to 100. Any short window at
    one end of a range fits some other map: a hot week, a price that rose, numbers that go on."""
    low, middle, high = np.quantile(ref, [0.25, 0.5, 0.75])
    spread, span = float(ref.std()), float(np.ptp(ref))
    scalers = ((ref.mean(), spread), (middle, high - low), (ref.min(), span), (ref.min(), span / 100))
    return any(
        scale > 0
        and abs(np.log(factor * scale)) <= OF_A_SCALER
        and abs(factor * zero + by) <= OF_A_SCALER * factor * spread
        for zero, scale in scalers
    )


def lattice_of(values: Floats) -> tuple[float | None, float]:
    """Step and phase of the lattice that holds the values; (None, 0) where there is none."""
    distinct = np.unique(values)
    if not 10 <= len(distinct) <= len(values) / 3:
        return None, 0.0
    gaps = np.diff(distinct)
    gaps = gaps[gaps > 1e-9 * max(abs(distinct[0]), abs(distinct[-1]))]
    if not len(gaps):
        return None, 0.0
    step = float(gaps.min())
    places = (distinct - distinct[0]) / step
    if (np.abs(places - np.round(places)) > 0.02).any():
        return None, 0.0
    return step, float(distinct[0] % step)
