"""Names and values come from other people's data: what could steer a terminal or reverse a line is made visible."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, TypeVar

from backslide.contracts.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

V = TypeVar("V", bound=Value)
_SPACES = frozenset("\t\n\r\v\f\x85\u2028\u2029")


def clean_text(text: str) -> str:
    """The text on one line, with control, bidirectional and surrogate characters written as escapes.

    Zero-width joiners stay: some scripts and every composed emoji need them.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def cleaned(value: V) -> V:
    """The diagnosis, or any other value, with every string in it made safe to show."""
    return type(value).model_validate(_walk(value.model_dump()))


def _visible(character: str) -> str:
    if character in _SPACES:
        return " "
    category = unicodedata.category(character)
    if category in ("Cc", "Cs") or unicodedata.bidirectional(character) in _BIDI:
        return f"\\u{ord(character):04x}"
    return character


_BIDI = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def _walk(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        # Two names may differ in control characters alone; the later one must not swallow the earlier.
        keys = _distinct(_walk(key) for key in value)
        return dict(zip(keys, (_walk(item) for item in value.values()), strict=True))
    if isinstance(value, (list, tuple)):
        # Most of a diagnosis is numbers: they are not worth a call each.
        return [item if isinstance(item, (float, int)) else _walk(item) for item in value]
    return value


def _distinct(keys: Iterable[Any]) -> list[Any]:
    unique: list[Any] = []
    for key in keys:
        while key in unique:
            key = f"{key}'"
        unique.append(key)
    return unique
