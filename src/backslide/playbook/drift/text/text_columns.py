"""Columns of running text as the checks of texts read them: bounded, in an order that content decides, and safe to quote."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import MISSING
from backslide.playbook.drift import change_of_column
from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.day_noise import DayCounts
from backslide.stats.drift.univariate import ShareMove, share_move
from backslide.stats.text.tfidf import Bag, bag_of

MOST_COLUMNS = 4
"""Columns of text that are read, those with the longest texts first."""
MOST = 3_000
"""Texts per window that are read word by word."""
CHARACTERS = 1_000
"""Of the beginning of each."""
MIN_TEXTS = 200
QUOTED = 110
"""Characters of a text that are quoted."""


class HasDays(Protocol):
    """Rows whose days are known, or not."""

    @property
    def days(self) -> tuple[Ints | None, Ints | None]:
        """Day of each row in both windows."""


@dataclass(frozen=True)
class Passages:
    """The texts of one column in both windows, missing ones left out."""

    column: str
    rows: tuple[Ints, Ints]
    """Their positions in the samples."""
    texts: tuple[list[str], list[str]]
    """Their beginnings."""
    days: tuple[Ints | None, Ints | None]

    def aligned(self, case: Case, values: Sequence[Floats]) -> tuple[Floats, Floats]:
        """A quantity of these texts as one of the sampled rows, NaN for the others."""
        return change_of_column.scattered(case, self.rows, values)

    def column_of(self, case: Case, name: str) -> tuple[list[Any], list[Any]]:
        """Another column of the same rows."""
        ref, cur = (side.sample[name].gather(at).to_list() for side, at in zip(case.sides, self.rows, strict=True))
        return ref, cur


@once
def text_columns(case: Case) -> list[str]:
    """Features of running text, at most ``MOST_COLUMNS``."""
    found = [c for c, pair in case.pairs.items() if pair.free_text]
    # The scalar is a number, though Polars allows for texts and dates:
    size = {c: float(case.reference.sample[c].cast(pl.String).str.len_chars().median() or 0) for c in found}  # type: ignore[arg-type]
    kept = set(sorted(found, key=lambda c: -size[c])[:MOST_COLUMNS])
    return [c for c in found if c in kept]


@once
def passages(case: Case, column: str) -> Passages | None:
    """The texts of a column; None where a window holds fewer than ``MIN_TEXTS``."""
    rows, texts, days = [], [], []
    for side, own in zip(case.sides, change_of_column.both_days(case), strict=True):
        order = change_of_column.canonical(side, [column])
        written = side.sample[column].cast(pl.String, strict=False).str.slice(0, CHARACTERS)
        known = (written.is_not_null() & (written.str.strip_chars() != "") & (written != MISSING)).to_numpy()
        order = order[known[order]]
        if len(order) < MIN_TEXTS:
            return None
        rng = case.rng(f"texts of {side.window.name}")
        if len(order) > MOST:
            order = order[np.sort(rng.choice(len(order), MOST, replace=False))]
        rows.append(order)
        texts.append(written.gather(order).to_list())
        days.append(None if own is None else own[order])
    return Passages(column, (rows[0], rows[1]), (texts[0], texts[1]), (days[0], days[1]))


def bag(case: Case, held: Passages) -> Bag | None:
    """The words and pairs of words of these texts, counted once."""
    return case.cache.get(bag, (held.column,), lambda: bag_of(held.texts))


def quoted(text: str, most: int = QUOTED) -> str:
    """The beginning of a text on one line; what is no visible character is written as an escape."""
    head = " ".join(text[: 4 * most].split())[:most]
    shown = "".join(c if unicodedata.category(c)[0] != "C" else f"\\u{ord(c):04x}" for c in head)
    return shown + ("…" if len(text) > len(head) else "")


def clumped(passages: HasDays, which: tuple[Floats, Floats], clumps: Ints) -> ShareMove | None:
    """The move of a share of texts that come in clumps: so many rows count as one as do in the reference.

    ``which`` is 0 or 1 of each text (NaN: not counted), ``clumps`` the number of the clump of each text of the reference.
    """
    sizes = np.bincount(clumps).astype(float)
    weight = float(sizes.sum() / max((sizes**2).sum(), 1.0))
    counted, totals = [], []
    for own, days in zip(which, passages.days, strict=True):
        counts = DayCounts.of(np.where(np.isfinite(own), own, -1).astype(np.int64), 2, days)
        counted.append(DayCounts(counts.counts * weight, counts.days))
        totals.append(counts.counts.sum(axis=0) * weight)
    return share_move(totals[0], totals[1], (counted[0], counted[1]))


def codes(values: Iterable[str]) -> Ints:
    """A number for every distinct value."""
    place: dict[str, int] = {}
    return np.array([place.setdefault(v, len(place)) for v in values], np.int64)
