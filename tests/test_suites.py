"""The rules of conftest.py: what skips where, and that continuous integration notices a silent skip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

BROKEN = ("FAILED", "ERROR")
"""Either ends the run; a skip before the test itself began is reported as an error of its set-up."""

SUITE = """
import pytest

@pytest.mark.data
def test_data(real_data):
    assert real_data.is_dir()

@pytest.mark.slow
def test_slow():
    pass

@pytest.mark.browser
def test_browser():
    pytest.skip("the browser is having a day off")

@pytest.mark.postgres
def test_postgres():
    pytest.skip("the server is having a day off")

@pytest.mark.data
@pytest.mark.xfail(strict=True)
def test_known_failure(real_data):
    raise AssertionError

def test_plain():
    pytest.skip("skips anywhere")
"""


@pytest.fixture
def outcomes(tmp_path):
    """Run the little suite with these environment variables; returns test -> outcome."""
    here = Path(__file__).parent
    for name in ("conftest.py", "servers.py"):
        shutil.copy(here / name, tmp_path / name)
    shutil.copy(here.parent / "pyproject.toml", tmp_path / "pyproject.toml")
    (tmp_path / "test_little.py").write_text(SUITE, encoding="utf-8")
    (tmp_path / "chromium").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "chromium").chmod(0o755)

    def run(browser: bool = True, **variables: str) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("BACKSLIDE", "PYTEST"))}
        clean["PATH"] = str(tmp_path) if browser else str(tmp_path / "nowhere")
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "test_little.py"],
            cwd=tmp_path,
            env=clean | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line.split() for line in ran.stdout.splitlines() if "test_little.py::" in line and "%" in line]
        return {words[0].split("::")[1]: words[1] for words in lines}

    return run


def test_a_newcomer_without_the_data(outcomes):
    assert outcomes() == {
        "test_data": "SKIPPED",
        "test_slow": "SKIPPED",
        "test_browser": "SKIPPED",
        "test_postgres": "SKIPPED",
        "test_known_failure": "SKIPPED",
        "test_plain": "SKIPPED",
    }


@pytest.mark.slow
def test_where_the_data_is_at_hand(outcomes, tmp_path):
    found = outcomes(BACKSLIDE_DATA=str(tmp_path))
    assert found["test_data"] == found["test_slow"] == "PASSED"
    assert found["test_known_failure"] == "XFAIL"
    assert found["test_browser"] == "SKIPPED"


def test_skips_that_hide_something_fail_in_continuous_integration(outcomes, tmp_path):
    found = outcomes(BACKSLIDE_CI="1", BACKSLIDE_DATA=str(tmp_path))
    assert found["test_browser"] in BROKEN
    assert found["test_postgres"] in BROKEN
    assert found["test_known_failure"] == "XFAIL"
    assert found["test_plain"] == "SKIPPED"
    assert outcomes(browser=False, BACKSLIDE_CI="1")["test_browser"] in BROKEN


@pytest.mark.slow
def test_continuous_integration_without_the_data_runs_the_rest(outcomes):
    found = outcomes(BACKSLIDE_CI="1")
    assert found["test_data"] == "SKIPPED"
    assert found["test_slow"] == "PASSED"


@pytest.mark.slow
def test_continuous_integration_with_a_wrong_path_to_the_data_fails(outcomes):
    assert outcomes(BACKSLIDE_CI="1", BACKSLIDE_DATA="/nowhere")["test_data"] in BROKEN


def test_helpers_of_tests_have_names_of_their_own():
    """Folders of tests without ``__init__.py`` share one path of modules: of two of a name only one is ever imported."""
    folder = Path(__file__).parent
    loose = [path for path in folder.rglob("*.py") if not (path.parent / "__init__.py").exists()]
    names = Counter(path.stem for path in loose if path.stem != "conftest")
    assert [name for name, count in names.items() if count > 1] == []
