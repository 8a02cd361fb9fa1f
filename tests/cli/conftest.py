"""Run the command line in this process, and a small diagnosis to hand around."""

from __future__ import annotations

from functools import partial

import pytest

import commands
from backslide.contracts.diagnosis import Diagnosis


@pytest.fixture
def backslide(monkeypatch, tmp_path):
    """``backslide("init", "log.csv")`` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BACKSLIDE_DEBUG", raising=False)
    return partial(commands.backslide, tmp_path)


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
