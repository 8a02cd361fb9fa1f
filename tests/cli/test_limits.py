"""What bounds a command: its memory, and whoever asks it to end; no file is left half written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from backslide.contracts import files
from backslide.contracts.files import write_whole

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
IDLE = "import time\nfrom pathlib import Path\ndef score(frame):\n    Path('begun').touch()\n    time.sleep(60)\n"


@pytest.fixture
def command(tmp_path):
    frame = pl.DataFrame(
        {"x": [float(k) for k in range(300)], "prediction": ["a", "b", "a"] * 100, "label": ["a", "b", "b"] * 100}
    )
    frame.write_parquet(tmp_path / "rows.parquet")

    def start(code, engine):
        (tmp_path / "own.py").write_text(code, encoding="utf-8")
        (tmp_path / "backslide.toml").write_text(CONFIG.format(engine), encoding="utf-8")
        arguments = [sys.executable, "-m", "backslide", "diagnose", "-q", "--quick", "--json", "out.json"]
        return subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


@pytest.mark.slow
def test_more_memory_than_was_granted_is_refused_in_one_line(command):
    out, err = command(HUNGRY, "max_memory = 1.5").communicate(timeout=120)
    assert out == ""
    assert err.count("\n") == 1, err
    assert "more than 1.5 GB ([engine] max_memory)" in err


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
