"""What may happen to free text on its way: how each damage is seen, undone, and done."""

from __future__ import annotations

import html
import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from backslide.engine.columns.pair import MISSING

Texts = NDArray[np.object_]
Mask = NDArray[np.bool_]
LOOK = 1_500
"""Texts per window that the statistics rest on."""
SENTENCE_ENDS = frozenset(".!?\"')”…")
"""Marks with which a whole text ends."""
START = 1_000
"""Characters of a text that its words are counted in."""
WORDS = re.compile(r"[^\W\d_]+", re.UNICODE)
MOJIBAKE = re.compile(
    r"[\u00c2\u00c3\u00c5][\u0080-\u00bf\u0152-\u0178\u201a-\u2122\u02c6\u02dc]|\u00e2\u20ac|\u00ef\u00bb\u00bf|\u00e2[\u0080-\u009f]{2}"
)
ENTITY = re.compile(r"&(?:#\d+|#x[0-9a-fA-F]+|amp|lt|gt|quot|apos|nbsp|[a-zA-Z]{2,8});")
ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}|\\[nrt\"/]")
_TAGS = "a|b|body|br|div|em|font|h[1-6]|hr|html|i|img|li|ol|p|pre|script|span|strong|style|table|td|th|tr|u|ul"
TAG = re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]{{0,200}})?/?>", re.IGNORECASE)
"""A tag of HTML."""
CODECS = ("cp1252", "latin-1")


def look(texts: Texts) -> list[str]:
    """Up to ``LOOK`` of the texts that are not missing, evenly spread."""
    known = texts[texts != MISSING]
    return [str(t) for t in known[:: max(len(known) // LOOK, 1)]]


class TextDamage(ABC):
    """One thing that may happen to a text."""

    reversible = False
    shows = "marks of damage"
    """Which finding about the shape of texts shows it."""

    @property
    @abstractmethod
    def seen(self) -> str:
        """What happened, after the name of the column: "is cut off after 40 characters"."""

    def hit(self, text: str) -> bool:
        """Whether a text shows it: it is as the damage would leave it."""
        return text == self.do(text)

    @abstractmethod
    def do(self, text: str) -> str:
        """The text damaged."""

    def undo(self, text: str) -> str | None:
        """The text restored; None where what is gone cannot be told from the text."""
        return None


Found = tuple[TextDamage, float, float]
"""A damage, and the shares of texts that show it before and after."""


@dataclass(frozen=True)
class WrongEncoding(TextDamage):
    """UTF-8 read in another encoding."""

    codec: str
    reversible = True

    @property
    def seen(self) -> str:
        """What happened."""
        return f"is mis-encoded: UTF-8 was read as {self.codec}"

    def hit(self, text: str) -> bool:
        """Signs of it, and the way back leads to another text."""
        return MOJIBAKE.search(text) is not None and self.undo(text) not in (None, text)

    def do(self, text: str) -> str:
        """Read in the wrong encoding; bytes that it has no letter for stay as control characters."""
        return "".join(self._letter(byte) for byte in text.encode("utf-8"))

    def undo(self, text: str) -> str | None:
        """The bytes read as UTF-8."""
        try:
            raw = (bytes([ord(c)]) if 0x80 <= ord(c) < 0xA0 else c.encode(self.codec) for c in text)
            return b"".join(raw).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            return None

    def _letter(self, byte: int) -> str:
        try:
            return bytes([byte]).decode(self.codec)
        except UnicodeDecodeError:
            return chr(byte)


@dataclass(frozen=True)
class EntityEncoding(TextDamage):
    """Characters written as HTML entities."""

    reversible = True

    seen = "holds HTML entities such as &amp; in place of characters"

    def hit(self, text: str) -> bool:
        """An entity."""
        return ENTITY.search(text) is not None and html.unescape(text) != text

    def do(self, text: str) -> str:
        """Escaped."""
        return html.escape(text)

    def undo(self, text: str) -> str | None:
        """Unescaped."""
        return html.unescape(text)


@dataclass(frozen=True)
class EscapeEncoding(TextDamage):
    """Characters written as escapes of a JSON string."""

    reversible = True

    seen = "holds escapes such as \\n or \\u00e9 in place of characters"

    def hit(self, text: str) -> bool:
        """An escape, in a text that is a JSON string."""
        return ESCAPE.search(text) is not None and self.undo(text) not in (None, text)

    def do(self, text: str) -> str:
        """Escaped."""
        return json.dumps(text)[1:-1]

    def undo(self, text: str) -> str | None:
        """Read as a JSON string."""
        try:
            return str(json.loads(f'"{text}"'))
        except ValueError:
            return None


@dataclass(frozen=True)
class Boilerplate(TextDamage):
    """The same text put before or behind."""

    shows = "common beginnings or endings"
    prefix: str = ""
    suffix: str = ""
    reversible = True

    @property
    def seen(self) -> str:
        """What happened."""
        ends = [("starts", self.prefix), ("ends", self.suffix)]
        return " and ".join(f"{verb} with {short(part)}" for verb, part in ends if part)

    def hit(self, text: str) -> bool:
        """Both ends."""
        long_enough = len(text) >= len(self.prefix) + len(self.suffix)
        return long_enough and text.startswith(self.prefix) and text.endswith(self.suffix)

    def do(self, text: str) -> str:
        """Wrapped."""
        return f"{self.prefix}{text}{self.suffix}"

    def undo(self, text: str) -> str | None:
        """Taken off."""
        return text[len(self.prefix) : len(text) - len(self.suffix)] if self.hit(text) else None


def short(text: str) -> str:
    """A text as it is quoted."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


@dataclass(frozen=True)
class Truncation(TextDamage):
    """Cut off after so many characters, or at the last word before."""

    shows = "length"

    length: int
    at_word: bool = False

    @property
    def seen(self) -> str:
        """What happened."""
        return f"is cut off after {self.length} characters"

    def hit(self, text: str) -> bool:
        """As long as can be; at a word's end, within one long word of it."""
        return len(text) >= self.length - (15 if self.at_word else 0)

    def do(self, text: str) -> str:
        """Cut off."""
        if len(text) <= self.length:
            return text
        cut = text[: self.length]
        return cut.rsplit(None, 1)[0] if self.at_word and not text[self.length].isspace() and " " in cut else cut


@dataclass(frozen=True)
class EmptyText(TextDamage):
    """Nothing, or blanks."""

    shows = "empty texts"

    seen = "is empty"

    def hit(self, text: str) -> bool:
        """Nothing but blanks."""
        return not text.strip()

    def do(self, text: str) -> str:
        """Nothing."""
        return ""


@dataclass(frozen=True)
class CharacterLoss(TextDamage):
    """Letters beyond ASCII lost: replaced by one character, or left out."""

    shows = "characters"

    by: str

    @property
    def seen(self) -> str:
        """What happened."""
        return f"has {self.by!r} in place of letters beyond ASCII" if self.by else "lost its letters beyond ASCII"

    def hit(self, text: str) -> bool:
        """The character; where the letters are left out, any text may have been hit."""
        return self.by in text if self.by else text.isascii()

    def do(self, text: str) -> str:
        """Replaced."""
        return "".join(c if c.isascii() else self.by for c in text)


@dataclass(frozen=True)
class LetterCase(TextDamage):
    """Written in small or in capital letters throughout."""

    shows = "characters"

    upper: bool

    @property
    def seen(self) -> str:
        """What happened."""
        return f"comes in {'capital' if self.upper else 'small'} letters throughout"

    def hit(self, text: str) -> bool:
        """No letter of the other case."""
        return super().hit(text) and any(c.isalpha() for c in text)

    def do(self, text: str) -> str:
        """One case."""
        return text.upper() if self.upper else text.lower()


@dataclass(frozen=True)
class WhitespaceLoss(TextDamage):
    """Line breaks and runs of blanks made one blank, or none."""

    shows = "characters"

    none: bool = False

    @property
    def seen(self) -> str:
        """What happened."""
        return "lost the blanks between its words" if self.none else "lost its line breaks and runs of blanks"

    def do(self, text: str) -> str:
        """Squeezed."""
        return ("" if self.none else " ").join(text.split())


@dataclass(frozen=True)
class PunctuationLoss(TextDamage):
    """Punctuation left out."""

    shows = "characters"

    seen = "lost its punctuation"

    def do(self, text: str) -> str:
        """Without punctuation."""
        return re.sub(r"[^\w\s]", "", text)


@dataclass(frozen=True)
class ForeignLanguage(TextDamage):
    """Words that the reference never used: another language or script, or scrambled."""

    shows = "language"

    known: frozenset[str]
    """The most frequent words of the reference."""
    least: float
    """Share of such words that nearly every text of the reference reaches."""
    readable: bool = field(default=True)
    """Whether the texts have frequent words of their own, as a language has."""
    every: frozenset[str] = frozenset()
    """Words of the reference; a text that is made of them for the larger part is no foreign one."""
    kept: frozenset[str] = frozenset()
    """Words that foreign texts use as much: names, numbers, terms."""

    @property
    def seen(self) -> str:
        """What happened."""
        return "comes in another language or script" if self.readable else "is scrambled: hardly a word was seen before"

    def hit(self, text: str) -> bool:
        """Hardly a word that was frequent."""
        words = [w.casefold() for w in WORDS.findall(text[:START])]
        if not text.strip() or sum(w in self.known for w in words) >= self.least * max(len(words), 1):
            return False
        return not self.every or sum(w in self.every for w in words) < 0.5 * max(len(words), 1)

    def do(self, text: str) -> str:
        """Every word replaced, always in the same way, by one that was never seen."""
        return WORDS.sub(lambda m: m.group() if m.group().casefold() in self.kept else pseudo(m.group()), text)


def pseudo(word: str) -> str:
    """A word that was never seen, always the same for the same word."""
    digest = blake2b(word.casefold().encode("utf-8", "replace"), digest_size=max(min(len(word), 16), 2)).hexdigest()
    return "".join(chr(ord("a") + int(c, 16)) for c in digest)[: max(len(word), 3)] + "q"


def common_end(texts: Sequence[str], share: float, *, behind: bool = False) -> str:
    """The longest text that so large a share of the texts starts (or ends) with, up to a word's end."""
    left = [t[::-1] for t in texts] if behind else list(texts)
    need = share * max(len(left), 1)
    found = ""
    while len(found) < 2_000 and left:
        at = len(found)
        letter, rows = (Counter(t[at] for t in left if len(t) > at).most_common(1) or [("", 0)])[0]
        if not letter or rows < need:
            break
        found += letter
        left = [t for t in left if len(t) >= len(found) and t[at] == letter]
    following = [t[len(found)] for t in left if len(t) > len(found)]
    if found and found[-1].isalnum() and sum(c.isalnum() for c in following) > 0.2 * max(len(following), 1):
        found = found[: max((i + 1 for i, c in enumerate(found) if not c.isalnum()), default=0)]
    return found[::-1] if behind else found


def frequent_words(texts: Sequence[str], most: int = 100) -> tuple[frozenset[str], float]:
    """The most frequent words, and their share of all words."""
    counts = Counter(w.casefold() for t in texts for w in WORDS.findall(t[:START]))
    top = counts.most_common(most)
    return frozenset(w for w, _ in top), sum(n for _, n in top) / max(sum(counts.values()), 1)


def usual_case(pool: list[str]) -> dict[str, str]:
    """How each word is written where it stands first."""
    usual: dict[str, str] = {}
    for text in pool:
        for word in WORDS.findall(text):
            usual.setdefault(word.casefold(), word)
    return usual
