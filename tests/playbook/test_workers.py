"""Checks that another process does: the same outcomes, whatever happens to it, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

import worlds
from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.finding import Outcome
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.registry import all_checks
from backslide.playbook.runner import CheckRun, in_turn, run_check, run_checks
from backslide.playbook.workers import pool
from backslide.playbook.workers.parcel import pack, unpack
from backslide.playbook.workers.pool import WORKERS, workers

NUMERIC = ("income", "age", "premium")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """A boosted model, and a current window in which a column comes in another unit."""
    rng = np.random.default_rng(5)
    frames = [frame.with_columns(pl.col("premium").cast(pl.Int8)) for frame in worlds.two_months(rng, 900)]
    columns = dict(scenarios.ROLES) | {"features": NUMERIC}
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    model.fit(frames[0].select(NUMERIC).to_pandas(), frames[0]["label"].to_numpy())
    answers = []
    for frame, factor in zip(frames, (1.0, 12.0), strict=True):
        served = frame.with_columns(pl.col("income") * factor)
        score = model.predict_proba(served.select(NUMERIC).to_pandas())[:, 1]
        said = np.where(score >= 0.5, "yes", "no")
        answers.append(served.with_columns(pl.Series("prediction", said), pl.Series("p_yes", score)))
    return Scenario(answers[0], answers[1], columns, model)


def case_of(scenario: Scenario, workers: int = 2) -> Case:
    return worlds.case_of(scenario, engine={"workers": workers})


@pytest.fixture(scope="module")
def alone(scenario: Scenario) -> tuple[Outcome, ...]:
    return run_checks(case_of(scenario, workers=1))


def gone(process: int) -> bool:
    """Whether a process has ended, within the time that ending takes."""
    for _ in range(200):
        try:
            os.kill(process, 0)
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":  # ended; whoever collects it is no matter of ours
            return True
        time.sleep(0.05)
    return False


def test_a_worker_gives_the_outcomes_of_one_process(scenario: Scenario, alone: tuple[Outcome, ...]) -> None:
    case = case_of(scenario)
    with workers(case.settings, model=True, quick=False):
        (process,) = WORKERS.processes
        run = CheckRun(case)
        for worker in run.workers:
            worker.wait()
        done = set(run.answers)
        assert done == {check.code for check in run.checks if check.travels}
        assert run.finish() == alone
    assert gone(process)
    assert not WORKERS.processes


def test_both_processes_begin_with_what_takes_long_and_end_with_what_is_short() -> None:
    codes = in_turn(all_checks())
    assert sorted(codes) == sorted(check.code for check in all_checks())
    efforts = {check.code: check.effort for check in all_checks()}
    assert codes[0] == "VER007"
    assert codes[-4:] == ["CON001", "EXP001", "EXP002", "EXP003"]
    short = [code for code in codes if efforts[code] == 0]
    assert len(short) > len(codes) / 2
    assert short == [check.code for check in all_checks() if check.code in short]


def test_rows_are_answered_before_a_case_is_sent_only_where_that_tells_how_to_ask(scenario: Scenario) -> None:
    case = case_of(scenario)
    assert case.reference_model is not None
    assert case.reference_model.features is not None
    assert pack(case) is not None
    assert not case.reference_model.answers
    unnamed = case_of(scenario)
    assert unnamed.reference_model is not None
    unnamed.reference_model = replace(unnamed.reference_model, features=None)
    assert pack(unnamed) is not None
    assert unnamed.reference_model.answers


def test_ctrl_c_leaves_no_worker() -> None:
    processes: list[int] = []

    def interrupted() -> None:
        with workers(Settings.from_dict({"engine": {"workers": 3}}), model=True, quick=False):
            processes.extend(WORKERS.processes)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(processes) == 2
    assert all(map(gone, processes))


def test_a_worker_that_dies_changes_nothing(scenario: Scenario, alone: tuple[Outcome, ...]) -> None:
    case = case_of(scenario)
    with workers(case.settings, model=True, quick=False):
        run = CheckRun(case)
        run.workers[0].process.kill()
        assert run.finish() == alone


def test_a_worker_that_hangs_is_not_waited_for(
    scenario: Scenario, alone: tuple[Outcome, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PATIENCE_SECONDS", 0.1)
    case = case_of(scenario)
    with workers(case.settings, model=True, quick=False):
        WORKERS.started[0].process.send_signal(signal.SIGSTOP)
        assert CheckRun(case).finish() == alone


def test_a_worker_does_one_case_and_another_thread_goes_without(scenario: Scenario, alone: tuple[Outcome, ...]) -> None:
    case, other = case_of(scenario), case_of(scenario)
    with workers(case.settings, model=True, quick=False):
        first = CheckRun(case)
        with workers(other.settings, model=True, quick=False):
            second = CheckRun(other)
        assert (len(first.workers), len(second.workers)) == (1, 0)
        assert second.finish() == alone
        assert first.finish() == alone


def test_a_case_on_its_way_keeps_what_checks_read(scenario: Scenario, alone: tuple[Outcome, ...]) -> None:
    parcel = pack(case_of(scenario))
    assert parcel is not None
    there = unpack(parcel)
    by_code = {check.code: check for check in all_checks()}
    assert [run_check(by_code[o.code], there).outcome.status for o in alone[:12]] == [o.status for o in alone[:12]]


@pytest.mark.parametrize("model", [lambda frame: np.zeros(len(frame)), scenarios.TrueModel()])
def test_the_users_own_code_is_not_loaded_twice(scenario: Scenario, model: object) -> None:
    own = Scenario(scenario.reference, scenario.current, scenario.model, model)
    assert pack(case_of(own)) is None


def test_what_ends_a_run_ends_it_in_a_worker_too(scenario: Scenario) -> None:
    case = case_of(scenario, workers=1)
    run = CheckRun(case, quick=True)
    run.answers[run.asked[0].code] = KeyError("said over there")
    with pytest.raises(KeyError, match="said over there"):
        run.finish()


def test_no_worker_is_left_by_a_process_that_is_killed() -> None:
    start = (
        "import os, signal, time; from backslide.playbook.workers.pool import WORKERS; WORKERS.start(1);"
        "print(WORKERS.processes[0], flush=True); time.sleep(0.2); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert gone(int(done.stdout))


def test_a_worker_is_started_only_where_it_may_pay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[int] = []
    monkeypatch.setattr(WORKERS, "start", started.append)
    monkeypatch.delenv(pool.VARIABLE)
    monkeypatch.setattr(pool, "processors", lambda: 2)
    small, large = tmp_path / "small.parquet", tmp_path / "large.parquet"
    small.write_bytes(b"0")
    large.write_bytes(bytes(pool.LEAST_BYTES))
    for load, window, model, quick in (
        (0.5, large, True, False),
        (0.5, small, True, False),
        (0.5, large, False, False),
        (0.5, large, True, True),
        (2.5, large, True, False),
        (0.5, pl.DataFrame({"x": [1.0]}), True, False),
    ):
        monkeypatch.setattr(pool, "load", lambda load=load: load)
        with workers(Settings(), window, model=model, quick=quick):
            pass
    assert started == [1, 0, 0, 0, 0, 0]


def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pool.VARIABLE, "two")
    text = "BACKSLIDE_WORKERS: expected a number of processes such as 2, got 'two'"
    with pytest.raises(ConfigError, match=text), workers(Settings(), model=True, quick=False):
        pass
