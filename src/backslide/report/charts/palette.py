"""Colours of the charts, as drawn, and what the page makes of each in light and dark.

The reference is a dark blue and the current window a light orange: they stay apart for every common colour blindness
and on a grey printer, since luminance differs as well as hue. Line style and fill differ besides. The style sheet of
the page maps each colour as drawn to a variable, so that one drawing serves light, dark and print.
"""

from __future__ import annotations

REFERENCE = "#1b4f8f"
CURRENT = "#d9730d"
INK = "#333a44"
FAINT = "#5f6977"
GRID = "#e2e5ea"
BAND = "#eef0f4"
PAPER = "#fefefe"
FALL = ("#f6d9c4", "#ecb084", "#e09154")
"""Weak to strong tints of a negative number."""
RISE = ("#cfe2f3", "#96c1e6", "#6ea8da")
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
