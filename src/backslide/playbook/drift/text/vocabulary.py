"""Words and repeats of texts: which words the model cannot know, which texts begin or end alike, which come twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.engine.columns import text_stats
from backslide.models.vectorisers import terms, vectorisers
from backslide.playbook.drift.text.text_columns import Passages, codes, quoted
from backslide.stats.arrays import Floats, Ints

ENDS = 25
"""Characters at a beginning or an end that are alike by chance in texts of one kind, seldom in many of them."""
PLACES = {"begin": slice(ENDS), "end": slice(-ENDS, None)}
ALIKE = 0.02
"""Share of a window's texts that must begin or end so."""
BOILERPLATE = "common beginnings or endings"
_NUMBER = re.compile(r"\d+")
TWICE = "texts that come twice"


@dataclass(frozen=True)
class UnknownWords:
    """Share of the words of each text that a vocabulary does not hold (NaN without words)."""

    shares: tuple[Floats, Floats]
    of: str
    """Whose vocabulary."""
    new: tuple[str, ...]
    """The most frequent unknown words of the current window."""


def unknown(case: Case, held: Passages) -> UnknownWords | None:
    """Against the model's own vectoriser; else against one half of the reference, the other half telling what is usual."""
    read = _own(case, held.column)
    if read is not None:
        analyse, known = read
        lists = [[analyse(t) for t in side] for side in held.texts]
        of = "the model's vectoriser"
        shares = [_shares(own, known) for own in lists]
    else:
        frames = [text_stats.words(pl.Series(side, dtype=pl.String)) for side in held.texts]
        lists = [_by_row(frame, len(side)) for frame, side in zip(frames, held.texts, strict=True)]
        known = {w for own in lists[0][::2] for w in own}
        of = "the reference"
        shares = [_shares(own, known) for own in lists]
        shares[0][::2] = np.nan  # they made the vocabulary
    if any(np.isfinite(s).sum() < len(s) / 4 for s in shares):
        return None
    counts = [Counter(w for own in side for w in set(own) if w not in known) for side in lists]
    rise = {w: n / len(lists[1]) - counts[0][w] / len(lists[0]) for w, n in counts[1].items()}
    new = sorted((w for w in rise if rise[w] > 0.01), key=lambda w: (-rise[w], w))[:8]
    return UnknownWords((shares[0], shares[1]), of, tuple(quoted(w, 30) for w in new))


def _own(case: Case, column: str) -> tuple[Callable[[str], Any], Any] | None:
    """How the saved model's vectoriser takes a text apart into single words, and the terms that it knows."""
    model = case.reference_model
    if model is None or model.artefact is None:
        return None
    try:
        found = vectorisers(model.artefact, list(model.features or case.pairs)).get(column)
        known = None if found is None else terms(found)
        if found is None or known is None:
            return None
        if found.get_params().get("analyzer") != "word":
            return found.build_analyzer(), known
        prepare, split = found.build_preprocessor(), found.build_tokenizer()
        return (lambda text: split(prepare(text))), known
    except Exception:  # a vectoriser of the user's own that does not answer as scikit-learn's do
        return None


def _by_row(frame: pl.DataFrame, rows: int) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(rows)]
    for row, word in frame.iter_rows():
        found[row].append(word)
    return found


def _shares(lists: list[list[str]], known: Any) -> Floats:
    return np.array([sum(w not in known for w in own) / len(own) if own else np.nan for own in lists])


def repeats(held: Passages) -> Iterator[tuple[str, tuple[Floats, Floats], Ints]]:
    """What is asked, 0 or 1 of each text, and the clump of each text of the reference.

    In equally many texts of both windows (NaN for the others), for the more there are the more come twice.
    """
    most = min(map(len, held.texts))
    kept = [thinned(len(side), most) for side in held.texts]
    marks, clumps = [], None
    for side, own in zip(held.texts, kept, strict=True):
        flags = np.full(len(side), np.nan)
        flags[own] = 0.0
        for end in PLACES.values():
            ends = codes(_plain(side[i])[end] if len(side[i]) > 2 * ENDS else f"\x00{i}" for i in own)
            sizes = np.bincount(ends)
            flags[own] = np.maximum(flags[own], sizes[ends] >= max(ALIKE * most, 5))
            clumps = ends if clumps is None else clumps
        marks.append(flags)
    assert clumps is not None
    yield BOILERPLATE, (marks[0], marks[1]), clumps
    twice, first = [], None
    for side, own in zip(held.texts, kept, strict=True):
        flags = np.full(len(side), np.nan)
        same = codes(side[i] for i in own)
        flags[own] = np.bincount(same)[same] > 1
        twice.append(flags)
        first = same if first is None else first
    assert first is not None
    yield TWICE, (twice[0], twice[1]), first


def _plain(text: str) -> str:
    """With every number alike."""
    return _NUMBER.sub("0", text)


def thinned(size: int, most: int) -> Ints:
    """``most`` positions of ``size``, evenly spread."""
    return np.unique(np.linspace(0, size - 1, most).round().astype(np.int64))


def most_repeated(held: Passages, what: str) -> str:
    """What the current texts have in common most often, quoted."""
    side = held.texts[1]
    if what == TWICE:
        text, n = min(Counter(side).most_common(5), key=lambda one: (-one[1], one[0]))
        return f"; {n} times {quoted(text, 60)!r}" if n > 1 else ""
    found = []
    for words, end in PLACES.items():
        counts = Counter(_plain(t)[end] for t in side if len(t) > 2 * ENDS)
        if counts:
            part, n = min(counts.most_common(5), key=lambda one: (-one[1], one[0]))
            found.append((n, words, part))
    if not found or max(found)[0] < max(ALIKE * len(side), 5):
        return ""
    n, words, part = max(found)
    return f"; {say.percent(n / len(side))} {words} with {quoted(part, 40)!r}"


def renumbered(groups: Ints) -> Ints:
    """Groups numbered from 0 without gaps."""
    return np.asarray(np.unique(groups, return_inverse=True)[1], np.int64)
