"""The benchmarks run at tiny sizes and print their tables. What they take is not judged here."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from toy_bench import BENCHMARKS

import measure


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def once(module: ModuleType, task: str, arguments: tuple[object, ...]) -> Any:
    """A task as its process would do it, in this one."""
    with redirect_stdout(io.StringIO()) as stream:
        measure.run_task(module.TASKS[task], [str(argument) for argument in arguments])
    return measure.Run(**json.loads(stream.getvalue().splitlines()[-1]))


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A script and its tasks in this process: what they take is not judged here, so imports need not be paid again."""

    def run_script(script: str, *arguments: str) -> str:
        module = import_module(script.removesuffix(".py"))
        if hasattr(module, "child"):
            monkeypatch.setattr(module, "child", lambda _, task, *given: once(module, task, given))
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings are judged elsewhere
            module.main()
        return capsys.readouterr().out

    return run_script


def cells(printed: str) -> list[list[str]]:
    """The Markdown table without its rule, as stripped cells."""
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("| -")]


@pytest.mark.slow
def test_profile_scan_prints_every_pass(run_here):
    head, *rows = cells(run_here("profile_scan.py", "--rows", "3000", "--columns", "6", "--repeats", "1"))
    assert head == ["both windows", "seconds", "cpu s", "peak MB", "x bare scan"]
    assert [row[0] for row in rows] == [
        "bare scan of the features",
        "profile of the features",
        "drift checks",
        "bare scan of the whole log",
        "every check",
    ]
    # Of so few rows, with everything imported, a scan takes less than what two decimals show.
    assert all(float(row[1]) >= 0 and float(row[3]) > 10 and float(row[4]) > 0 for row in rows)
    assert [row[4] for row in rows if row[0].startswith("bare")] == ["1", "1"]


@pytest.mark.slow
def test_text_checks_prints_every_pass_and_flags_nothing(run_here):
    printed = run_here("text_checks.py", "--rows", "2000", "--repeats", "1")
    head, *rows = cells(printed)
    assert head == ["both windows", "seconds", "peak MB", "x bare scan"]
    assert len(rows) == 3
    assert "flagged: none" in printed


@pytest.mark.slow
def test_diagnose_scaling_prints_its_size_and_finds_the_fault(run_here):
    printed = run_here("diagnose_scaling.py", "--base", "1500", "8", "--rows", "--features")
    head, *rows = cells(printed)
    assert len(rows) == 1
    row = dict(zip(head, rows[0], strict=True))
    assert (row["rows"], row["features"]) == ("1,500", "8")
    assert row["first cause"] == "unit_change"  # else repair and injection were not measured
    assert row["x base"] == "1.00"
    assert all(float(row[name]) > 0 for name in ("fit s", "answers s", "fault s", "fault cpu s", "x fit", "peak MB"))


def test_time_goes_to_the_step_that_was_announced():
    from diagnose_scaling import by_step

    taken = by_step(
        [("", 0.0), ("drift: Scores", 1.0), ("drift: Dates", 3.0), ("explain: SHAP", 4.0), ("causes", 9.0), ("", 9.5)]
    )
    assert (taken["drift"], taken["explain"], taken["verify"], taken["the rest"]) == (3.0, 5.0, 0.0, 1.5)


def test_each_size_is_measured_once():
    from diagnose_scaling import sizes

    assert sizes([5, 10, 20], [2, 4], (10, 4)) == [(5, 4), (10, 4), (20, 4), (10, 2)]
    assert sizes([], [], (10, 4)) == [(10, 4)]


@pytest.mark.slow
def test_a_benchmark_that_fails_says_so():
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "profile_scan.py"), "--task", "bare", "all", "absent.parquet"],
        capture_output=True,
    )
    assert done.returncode != 0


def test_ratios_are_of_neighbours():
    runs = [measure.Run(seconds, 1.0) for seconds in (2.0, 9.0, 4.0)]
    yardsticks = [measure.Run(seconds, 1.0) for seconds in (1.0, 3.0, 4.0)]
    assert measure.median_ratio(runs, yardsticks) == 2.0  # of 2, 3 and 1
    assert measure.median_seconds(runs) == 4.0


def test_peak_memory_is_of_this_process():
    before = measure.peak_memory_mb()
    held = bytearray(200 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    assert measure.peak_memory_mb() >= before
    assert measure.peak_memory_mb() >= 200


@pytest.mark.slow
def test_verdict_power_prints_its_table():
    head, *rows = cells(run("power/verdict_power.py", "--runs", "1"))
    assert head[:2] == ["windows", "drop"]
    assert [row[1] for row in rows[:4]] == ["0 points", "1 points", "2 points", "5 points"]
    assert rows[3][-1] == "100%"


@pytest.mark.slow
def test_change_power_prints_its_table():
    head, *rows = cells(run("power/change_power.py", "--quick"))
    assert len(rows) == 2
    for row in rows:
        line = dict(zip(head, row, strict=True))
        assert float(line["x oracle"]) > 0.5
        assert 50 <= float(line["cover"].rstrip(" %")) <= 100


@pytest.mark.slow
def test_serving_guard_prints_its_tables(run_here):
    printed = run_here("serving_guard.py", "--calls", "10", "--columns", "5", "--cases", "frame, 1 row", "dictionary")
    head, row, _, *rest = cells(printed)
    line = dict(zip(head, row, strict=True))
    assert float(line["unguarded µs"]) > 0
    assert [cell[0] for cell in rest] == ["columns", "10", "200"]
    assert all(float(cell[2]) < 1 for cell in rest[1:])


@pytest.mark.slow
def test_the_benchmarks_of_the_log_print_their_tables():
    pytest.importorskip("deltalake")
    head, *rows = cells(run("recorder.py", "--records", "2000", "--repeats", "1"))
    assert head == ["a call, µs", "p50", "p99"]
    assert [row[0] for row in rows] == ["record", "json.dumps and write"]
    head, *rows = cells(run("log_reading.py", "--rows", "2000", "--days", "2", "--repeats", "1"))
    assert head == ["what", "seconds", "peak MB", "times plain Parquet"]
    assert len(rows) == 5
    printed = run("log_crashes.py", "--writers", "1", "--records", "500", "--kills", "2", "--seconds", "3")
    assert "lost 0, doubled 0, other values 0, lines left over 0" in printed


@pytest.mark.slow
def test_large_files_are_made_and_measured(tmp_path):
    sizes = ("--gigabytes", "0.001", "--rows", "1_000_000")
    lines = cells(run("large_files.py", str(tmp_path), *sizes, "--only", "init", "log profile"))
    table = {(command, form): rest for command, form, *rest in lines if command != "command"}
    forms = ("CSV, 0.0 GB", "Parquet, 1 million rows")
    assert set(table) == {(command, form) for command in ("`init`", "`log profile`") for form in forms}
    assert all(code == "0" and 20 < float(peak.replace(",", "")) < 4000 for code, peak, *_ in table.values())


@pytest.mark.slow
def test_a_commit_stands_beside_an_earlier_one():
    """Here beside itself."""
    printed = run("earlier_commit.py", str(BENCHMARKS.parent), "--rows", "400", "--features", "5", "--repeats", "1")
    lines = cells(printed)
    assert [line[0] for line in lines[1:]] == ["earlier", "now, workers = 1", "now, workers = 2", "now, --quick"]
    assert lines[1][3:] == ["1.00", "1.00"]
    assert all(float(line[2]) > 0 for line in lines[1:])


@pytest.mark.slow
def test_diagnose_growth_prints_each_size_once_and_finds_the_fault(run_here):
    head, *rows = cells(run_here("diagnose_growth.py", "--rows", "3000", "--classes", "3", "2", "--days", "12"))
    assert [row[:2] for row in rows] == [["2", "30"], ["3", "30"], ["2", "12"]]
    assert [row[-1] for row in rows] == ["unit_change"] * 3  # else repair and injection were not measured
    assert rows[0][head.index("x base")] == "1.00"


@pytest.mark.slow
def test_watch_day_looks_at_one_new_day_in_each_way():
    head, *rows = cells(run("watch_day.py", "--rows", "400", "--days", "40", "--repeats", "1"))
    assert head == ["look", "days", "seconds", "processor s", "peak MB"]
    assert [row[0] for row in rows] == [
        "profiles of the reference, once",
        "a new day, against rows",
        "nothing new, against rows",
        "a new day, against profiles",
        "a new day profiled, then no row read",
    ]
    assert all(float(row[3]) > 0 and float(row[4]) > 50 for row in rows)


@pytest.mark.slow
def test_diagnose_rows_prints_each_process_and_the_model_tells_the_fault():
    head, *rows = cells(run("diagnose_rows.py", "--rows", "5000", "--features", "8"))
    assert head[:4] == ["whole process", "seconds", "processor s", "x bare scan"]
    assert [row[0] for row in rows] == [
        "bare scan of the features",
        "drift, no more than a prediction logged",
        "diagnosis without a model",
        "diagnosis with a boosted model",
    ]
    assert rows[3][-1] == "unit_change"
