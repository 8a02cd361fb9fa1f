"""Units that people mistake for each other, as maps of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.contracts import say
from backslide.contracts.diagnosis import LEAST_ROWS
from backslide.stats.arrays import Floats

SIZES_APART = 3.0
"""Times the largest value, or the inverse of the smallest, from which on no season takes a whole column there."""
PLAIN_FACTOR = 5.0
"""Factors from here on are no natural drift of a whole distribution."""
PLAIN_OFFSET = 0.6
"""Distance that a conversion of degrees must move a column by."""
ODD = 0.3
"""Share of the noise of a distance by which other units must fit better than powers of ten and units of time."""
TIMES = (7.0, 12.0, 24.0, 60.0, 3600.0)


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


def sizes_apart(ref: Floats, cur: Floats) -> bool:
    """Whether all but a few of the values are many times as large, or as small, as all but a few of the former ones."""
    if min(len(ref), len(cur)) < LEAST_ROWS:
        return False
    (ref_low, ref_high), (low, high) = (np.quantile(values, [0.01, 0.99]) for values in (ref, cur))
    return bool(min(ref_low, low) > 0 and (low >= SIZES_APART * ref_high or SIZES_APART * high <= ref_low))


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
    4.4482216: "pounds-force and newtons",
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
