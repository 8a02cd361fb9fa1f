"""Damages that are tried on texts of the reference, with numbers, marks and characters as the current texts suggest them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from backslide.causes.columns.text_corruption import (
    START,
    Boilerplate,
    EntityEncoding,
    EscapeEncoding,
    LetterCase,
    PunctuationLoss,
    TextDamage,
    Truncation,
    WhitespaceLoss,
    common_end,
)
from backslide.causes.columns.text_damage_of_some import CommonWordLoss
from backslide.causes.columns.text_masks import find_masking
from backslide.causes.columns.text_parts import BlankLoss, CharacterExchange, KeptPart, OnePiece, WrappedWords
from backslide.causes.columns.text_shape import Shape
from backslide.causes.columns.text_vocabulary import WordLength, WordLimit

SHARES = (0.15, 0.3, 0.5, 0.7, 0.85)
BALANCED = (0.4, 2.0)
"""New characters over those that are missing, where they stand in their place."""
RATES = (0.2, 0.4, 0.6)
PARTS = (KeptPart, OnePiece, Truncation, WordLimit)
"""Damages that leave a part."""
_TAG = re.compile(r"<[^<>]{1,60}>")


def damages_to_try(made: Sequence[str], cur: Sequence[str], shape: Shape) -> Iterator[TextDamage]:
    """What may have been done to the texts as ``made`` so far."""
    yield from _parts(cur)
    yield from (LetterCase(upper=False), LetterCase(upper=True), PunctuationLoss())
    yield from (WhitespaceLoss(), WhitespaceLoss(none=True), EntityEncoding(), EscapeEncoding())
    own = shape.vocabulary
    yield CommonWordLoss(own.frequent, 0.0, own.known)
    yield from (WordLength(letters) for letters in range(3, 8))
    yield from map(BlankLoss, RATES)
    masking = find_masking(made, cur)
    if masking is not None:
        yield masking
    yield from _ends(cur)
    yield from _tags(cur)
    yield from _exchanges(made, cur)


def _parts(cur: Sequence[str]) -> Iterator[TextDamage]:
    for share in SHARES:
        for by_words in (False, True):
            yield KeptPart(0, share, by_words)
            yield KeptPart(1 - share, 1, by_words)
            yield KeptPart(0.5 - share / 2, 0.5 + share / 2, by_words)
    yield from (OnePiece(lines, last) for lines in (False, True) for last in (False, True))
    for high in (0.5, 0.9, 1.0):
        length, words = (
            int(np.quantile(sizes, high)) for sizes in zip(*((len(t), len(t.split())) for t in cur), strict=True)
        )
        yield from (Truncation(max(length, 1)), Truncation(max(length, 1), at_word=True), WordLimit(max(words, 1)))


def _ends(cur: Sequence[str]) -> Iterator[TextDamage]:
    """What many texts begin or end with."""
    for share in (0.25, 0.5, 0.9):
        for behind in (False, True):
            end = common_end(cur, share, behind=behind)
            if end:
                yield Boilerplate(suffix=end) if behind else Boilerplate(prefix=end)


def _tags(cur: Sequence[str]) -> Iterator[TextDamage]:
    """Tags around so many words each."""
    tags = Counter(tag for text in cur for tag in _TAG.findall(text[:START]))
    opening = next((tag for tag, _ in tags.most_common(10) if not tag.startswith("</")), None)
    closing = next((tag for tag, _ in tags.most_common(10) if tag.startswith("</")), "")
    if opening is None:
        return
    words = sum(len(_TAG.sub(" ", text[:START]).split()) for text in cur if opening in text)
    yield WrappedWords(opening, closing, max(round(words / tags[opening]), 1))


def _exchanges(made: Sequence[str], cur: Sequence[str]) -> Iterator[TextDamage]:
    """Characters that are rarer now, lost or in the shape of ones that are new."""
    before, after = (_rates(side) for side in (made, cur))
    rarer = sorted(
        (c for c in before if not c.isupper() and before[c] > 2e-3 and after[c] < 0.6 * before[c]),
        key=lambda c: after[c] - before[c],
    )
    gone = "".join(c for c in rarer if after[c] < 0.1 * before[c])
    new = sorted((c for c in after if after[c] > 3 * before[c] + 2e-3), key=lambda c: -after[c])[:3]
    strings = list(dict.fromkeys(_around(character, new, cur) for character in new))
    yield CharacterExchange("0123456789", "")
    for lost in dict.fromkeys([*rarer[:5], *([gone] if gone else [])]):
        yield CharacterExchange(lost, "")
        missing = sum(before[c] - after[c] for c in lost)
        for by in strings:  # as many of the new ones as are missing of the others
            if BALANCED[0] * missing <= after[by[0]] - before[by[0]] <= BALANCED[1] * missing:
                yield CharacterExchange(lost, by)


def _rates(texts: Sequence[str]) -> dict[str, float]:
    """Share of all characters."""
    counts = Counter(c for text in texts for c in text[:START])
    total = max(sum(counts.values()), 1)
    return defaultdict(float, {c: n / total for c, n in counts.items()})


def _around(character: str, new: Sequence[str], texts: Sequence[str]) -> str:
    """The whole of which a new character is a part: with the new ones that nearly always stand beside it."""
    whole, text = character, "\n".join(t[:START] for t in texts)
    for _ in range(4):
        count = max(text.count(whole), 1)
        longer = [w for other in new for w in (whole + other, other + whole) if text.count(w) > 0.8 * count]
        if not longer:
            break
        whole = longer[0]
    return whole
