"""The benchmark of the wild on the real sets: the command runs, resumes, and refuses what it does not know."""

from __future__ import annotations

import subprocess
import sys

import pytest
from toy_bench import BENCHMARKS

from faults.records import read
from wild import report, run

pytestmark = pytest.mark.data


def test_the_command_runs_and_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    out = tmp_path / "wild.jsonl"
    for done in (1, 2):
        arguments = ["--limit", "1", "--out", str(out), "--cache", str(tmp_path / "models")]
        monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
        run.main()
        assert len(read(out)) == done
    assert f"{done - 1} of them run before" in capsys.readouterr().err
    assert not [r for r in read(out) if "error" in r]
    assert "What it must show" in report.render(read(out), 5)


def test_a_slice_that_is_none_is_said_in_one_line():
    command = [sys.executable, str(BENCHMARKS / "wild" / "run.py"), "--slice", "4/3"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 1
    assert ran.stderr.strip().splitlines()[-1].startswith("expected --slice i/n")
