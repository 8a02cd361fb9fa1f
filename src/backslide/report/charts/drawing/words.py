"""What is written in a drawing: numbers of an axis, months, and how wide words are."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from html import escape
from typing import Any

from backslide.contracts import say
from backslide.contracts.say import MINUS
from backslide.report.charts.drawing.limits import UnsupportedError

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WIDTH = 0.56
"""Of an average letter, in heights of the font: browsers' fonts run wider than what fits."""
NARROW = 0.5
"""The same where a text is cut to what fits."""
LONGEST = 12
"""Digits of a whole number that is written out."""
_NUMBER = re.compile(r"(\+?)(,?)\.(\d+)~([pg])")


def written(value: Any, pattern: str | None) -> str:
    """A tick as its axis writes it.

    Raises:
        UnsupportedError: the pattern is none that is known here.
    """
    if isinstance(value, str):
        return value
    if pattern is not None and "%" in pattern:
        return _moment(value, pattern)
    form = _NUMBER.fullmatch(pattern or ",.12~g")
    if form is None:
        raise UnsupportedError(f"format {pattern}")
    sign, digits, kind = form.group(1), int(form.group(3)), form.group(4)
    share = kind == "p"
    text = _number(abs(value) * (100 if share else 1), digits)
    before = MINUS if value < 0 and text.strip("0.,") else sign
    return before + text + ("%" if share else "")


def _number(value: float, digits: int) -> str:
    """So many significant digits, with an exponent where the number would be a row of zeros."""
    if value >= 10**LONGEST:
        power = math.floor(math.log10(value))
        return f"{say.number(value / 10**power, 3)}e+{power}"
    mantissa, e, exponent = say.number(value, digits).partition("e")
    return (_trimmed(mantissa) if e else mantissa) + e + exponent


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moment(milliseconds: float, pattern: str) -> str:
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    parts = {"%H": f"{at.hour:02}", "%M": f"{at.minute:02}", "%b": MONTHS[at.month - 1], "%d": f"{at.day:02}"}
    parts |= {"%Y": str(at.year)}
    return re.sub(r"%\w", lambda part: parts[part.group()], pattern)


def width_of(text: str, size: float = 11) -> float:
    """About as many pixels as a text takes."""
    return WIDTH * size * len(text)


def shortened(text: str, limit: float | None, size: float = 11) -> str:
    """A text cut to so many pixels."""
    if limit is None or NARROW * size * len(text) <= limit:
        return text
    return text[: max(1, int(limit / (NARROW * size)) - 1)] + "…"


def text_at(x: float, y: float, text: str, *, anchor: str, size: float, fill: str, turned: bool = False) -> str:
    """A text of a drawing."""
    turn = " rotate(-90)" if turned else ""
    return (
        f'<text text-anchor="{anchor}" transform="translate({pixel(x)},{pixel(y)}){turn}" font-size="{pixel(size)}px" '
        f'fill="{fill}">{escape(text)}</text>'
    )


def pixel(value: float) -> str:
    """Pixels to a tenth."""
    tenths = round(value, 1)
    return str(int(tenths) if tenths == int(tenths) else tenths)
