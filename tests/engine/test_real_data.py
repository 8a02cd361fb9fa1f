"""The kernel on real tables: against plain NumPy, and in pieces."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.engine.columns.sample import sample
from backslide.engine.profile.profile import Profile, make_plan
from backslide.engine.profile.run import profile
from backslide.engine.sources.open import open_source

pytestmark = pytest.mark.data
FOLDER = Path(os.environ.get("BACKSLIDE_DATA") or ".")
TABLES = sorted(path.name for path in FOLDER.glob("*.parquet"))


def plan_of(frame):
    kinds = {name: kind_of(dtype) for name, dtype in frame.collect_schema().items()}
    numeric = [name for name, kind in kinds.items() if kind is ColumnKind.NUMERIC]
    categorical = [name for name, kind in kinds.items() if kind in (ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)]
    return make_plan(sample(frame, 5000, seed=0), numeric=numeric, categorical=categorical)


@pytest.mark.parametrize("name", TABLES)
def test_against_numpy(name):
    frame = open_source(FOLDER / name)
    plan = plan_of(frame)
    got = profile(frame, plan, batch_rows=3000)
    rows = frame.collect()
    for column, edges in plan.numeric.items():
        mine, series = got.columns[column], rows[column]
        values = series.cast(pl.Float64).drop_nulls().to_numpy()
        values = values[np.isfinite(values)]
        counts, _ = np.histogram(values, [-np.inf, *edges, np.inf])
        assert mine.counts.tolist() == counts.tolist()
        assert mine.nulls == series.null_count()
        assert mine.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
        assert mine.std == pytest.approx(values.std(ddof=1), rel=1e-9, abs=1e-9)
        assert (mine.minimum, mine.maximum) == (values.min(), values.max())
    for column in plan.categorical:
        counted = rows[column].drop_nulls().value_counts().rows()
        mine = got.columns[column]
        assert sum(mine.levels.values()) + mine.rest_rows == sum(times for _, times in counted)
        if len(counted) <= plan.max_levels and rows[column].dtype == pl.String:
            short = {level: times for level, times in counted if len(level) < 50}
            assert short.items() <= mine.levels.items()


@pytest.mark.parametrize("name", TABLES)
def test_halves_add_up_and_stay_small(name):
    frame = open_source(FOLDER / name)
    plan = plan_of(frame)
    rows = frame.select(pl.len()).collect().item()
    halves = [profile(part, plan) for part in (frame.head(rows // 2), frame.slice(rows // 2))]
    whole, total = profile(frame, plan), halves[0] + halves[1]
    assert total.rows == whole.rows == rows
    for column in plan.numeric:
        assert total.columns[column].counts.tolist() == whole.columns[column].counts.tolist()
    stored = whole.to_bytes()
    assert len(stored) < 500_000
    assert Profile.from_bytes(stored).to_bytes() == stored
