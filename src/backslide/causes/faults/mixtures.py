"""Faults of some rows that nothing marks: two components, the rows as they were and the rows with the fault.

A column that comes in another unit, with the other sign, or swapped with another column on an unknown part of its rows is a
mixture of its reference distribution and of that distribution mapped. The part is read off the distribution functions; which
rows it is follows from Bayes' rule, with what the other columns lead to expect of each row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.conversions import CONVERSIONS, Conversion
from backslide.causes.columns.monotone_transforms import MonotoneMap, curves_for
from backslide.causes.columns.remainder import is_explained
from backslide.causes.columns.resolution import EQUAL, frequent_levels, ks_of_rounded, levels_of, on_levels
from backslide.causes.faults.base import Hypothesis, Remedy
from backslide.causes.faults.conditional_density import ConditionalDensity
from backslide.causes.faults.markers import describe
from backslide.causes.faults.signatures.unit_change import of_values
from backslide.causes.faults.subsets import within
from backslide.causes.faults.value_maps import find_value_map
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats, Mask
from backslide.stats.two_sample import KS_LIMIT_1_PERCENT, distinct_of_sorted, ks, ks_limit, ks_p_value

MIN_MOVED = 0.03
"""Distance that the column must have moved over all rows."""
MIN_MOVED_BY_CURVE = 0.6
"""Distance from which on a logarithm or a root of part of the rows is no drift."""
FOR_A_CURVE = 20
"""Values of the reference from which on a curve through them says something: 1 is e to the power of 0."""
SLOPE_STEP = 1e-6
MIN_PART = 0.04
"""Smallest share of rows that is told from the tail of the others."""
MIN_APART = 0.2
"""Distance between the two components: closer ones cannot be told apart row by row."""
REMAINS = 0.1
"""Share of the moved distance that the mixture may leave unexplained, beyond noise."""
REST, REST_PROVEN = 0.25, 0.5
"""Share of the moved distance that may be left when it is undone on its rows; more where the values themselves show the map, so
that the rest is a drift of its own."""
NEW_ENDS = 0.01
"""Share of rows that may lie beyond all that the reference has by themselves."""
BETTER = 0.5
"""Of what a conversion of all rows leaves unexplained, how much one of a part may leave to take its place."""
BY_CHANCE = 0.05
GRID = 240
FREE_STEP = 0.1
FREE_FACTORS = np.arange(0.3, 5.0, FREE_STEP)
"""Natural logarithms of the factors that are tried where no known unit explains: from a third more up to 150 times."""
FREE_POINTS = 400
"""Quantiles on which they are tried."""
FREQUENT = 4
"""Most frequent values, old and new, that are matched for a factor or an offset."""
BACK = 0.97
"""Share of the new values that a factor or offset must take back onto old ones."""
MAX_COLUMNS = 12
"""Columns that moved the most are read for swaps."""
DIGITS = 6
"""Of a factor or offset that is known exactly."""
UNMARKED = ", which nothing marks"


@dataclass(frozen=True)
class _MixtureRemedy(Remedy):
    """A map of one column, or a swap of two, on the rows that are likelier with it than without."""

    kind: CauseKind
    conversion: Conversion | MonotoneMap | None
    share: float

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Undo it on its rows."""
        return self._map(hypothesis, frame, hypothesis.rows, undo=True)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Do it to the same share of reference rows."""
        rows = case.rng("mixture " + " ".join(hypothesis.features)).random(frame.height) < self.share
        return self._map(hypothesis, frame, np.asarray(rows), undo=False)

    def _map(self, hypothesis: Hypothesis, frame: pl.DataFrame, rows: Mask, *, undo: bool) -> pl.DataFrame:
        values = [edit.numbers_of(frame, feature) for feature in hypothesis.features]
        if self.conversion is None:
            values = values[::-1]
        else:
            values = [self.conversion.undo(values[0]) if undo else self.conversion.apply(values[0])]
        for feature, new in zip(hypothesis.features, values, strict=True):
            frame = edit.write(frame, feature, new, rows)
        return frame


def recognise_mixtures(case: Case, taken: set[str]) -> list[Hypothesis]:
    """Mixtures among the numeric columns that moved and that nothing else claims (``taken``)."""
    moved: list[tuple[float, Pair]] = []
    for pair in case.pairs.values():
        if pair.name in taken or not pair.numeric or pair.constant_before:
            continue
        ref, cur = pair.finite
        if min(len(ref), len(cur)) < edit.MIN_ROWS:
            continue
        distance = pair.moved
        if distance >= MIN_MOVED and ks_p_value(distance, len(ref), len(cur)) < 1e-6:
            moved.append((distance, pair))
    moved.sort(key=lambda item: -item[0])
    swaps = list(_find_swaps(case, [pair for _, pair in moved[:MAX_COLUMNS]]))
    claimed = {feature for h in swaps for feature in h.features}
    found = [*swaps, *(h for _, pair in moved if pair.name not in claimed for h in _of_column(case, pair))]
    return [told for h in found for told in _describe(case, h)]


def _of_column(case: Case, pair: Pair) -> Iterator[Hypothesis]:
    """A map of the values by what they are before a conversion of some rows, whatever they are."""
    by_value = find_value_map(case, pair)
    if by_value is not None:
        yield by_value
    else:
        yield from _find_conversion(case, pair)


def _describe(case: Case, hypothesis: Hypothesis) -> list[Hypothesis]:
    """The same fault by what marks its rows, where something does: then the rows are known and not only likely."""
    marker = describe(case, hypothesis.rows, hypothesis.features)
    if marker is None:
        return [hypothesis]
    same = [
        h
        for h in within(case, marker, hypothesis.features)
        if h.kind == hypothesis.kind and set(h.features) & set(hypothesis.features)
    ]
    if same:
        return same
    seen = hypothesis.seen.replace(UNMARKED, f" where {marker.expression}")
    return [replace(hypothesis, seen=seen, segment=marker.expression)]


@dataclass(frozen=True)
class _Fit:
    part: float
    left: float
    apart: float


def _fit(ref: Floats, other: Floats, cur: Floats) -> _Fit:
    """``cur`` as (1 - part) of ``ref`` and part of ``other`` (sorted arrays): least squares between distribution functions."""
    at = np.unique(np.concatenate([np.quantile(v, np.linspace(0, 1, GRID)) for v in (ref, other, cur)]))
    f_ref, f_o, f_cur = (np.searchsorted(v, at, side="right") / len(v) for v in (ref, other, cur))
    toward, moved = f_o - f_ref, f_cur - f_ref
    power = float(toward @ toward)
    part = float(np.clip(toward @ moved / power, 0.0, 1.0)) if power > 0 else 0.0
    return _Fit(part, float(np.abs(moved - part * toward).max()), float(np.abs(toward).max()))


def _good(fit: _Fit, moved: float, n_ref: int, n_cur: int, drift: float) -> bool:
    noise = ks_limit(n_ref, n_cur, KS_LIMIT_1_PERCENT)
    explained = is_explained(fit.left, moved, noise, REMAINS, drift) and fit.left < 0.4 * moved
    return explained and MIN_PART <= fit.part <= 1 - MIN_PART and fit.apart >= MIN_APART


def _find_conversion(case: Case, pair: Pair) -> Iterator[Hypothesis]:
    """The conversion of part of the rows that leaves the least unexplained, if it explains the column's move."""
    ref, cur = pair.finite
    moved = pair.moved
    step = EQUAL * max(float(np.abs(cur).max()), 1e-300)
    curves = curves_for(ref) if len(distinct_of_sorted(ref)) >= FOR_A_CURVE else []
    maps: list[Conversion | MonotoneMap] = [*CONVERSIONS, OPPOSITE, *_by_levels(ref, cur), *curves]
    fits = [(c, _fit(*(np.round(v / step) for v in (ref, np.sort(c.apply(ref)), cur)))) for c in maps]
    good = [(c, f) for c, f in fits if _good(f, moved, len(ref), len(cur), _room(c, pair))]
    free = None if good else _free_factor(ref, cur)
    if free is not None:
        fit = _fit(*(np.round(v / step) for v in (ref, np.sort(free.apply(ref)), cur)))
        good = [(free, fit)] if _good(fit, moved, len(ref), len(cur), 0.0) else []
    known = float(np.sqrt(1 / len(ref) + 1 / len(cur)))  # by which a conversion that people know may fit worse

    def cost(item: tuple[Conversion | MonotoneMap, _Fit]) -> float:
        if not isinstance(item[0], Conversion):
            return item[1].left
        by_levels = item[0].lattice  # one of many that the values proposed
        return item[1].left + known * (by_levels + item[0].oddness)

    good = [(c, f) for c, f in good if not _explained_by_all(pair, f.left)]
    if not good:
        return
    before = ConditionalDensity(case, pair)
    for conversion, fit in sorted(good, key=cost)[:3]:
        rows = _rows(before, pair, conversion, fit.part)
        values = pair.numbers[1].copy()
        values[rows] = conversion.undo(values[rows])
        left = ks(*(np.round(v / step) for v in (ref, np.sort(values[np.isfinite(values)]))))
        rest = REST_PROVEN if _proven(ref, cur, conversion) else REST
        noise = ks_limit(len(ref), len(cur))
        if rows.sum() < edit.MIN_ROWS / 4 or not is_explained(left, moved, noise, rest, _room(conversion, pair)):
            continue
        if _outside(ref, values) > max(REMAINS * _outside(ref, cur), NEW_ENDS):
            continue  # values that nobody knew are still there: another map put them there
        flipped = conversion is OPPOSITE
        kind = CauseKind.SIGN_FLIP if flipped else CauseKind.UNIT_CHANGE
        share = say.percent(float(rows.mean()))
        yield Hypothesis(
            signature=_MixtureRemedy(kind, conversion, fit.part),
            features=(pair.name,),
            seen=f"{pair.name} {'has' if flipped else 'is'} {conversion.words} on {share} of the rows{UNMARKED}",
            undo=f"convert {pair.name} back on those rows",
            evidence=(f"DRF001:{pair.name}",),
            exact=flipped or (conversion is not free and _plain(conversion, fit.apart)),
            reversible=True,
            rows=rows,
            mechanism=f"{conversion.words}|mixture",
        )
        return


def _explained_by_all(pair: Pair, left: float) -> bool:
    """Whether a conversion of all rows explains the move about as well as one of a part does, which leaves ``left``."""
    whole = of_values(pair)
    if whole is None:
        return False
    ref, cur = pair.finite
    rest = ks_of_rounded(whole.apply(ref), cur)
    return left > BETTER * rest or ks_p_value(rest, len(ref), len(cur)) > BY_CHANCE


def _free_factor(ref: Floats, cur: Floats) -> Conversion | None:
    """The factor of no known unit that explains best, as one of a part of the rows; it has to prove itself by its price."""
    ref, cur = (np.quantile(v, np.linspace(0, 1, FREE_POINTS)) for v in (ref, cur))
    if ref[0] < 0 < ref[-1]:
        return None  # a factor spreads such a column to both sides, as any noise does
    factors = np.exp(np.r_[-FREE_FACTORS[::-1], FREE_FACTORS])
    left = [_fit(ref, np.sort(f * ref), cur).left for f in factors]
    best = float(factors[int(np.argmin(left))])
    near = best * np.exp(np.linspace(-1, 1, 9) * FREE_STEP)
    best = float(near[int(np.argmin([_fit(ref, np.sort(f * ref), cur).left for f in near]))])
    return Conversion(best, 0.0, f"{say.number(best, 3)} times what it was (no known unit)")


def _room(conversion: Conversion | MonotoneMap, pair: Pair) -> float:
    """What of its usual drift the column may keep after the conversion is undone; nothing after a curve."""
    return conversion.room(pair.usual_drift) if isinstance(conversion, Conversion) else 0.0


def _proven(ref: Floats, cur: Floats, conversion: Conversion | MonotoneMap) -> bool:
    """Whether the values themselves show the map: what the column never had comes back to what it always had."""
    if conversion is OPPOSITE and ref[0] * ref[-1] > 0:  # of one sign
        return _outside(ref, -cur[cur * ref[0] < 0]) <= 1 - BACK and (cur * ref[0] < 0).sum() >= edit.MIN_ROWS / 4
    levels = levels_of(ref)
    if levels is None:
        return False
    new = cur[~on_levels(cur, levels)]
    return len(new) >= edit.MIN_ROWS / 4 and bool(on_levels(conversion.undo(new), levels).mean() >= BACK)


def _outside(ref: Floats, values: Floats) -> float:
    """Share of values below or above all that the reference has (sorted)."""
    known = values[np.isfinite(values)]
    return float(((known < ref[0]) | (known > ref[-1])).mean()) if len(known) else 0.0


def _plain(conversion: Conversion | MonotoneMap, apart: float) -> bool:
    return apart >= MIN_MOVED_BY_CURVE if isinstance(conversion, MonotoneMap) else conversion.plain(apart)


def _by_levels(ref: Floats, cur: Floats) -> list[Conversion]:
    """Factors and offsets of no known unit under which the values that are new are the very ones that the column always had."""
    levels = levels_of(ref)
    if levels is None:
        return []
    new = cur[~on_levels(cur, levels)]
    if len(new) < max(edit.MIN_ROWS / 4, MIN_PART * len(cur)):
        return []
    often_new, often = (frequent_levels(v, FREQUENT) for v in (new, ref))
    found = []
    for value in often_new:
        for was in often:
            if was != 0 and value / was > 0:
                times = f"{say.number(value / was, DIGITS)} times what it was (no known unit)"
                found.append(Conversion(float(value / was), 0.0, times, lattice=True))
            by = f"{'more' if value > was else 'less'} by {say.number(abs(value - was), DIGITS)}"
            found.append(Conversion(1.0, float(value - was), by, lattice=True))
    return [c for c in found if c.words and on_levels(c.undo(new), levels).mean() >= BACK]


OPPOSITE = Conversion(-1.0, 0.0, "the opposite sign")


def _rows(before: ConditionalDensity, pair: Pair, conversion: Conversion | MonotoneMap, part: float) -> Mask:
    """Rows likelier with the map than without, given the other columns (n_cur,)."""
    x = pair.numbers[1]
    known = np.isfinite(x)
    log_without = before.log_density(x) + np.log1p(-part)
    log_with = before.log_density(conversion.undo(x)) + _log_slope(conversion, x) + np.log(part)
    likelier = log_with > log_without
    levels = levels_of(pair.finite[0])
    if (
        levels is not None
    ):  # a value that the column never had, and would have had before the map, is one that was mapped
        plain, back = on_levels(x, levels), on_levels(conversion.undo(x), levels)
        likelier = np.where(plain == back, likelier, back)
    return np.asarray(known & likelier)


def _log_slope(conversion: Conversion | MonotoneMap, x: Floats) -> Floats:
    """Logarithm of how fast the undone value moves with the value (n,)."""
    if isinstance(conversion, Conversion):
        return np.full(len(x), -np.log(abs(conversion.factor)))
    step = SLOPE_STEP * np.maximum(np.abs(x), 1.0)
    with np.errstate(all="ignore"):
        return np.asarray(np.log(np.abs(conversion.undo(x + step) - conversion.undo(x - step)) / (2 * step)))


def _find_swaps(case: Case, pairs: list[Pair]) -> Iterator[Hypothesis]:
    """Two columns that exchanged their values on the same part of the rows."""
    for one, other in combinations(pairs, 2):
        (ref_1, cur_1), (ref_2, cur_2) = one.finite, other.finite
        fits = _fit(ref_1, ref_2, cur_1), _fit(ref_2, ref_1, cur_2)
        moved = ks(ref_1, cur_1), ks(ref_2, cur_2)
        sizes = ((len(ref_1), len(cur_1)), (len(ref_2), len(cur_2)))
        if not all(_good(f, m, *n, 0.0) for f, m, n in zip(fits, moved, sizes, strict=True)):
            continue
        if abs(fits[0].part - fits[1].part) > 0.2 * max(fits[0].part, fits[1].part):
            continue
        part = (fits[0].part + fits[1].part) / 2
        x_1, x_2 = one.numbers[1], other.numbers[1]
        d_1, d_2 = ConditionalDensity(case, one), ConditionalDensity(case, other)
        without = d_1.log_density(x_1) + d_2.log_density(x_2) + np.log1p(-part)
        rows = np.asarray(d_1.log_density(x_2) + d_2.log_density(x_1) + np.log(part) > without)
        rows &= np.isfinite(x_1) & np.isfinite(x_2)
        if rows.sum() < edit.MIN_ROWS / 4:
            continue
        yield Hypothesis(
            signature=_MixtureRemedy(CauseKind.SWAPPED_COLUMNS, None, part),
            features=(one.name, other.name),
            seen=f"{one.name} and {other.name} are swapped on {say.percent(float(rows.mean()))} of the rows{UNMARKED}",
            undo=f"swap {one.name} and {other.name} back on those rows",
            evidence=(f"DRF001:{one.name}", f"DRF001:{other.name}"),
            exact=True,
            reversible=True,
            rows=rows,
            mechanism=f"{one.name}+{other.name}|mixture",
        )
