"""What bounds a command: its memory, and whoever asks it to end; no file is left half written."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from backslide.cli import errors, memory
from backslide.contracts import files
from backslide.contracts.files import write_whole
from backslide.contracts.scratch import scratch_folder
from commands import backslide

CONFIG = """\
[model]
label = "label"
prediction = "prediction"
features = ["x"]
[windows]
reference = "rows.parquet"
current = "rows.parquet"
[artifacts]
reference_model = "own:score"
trusted = true
[engine]
{}
"""
HUNGRY = "HELD = []\ndef score(frame):\n    while True:\n        HELD.append(bytearray(b'x' * 10**7))\n"
DEAF = """
import hashlib
from pathlib import Path
def score(frame):
    Path('begun').touch()
    hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2**31 - 1)  # native code, which no signal interrupts
"""
IDLE = "import time\nfrom pathlib import Path\ndef score(frame):\n    Path('begun').touch()\n    time.sleep(60)\n"


@pytest.fixture
def command(tmp_path):
    frame = pl.DataFrame(
        {"x": [float(k) for k in range(300)], "prediction": ["a", "b", "a"] * 100, "label": ["a", "b", "b"] * 100}
    )
    frame.write_parquet(tmp_path / "rows.parquet")

    def start(code, engine, before="", **variables):
        (tmp_path / "own.py").write_text(code, encoding="utf-8")
        (tmp_path / "backslide.toml").write_text(CONFIG.format(engine), encoding="utf-8")
        program = f"import sys\nfrom backslide.cli import errors, main, memory\n{before}\nsys.exit(main(sys.argv[1:]))"
        arguments = [sys.executable, "-c", program, "diagnose", "-q", "--quick", "--json", "out.json"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(arguments, cwd=tmp_path, env={**os.environ, **variables}, **streams)

    return start


@pytest.mark.slow
def test_more_memory_than_was_granted_is_refused_in_one_line(command):
    process = command(HUNGRY, "max_memory = 1.5", BACKSLIDE_MAX_MEMORY="1")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1, err
    assert "more than 1.5 GB ([engine] max_memory)" in err


@pytest.mark.slow
def test_without_a_setting_four_fifths_of_the_free_memory_are_granted(command, tmp_path):
    process = command(HUNGRY, "", "memory.free = lambda: 1e9")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1, err
    assert "GB (four fifths of the memory that was free); give it fewer rows or uncompressed Parquet" in err
    assert not [name for name in os.listdir(tmp_path) if name.startswith(("out", "."))]


@pytest.mark.slow
def test_a_small_packed_file_is_read_piece_by_piece(tmp_path):
    row = b"2026-01-01,a,a,1.5,north\n"
    with gzip.open(tmp_path / "rows.csv.gz", "wb", 6) as file:
        file.write(b"at,label,prediction,amount,branch\n")
        for _ in range(1_000):
            file.write(row * 40_000)  # a gigabyte together
    assert (tmp_path / "rows.csv.gz").stat().st_size < 6e6
    arguments = [sys.executable, "-m", "backslide", "init", "rows.csv.gz", "--out", "new.toml"]
    limits = {"BACKSLIDE_MAX_MEMORY": "0.8", "POLARS_MAX_THREADS": "2"}
    streams = {"capture_output": True, "text": True, "timeout": 600}
    done = subprocess.run(arguments, cwd=tmp_path, env={**os.environ, **limits}, **streams)
    assert done.returncode == 0, done.stderr


def test_what_is_free_is_what_the_container_leaves(tmp_path, monkeypatch):
    (tmp_path / "machine").write_text("MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n", encoding="ascii")
    monkeypatch.setattr(memory, "_MACHINE", tmp_path / "machine")
    monkeypatch.setattr(memory, "_groups", list)
    assert memory.free() == 8_000_000 * 1024
    group = tmp_path / "group"
    group.mkdir()
    (group / "memory.max").write_text("max\n", encoding="ascii")
    (group / "memory.stat").write_text("anon 300\nfile 500\n", encoding="ascii")
    monkeypatch.setattr(memory, "_groups", lambda: [tmp_path, group])
    assert memory.free() == 8_000_000 * 1024
    (group / "memory.max").write_text("1000\n", encoding="ascii")
    assert memory.free() == 700


def test_who_ends_without_unwinding_leaves_no_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(errors, "_exit", lambda _: None)
    with scratch_folder() as folder:
        (folder / "rows.parquet").write_bytes(b"half")
        errors._leave("the command took more than 1 GB")
        assert not list(tmp_path.iterdir())


def test_a_limit_that_is_no_number_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKSLIDE_MAX_MEMORY", "much")
    result = backslide(tmp_path, "checks")
    assert (result.code, result.out) == (2, "")
    assert result.err == "backslide: BACKSLIDE_MAX_MEMORY: expected a number of gigabytes such as 8, got 'much'\n"


@pytest.mark.slow
def test_native_code_that_hears_no_signal_is_ended_after_some_patience(command, tmp_path):
    process = command(DEAF, "", "errors.PATIENCE_SECONDS = 1.0")
    for _ in range(600):
        if (tmp_path / "begun").exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (143, "", "backslide: terminated\n")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_who_is_asked_to_end_ends_and_leaves_nothing_half(command, tmp_path, number, code):
    process = command(IDLE, "")
    for _ in range(600):
        if (tmp_path / "begun").exists():
            break
        time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (code, 1), err
    assert not [name for name in os.listdir(tmp_path) if name.startswith(("out", "."))]


def test_a_file_is_there_whole_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "answer.json"
    write_whole(path, "one")
    monkeypatch.setattr(files.Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, "two")
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == "one"
    assert os.listdir(tmp_path) == ["answer.json"]
    (tmp_path / "link").symlink_to(path)
    write_whole(tmp_path / "link", "three")
    assert path.read_text(encoding="utf-8") == "three"
    assert (tmp_path / "link").is_symlink()
