"""Small lines in tables: the last periods as measured and as estimated, over the band in which quiet periods lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from backslide.contracts.escape import clean_text

WIDTH, HEIGHT, EDGE = 200, 40, 3
MEASURED, ESTIMATED = "performance", "estimate"


def spark(lines: Mapping[str, Any], label: str) -> Markup:
    """Lines by stream, each with ``number``, ``value``, ``low`` and ``high``; colours come from the style sheet."""
    drawn = {name: line for name, line in lines.items() if line["number"]}
    if not drawn:
        return Markup("")
    numbers = [n for line in drawn.values() for n in line["number"]]
    first = next(iter(drawn.values()))
    known = [v for line in drawn.values() for v in line["value"] if v is not None]
    known += [v for name in ("low", "high") for v in first[name] if v is not None]
    if not known:
        return Markup("")
    low, high = min(known), max(known)
    across = (WIDTH - 2 * EDGE) / max(max(numbers) - min(numbers), 1)
    up = (HEIGHT - 2 * EDGE) / ((high - low) or 1.0)

    def place(number: int, value: float) -> tuple[float, float]:
        return round(EDGE + (number - min(numbers)) * across, 1), round(HEIGHT - EDGE - (value - low) * up, 1)

    parts = [_band(first, place)]
    for name in sorted(drawn, reverse=True):  # performance, which is measured, above the estimate
        line, kind = drawn[name], "estimated" if name == ESTIMATED else "measured"
        dots = [place(n, v) for n, v in zip(line["number"], line["value"], strict=True) if v is not None]
        points = " ".join(f"{x},{y}" for x, y in dots)
        parts.insert(1, f'<polyline class="{kind}" points="{points}" fill="none"/>')
        if dots and name == (MEASURED if MEASURED in drawn else name):
            parts.append(f'<circle class="{kind}" cx="{dots[-1][0]}" cy="{dots[-1][1]}" r="2.6"/>')
    return Markup(
        f'<svg class="spark" role="img" aria-label="{escape(clean_text(label))}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
    )


def _band(line: Mapping[str, Sequence[Any]], place: Any) -> str:
    ends = [
        (n, low, high)
        for n, low, high in zip(line["number"], line["low"], line["high"], strict=True)
        if low is not None and high is not None
    ]
    if len(ends) < 2:
        return ""
    above = [place(n, high) for n, _, high in ends]
    below = [place(n, low) for n, low, _ in reversed(ends)]
    points = " ".join(f"{x},{y}" for x, y in (*above, *below))
    return f'<polygon class="band" points="{points}"/>'
