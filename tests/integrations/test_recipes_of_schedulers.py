"""Each recipe looks at a quiet model and at one that broke, in its scheduler's newest release: it tells the two apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from integrations.environments import ROOT, python_with
from streams_of_logs import watched_project

PACKAGES = {"airflow": "apache-airflow", "dagster": "dagster", "prefect": "prefect"}


@pytest.mark.parametrize("broken", [False, True], ids=["quiet", "broken"])
@pytest.mark.parametrize("name", PACKAGES)
def test_the_recipe_tells_an_alarm_from_a_quiet_model(name: str, broken: bool, tmp_path: Path):
    python = python_with(PACKAGES[name])
    watched_project(tmp_path, broken=broken)
    # The command alone is ours: an environment of its own, as where a scheduler calls it.
    command = tmp_path / "backslide"
    source = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH="{source}" exec "{sys.executable}" -m backslide "$@"\n', encoding="utf-8"
    )
    command.chmod(0o755)
    own = {
        "BACKSLIDE_COMMAND": str(command),
        "BACKSLIDE_PROJECT": str(tmp_path),
        "BACKSLIDE_RETRIES": "0",
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "recipes" / "airflow"),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PYTHONPATH": str(ROOT / "recipes" / name),
    }
    script = Path(__file__).with_name(f"look_with_{name}.py")
    done = subprocess.run(
        [python, script], env={**os.environ, **own}, cwd=tmp_path, capture_output=True, text=True, timeout=900
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    assert len(answers) == 1, done.stdout[-3000:] + done.stderr[-3000:]
    assert answers[0].startswith("ANSWER alarm" if broken else "ANSWER good")
