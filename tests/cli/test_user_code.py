"""Code of the user's own as an adversary writes it: it ends the process, prints, moves, hangs. The exit code never lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from backslide.contracts.config import Settings

CONFIG = """\
[model]
label = "label"
prediction = "prediction"
timestamp = "served_at"
features = ["income", "age"]
{model}
[windows]
reference = "reference.parquet"
current = "current.parquet"
[artifacts]
trusted = {trusted}
{artifacts}
[engine]
sample_rows = 400
bootstrap = 50
model_timeout = {timeout}
"""
HONEST = """\
def score(frame):
    {}
    return ["default" if x > 0 else "paid" for x in frame["income"]]
"""


def write_rows(folder, n=400):
    for name, month in (("reference", 3), ("current", 4)):
        rng = np.random.default_rng(month)
        income = rng.normal(size=n)
        frame = pl.DataFrame(
            {
                "served_at": [datetime(2026, month, 1) + timedelta(hours=i) for i in range(n)],
                "income": income,
                "age": rng.integers(18, 80, n),
                "prediction": np.where(income > 0, "default", "paid"),
                "label": np.where(income + rng.normal(size=n) / 2 > 0, "default", "paid"),
            }
        )
        frame.write_parquet(folder / f"{name}.parquet")


@pytest.fixture
def run(backslide, tmp_path):
    """Diagnose with a module ``own.py`` beside the configuration."""

    def diagnose(code, *options, model="", artifacts='reference_model = "own:score"', trusted="true", timeout=60):
        write_rows(tmp_path)
        (tmp_path / "own.py").write_text(code, encoding="utf-8")
        config = CONFIG.format(model=model, artifacts=artifacts, trusted=trusted, timeout=timeout)
        (tmp_path / "backslide.toml").write_text(config, encoding="utf-8")
        return backslide("diagnose", "-q", "--quick", *options)

    return diagnose


ENDS = ("raise SystemExit(0)", "__import__('sys').exit(0)", "__import__('os')._exit(0)", "raise GeneratorExit")


@pytest.mark.sample(1)
@pytest.mark.parametrize("end", ENDS)
def test_code_that_ends_the_process_at_import_is_an_error(run, end):
    run(f"{end}\n{HONEST.format('pass')}").fails("own:score", "importing 'own' failed")


@pytest.mark.sample(1)
@pytest.mark.parametrize("end", ENDS)
def test_a_model_that_ends_the_process_has_no_say_and_the_answer_says_so(run, end):
    result = run(HONEST.format(end), "--json", "-")
    assert result.code == 0
    assert any("fails on" in note for note in json.loads(result.out)["inputs"]["notes"]), result.out


def test_a_metric_that_ends_the_process_is_an_error(run):
    run("def own(labels, predictions):\n    raise SystemExit(0)\n", model='metric = "own:own"', artifacts="").fails(
        "own:own", "asked to end the process"
    )


def test_whatever_escapes_from_a_check_ends_with_2(backslide, monkeypatch, tmp_path):
    def escape(*_, **__):
        raise BaseException("a panic")

    monkeypatch.setattr(Settings, "load", escape)
    result = backslide("diagnose")
    assert (result.code, result.out) == (2, "")
    assert "a panic" in result.err


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "harm",
    [
        "print('noise')",
        "__import__('os').chdir('/')",
        "__import__('sys').stdout.close()",
        "__import__('warnings').simplefilter('error')",
        "__import__('numpy').random.seed(1); __import__('random').seed(1)",
    ],
)
def test_a_model_that_meddles_changes_nothing_in_the_answer(run, tmp_path, harm):
    honest = run(HONEST.format("pass"), "--json", "-", "--html", "report.html")
    (tmp_path / "report.html").unlink()
    folder = os.getcwd()
    result = run(f"{harm}\n{HONEST.format(harm)}", "--json", "-", "--html", "report.html")
    assert result.code == honest.code == 0
    one, other = json.loads(honest.out), json.loads(result.out)
    assert one["inputs"].pop("made")
    assert other["inputs"].pop("made")
    assert one == other
    assert os.getcwd() == folder
    assert (tmp_path / "report.html").exists()


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "hang", ["__import__('time').sleep(600)", "while True: pass", "__import__('threading').Event().wait()"]
)
def test_a_model_that_does_not_return_is_stopped(run, hang):
    start = time.monotonic()
    run(HONEST.format(hang), timeout=0.5).fails("model own:score", "did not return within 0.5 s", "model_timeout")
    assert time.monotonic() - start < 300


def test_a_model_that_swallows_the_interruption_is_stopped(run):
    stubborn = """for k in range(2):
        try:
            __import__('time').sleep(600)
        except BaseException:
            pass"""
    run(HONEST.format(stubborn), timeout=0.5).fails("did not return within 0.5 s")


def test_a_module_that_hangs_while_it_is_imported_is_stopped(run):
    run("while True: pass\n", timeout=0.5).fails("importing own:score did not return")


@pytest.mark.slow
def test_native_output_and_native_hangs_in_a_process_of_their_own(tmp_path, run):
    """What nothing in Python can hold back: the descriptor itself, and a call that no signal interrupts."""
    run(HONEST.format("pass"))

    def command(code, *options):
        (tmp_path / "own.py").write_text(code, encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "backslide", "diagnose", "-q", "--quick", *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    noisy = command(HONEST.format("__import__('os').system('echo noise; echo noise >&2')"), "--json", "-")
    assert noisy.returncode == 0, noisy.stderr
    assert json.loads(noisy.stdout)["format"] == "backslide.diagnosis/1"
    assert "noise" in noisy.stderr
    asleep = "try:\n            while True: __import__('time').sleep(600)\n        except BaseException: pass"
    stuck = HONEST.format(f"while True:\n        {asleep}")
    (tmp_path / "backslide.toml").write_text(
        (tmp_path / "backslide.toml").read_text().replace("model_timeout = 60", "model_timeout = 0.5")
    )
    ended = command(stuck)
    assert ended.returncode == 2, ended
    assert "did not return within 0.5 s" in ended.stderr
