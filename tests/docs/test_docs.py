"""The documentation is run: no stale page, no dead link, no example that does not work."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import build_docs
import jsonschema
import pytest

import commands
from backslide.contracts.cause import CauseKind

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PROSE = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> Iterator[tuple[str, str, int]]:
    """Language, text and line number of each fenced block."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield match[1], match[2], text[: match.start()].count("\n") + 2


def run_console(block: str, folder: Path) -> None:
    """Run each ``$`` line; lines below it must all be printed, ``...`` stands for anything."""
    typed: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            typed.append((line.removeprefix("$ "), []))
        elif line != "..." and line:
            typed[-1][1].append(line)
    for command, wanted in typed:
        code, text = run_line(command, folder)
        assert code == 0, f"{command}: exit {code}\n{text}"
        for line in wanted:
            assert line in text.splitlines(), f"{command}: expected to print {line!r}, printed\n{text}"


def run_line(command: str, folder: Path) -> tuple[int, str]:
    """Exit code and output of a line; ``backslide`` runs in this process, everything else in a shell."""
    if match := re.fullmatch(r"backslide ([^;|&]*)(; echo \"exit code \$\?\"| \|\| true)?", command):
        done = commands.backslide(folder, *shlex.split(match[1]))
        if match[2] is None:
            return done.code, done.out + done.err
        return 0, f"{done.out}{done.err}exit code {done.code}\n"
    command = re.sub(r"^python ", lambda _: f"{shlex.quote(sys.executable)} ", command)
    ran = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("ci.md", 2),
        ("segments.md", 2),
        ("shadow.md", 4),
        ("integrity.md", 6),
        ("embeddings.md", 2),
        ("log.md", 4),
        ("models.md", 6),
        *(
            pytest.param(name, least, marks=pytest.mark.slow)
            for name, least in (
                ("tutorial.md", 9),
                ("tutorial-letters.md", 8),
                ("quick-looks.md", 6),
                ("retrain.md", 6),
                ("watching.md", 5),
            )
        ),
        # MLflow warns of its dependencies:
        pytest.param("integrations.md", 9, marks=(pytest.mark.slow, pytest.mark.filterwarnings("ignore"))),
        pytest.param("tutorial-news.md", 4, marks=pytest.mark.data),
    ],
)
def test_the_examples_run(name: str, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    page, namespace, ran = DOCS / name, {"__name__": "example"}, 0
    for language, text, line in blocks(page):
        if language == "python":
            exec(compile("\n" * (line - 1) + text, str(page), "exec"), namespace)
        elif language == "console":
            run_console(text, tmp_path)
        ran += language in ("python", "console")
    assert ran >= least


def test_a_console_block_that_lies_is_caught(tmp_path: Path):
    run_console("$ echo yes\nyes\n$ echo no; echo maybe\n...\nmaybe\n", tmp_path)
    with pytest.raises(AssertionError, match="expected to print"):
        run_console("$ echo yes\nno\n", tmp_path)
    with pytest.raises(AssertionError, match="exit 3"):
        run_console("$ exit 3\n", tmp_path)


def test_python_blocks_are_python():
    for page in PROSE:
        for language, text, line in blocks(page):
            if language == "python":
                compile("\n" * (line - 1) + text, str(page), "exec")


def test_readme_names_every_command():
    from backslide.cli.app import app

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    names |= {group.name for group in app.registered_groups}
    named = set(re.findall(r"^\| `backslide (\w+)", readme, re.MULTILINE))
    assert named == names


def test_architecture_names_every_folder_of_the_tree():
    tree = next(text for _, text, _ in blocks(DOCS / "architecture.md") if "src/backslide/" in text)
    package = ROOT / "src" / "backslide"
    parts = [path for path in package.iterdir() if path.name not in ("__pycache__", "py.typed", "__main__.py")]
    for path in parts:
        assert path.name + ("/" if path.is_dir() else "") in tree, f"{path.name} is missing from docs/architecture.md"
    for name in re.findall(r"^\s+(\w+)/", tree, re.MULTILINE):
        assert any(path.is_dir() for path in package.rglob(name)), f"{name}/ is in docs/architecture.md only"


def test_layers_are_the_same_in_prose_and_in_the_linter():
    import tomllib

    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [name.replace("backslide.", "") for name in linter["contracts"][0]["layers"]][::-1]
    line = " <- ".join(layers)
    for page in (DOCS / "architecture.md", ROOT / "AGENTS.md"):
        assert line in page.read_text(encoding="utf-8"), f"{page.name}: expected {line}"


def test_generated_pages_are_up_to_date():
    assert build_docs.stale(DOCS, build_docs.pages()) == [], "run `make docs`"


def test_staleness_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    wanted = build_docs.pages()
    build_docs.write(tmp_path, wanted)
    assert build_docs.main(["--check", "--docs", str(tmp_path)]) == 0
    (tmp_path / "checks" / "index.md").write_text("old")
    (tmp_path / "checks" / "OLD001.md").write_text("gone")
    (tmp_path / "diagnosis.schema.json").unlink()
    assert build_docs.main(["--check", "--docs", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "stale: checks/index.md" in said
    assert "left over: checks/OLD001.md" in said
    assert "missing: diagnosis.schema.json" in said
    build_docs.write(tmp_path, wanted)
    assert build_docs.stale(tmp_path, wanted) == []


def test_every_kind_of_cause_is_in_the_index():
    index = build_docs.pages()["causes/index.md"]
    for kind in CauseKind:
        assert re.search(rf"\b{kind.value}\b", index)


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", sorted(build_docs.FORMATS))
def test_the_published_schema_is_a_schema_and_is_the_format(name):
    schema = json.loads((DOCS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == build_docs.FORMATS[name].json_schema()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"format": f"backslide.{name}/2"}, schema)
