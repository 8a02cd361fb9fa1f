"""Marks in place of words: what a filter for private data leaves of names, numbers and addresses.

Which words a mark stands for is told by what is gone: texts that hold it hold hardly a number, or a word with a capital letter,
beside it, while those of the reference hold many. So the same can be done to the reference, which tells what it costs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from backslide.causes.columns.text_corruption import START, TAG, TextDamage, short
from backslide.contracts import say

MOST_MARKS = 3
LEAST_SHARE = 0.03
"""Share of the texts that a mark must stand in."""
MOST_BEFORE = 0.02
"""Share of those texts that may have held it before, among as many."""
LEAST_OF_CLASS = 0.1
"""Words of a class per text of the reference under which nobody can say that they are gone."""
CLASS_LEFT = 0.4
"""Share of the words of a class that may be left beside the mark that stands for them."""
LONG_LEFT = 0.1
"""Likewise of words so long that they are counted as a class of their own."""
TOO_MANY = 2.0
"""Times as many marks as words of the classes that are gone, from which marks stand for other words as well."""
AT_ENDS = 0.2
"""Share of the texts with a mark in which words must stand on both sides of one."""
LENGTHS = 3
"""Lengths of a mark of one character repeated from which it has one character for each that is gone."""
PIECES = 2_000
"""Words of a class, from the reference, that take the places of marks."""
_CHARACTERS = re.compile(r"[\[\]<>{}_*#%$@|~^=•█]|(.)\1\1")
_RUN = re.compile(r"([^\w\s.]|[Xx])\1+")
_CAPITAL = "".join(letter for letter in map(chr, range(0x530)) if letter.isupper())
_CLASSES = (
    ("addresses of mail", r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.\w+)+"),
    ("links", r"(?:https?://|www\.)\S+"),
    ("numbers", r"\d+(?:[.,]\d+)*"),
    ("words with a capital letter", rf"\b[{_CAPITAL}]\w+"),
    ("names", rf"(?:(?<=\w )|(?<=[,;] ))[{_CAPITAL}]\w+"),
)
"""Words that filters look for, the broader class of two before the narrower."""
_WORDS = ("words", r"\S+")


@dataclass(frozen=True)
class Mask:
    """One mark and the class of words that it stands for."""

    mark: str
    of: str
    pattern: str
    each: bool = False
    """Whether the mark is one character, for each character of a word."""

    def put(self, word: str) -> str:
        """The mark in place of a word."""
        return self.mark * len(word) if self.each else self.mark

    @property
    def seen_as(self) -> str:
        """A pattern of the mark in texts; a letter is one only in a row that is no part of a word."""
        if self.each:
            return rf"(?<!\w){self.mark}{{2,}}(?!\w)" if self.mark.isalpha() else re.escape(self.mark) + "+"
        return re.escape(self.mark)


@dataclass(frozen=True)
class Masking(TextDamage):
    """Marks in place of words of some classes, or of any words."""

    shows = "characters"
    masks: tuple[Mask, ...]
    rate: float = 1.0
    """Share of the words, where a mark stands for any of them."""

    @property
    def seen(self) -> str:
        """What happened."""
        classes: dict[str, list[str]] = {}
        for mask in self.masks:
            classes.setdefault(mask.mark, []).append(mask.of)
        return "has " + " and ".join(f"{short(mark)} in place of {say.listed(of)}" for mark, of in classes.items())

    @property
    def marks(self) -> frozenset[str]:
        """What stands in the texts."""
        return frozenset(mask.mark for mask in self.masks)

    @property
    def told(self) -> bool:
        """Whether it is known which words the marks stand for."""
        return all(mask.of != _WORDS[0] for mask in self.masks)

    def hit(self, text: str) -> bool:
        """A mark."""
        return self._marks.search(text) is not None

    def do(self, text: str) -> str:
        """Marks put in place of the words."""
        if self.told:
            return self._any.sub(lambda found: self.masks[(found.lastindex or 1) - 1].put(found.group()), text)
        every = max(round(1 / max(self.rate, 1e-3)), 1)
        (mask,) = self.masks
        return " ".join(mask.put(w) if k % every == every // 2 else w for k, w in enumerate(text.split(" ")))

    def filler(self, texts: Sequence[str], rng: np.random.Generator) -> Callable[[str], str]:
        """What puts words of the same classes, from other texts, in place of the marks."""
        pieces: dict[str, list[str]] = {}
        for mask in self.masks:
            found = (match.group() for text in texts for match in re.finditer(mask.pattern, text[:START]))
            pieces.setdefault(mask.mark, []).extend(word for word, _ in zip(found, range(PIECES), strict=False))

        def word(found: re.Match[str]) -> str:
            some = next((pieces[mark] for mark in self.marks if found.group().startswith(mark)), [])
            return some[int(rng.integers(len(some)))] if some else " "

        return lambda text: self._marks.sub(word, text)

    def without_marks(self, text: str) -> str:
        """What is left of a text beside the marks."""
        return self._marks.sub(" ", text)

    @cached_property
    def _marks(self) -> re.Pattern[str]:
        return re.compile("|".join(dict.fromkeys(mask.seen_as for mask in self.masks)))

    @cached_property
    def _any(self) -> re.Pattern[str]:
        return re.compile("|".join(f"({mask.pattern})" for mask in self.masks))


def find_masking(ref: Sequence[str], cur: Sequence[str]) -> Masking | None:
    """The marks that stand in many texts now and in hardly one before, with the words that they stand for; None without any."""
    marks = _marks(ref, cur)
    if not marks:
        return None
    any_mark = Masking(marks)
    hit = [text[:START] for text in cur if any_mark.hit(text[:START])]
    gone = list(_gone([text[:START] for text in ref], list(map(any_mark.without_marks, hit))))
    counts = [_mean(mask.seen_as, hit) for mask in marks]
    if gone and sum(counts) <= TOO_MANY * sum(count for _, _, count in gone):
        return _assigned(marks, counts, gone)
    words = sum(len(text.split()) for text in hit)
    return Masking(marks[:1], counts[0] * len(hit) / max(words, 1))


def _marks(ref: Sequence[str], cur: Sequence[str]) -> tuple[Mask, ...]:
    """Marks that are no words, those in most texts first, each as if it stood for any word."""
    counts = [Counter(mark for text in side for mark in {*map(_plain, text[:START].split())}) for side in (ref, cur)]
    runs = _runs(cur)
    found = [w for w, n in counts[1].items() if n >= LEAST_SHARE * len(cur) and _CHARACTERS.search(w)]
    found = [w for w in found if counts[0][w] <= MOST_BEFORE * counts[1][w] and not TAG.fullmatch(w)]
    found += [c for c in runs if _texts_with(Mask(c, *_WORDS, True), ref) <= MOST_BEFORE]
    found = [w for w in dict.fromkeys(found) if w in runs or not set(w) <= set(runs)]
    most: list[str] = []
    for mark in sorted(found, key=lambda w: (w not in runs, -counts[1][w], w)):
        if len(most) < MOST_MARKS and not any(mark in other or other in mark for other in most):
            most.append(mark)
    masks = [Mask(mark, *_WORDS, mark in runs) for mark in most]
    return tuple(mask for mask in masks if not _at_ends(mask, cur))


def _texts_with(mask: Mask, texts: Sequence[str]) -> float:
    return sum(re.search(mask.seen_as, text[:START]) is not None for text in texts) / max(len(texts), 1)


def _at_ends(mask: Mask, cur: Sequence[str]) -> bool:
    """Whether the mark nearly always begins or ends its text, as a template or a greeting does."""
    inside = re.compile(rf"\w.*{mask.seen_as}.*\w", re.DOTALL)
    held = [text[:START] for text in cur if re.search(mask.seen_as, text[:START])]
    return sum(inside.search(text) is not None for text in held) <= AT_ENDS * len(held)


def _plain(word: str) -> str:
    return word.strip(".,;:!?()\"'")


def _runs(cur: Sequence[str]) -> list[str]:
    """Characters that stand in rows of many lengths: one for each character of a word."""
    lengths: dict[str, set[int]] = {}
    texts: Counter[str] = Counter()
    for text in cur:
        found = [(m.group(1), len(m.group())) for m in _RUN.finditer(text[:START])]
        texts.update({c for c, _ in found})
        for character, length in found:
            lengths.setdefault(character, set()).add(length)
    return [c for c, n in texts.items() if n >= LEAST_SHARE * len(cur) and len(lengths[c]) >= LENGTHS]


Gone = tuple[str, str, float]
"""Name and pattern of a class of words, and how many of them a text of the reference holds."""


def _gone(ref: list[str], beside: list[str]) -> Iterable[Gone]:
    """Classes of words that the reference holds and texts with marks do not, each among what the ones before it left."""
    capital = False
    for name, pattern in _CLASSES:
        if name == "names" and capital:
            continue
        before, left = (_mean(pattern, side) for side in (ref, beside))
        if before >= LEAST_OF_CLASS and left <= CLASS_LEFT * before:
            yield name, pattern, before
            ref = [re.sub(pattern, " ", text) for text in ref]
            capital = capital or name.endswith("capital letter")
    for letters in range(4, 15):
        pattern = rf"\b[^\W\d_]{{{letters},}}"
        before, left = (_mean(pattern, side) for side in (ref, beside))
        if before >= LEAST_OF_CLASS and left <= LONG_LEFT * before:
            yield f"words of {letters} letters and more", pattern, before
            return


def _mean(pattern: str, texts: Sequence[str]) -> float:
    compiled = re.compile(pattern)
    return float(np.mean([sum(1 for _ in compiled.finditer(text)) for text in texts])) if texts else 0.0


def _assigned(marks: Sequence[Mask], counts: list[float], gone: list[Gone]) -> Masking:
    """Each class to the mark for which the numbers agree best."""

    def misses(chosen: tuple[int, ...]) -> float:
        words = np.zeros(len(marks))
        for at, (_, _, count) in zip(chosen, gone, strict=True):
            words[at] += count
        return float(np.abs(words - counts).sum())

    best = min(product(range(len(marks)), repeat=len(gone)), key=misses)
    chosen = zip(best, gone, strict=True)
    return Masking(tuple(replace(marks[at], of=name, pattern=pattern) for at, (name, pattern, _) in chosen))
