"""The steps in which values are recorded: whole numbers, tenths, multiples of 25, three significant digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backslide.contracts import say
from backslide.stats.arrays import Floats, Mask
from backslide.stats.sorted_search import search_sorted
from backslide.stats.two_sample import distinct_of_sorted, ks

HELD = 0.999
"""Share of values that lie on a lattice that holds them."""
EXACT = 1e-6
"""How far a value may be from a multiple, in steps, and in relation to its own size."""
_MANTISSAS = (1.0, 2.0, 2.5, 5.0)
_EXPONENTS = range(-6, 10)
STEPS = tuple(sorted((m * 10.0**e for e in _EXPONENTS for m in _MANTISSAS), reverse=True))
_EVERY_STEP = np.array(STEPS)
PROBES = 8
"""Values that are asked first."""
DIGITS = (1, 2, 3, 4)
MIN_LEVELS = 3
"""Values that must be left before bins are read into them: two are a switch."""


@dataclass(frozen=True)
class Rounding:
    """A way of rounding."""

    words: str
    step: float = 0.0
    """Multiples of it, rounded by ``how``; 0 for the other kinds."""
    how: str = "nearest"
    """``nearest``, ``down`` or ``up``."""
    digits: int = 0
    """Significant digits kept."""
    levels: tuple[float, ...] = ()
    """The values left, where they follow no step."""

    def round(self, values: Floats) -> Floats:
        """``values`` (n,) rounded; NaN and infinities stay."""
        if self.step:
            return _to_step(values, self.step, self.how)
        if self.digits:
            return _to_digits(values, self.digits)
        return _to_levels(values, np.array(self.levels), self.how)


def _to_step(values: Floats, step: float, how: str) -> Floats:
    steps = values / step
    moved = np.floor(steps) if how == "down" else np.ceil(steps) if how == "up" else np.round(steps)
    # A value that lies on the lattice stays, whatever the last bit says.
    rounded = np.where(is_on_step(values, step), np.round(steps), moved)
    whole = step < 1 and abs(1 / step - round(1 / step)) < 1e-9
    return np.asarray(rounded / np.round(1 / step) if whole else rounded * step)


def _to_digits(values: Floats, digits: int) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(values == 0, 0.0, np.floor(np.log10(np.abs(values))))
        unit = 10.0 ** (size - digits + 1)
        return np.where(np.isfinite(values) & (values != 0), np.round(values / unit) * unit, values)


def _to_levels(values: Floats, levels: Floats, how: str) -> Floats:
    at = search_sorted(levels, values, "right")
    low, high = levels[np.clip(at - 1, 0, len(levels) - 1)], levels[np.clip(at, 0, len(levels) - 1)]
    if how == "down":
        chosen = low
    elif how == "up":
        chosen = np.where(low == values, low, high)
    else:
        chosen = np.where(np.abs(values - low) <= np.abs(high - values), low, high)
    return np.where(np.isfinite(values), chosen, values)


def is_on_step(values: Floats, step: float | Floats) -> Mask:
    """Which values (n,) are whole multiples of ``step``; of several steps, values (n, 1) and steps (m,) give (n, m)."""
    steps = values / step
    return np.asarray(np.abs(steps - np.round(steps)) <= np.maximum(EXACT, 1e-12 * np.abs(steps)))


def on_step(values: Floats, step: float) -> float:
    """Share of values that are whole multiples of ``step``."""
    return float(is_on_step(values, step).mean())


def on_digits(values: Floats, digits: int) -> float:
    """Share of values with at most that many significant digits."""
    return float((np.abs(values - _to_digits(values, digits)) <= 1e-9 * np.abs(values)).mean())


def _may_have_digits(values: Floats, digits: int) -> bool:
    """Whether a few values leave it open that nearly all have at most so many significant digits."""
    few = values[:: max(len(values) // 400, 1)]
    return (1 - on_digits(few, digits)) * len(few) <= (1 - HELD) * len(values) + 1


def step_of(values: Floats) -> float | None:
    """The coarsest usual step that holds the values; None where none does. ``values`` are sorted and finite."""
    if not len(values):
        return None
    size = max(abs(float(values[0])), abs(float(values[-1])))
    few = values[:: max(len(values) // 400, 1)]
    # Of so few values every one must be a multiple, and so must some of them, which most steps fail at once.
    fits = is_on_step(few[:: max(len(few) // PROBES, 1)][:, None], _EVERY_STEP).all(axis=0)
    for step in (STEPS[i] for i in np.flatnonzero(fits)):
        if step <= max(size, 1e-300) and on_step(few, step) >= HELD and on_step(values, step) >= HELD:
            return step
    return None


def grids_of(values: Floats, reference: Floats, off: float) -> list[Rounding]:
    """Ways of rounding that hold the current values (sorted, finite) and leave the share ``off`` of the reference out."""
    found: list[Rounding] = []
    step = step_of(values)
    if step is not None and on_step(reference, step) <= 1 - off:
        ways = {"nearest": "rounded to", "down": "cut down to", "up": "rounded up to"}
        found += [Rounding(f"{words} {_steps(step)}", step=step, how=how) for how, words in ways.items()]
    for digits in DIGITS:
        if _may_have_digits(values, digits) and on_digits(values, digits) >= HELD:
            if on_digits(reference, digits) <= 1 - off:
                found.append(
                    Rounding(f"rounded to {digits} significant {'digit' if digits == 1 else 'digits'}", digits=digits)
                )
            break
    distinct, known = distinct_of_sorted(values), distinct_of_sorted(reference)
    if MIN_LEVELS <= len(distinct) <= min(200, 0.02 * len(values)) and len(known) >= 5 * len(distinct):
        levels = tuple(float(v) for v in distinct)
        ways = {"nearest": "moved to the nearest of", "down": "moved down to one of", "up": "moved up to one of"}
        found += [Rounding(f"{words} {len(levels)} values", how=how, levels=levels) for how, words in ways.items()]
    return found


def _steps(step: float) -> str:
    if step == 1:
        return "whole numbers"
    for places, words in ((0.1, "one decimal"), (0.01, "two decimals"), (0.001, "three decimals")):
        if abs(step - places) < 1e-12:
            return words
    return f"multiples of {say.number(step)}"


ALL_BACK = 0.98
"""Share of the values that a map must take back onto values of the reference, for it to be told by them."""
HARDLY = 0.5
"""Share of the values that must be none of the reference's as they stand."""
MOST_LEVELS = 2_000
"""Distinct values up to which the very values of a column are compared."""
OFTEN = 0.05
"""Share of the rows of a frequent value."""
MIN_BACK = 3
"""Values of the current window from which they say more than that they are others."""
EQUAL = 1e-6
"""Relative difference up to which two values are the same one."""


def levels_of(ref: Floats) -> Floats | None:
    """The distinct values of a sorted column that keeps to few of them; None where nearly every value is another one."""
    distinct = distinct_of_sorted(ref)
    return distinct if 3 <= len(distinct) <= min(MOST_LEVELS, len(ref) / 3) else None


def on_levels(values: Floats, levels: Floats) -> Mask:
    """Which values (n,) are among the sorted ``levels``."""
    place = search_sorted(levels, values)
    with np.errstate(invalid="ignore"):
        near = [np.abs(values - levels[np.clip(place + k, 0, len(levels) - 1)]) for k in (-1, 0)]
    size = np.maximum(np.abs(values), 1e-3 * np.abs(levels).max())
    return np.asarray(np.isfinite(values) & (np.minimum(*near) <= EQUAL * size))


def same_levels(undo: Callable[[Floats], Floats], ref: Floats, cur: Floats) -> bool:
    """Whether the current values, taken back, are the very values that a column of few always had, and as they stand are not."""
    levels = levels_of(ref)
    if levels is None:
        return False
    taken_back = undo(cur)
    back, plain = on_levels(taken_back, levels), on_levels(cur, levels)
    if float(back.mean()) < ALL_BACK or float(plain.mean()) > 1 - HARDLY:
        return False
    # One or two values are taken back by any map: most of the frequent ones must be there again.
    often = levels[np.unique(ref, return_counts=True)[1] >= OFTEN * len(ref)]
    return (
        len(np.unique(cur)) >= MIN_BACK and float(on_levels(often, np.unique(taken_back)).mean()) >= HARDLY
        if len(often)
        else True
    )


def ks_of_rounded(ref: Floats, cur: Floats, equal: float = EQUAL) -> float:
    """KS distance, with values that differ by less than ``equal`` of the largest current one counted as equal."""
    step = equal * max(float(np.abs(cur).max()), 1e-300)
    return ks(np.round(ref / step), np.round(cur / step))


def frequent_levels(values: Floats, most: int = 3) -> Floats:
    """The most frequent values, the most frequent first."""
    distinct, count = np.unique(values, return_counts=True)
    return np.asarray(distinct[np.argsort(-count, kind="stable")[:most]])


def evenly_spaced(levels: Floats) -> float | None:
    """The step between neighbours of the sorted ``levels``, all the same, or None: months, weekdays, counts."""
    gaps = np.diff(levels)
    step = float(gaps.min()) if len(gaps) else 0.0
    if step <= 0:
        return None
    times = gaps / step
    return step if (np.abs(times - np.round(times)) <= 0.02).all() and np.median(times) < 1.5 else None


def thinned(ref: Floats, cur: Floats) -> tuple[Floats, Floats]:
    """Both sorted columns thinned to as many values, at equal distances: of more rows more values are distinct."""
    n = min(len(ref), len(cur))
    return ref[np.linspace(0, len(ref) - 1, n).astype(int)], cur[np.linspace(0, len(cur) - 1, n).astype(int)]
