"""Damage of some texts, which the others hide: a length, a beginning, a mark or a lack that hardly any text had before.

What all texts show is told by the whole (``text_change``). Here single texts tell: each damage is one that a text either shows or
does not, that hardly one of the reference shows, and that far more show now than chance or a new topic brings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backslide.causes.columns.text_corruption import (
    SENTENCE_ENDS,
    START,
    TAG,
    WORDS,
    Boilerplate,
    Found,
    LetterCase,
    PunctuationLoss,
    TextDamage,
    Truncation,
    WhitespaceLoss,
    common_end,
)
from backslide.causes.columns.text_masks import Masking, find_masking
from backslide.causes.columns.text_vocabulary import (
    MisreadLetters,
    NumberedBoilerplate,
    Vocabulary,
    misread_letters,
    words_of,
)
from backslide.contracts import say
from backslide.stats.two_sample import proportion_z

LEAST_RISE = 0.03
"""Rise of the share of texts that show it."""
LEAST_Z = 6.0
MOST_BEFORE = 0.02
"""Share of the reference's texts that may show it: what more of them show comes and goes with topics."""
LEAST_TEXTS = 20
NEIGHBOURS = 3.0
"""Times as many texts as on lengths beside it that a length must have to be one at which texts are cut off."""
BESIDE = 5
"""Lengths on each side that it is compared with."""
UNLIKE = 0.5
"""Share of the texts at that length that must be different: one text sent many times has one length too."""
AS_MANY = 0.7
"""Of the texts that another damage would explain, how many a more specific one must."""
ABRUPT = 0.5
"""Of the share of whole texts that end with a mark of punctuation, how many of those cut off at one length may."""
IN_MANY = 0.3
"""Rise of the share of texts with one mark from which no habit explains it."""
AMID_A_WORD = 0.2
"""Rise of the share of texts whose last word was never seen, where whole ones end without a mark."""
AMID_A_SENTENCE = 0.3
"""Rise of the share of texts that begin with a small letter, where whole ones hardly do."""
ENDS = 8
"""Characters of a beginning or an ending by which texts are gathered."""
LEAST_END = 12
"""Characters that the beginning or ending must have in the end."""
SHORTER = 0.85
"""Share of the usual number of words under which a text without a capital in front has lost its beginning."""
UNKNOWN, MOSTLY_UNKNOWN = 0.3, 0.7
"""Share of a text's words that must be unknown, and where there are no frequent words to miss."""

AMBIGUOUS = (PunctuationLoss, LetterCase, WhitespaceLoss, Boilerplate, NumberedBoilerplate)
"""Damage of whole columns that damage of single texts may look like."""


@dataclass(frozen=True)
class CutOfSome(Truncation):
    """Cut off after so many characters, on some texts: those of just that length."""

    def hit(self, text: str) -> bool:
        """Just as long as that."""
        return len(text) == self.length


@dataclass(frozen=True)
class HeadLoss(TextDamage):
    """The beginning is missing: texts set in amid a sentence."""

    shows = "length"
    left: float
    """Share of the words that is left."""

    @property
    def seen(self) -> str:
        """What happened."""
        return f"lost its beginning: about {say.percent(self.left, 0)} of the words are left, from amid a sentence on"

    def hit(self, text: str) -> bool:
        """A small letter in front."""
        return text.lstrip()[:1].islower()

    def do(self, text: str) -> str:
        """The last part of the words."""
        words = text.split(" ")
        kept = words[min(round(len(words) * (1 - self.left)), len(words) - 1) :]
        return " ".join(kept)[:1].lower() + " ".join(kept)[1:]


@dataclass(frozen=True)
class DoubledText(TextDamage):
    """The same text twice."""

    shows = "length"
    reversible = True
    seen = "holds every text twice"

    def hit(self, text: str) -> bool:
        """The second half repeats the first."""
        return self.undo(text) is not None

    def do(self, text: str) -> str:
        """Twice."""
        return f"{text} {text}"

    def undo(self, text: str) -> str | None:
        """Once."""
        one, other = text[: len(text) // 2].strip(), text[len(text) // 2 :].strip()
        return one if len(one) >= LEAST_END and one == other else None


@dataclass(frozen=True)
class Markup(TextDamage):
    """Tags of HTML around and between words."""

    reversible = True
    seen = "holds tags of HTML"

    def hit(self, text: str) -> bool:
        """A tag."""
        return TAG.search(text) is not None

    def do(self, text: str) -> str:
        """A paragraph."""
        return f"<p>{text}</p>"

    def undo(self, text: str) -> str | None:
        """Without tags."""
        return TAG.sub(" ", text).strip() if self.hit(text) else None


@dataclass(frozen=True)
class CommonWordLoss(TextDamage):
    """The small and frequent words that hold sentences together are left out."""

    shows = "language"
    frequent: frozenset[str]
    least: float
    """Share of such words that nearly every text reaches."""
    known: frozenset[str]
    seen = "lost its most frequent words"

    def hit(self, text: str) -> bool:
        """Known words, and hardly a frequent one."""
        own = words_of(text)
        few = sum(w in self.frequent for w in own) < self.least * len(own)
        return len(own) >= BESIDE and few and sum(w in self.known for w in own) >= 0.5 * len(own)

    def do(self, text: str) -> str:
        """Left out."""
        return " ".join(WORDS.sub(lambda m: "" if m.group().casefold() in self.frequent else m.group(), text).split())


@dataclass(frozen=True)
class GarbledText(MisreadLetters):
    """Words that were never seen, on some texts: the small and frequent ones are gone with them, which no topic brings."""

    frequent: frozenset[str]
    least: float
    """Share of frequent words that nearly every text reaches; 0 where they say nothing."""

    def hit(self, text: str) -> bool:
        """Unknown words, and hardly a frequent one."""
        own = words_of(text)
        few = not self.least or sum(w in self.frequent for w in own) < self.least * len(own)
        return bool(own) and few and super().hit(text)


def damage_of_some(ref: Sequence[str], cur: Sequence[str]) -> Found | None:
    """The most specific damage of those that rose about the most, and the shares of texts that show it before and after; None
    where none did clearly."""
    found = [f for damage in _suspects(ref, cur) if (f := _rise(damage, ref, cur)) is not None]
    most = max((after - before for _, before, after in found), default=0.0)
    return next((f for f in found if f[2] - f[1] >= AS_MANY * most), None)


def reach(damage: TextDamage, texts: Sequence[str]) -> float:
    """Share of the texts that the damage would change."""
    return float(np.mean([damage.do(t) != t for t in texts])) if texts else 0.0


def explains(some: Found, other: Found) -> bool:
    """Whether a damage that single texts tell is what looks like ``other``: a cut takes the last full stop, and a mark stands in
    front of many texts."""
    if some[2] - some[1] < AS_MANY * (other[2] - other[1]):
        return False
    if isinstance(other[0], Boilerplate | NumberedBoilerplate):
        if not isinstance(some[0], Masking):
            return False
        ends = f"{other[0].prefix} {other[0].suffix}"
        return some[2] > other[2] or not WORDS.search(some[0].without_marks(ends))
    return isinstance(some[0], CutOfSome)


def is_certain(found: Found, ref: Sequence[str], cur: Sequence[str]) -> bool:
    """Whether nobody writes so: tags, texts twice, texts that break off at one length, one mark in many texts and none before."""
    damage, before, after = found
    if isinstance(damage, Masking):
        return after - before >= IN_MANY
    return isinstance(damage, Markup | DoubledText) or is_abrupt(damage, ref, cur)


def is_abrupt(damage: TextDamage, ref: Sequence[str], cur: Sequence[str]) -> bool:
    """Whether texts cut off at one length break off."""
    cut = [t for t in cur if damage.hit(t)] if isinstance(damage, CutOfSome) else []
    return breaks_off(ref, cut)


def breaks_off(ref: Sequence[str], cut: Sequence[str], *, front: bool = False) -> bool:
    """Whether texts end without the mark of punctuation that ends whole ones, or amid a word; in ``front``: begin with a small
    letter where whole ones do not, or amid a word."""
    if not ref or not cut:
        return False
    if front:
        begun = [float(np.mean([t.lstrip()[:1].islower() for t in side])) for side in (ref, cut)]
        if begun[0] <= AMID_A_WORD:
            return begun[1] - begun[0] >= AMID_A_SENTENCE
    ended, still = (float(np.mean([t.rstrip()[-1:] in SENTENCE_ENDS for t in side])) for side in (ref, cut))
    if not front and ended >= ABRUPT:
        return still <= ABRUPT * ended
    known = {word for t in ref[::2] for word in words_of(t)}
    parts = [[words_of(t[:START] if front else t[-START:]) for t in side] for side in (ref[1::2], cut)]
    odd = [[words[0 if front else -1] not in known for words in side if words] for side in parts]
    return all(odd) and float(np.mean(odd[1])) >= float(np.mean(odd[0])) + AMID_A_WORD


def _suspects(ref: Sequence[str], cur: Sequence[str]) -> Iterator[TextDamage]:
    """The most specific first: what was cut off has lost its last full stop as well."""
    yield from (Markup(), DoubledText())
    yield from _cuts(ref, cur)
    yield from _ends(ref, cur)
    yield from filter(None, [find_masking(ref, cur)])
    yield from _without_beginning(ref, cur)
    yield from (WhitespaceLoss(none=True), LetterCase(upper=True), LetterCase(upper=False))
    yield from _unknown_words(ref, cur)
    yield PunctuationLoss()


def _rise(damage: TextDamage, ref: Sequence[str], cur: Sequence[str]) -> Found | None:
    hits = [sum(damage.hit(t) for t in side) for side in (ref, cur)]
    before, after = hits[0] / max(len(ref), 1), hits[1] / max(len(cur), 1)
    clear = hits[1] >= LEAST_TEXTS and after - before >= LEAST_RISE and before <= MOST_BEFORE
    return (damage, before, after) if clear and proportion_z(hits[0], len(ref), hits[1], len(cur)) >= LEAST_Z else None


def _cuts(ref: Sequence[str], cur: Sequence[str]) -> Iterator[TextDamage]:
    """The length that far more texts have than those beside it, while longer ones are there too."""
    lengths = Counter(map(len, cur))
    if not lengths:
        return
    length, count = max(lengths.items(), key=lambda item: (item[1], item[0]))
    beside = [lengths[length + k] for k in range(-BESIDE, BESIDE + 1) if k]
    at = [t for t in cur if len(t) == length]
    longer = any(len(t) > length for t in ref)
    if longer and count >= NEIGHBOURS * max(*beside, 1) and len(set(at)) >= UNLIKE * len(at):
        yield CutOfSome(length)


def _ends(ref: Sequence[str], cur: Sequence[str]) -> Iterator[TextDamage]:
    """The beginning, and the ending, of some texts that hardly any of the reference has."""
    for behind in (False, True):
        counts = [Counter(t[-ENDS:] if behind else t[:ENDS] for t in side if len(t) > ENDS) for side in (ref, cur)]
        end = max(counts[1], key=lambda e: counts[1][e] / len(cur) - counts[0][e] / max(len(ref), 1), default=None)
        if end is None or counts[1][end] < LEAST_TEXTS:
            continue
        alike = [t for t in cur if (t.endswith(end) if behind else t.startswith(end))]
        whole = common_end(alike, 0.9, behind=behind)
        if len(whole.strip()) >= LEAST_END and len(set(alike)) >= UNLIKE * len(alike):
            yield Boilerplate(suffix=whole) if behind else Boilerplate(prefix=whole)


def _without_beginning(ref: Sequence[str], cur: Sequence[str]) -> Iterator[TextDamage]:
    """Texts that set in amid a sentence, as those of a quoted reply or of the end of a page."""
    hit = [len(t.split()) for t in cur if t.lstrip()[:1].islower()]
    if len(hit) >= LEAST_TEXTS and ref:
        left = float(np.median(hit)) / max(float(np.median([len(t.split()) for t in ref])), 1.0)
        if left <= SHORTER:  # else they are in small letters, and whole
            yield HeadLoss(max(left, 0.05))


def _unknown_words(ref: Sequence[str], cur: Sequence[str]) -> Iterator[TextDamage]:
    """Texts of unknown words, or of known ones without the frequent ones, beyond what one text of a hundred shows."""
    own = Vocabulary.of(ref)
    frequent = [sum(w in own.frequent for w in w_s) / len(w_s) for t in ref if len(w_s := words_of(t)) >= BESIDE]
    if min(len(own.unseen), len(frequent)) < LEAST_TEXTS:
        return
    least = 0.5 * float(np.quantile(frequent, 0.01))
    usual = max(2 * float(np.quantile(own.unseen, 0.99)), UNKNOWN if least > 0 else MOSTLY_UNKNOWN)
    unknown = GarbledText(own.known, 0.0, 0.0, usual, own.frequent, least)
    hit = [t for t in cur if unknown.hit(t)]
    if hit:
        words = float(own.unseen_in(hit).mean())
        long = [w for t in ref[: 10 * LEAST_TEXTS] for w in words_of(t)]
        yield replace(unknown, rate=misread_letters(long, words), words=words)
    if least > 0:
        yield CommonWordLoss(own.frequent, least, own.known)
