"""The proof by killing, in small: recorders, rollup and compaction die at random moments, and nothing is lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

import log_crashes
from scale import runs

pytest.importorskip("deltalake")


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path):
    proof = log_crashes.prove(tmp_path, writers=2, records=1500, kills=8, seconds=4.0, seed=2)
    assert proof.holds, proof
    assert proof.acknowledged > 2500
    assert proof.kills.total() == 8


@pytest.mark.slow
@pytest.mark.rates
def test_killed_many_times(tmp_path: Path):
    kills = runs(6, 60)
    proof = log_crashes.prove(tmp_path, writers=3, records=160 * kills, kills=kills, seconds=runs(30, 60), seed=3)
    assert proof.holds, proof
    assert set(proof.kills) == {"recorder", "rollup", "compact"}


@pytest.mark.slow
def test_the_proof_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A rollup that forgets what it has read doubles rows, and one that skips lines loses some."""
    for fault, what in (
        ("from backslide.log.tables import LogTable; LogTable.read_of = lambda self, file: 0", "doubled"),
        (
            "from backslide.log import rollup as r; f = r.frames\n"
            "r.frames = lambda *a: ((t, d.head(d.height // 2), c) for t, d, c in f(*a))",
            "lost",
        ),
    ):
        folder = tmp_path / what
        folder.mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(log_crashes, "KEEPER", fault + log_crashes.KEEPER)
            proof = log_crashes.prove(folder, writers=1, records=600, kills=3, seconds=6.0)
        assert getattr(proof, what) > 0
        assert not proof.holds
