"""The command line in this process: what a process of its own shows, without importing everything again."""

from __future__ import annotations

import io
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from backslide.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    def fails(self, *words: str) -> None:
        """It could not run, and said so on exactly one line with all of these words."""
        assert self.code == 2, self
        assert self.out == "", self
        assert self.err.startswith("backslide: "), self
        assert self.err.count("\n") == 1, self
        assert "Traceback" not in self.err, self
        assert "internal error" not in self.err, self
        for word in words:
            assert word in self.err, self


def backslide(folder: Path, *arguments: object) -> Outcome:
    """``backslide(folder, "diagnose", "backslide.toml")`` with ``folder`` as the working folder."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())
