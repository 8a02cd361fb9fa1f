"""How often a diagnosis reads the rows of a window: features once for the sample and once for the profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from polars.io.plugins import register_io_source

import worlds
from backslide.jobs.diagnose import diagnose
from backslide.playbook import scenarios

FEATURES = worlds.FEATURES
AT_MOST = 2


class CountedSource:
    """A lazy table that counts for each column how often all of its rows are read."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame, self.reads = frame, Counter[str]()

    def lazy(self) -> pl.LazyFrame:
        return register_io_source(self._read, schema=self.frame.schema)

    def _read(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        frame = self.frame if columns is None else self.frame.select(columns)
        if rows is None:
            self.reads.update(frame.columns)
        frame = frame if predicate is None else frame.filter(predicate)
        yield frame if rows is None else frame.head(rows)


@pytest.mark.parametrize("broken", [False, True])
def test_features_are_read_twice_at_most(broken):
    # Rows are counted in the narrowest column, which files do without reading: that is to be none of the features.
    wide = pl.col("premium").cast(pl.Int64), pl.lit(True).alias("narrow")
    frames = [frame.with_columns(*wide) for frame in worlds.two_months(np.random.default_rng(2), 3000)]
    if broken:
        frames[1] = scenarios.rescored(frames[1].with_columns(pl.col("income") * 12))
    sources = [CountedSource(frame) for frame in frames]
    diagnose(
        *(source.lazy() for source in sources),
        roles=worlds.Roles(**{**scenarios.ROLES, "features": FEATURES}),
        reference_model=scenarios.TrueModel(),
        settings=worlds.Settings.from_dict({"engine": {"sample_rows": 1000}}),
        quick=True,
    )
    for source in sources:
        assert {column: source.reads[column] for column in FEATURES} == dict.fromkeys(FEATURES, AT_MOST)
