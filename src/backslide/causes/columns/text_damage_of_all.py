"""Damage of whole columns of text, told by what most texts show: marks, ends, lengths, letters, words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backslide.causes.columns import text_encoding, text_vocabulary
from backslide.causes.columns.edit import MIN_ROWS
from backslide.causes.columns.text_corruption import (
    CODECS,
    Boilerplate,
    CharacterLoss,
    EmptyText,
    EntityEncoding,
    EscapeEncoding,
    ForeignLanguage,
    Found,
    LetterCase,
    PunctuationLoss,
    TextDamage,
    Truncation,
    WhitespaceLoss,
    WrongEncoding,
    common_end,
    frequent_words,
)
from backslide.causes.columns.text_masks import find_masking
from backslide.stats.two_sample import proportion_z

MIN_RISE = 0.02
"""Rise of the share of damaged texts, where the damage hardly ever comes by nature."""
TURN = 0.3
"""Rise of that share, where texts may be so by nature."""
MIX = 0.05
"""Rise of the share of texts in another language."""
WHOLE, MOSTLY = 0.8, 0.8
"""Share of the texts from which all of them are hit, and share of words never seen before under which some words are spared."""
UNSEEN_RISE = 0.08
"""Rise of the share of words that were never seen before: new topics and names bring a few of a hundred."""
MIN_Z = 6.0
WRAP = 0.5
"""Share of the texts that must start or end alike."""
MIN_WRAP = 4
"""Characters of it."""
CAP_MATCH = 0.3
"""How far the share of texts at the largest length may be from the share that was longer, relative, beyond noise."""
WORDS_GONE = 0.4
"""Share of the frequent words' former share that may be left where a language is gone."""

BY_SIGNS = (
    EmptyText,
    WrongEncoding,
    text_encoding.WideEncoding,
    text_encoding.SpacedLetters,
    text_encoding.TransferEncoding,
    EntityEncoding,
    EscapeEncoding,
    CharacterLoss,
    text_vocabulary.LetterLoss,
    ForeignLanguage,
)
"""Damages that single texts show for certain, whatever else the texts are like."""


def damage_of_all(ref: list[str], cur: list[str], *, sentences: bool) -> Found | None:
    """The damage that most texts show, or that hardly ever comes by nature in however few; None where nothing does.

    Without ``sentences`` (names, titles) only what hardly ever comes by nature, and ends that all share.
    """
    return _certain_damage(ref, cur) or (_likely_damage(ref, cur) if sentences else _wrapped(ref, cur))


def _certain_damage(ref: list[str], cur: list[str]) -> Found | None:
    """What hardly ever comes by nature, in however few words."""
    certain: list[TextDamage] = [
        EmptyText(),
        *(WrongEncoding(codec) for codec in CODECS),
        *(text_encoding.WideEncoding(codec) for codec in text_encoding.WIDE),
        text_encoding.SpacedLetters(),
        *(text_encoding.TransferEncoding(code) for code in text_encoding.TRANSFER),
        EntityEncoding(),
        EscapeEncoding(),
        CharacterLoss("\ufffd"),
    ]
    for damage in certain:
        if (found := _find_rise(damage, ref, cur, MIN_RISE)) is not None and _restores(damage, ref, cur):
            return _or_lost(found, ref, cur)
    return None


def _likely_damage(ref: list[str], cur: list[str]) -> Found | None:
    """What sentences show."""
    # Texts of one template that were cut off end alike; that is the cut, not a signature. Marks are words of one length.
    whole = _masked(ref, cur) or _truncated(ref, cur) or _wrapped(ref, cur)
    if whole is not None:
        return whole
    cur = [t for t in cur if t.strip()]
    for loss in (WhitespaceLoss(none=True), CharacterLoss("?")):
        if (found := _find_rise(loss, ref, cur, TURN)) is not None:
            return _or_lost(found, ref, cur)
    words = _cut_words(ref, cur) or _foreign(ref, cur) or _misread(ref, cur)
    if words is not None:
        return words
    case = LetterCase
    for damage in (
        case(upper=False),
        case(upper=True),
        PunctuationLoss(),
        WhitespaceLoss(),
    ):
        if (found := _find_rise(damage, ref, cur, TURN)) is not None:
            return found
    return _letters_lost(ref, cur)


def _masked(ref: list[str], cur: list[str]) -> Found | None:
    """Marks in most texts, where it is known which words they stand for."""
    masking = find_masking(ref, cur)
    return None if masking is None or not masking.told else _find_rise(masking, ref, cur, WRAP)


def _restores(damage: TextDamage, ref: list[str], cur: list[str]) -> bool:
    """Whether undoing it, where that can be done, gives words of the reference: else it only looks like that damage."""
    if not damage.reversible:
        return True
    hit = [t for t in cur if damage.hit(t)]
    own = text_vocabulary.Vocabulary.of(ref)
    if min(len(own.unseen), len(hit)) < MIN_ROWS // 2:
        return True
    damaged, undone = (
        own.unseen_in(hit),
        own.unseen_in([restored for t in hit if (restored := damage.undo(t)) is not None]),
    )
    left = float(undone.mean() - own.unseen.mean()) if len(undone) else 1.0
    return left <= max(UNSEEN_RISE, 0.5 * float(damaged.mean() - own.unseen.mean()))


def _or_lost(found: Found, ref: list[str], cur: list[str]) -> Found:
    """Any letters lost, where more were replaced than there ever were beyond ASCII."""
    damage, before, after = found
    if not isinstance(damage, CharacterLoss):
        return found
    hit = [t for t in cur if damage.hit(t)]
    rate = text_vocabulary.lost_letters(damage.by, ref, hit)
    return found if rate is None else (text_vocabulary.LetterLoss(damage.by, rate), before, after)


def _find_rise(damage: TextDamage, ref: list[str], cur: list[str], least: float) -> Found | None:
    hits = [sum(damage.hit(t) for t in side) for side in (ref, cur)]
    before, after = hits[0] / max(len(ref), 1), hits[1] / max(len(cur), 1)
    if after - before < least or proportion_z(hits[0], len(ref), hits[1], len(cur)) < MIN_Z:
        return None
    return damage, before, after


def _letters_lost(ref: list[str], cur: list[str]) -> Found | None:
    """Letters beyond ASCII that were there and are nowhere now."""
    before, after = (sum(not t.isascii() for t in side) / max(len(side), 1) for side in (ref, cur))
    if before < 0.05 or after > 0.02 * before or (1 - before) ** len(cur) > 1e-9:
        return None
    return CharacterLoss(""), 0.0, 1.0


def _wrapped(ref: list[str], cur: list[str]) -> Found | None:
    """The same ends, to the letter or but for their numbers, whichever says more."""
    ends: list[str] = []
    patterns: list[str] = []
    for behind in (False, True):
        end, pattern = (
            common_end(cur, WRAP, behind=behind),
            text_vocabulary.common_template(cur, WRAP, behind=behind),
        )
        side = Boilerplate(suffix=end) if behind else Boilerplate(prefix=end)
        ends.append(end if _rare(side, end, ref) else "")
        other = (
            text_vocabulary.NumberedBoilerplate(suffix=pattern)
            if behind
            else text_vocabulary.NumberedBoilerplate(prefix=pattern)
        )
        patterns.append(pattern if _rare(other, pattern, ref) else "")
    whole: TextDamage = Boilerplate(*ends)
    if sum(map(len, patterns)) > sum(map(len, ends)) + MIN_WRAP:
        whole = text_vocabulary.NumberedBoilerplate(*patterns)
    return _find_rise(whole, ref, cur, 0.8 * WRAP) if any(ends) or any(patterns) else None


def _rare(side: TextDamage, end: str, ref: list[str]) -> bool:
    return len(end.strip()) >= MIN_WRAP and sum(side.hit(t) for t in ref) <= 0.05 * len(ref)


def _truncated(ref: list[str], cur: list[str]) -> Found | None:
    """A largest length at which as many texts end as were longer before: in characters, or in words."""
    length = max(map(len, cur), default=0)
    if length >= 5:
        for damage in (Truncation(length), Truncation(length, at_word=True)):
            if _cut(damage, [len(t) for t in ref], length, ref, cur):
                return damage, 0.0, 1.0
    counts = [[len(t.split()) for t in side] for side in (ref, cur)]
    count = max(counts[1], default=0)
    if count >= 3 and _cut(words := text_vocabulary.WordLimit(count), counts[0], count, ref, cur):
        return words, 0.0, 1.0
    return None


def _cut(damage: TextDamage, sizes: list[int], limit: int, ref: list[str], cur: list[str]) -> bool:
    longer = sum(size > limit for size in sizes) / len(ref)
    noise = 4 * float(np.sqrt(max(longer * (1 - longer), 1e-9) * (1 / len(ref) + 1 / len(cur))))
    at = sum(map(damage.hit, cur)) / len(cur)
    gathered = sum(damage.hit(damage.do(t)) for t in ref) / len(ref)
    if longer < MIN_RISE or abs(at - gathered) > CAP_MATCH * longer + noise:
        return False
    near = sum(damage.hit(t) and size <= limit for t, size in zip(ref, sizes, strict=True)) / len(ref)
    return at > near + max(MIN_RISE, noise)


def _cut_words(ref: list[str], cur: list[str]) -> Found | None:
    """Words cut off at one length, as a stemmer or a fixed width leaves them."""
    found = _find_rise(text_vocabulary.WordLength(text_vocabulary.usual_longest(cur)), ref, cur, TURN)
    return found if found is not None and found[2] >= MOSTLY else None


def _foreign(ref: list[str], cur: list[str]) -> Found | None:
    """Texts without the words that the reference cannot do without, most of whose words it never used."""
    known, share = frequent_words(ref)
    counts = [text_vocabulary.words_of(t) for t in ref]
    shares = [sum(w in known for w in words) / len(words) for words in counts if words]
    if share < 0.2 or not shares:
        return None
    least = WORDS_GONE * float(np.quantile(shares, 0.1))
    if least <= 0:
        return None
    _, own = frequent_words(cur)
    before = text_vocabulary.Vocabulary.of(ref)
    mixed = ForeignLanguage(known, least, readable=own >= 0.5 * share, every=before.known)
    found = _find_rise(mixed, ref[1::2], cur, MIX)
    if found is None:
        return None
    hit, rest = ([t for t in cur if mixed.hit(t) is side] for side in (True, False))
    # Letters misread at random hit every text, and leave some words whole in each.
    others = before.unseen_in(rest).mean() - before.unseen.mean() if len(rest) >= MIN_ROWS // 2 else 0.0
    spared = len(hit) > WHOLE * len(cur) and before.unseen_in(hit).mean() < MOSTLY
    if others > UNSEEN_RISE or spared:
        return None
    return replace(mixed, kept=text_vocabulary.words_kept(ref, hit)), *found[1:]


def _misread(ref: list[str], cur: list[str]) -> Found | None:
    """Words that were never seen in place of any words, the small and frequent ones with them: no topic brings that."""
    own = text_vocabulary.Vocabulary.of(ref)
    after = own.unseen_in(cur)
    if own.frequent_share < 0.2 or min(len(own.unseen), len(after)) < MIN_ROWS // 2:
        return None
    before = float(own.unseen.mean())
    rise = float(after.mean()) - before
    spread = float(np.hypot(own.unseen.std() / np.sqrt(len(own.unseen)), after.std() / np.sqrt(len(after))))
    gone = 1 - own.frequent_in(cur) / own.frequent_share
    if rise < max(UNSEEN_RISE, before) or rise < MIN_Z * spread or gone < 0.5 * rise:
        return None
    if np.median(after) <= np.quantile(own.unseen, 0.75):  # most texts are as they were: some are of another kind
        return None
    share = max(rise, text_vocabulary.words_gone(ref, cur))
    long = [w for t in ref for w in text_vocabulary.words_of(t) if len(w) >= text_vocabulary.LONG]
    rate = text_vocabulary.misread_letters(long, share)
    return text_vocabulary.MisreadLetters(own.known, rate, share, float(np.quantile(own.unseen, 0.9))), 0.0, 1.0
