"""The recorder never harms its caller, and what it acknowledged is kept: threads, forks, full disks, folders that forbid."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backslide as bs
from backslide.contracts.errors import LogError
from backslide.log.lines import line, value_of
from backslide.log.reading import open_log
from backslide.log.rollup import rollup

pytest.importorskip("deltalake")


def kept(store: Path, name: str = "m") -> pl.DataFrame:
    rollup(store)
    return open_log(store, name).predictions().collect().sort("id")


def test_what_is_recorded_is_read_with_its_last_label(tmp_path: Path):
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with bs.Recorder("m", store=tmp_path) as recorder:
        assert (
            recorder.record(
                {"income": 10.5, "plan": "a"}, "paid", {"paid": 0.8, "default": 0.2}, id="r-1", at=at, version="v2"
            )
            == "r-1"
        )
        made = recorder.record({"income": 11, "plan": None}, "paid", extra={"host": "a"})
        assert made is not None
        recorder.label("r-1", "default", at=at)
        recorder.label("r-1", "paid", at=datetime(2026, 3, 9, tzinfo=UTC), source="review")
        recorder.label("r-1", "default", at=datetime(2026, 3, 5, tzinfo=UTC))
        recorder.event("deploy v2", at="2026-03-02T00:00:00+00:00")
    row = kept(tmp_path).filter(pl.col("id") == "r-1").to_dicts()[0]
    assert (row["prediction"], row["label"], row["label_source"], row["version"]) == ("paid", "paid", "review", "v2")
    assert (row["income"], row["plan"], row["p_paid"], row["at"]) == (10.5, "a", 0.8, at)
    log = open_log(tmp_path)
    assert log.counts() == {"predictions": 2, "labels": 3, "events": 1}
    assert log.labels().collect()["value"].to_list().count("default") == 2
    assert log.events().collect()["text"].to_list() == ["deploy v2"]


def test_values_of_every_kind_come_back(tmp_path: Path):
    values = {
        "nan": float("nan"),
        "inf": np.float32("-inf"),
        "whole": np.int64(2**40),
        "flag": np.bool_(True),
        "bytes": b"\x00\xff",
        "exact": Decimal("1.10"),
        "day": date(2026, 1, 2),
        "list": np.arange(3.0),
        "odd": {"a": [1, float("nan")]},
        "none": None,
        "huge": 2**80,
        "surrogate": "a\ud800b",
        "id": "mine",
        "größe (€)": 3.5,
    }
    with bs.Recorder("m", store=tmp_path) as recorder:
        recorder.record(values, 1.0, {"a,b {c}": np.float64(0.5)}, id="x")
    row = kept(tmp_path).to_dicts()[0]
    assert math.isnan(row["nan"])
    assert (row["inf"], row["whole"], row["flag"], row["exact"], row["day"]) == (
        -math.inf,
        2**40,
        True,
        "1.10",
        "2026-01-02",
    )
    assert (row["list"], row["huge"], row["surrogate"], row["größe (€)"]) == ([0, 1, 2], str(2**80), "a?b", 3.5)
    assert (row["id"], row["feature_id"], row["prediction"], row["p_a,b {c}"]) == (
        "x",
        "mine",
        "1" if isinstance(row["prediction"], str) else 1.0,
        0.5,
    )


SIMPLE = st.one_of(st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(), st.text(max_size=20))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=10), SIMPLE, max_size=6))
def test_a_line_says_what_it_was_given(values: dict):
    import orjson

    data = line({"f": values}, "f")
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    back = {name: value_of(value) for name, value in (orjson.loads(data)["f"] or {}).items()}
    assert set(back) >= {name for name in values if not any("\ud800" <= c <= "\udfff" for c in name)}
    for name, value in values.items():
        if isinstance(value, float) and math.isnan(value):
            assert math.isnan(back[name])
        elif not isinstance(value, str) and name in back:
            assert back[name] == value


class Colour(Enum):
    RED = "red"


def test_mappings_and_values_of_other_kinds_are_written_alike_with_and_without_nulls(tmp_path: Path):
    values = {
        "colour": Colour.RED,
        "key": UUID(int=5),
        "pair": (1.0, math.nan),
        5: "five",
        "at": datetime(2026, 1, 2, 3),
    }
    with bs.Recorder("m", store=tmp_path) as recorder:
        recorder.record(MappingProxyType(values), "a", id="1")
        recorder.record({**values, "none": None}, "a", id="2")
        recorder.record(pd.Series({"colour": "red", "key": str(UUID(int=5))}), "a", id="3")
        assert recorder.stats()["failed"] == 0
    first, second, third = kept(tmp_path).drop("id", "at").to_dicts()
    assert repr(first) == repr(second)
    assert (first["colour"], first["5"], first["feature_at"]) == ("red", "five", "2026-01-02T03:00:00")
    assert first["pair"][0] == 1.0
    assert math.isnan(first["pair"][1])
    assert third["key"] == first["key"] == str(UUID(int=5))


def test_threads_share_a_recorder(tmp_path: Path):
    recorder = bs.Recorder("m", store=tmp_path)

    def work(k: int) -> None:
        for i in range(300):
            recorder.record({"x": i}, "a", id=f"{k}-{i}")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    recorder.close()
    assert kept(tmp_path)["id"].n_unique() == 1800


def test_a_fork_writes_a_file_of_its_own(tmp_path: Path):
    script = f"""
import os
import backslide as bs
recorder = bs.Recorder("m", store={str(tmp_path)!r})
recorder.record({{"x": 1}}, "a", id="parent-before")
child = os.fork()
for i in range(200):
    recorder.record({{"x": i}}, "a", id=("child" if child == 0 else "parent") + f"-{{i}}")
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
recorder.record({{"x": 1}}, "a", id="parent-after")
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert len(list((tmp_path / "spool" / "m").glob("*.jsonl"))) == 2
    assert kept(tmp_path)["id"].n_unique() == 402


def test_a_folder_that_forbids_is_counted_and_the_caller_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "spool").write_text("a file stands where the folder should")
    recorder = bs.Recorder("m", store=tmp_path)
    assert [recorder.record({"x": 1}, "a") for _ in range(3)] == [None] * 3
    assert not recorder.label("r", "a")
    assert recorder.stats()["failed"] == 4
    assert "spool" in recorder.stats()["error"]
    assert len(caplog.records) == 1
    (tmp_path / "spool").unlink()
    assert recorder.record({"x": 1}, "a", id="later") == "later"
    recorder.close()
    assert kept(tmp_path)["id"].to_list() == ["later"]


def test_what_does_not_fit_on_the_disk_is_not_acknowledged_and_the_next_line_is_whole(tmp_path: Path):
    script = f"""
import resource, signal
import backslide as bs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recorder = bs.Recorder("m", store={str(tmp_path)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
told = [recorder.record({{"x": "y" * 90}}, "a", id=f"r-{{i}}") for i in range(60)]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
told += [recorder.record({{"x": "later"}}, "a", id=f"s-{{i}}") for i in range(5)]
print(*[one for one in told if one])
assert recorder.stats()["failed"] > 0
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    acknowledged = done.stdout.split()
    assert "s-4" in acknowledged
    assert len(acknowledged) < 65
    assert kept(tmp_path)["id"].to_list() == sorted(acknowledged)


def test_fields_are_dropped_or_hashed_before_they_touch_the_disk(tmp_path: Path):
    with bs.Recorder("m", store=tmp_path, drop=("name",), hash=("email",), key="k") as recorder:
        for k in range(2):
            recorder.record(
                {"name": "Ada Lovelace", "email": "ada@example.org", "x": k},
                "a",
                id=str(k),
                extra={"email": "ada@example.org"},
            )
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*.jsonl"))
    assert b"Ada" not in written
    assert b"example.org" not in written
    rows = kept(tmp_path)
    assert "name" not in rows.columns
    assert rows["email"].n_unique() == 1


@pytest.mark.parametrize("name", ["", "../up", "a/b", " a", 5, "x" * 200])
def test_a_name_that_is_no_folder_is_an_error(name: object, tmp_path: Path):
    with pytest.raises(LogError, match="expected a model name"):
        bs.Recorder(name, store=tmp_path)


def test_an_object_store_needs_a_local_spool(tmp_path: Path):
    with pytest.raises(LogError, match="give spool="):
        bs.Recorder("m", store="s3://bucket/log")
    recorder = bs.Recorder("m", store="s3://bucket/log", spool=tmp_path)
    assert recorder.record({"x": 1}, "a", id="1") == "1"
    recorder.close()


def test_importing_the_recorder_loads_no_tables():
    heavy = ("polars", "deltalake", "numpy", "pandas", "sklearn")
    script = f"import sys; from backslide import Recorder; print(*[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_a_stretch_of_time_is_read(tmp_path: Path):
    with bs.Recorder("m", store=tmp_path) as recorder:
        for hour in range(96):
            recorder.record(
                {"x": hour}, "a", id=f"r-{hour:02d}", at=datetime(2026, 3, 1, tzinfo=UTC).timestamp() + 3600 * hour
            )
            recorder.label(f"r-{hour:02d}", "b", at=datetime(2026, 2, 1, tzinfo=UTC))
        recorder.record({"x": -1}, "a", id="r-30", at=datetime(2026, 3, 4, tzinfo=UTC))
        recorder.record({"x": 0}, "a", id="no time", at=float("nan"))
    rollup(tmp_path)
    log = open_log(tmp_path)
    for since, until, first, last in (
        (datetime(2026, 3, 2), datetime(2026, 3, 3, tzinfo=UTC), 24, 47),
        (datetime(2026, 3, 2, 5, 30), None, 30, 95),
        (None, datetime(2026, 3, 2, 5, tzinfo=UTC), 0, 28),
        (None, datetime(2026, 3, 2, tzinfo=UTC), 0, 23),
        (datetime(2026, 3, 2, 1, tzinfo=timezone(timedelta(hours=1))), datetime(2026, 3, 2, 2), 24, 25),
    ):
        rows = log.predictions(since=since, until=until).collect().sort("id")
        assert rows["id"].to_list() == [f"r-{hour:02d}" for hour in range(first, last + 1)]
        assert set(rows["label"]) == {"b"}
        assert log.predictions(since=since, until=until, labels=False).collect()["label"].null_count() == rows.height
    assert log.predictions().filter(pl.col("id") == "r-30").collect()["x"].to_list() == [-1]
    assert log.predictions().collect().height == 97
