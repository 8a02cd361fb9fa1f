"""Where names stand beside their points so that none covers another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = 11
"""Pixels of the type."""
WIDE = 6.4
"""Pixels that a character takes, rather too many."""
LONGEST = 24
"""Characters of a name before it is cut."""
GAP = 7.0
"""Pixels between a point and its name."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PlacedName:
    """A name with the pixel where it is anchored and the side that is anchored there."""

    text: str
    x: float
    y: float
    align: str


def place(points: Sequence[tuple[str, tuple[float, float]]], width: float, height: float) -> list[PlacedName]:
    """Names right of, left of, above or below their points, within the plot; a name without room is left out.

    ``points`` are names with pixels, in order of rising importance: the last are placed first.
    """
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for _, (x, y) in points]
    placed = []
    for name, (x, y) in reversed(points):
        text = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
        for candidate in _candidates(text, x, y):
            box = _box(candidate)
            if _inside(box, width, height) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                placed.append(candidate)
                break
    return placed


def _candidates(text: str, x: float, y: float) -> list[PlacedName]:
    return [
        PlacedName(text, x + GAP, y, "left"),
        PlacedName(text, x - GAP, y, "right"),
        PlacedName(text, x, y - GAP - SIZE / 2, "center"),
        PlacedName(text, x, y + GAP + SIZE / 2, "center"),
        PlacedName(text, x + GAP, y - 1.3 * SIZE, "left"),
        PlacedName(text, x + GAP, y + 1.3 * SIZE, "left"),
        PlacedName(text, x - GAP, y - 1.3 * SIZE, "right"),
        PlacedName(text, x - GAP, y + 1.3 * SIZE, "right"),
        PlacedName(text, x + GAP, y + 2.2 * SIZE, "left"),
        PlacedName(text, x - GAP, y + 2.2 * SIZE, "right"),
    ]


def _box(placed: PlacedName) -> Box:
    wide = WIDE * len(placed.text)
    left = placed.x - {"left": 0.0, "right": wide, "center": wide / 2}[placed.align]
    return (left, placed.y - SIZE * 0.6, left + wide, placed.y + SIZE * 0.6)


def _inside(box: Box, width: float, height: float) -> bool:
    return box[0] >= -4 and box[2] <= width + 4 and box[1] >= -4 and box[3] <= height + 4


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
