"""Tables of others into a log: the same rows twice are there once."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import backslide as bs
from backslide.contracts.errors import LogError
from backslide.contracts.roles import Roles
from backslide.log import ingest as module
from backslide.log.ingest import ingest
from backslide.log.reading import open_log
from backslide.log.rollup import rollup
from backslide.log.tables import LogTable

pytest.importorskip("deltalake")
AT = datetime(2026, 3, 1, 12)
ROLES = Roles(
    id="id", timestamp="at", prediction="said", label="truth", scores={"a": "pa"}, version="v", features=("x", "c")
)


def table(rows: int, first: int = 0) -> pl.DataFrame:
    numbers = range(first, first + rows)
    return pl.DataFrame(
        {
            "id": [f"r-{k}" for k in numbers],
            "at": [AT + timedelta(hours=k) for k in numbers],
            "said": ["a" if k % 2 else "b" for k in numbers],
            "truth": ["a" if k % 3 else None for k in numbers],
            "pa": [k % 10 / 10 for k in numbers],
            "v": [1] * rows,
            "x": [k * 0.5 for k in numbers],
            "c": [f"c{k % 3}" for k in numbers],
            "host": ["h"] * rows,
        }
    )


def test_the_same_rows_twice_are_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BATCH", 7)
    first = ingest(table(20).lazy(), tmp_path, "m", ROLES)
    assert (first.rows, first.added) == (20, {"predictions": 20, "labels": 13})
    assert ingest(table(20).lazy(), tmp_path, "m", ROLES).added == {"predictions": 0, "labels": 0}
    assert ingest(table(25).lazy(), tmp_path, "m", ROLES).added == {"predictions": 5, "labels": 3}
    assert ingest(table(3).with_columns(truth=pl.lit("b")).lazy(), tmp_path, "m", ROLES).added["labels"] == 3
    rows = open_log(tmp_path).predictions().collect().sort("at")
    assert rows["id"].to_list() == [f"r-{k}" for k in range(25)]
    row = rows.row(4, named=True)
    assert (row["x"], row["c"], row["host"], row["p_a"], row["version"], row["prediction"]) == (
        2.0,
        "c1",
        "h",
        0.4,
        "1",
        "b",
    )
    assert (row["label"], row["at"]) == ("a", (AT + timedelta(hours=4)).replace(tzinfo=UTC))


def test_rows_without_ids_are_known_by_what_they_say(tmp_path: Path):
    rows = table(6).drop("id")
    twice = pl.concat([rows, rows.head(2)])
    roles = ROLES.model_copy(update={"id": None})
    assert ingest(twice.lazy(), tmp_path, "m", roles).added["predictions"] == 8
    assert ingest(twice.lazy(), tmp_path, "m", roles).added["predictions"] == 0
    assert ingest(pl.concat([twice, rows.head(1)]).lazy(), tmp_path, "m", roles).added == {
        "predictions": 1,
        "labels": 0,
    }


def test_ids_of_rows_without_any_stay_what_they_were(monkeypatch: pytest.MonkeyPatch):
    """A table that was imported by an earlier version adds nothing when it comes again."""
    monkeypatch.setattr(module, "TOGETHER", 2)
    rows = pl.DataFrame(
        {
            "number": [1.5, None, float("nan"), 1.5],
            "text": ["x", '{"$f": 1}', None, "x"],
            "time": [AT, None, AT, AT],
            "day": [AT.date(), AT.date(), None, AT.date()],
            "price": pl.Series([Decimal("1.10"), None, Decimal(2), Decimal("1.10")], dtype=pl.Decimal(10, 2)),
            "whole": pl.Series([2**63 + 1, 0, None, 2**63 + 1], dtype=pl.UInt64),
            "held": [[1.0, float("inf")], [], None, [1.0, float("inf")]],
            "raw": [b"a", None, b"\xff", b"a"],
        }
    )
    assert module._names(rows, Counter()) == [
        "7a790bcdf3446022020df00efb92dbf2",
        "46850b5018da7d22abc1ca92a0b92646",
        "ddf0a94b99709e320462bef026c4794f",
        "7a790bcdf3446022020df00efb92dbf2-2",
    ]


def test_killed_between_its_commits_the_next_run_finishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Killed(BaseException):
        pass

    monkeypatch.setattr(module, "BATCH", 10)
    append = LogTable.append
    for last in range(1, 6):
        left = [last]

        def dying(self, rows, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return append(self, rows)

        monkeypatch.setattr(LogTable, "append", dying)
        store = tmp_path / str(last)
        try:
            ingest(table(20).lazy(), store, "m", ROLES)
        except Killed:
            assert last <= 4
        monkeypatch.setattr(LogTable, "append", append)
        ingest(table(20).lazy(), store, "m", ROLES)
        assert open_log(store).counts() == {"predictions": 20, "labels": 13, "events": 0}


def test_what_was_recorded_and_exported_adds_nothing(tmp_path: Path):
    with bs.Recorder("m", store=tmp_path) as recorder:
        for k in range(9):
            recorder.record({"x": k * 0.5}, "a", {"a": 0.5}, id=f"r-{k}", at=1_770_000_000.123456 + k)
            recorder.label(f"r-{k}", "a", at=1_780_000_000, source="review" if k % 2 else None)
    rollup(tmp_path)
    rows = open_log(tmp_path).predictions()
    roles = Roles(
        id="id",
        timestamp="at",
        prediction="prediction",
        label="label",
        scores={"a": "p_a"},
        features=("x",),
        label_time="label_at",
        label_source="label_source",
    )
    done = ingest(rows.drop("version"), tmp_path, "m", roles)
    assert done.added == {"predictions": 0, "labels": 0}


def test_values_of_every_kind(tmp_path: Path):
    odd = pl.DataFrame(
        {
            "said": [1.5, 2.0],
            "truth": [1, None],
            "price": [Decimal("1.10"), None],
            "day": [AT.date(), None],
            "small": [1.5, float("nan")],
            "kind": ["a", None],
            "vector": [[1.0, 2.0], None],
            "big": [2**63, 1],
            "bytes": [b"x", None],
            "none": [None, None],
            "names": [["a"], None],
            "more": [{"a": 1}, None],
            "long": [timedelta(1), None],
        },
        schema_overrides={
            "small": pl.Float32,
            "kind": pl.Categorical,
            "big": pl.UInt64,
            "vector": pl.Array(pl.Float32, 2),
        },
    )
    ingest(odd.lazy(), tmp_path, "m", Roles(prediction="said", label="truth"))
    row = open_log(tmp_path).predictions().filter(pl.col("prediction") == 1.5).collect().to_dicts()[0]
    assert (row["price"], row["day"], row["kind"], row["vector"]) == (1.1, "2026-03-01", "a", [1.0, 2.0])
    assert (row["big"], row["names"], row["more"], row["label"], row["at"]) == (2.0**63, "['a']", '{"a":1}', 1.0, None)


def test_what_cannot_be_is_said(tmp_path: Path):
    with pytest.raises(LogError, match="model name"):
        ingest(table(2).lazy(), tmp_path, "../m", ROLES)
    with pytest.raises(LogError, match="--prediction"):
        ingest(table(2).lazy(), tmp_path, "m", Roles())
    with pytest.raises(LogError, match="expected times in the column 'c'"):
        ingest(table(2).lazy(), tmp_path, "m", Roles(prediction="said", timestamp="c"))


def test_a_batch_without_a_single_answer_beside_labels_of_before(tmp_path: Path):
    ingest(table(5).with_columns(truth=pl.Series([1.5, 2.0, None, 0.0, 1.0])).lazy(), tmp_path, "m", ROLES)
    empty = table(5, first=5).with_columns(truth=pl.lit(None, dtype=pl.Float64), said=pl.lit(None, dtype=pl.Float64))
    assert ingest(empty.lazy(), tmp_path, "m", ROLES).added == {"predictions": 5, "labels": 0}
