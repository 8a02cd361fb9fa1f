"""The legal desk's story with a small BERT."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "legal_desk_bert" / "why.py"


def test_the_letters_of_the_legal_desk(tmp_path: Path):
    ran = subprocess.run([sys.executable, EXAMPLE], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for said in ("court_filing", "another model answers, the one given as current_model", "The old model is better"):
        assert said in ran.stdout, ran.stdout
