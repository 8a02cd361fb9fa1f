"""Run the command line in this process, and a small diagnosis to hand around."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from backslide.cli import main
from backslide.contracts.diagnosis import Diagnosis


@dataclass
class Ran:
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


@pytest.fixture
def backslide(capsys, monkeypatch, tmp_path):
    """``backslide("init", "log.csv")`` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BACKSLIDE_DEBUG", raising=False)

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def diagnosis():
    """A valid diagnosis with the verdict that is asked for."""

    def make(verdict: str = "degraded") -> Diagnosis:
        return Diagnosis.from_dict(
            {
                "format": "backslide.diagnosis/1",
                "model": "loans",
                "verdict": verdict,
                "summary": "Accuracy fell from 84.2 % to 80.8 %.",
                "decision": {"action": "investigate", "reason": "No cause was found."},
                "metric": {
                    "name": "accuracy",
                    "higher_is_better": True,
                    "reference": 0.842,
                    "current": 0.808,
                    "change": {"estimate": -0.034, "low": -0.045, "high": -0.023},
                },
                "detectable": {"estimate": 0.011, "note": "a change under 1.1 points would not have been seen"},
                "inputs": {
                    "task": "binary",
                    "rows": {"reference": 1000, "current": 1000},
                    "labelled": {"reference": 1000, "current": 1000},
                    "sampled": {"reference": 1000, "current": 1000},
                },
            }
        )

    return make
