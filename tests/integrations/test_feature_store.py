"""Late labels come from the offline store of a feature store, once, and only for what was served."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import backslide as bs
from backslide.log.reading import open_log
from backslide.log.rollup import rollup
from integrations.environments import ROOT, python_with, run


def test_outcomes_of_feast_become_labels(tmp_path: Path):
    pytest.importorskip("deltalake")
    python = python_with("feast")
    run(python, Path(__file__).with_name("store_with_feast.py"), tmp_path)
    with bs.Recorder("loans", store=tmp_path / "log") as recorder:
        for k in range(4):
            recorder.record({"income": k}, "paid", id=f"r-{k}")
    rollup(tmp_path / "log")
    command = tmp_path / "bin" / "backslide"
    command.parent.mkdir()
    source = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH="{source}" exec "{sys.executable}" -m backslide "$@"\n', encoding="utf-8"
    )
    command.chmod(0o755)
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own["PATH"] = f"{command.parent}{os.pathsep}{own['PATH']}"
    for _ in range(2):
        recipe = ROOT / "recipes" / "feast" / "late_labels.py"
        ran = subprocess.run([python, recipe], cwd=tmp_path, env=own, capture_output=True, text=True, timeout=600)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    labels = open_log(tmp_path / "log", "loans").labels().sort("id").collect()
    assert labels.select("id", "value", "source").rows() == [("r-0", "paid", "feast"), ("r-1", "default", "feast")]
