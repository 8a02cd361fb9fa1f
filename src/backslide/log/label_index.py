"""The labels of some predictions, found among all that ever came: a label may come on any day after its prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from backslide.log.tables import PARTITION

MANY = 100
"""Labels of one prediction from which it is not asked where they are."""
KEPT = 8_000_000
"""Labels up to which they are kept in memory, sixty bytes each, for who reads day by day would else read the files of all later
days again for each."""
COLUMNS = ["id", "at", "value", "number", "source", "recorded", "place"]
ANSWER = ["id", "at", "value", "number", "source"]
"""Those that say what the label is; the others say which of several is the last."""
REPEATED = ("value", "source")
"""Columns of texts that come again and again."""
Digests = np.ndarray[Any, np.dtype[np.uint64]]
Places = np.ndarray[Any, np.dtype[np.int64]]


class LabelIndex:
    """All labels of a table by the digests of their ids."""

    def __init__(self, rows: pl.LazyFrame) -> None:
        self._rows = rows
        answered = rows.select("id", PARTITION).collect()
        digests = answered["id"].hash().to_numpy()
        self._order = np.argsort(digests).astype(np.uint32 if len(digests) < 2**32 else np.int64)
        self._digests: Digests = digests[self._order]
        self._days = answered[PARTITION]
        self._labels: pl.DataFrame | None = None
        self._asked = self._several = False

    def aligned(self, ids: pl.Series) -> pl.DataFrame | None:
        """``ANSWER`` with a row for each id, in their order, null where no label came: it spares a join.

        None where the labels are not kept, or one of the ids has several.
        """
        if self._several or not len(self._digests):
            return None
        digests = ids.hash().to_numpy()
        order = np.argsort(digests)  # in order they are found several times as fast
        wanted = digests[order]
        first = np.minimum(np.searchsorted(self._digests, wanted), len(self._digests) - 1)
        there = self._digests[first] == wanted
        after = np.minimum(first + 1, len(self._digests) - 1)
        self._several = bool((there & (after > first) & (self._digests[after] == wanted)).any())
        places = self._order[first[there]]
        if self._several:
            return None
        if self._labels is None:
            self._keep(self._days.gather(places).unique().implode())
        if self._labels is None:
            return None
        place = np.full(len(ids), -1, np.int64)
        place[order[there]] = places
        rows = pl.Series(np.where(place < 0, 0, place)).set(pl.Series(place < 0), None)
        aligned = self._labels.select(pl.col(ANSWER).gather(rows))
        if not (aligned["id"] == ids).all():  # another id of the same digest; nulls, which have no label, do not count
            return None
        return aligned.with_columns(pl.col(name).cast(pl.String) for name in REPEATED)

    def of(self, ids: pl.Series) -> pl.LazyFrame:
        """Labels with ``COLUMNS`` of these ids; a few others may be among them."""
        places = self._places(ids)
        days = None if places is None else self._days.gather(places).unique().implode()
        self._keep(days)
        self._asked = True
        if self._labels is not None:
            own = (self._labels if places is None else self._labels[np.sort(places)]).lazy()
            own = own.with_columns(pl.col(name).cast(pl.String) for name in REPEATED)
        else:
            own = self._rows if days is None else self._rows.filter(pl.col(PARTITION).is_in(days, nulls_equal=True))
            own = own.select(COLUMNS)
        if places is not None and self._labels is not None:
            return own
        return own.join(ids.to_frame("id").lazy(), on="id", how="semi")

    def _keep(self, days: pl.Series | None) -> None:
        """Read all labels into memory where that is worth it for whoever asks for those of these days."""
        if self._labels is None and self._is_worth_keeping(days):
            texts = [pl.col(name).cast(pl.Categorical) for name in REPEATED]
            self._labels = self._rows.select(COLUMNS).with_columns(texts).collect()

    def _is_worth_keeping(self, days: pl.Series | None) -> bool:
        """From the second question on, and where the first one reads most of them anyway."""
        if len(self._days) > KEPT:
            return False
        return self._asked or days is None or 2 * int(self._days.is_in(days, nulls_equal=True).sum()) > len(self._days)

    def _places(self, ids: pl.Series) -> Places | None:
        """Where labels stand that may be theirs: equal digests; None where one has so many that all may as well be read."""
        wanted = np.sort(ids.hash().to_numpy())  # in order they are found several times as fast
        first, behind = (np.searchsorted(self._digests, wanted, side=side) for side in ("left", "right"))
        most = int((behind - first).max(initial=0))
        if most > MANY:
            return None
        found = [first[first + k < behind] + k for k in range(most)]
        return np.asarray(self._order[np.concatenate([np.empty(0, np.int64), *found])])
