"""Arrow types that Polars does not hold: floats where one says the same, else refused by the column's name."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest

from backslide.contracts.errors import SourceError
from backslide.engine.sources.dataframes import from_pandas
from backslide.engine.sources.open import open_source

pa = pytest.importorskip("pyarrow")


def arrow(values):
    return pd.DataFrame({"v": pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([values])))})


def test_decimals_of_256_bits_are_floats_in_every_wrapping():
    wide = pa.array([Decimal("1.5"), None], pa.decimal256(50, 2))
    assert from_pandas(arrow(wide))["v"].to_list() == [1.5, None]
    for source in (pa.table({"v": wide}), pa.RecordBatch.from_pydict({"v": wide})):
        assert open_source(source).collect()["v"].to_list() == [1.5, None]


def unread():
    return {
        "list of decimals": pa.array([[Decimal("1.5")]], pa.list_(pa.decimal256(50, 2))),
        "struct of decimals": pa.array([{"a": Decimal("1.5")}], pa.struct([("a", pa.decimal256(50, 2))])),
        "interval": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        "union": pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]),
    }


@pytest.mark.parametrize("kind", ["list of decimals", "struct of decimals", "interval", "union"])
def test_types_that_cannot_be_read_are_refused_by_their_column(kind):
    values = unread()[kind]
    with pytest.raises(SourceError, match="column 'v': Arrow type"):
        from_pandas(arrow(values))
    with pytest.raises(SourceError, match="column 'v': Arrow type"):
        open_source(pa.table({"v": values}))
