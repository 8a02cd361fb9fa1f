"""Texts in a code that nobody decoded: wide characters read as bytes, and the escapes of forms, mails and attachments."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from backslide.causes.columns.text_corruption import Damage

WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_NARROW = {codec: codec.rsplit("-", 1)[0].upper() for codec in WIDE}


@dataclass(frozen=True)
class Wide(Damage):
    """Characters of two or four bytes read one byte at a time."""

    codec: str
    reversible = True

    @property
    def seen(self) -> str:
        """What happened."""
        return f"is mis-encoded: {_NARROW[self.codec]} was read byte by byte"

    def hit(self, text: str) -> bool:
        """Null characters, and the way back leads to a text without them."""
        return "\x00" in text and "\x00" not in (self.undo(text) or "\x00")

    def do(self, text: str) -> str:
        """Every byte taken for a letter."""
        return text.encode(self.codec, "surrogatepass").decode("latin-1")

    def undo(self, text: str) -> str | None:
        """The bytes read as what they were; a byte order mark goes."""
        try:
            return text.encode("latin-1").decode(self.codec).removeprefix("\ufeff")
        except UnicodeError:
            return None


def _percent(text: str) -> str:
    return unquote(text, errors="strict")


def _form(text: str) -> str:
    return unquote_plus(text, errors="strict")


def _mail(text: str) -> str:
    return quopri.decodestring(text.encode("ascii")).decode("utf-8")


def _to_mail(text: str) -> str:
    return quopri.encodestring(text.encode("utf-8", "replace"), quotetabs=True).decode("ascii")


def _attachment(text: str) -> str:
    return base64.b64decode(text, validate=True).decode("utf-8")


def _to_attachment(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")


def _to_percent(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _to_form(text: str) -> str:
    return quote_plus(text, errors="replace")


_Code = tuple[str, re.Pattern[str], Callable[[str], str], Callable[[str], str]]
TRANSFER: dict[str, _Code] = {
    "form": ("is form-encoded (+, %2C), never decoded", re.compile(r"[^\s]*%[0-9A-Fa-f]{2}[^\s]*"), _to_form, _form),
    "percent": (
        "is percent-encoded (%20), never decoded",
        re.compile(r"[^\s]*%[0-9A-Fa-f]{2}[^\s]*"),
        _to_percent,
        _percent,
    ),
    "mail": ("is quoted-printable (=20), never decoded", re.compile(r"(?s).*=(?:[0-9A-F]{2}|\n).*"), _to_mail, _mail),
    "attachment": ("is base64, never decoded", re.compile(r"[A-Za-z0-9+/]{16,}={0,2}"), _to_attachment, _attachment),
}
"""Code -> what is seen, how all of such a text looks, there, and back."""


@dataclass(frozen=True)
class Transfer(Damage):
    """A text as it travels, not as it is read."""

    code: str
    reversible = True

    @property
    def seen(self) -> str:
        """What happened."""
        return TRANSFER[self.code][0]

    def hit(self, text: str) -> bool:
        """All of it looks so, and the way back leads to another text."""
        if TRANSFER[self.code][1].fullmatch(text) is None or ("+" in text) < (self.code == "form"):
            return False
        return self.undo(text) not in (None, text)

    def do(self, text: str) -> str:
        """Encoded."""
        return TRANSFER[self.code][2](text)

    def undo(self, text: str) -> str | None:
        """Decoded."""
        try:
            return TRANSFER[self.code][3](text)
        except (UnicodeError, ValueError, binascii.Error):
            return None
