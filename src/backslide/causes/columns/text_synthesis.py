"""What was done to texts, found by doing it: damages are tried on texts of the reference until they look like the current ones.

A text that was cut, stripped and put into a template shows no single mark that a rule could look for, but its shape
(``text_shape``) can be made again. Of many damages the one is kept that brings the reference nearest to the current texts, then
the next on top of it, as long as each explains much of what is left (greedy analysis by synthesis). What has been found can be
done to the reference, so its price is known though nothing brings the texts back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from backslide.causes.columns.text_corruption import (
    Boilerplate,
    TextDamage,
    Truncation,
)
from backslide.causes.columns.text_damage_of_some import breaks_off
from backslide.causes.columns.text_parts import (
    BlankLoss,
    CharacterExchange,
    KeptPart,
    Successive,
)
from backslide.causes.columns.text_shape import FURTHEST, Shape
from backslide.causes.columns.text_trials import PARTS, damages_to_try
from backslide.causes.columns.text_vocabulary import MisreadLetters, WordLimit
from backslide.stats.arrays import Floats

TRIED = 200
"""Texts of each window that damages are tried on."""
SCREENED, KEPT = 4, 6
"""All are tried on one of so many of them, and the best so many on every one."""
LEAST_TEXTS = 60
LONG = 15_000
"""Characters of the mean text from which trying takes too long: whole books are told by rules alone."""
TOO_LONG = 5 * LONG
"""Characters from which a single text is left out."""
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
NEXT_TO_NOTHING, LEAST_GAIN = 0.06, 0.002
AS_WELL = 0.01
"""How much less a damage that can be undone may explain and still be taken."""
MOST_STEPS = 3
LEAST_SHARE = 0.05
"""Share of the texts that must be hit, and of a text that must be left, or lost."""
LEAST_RATE = 0.15
"""Share of blanks, or letters, that are lost where any are: fewer come with other words."""
WHOLE = 0.9
"""Share from which all are."""
AT_ONCE = 1_000
"""Texts that are compared at once."""
FINER = (1.2, 1.08)
"""Factors by which the number of a damage is tried larger and smaller, one after the other."""


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
        """Whether they differ by far more than consecutive periods did."""
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
    abrupt: bool
    """Whether what was cut breaks off; true where nothing was."""

    @property
    def certain(self) -> bool:
        """Whether the texts differ by far more than usual, and nearly all of that is explained."""
        # Texts of another source may be alike in much; what is left of those that were hit must be no sure change by itself.
        left = (1 - self.fit.explained) * self.shapes.distance / self.fit.share
        told = self.fit.explained >= SURELY_EXPLAINED and left <= SURE_DISTANCE
        # Shorter texts come by nature too, but not without their ends.
        return self.shapes.surely_changed and told and self.abrupt

    @property
    def share(self) -> float:
        """Share of the texts that were hit; all, where next to all were."""
        return 1.0 if self.fit.share >= WHOLE else self.fit.share

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
        if self.share == 1.0:
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

    def last_undone(self, text: str) -> str:
        """The last ones undone, as far as they can be."""
        for step in reversed(steps_of(self.fit.damage)):
            undone = step.undo(text) if step.reversible else None
            if undone is None:
                break
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
    ref, cur = ([text for text in side if text.strip() and len(text) <= TOO_LONG] for side in (ref, cur))
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
        others = [d for d in damages_to_try(made, _some(seen), shapes.shape) if _is_another(d, steps)]
        tried += [_then(steps, damage) for damage in others]
        tried += [_then((damage,), *steps) for damage in others if isinstance(damage, PARTS)] if steps else []
        few = sorted((shapes.fit(damage, SCREENED) for damage in tried), key=lambda fit: -fit.explained)
        found = _finer(shapes, max((shapes.fit(fit.damage) for fit in few[:KEPT]), key=_as_good))
        before = best.explained if best is not None else 0.0
        if found.share < LEAST_SHARE or found.explained - before < max(EACH_EXPLAINS * (1 - before), NEXT_TO_NOTHING):
            break
        best, steps = found, steps_of(found.damage)
        if best.share < WHOLE:
            rule = Synthesis(shapes, best, False)
            seen = [text for text in cur if rule.hit(text)] or seen
    best = best and _needed(shapes, best)
    if best is None or best.explained < EXPLAINED:
        return None
    if best.explained < alone + EACH_EXPLAINS * (1 - alone):
        return None
    return Synthesis(shapes, best, _breaks_off(shapes, best, cur))


def _as_good(fit: Fit) -> float:
    return fit.explained + AS_WELL * steps_of(fit.damage)[-1].reversible


def _breaks_off(shapes: Shapes, fit: Fit, cur: Sequence[str]) -> bool:
    """Whether texts of which a part is left begin or end abruptly; true where all of them is left."""
    sizes = [s for s in steps_of(fit.damage) if isinstance(s, PARTS)]
    if not sizes:
        return True
    rule = Synthesis(shapes, fit, False)
    cut = [rule.last_undone(text) for text in cur if rule.hit(text)]
    # What else was done to the texts, small letters and no marks say, is no sign of a cut.
    rest = [s for s in steps_of(fit.damage) if not isinstance(s, PARTS) and not s.reversible]
    whole = [Successive(tuple(rest)).do(text) for text in shapes.texts]
    front = any(isinstance(s, KeptPart) and s.start > 0 for s in sizes)
    end = any(isinstance(s, Truncation | WordLimit) or (isinstance(s, KeptPart) and s.stop < 1) for s in sizes)
    broken = [breaks_off(whole, cut, front=True)] if front else []
    return (front or end) and all(broken + ([breaks_off(whole, cut)] if end else []))


def _is_another(damage: TextDamage, steps: tuple[TextDamage, ...]) -> bool:
    """Whether nothing of its kind was done before; other characters, and another end, may be. Other words than before have
    other lengths, which lost blanks explain as well: they are believed only where they explain the most."""
    if isinstance(damage, CharacterExchange | Boilerplate):
        return damage not in steps
    if isinstance(damage, BlankLoss):
        return not steps
    kinds = PARTS if isinstance(damage, PARTS) else (type(damage),)
    return not any(isinstance(step, kinds) for step in steps)


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
    if isinstance(damage, BlankLoss | MisreadLetters):
        return replace(damage, rate=damage.rate * factor) if LEAST_RATE <= damage.rate * factor < 1 else None
    if not isinstance(damage, KeptPart):
        return None
    share = (damage.stop - damage.start) * factor
    if not LEAST_SHARE <= share <= 1 - LEAST_SHARE:
        return None
    if damage.start == 0:
        return replace(damage, stop=share)
    return (
        replace(damage, start=1 - share)
        if damage.stop == 1
        else replace(damage, start=0.5 - share / 2, stop=0.5 + share / 2)
    )
