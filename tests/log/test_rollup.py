"""From lines to tables: killed between any two steps nothing is lost and nothing is doubled; columns that change are kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import backslide as bs
from backslide.contracts.errors import LogError
from backslide.contracts.finding import Severity
from backslide.log import rollup as module
from backslide.log.paths import lock_spool
from backslide.log.reading import open_log
from backslide.log.rollup import rollup
from backslide.log.tables import LogTable

pytest.importorskip("deltalake")


def ids(store: Path, name: str = "m") -> list[str]:
    """Every row of the table, not joined to one an id: doubled rows show."""
    return open_log(store, name)._tables["predictions"].scan().select("id").collect()["id"].to_list()


def record(store: Path, first: int, rows: int, **features: object) -> None:
    with bs.Recorder("m", store=store) as recorder:
        for i in range(first, first + rows):
            recorder.record({"x": i, **features}, "a", {"a": 0.6, "b": 0.4}, id=f"r-{i}")
            recorder.label(f"r-{i}", "b")


def test_twice_is_once(tmp_path: Path):
    record(tmp_path, 0, 50)
    first, second = rollup(tmp_path)[0], rollup(tmp_path)[0]
    assert first.rows == {"predictions": 50, "labels": 50, "events": 0}
    assert second.rows == {"predictions": 0, "labels": 0, "events": 0}
    assert first.removed == 1
    assert sorted(ids(tmp_path)) == sorted(f"r-{i}" for i in range(50))


def test_a_file_that_is_still_written_is_read_on_and_kept(tmp_path: Path):
    recorder = bs.Recorder("m", store=tmp_path)
    for i in range(10):
        recorder.record({"x": i}, "a", id=f"r-{i}")
    assert rollup(tmp_path)[0].removed == 0
    for i in range(10, 15):
        recorder.record({"x": i}, "a", id=f"r-{i}")
    assert rollup(tmp_path)[0].rows["predictions"] == 5
    recorder.close()
    assert rollup(tmp_path)[0].removed == 1
    assert len(ids(tmp_path)) == 15


class _Killed(BaseException):
    pass


def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Die before the n-th commit or removal, for n = 1, 2, ... until a run gets through."""
    append, unlink = LogTable.append, Path.unlink
    for last in range(1, 30):
        steps_done = count(1)

        def step(do, last=last, steps_done=steps_done):
            def wrapped(*args, **kwargs):
                if next(steps_done) == last:
                    raise _Killed
                return do(*args, **kwargs)

            return wrapped

        monkeypatch.setattr(LogTable, "append", step(append))
        monkeypatch.setattr(Path, "unlink", step(unlink))
        yield last
    monkeypatch.undo()


def test_dying_between_any_two_steps_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BATCH", 6_000)
    through = False
    for last in steps(monkeypatch):
        store = tmp_path / str(last)
        record(store, 0, 60)
        record(store, 60, 30, late=1.5)
        try:
            rollup(store)
            through = True
        except _Killed:
            pass
        with monkeypatch.context() as undone:
            undone.undo()
        monkeypatch.undo()
        monkeypatch.setattr(module, "BATCH", 6_000)
        rollup(store)
        assert sorted(ids(store)) == sorted(f"r-{i}" for i in range(90))
        assert open_log(store).counts()["labels"] == 90
        assert not list(store.rglob("*.jsonl"))
        if through:
            break
    assert through


def test_features_that_appear_or_change_their_type_are_kept_and_said(tmp_path: Path):
    record(tmp_path, 0, 5)
    rollup(tmp_path)
    with bs.Recorder("m", store=tmp_path) as recorder:
        recorder.record({"x": "seven", "new": True}, "a", id="text")
        recorder.record({"x": 2.5}, "a", id="half")
    done = rollup(tmp_path)[0]
    assert any("'new' appeared" in change for change in done.changes)
    assert any("'x' holds String now, Int64 before" in change for change in done.changes)
    rows = {row["id"]: row for row in open_log(tmp_path).predictions().collect().to_dicts()}
    assert (rows["text"]["x"], rows["half"]["x"], rows["r-3"]["x"]) == ("seven", "2.5", "3")
    assert rows["text"]["new"] is True
    assert rows["r-3"]["new"] is None


def test_lines_that_are_no_records_are_counted_and_left_out(tmp_path: Path):
    record(tmp_path, 0, 3)
    (file,) = (tmp_path / "spool" / "m").glob("*.jsonl")
    file.write_bytes(b'{"k": "p", "i\n[1]\n{"k": "z"}\n' + file.read_bytes() + b'{"k":"p","i":"torn"')
    done = rollup(tmp_path)[0]
    assert (done.broken, done.set_aside, done.rows["predictions"]) == (1, 2, 3)
    assert not file.exists()


def test_two_rollups_do_not_meet(tmp_path: Path):
    record(tmp_path, 0, 3)
    with lock_spool(tmp_path / "spool"), pytest.raises(LogError, match="another rollup"):
        rollup(tmp_path)


def test_a_log_is_diagnosed_as_it_lies(tmp_path: Path):
    rng = np.random.default_rng(1)
    with bs.Recorder("m", store=tmp_path) as recorder:
        for day in range(42):
            for i in range(60):
                x, name = float(rng.normal()), f"{day}-{i}"
                said = "yes" if x > 0 else "no"
                recorder.record(
                    {"x": x if day < 28 else 12 * x + 40},
                    said,
                    {"yes": 0.9 if x > 0 else 0.1},
                    id=name,
                    at=1_770_000_000 + 86_400 * day + 60 * i,
                )
                recorder.label(name, said if rng.random() < 0.9 else "no")
    rollup(tmp_path)
    (tmp_path / "backslide.toml").write_text(
        """
[model]
name = "m"
label = "label"
prediction = "prediction"
scores = { "yes" = "p_yes" }
timestamp = "at"
id = "id"
features = ["x"]
[data]
source = "."
[windows]
reference = "2026-02-02..2026-03-01"
current = "2026-03-02..2026-03-15"
"""
    )
    from backslide.contracts.config import Settings
    from backslide.jobs.diagnose import diagnose

    found = diagnose(settings=Settings.load(tmp_path / "backslide.toml"))
    assert found.inputs.rows.reference > 1500
    numeric = next(outcome for outcome in found.checks if outcome.code == "DRF001")
    assert [f.subject for f in numeric.findings if f.severity.rank >= Severity.WARN.rank] == ["x"]
