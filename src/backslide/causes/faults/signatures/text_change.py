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
  or their most frequent words, with tags, with marks in place of numbers, names or long words, where hardly any was so before.
  People write otherwise, too: all of these but tags and doubled texts are named only where undoing them brings points back;
- *anything else that changes the shape of texts* (characters, lengths, beginnings and endings): what, done to texts of the
  reference, gives them the shape of the current ones, one thing or several on top of each other. Certain where it explains 85 %
  of a large difference, and texts of which a part is left begin or end abruptly: whole texts may be shorter by nature.

**Natural drift** brings other topics, which keep the small words that hold sentences together.

**Repair** goes back where the text itself tells how (encoding, entities, escapes, wrapping); else the missing part is taken
from other texts, or the most similar whole text stands in, and the price comes from the **injection**: the same damage done
to the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.columns import edit as columns
from backslide.causes.columns import text_corruption, text_damage_of_all, text_damage_of_some, text_vocabulary
from backslide.causes.columns.text_masks import Masking
from backslide.causes.columns.text_synthesis import Synthesis, steps_of, synthesise
from backslide.causes.faults.base import Hypothesis
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair, to_texts
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Mask

MOST_UNDONE = 0.8
"""Share of the texts hit that must be restored where a damage is said to be undone."""


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
        told = found[0] if found is not None else None
        made = (
            _made(pair, told, sure=exact)
            if pair.free_text and not isinstance(told, text_damage_of_all.BY_SIGNS)
            else None
        )
        if made is not None:
            known = told is not None and exact
            kept = told in steps_of(made.fit.damage)
            if made.certain or kept or not known:
                found, exact = (made, 0.0, made.share), made.certain or (known and kept)
        if found is None:
            return
        damage, before, after = found
        rows = ~pair.missing[1] & np.array([damage.hit(str(t)) for t in pair.texts[1]], bool)
        reversible = damage.reversible or (
            isinstance(damage, Synthesis) and damage.restores and _undone(damage, pair, rows)
        )
        rate = min(max((after - before) / max(1 - before, 1e-9), 0.0), 1.0)
        if isinstance(damage, text_damage_of_some.CutOfSome | Masking):
            # Texts that were shorter anyway, or hold no such word, do not show it.
            rate = min(rate / max(text_damage_of_some.reach(damage, text_corruption.look(pair.texts[0])), rate), 1.0)
        where = "" if rate > 0.98 else f" on {say.percent(after)} of the rows, {say.percent(before)} before"
        lost = f"take the missing part of {pair.name} from other texts"
        if isinstance(damage, Synthesis):
            lost = f"replace each text of {pair.name} by the most similar whole one of the reference"
        hypothesis = self.hypothesis(
            pair,
            f"{pair.name} {damage.seen}{where}",
            f"restore {pair.name}" if reversible else lost,
            rows,
            evidence=(f"DRF009:{pair.name} {damage.shows}",),
            damage=damage,
            rate=rate if rate <= 0.98 else 1.0,
        )
        yield replace(hypothesis, reversible=reversible, exact=exact)

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Undo it on the texts that show it."""
        (column,) = hypothesis.features
        damage: text_corruption.TextDamage = hypothesis.params["damage"]
        if isinstance(damage, Synthesis) and not hypothesis.reversible:
            pool = text_corruption.look(case.pairs[column].texts[0])
            return _with_texts(frame, column, damage.with_most_similar(pool, to_texts(frame[column])))
        stand_in = None if hypothesis.reversible else _stand_in(case, column, damage)

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
    return _with_texts(frame, column, [change(str(t)) if hit else str(t) for t, hit in zip(given, mask, strict=True)])


def _with_texts(frame: pl.DataFrame, column: str, texts: Sequence[str]) -> pl.DataFrame:
    """The frame with other texts; what was missing stays so."""
    made = [None if null else t for t, null in zip(texts, frame[column].is_null(), strict=True)]
    return frame.with_columns(pl.Series(column, made, dtype=pl.String))


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
    if isinstance(damage, Masking):
        return damage.filler(pool, rng)
    if isinstance(damage, text_corruption.CharacterLoss) and damage.by:
        return lambda text: text.replace(damage.by, "")
    if isinstance(damage, text_corruption.LetterCase):
        usual = text_corruption.usual_case(pool)
        return lambda text: text_corruption.WORDS.sub(lambda m: usual.get(m.group().casefold(), m.group()), text)
    return lambda text: pool[int(rng.integers(len(pool)))] if pool else text


def _damage(pair: Pair) -> text_corruption.Found | None:
    """The damage, and the shares of texts that show it before and after."""
    ref, cur = (text_corruption.look(t) for t in pair.texts)
    if min(len(ref), len(cur)) < columns.MIN_ROWS:
        return None
    return text_damage_of_all.damage_of_all(ref, cur, sentences=pair.free_text)


def _made(pair: Pair, told: text_corruption.TextDamage | None, *, sure: bool) -> Synthesis | None:
    """What brings the texts of the reference nearest to the current ones, where rules (``told``) do not say it as well."""
    ref, cur = (text_corruption.look(t) for t in pair.texts)
    return synthesise(ref, cur, told, sure=sure)


def _undone(damage: Synthesis, pair: Pair, rows: Mask) -> bool:
    """Whether undoing leads somewhere on most of the rows."""
    hit = [str(t) for t in pair.texts[1][rows]]
    return bool(hit) and sum(damage.undo(t) is not None for t in hit) >= MOST_UNDONE * len(hit)


def _damage_of_some(pair: Pair) -> text_corruption.Found | None:
    ref, cur = (text_corruption.look(t) for t in pair.texts)
    if min(len(ref), len(cur)) < columns.MIN_ROWS:
        return None
    return text_damage_of_some.damage_of_some(ref, [t for t in cur if t.strip()])
