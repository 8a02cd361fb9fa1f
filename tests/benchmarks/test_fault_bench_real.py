"""The fault bench on the real sets: the command runs and resumes, and on a subset the faults are named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from toy_bench import BENCHMARKS

from faults import report, run
from faults.cells import QUIET, Case, every_case
from faults.play import play
from faults.records import read
from faults.sets import LOOKED_AT
from faults.stage import stage
from scale import AT_FULL_SIZE, runs

pytestmark = pytest.mark.data
SUBSET = (
    "unit_change",
    "missing_values",
    "default_value",
    "frozen_feature",
    "clipped_range",
    "swapped_columns",
    "category_recode",
    "threshold_change",
)
CASES, PAIRS = runs(10, 24), runs(4, 12)
NAMED = 0.7
"""Below what the whole bench asks (95 %): of so few cases a few more than one may be the hard ones."""


def test_the_command_runs_and_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    out = tmp_path / "results.jsonl"
    arguments = [
        "--sets",
        "electricity",
        "--kinds",
        "missing_values",
        "--conditions",
        "all",
        "--quick",
        "--out",
        str(out),
    ]
    for done in (1, 2):
        monkeypatch.setattr(sys, "argv", ["run.py", *arguments, "--limit", "1", "--cache", str(tmp_path / "models")])
        run.main()
        assert len(read(out)) == done
    assert f"{done - 1} of them done before" in capsys.readouterr().err
    assert not [r for r in read(out) if "error" in r]
    assert "missing_values" in report.render(read(out), 5)
    assert len(json.loads(out.read_text().splitlines()[0])["windows"]) == 2


def test_unknown_sets_are_said_in_one_line():
    command = [sys.executable, str(BENCHMARKS / "faults" / "run.py"), "--sets", "electricty"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 1
    assert ran.stderr.strip().splitlines()[-1].startswith("expected looked-at, held-out")


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("name", LOOKED_AT if AT_FULL_SIZE else LOOKED_AT[:1])
def test_every_kind_can_be_done_to_the_set(name):
    """Or there is no column for it; anything else is a fault of the bench."""
    seen = {}
    for case in every_case([name], rows=[1_000], seeds=[0]):
        if case.kind not in seen:
            try:
                seen[case.kind] = stage(case).faults
            except LookupError:
                seen[case.kind] = None
    assert sum(v is None for v in seen.values()) <= 1
    assert all(v for kind, v in seen.items() if kind != QUIET and v is not None)


@pytest.mark.slow
@pytest.mark.rates
def test_large_full_faults_are_named_and_quiet_pairs_are_left_alone(tmp_path: Path):
    cases = every_case(LOOKED_AT, kinds=SUBSET, rows=[1_000], seeds=[0], conditions=["all"])[:CASES]
    quiet = every_case(LOOKED_AT, kinds=[QUIET], rows=[1_000], seeds=[0])[:PAIRS]
    records = [play(case, cache=tmp_path) for case in (*cases, *quiet)]
    assert not [r for r in records if "error" in r]
    held = [(r, f) for r in records for f in r.get("faults", ()) if f["large"]]
    missed = [r["id"] for r, f in held if f["rank"] != 1]
    assert len(held) >= CASES // 3
    assert len(missed) <= (1 - NAMED) * len(held), missed
    accused = [
        Case.of(r["id"]).id for r in records if r["kind"] == QUIET and (r["false_causes"] or r["false_harmless"])
    ]
    assert len(accused) <= 1, accused
