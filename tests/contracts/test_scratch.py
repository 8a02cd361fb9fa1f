"""Temporary folders go with their process, however it ends, and no folder of a process that lives is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backslide.contracts import scratch
from backslide.contracts.scratch import remove_folders, scratch_folder, sweep

pytestmark = pytest.mark.core
HOLDER = """
import sys
from backslide.contracts.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "rows.parquet").write_text("rows")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(name="place")
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def holder(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process with a folder."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLDER], env={**os.environ, "TMPDIR": str(place)}, **streams)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_it_is_gone_after_the_block_and_when_nothing_unwinds(place: Path):
    with scratch_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "rows").write_text("x")
    assert not list(place.iterdir())
    with scratch_folder() as folder:
        (folder / "rows").write_text("x")
        remove_folders()
        assert not list(place.iterdir())


@pytest.mark.skipif(scratch.fcntl is None, reason="no locks of files")
def test_only_what_a_killed_process_left_is_swept(place: Path):
    process, folder = holder(place)
    (place / "backslide-theirs").mkdir()
    (place / "backslide-link").symlink_to(folder)
    with scratch_folder() as own:
        sweep()
        assert own.is_dir()
        assert (folder / "rows.parquet").is_file()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        sweep()
        assert sorted(place.iterdir()) == sorted([own, place / "backslide-theirs", place / "backslide-link"])
