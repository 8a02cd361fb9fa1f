"""Texts in a code that nobody decoded: wide characters read as bytes, and the escapes of forms, mails and attachments."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from backslide.causes.columns.text_corruption import TextDamage

SPACED = 8
"""Places of a text from which on a blank in every other one is no chance."""
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


@dataclass(frozen=True)
class WideEncoding(TextDamage):
    """Characters of two or four bytes read one byte at a time."""

    codec: str
    reversible = True

    @property
    def seen(self) -> str:
        """What happened."""
        return f"is mis-encoded: {self.codec.rsplit('-', 1)[0].upper()} was read byte by byte"

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


@dataclass(frozen=True)
class SpacedLetters(TextDamage):
    """Wide characters whose empty bytes came through as blanks: a blank after every letter."""

    reversible = True
    seen = "has a blank after every letter, as where UTF-16 was read byte by byte"

    def hit(self, text: str) -> bool:
        """Every other place is blank, of a text long enough not to be so by chance."""
        return len(text) >= SPACED and not text[1::2].strip(" ") and text[::2].strip() != ""

    def do(self, text: str) -> str:
        """A blank between all letters."""
        return " ".join(text)

    def undo(self, text: str) -> str | None:
        """Every other place left out."""
        return text[::2] if self.hit(text) else None


_Code = tuple[str, re.Pattern[str], Callable[[str], str], Callable[[str], str]]
_PERCENT = re.compile(r"[^\s]*%[0-9A-Fa-f]{2}[^\s]*")
TRANSFER: dict[str, _Code] = {
    "form": (
        "is form-encoded (+, %2C), never decoded",
        _PERCENT,
        partial(quote_plus, errors="replace"),
        partial(unquote_plus, errors="strict"),
    ),
    "percent": (
        "is percent-encoded (%20), never decoded",
        _PERCENT,
        partial(quote, safe="", errors="replace"),
        partial(unquote, errors="strict"),
    ),
    "mail": (
        "is quoted-printable (=20), never decoded",
        re.compile(r"(?s).*=(?:[0-9A-F]{2}|\n).*"),
        lambda text: quopri.encodestring(text.encode("utf-8", "replace"), quotetabs=True).decode("ascii"),
        lambda text: quopri.decodestring(text.encode("ascii")).decode("utf-8"),
    ),
    "attachment": (
        "is base64, never decoded",
        re.compile(r"[A-Za-z0-9+/]{16,}={0,2}"),
        lambda text: base64.b64encode(text.encode("utf-8", "replace")).decode("ascii"),
        lambda text: base64.b64decode(text, validate=True).decode("utf-8"),
    ),
}
"""Code -> what is seen, how all of such a text looks, there, and back."""


@dataclass(frozen=True)
class TransferEncoding(TextDamage):
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
