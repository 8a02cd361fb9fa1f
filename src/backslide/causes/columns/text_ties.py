"""What a column of text tells of the columns beside it, row by row: its words say what the others hold, unless it is of another
row.

Naive Bayes on the words of one half of the reference foretells the level (or third) of another column on the other half. A row's
tie is the log-probability of its own level less its mean under the levels as all rows hold them: zero on average where text and
column belong to different rows, whatever either is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backslide.case import Case
from backslide.causes.columns.association import distance, noise, usable
from backslide.causes.columns.text_corruption import START
from backslide.engine.columns.pair import Pair, to_texts
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats

ROWS = 2_000
"""Texts of a window that are read."""
MOST_ASKED = 40
"""Columns beside the text that are asked about."""
PARTNERS = 8
"""Of them those that it tells most of."""
LEVELS = 6
"""Categories that are told apart, the most frequent ones; all others are one."""
PARTS = 3
"""Parts of equal size of a column of numbers."""
LENGTHS = 12
"""Parts of equal size that the lengths of texts fall into: a length is one word more."""
LEAST_OF_LEVEL = 20
LEAST_ROWS = 200
"""Rows with text and column known, in each window, under which nothing is read off them."""
RUNS = 8
"""Runs of rows that follow each other, over which these texts are spread in a long window."""
UNKNOWN = -1
"""Code of a row without a label, which takes no part."""
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

    @property
    def left_in_halves(self) -> tuple[float, float]:
        """Share of the tie that is left in the earlier and in the later half of the rows that were read."""
        half, told = len(self.now) // 2, float(self.before.mean())
        return float(self.now[:half].mean()) / told, float(self.now[half:].mean()) / told

    def moved_by(self, rows: int) -> float:
        """Share of the tie that there would be with every text so many rows further up."""
        own = np.take_along_axis(np.roll(self.log_likely, -rows, axis=0), self.codes, axis=1).sum(axis=1)
        usual = np.take_along_axis(self.log_likely, self.codes, axis=1).sum(axis=1)
        return float(self.now.mean() + own.mean() - usual.mean()) / float(self.before.mean())


def ties_of_text(case: Case, pair: Pair) -> TextTies | None:
    """What the text of ``pair`` tells of other columns; None where it tells nothing of any."""
    clocks = time_columns(case)
    beside = (other for name, other in case.pairs.items() if name != pair.name and name not in clocks and usable(other))
    still = islice((other for other in beside if _stayed(other)), MOST_ASKED)
    coded = [(other.name, *codes) for other in still if (codes := levels_of(other)) is not None]
    return _ties(pair, coded) if coded else None


def _stayed(pair: Pair) -> bool:
    """Whether a column is distributed about as before, and about as often missing."""
    missing = [float(part.mean()) for part in pair.missing]
    return distance(pair) <= STAYED + noise(pair) and abs(missing[1] - missing[0]) <= STAYED


def ties_to_labels(case: Case, pair: Pair) -> TextTies | None:
    """What the text of ``pair`` tells of the labels of classes; None where it tells nothing, or too few rows have one."""
    if not case.problem.classification:
        return None
    labels = [
        np.where(side.outcomes.known(), side.outcomes.labels.astype(float), UNKNOWN).astype(np.int64)
        for side in case.sides
    ]
    return _ties(pair, [("label", labels[0], labels[1])])


def _ties(pair: Pair, coded: list[tuple[str, Codes, Codes]]) -> TextTies | None:
    """What a text tells of columns whose levels in both windows are ``coded``, on rows where both are known."""
    picked = [_spread_runs(len(part)) for part in (pair.reference, pair.current)]
    try:
        words = _words(pair, picked[0])
    except ValueError:  # no word at all
        return None
    ref, cur = (words(part, at) for part, at in zip((pair.reference, pair.current), picked, strict=True))
    told = [~missing[at] for missing, at in zip(pair.missing, picked, strict=True)]
    turn = np.arange(len(picked[0])) % 2 == 0
    found: list[_Partner] = []
    for name, codes_ref, codes_cur in coded:
        own, other = codes_ref[picked[0]], codes_cur[picked[1]]
        known, now = told[0] & (own != UNKNOWN), told[1] & (other != UNKNOWN)
        learn, test = known & turn, known & ~turn
        if min(learn.sum(), now.sum()) < LEAST_ROWS or len(np.unique(own[learn])) < 2:
            continue
        model = _learned(ref[learn], own[learn])
        before = _tie(model, ref[test], own[test])
        if before.mean() > 0 and before.mean() / max(_error(before), 1e-12) >= TELLS_Z:
            found.append(_Partner(name, model, before, test, other, now))
    found = sorted(found, key=lambda one: -float(one.before.mean()))[:PARTNERS]
    if not found:
        return None
    # Rows on which every one of them is known; else those of the one that it tells most of alone.
    tests, nows = (np.logical_and.reduce(parts) for parts in ([one.test for one in found], [one.now for one in found]))
    if min(tests.sum(), nows.sum()) < LEAST_ROWS:
        found, tests, nows = found[:1], found[0].test, found[0].now
    likely: list[Floats] = []
    places: list[Codes] = []
    for one in found:
        places.append(sum(part.shape[1] for part in likely) + _place(one.model, one.codes[nows]))
        likely.append(_log_likely(one.model, cur[nows]))
    return TextTies(
        tuple(one.name for one in found),
        np.sum([one.before[tests[one.test]] for one in found], axis=0),
        np.sum([_tie(one.model, cur[nows], one.codes[nows]) for one in found], axis=0),
        np.column_stack(likely),
        np.column_stack(places),
    )


@dataclass(frozen=True)
class _Partner:
    """A column that the text told something of."""

    name: str
    model: Any
    before: Floats
    """Tie of the reference rows ``test``."""
    test: NDArray[np.bool_]
    """Reference rows that nothing was learned from and that are known, of those that were read."""
    codes: Codes
    now: NDArray[np.bool_]
    """Current rows that are known, of those that were read."""


def _spread_runs(count: int) -> Codes:
    """Rows to read: all of few; of many, runs of rows that follow each other, so that texts may be looked for some rows away,
    spread over the window."""
    if count <= ROWS:
        return np.arange(count)
    starts = np.linspace(0, count - ROWS // RUNS, RUNS).astype(np.int64)
    return np.unique((starts[:, None] + np.arange(ROWS // RUNS)).ravel())


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
    """The column as a few levels in both windows, a missing value being one: a text may tell of that; None where the reference
    holds hardly more than one."""
    if pair.numeric and not pair.discrete:
        edges = np.unique(np.quantile(pair.finite[0], np.linspace(0, 1, PARTS + 1)[1:-1]))
        ref, cur = (np.where(np.isfinite(v), np.searchsorted(edges, v), PARTS).astype(np.int64) for v in pair.numbers)
    else:
        names, counts = np.unique(pair.texts[0].astype(str), return_counts=True)
        place = {str(names[at]): code for code, at in enumerate(np.argsort(-counts, kind="stable")[: LEVELS - 1])}
        ref, cur = (
            np.where(gone, LEVELS, [place.get(str(text), LEVELS - 1) for text in side]).astype(np.int64)
            for side, gone in zip(pair.texts, pair.missing, strict=True)
        )
    frequent = np.bincount(ref, minlength=1) >= LEAST_OF_LEVEL
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
