"""A recorder's file is its own: copies, other processes, threads and whoever closes what is not theirs change nothing."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import threading
from pathlib import Path

import pytest

import backslide as bs
from backslide.log import recorder as module
from backslide.log.spool import PORTION
from disks import FullDisk


def lines(folder: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in folder.rglob("*.jsonl"))


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jsonl"))


def held(folder: Path) -> list[str]:
    """Files of a folder that this process has open."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return [path for path in found if path.startswith(str(folder))]


def _elsewhere(recorder: bs.Recorder) -> None:
    os._exit(0 if recorder._file is None and recorder.record({"x": 1}, "a", id="child") == "child" else 1)


def test_a_recorder_in_another_process_has_a_file_of_its_own(tmp_path: Path):
    recorder = bs.Recorder("m", store=tmp_path, drop=("name",))
    recorder.record({"x": 1}, "a")
    process = multiprocessing.get_context("spawn").Process(target=_elsewhere, args=(recorder,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert (len(files(tmp_path)), lines(tmp_path)) == (2, 2)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))])
def test_a_copy_shares_neither_file_nor_counts(copied, tmp_path: Path):
    recorder = bs.Recorder("m", store=tmp_path, drop=("name",), hash=("email",), key="k")
    recorder.record({"x": 1}, "a")
    other = copied(recorder)
    other.record({"name": "Yorick", "email": "yorick@example.org"}, "a")
    other.close()
    assert recorder.record({"x": 1}, "a")
    assert (recorder.stats()["recorded"], other.stats()["recorded"]) == (2, 1)
    assert b"yorick" not in b"".join(file.read_bytes() for file in files(tmp_path)).lower()


def test_a_file_that_others_closed_harms_nobody(tmp_path: Path):
    recorder = bs.Recorder("m", store=tmp_path / "log")
    recorder.record({"x": 1}, "a")
    os.close(recorder._file)
    with (tmp_path / "foreign").open("wb") as foreign:
        assert foreign.fileno() != recorder._file
        assert recorder.record({"x": 2}, "a")
        os.close(recorder._file)
        assert recorder.label("r", "a")
    os.close(recorder._file)
    recorder.close()
    recorder.close()
    assert (lines(tmp_path), recorder.stats()["failed"]) == (3, 0)
    assert (tmp_path / "foreign").read_bytes() == b""


def test_a_number_that_is_another_files_by_now_is_noticed_and_not_closed(tmp_path: Path):
    recorder = bs.Recorder("m", store=tmp_path / "log")
    recorder.record({"x": 1}, "a")
    number = recorder._file
    foreign = os.open(tmp_path / "foreign", os.O_CREAT | os.O_RDWR)
    os.dup2(foreign, number)
    recorder.record({"x": "y" * PORTION}, "a")  # as much as is written between two looks
    assert recorder.record({"x": 2}, "a", id="last")
    assert recorder._file != number
    assert b'"last"' not in (tmp_path / "foreign").read_bytes()
    recorder.close()
    os.fstat(number)
    os.close(number)
    os.close(foreign)


def test_a_file_that_is_gone_is_followed_by_another(tmp_path: Path):
    recorder = bs.Recorder("m", store=tmp_path)
    recorder.record({"x": "y" * PORTION}, "a")
    files(tmp_path)[0].unlink()
    assert recorder.record({"x": 1}, "a")
    assert lines(tmp_path) == 1


def test_threads_that_write_first_open_one_file(tmp_path: Path):
    for k in range(8):
        folder = tmp_path / str(k)
        recorder, barrier = bs.Recorder("m", store=folder), threading.Barrier(16)

        def work(recorder=recorder, barrier=barrier) -> None:
            barrier.wait()
            for _ in range(10):
                recorder.record({"x": 1.0}, "a")

        threads = [threading.Thread(target=work) for _ in range(16)]
        [one.start() for one in threads]
        [one.join() for one in threads]
        assert (len(files(folder)), lines(folder), len(held(folder))) == (1, 160, 1)
        recorder.close()
        assert not held(folder)


def test_closing_and_rotating_beside_writers_loses_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("backslide.log.spool.SEGMENT", PORTION)
    recorder = bs.Recorder("m", store=tmp_path)
    kept: list[str | None] = []
    writers = [
        threading.Thread(target=lambda: kept.extend(recorder.record({"x": "y" * 5000}, "a") for _ in range(80)))
        for _ in range(4)
    ]
    [one.start() for one in writers]
    while any(one.is_alive() for one in writers):
        recorder.close()
    [one.join() for one in writers]
    recorder.close()
    assert (lines(tmp_path), len([one for one in kept if one])) == (320, 320)
    assert not held(tmp_path)


def test_a_full_disk_makes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    recorder = bs.Recorder("m", store=tmp_path)
    recorder.record({"x": 1}, "a")
    with monkeypatch.context() as patch:
        patch.setattr(module, "os", FullDisk())
        assert [recorder.record({"x": 1}, "a") for _ in range(50)] == [None] * 50
        assert len(files(tmp_path)) == 1
        patch.setattr(module, "PAUSE", 0.0)
        recorder.record({"x": 1}, "a")
        assert len(files(tmp_path)) == 2
    assert recorder.record({"x": 1}, "a")
    assert (recorder.stats()["failed"], lines(tmp_path)) == (51, 2)


def test_the_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    recorder = bs.Recorder("m", store="log")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    recorder.record({"x": 1}, "a")
    assert len(files(tmp_path / "log")) == 1


def test_errors_that_cannot_be_shown_and_handlers_that_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Unsayable:
        def __str__(self) -> str:
            raise SilentError

    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def raising(*_: object) -> None:
        raise RuntimeError

    recorder = bs.Recorder("m", store=tmp_path)
    monkeypatch.setattr(module.LOGGER, "warning", raising)
    assert recorder.record({"x": Unsayable()}, "a") is None
    assert recorder.record({"x": 1}, "a", at="never") is None
    assert recorder.stats()["failed"] == 2
