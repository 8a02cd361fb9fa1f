"""Free text was truncated, garbled, wrapped, emptied, or comes in another language.

**Recognised** in columns of sentences, when the share of texts that show one kind of damage rises by far more than noise:

- *mis-encoded*: marks such as "Ã©", UTF-16 read byte by byte, HTML entities, escapes, texts that were never decoded (percent
  or form encoding, quoted-printable, base64), replacement characters, letters beyond ASCII that vanished;
- *wrapped*: most texts start or end with words that hardly any did (a header, a signature, a template with numbers in it);
- *truncated*: texts end at one length, in characters or words, and as many do as were longer before;
- *emptied*; *one case*, *no punctuation*, *no blanks* where there were;
- *another language or script*, also of some texts: the words that were most frequent are gone, and most are new;
- *garbled*: letters misread or lost, so that words which were never seen stand among the usual ones;
- *some texts alone*: cut off at one length, without their beginning, doubled, wrapped, in one case, without punctuation, blanks
  or their most frequent words, with tags, with one mark in place of numbers or names, where hardly any text was so before.
  People write otherwise, too: all of these but tags and doubled texts are named only where undoing them brings points back.

**Natural drift** brings other topics, which keep the small words that hold sentences together.

**Repair** goes back where the text itself tells how (encoding, entities, escapes, wrapping); else the missing part is taken
from other texts, and the price comes from the **injection**: the same damage done to the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.columns import edit as columns
from backslide.causes.columns import text_corruption, text_damage_of_some, text_encoding, text_vocabulary
from backslide.causes.faults.base import Hypothesis
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import MISSING, Pair, to_texts
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Mask
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


class TextChange(ColumnSignature):
    kind = CauseKind.TEXT_CHANGE
    title = "Damaged text"

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis about a column of free text, or of names and titles."""
        if not pair.free_text and not pair.short_text:
            return
        found, exact = _damage(pair), True
        if pair.free_text and (found is None or isinstance(found[0], text_damage_of_some.AMBIGUOUS)):
            some = _damage_of_some(pair)
            if some is not None and (found is None or text_damage_of_some.explains(some, found)):
                # People write otherwise, too: without capitals, with another closing phrase. That has to prove itself by its
                # price.
                found, exact = some, text_damage_of_some.is_certain(some, *map(text_corruption.look, pair.texts))
        if found is None:
            return
        damage, before, after = found
        rows = ~pair.missing[1] & np.array([damage.hit(str(t)) for t in pair.texts[1]], bool)
        rate = min(max((after - before) / max(1 - before, 1e-9), 0.0), 1.0)
        if isinstance(damage, text_damage_of_some.CutOfSome):  # texts that were shorter anyway do not show it
            rate = min(rate / max(text_damage_of_some.reach(damage, text_corruption.look(pair.texts[0])), rate), 1.0)
        where = "" if rate > 0.98 else f" on {say.percent(after)} of the rows, {say.percent(before)} before"
        lost = f"take the missing part of {pair.name} from other texts"
        hypothesis = self.hypothesis(
            pair,
            f"{pair.name} {damage.seen}{where}",
            f"restore {pair.name}" if damage.reversible else lost,
            rows,
            evidence=(f"DRF009:{pair.name} {damage.shows}",),
            damage=damage,
            rate=rate if rate <= 0.98 else 1.0,
        )
        yield replace(hypothesis, reversible=damage.reversible, exact=exact)

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Undo it on the texts that show it."""
        (column,) = hypothesis.features
        damage: text_corruption.TextDamage = hypothesis.params["damage"]
        stand_in = None if damage.reversible else _stand_in(case, column, damage)

        def restore(text: str) -> str:
            if not damage.hit(text):
                return text
            restored = damage.undo(text)
            return stand_in(text) if restored is None and stand_in is not None else restored or text

        return _each(frame, column, restore)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Damage the same share of the reference texts."""
        (column,) = hypothesis.features
        rows = columns.likely_rows(case, hypothesis.rows, hypothesis.features, hypothesis.params["rate"])
        return _each(frame, column, hypothesis.params["damage"].do, rows)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Notes are cut off before they say how the customer came; the model reads the channel from them."""
        current = _with_notes(scenarios.next_month(rng), rng)
        reference = _with_notes(scenarios.served(rng), rng)
        cut = current.with_columns(pl.col("note").str.slice(0, 30))
        frames = [_Reader.served(frame) for frame in (reference, cut)]
        roles = dict(scenarios.ROLES) | {"features": ["income", "age", "premium", "note"]}
        return Scenario(frames[0], frames[1], roles, _Reader(), "note")


def _with_notes(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """A sentence per row that says the channel in its end."""
    number = pl.Series(rng.integers(10_000, 99_999, frame.height)).cast(pl.String)
    lead = pl.Series(rng.choice(["asked about a loan", "wants to borrow", "needs a new car"], frame.height))
    sentence = pl.concat_str(
        [pl.lit("Customer "), number, pl.lit(" "), lead, pl.lit(", came to us by way of "), pl.col("channel")]
    )
    return frame.with_columns(sentence.alias("note"))


class _Reader(scenarios.TrueModel):
    """The true model, which finds the channel in the note."""

    feature_names_in_ = np.array(["income", "age", "premium", "note"])

    def predict_proba(self, frame: Any) -> NDArray[np.float64]:
        """Scores (n, 2); a note without a channel counts as "partner"."""
        notes = [str(note) for note in np.asarray(frame["note"], object)]
        channel = [next((c for c in ("web", "phone", "branch") if note.endswith(c)), "partner") for note in notes]
        columns = {name: np.asarray(frame[name]) for name in ("income", "age")}
        return super().predict_proba(columns | {"channel": np.array(channel, object)})

    @classmethod
    def served(cls, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame as the model serves it."""
        p = cls().predict_proba({name: frame[name].to_numpy() for name in ("income", "age", "note")})[:, 1]
        return frame.with_columns(pl.Series("p_yes", p), pl.Series("prediction", np.where(p >= 0.5, "yes", "no")))


def _each(frame: pl.DataFrame, column: str, change: Callable[[str], str], rows: Mask | None = None) -> pl.DataFrame:
    given = to_texts(frame[column])
    mask = np.ones(len(given), bool) if rows is None else rows
    values = [
        None if t == MISSING and null else change(str(t)) if hit else str(t)
        for t, hit, null in zip(given, mask, frame[column].is_null(), strict=True)
    ]
    return frame.with_columns(pl.Series(column, values, dtype=pl.String))


def _stand_in(case: Case, column: str, damage: text_corruption.TextDamage) -> Callable[[str], str]:
    """What takes the place of what is gone: the rest of another text, another text, or the usual way to write a word."""
    pool = [t for t in text_corruption.look(case.pairs[column].texts[0]) if not damage.hit(t)]
    rng = case.rng(f"text {column}")
    if isinstance(damage, text_vocabulary.WordLimit):
        rests = [
            r for t in pool or text_corruption.look(case.pairs[column].texts[0]) if (r := t[len(damage.do(t)) :])
        ] or [""]
        return lambda text: text + rests[int(rng.integers(len(rests)))]
    if isinstance(damage, text_corruption.Truncation):
        longer = [t for t in pool if len(t) > damage.length] or text_corruption.look(case.pairs[column].texts[0])
        longer = [t for t in longer if len(t) > damage.length] or [" " * (damage.length + 1)]
        return lambda text: text + longer[int(rng.integers(len(longer)))][len(text) :]
    if isinstance(damage, text_corruption.CharacterLoss) and damage.by:
        return lambda text: text.replace(damage.by, "")
    if isinstance(damage, text_corruption.LetterCase):
        usual = text_corruption.usual_case(pool)
        return lambda text: text_corruption.WORDS.sub(lambda m: usual.get(m.group().casefold(), m.group()), text)
    return lambda text: pool[int(rng.integers(len(pool)))] if pool else text


Found = tuple[text_corruption.TextDamage, float, float]


def _damage(pair: Pair) -> Found | None:
    """The damage, and the shares of texts that show it before and after."""
    ref, cur = (text_corruption.look(t) for t in pair.texts)
    if min(len(ref), len(cur)) < columns.MIN_ROWS:
        return None
    return _certain_damage(ref, cur) or (_likely_damage(ref, cur) if pair.free_text else _wrapped(ref, cur))


def _certain_damage(ref: list[str], cur: list[str]) -> Found | None:
    """What hardly ever comes by nature, in however few words."""
    certain: list[text_corruption.TextDamage] = [
        text_corruption.EmptyText(),
        *(text_corruption.WrongEncoding(codec) for codec in text_corruption.CODECS),
        *(text_encoding.WideEncoding(codec) for codec in text_encoding.WIDE),
        text_encoding.SpacedLetters(),
        *(text_encoding.TransferEncoding(code) for code in text_encoding.TRANSFER),
        text_corruption.EntityEncoding(),
        text_corruption.EscapeEncoding(),
        text_corruption.CharacterLoss("\ufffd"),
    ]
    for damage in certain:
        if (found := _find_rise(damage, ref, cur, MIN_RISE)) is not None and _restores(damage, ref, cur):
            return _or_lost(found, ref, cur)
    return None


def _likely_damage(ref: list[str], cur: list[str]) -> Found | None:
    """What sentences show."""
    # Texts of one template that were cut off end alike; that is the cut, not a signature.
    whole = _truncated(ref, cur) or _wrapped(ref, cur)
    if whole is not None:
        return whole
    cur = [t for t in cur if t.strip()]
    for loss in (text_corruption.WhitespaceLoss(none=True), text_corruption.CharacterLoss("?")):
        if (found := _find_rise(loss, ref, cur, TURN)) is not None:
            return _or_lost(found, ref, cur)
    words = _cut_words(ref, cur) or _foreign(ref, cur) or _misread(ref, cur)
    if words is not None:
        return words
    case = text_corruption.LetterCase
    for damage in (
        case(upper=False),
        case(upper=True),
        text_corruption.PunctuationLoss(),
        text_corruption.WhitespaceLoss(),
    ):
        if (found := _find_rise(damage, ref, cur, TURN)) is not None:
            return found
    return _letters_lost(ref, cur)


def _damage_of_some(pair: Pair) -> Found | None:
    ref, cur = (text_corruption.look(t) for t in pair.texts)
    if min(len(ref), len(cur)) < columns.MIN_ROWS:
        return None
    return text_damage_of_some.damage_of_some(ref, [t for t in cur if t.strip()])


def _restores(damage: text_corruption.TextDamage, ref: list[str], cur: list[str]) -> bool:
    """Whether undoing it, where that can be done, gives words of the reference: else it only looks like that damage."""
    if not damage.reversible:
        return True
    hit = [t for t in cur if damage.hit(t)]
    own = text_vocabulary.Vocabulary.of(ref)
    if min(len(own.unseen), len(hit)) < columns.MIN_ROWS // 2:
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
    if not isinstance(damage, text_corruption.CharacterLoss):
        return found
    hit = [t for t in cur if damage.hit(t)]
    rate = text_vocabulary.lost_letters(damage.by, ref, hit)
    return found if rate is None else (text_vocabulary.LetterLoss(damage.by, rate), before, after)


def _find_rise(damage: text_corruption.TextDamage, ref: list[str], cur: list[str], least: float) -> Found | None:
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
    return text_corruption.CharacterLoss(""), 0.0, 1.0


def _wrapped(ref: list[str], cur: list[str]) -> Found | None:
    """The same ends, to the letter or but for their numbers, whichever says more."""
    ends: list[str] = []
    patterns: list[str] = []
    for behind in (False, True):
        end, pattern = (
            text_corruption.common_end(cur, WRAP, behind=behind),
            text_vocabulary.common_template(cur, WRAP, behind=behind),
        )
        side = text_corruption.Boilerplate(suffix=end) if behind else text_corruption.Boilerplate(prefix=end)
        ends.append(end if _rare(side, end, ref) else "")
        other = (
            text_vocabulary.NumberedBoilerplate(suffix=pattern)
            if behind
            else text_vocabulary.NumberedBoilerplate(prefix=pattern)
        )
        patterns.append(pattern if _rare(other, pattern, ref) else "")
    whole: text_corruption.TextDamage = text_corruption.Boilerplate(*ends)
    if sum(map(len, patterns)) > sum(map(len, ends)) + MIN_WRAP:
        whole = text_vocabulary.NumberedBoilerplate(*patterns)
    return _find_rise(whole, ref, cur, 0.8 * WRAP) if any(ends) or any(patterns) else None


def _rare(side: text_corruption.TextDamage, end: str, ref: list[str]) -> bool:
    return len(end.strip()) >= MIN_WRAP and sum(side.hit(t) for t in ref) <= 0.05 * len(ref)


def _truncated(ref: list[str], cur: list[str]) -> Found | None:
    """A largest length at which as many texts end as were longer before: in characters, or in words."""
    length = max(map(len, cur), default=0)
    if length >= 5:
        for damage in (text_corruption.Truncation(length), text_corruption.Truncation(length, at_word=True)):
            if _cut(damage, [len(t) for t in ref], length, ref, cur):
                return damage, 0.0, 1.0
    counts = [[len(t.split()) for t in side] for side in (ref, cur)]
    count = max(counts[1], default=0)
    if count >= 3 and _cut(words := text_vocabulary.WordLimit(count), counts[0], count, ref, cur):
        return words, 0.0, 1.0
    return None


def _cut(damage: text_corruption.TextDamage, sizes: list[int], limit: int, ref: list[str], cur: list[str]) -> bool:
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
    known, share = text_corruption.frequent_words(ref)
    counts = [text_vocabulary.words_of(t) for t in ref]
    shares = [sum(w in known for w in words) / len(words) for words in counts if words]
    if share < 0.2 or not shares:
        return None
    least = WORDS_GONE * float(np.quantile(shares, 0.1))
    if least <= 0:
        return None
    _, own = text_corruption.frequent_words(cur)
    before = text_vocabulary.Vocabulary.of(ref)
    mixed = text_corruption.ForeignLanguage(known, least, readable=own >= 0.5 * share, every=before.known)
    found = _find_rise(mixed, ref[1::2], cur, MIX)
    if found is None:
        return None
    hit, rest = ([t for t in cur if mixed.hit(t) is side] for side in (True, False))
    # Letters misread at random hit every text, and leave some words whole in each.
    others = before.unseen_in(rest).mean() - before.unseen.mean() if len(rest) >= columns.MIN_ROWS // 2 else 0.0
    spared = len(hit) > WHOLE * len(cur) and before.unseen_in(hit).mean() < MOSTLY
    if others > UNSEEN_RISE or spared:
        return None
    return replace(mixed, kept=text_vocabulary.words_kept(ref, hit)), *found[1:]


def _misread(ref: list[str], cur: list[str]) -> Found | None:
    """Words that were never seen in place of any words, the small and frequent ones with them: no topic brings that."""
    own = text_vocabulary.Vocabulary.of(ref)
    after = own.unseen_in(cur)
    if own.frequent_share < 0.2 or min(len(own.unseen), len(after)) < columns.MIN_ROWS // 2:
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
