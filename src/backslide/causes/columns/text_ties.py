"""What a column of text tells of the columns beside it, row by row: its words say what the others hold, unless it is of another
row.

Naive Bayes on the words of one half of the reference foretells the level (or third) of another column on the other half. A row's
tie is the log-probability of its own level less its mean under the levels as all rows hold them: zero on average where text and
column belong to different rows, whatever either is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.columns.association import distance, noise, usable
from backslide.causes.columns.text_corruption import START
from backslide.engine.columns.pair import Pair, to_texts
from backslide.playbook.clock import time_columns
from backslide.stats.metrics.metric import Floats

ROWS = 2_000
"""Texts of a window that are read."""
PARTNERS = 8
"""Columns beside the text that are asked, those that it tells most of."""
LEVELS = 6
"""Categories that are told apart, the most frequent ones; all others are one."""
PARTS = 3
"""Parts of equal size of a column of numbers."""
LENGTHS = 12
"""Parts of equal size that the lengths of texts fall into: a length is one word more."""
LEAST_OF_LEVEL = 20
ROWS_WITH_LABELS = 200
STAYED = 0.15
"""Distance, beyond noise, that another column may have moved: of one in another unit the words foretell nothing."""
TELLS_Z = 4.0
"""Standard errors from which on a text tells something of a column."""

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class TextTies:
    """What a text tells of some columns, summed over them."""

    partners: tuple[str, ...]
    before: Floats
    """Tie of each reference row of the half that nothing was learned from."""
    now: Floats
    """Of each current row that was read."""
    log_likely: Floats
    """Log-probability of each level of each partner (n_read, levels)."""
    codes: Codes
    """Place of each row's own levels in that (n_read, partners)."""

    @property
    def z(self) -> float:
        """Standard errors by which the text told anything."""
        return float(self.before.mean() / max(_error(self.before), 1e-12))

    def left(self, z: float) -> tuple[float, float]:
        """Share of the tie that is left, and its upper limit at so many standard errors."""
        told = float(self.before.mean())
        return float(self.now.mean()) / told, (float(self.now.mean()) + z * _error(self.now)) / told

    def moved_by(self, rows: int) -> float:
        """Share of the tie that there would be with every text so many rows further up."""
        own = np.take_along_axis(np.roll(self.log_likely, -rows, axis=0), self.codes, axis=1).sum(axis=1)
        usual = np.take_along_axis(self.log_likely, self.codes, axis=1).sum(axis=1)
        return float(self.now.mean() + own.mean() - usual.mean()) / float(self.before.mean())


def ties_of_text(case: Case, pair: Pair) -> TextTies | None:
    """What the text of ``pair`` tells of other columns; None where it tells nothing of any."""
    clocks = time_columns(case)
    beside = [other for name, other in case.pairs.items() if name != pair.name and name not in clocks and usable(other)]
    still = [other for other in beside if distance(other) <= STAYED + noise(other)]
    coded = [(other.name, *codes) for other in still if (codes := levels_of(other)) is not None]
    return _ties(pair, coded) if coded else None


def ties_to_labels(case: Case, pair: Pair) -> TextTies | None:
    """What the text of ``pair`` tells of the labels of classes; None where it tells nothing, or too few rows have one."""
    known = [side.outcomes.known() for side in case.sides]
    if not case.problem.classification or min(part.sum() for part in known) < ROWS_WITH_LABELS:
        return None
    labels = [
        np.where(part, side.outcomes.labels.astype(float), len(case.problem.classes)).astype(np.int64)
        for side, part in zip(case.sides, known, strict=True)
    ]
    return _ties(pair, [("label", labels[0], labels[1])])


def _ties(pair: Pair, coded: list[tuple[str, Codes, Codes]]) -> TextTies | None:
    """What a text tells of columns whose levels in both windows are ``coded``."""
    # Rows that follow each other, so that texts may be looked for some rows away.
    picked = [np.arange(len(part))[:ROWS] for part in (pair.reference, pair.current)]
    try:
        words = _words(pair, picked[0])
    except ValueError:  # no word at all
        return None
    ref, cur = (words(part, at) for part, at in zip((pair.reference, pair.current), picked, strict=True))
    found = []
    for name, codes_ref, codes_cur in coded:
        learn, test = np.arange(0, len(picked[0]), 2), np.arange(1, len(picked[0]), 2)
        own, other = codes_ref[picked[0]], codes_cur[picked[1]]
        if len(np.unique(own[learn])) < 2:
            continue
        model = _learned(ref[learn], own[learn])
        before = _tie(model, ref[test], own[test])
        if before.mean() > 0 and before.mean() / max(_error(before), 1e-12) >= TELLS_Z:
            found.append((name, before, model, other))
    found = sorted(found, key=lambda one: -float(one[1].mean()))[:PARTNERS]
    if not found:
        return None
    likely: list[Floats] = []
    places: list[Codes] = []
    now = np.zeros(len(picked[1]))
    for _, _, model, other in found:
        places.append(sum(part.shape[1] for part in likely) + _place(model, other))
        likely.append(_log_likely(model, cur))
        now += _tie(model, cur, other)
    partners, before = tuple(one[0] for one in found), np.sum([one[1] for one in found], axis=0)
    return TextTies(partners, before, now, np.column_stack(likely), np.column_stack(places))


def _words(pair: Pair, rows: Codes) -> Any:
    """A function from texts to counts of words, the length being one of them."""
    from sklearn.feature_extraction.text import CountVectorizer

    known = _texts(pair.reference, rows)
    edges = np.unique(np.quantile([len(text.split()) for text in known], np.linspace(0, 1, LENGTHS + 1)[1:-1]))

    def with_length(texts: list[str]) -> Iterator[str]:
        for text in texts:
            yield f"{text[:START]} lengthis{np.searchsorted(edges, len(text.split()))}x"

    counts = CountVectorizer(token_pattern=r"(?u)\b\w{3,}\b", min_df=3, binary=True).fit(with_length(known))
    return lambda series, at: counts.transform(with_length(_texts(series, at)))


def _texts(series: Any, rows: Codes) -> list[str]:
    return [str(text) for text in to_texts(series.gather(rows))]


def levels_of(pair: Pair) -> tuple[Codes, Codes] | None:
    """The column as a few levels in both windows; None where the reference holds hardly more than one."""
    if pair.numeric and not pair.discrete:
        edges = np.unique(np.quantile(pair.finite[0], np.linspace(0, 1, PARTS + 1)[1:-1]))
        ref, cur = (np.where(np.isfinite(v), np.searchsorted(edges, v), PARTS).astype(np.int64) for v in pair.numbers)
    else:
        names, counts = np.unique(pair.texts[0].astype(str), return_counts=True)
        place = {str(names[at]): code for code, at in enumerate(np.argsort(-counts, kind="stable")[: LEVELS - 1])}
        ref, cur = (np.array([place.get(str(text), LEVELS - 1) for text in side], np.int64) for side in pair.texts)
    frequent = np.bincount(ref) >= LEAST_OF_LEVEL
    return (ref, cur) if frequent.sum() >= 2 else None


def _learned(words: Any, codes: Codes) -> Any:
    from sklearn.naive_bayes import MultinomialNB

    return MultinomialNB().fit(words, codes)


def _log_likely(model: Any, words: Any) -> Floats:
    """Log-probability of each level (n, levels), tempered: words of one text are not independent, as naive Bayes takes them."""
    joint = model.predict_joint_log_proba(words) / np.sqrt(1.0 + np.asarray(words.sum(axis=1)))
    top = joint - joint.max(axis=1, keepdims=True)
    return np.asarray(top - np.log(np.exp(top).sum(axis=1, keepdims=True)))


def _place(model: Any, codes: Codes) -> Codes:
    """Column of each row's level among those that were learned; of others, the most frequent one."""
    at = np.searchsorted(model.classes_, codes).clip(0, len(model.classes_) - 1)
    return np.where(model.classes_[at] == codes, at, int(np.argmax(model.class_log_prior_))).astype(np.int64)


def _tie(model: Any, words: Any, codes: Codes) -> Floats:
    """Log-probability of the level of each row less its mean over the levels of all rows (n,)."""
    likely, at = _log_likely(model, words), _place(model, codes)
    shares = np.bincount(at, minlength=likely.shape[1]) / len(at)
    return np.asarray(likely[np.arange(len(at)), at] - likely @ shares)


def _error(values: Floats) -> float:
    return float(values.std() / np.sqrt(max(len(values), 1)))
