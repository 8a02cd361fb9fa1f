"""Damage to the words of a text: letters misread or lost, words cut off, a template with numbers in it."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from backslide.causes.columns.text_corruption import START, WORDS, Boilerplate, TextDamage, common_end
from backslide.contracts import say

_WORD = re.compile(r"\S+")
_DIGITS = re.compile(r"\d+")


def words_of(text: str) -> list[str]:
    """Words of the beginning of a text, in small letters."""
    return [w.casefold() for w in WORDS.findall(text[:START])]


def chance_of(text: str) -> random.Random:
    """Chance that is always the same for the same text."""
    return random.Random(crc32(text.encode("utf-8", "replace")))


@dataclass(frozen=True)
class WordLimit(TextDamage):
    """Cut off after so many words."""

    shows = "length"

    count: int

    @property
    def seen(self) -> str:
        """What happened."""
        return f"is cut off after {self.count} words"

    def hit(self, text: str) -> bool:
        """As many as can be."""
        return len(text.split(None, self.count)) >= self.count

    def do(self, text: str) -> str:
        """Cut off."""
        for at, word in enumerate(_WORD.finditer(text), 1):
            if at == self.count:
                return text[: word.end()]
        return text


@dataclass(frozen=True)
class WordLength(TextDamage):
    """Every word cut off after so many letters."""

    shows = "language"

    letters: int

    @property
    def seen(self) -> str:
        """What happened."""
        return f"has every word cut off after {self.letters} letters"

    def hit(self, text: str) -> bool:
        """Words of that length, and none longer."""
        return max(map(len, WORDS.findall(text[:START])), default=0) == self.letters

    def do(self, text: str) -> str:
        """Cut off."""
        return WORDS.sub(lambda match: match.group()[: self.letters], text)


def usual_longest(texts: Sequence[str]) -> int:
    """Letters of the longest word of most texts."""
    longest = [max(map(len, WORDS.findall(text[:START])), default=0) for text in texts]
    return int(np.bincount(longest).argmax()) if longest else 0


@dataclass(frozen=True)
class LetterLoss(TextDamage):
    """Letters at random replaced by one character, or left out."""

    shows = "characters"

    by: str
    rate: float
    """Share of the letters."""

    @property
    def seen(self) -> str:
        """What happened."""
        return f"has {self.by!r} in place of {say.percent(self.rate, 0)} of its letters"

    def hit(self, text: str) -> bool:
        """The character."""
        return self.by in text

    def do(self, text: str) -> str:
        """Letters at random, always the same ones of the same text."""
        chance = chance_of(text)
        return "".join(self.by if c.isalpha() and chance.random() < self.rate else c for c in text)


@dataclass(frozen=True)
class MisreadLetters(TextDamage):
    """Letters at random misread."""

    shows = "unknown words"

    known: frozenset[str]
    """Words of the reference."""
    rate: float
    """Share of the letters."""
    words: float
    """Share of the words."""
    usual: float
    """Share of words that were never seen before, in a usual text."""

    @property
    def seen(self) -> str:
        """What happened."""
        return f"is garbled: about {say.percent(self.words, 0)} of its words are misread"

    def hit(self, text: str) -> bool:
        """More words that were never seen before than a usual text has."""
        own = words_of(text)
        return bool(own) and sum(w not in self.known for w in own) > self.usual * len(own)

    def do(self, text: str) -> str:
        """Letters at random, always the same ones of the same text, become the next of the alphabet."""
        chance = chance_of(text)
        return "".join(chr(ord(c) + 1) if c.isalpha() and chance.random() < self.rate else c for c in text)


def misread_letters(words: Sequence[str], rate: float) -> float:
    """Share of letters misread at random by which such a share of the words is hit."""
    sizes, counts = np.unique([len(w) for w in words], return_counts=True)
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        hit = float((counts * (1 - (1 - middle) ** sizes)).sum() / counts.sum())
        low, high = (middle, high) if hit < rate else (low, middle)
    return low


@dataclass(frozen=True)
class NumberedBoilerplate(Boilerplate):
    """The same words put before or behind, with numbers in them that differ: every number in them stands for any number."""

    @property
    def _pattern(self) -> re.Pattern[str]:
        parts = (r"\d+".join(re.escape(p) for p in _DIGITS.split(part)) for part in (self.prefix, self.suffix))
        return re.compile(r"(?s)({})(.*)({})".format(*parts))

    def hit(self, text: str) -> bool:
        """Both ends."""
        return self._pattern.fullmatch(text) is not None

    def undo(self, text: str) -> str | None:
        """Taken off."""
        found = self._pattern.fullmatch(text)
        return found[2] if found else None


def common_template(texts: Sequence[str], share: float, *, behind: bool = False) -> str:
    """Like ``common_end`` with every number alike; the numbers are those of one text."""
    plain = [_DIGITS.sub("0", t[-2_000:] if behind else t[:2_000]) for t in texts]
    end = common_end(plain, share, behind=behind)
    held = next(
        (t for t, p in zip(texts, plain, strict=True) if (p.endswith(end) if behind else p.startswith(end))), ""
    )
    template = r"\d+".join(re.escape(p) for p in end.split("0"))
    found = re.search(f"(?:{template})$" if behind else f"^(?:{template})", held)
    return found[0] if found and end else ""


def lost_letters(by: str, before: Sequence[str], after: Sequence[str]) -> float | None:
    """Share of the letters that ``by`` stands for; None where letters beyond ASCII that were there account for it."""
    marks = [sum(t[:START].count(by) for t in side) for side in (before, after)]
    letters = [sum(sum(map(str.isalpha, t[:START])) for t in side) for side in (before, after)]
    beyond = sum(sum(c.isalpha() and not c.isascii() for c in t[:START]) for t in before)
    usual = marks[0] / max(letters[0], 1)
    rate = marks[1] / max(letters[1] + marks[1], 1) - usual
    return rate if rate > max(2 * beyond / max(letters[0], 1), usual, 0.01) else None


LONG = 4
"""Letters from which on a word is missed when it is garbled: pieces of words are short."""
USUAL = 5
"""Texts of the reference that hold a word that is missed."""
KEPT = 0.5
"""What is left of a word's frequency where a language keeps it."""


def words_gone(before: Sequence[str], after: Sequence[str]) -> float:
    """Share of the usual long words that are gone, per letter of text: pieces of words do not count as words."""
    counts = Counter(w for t in before for w in set(words_of(t)) if len(w) >= LONG)
    usual = {w for w, texts in counts.items() if texts >= USUAL}
    rates = []
    for side in (before, after):
        letters = sum(sum(map(str.isalpha, t[:START])) for t in side)
        rates.append(sum(w in usual for t in side for w in words_of(t)) / max(letters, 1))
    return min(max(1 - rates[1] / max(rates[0], 1e-12), 0.0), 0.99)


def words_kept(before: Sequence[str], foreign: Sequence[str]) -> frozenset[str]:
    """Words of the reference that the foreign texts use as well."""
    counts = [Counter(w for t in side for w in words_of(t)) for side in (before, foreign)]
    ratio = sum(counts[1].values()) / max(sum(counts[0].values()), 1)
    return frozenset(w for w, n in counts[0].items() if counts[1][w] >= KEPT * ratio * n and counts[1][w])


@dataclass(frozen=True)
class Vocabulary:
    """The words of a window, learned from half of its texts and measured on the other half."""

    known: frozenset[str]
    frequent: frozenset[str]
    """The most frequent words."""
    frequent_share: float
    unseen: np.ndarray
    """Share of words never seen before, of each text of the other half."""

    @classmethod
    def of(cls, texts: Sequence[str], most: int = 100) -> Vocabulary:
        """Of texts in any order."""
        counts = Counter(w for t in texts[::2] for w in words_of(t))
        known = frozenset(counts)
        top = frozenset(w for w, _ in counts.most_common(most))
        held = [words_of(t) for t in texts[1::2]]
        total = max(sum(map(len, held)), 1)
        share = sum(w in top for own in held for w in own) / total
        unseen = np.array([sum(w not in known for w in own) / len(own) for own in held if own])
        return cls(known, top, share, unseen)

    def unseen_in(self, texts: Sequence[str]) -> np.ndarray:
        """Share of words never seen before, of each text that has words."""
        return np.array([sum(w not in self.known for w in own) / len(own) for t in texts if (own := words_of(t))])

    def frequent_in(self, texts: Sequence[str]) -> float:
        """Share of all words that are the frequent ones."""
        every = [w for t in texts for w in words_of(t)]
        return sum(w in self.frequent for w in every) / max(len(every), 1)
