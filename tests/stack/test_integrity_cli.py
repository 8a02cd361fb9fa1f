"""``backslide snapshot`` and ``backslide integrity`` as a stranger runs them; the story of an upgraded library end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import joblib
import pytest
from stacks import scaler_of

from backslide.cli import main
from backslide.contracts.integrity import Integrity


def run(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    program = [str(Path(sys.executable).with_name("backslide")), *(str(a) for a in arguments)]
    return subprocess.run(
        program, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def backslide(capsys, monkeypatch):
    """The command line in this process."""
    monkeypatch.delenv("BACKSLIDE_DEBUG", raising=False)

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, printed.out, printed.err)

    return call


@pytest.fixture
def folder(tmp_path, trained):
    joblib.dump(trained.pipeline, tmp_path / "v1.joblib")
    other = deepcopy(trained.pipeline)
    scaler_of(other).fit(trained.rows[["income", "age"]].fillna(40).to_numpy() * [1.3, 1])
    joblib.dump(other, tmp_path / "v2.joblib")
    trained.rows.to_csv(tmp_path / "train.csv", index=False)
    return tmp_path


def test_two_snapshots_and_what_differs(folder, backslide):
    for version in ("v1", "v2"):
        done = backslide(
            "snapshot",
            "--model",
            f"{version}.joblib",
            "--data",
            "train.csv",
            "--trusted",
            "--out",
            f"{version}.snapshot.json",
        )
        assert done.returncode == 0, done.stderr
        assert "24 golden rows" in done.stdout
    done = backslide("integrity", "v1.snapshot.json", "v2.snapshot.json", "--json", "d.json", "--md", "d.md")
    assert done.returncode == 1, done.stderr
    found = Integrity.from_dict(json.loads((folder / "d.json").read_text()))
    assert (found.differences[0].kind, found.differences[0].proven) == ("scaler_refit", True)
    assert "mean of income" in done.stdout
    heading, *_ = (folder / "d.md").read_text().splitlines()
    assert heading.startswith("## ")
    assert heading.endswith("Could hurt: Integrity of v1.joblib and v2.joblib")
    same = backslide("integrity", "v1.snapshot.json", "v1.snapshot.json")
    assert same.returncode == 0
    assert "Nothing differs" in same.stdout


def test_an_untrusted_pickle_is_noted(folder, backslide):
    done = backslide("snapshot", "--model", "v1.joblib", "--untrusted", "--out", "v1.json")
    assert done.returncode == 0
    assert "--trusted" in done.stdout
    assert json.loads((folder / "v1.json").read_text()).get("fitted") is None
    assert backslide("snapshot", "--model", "v1.joblib", "--out", "v1.json").returncode == 0
    assert json.loads((folder / "v1.json").read_text())["fitted"]  # the person named the file


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("integrity", "a.json", "b.json"), "cannot read it"),
        (("integrity", "v1.joblib", "v1.joblib"), "as JSON"),
        (("snapshot", "--model", "nope.joblib"), "no model at"),
        (("snapshot", "--model", "v1.joblib", "--out", "none/x.json"), "no folder"),
        (("snapshot",), "--model"),
    ],
)
def test_what_could_not_run_is_one_line_and_2(folder, backslide, arguments, words):
    done = backslide(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def install(folder: Path, version: str, factor: float) -> str:
    """A library with metadata, as an installation leaves it; returns the folder for the search path."""
    place = folder / f"site-{version}"
    (place / "shaky").mkdir(parents=True)
    (place / "shaky" / "__init__.py").write_text(
        "from sklearn.base import BaseEstimator, TransformerMixin\n\n\n"
        "class Widen(TransformerMixin, BaseEstimator):\n"
        "    def fit(self, X, y=None):\n        self.n_ = X.shape[1]\n        return self\n\n"
        f"    def transform(self, X):\n        return X * {factor}\n"
    )
    meta = place / f"shaky-{version}.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text(f"Metadata-Version: 2.1\nName: shaky\nVersion: {version}\n")
    (meta / "RECORD").write_text("shaky/__init__.py,,\n")
    return str(place)


TRAIN = """
import joblib, numpy as np, pandas as pd
from shaky import Widen
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
rows = pd.DataFrame({"a": np.random.default_rng(0).normal(size=300), "b": np.arange(300.0)})
joblib.dump(make_pipeline(StandardScaler(), Widen(), LogisticRegression()).fit(rows, rows["a"] > 0), "m.joblib")
rows.to_parquet("train.parquet")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "code", "proven"), [(1.5, 1, True), (1.0, 0, False)])
def test_an_upgraded_library_is_proven_by_golden_rows_or_settled(tmp_path, factor, code, proven):
    old, new = install(tmp_path, "1.4.0", 1.0), install(tmp_path, "2.0.0", factor)
    done = subprocess.run(
        [sys.executable, "-c", TRAIN],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": old},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name, path, more in (("v1", old, ("--data", "train.parquet")), ("v2", new, ("--against", "v1.json"))):
        taken = run(
            tmp_path, "snapshot", "--model", "m.joblib", "--trusted", "--out", f"{name}.json", *more, PYTHONPATH=path
        )
        assert taken.returncode == 0, taken.stderr
    done = run(tmp_path, "integrity", "v1.json", "v2.json", "--json", "d.json")
    found = Integrity.from_dict(json.loads((tmp_path / "d.json").read_text()))
    first = next(d for d in found.differences if d.subject == "shaky")
    assert (first.kind, first.before, first.after) == ("library_change", "1.4.0", "2.0.0")
    assert first.proven is proven
    assert done.returncode == code, done.stdout
    if proven:
        assert first.rank == 1
