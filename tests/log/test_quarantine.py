"""A line that no table takes is set aside and stops nothing: neither the lines beside it, nor other models, nor a crash."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

import backslide as bs
from backslide.cli.log import rollup as rollup_command
from backslide.cli.log import stats
from backslide.contracts.containment import DEBUG
from backslide.contracts.errors import LogError
from backslide.contracts.roles import Roles
from backslide.log import columns
from backslide.log.ingest import ingest
from backslide.log.quarantine import Quarantine
from backslide.log.reading import open_log
from backslide.log.rollup import roll_up_each, rollup
from backslide.log.tables import LogTable

pytest.importorskip("deltalake")
UNREADABLE = [
    b'{"k":"p","i":"bad-1","t":1.0,"f":[1,2,3],"p":"a"}',
    b'{"k":"p","i":"bad-2","t":1.0,"f":"text","p":"a"}',
    b'{"k":"p","i":"bad-3","t":1.0,"f":{"x":1},"p":"a","s":0.7}',
    b'{"k":"p","i":"bad-4","t":1.0,"f":{"x":1},"p":"a","x":"web-1"}',
    b'{"k":"l","i":null,"t":1.0,"y":"b","o":null,"n":1.0}',
    b'{"k":"new","i":"bad-5"}',
    b"[1]",
]
READABLE = [b'{"k":"p","i":"odd","t":1.0,"f":{"x":{"$f":"hello"},"$o":"y","y":{"$t":5}},"p":{"$d":[1]}}']


class _Killed(BaseException):
    pass


def spool(store: Path, *odd: bytes, rows: int = 30, name: str = "m") -> None:
    """A file of lines as an earlier version may have left it, with odd ones among the usual ones."""
    with bs.Recorder(name, store=store) as recorder:
        for k in range(rows):
            recorder.record({"x": k}, "a", {"a": 0.5}, id=f"r-{k}")
            recorder.label(f"r-{k}", "b")
    (file,) = (store / "spool" / name).glob("*.jsonl")
    texts = file.read_bytes().splitlines(keepends=True)
    for k, text in enumerate(odd):
        texts.insert(3 + 7 * k, text + b"\n")
    file.write_bytes(b"".join(texts))


def ids(store: Path, table: str = "predictions") -> Counter[str]:
    return Counter(open_log(store, "m")._tables[table].scan().select("id").collect()["id"].to_list())


def whole(rows: int = 30) -> Counter[str]:
    return Counter(f"r-{k}" for k in range(rows))


def test_names_without_end_widen_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(columns, "MOST_COLUMNS", 20)
    with bs.Recorder("m", store=tmp_path) as recorder:
        for k in range(60):
            recorder.record({"x": k, f"customer {k}": 1.0} if k % 2 else {"x": k}, "a", id=f"r-{k}")
    attempts = []
    usual = columns.lines_beyond
    monkeypatch.setattr(
        sys.modules["backslide.log.rollup"], "lines_beyond", lambda *given: attempts.append(1) or usual(*given)
    )
    (done,) = rollup(tmp_path)
    assert len(attempts) == 1, "such lines are told in one go"
    log = open_log(tmp_path, "m")
    assert 12 < len(log._tables["predictions"].schema()) <= 20 + 8
    assert (done.rows["predictions"] + done.set_aside, Quarantine(tmp_path / "quarantine" / "m").count()) == (
        60,
        done.set_aside,
    )
    assert done.set_aside > 0
    assert "expected at most 20 names" in done.reasons[0]
    assert {f"r-{k}" for k in range(0, 60, 2)} <= set(ids(tmp_path))
    pl.DataFrame({"id": ["a"], "prediction": ["x"], **{f"f{k}": [1.0] for k in range(30)}}).write_csv(
        tmp_path / "wide.csv"
    )
    with pytest.raises(LogError, match="at most 20 names"):
        ingest(pl.scan_csv(tmp_path / "wide.csv"), tmp_path, "n", Roles(id="id", prediction="prediction"))
    monkeypatch.setattr(columns, "MOST_COLUMNS", 400)
    (again,) = rollup(tmp_path, replay=True)
    assert (again.replayed, sum(ids(tmp_path).values())) == (done.set_aside, 60)


def test_lines_of_another_shape_are_set_aside_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    spool(tmp_path, *UNREADABLE, *READABLE)
    spool(tmp_path, name="z", rows=3)
    first, other = rollup(tmp_path)
    assert (first.set_aside, first.broken, first.removed) == (len(UNREADABLE), 0, 1)
    assert "expected names and values under 'f', got list" in first.reasons
    assert other.rows["predictions"] == 3
    assert ids(tmp_path) == whole() + Counter(["odd"])
    assert ids(tmp_path, "labels") == whole()
    assert rollup(tmp_path, replay=True)[0].replayed == 0
    waiting = Quarantine(tmp_path / "quarantine" / "m")
    assert sorted(line.text for line in waiting.read(waiting.files()[0])) == sorted(UNREADABLE)
    stats(str(tmp_path), model="m")
    assert f"{len(UNREADABLE)} lines set aside in {waiting.folder}, fitting no table" in capsys.readouterr().out
    stats(str(tmp_path), json=True)
    assert [one["set_aside"] for one in json.loads(capsys.readouterr().out)["models"]] == [len(UNREADABLE), 0]


def test_where_only_the_sample_of_a_large_batch_looks_usual(tmp_path: Path):
    spool(tmp_path, *READABLE, *UNREADABLE[:4], rows=900)
    assert rollup(tmp_path)[0].set_aside == 4
    assert ids(tmp_path) == whole(900) + Counter(["odd"])


class PanicException(BaseException):
    pass


def refusing(monkeypatch: pytest.MonkeyPatch, names: set[str], error: type[BaseException]) -> None:
    """A table that cannot write rows of some ids."""
    append = LogTable.append

    def picky(self, rows, *arguments, **options):
        if names & set(rows["id"].to_list() if "id" in rows.columns else ()):
            raise error("no such value")
        return append(self, rows, *arguments, **options)

    monkeypatch.setattr(LogTable, "append", picky)


@pytest.mark.parametrize("error", [ValueError, PanicException, MemoryError, RecursionError])
def test_what_only_the_table_refuses_is_found_and_replayed_later(error: type[BaseException], tmp_path: Path):
    spool(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        refusing(patch, {"r-7", "r-20"}, error)
        done = rollup(tmp_path)[0]
        assert (done.set_aside, done.removed, done.reasons) == (4, 1, [f"{error.__name__}: no such value"])
        assert rollup(tmp_path, replay=True)[0].replayed == 0
    assert ids(tmp_path) == whole() - Counter(["r-7", "r-20"])
    assert rollup(tmp_path, replay=True)[0].replayed == 4
    assert ids(tmp_path) == ids(tmp_path, "labels") == whole()
    assert not list((tmp_path / "quarantine").rglob("*.jsonl"))


def committing(append, step):
    """Counts the commits of a log's tables as steps, not those of tables that are thrown away."""
    counted = step(append)

    def wrapped(self, rows, file=None, *arguments, **options):
        return (counted if file or options else append)(self, rows, file, *arguments, **options)

    return wrapped


@pytest.mark.slow
def test_dying_between_any_two_steps_loses_and_doubles_nothing(tmp_path: Path):
    """Before each commit, removal and change of the quarantine, while lines are set aside and while they are replayed."""
    through = False
    for last in range(1, 40):
        store, left = tmp_path / str(last), [last]
        spool(store, UNREADABLE[0], rows=4)

        def step(do, left=left):
            def wrapped(*arguments, **options):
                left[0] -= 1
                if left[0] == 0:
                    raise _Killed
                return do(*arguments, **options)

            return wrapped

        with pytest.MonkeyPatch.context() as patch:
            refusing(patch, {"r-2"}, ValueError)
            patch.setattr(Quarantine, "write", step(Quarantine.write))
            patch.setattr(LogTable, "append", committing(LogTable.append, step))
            with suppress(_Killed):
                rollup(store)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Quarantine, "write", step(Quarantine.write))
            patch.setattr(LogTable, "append", step(LogTable.append))
            try:
                rollup(store, replay=True)
                through = left[0] > 0
            except _Killed:
                pass
        rollup(store, replay=True)
        assert ids(store) == ids(store, "labels") == whole(4)
        waiting = Quarantine(store / "quarantine" / "m")
        assert [line.text for file in waiting.files() for line in waiting.read(file)] == UNREADABLE[:1]
        if through:
            break
    assert through


def test_a_fault_of_the_disk_sets_nothing_aside_and_stops_one_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    spool(tmp_path)
    spool(tmp_path, name="z", rows=3)
    append = LogTable.append

    def full(self, *arguments, **options):
        if "/m/" in self.place:
            raise OSError("No space left on device")
        return append(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LogTable, "append", full)
        with pytest.raises(LogError, match="rollup of 'm' stopped: OSError: No space left on device"):
            rollup(tmp_path)
        with pytest.raises(LogError, match="its lines stay in the spool"):
            rollup_command(str(tmp_path))
        assert "z: nothing new" in capsys.readouterr().out
    assert open_log(tmp_path, "z").counts()["predictions"] == 3
    assert not (tmp_path / "quarantine").exists()
    rollup(tmp_path)
    assert ids(tmp_path) == whole()


def test_a_fault_of_ours_sets_nothing_aside_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What every table refuses on its own, and a table thrown away takes, is not the lines' fault."""
    spool(tmp_path, rows=4)
    monkeypatch.delenv(DEBUG, raising=False)
    append = LogTable.append

    def broken(self, rows, file=None, end=0, **options):
        if file is not None:
            raise ValueError("conflict")
        return append(self, rows, file, end, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LogTable, "append", broken)
        (done,) = roll_up_each(tmp_path)
        assert (done.error, done.set_aside) == ("ValueError: conflict", 0)
    rollup(tmp_path)
    assert ids(tmp_path) == whole(4)
