"""Free text was truncated, garbled, wrapped, emptied, or comes in another language.

**Recognised** in columns of sentences, when the share of texts that show one kind of damage rises by far more than noise:

- *mis-encoded*: marks such as "Ã©", HTML entities, escapes, replacement characters, letters beyond ASCII that vanished;
- *wrapped*: most texts start or end with words that hardly any did (a header, a signature, a template);
- *truncated*: texts end at one length, and as many do as were longer before;
- *emptied*; *one case*, *no punctuation*, *no blanks* where there were;
- *another language or script*: the words that were most frequent are gone.

**Natural drift** brings other topics, which keep the small words that hold sentences together.

**Repair** goes back where the text itself tells how (encoding, entities, escapes, wrapping); else the missing part is taken
from other texts, and the price comes from the **injection**: the same damage done to the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes import columns, texts
from backslide.causes.hypothesis import Hypothesis, Signature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.pair import MISSING, Pair, to_texts
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.two_sample import proportion_z

MIN_RISE = 0.02
"""Rise of the share of damaged texts, where the damage hardly ever comes by nature."""
TURN = 0.3
"""Rise of that share, where texts may be so by nature."""
MIN_Z = 6.0
WRAP = 0.5
"""Share of the texts that must start or end alike."""
MIN_WRAP = 4
"""Characters of it."""
CAP_MATCH = 0.3
"""How far the share of texts at the largest length may be from the share that was longer, relative, beyond noise."""
WORDS_GONE = 0.4
"""Share of the frequent words' former share that may be left where a language is gone."""


class TextChange(Signature):
    kind = CauseKind.TEXT_CHANGE
    title = "Damaged text"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """At most one hypothesis per column of free text."""
        for column, pair in case.pairs.items():
            if not pair.free_text:
                continue
            found = _damage(pair)
            if found is None:
                continue
            damage, before, after = found
            known = ~pair.missing[1]
            rows = known & np.array([damage.hit(str(t)) for t in pair.texts[1]], bool)
            rate = min(max((after - before) / max(1 - before, 1e-9), 0.0), 1.0)
            where = "" if rate > 0.98 else f" on {say.percent(after)} of the rows, {say.percent(before)} before"
            yield Hypothesis(
                signature=self,
                features=(column,),
                seen=f"{column} {damage.seen}{where}",
                undo=f"restore {column}"
                if damage.reversible
                else f"take the missing part of {column} from other texts",
                evidence=(f"DRF002:{column}",),
                exact=True,
                reversible=damage.reversible,
                rows=rows,
                params={"damage": damage, "rate": rate if rate <= 0.98 else 1.0},
            )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Undo it on the texts that show it."""
        (column,) = hypothesis.features
        damage: texts.Damage = hypothesis.params["damage"]
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


def _each(
    frame: pl.DataFrame, column: str, change: Callable[[str], str], rows: columns.Mask | None = None
) -> pl.DataFrame:
    given = to_texts(frame[column])
    mask = np.ones(len(given), bool) if rows is None else rows
    values = [
        None if t == MISSING and null else change(str(t)) if hit else str(t)
        for t, hit, null in zip(given, mask, frame[column].is_null(), strict=True)
    ]
    return frame.with_columns(pl.Series(column, values, dtype=pl.String))


def _stand_in(case: Case, column: str, damage: texts.Damage) -> Callable[[str], str]:
    """What takes the place of what is gone: the rest of another text, another text, or the usual way to write a word."""
    pool = [t for t in texts.look(case.pairs[column].texts[0]) if not damage.hit(t)]
    rng = case.rng(f"text {column}")
    if isinstance(damage, texts.Truncated):
        longer = [t for t in pool if len(t) > damage.length] or texts.look(case.pairs[column].texts[0])
        longer = [t for t in longer if len(t) > damage.length] or [" " * (damage.length + 1)]
        return lambda text: text + longer[int(rng.integers(len(longer)))][len(text) :]
    if isinstance(damage, texts.Replaced) and damage.by:
        return lambda text: text.replace(damage.by, "")
    if isinstance(damage, texts.Cased):
        usual = _usual_case(pool)
        return lambda text: texts.WORDS.sub(lambda m: usual.get(m.group().casefold(), m.group()), text)
    return lambda text: pool[int(rng.integers(len(pool)))] if pool else text


def _usual_case(pool: list[str]) -> dict[str, str]:
    usual: dict[str, str] = {}
    for text in pool:
        for word in texts.WORDS.findall(text):
            usual.setdefault(word.casefold(), word)
    return usual


Found = tuple[texts.Damage, float, float]


def _damage(pair: Pair) -> Found | None:
    """The damage, and the shares of texts that show it before and after."""
    g, b = (texts.look(t) for t in pair.texts)
    if min(len(g), len(b)) < columns.MIN_ROWS:
        return None
    certain: list[texts.Damage] = [texts.Emptied(), *(texts.Garbled(codec) for codec in texts.CODECS)]
    certain += [texts.Entities(), texts.Escapes(), texts.Replaced("\ufffd")]
    for damage in certain:
        if (found := _risen(damage, g, b, MIN_RISE)) is not None:
            return found
    # Texts of one template that were cut off end alike; that is the cut, not a signature.
    whole = _truncated(g, b) or _wrapped(g, b)
    if whole is not None:
        return whole
    b = [t for t in b if t.strip()]
    turned: list[texts.Damage] = [texts.Squeezed(none=True), texts.Cased(upper=False), texts.Cased(upper=True)]
    for damage in turned:
        if (found := _risen(damage, g, b, TURN)) is not None:
            return found
    foreign = _foreign(g, b)
    if foreign is not None:
        return foreign
    for damage in (texts.Replaced("?"), texts.Stripped(), texts.Squeezed()):
        if (found := _risen(damage, g, b, TURN)) is not None:
            return found
    return _letters_lost(g, b)


def _risen(damage: texts.Damage, g: list[str], b: list[str], least: float) -> Found | None:
    hits = [sum(damage.hit(t) for t in side) for side in (g, b)]
    before, after = hits[0] / max(len(g), 1), hits[1] / max(len(b), 1)
    if after - before < least or proportion_z(hits[0], len(g), hits[1], len(b)) < MIN_Z:
        return None
    return damage, before, after


def _letters_lost(g: list[str], b: list[str]) -> Found | None:
    """Letters beyond ASCII that were there and are nowhere now."""
    before, after = (sum(not t.isascii() for t in side) / max(len(side), 1) for side in (g, b))
    if before < 0.05 or after > 0.02 * before or (1 - before) ** len(b) > 1e-9:
        return None
    return texts.Replaced(""), 0.0, 1.0


def _wrapped(g: list[str], b: list[str]) -> Found | None:
    ends = []
    for behind in (False, True):
        end = texts.common_end(b, WRAP, behind=behind)
        side = texts.Wrapped(suffix=end) if behind else texts.Wrapped(prefix=end)
        rare = sum(side.hit(t) for t in g) <= 0.05 * len(g)
        ends.append(end if len(end.strip()) >= MIN_WRAP and rare else "")
    if not any(ends):
        return None
    return _risen(texts.Wrapped(*ends), g, b, 0.8 * WRAP)


def _truncated(g: list[str], b: list[str]) -> Found | None:
    """A largest length at which as many texts end as were longer before."""
    length = max(map(len, b), default=0)
    if length < 5:
        return None
    longer = sum(len(t) > length for t in g) / len(g)
    noise = 4 * float(np.sqrt(max(longer * (1 - longer), 1e-9) * (1 / len(g) + 1 / len(b))))
    for damage in (texts.Truncated(length), texts.Truncated(length, at_word=True)):
        own, at = (sum(damage.hit(t) for t in side) / len(side) for side in (g, b))
        gathered = sum(damage.hit(damage.do(t)) for t in g) / len(g)
        if longer < MIN_RISE or abs(at - gathered) > CAP_MATCH * longer + noise:
            continue
        near = sum(damage.hit(t) and len(t) <= length for t in g) / len(g)
        if at > near + max(MIN_RISE, noise) and own > longer - 1e-9:
            return damage, 0.0, 1.0
    return None


def _foreign(g: list[str], b: list[str]) -> Found | None:
    """Texts without the words that the reference cannot do without."""
    known, share = texts.frequent_words(g)
    counts = [[w.casefold() for w in texts.WORDS.findall(t[: texts.START])] for t in g]
    shares = [sum(w in known for w in words) / len(words) for words in counts if words]
    if share < 0.2 or not shares:
        return None
    least = WORDS_GONE * float(np.quantile(shares, 0.1))
    if least <= 0:
        return None
    _, own = texts.frequent_words(b)
    return _risen(texts.Foreign(known, least, readable=own >= 0.5 * share), g, b, TURN)
