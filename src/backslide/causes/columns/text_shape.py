"""The shape of texts as numbers: which characters, how long, how they begin and end, how many words are known.

Topics come and go and leave most of it as it is; what happens to texts on their way changes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from backslide.causes.columns.text_corruption import START
from backslide.causes.columns.text_vocabulary import Vocabulary, words_of
from backslide.stats.arrays import Floats

SIGNS = ".,;:!?'\"-()/&<>=%#@*_[]{}|+\\~^$`"
_LETTERS, _DIGIT, _CAPITAL, _BLANK, _BREAK = 26, 26, 27, 28, 29
_FIRST_SIGN = 30
OTHER_LETTERS = 8
"""Groups of letters beyond ASCII: two scripts are not alike."""
_OTHER_LETTER = _FIRST_SIGN + len(SIGNS)
_OTHER = _OTHER_LETTER + OTHER_LETTERS
_CHARACTERS = _OTHER + 1
LONGEST = 14
LENGTHS = 64
"""Classes of lengths, four to each doubling: a cut gathers texts at one of them."""
FIRST_WORDS = 50
LEAST_SPREAD = {"characters": 0.03, "words": 0.05, "sizes": 0.15, "lengths": 0.15, "ends": 0.15, "known": 0.05}
"""Spreads under which a difference counts as if texts differed so much: what no text shows would else count without end."""
FURTHEST = 4.0
"""Spreads that one number counts at most."""


@dataclass(frozen=True)
class Shape:
    """What texts are measured by, learned from those of the reference."""

    vocabulary: Vocabulary
    begin: frozenset[str]
    """The most frequent first words."""
    end: frozenset[str]
    """The most frequent last words."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> Shape:
        """Of texts in any order."""
        ends = [[w for t in texts if (own := words_of(t)) for w in [own[k]]] for k in (0, -1)]
        first, last = (frozenset(w for w, _ in Counter(words).most_common(FIRST_WORDS)) for words in ends)
        return cls(Vocabulary.of(texts), first, last)

    def measure(self, texts: Sequence[str]) -> Floats:
        """(n, features): shares as square roots, sizes as logarithms."""
        return np.array([self._row(text) for text in texts]).reshape(len(texts), -1)

    @staticmethod
    def least_spread() -> Floats:
        """Of every feature (features,)."""
        parts = {"characters": _CHARACTERS, "words": LONGEST, "sizes": 2, "lengths": LENGTHS, "ends": 14, "known": 2}
        return np.concatenate([np.full(n, LEAST_SPREAD[part]) for part, n in parts.items()])

    def _row(self, text: str) -> Floats:
        part = text[:START]
        codes = _table()[np.minimum(np.frombuffer(part.encode("utf-32-le", "replace"), np.uint32), 0xFFFF)]
        counts = np.bincount(codes, minlength=2 * _CHARACTERS)
        characters = counts[:_CHARACTERS] + counts[_CHARACTERS:]
        capitals = counts[_CHARACTERS:].sum()
        characters[_CAPITAL] = capitals
        split = part.split()
        lengths = np.bincount(np.minimum([len(w) for w in split], LONGEST) - 1, minlength=LONGEST) if split else None
        own = words_of(part)
        known = [sum(w in group for w in own) for group in (self.vocabulary.known, self.vocabulary.frequent)]
        begins, ends = (own[0] in self.begin, own[-1] in self.end) if own else (False, False)
        stripped = text.strip()
        return np.concatenate(
            [
                np.sqrt(characters / max(len(part), 1)),
                np.zeros(LONGEST) if lengths is None else np.sqrt(lengths / len(split)),
                [np.log1p(len(text)), np.log1p(text.count(" "))],
                np.eye(LENGTHS)[min(int(4 * np.log2(1 + len(text))), LENGTHS - 1)],
                _kind(stripped[:1]),
                _kind(stripped[-1:]),
                [float(begins), float(ends)],
                np.array(known) / max(len(own), 1),
            ]
        )


def _kind(character: str) -> Floats:
    """Which kind of character begins or ends a text (6,)."""
    kinds = (character.isupper(), character.islower(), character.isdigit(), character in ".!?", character == ",")
    at = next((k for k, is_so in enumerate(kinds) if is_so and character), len(kinds))
    return np.asarray(np.eye(len(kinds) + 1)[at])


@lru_cache
def _table() -> NDArray[np.int64]:
    """What each character counts as (65536,): capital letters beside small ones, ``_CHARACTERS`` behind."""
    table = np.full(0x10000, _OTHER, np.int64)
    for code in range(0x10000):
        character = chr(code)
        if character.isdigit():
            table[code] = _DIGIT
        elif character.isspace():
            table[code] = _BREAK if character in "\n\r" else _BLANK
        elif character.isalpha():
            small = character.lower()
            table[code] = (
                ord(small) - ord("a") if small.isascii() and len(small) == 1 else _OTHER_LETTER + code % OTHER_LETTERS
            )
            table[code] += _CHARACTERS if character.isupper() else 0
        elif character in SIGNS:
            table[code] = _FIRST_SIGN + SIGNS.index(character)
    return table
