"""Which rows a table has, for imports that may come again: eight bytes a row, and what looks known is read and compared."""

from __future__ import annotations

import numpy as np
import polars as pl

from backslide.log.tables import PARTITION, LogTable

RUN = 2**23
"""Digests up to which two runs of them become one: in few runs they are found quickly, and joining long ones takes memory."""
_Digests = np.ndarray[tuple[int], np.dtype[np.uint64]]


class KnownRows:
    """The rows of a table by digests of their keys, in runs that are each in order."""

    def __init__(self, table: LogTable, keys: list[str]) -> None:
        self._table = table
        self._keys = keys
        self._runs: list[_Digests] = []
        if table.there:
            for batch in table.scan().select(keys).collect_batches(maintain_order=False):
                self.add(batch)

    def add(self, rows: pl.DataFrame) -> None:
        """Rows that the table has from now on."""
        run = np.sort(self._digests(rows))
        while self._runs and len(self._runs[-1]) <= len(run) and len(self._runs[-1]) + len(run) <= RUN:
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if len(run):
            self._runs.append(run)

    def without_known(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those that the table has not, each once: of several with the same keys the last."""
        rows = rows.unique(self._keys, keep="last", maintain_order=True)
        digests = self._digests(rows)
        order = np.argsort(digests)
        wanted = digests[order]  # in order they are found several times as fast
        suspected = np.zeros(len(digests), bool)
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, wanted), len(run) - 1)
            suspected[order] |= run[places] == wanted
        if not suspected.any():
            return rows
        suspects = rows.filter(pl.Series(suspected))
        days = suspects[PARTITION].unique()
        stored = self._table.scan().filter(pl.col(PARTITION).is_in(days.implode(), nulls_equal=True)).select(self._keys)
        known = stored.join(suspects.lazy().select(self._keys), on=self._keys, how="semi", nulls_equal=True)
        return rows.join(
            known.collect(engine="streaming"), on=self._keys, how="anti", nulls_equal=True, maintain_order="left"
        )

    def _digests(self, rows: pl.DataFrame) -> _Digests:
        return rows.select(self._keys).hash_rows().to_numpy()
