"""Every data type belongs to one kind."""

import numpy as np
import polars as pl
import pytest

from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.engine.columns.pair import to_words

pytestmark = pytest.mark.core

KINDS = {
    ColumnKind.NUMERIC: [
        *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.Int128()),
        *(pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()),
        *(pl.Float32(), pl.Float64(), pl.Decimal(12, 2)),
    ],
    ColumnKind.BOOLEAN: [pl.Boolean()],
    ColumnKind.CATEGORICAL: [pl.String(), pl.Categorical(), pl.Enum(["a", "b"])],
    ColumnKind.TEMPORAL: [
        *(pl.Date(), pl.Time(), pl.Duration("us")),
        *(pl.Datetime("ns"), pl.Datetime("us", "Europe/Paris")),
    ],
    ColumnKind.EMBEDDING: [pl.List(pl.Int64), pl.List(pl.Float32), pl.Array(pl.Float32, 3)],
    ColumnKind.NESTED: [
        pl.List(pl.String),
        pl.List(pl.List(pl.Int64)),
        pl.Array(pl.Float32, (2, 3)),
        pl.Struct({"a": pl.Int64}),
    ],
    ColumnKind.OTHER: [pl.Binary(), pl.Null(), pl.Object()],
}


@pytest.mark.parametrize(("kind", "dtype"), [(kind, dtype) for kind, types in KINDS.items() for dtype in types])
def test_kind(kind, dtype):
    assert kind_of(dtype) is kind


def test_a_long_cell_does_not_widen_every_row():
    long = "x" * 10**6
    words = to_words([long, long + "y", "a", None, *["b"] * 1000])
    assert words.nbytes < 2e6
    assert len(set(words.tolist())) == 5
    assert (to_words(["x" * 999, "a"]) == np.array(["x" * 999, "a"])).all()
    assert to_words([]).dtype.kind == "U"
