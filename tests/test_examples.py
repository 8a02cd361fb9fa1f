"""Every example runs as it stands, says what its story is about, and is short enough to be read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
STORIES = {
    "scikit_learn/why.py": (0, "income is 12 times smaller than before", "where channel = 'app'", "undoing it brings"),
    "lightgbm_categories/why.py": (0, "The values of shop were permuted", "undoing it brings"),
    "text_topics/why.py": (
        0,
        "text is cut off after 40 characters",
    ),
    "weekly_regression/why.py": (0, "humidity is 100 times smaller than before where at >=", "of both windows"),
    "api_with_canary/watch.py": (0, "day 4: quiet\n", "day 5: alarm", "the model moved, not the world"),
    "scheduled_watch/nightly.py": (0, "exit code 0, nobody is called", "exit code 1, somebody is called"),
    "ci_gate/gate.py": (0, "Promote: accuracy"),
    "ci_gate/gate.py --worse": (1, "Roll back: accuracy"),
}
NEEDS = {"lightgbm_categories": "lightgbm", "api_with_canary": "sqlalchemy", "scheduled_watch": "sqlalchemy"}


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_it_tells_its_story(story: str, tmp_path: Path):
    if package := NEEDS.get(story.partition("/")[0]):
        pytest.importorskip(package)
    script, *options = story.split()
    code, *words = STORIES[story]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    command = [sys.executable, EXAMPLES / script, *options]
    ran = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, timeout=600)
    assert ran.returncode == code, ran.stdout + ran.stderr
    for said in words:
        assert said in ran.stdout


def test_examples_are_listed_run_and_short():
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__"}
    listed = {
        line.split("`")[1] for line in (EXAMPLES / "README.md").read_text().splitlines() if line.startswith("| `")
    }
    assert folders == listed == {story.partition("/")[0] for story in STORIES} | {"fastapi_service", "legal_desk_bert"}
    for path in EXAMPLES.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 60, path
