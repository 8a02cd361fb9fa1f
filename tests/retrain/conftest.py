"""Run the command line in this process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from backslide.cli import main


@dataclass
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def backslide(capsys, monkeypatch, tmp_path):
    """``backslide("gate", "backslide.toml")`` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BACKSLIDE_DEBUG", raising=False)

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(list(arguments))
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run
