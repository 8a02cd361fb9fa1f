"""Virtual environments of the other side, one a package, kept between runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "build" / "integrations"
SWITCH = "BACKSLIDE_INTEGRATIONS"


def python_with(*requirements: str) -> Path:
    """Interpreter of an environment with these packages; skips where nobody asked for such."""
    if not os.environ.get(SWITCH):
        pytest.skip("installs packages: make test-integrations")
    name = requirements[0].split("[")[0].split("=")[0].split(">")[0]
    python = HERE / name / "bin" / "python"
    if not (HERE / name / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", HERE / name], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
        (HERE / name / ".ready").touch()
    return python


def run(python: Path, script: Path, folder: Path) -> None:
    """Run a script of the other side in a folder; without our own source on its path."""
    without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run([python, script], cwd=folder, env=without, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
