"""A short run of the fuzz suite over every command, and configurations by Hypothesis; ``make fuzz`` is the long one.

A case that breaks is played again with ``python tests/fuzz/run.py --only SEED``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_cases import CASES, commands
from fuzz_spoilers import KEYS, VALUES
from fuzz_stage import CONFIG, toml
from fuzz_verdicts import judge, play
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands import backslide

# Hostile input makes libraries warn; what counts is how the command ends.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("contained")]


CONVERSATIONS = {("mcp",), ("serve",)}
"""Commands that answer questions until they are ended: tests/cli/test_mcp.py and tests/server ask hostile ones."""


def test_every_command_is_fuzzed():
    assert set(commands()) == set(CASES) | CONVERSATIONS


@pytest.mark.slow
@pytest.mark.parametrize("command", CASES, ids=" ".join)
def test_a_few_cases_of_every_command(prepared, command):
    for seed in (11, 12):
        _, _, failure = play(seed, prepared, command)
        assert failure is None, failure


@pytest.mark.slow
def test_configurations(prepared, tmp_path):
    folder = Path(shutil.copytree(prepared, tmp_path / "project"))
    keys = st.sampled_from([key for key in KEYS if key[0] != "checks"])
    values = st.one_of(
        st.sampled_from(VALUES), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers(), max_size=3)
    )

    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(keys, values), min_size=1, max_size=2), st.sampled_from(["shadow", "gate", "watch"]))
    def holds(changes, command):
        tables = {name: dict(section) for name, section in CONFIG.items()}
        for (section, *path), value in changes:
            table = tables.setdefault(section, {})
            for part in path[:-1]:
                table = table.setdefault(part, {})
            table[path[-1]] = value
        (folder / "backslide.toml").write_text(toml(tables), encoding="utf-8", errors="surrogatepass")
        assert judge(folder, backslide(folder, command, "-q"), 0.0) is None

    holds()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["gate", "-q"], ["report", "diagnosis.json", "--html", "out.html"], ["log", "rollup", "--store", "/proc"]],
)
def test_a_process_of_its_own_keeps_the_same_promises(prepared, tmp_path, arguments):
    folder = Path(shutil.copytree(prepared, tmp_path / "project"))
    done = subprocess.run(
        [sys.executable, "-m", "backslide", *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode in (0, 1, 2)
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
