"""The environment of a user who typed `pip install backslide`: the wheel, the core dependencies, and nothing else.

Needs python3 alone. Builds the wheel, installs it into a new virtual environment, and there

1. runs the commands on small tables from CSV and from Parquet, and looks at exit codes and at the files written;
2. runs what needs an extra, and demands one line that says which ``pip install`` brings it;
3. adds what the tests themselves need, and runs the tests marked ``core``.

``--oldest`` does the same on the oldest declared version of every dependency (``tools/oldest.txt``).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST = ROOT / "tools" / "oldest.txt"
TABLES = ROOT / "tools" / "core_tables.py"
FOR_TESTS = ("pytest", "pytest-xdist", "hypothesis", "jsonschema")
"""Of the extra ``dev``: what the tests marked ``core`` import beside ourselves."""
MARK = "pytestmark = pytest.mark.core"
"""How a module says so: others, which may import more, are not even collected."""
SET_ASIDE = ("PYTHONPATH", "PYTHONWARNINGS", "PYTHONDONTWRITEBYTECODE")
"""Environment variables that commands do without; bytecode is kept because it is not made when packages are installed."""
ONE_AFTER_THE_OTHER = """
import io, json, sys
from contextlib import redirect_stderr
from backslide.cli import main
results = []
for arguments in json.loads(sys.argv[1]):
    with redirect_stderr(io.StringIO()) as stream:
        code = main(arguments)
    results.append((code, stream.getvalue()))
print(json.dumps(results))
"""
WARNING = re.compile(r"\b\w*Warning: ")


class FailedError(Exception):
    """Something is not as a user should find it."""


def declared() -> dict[str, list[str]]:
    """Requirements by extra, as ``pyproject.toml`` has them; those of the core under an empty name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"": project["dependencies"], **project["optional-dependencies"]}


def extras() -> list[str]:
    """The extras that users install: those that ``all`` brings."""
    (every,) = declared()["all"]
    return every.partition("[")[2].rstrip("]").split(",")


def distribution(requirement: str) -> str:
    """The normalised name of what is required."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


class Environment:
    """A virtual environment, and a folder in which commands run."""

    def __init__(self, place: Path, folder: Path) -> None:
        self.python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
        self.folder = folder

    def pip(self, *arguments: str) -> None:
        """Run pip, which tells only of errors."""
        told = self._run([str(self.python), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments])
        if told.returncode:
            raise FailedError(f"pip {' '.join(arguments)}:\n{told.stdout}{told.stderr}")

    def install(self, *requirements: str, oldest: bool) -> None:
        """Install, on the oldest declared versions where asked; compiling is left to the first import."""
        constraints = ["--only-binary", ":all:", "--constraint", str(OLDEST)] if oldest else []
        self.pip("install", "--no-compile", *requirements, *constraints)

    def installed(self) -> dict[str, str]:
        """Versions by normalised name."""
        told = self._run([str(self.python), "-m", "pip", "--disable-pip-version-check", "list", "--format=json"])
        return {distribution(one["name"]): one["version"] for one in json.loads(told.stdout)}

    def script(self, *arguments: str) -> None:
        """Run a script that must succeed."""
        told = self._run([str(self.python), *arguments])
        if told.returncode:
            raise FailedError(f"{arguments[0]}:\n{told.stdout}{told.stderr}")

    def backslide(self, *arguments: str, codes: Sequence[int] = (0,), writes: Sequence[str] = ()) -> str:
        """Run a command; returns what it printed.

        Raises:
            FailedError: another exit code, a traceback, a library's warning, or a file that is missing or empty.
        """
        words = "backslide " + " ".join(arguments)
        told = self._run([str(self.python.with_name("backslide")), *arguments])
        everything = told.stdout + told.stderr
        if told.returncode not in codes:
            raise FailedError(f"{words}: exit {told.returncode}, expected {codes}:\n{everything}")
        if "Traceback" in everything or "internal error" in everything or WARNING.search(told.stderr):
            raise FailedError(f"{words}: not for users:\n{everything}")
        for name in writes:
            path = self.folder / name
            if not path.is_file() or not path.stat().st_size:
                raise FailedError(f"{words}: did not write {name}")
        print(f"  {words}", flush=True)
        return told.stdout

    def lack(self, commands: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Run commands whose extra is not installed, one after the other in one process: each says so on one line that
        names the extra, and ends with exit code 2."""
        done = self._run([str(self.python), "-c", ONE_AFTER_THE_OTHER, json.dumps([given for _, given in commands])])
        if done.returncode:
            raise FailedError(f"commands without their extras:\n{done.stdout}{done.stderr}")
        for (extra, arguments), (code, text) in zip(commands, json.loads(done.stdout), strict=True):
            lines = text.strip().splitlines()
            if code != 2 or len(lines) != 1 or f"pip install 'backslide[{extra}]'" not in lines[0]:
                words = "backslide " + " ".join(arguments)
                raise FailedError(f"{words}: expected one line that names [{extra}], exit {code}:\n{text}")
            print(f"  {lines[0]}", flush=True)

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name not in SET_ASIDE}
        return subprocess.run(
            command, cwd=self.folder, env={**kept, "NO_COLOR": "1", "COLUMNS": "120"}, capture_output=True, text=True
        )


def build(folder: Path, oldest: bool, tests_only: bool) -> Environment:
    """A new environment with the wheel of this checkout and what it depends on; for ``tests_only`` what they need too."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    work = folder / "work"
    work.mkdir()
    environment = Environment(folder / "venv", work)
    environment.pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("backslide-*.whl")
    environment.install(str(wheel), *(for_tests() if tests_only else ()), oldest=oldest)
    return environment


def for_tests() -> list[str]:
    """What the tests marked ``core`` need beside ourselves."""
    wanted = [one for one in declared()["dev"] if distribution(one) in FOR_TESTS]
    assert len(wanted) == len(FOR_TESTS), wanted
    return wanted


def without_extras(environment: Environment) -> dict[str, str]:
    """Versions of what is there.

    Raises:
        FailedError: an optional dependency is among it, or what is there does not fit together.
    """
    present, requirements = environment.installed(), declared()
    core = {distribution(one) for one in requirements[""]}
    optional = {distribution(one) for extra in extras() for one in requirements[extra]}
    if not core <= set(present):
        raise FailedError(f"not installed: {sorted(core - set(present))}")
    found = sorted(optional & set(present))
    if found:
        raise FailedError(f"expected no optional dependency, got {', '.join(found)}: something of the core requires it")
    environment.pip("check")
    return {name: present[name] for name in sorted(core)}


def run_commands(environment: Environment) -> None:
    """What a user does in the first hour, from both kinds of file; two at a time."""
    environment.script(str(TABLES))
    for kind in ("csv", "parquet"):
        environment.backslide("init", f"log.{kind}", "--out", f"{kind}.toml", writes=[f"{kind}.toml"])
        environment.script(str(TABLES), f"{kind}.toml")
    jobs = (play_stories, compare_snapshots, diagnose_csv, diagnose_parquet)
    with ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(job, environment) for job in jobs]:
            job.result()


def play_stories(environment: Environment) -> None:
    """Both stories of the demo."""
    run = environment.backslide
    if "diagnose" not in run("--help"):
        raise FailedError("backslide --help does not name diagnose")
    run("--version")
    run("checks")
    run("demo", "--out", "letters", "--no-open", "-q", writes=["letters/report.html", "letters/shadow.html"])
    run("demo", "--story", "reader", "--out", "reader", "--no-open", "-q", writes=["reader/report.html"])


def compare_snapshots(environment: Environment) -> None:
    """A snapshot of each model; without PyYAML, keys of YAML files are not compared, and it says so."""
    for name in ("old", "new"):
        out = f"{name}.json"
        environment.backslide(
            "snapshot",
            "--model",
            f"{name}.joblib",
            "--data",
            "log.csv",
            "--config",
            "settings.yaml",
            "--out",
            out,
            "-q",
            writes=[out],
        )
        if "pip install 'backslide[yaml]'" not in (environment.folder / out).read_text(encoding="utf-8"):
            raise FailedError(f"{out} does not say that PyYAML is missing")
    environment.backslide(
        "integrity", "old.json", "new.json", "--json", "integrity.json", "-q", codes=[1], writes=["integrity.json"]
    )


def diagnose_parquet(environment: Environment) -> None:
    """The main job and the gate on a Parquet file: read by Polars, and handed to models without pyarrow as from CSV."""
    diagnosed(environment, "parquet")
    judged(environment, "parquet", "gate")


def diagnose_csv(environment: Environment) -> None:
    """The main jobs on a CSV file; then those for which the kind of file makes no difference any more."""
    diagnosed(environment, "csv")
    judged(environment, "csv", "shadow")
    judged(environment, "csv", "gate")
    rehearsed(environment, "csv")
    run, config = environment.backslide, "csv.toml"
    run("watch", config, "--replay", "-q", codes=[0, 1])  # without the extra only what is kept is missing
    run("retrain", config, "--diagnosis", "csv.json", "--registry", "models", "-q", codes=[0, 1])


def diagnosed(environment: Environment, kind: str) -> None:
    """Diagnose, and look at the answer: the model was exchanged."""
    run, wanted = environment.backslide, [f"{kind}.json", f"{kind}.html", f"{kind}.md"]
    out = ["--json", wanted[0], "--html", wanted[1], "--md", wanted[2], "-q"]
    run("diagnose", f"{kind}.toml", *out, codes=[1], writes=wanted)
    found = json.loads((environment.folder / wanted[0]).read_text(encoding="utf-8"))
    failed = [one["code"] for one in found["checks"] if one["status"] == "failed"]
    named = [one["kind"] for one in found["causes"]]
    if failed or named[:1] != ["model_change"]:
        raise FailedError(f"log.{kind}: expected model_change first and no failed check, got {named} and {failed}")
    page, charts = f"{kind}-again.html", f"{kind}-charts"
    run("report", wanted[0], "--html", page, "--charts", charts, writes=[page, f"{charts}/index.html"])


def rehearsed(environment: Environment, kind: str) -> None:
    """Faults done to the reference rows, as many as a few seconds allow."""
    out = f"{kind}-self.json"
    environment.backslide(
        "selftest",
        f"{kind}.toml",
        "--rows",
        "1000",
        "--columns",
        "1",
        "--minutes",
        "0.1",
        "--json",
        out,
        "-q",
        codes=[0, 1],
        writes=[out],
    )


def judged(environment: Environment, kind: str, job: str) -> None:
    """Both models on the same rows."""
    name, run = f"{kind}-{job}", environment.backslide
    files = [f"{name}.json", f"{name}.html"]
    run(job, f"{kind}.toml", "--json", files[0], "--html", files[1], "-q", codes=[1], writes=files)
    run("report", files[0], "--md", f"{name}.md", writes=[f"{name}.md"])


def run_without_extras(environment: Environment) -> None:
    """Every way of use that needs an extra, without it."""
    folder = environment.folder
    (folder / "table" / "_delta_log").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    for name in ("model.onnx", "model.skops", "model.json", "model.txt", "model.cbm", "labels.csv"):
        (folder / name).write_text("id,label\na,yes\n")
    config = (folder / "csv.toml").read_text(encoding="utf-8")
    (folder / "mlflow.toml").write_text(f'{config}\n[retrain]\nmlflow = "loans"\n', encoding="utf-8")
    diagnose = ("diagnose", "csv.toml", "-q")
    snapshot = ("snapshot", "--out", "c.json", "-q", "--model")
    log = ("--store", "served")
    environment.lack(
        [
            ("delta", (*diagnose, "--reference", "table")),
            ("delta", (*diagnose, "--current", "delta://table")),
            ("watch", (*diagnose, "--reference", "sqlite:///log.db#log")),
            ("watch", (*diagnose, "--reference", "postgresql://me:secret@host/db#log")),
            ("onnx", (*snapshot, "model.onnx")),
            ("skops", (*snapshot, "model.skops")),
            ("xgboost", (*snapshot, "model.json")),
            ("lightgbm", (*snapshot, "model.txt")),
            ("catboost", (*snapshot, "model.cbm")),
            ("mlflow", (*snapshot, "models:/loans/1")),
            ("mlflow", (*snapshot, ".")),
            ("mlflow", ("retrain", "mlflow.toml", "-q")),
            ("watch", ("watch", "csv.toml", "-q")),
            ("watch", ("watch", "csv.toml", "--test-alert", "-q")),
            ("watch", ("log", "rollup", *log)),
            ("watch", ("log", "ingest", "log.csv", "--model", "loans", *log)),
            ("watch", ("log", "compact", *log)),
            ("watch", ("log", "stats", *log)),
            ("watch", ("log", "export", "out.parquet", "--model", "loans", *log)),
            ("watch", ("log", "to-label", "out.csv", "--model", "loans", *log)),
            ("watch", ("log", "label", "labels.csv", "--model", "loans", *log)),
        ]
    )


def run_tests(environment: Environment) -> None:
    """The tests marked ``core``, of this checkout on what is installed."""
    set_aside = (*SET_ASIDE, "BACKSLIDE_CI", "BACKSLIDE_DATA")  # slow tests run where everything is installed
    kept = {name: value for name, value in os.environ.items() if name not in set_aside}
    files = sorted(
        str(path) for path in (ROOT / "tests").rglob("test_*.py") if MARK in path.read_text(encoding="utf-8")
    )
    options = ["-m", "core", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile"]
    told = subprocess.run([str(environment.python), "-m", "pytest", *options, *files], cwd=ROOT, env=kept)
    if told.returncode:
        raise FailedError(f"the tests marked core: exit {told.returncode}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Everything, or what the options leave of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--oldest", action="store_true", help="the oldest declared versions")
    parser.add_argument("--tests-only", action="store_true", help="the tests without the commands")
    chosen = parser.parse_args(arguments)
    begun = time.monotonic()

    def tell(words: str) -> None:
        print(f"[{time.monotonic() - begun:4.0f} s] {words}", flush=True)

    with tempfile.TemporaryDirectory(prefix="backslide-core-") as folder:
        try:
            tell("building the wheel and installing it")
            environment = build(Path(folder), chosen.oldest, chosen.tests_only)
            versions = without_extras(environment)
            tell("installed: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
            if not chosen.tests_only:
                run_commands(environment)
                tell("without the extras")
                run_without_extras(environment)
                environment.install(*for_tests(), oldest=chosen.oldest)
                without_extras(environment)
            tell("tests marked core")
            run_tests(environment)
        except FailedError as error:
            print(f"check_core: {error}", file=sys.stderr)
            return 1
    tell("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
