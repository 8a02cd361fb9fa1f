"""The plug-in of pytest, in a repository of its own: what passes, what fails, and what the report says."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

import worlds

ROOT = Path(__file__).parents[1]
NAME = "backslide.jobs.pytest_plugin"
TESTS = """
OTHER = {"prediction": "other", "scores": {}}

def test_passes(assert_not_worse):
    assert assert_not_worse(OTHER).verdict == "new_better"

def test_fails(assert_not_worse):
    assert_not_worse(new=OTHER, data="rows.parquet")
"""
CONFIG = """
[model]
label = "label"
prediction = "prediction"
timestamp = "served_at"
features = ["income", "age"]
[windows]
current = "rows.parquet"
"""


def test_it_is_the_plug_in_that_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"backslide": NAME}
    assert callable(import_module(NAME).assert_not_worse)


def test_the_fixture_takes_its_settings_from_the_configuration(tmp_path: Path):
    rows, _ = worlds.two_months(np.random.default_rng(3), 700)
    half = np.random.default_rng(4).random(rows.height) < 0.5
    rows.with_columns(
        other=np.where(half, rows["label"].to_numpy(), np.where(rows["label"] == "yes", "no", "yes"))
    ).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "backslide.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nbackslide_config = backslide.toml\n", encoding="utf-8")
    (tmp_path / "test_models.py").write_text(TESTS, encoding="utf-8")
    installed = any(point.value == NAME for point in entry_points(group="pytest11"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junit-xml", "junit.xml"]
    command += [] if installed else ["-p", NAME]
    ran = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, timeout=600)
    assert "1 failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "old model is better" in ran.stdout
    said = {
        case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")}
        for case in ElementTree.parse(tmp_path / "junit.xml").iter("testcase")
    }
    assert said["test_passes"]["backslide.verdict"] == "new_better"
    assert said["test_fails"]["backslide.verdict"] == "old_better"
    assert said["test_fails"]["backslide.summary"]
