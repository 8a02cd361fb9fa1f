"""Every command line of ours in README and docs is one that the real command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from backslide.cli.app import app

pytestmark = pytest.mark.core

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TAIL = (";", "|", "||", "&&", "&", ">", ">>", "#")
"""What ends a command in a shell."""
COMMAND = typer.main.get_command(app)


def typed(page: str) -> list[str]:
    """Command lines in fenced blocks."""
    lines = [line.removeprefix("$ ") for _, text in FENCE.findall(page) for line in text.splitlines()]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [line for line in joined if re.match(r"backslide [a-z-]", line)]


def mentioned(page: str) -> list[str]:
    """Command lines in running text, which may leave things out."""
    spans = re.findall(r"`([^`]+)`", FENCE.sub("", page))
    return [" ".join(span.split()) for span in spans if re.match(r"backslide\s+[a-z-]", span)]


def complaint(line: str, *, whole: bool) -> str:
    """What the command line says against it, without running it; empty where it takes it.

    ``whole``: nothing that is required may be missing.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&>")
    lexer.whitespace_split = True
    words = list(lexer)[1:]
    words = words[: next((i for i, word in enumerate(words) if word in TAIL), len(words))]
    words = [word.strip("[]") for word in words if word != "..."]
    command: Any = COMMAND
    while words and hasattr(command, "commands"):
        if words[0] in ("--help", "--version", "-h"):
            return ""
        if words[0].startswith("-") and command.invoke_without_command:
            break
        if words[0] not in command.commands:
            return f"no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands") and not words:
        return "" if not whole or command.invoke_without_command else "no command is named"
    try:
        command.make_context(command.name, words)
    except Exception as error:  # the classes are those of click or of Typer's copy of it, depending on its version
        missing = type(error).__name__ == "MissingParameter" or "requires an argument" in str(error)
        return "" if missing and not whole else f"{type(error).__name__} {getattr(error, 'message', error)}"
    return ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("backslide diagnose backslide.toml --json why.json; echo $?", ""),
        ("backslide log rollup --store log", ""),
        ("backslide --version", ""),
        ("backslide diagnoze", "no command 'diagnoze'"),
        ("backslide log rolup", "no command 'rolup'"),
        ("backslide diagnose --jsn why.json", "--jsn"),
        ("backslide snapshot --out v1.json", "MissingParameter"),
        ("backslide selftest --rows many", "BadParameter"),
        ("backslide init a.csv b.csv", "b.csv"),
    ],
)
def test_a_line_that_would_not_run_is_found(line: str, said: str):
    assert said in complaint(line, whole=True)
    assert bool(complaint(line, whole=True)) == bool(said)


def test_every_command_line_is_one():
    lines = {page: (typed(text), mentioned(text)) for page in PAGES for text in [page.read_text(encoding="utf-8")]}
    assert sum(len(block) for block, _ in lines.values()) > 20
    assert sum(len(inline) for _, inline in lines.values()) > 30
    wrong = [
        f"{page.relative_to(ROOT)}: {line}: {said}"
        for page, (block, inline) in lines.items()
        for whole, found in ((True, block), (False, inline))
        for line in found
        if (said := complaint(line, whole=whole))
    ]
    assert wrong == []


def test_options_that_a_row_of_the_readme_names_are_options_of_its_command():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `backslide ([a-z-]+)(.*)$", readme, re.MULTILINE)
    assert len(rows) >= 14
    for name, rest in rows:
        command: Any = COMMAND.commands[name]
        commands = [command, *getattr(command, "commands", {}).values()]
        known = {option for one in commands for param in one.params for option in param.opts}
        assert set(re.findall(r"(?<!\w)--[a-z][a-z-]*", rest)) <= known, name
