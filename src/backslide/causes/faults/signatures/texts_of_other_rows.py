"""Texts are attached to the wrong rows: a join went wrong.

**Recognised** where two columns of text speak of the same, as a title and its body do: by the words that they share row by row,
against what texts of different rows share. Rows whose two texts share no more than that are ones of which one text came from
elsewhere. Named when so many of them cannot be chance (six standard errors) and both columns use the words that they always used:
texts that were cut or garbled share fewer words as well. Or where the words told of numbers or categories beside them
(``columns/text_ties``) and tell nothing of them now (less than 35 %, by its limit), while texts and columns are distributed as
before; texts that tell it of rows some places away were shifted.

**Which of the two?** The one that lost its relation to the labels on those rows; without labels the longer text, and a text that
told of several columns, or of one that still goes with others.

**Natural drift** brings other topics, and title and body go there together; words came to tell a third less of what stands beside
them, not nothing.

**Not seen**: a column of text beside which no other speaks of the same, and one that some rows only have from elsewhere where
nothing marks them and no other text stands beside it.

**Repair** moves shifted texts back, and else puts the text of the reference row in their place whose other text, or columns, are
most alike; the price of the latter comes from the **injection**: as many texts of the reference put onto other rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.association import dependence
from backslide.causes.columns.text_corruption import START
from backslide.causes.columns.text_ties import TextTies, levels_of, ties_of_text, ties_to_labels
from backslide.causes.columns.text_vocabulary import Vocabulary
from backslide.causes.faults.base import Hypothesis, Signature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair, to_texts
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats, Mask
from backslide.stats.two_sample import ks

Texts = NDArray[np.object_]

USUAL = 0.02
"""Quantile of what two texts of one row share, below which they are taken for those of different rows."""
TELLS = 0.4
"""Share of different rows that must lie below that, so that the words tell."""
LEAST_SHARE = 0.05
LEAST_Z = 6.0
LEARNED = 1_500
"""Rows of the reference from which it is learned what texts share."""
UNSEEN = 0.05
"""Rise of the share of words never seen before, on the rows concerned, from which on they are damaged rather than misplaced."""
NOTHING, LIMIT_Z = 0.35, 1.64
"""Share of what the words told of other columns that may be left where they tell nothing, by its limit."""
NOTHING_OF_HALF = 0.5
"""The same of the earlier and of the later half of the window, where chance leaves more."""
SHIFTS = (1, -1, 2, -2, 3, -3, 4, -4, 5, -5)
BACK, APART = 0.5, 0.3
"""Share of it that texts moved back by some rows must tell again, and more than texts moved by any other number of rows."""
ALIKE, WIDEST = 2, 8
"""Columns in which rows must be alike for one to lend its text to the other, and more than any of them has levels."""
OTHER_LENGTHS = 0.15
"""Distance between the lengths of texts from which on they were cut or changed."""
KEPT = 0.5
"""Share of a tie that must be left of one that is kept."""
TOPICS = 40
CLASSES = 2
"""Rows of each class that its words are learned from, at least."""


class TextsOfOtherRows(Signature):
    kind = CauseKind.BROKEN_JOIN
    title = "Texts of other rows"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """One hypothesis for each column of text that no longer speaks of what its partner speaks of."""
        texts = [pair for pair in case.pairs.values() if pair.free_text]
        taken: set[str] = set()
        for one, other in combinations(sorted(texts, key=_words), 2):
            if taken & {one.name, other.name}:
                continue
            found = _misplaced(one, other)
            if found is None:
                continue
            rows, share = found
            broken, partner = (one, other) if _lost_labels(case, one, other, rows) else (other, one)
            taken |= {one.name, other.name}
            yield self._hypothesis(broken, partner, rows, share)
        for pair in texts:
            if pair.name not in taken and (found_alone := self._beside_columns(case, pair)) is not None:
                yield found_alone

    def _beside_columns(self, case: Case, pair: Pair) -> Hypothesis | None:
        """A text that tells nothing any more of the columns beside it."""
        ties = ties_of_text(case, pair)
        if ties is None or ties.z < LEAST_Z:
            return None
        left, limit = ties.left(LIMIT_Z)
        shift = _shift(case, ties)
        if (limit > NOTHING and (shift is None or left > NOTHING)) or max(ties.left_in_halves) > NOTHING_OF_HALF:
            return None
        sure = _is_the_text(case, pair, ties)
        if sure is False or _changed(pair):
            return None
        listed = say.listed(ties.partners)
        how, undo = "those of other rows", f"join {pair.name} again on its own key"
        if shift is not None:
            rows = say.counted(abs(shift), "row")
            how = f"those of {rows} {'before' if shift > 0 else 'after'}"
            undo = f"move {pair.name} {'back up' if shift > 0 else 'down again'} by {rows}"
        return Hypothesis(
            signature=self,
            features=(pair.name,),
            seen=f"the texts of {pair.name} are {how}: their words told of {listed}, and no longer do",
            undo=undo,
            evidence=(),
            exact=bool(sure),
            reversible=shift is not None,
            rows=np.ones(len(pair.current), bool),
            params={"columns": ties.partners, "share": 1.0, "shift": shift},
        )

    def _hypothesis(self, pair: Pair, partner: Pair, rows: Mask, share: float) -> Hypothesis:
        seen = (
            f"{pair.name} no longer speaks of what {partner.name} speaks of on about {say.percent(share, 0)} of the rows: "
            "the two share no more words there than texts of different rows do"
        )
        return Hypothesis(
            signature=self,
            features=(pair.name,),
            seen=seen,
            undo=f"join {pair.name} again on its own key",
            evidence=(),
            exact=True,
            reversible=False,
            rows=rows,
            params={"partner": partner.name, "share": share},
        )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """The text back in its row; or that of the reference row whose other text, or columns, are most alike."""
        (column,), partner = hypothesis.features, hypothesis.params.get("partner")
        if partner is None:
            shift = hypothesis.params["shift"]
            if shift is None:
                return _of_alike_rows(case, frame, hypothesis)
            return frame.with_columns(edit.rolled(frame[column], -shift))
        at = np.flatnonzero(hypothesis.rows)
        known = _texts(case.pairs[partner].reference)[:LEARNED]
        words = _Words.of(known)
        alike = words.vectors(_texts(frame[partner])[at]) @ words.vectors(known).T
        nearest = np.asarray(alike.argmax(axis=1)).ravel()
        values = np.full(frame.height, None, object)
        values[at] = _texts(case.pairs[column].reference)[nearest]
        return edit.write(frame, column, values, hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Put as many of the texts onto other rows."""
        (column,), rng = hypothesis.features, case.rng("texts of other rows")
        if hypothesis.params.get("shift") is not None:
            return frame.with_columns(edit.rolled(frame[column], hypothesis.params["shift"]))
        hit = np.flatnonzero(rng.random(frame.height) < hypothesis.params["share"])
        order = np.arange(frame.height)
        order[hit] = np.roll(rng.permutation(hit), 1) if len(hit) < frame.height else rng.permutation(hit)
        return frame.with_columns(frame[column][order].alias(column))

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Notes are joined onto other customers; their subjects stand where they stood, and the model reads the notes."""
        frames = [_with_subjects(f, rng) for f in (scenarios.served(rng), scenarios.next_month(rng))]
        order = rng.permutation(frames[1].height)
        current = frames[1].with_columns(frames[1]["note"][order])
        first, second, sound = (scenarios.rescored(f, _NoteReader()) for f in (frames[0], current, frames[1]))
        roles = dict(scenarios.ROLES) | {"features": ["income", "age", "subject", "note"]}
        return Scenario(first, second, roles, _NoteReader(), "note", sound=sound)


def _with_subjects(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """A subject of some words in each row, and a note that uses them and says the channel."""
    words = np.array(
        [f"{a}{b}{c}" for a in ("bar", "kel", "mon", "tis", "ruv") for b in "aeiou" for c in ("dan", "fil", "gor")]
    )
    topics = np.random.default_rng(0).permuted(np.tile(words, (TOPICS, 1)), axis=1)[:, :5]
    drawn = topics[rng.integers(0, TOPICS, frame.height)]
    numbers = rng.integers(10_000, 99_999, (2, frame.height))
    subjects = [f"about {' '.join(row)} {n}" for row, n in zip(drawn, numbers[0], strict=True)]
    notes = [
        f"Customer {n} asked about {row[0]} and {row[1]}, then {row[2]} {row[3]}, by way of {channel}"
        for n, row, channel in zip(numbers[1], drawn, frame["channel"], strict=True)
    ]
    return frame.with_columns(pl.Series("subject", subjects), pl.Series("note", notes))


class _NoteReader(scenarios.TrueModel):
    """The true model, which finds the channel in the note."""

    feature_names_in_ = np.array(["income", "age", "subject", "note"])

    def predict_proba(self, frame: Any) -> Floats:
        """Scores (n, 2)."""
        channel = [str(note).rsplit(" ", 1)[-1] for note in np.asarray(frame["note"], object)]
        columns = {name: np.asarray(frame[name]) for name in ("income", "age")}
        return super().predict_proba(columns | {"channel": np.array(channel, object)})


def _words(pair: Pair) -> float:
    """Median number of words, of some texts of the reference."""
    return float(np.median([len(str(t).split()) for t in pair.texts[0][:LEARNED]] or [0]))


def _texts(series: pl.Series) -> Texts:
    return np.array([str(t)[:START] for t in to_texts(series)], object)


@dataclass(frozen=True)
class _Words:
    """Texts as directions in the space of their words, rare words weighing more."""

    vectorizer: Any

    @classmethod
    def of(cls, texts: Texts) -> _Words:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return cls(TfidfVectorizer(token_pattern=r"(?u)\b\w{3,}\b", sublinear_tf=True).fit(texts))

    def vectors(self, texts: Texts) -> Any:
        """Sparse (n, words), each of length one."""
        return self.vectorizer.transform(texts)

    def shared(self, one: Texts, other: Texts) -> Floats:
        """How much the two texts of each row share (n,): the cosine of their directions."""
        return np.asarray(self.vectors(one).multiply(self.vectors(other)).sum(axis=1)).ravel()


def _misplaced(one: Pair, other: Pair) -> tuple[Mask, float] | None:
    """Current rows whose two texts share no more than those of different rows (n_cur,), and the share of rows with a text from
    elsewhere; None where there are hardly any."""
    ref = [_texts(pair.reference)[:: max(len(pair.reference) // LEARNED, 1)] for pair in (one, other)]
    if len(ref[0]) < edit.MIN_ROWS:
        return None
    try:
        words = _Words.of(np.concatenate(ref))
    except ValueError:  # no word of three letters
        return None
    own, apart = words.shared(*ref), words.shared(ref[0], np.roll(ref[1], len(ref[1]) // 2))
    limit = float(np.quantile(own, USUAL))
    usual, elsewhere = float((own <= limit).mean()), float((apart <= limit).mean())
    if elsewhere - usual < TELLS:
        return None
    cur = [_texts(pair.current) for pair in (one, other)]
    rows = words.shared(*cur) <= limit
    excess = float(rows.mean()) - usual
    error = np.sqrt(usual * (1 - usual) / len(own) + rows.mean() * (1 - rows.mean()) / max(len(rows), 1))
    share = excess / (elsewhere - usual)
    if share < LEAST_SHARE or excess < LEAST_Z * max(float(error), 1e-9) or _damaged(ref, [t[rows] for t in cur]):
        return None
    return rows, min(share, 1.0)


def _damaged(before: list[Texts], after: list[Texts]) -> bool:
    """Whether either column has words on these rows that were never seen before, is much shorter than it was, or says
    one thing over and over."""
    for ref, cur in zip(before, after, strict=True):
        own = Vocabulary.of(list(ref))
        unseen = own.unseen_in(list(cur))
        if not len(unseen) or float(unseen.mean()) > float(own.unseen.mean()) + UNSEEN:
            return True
        if np.median([len(t) for t in cur]) < 0.5 * np.median([len(t) for t in ref]):
            return True
        rows = min(len(ref), len(cur))
        if len(set(cur[:rows])) < 0.5 * len(set(ref[:rows])):  # a form that writes one subject for all
            return True
    return False


def _changed(pair: Pair) -> bool:
    """Whether the texts themselves are others: damaged, cut, or of other lengths."""
    ref, cur = _texts(pair.reference)[:LEARNED], _texts(pair.current)[:LEARNED]
    lengths = [np.sort([float(len(text.split())) for text in side]) for side in (ref, cur)]
    return ks(*lengths) > OTHER_LENGTHS or _damaged([ref], [cur])


def _is_the_text(case: Case, pair: Pair, ties: TextTies) -> bool | None:
    """Whether the text, and not what it told of, stands in other rows: labels say so where it told of them; else whether it told
    of several columns, or of one that still goes with others. None where nothing says which."""
    labels = ties_to_labels(case, pair)
    if labels is not None:
        return labels.left(LIMIT_Z)[0] < KEPT
    known = dependence(case)
    strong, kept = known.strong(), np.abs(known.current) >= KEPT * np.abs(known.reference)
    goes_on = any((strong & kept)[known.vectors(name)].any() for name in ties.partners)
    return True if len(ties.partners) > 1 or goes_on else None


def _shift(case: Case, ties: TextTies) -> int | None:
    """Rows by which the texts were shifted down, where moving them back tells again what they told; needs every row."""
    if not case.current.complete:
        return None
    told = {rows: ties.moved_by(rows) for rows in SHIFTS}
    first, second = sorted(told, key=lambda rows: -told[rows])[:2]
    return first if told[first] >= BACK and told[first] - told[second] >= APART else None


def _of_alike_rows(case: Case, frame: pl.DataFrame, hypothesis: Hypothesis) -> pl.DataFrame:
    """Texts of reference rows that are alike in the columns of which the text told most; of any rows where there are none."""
    (column,), rng = hypothesis.features, case.rng("texts of alike rows")
    told = [codes for name in hypothesis.params["columns"] if (codes := levels_of(case.pairs[name])) is not None][
        :ALIKE
    ]
    keys = [
        np.ravel_multi_index([codes + 1 for codes in side], (WIDEST,) * len(side)) for side in zip(*told, strict=True)
    ]
    rows = rng.integers(0, len(keys[0]), len(keys[1]))
    for key in np.unique(keys[1]):
        known, asked = np.flatnonzero(keys[0] == key), np.flatnonzero(keys[1] == key)
        if len(known):
            rows[asked] = known[rng.integers(0, len(known), len(asked))]
    return frame.with_columns(case.pairs[column].reference.gather(rows).alias(column))


def _lost_labels(case: Case, one: Pair, other: Pair, rows: Mask) -> bool:
    """Whether ``one`` lost more of its relation to the labels on these rows than ``other``; False without labels."""
    labels = [outcomes.astype(str) for outcomes in (case.reference.outcomes.labels, case.current.outcomes.labels)]
    known = [side.outcomes.known() for side in case.sides]
    if not case.problem.classification or known[0].sum() < edit.MIN_ROWS or (known[1] & rows).sum() < CLASSES:
        return False
    lost = [_lost(pair, labels, (known[0], known[1] & rows)) for pair in (one, other)]
    return lost[0] > lost[1]


def _lost(pair: Pair, labels: list[NDArray[np.str_]], known: tuple[Mask, Mask]) -> float:
    """How much of the text's power to tell the label is gone: right before, held out, less right now."""
    from sklearn.naive_bayes import MultinomialNB

    at, now = np.flatnonzero(known[0]), np.flatnonzero(known[1])
    texts = _texts(pair.reference)[at]
    words = _Words.of(texts[::2])
    learned = MultinomialNB().fit(words.vectors(texts[::2]), labels[0][at[::2]])
    before = learned.score(words.vectors(texts[1::2]), labels[0][at[1::2]])
    return float(before - learned.score(words.vectors(_texts(pair.current)[now]), labels[1][now]))
