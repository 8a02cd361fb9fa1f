"""What was done to texts, found by doing it: damages are tried on texts of the reference until they look like the current ones.

A text that was cut, stripped and put into a template shows no single mark that a rule could look for, but its shape
(``text_shape``) can be made again. Of many damages the one is kept that brings the reference nearest to the current texts, then
the next on top of it, as long as each explains much of what is left (greedy analysis by synthesis). What has been found can be
done to the reference, so its price is known though nothing brings the texts back.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from backslide.causes.columns.text_corruption import (
    START,
    Boilerplate,
    LetterCase,
    PunctuationLoss,
    TextDamage,
    Truncation,
    WhitespaceLoss,
    common_end,
)
from backslide.causes.columns.text_damage_of_some import CommonWordLoss, DoubledText
from backslide.causes.columns.text_masks import find_masking
from backslide.causes.columns.text_parts import (
    BlankLoss,
    CharacterExchange,
    KeptPart,
    OnePiece,
    Successive,
    WordLoss,
    WrappedWords,
)
from backslide.causes.columns.text_shape import FURTHEST, Shape
from backslide.causes.columns.text_vocabulary import MisreadLetters, WordLength, WordLimit
from backslide.stats.arrays import Floats

TRIED = 200
"""Texts of each window that damages are tried on."""
SCREENED, KEPT = 4, 6
"""All are tried on one of so many of them, and the best so many on every one."""
LEAST_TEXTS = 60
LONG = 15_000
"""Characters of the mean text from which trying takes too long: whole books are told by rules alone."""
LEAST_DISTANCE, SURE_DISTANCE = 1.5, 6.0
"""Squared distance of the shapes under which nothing was done to the texts, and from which something was for certain, in spreads
of single texts: between consecutive periods of mails, reports and reviews it was 3.4 at most."""
BEYOND_NATURE, SURELY_BEYOND = 3.0, 8.0
"""Likewise as times the distance of the two halves of the reference."""
EACH_EXPLAINS = 0.2
"""Of what is left, what a further damage must explain."""
WELL_EXPLAINED = 0.8
"""Of the whole distance, what a damage that is told for certain must explain to be taken as it is."""
EXPLAINED, SURELY_EXPLAINED = 0.7, 0.85
"""Of the whole distance, what all must explain to be told, and to be certain."""
NEXT_TO_NOTHING, LEAST_GAIN = 0.04, 0.002
MOST_STEPS = 3
LEAST_SHARE = 0.05
"""Share of the texts that must be hit."""
WHOLE = 0.9
"""Share from which all are."""
AT_ONCE = 1_000
"""Texts that are compared at once."""
SHARES = (0.15, 0.3, 0.5, 0.7, 0.85)
RATES = (0.1, 0.3, 0.6)
FINER = (1.2, 1.08)
"""Factors by which the number of a damage is tried larger and smaller, one after the other."""
_TAG = re.compile(r"<[^<>]{1,60}>")


@dataclass(frozen=True)
class Fit:
    """A damage, the share of the texts that were hit, and how much of the distance it explains."""

    damage: TextDamage
    share: float
    explained: float
    direction: Floats
    """From the mean shape of the reference to that of damaged texts (features,), in spreads."""


class Shapes:
    """The shapes of both windows, and how near to the current one a damage brings the reference."""

    def __init__(self, ref: Sequence[str], cur: Sequence[str]) -> None:
        self.shape = Shape.of(ref)
        whole = ref[1::2]  # the vocabulary is that of the others
        own = self.shape.measure(whole)
        self.centre = own.mean(0)
        self.spread = np.maximum(own.std(0), Shape.least_spread())
        places, current = self._scaled(own), self.places(cur)
        half = len(places) // 2
        self.nature = _squared(places[:half], places[half:])
        self.distance = _squared(places, current)
        self.texts = _some(whole)
        self.whole = self.places(self.texts)
        self.now = current.mean(0) - places.mean(0)

    @property
    def changed(self) -> bool:
        """Whether texts differ in shape by more than the reference did in its own time."""
        return self.distance >= max(LEAST_DISTANCE, BEYOND_NATURE * self.nature)

    @property
    def surely_changed(self) -> bool:
        """Whether no time, topic or writer brings such a difference."""
        return self.distance >= max(SURE_DISTANCE, SURELY_BEYOND * self.nature)

    def places(self, texts: Sequence[str]) -> Floats:
        """Shapes (n, features) from the reference's mean, in spreads."""
        return self._scaled(self.shape.measure(texts))

    def fit(self, damage: TextDamage, every: int = 1) -> Fit:
        """How much a damage explains where the share of texts that agrees best was hit; tried on one text of so many."""
        made = self.places([damage.do(text) for text in self.texts[::every]])
        direction = made.mean(0) - self.whole[::every].mean(0)
        length = float(direction @ direction)
        share = float(np.clip(self.now @ direction / max(length, 1e-12), 0.0, 1.0))
        left = float(((self.now - share * direction) ** 2).sum())
        return Fit(damage, share, 1 - left / max(float(self.now @ self.now), 1e-12), direction)

    def _scaled(self, rows: Floats) -> Floats:
        return np.asarray(np.clip((rows - self.centre) / self.spread, -FURTHEST, FURTHEST))


def _squared(one: Floats, other: Floats) -> float:
    """Squared distance of two means, less what chance alone makes of it."""
    chance = sum(float((rows.var(0, ddof=1) / len(rows)).sum()) for rows in (one, other))
    return max(float(((one.mean(0) - other.mean(0)) ** 2).sum()) - chance, 0.0)


@dataclass(frozen=True)
class Synthesis(TextDamage):
    """Damages done one after the other, told by the shape that they give to texts."""

    shapes: Shapes
    fit: Fit

    @property
    def certain(self) -> bool:
        """Whether nobody writes so, and it is known what was done."""
        # Texts of another source may be alike in much; what is left of those that were hit must be no sure change by itself.
        left = (1 - self.fit.explained) * self.shapes.distance / self.fit.share
        return self.shapes.surely_changed and self.fit.explained >= SURELY_EXPLAINED and left <= SURE_DISTANCE

    @property
    def restores(self) -> bool:
        """Whether all of it can be undone."""
        return all(step.reversible for step in steps_of(self.fit.damage))

    @property
    def shows(self) -> str:  # type: ignore[override]  # one for all texts elsewhere
        """What the first of them shows."""
        return steps_of(self.fit.damage)[0].shows

    @property
    def seen(self) -> str:
        """What happened."""
        return self.fit.damage.seen

    def hit(self, text: str) -> bool:
        """Nearer to the shape of damaged texts than to that of whole ones; every text where all were hit."""
        if self.fit.share >= WHOLE:
            return bool(text.strip())
        direction = self.fit.direction
        return bool(self.shapes.places([text])[0] @ direction > 0.5 * direction @ direction)

    def do(self, text: str) -> str:
        """As it was done."""
        return self.fit.damage.do(text)

    def undo(self, text: str) -> str | None:
        """All of it undone, where it can be."""
        for step in reversed(steps_of(self.fit.damage)):
            undone = step.undo(text) if step.reversible else None
            if undone is None:
                return None
            text = undone
        return text

    def with_most_similar(self, whole: Sequence[str], texts: Iterable[object]) -> list[str]:
        """Damaged ones among ``texts`` (n,) replaced by the whole text that, damaged alike, is the most similar in its words."""
        given = [str(text) for text in texts]
        hit = [k for k, text in enumerate(given) if self.hit(text)]
        words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\S+")
        try:
            damaged = words.fit_transform([self.do(text) for text in whole])
        except ValueError:  # no words are left
            return given
        for start in range(0, len(hit), AT_ONCE):
            some = hit[start : start + AT_ONCE]
            alike = (words.transform([given[k] for k in some]) @ damaged.T).toarray()
            for k, row in zip(some, alike, strict=True):
                given[k] = whole[int(row.argmax())] if row.max() > 0 else given[k]
        return given


def synthesise(
    ref: Sequence[str], cur: Sequence[str], told: TextDamage | None = None, *, sure: bool = False
) -> Synthesis | None:
    """The damages that explain how the shape of the texts changed; None where it did not, or nothing explains most of it.

    ``told``: what rules found, which is tried as the first of them; where they are ``sure`` of it, it stays if it explains about
    as much alone.
    """
    ref, cur = ([text for text in side if text.strip()] for side in (ref, cur))
    if min(len(ref) // 2, len(cur)) < LEAST_TEXTS or max(np.mean([len(t) for t in side]) for side in (ref, cur)) > LONG:
        return None
    shapes = Shapes(ref, cur)
    if not shapes.changed:
        return None
    alone = shapes.fit(told).explained if told is not None and sure else 0.0
    if alone >= WELL_EXPLAINED:
        return None
    best: Fit | None = None
    seen, steps = list(cur), tuple[TextDamage, ...]()
    while len(steps) < MOST_STEPS:
        made = [Successive(steps).do(text) for text in shapes.texts]
        tried: list[TextDamage] = [] if steps or told is None else [told]
        tried += [_then(steps, damage) for damage in _candidates(made, _some(seen), shapes.shape)]
        tried += [_then((damage,), *steps) for damage in _parts(seen)] if steps else []
        few = sorted((shapes.fit(damage, SCREENED) for damage in tried), key=lambda fit: -fit.explained)
        found = _finer(shapes, max((shapes.fit(fit.damage) for fit in few[:KEPT]), key=lambda fit: fit.explained))
        before = best.explained if best is not None else 0.0
        if found.share < LEAST_SHARE or found.explained - before < max(EACH_EXPLAINS * (1 - before), NEXT_TO_NOTHING):
            break
        best, steps = found, steps_of(found.damage)
        if best.share < WHOLE:
            rule = Synthesis(shapes, best)
            seen = [text for text in cur if rule.hit(text)] or seen
    best = best and _needed(shapes, best)
    if best is None or best.explained < EXPLAINED:
        return None
    return Synthesis(shapes, best) if best.explained >= alone + EACH_EXPLAINS * (1 - alone) else None


def _some(texts: Sequence[str]) -> list[str]:
    return list(texts[:: max(len(texts) // TRIED, 1)][:TRIED])


def steps_of(damage: TextDamage) -> tuple[TextDamage, ...]:
    """The damages that one consists of."""
    return damage.steps if isinstance(damage, Successive) else (damage,)


def _then(steps: tuple[TextDamage, ...], *others: TextDamage) -> TextDamage:
    every = tuple(step for damage in (*steps, *others) for step in steps_of(damage))
    return every[0] if len(every) == 1 else Successive(every)


def _needed(shapes: Shapes, fit: Fit) -> Fit:
    """Without the damages that explain next to nothing beside the others."""
    steps = steps_of(fit.damage)
    fewer = [shapes.fit(_then(steps[:k], *steps[k + 1 :])) for k in range(len(steps))] if len(steps) > 1 else []
    best = max(fewer, key=lambda other: other.explained, default=fit)
    return _needed(shapes, best) if best is not fit and best.explained > fit.explained - NEXT_TO_NOTHING else fit


def _finer(shapes: Shapes, fit: Fit) -> Fit:
    """Every damage with its number as it fits best."""
    for turned in (turned for factor in FINER for turned in (factor, 1 / factor)):
        for at in range(len(steps_of(fit.damage))):
            while True:
                steps = steps_of(fit.damage)
                other = _scaled(steps[at], turned)
                better = shapes.fit(_then(steps[:at], other, *steps[at + 1 :])) if other is not None else fit
                if better.explained <= fit.explained + LEAST_GAIN:
                    break
                fit = better
    return fit


def _scaled(damage: TextDamage, factor: float) -> TextDamage | None:
    """The damage with its number so many times as large; None where it has none, or none larger."""
    if isinstance(damage, WordLoss | BlankLoss | MisreadLetters):
        return replace(damage, rate=damage.rate * factor) if damage.rate * factor < 1 else None
    if not isinstance(damage, KeptPart):
        return None
    share = (damage.stop - damage.start) * factor
    if share >= 1:
        return None
    if damage.start == 0:
        return replace(damage, stop=share)
    return (
        replace(damage, start=1 - share)
        if damage.stop == 1
        else replace(damage, start=0.5 - share / 2, stop=0.5 + share / 2)
    )


def _candidates(made: Sequence[str], cur: Sequence[str], shape: Shape) -> Iterator[TextDamage]:
    """What may have been done to the texts as ``made`` so far."""
    yield from _parts(cur)
    yield from (LetterCase(upper=False), LetterCase(upper=True), PunctuationLoss())
    yield from (WhitespaceLoss(), WhitespaceLoss(none=True), DoubledText())
    own = shape.vocabulary
    yield CommonWordLoss(own.frequent, 0.0, own.known)
    yield from (WordLength(letters) for letters in range(3, 8))
    for rate in RATES:
        yield from (WordLoss(rate), BlankLoss(rate))
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
    words = sum(len(_TAG.sub(" ", text[:START]).split()) for text in cur)
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
        yield from (CharacterExchange(lost, by) for by in ("", *strings))


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
