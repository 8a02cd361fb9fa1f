"""New checks and signatures: the files written pass the shared tests, and nothing else has to be touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import scaffold

from backslide.playbook.registry import all_checks

ROOT = Path(__file__).parents[2]
CHECK = ("check", "--step", "drift", "--name", "usual_size")
SIGNATURE = ("signature", "--name", "jumped_values", "--kind", "unit_change")


@pytest.fixture
def checkout(tmp_path):
    """A copy of sources and tests to write into."""
    for folder in ("src", "tests", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def write(checkout: Path, *arguments: str) -> int:
    return scaffold.main(["--root", str(checkout), *arguments])


def run(checkout: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=checkout, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout


def test_files_are_formatted_linted_and_said(checkout, capsys):
    for arguments in (CHECK, SIGNATURE):
        assert write(checkout, *arguments) == 0
    written = capsys.readouterr().out.split()
    assert written == [
        "src/backslide/playbook/drift/tabular/usual_size.py",
        "tests/playbook/test_usual_size.py",
        "src/backslide/causes/faults/signatures/jumped_values.py",
        "tests/causes/test_jumped_values.py",
    ]
    run(checkout, "ruff", "format", "--check", *written)
    run(checkout, "ruff", "check", *written)


@pytest.mark.parametrize("step", sorted(scaffold.PREFIXES))
def test_the_next_code_is_free(step):
    code = scaffold.next_code(ROOT, step)
    taken = {check.code for check in all_checks()}
    assert code not in taken
    assert re.fullmatch(r"[A-Z]{3}\d{3}", code)
    assert f"{code[:3]}{int(code[3:]) - 1:03d}" in taken


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "--step", "drift", "--name", "Usual"), "expected words such as"),
        (("check", "--step", "drift", "--name", "x/y"), "expected words such as"),
        (("signature", "--name", "jumped"), "no kind of cause; take one of added_noise"),
        (("signature", "--name", "sign_flip"), "is there already"),
    ],
)
def test_refusals_are_said(arguments, words, capsys):
    with pytest.raises(SystemExit):
        write(ROOT, *arguments)
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_the_shared_tests_pass_on_what_is_written(checkout):
    write(checkout, *CHECK)
    write(checkout, *SIGNATURE)
    code = scaffold.next_code(ROOT, "drift")
    battery = [f"tests/{path}" for path in ("playbook/test_battery.py", "causes/test_signature_battery.py")]
    own = ["tests/playbook/test_usual_size.py", "tests/causes/test_jumped_values.py"]
    chosen = (
        f"usual_size or {code} or JumpedValues or jumped_values or codes or titles or regression_runs or signatures"
    )
    said = run(checkout, "pytest", "-q", "-p", "no:cacheprovider", *own, *battery, "-k", chosen)
    assert "passed" in said
