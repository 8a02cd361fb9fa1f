"""The labels of some predictions, found among all that ever came: a label may come on any day after its prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from backslide.log.tables import PARTITION

MANY = 100
"""Labels of one prediction from which it is not asked where they are."""
KEPT = 8_000_000
"""Labels up to which they are kept in memory, sixty bytes each, from the second question on: who reads day by day would else
read the files of all later days again for each."""
COLUMNS = ["id", "at", "value", "number", "source", "recorded", "place"]
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
        self._asked = False

    def of(self, ids: pl.Series) -> pl.LazyFrame:
        """Labels with ``COLUMNS`` among which are all of these ids."""
        again, self._asked = self._asked, True
        places = self._places(ids)
        if again and len(self._days) <= KEPT:
            if self._labels is None:
                texts = [pl.col(name).cast(pl.Categorical) for name in REPEATED]
                self._labels = self._rows.select(COLUMNS).with_columns(texts).collect()
            own = self._labels if places is None else self._labels[np.sort(places)]
            return own.lazy().with_columns(pl.col(name).cast(pl.String) for name in REPEATED)
        rows = self._rows
        if places is not None:
            days = self._days.gather(places).unique()
            rows = rows.filter(pl.col(PARTITION).is_in(days.implode(), nulls_equal=True))
        return rows.select(COLUMNS)

    def _places(self, ids: pl.Series) -> Places | None:
        """Where labels stand that may be theirs: equal digests; None where one has so many that all may as well be read."""
        wanted = np.sort(ids.hash().to_numpy())  # in order they are found several times as fast
        first, behind = (np.searchsorted(self._digests, wanted, side=side) for side in ("left", "right"))
        most = int((behind - first).max(initial=0))
        if most > MANY:
            return None
        found = [first[first + k < behind] + k for k in range(most)]
        return np.asarray(self._order[np.concatenate([np.empty(0, np.int64), *found])])
