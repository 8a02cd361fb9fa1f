"""A short run of the fuzz suite over every command, and configurations by Hypothesis; ``make fuzz`` is the long one.

A case that breaks is played again with ``python tests/fuzz/run.py --only SEED``.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import fuzz_faults
import numpy as np
import pytest
from fuzz_cases import CASES, commands
from fuzz_processes import case_of, run_apart
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


def test_any_faults_may_follow_each_other():
    frame = fuzz_faults.wide(np.random.default_rng(9), 120, datetime(2026, 3, 1), timedelta(minutes=18))
    for seed in range(300):
        chance, broken = random.Random(seed), frame
        for _ in range(3):
            broken = chance.choice(fuzz_faults.FAULTS)(broken, chance)
        assert set(frame.columns) <= set(broken.columns)


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


def test_a_process_that_ends_without_a_word_is_no_answer(tmp_path):
    for end, code in ((lambda: os.kill(os.getpid(), 9), -9), (lambda: os._exit(7), 7), (lambda: sys.exit(0), 99)):
        outcome, _ = run_apart(end, tmp_path)
        assert outcome.code == code
        assert judge(tmp_path, outcome, 0.0) is not None


@pytest.mark.slow
def test_a_run_that_was_ended_goes_on_where_it_stopped(tmp_path):
    results = tmp_path / "results.jsonl"
    command = [sys.executable, Path(__file__).with_name("run.py"), "--seed", "3", "--results", results]
    first = subprocess.run([*command, "--cases", "3"], capture_output=True, text=True, timeout=300)
    assert (first.returncode, first.stderr) == (0, "")
    lines = results.read_text().splitlines()
    results.write_text(
        "\n".join([*lines[:2], lines[2][:30], lines[0].replace('"generator": "', '"generator": "x'), ""])
    )
    second = subprocess.run([*command, "--cases", "4", "--jobs", "2"], capture_output=True, text=True, timeout=300)
    assert second.returncode == 0
    assert "2 cases of" in second.stdout
    assert "4 cases, 0 broke a promise" in second.stdout
    generator = lines[0].rpartition('"generator": "')[2].removesuffix('"}')
    played = [case.seed for line in results.read_text().splitlines() if (case := case_of(line, generator))]
    assert sorted(played) == [3_000_000, 3_000_001, 3_000_002, 3_000_003]
