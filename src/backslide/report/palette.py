"""Colours of the charts, as drawn, and what the page makes of each in light and dark.

Blue and orange stay apart for every common colour blindness; line style differs as well. The style sheet of the page
maps each colour as drawn to a variable, so that one drawing serves light, dark and print.
"""

from __future__ import annotations

REFERENCE = "#1f6fb2"
CURRENT = "#c2570c"
INK = "#333a44"
FAINT = "#6a7381"
GRID = "#e2e5ea"
BAND = "#eef0f4"
PAPER = "#fefefe"
FALL = ("#f6d9c4", "#ecb084", "#db7f3c")
"""Weak to strong tints of a negative number."""
RISE = ("#cfe2f3", "#96c1e6", "#5596cf")
"""Weak to strong tints of a positive number."""

VARIABLES = {
    REFERENCE: "reference",
    CURRENT: "current",
    INK: "ink",
    FAINT: "faint",
    GRID: "grid",
    BAND: "band",
    PAPER: "paper",
    **{colour: f"fall-{level}" for level, colour in enumerate(FALL, start=1)},
    **{colour: f"rise-{level}" for level, colour in enumerate(RISE, start=1)},
}


def rules() -> str:
    """CSS that turns the colours as drawn into the page's variables."""
    lines = [
        f'.backslide svg [{attribute}="{colour}"]{{{attribute}:var(--{name})}}'
        for colour, name in VARIABLES.items()
        for attribute in ("fill", "stroke")
    ]
    return "\n".join(lines)
