"""Large text files are parsed once by a job, into a copy that is gone when it ends."""

from __future__ import annotations

import gzip
import importlib

import numpy as np
import polars as pl
import pytest

import backslide
from backslide.contracts.config import DataSettings, Settings
from backslide.contracts.errors import BackslideError
from backslide.engine.sources import columnar_copy
from backslide.engine.sources.csv_files import scan_csv
from backslide.engine.sources.file_notes import FileNotes
from backslide.playbook import scenarios


@pytest.fixture
def copied(monkeypatch, tmp_path):
    """Every text is large; the folder of temporary files."""
    monkeypatch.setattr(columnar_copy, "COPIED_FROM", 0)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def opened(file) -> pl.LazyFrame:
    return scan_csv(str(file), ",", DataSettings(), FileNotes()).frame


def test_a_copy_holds_the_same_rows_in_the_same_order_and_goes_with_the_job(copied, tmp_path):
    file = tmp_path / "rows.csv.gz"
    rows = pl.DataFrame({"x": [1.5, None, -3.0], "code": ["01", None, "a"], "day": ["2026-03-01", "2026-03-02", None]})
    with gzip.open(file, "wb") as out:
        rows.write_csv(out)
    plain = opened(file)
    with columnar_copy.columnar_copies():
        copy = opened(file)
        assert [f.suffix for f in copied.glob("*/[!.]*")] == [".parquet"]
        assert copy.collect().equals(plain.collect(), null_equal=True)
        assert copy.collect_schema() == plain.collect_schema()
    assert not list(copied.iterdir())
    assert opened(file).collect().height == 3


def test_without_room_or_of_few_rows_no_copy_is_made(copied, tmp_path, monkeypatch):
    file = tmp_path / "rows.csv"
    file.write_text("x\n1\n2\n")
    with columnar_copy.columnar_copies():
        monkeypatch.setattr(columnar_copy, "ROOM", 1e18)
        opened(file)
        monkeypatch.setattr(columnar_copy, "ROOM", 2)
        monkeypatch.setattr(columnar_copy, "COPIED_FROM", 1_000)
        opened(file)
        assert not list(copied.iterdir())


def test_a_diagnosis_of_copies_is_that_of_the_texts_and_an_error_leaves_nothing(copied, tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    files = [tmp_path / f"{name}.csv" for name in ("reference", "current")]
    for file, frame in zip(files, (scenarios.served(rng, 600), scenarios.next_month(rng, rows=600)), strict=True):
        frame.write_csv(file)
    roles = backslide.Roles(**scenarios.ROLES)

    def diagnosed() -> dict[str, object]:
        answer = backslide.diagnose(*map(str, files), roles=roles, quick=True).to_dict()
        return {key: answer[key] for key in ("verdict", "summary", "causes", "metrics", "checks") if key in answer}

    from_copies = diagnosed()
    assert not list(copied.iterdir())
    monkeypatch.setattr(columnar_copy, "COPIED_FROM", 10**9)
    assert diagnosed() == from_copies

    monkeypatch.setattr(columnar_copy, "COPIED_FROM", 0)
    files[1].write_text(files[1].read_text() + '"never closed\n')
    with pytest.raises(BackslideError):
        diagnosed()
    assert not list(copied.iterdir())


class CopyRequestError(Exception):
    """A job is about to copy a text."""


@pytest.mark.parametrize("name", ["diagnose", "shadow", "gate", "retrain", "selftest", "watch", "store_profiles"])
def test_every_job_that_reads_windows_copies(copied, tmp_path, monkeypatch, name):
    rng = np.random.default_rng(3)
    for window, frame in (("reference", scenarios.served(rng, 60)), ("current", scenarios.next_month(rng, rows=60))):
        frame.write_csv(tmp_path / f"{window}.csv")
    windows = {window: f"{window}.csv" for window in ("reference", "current")}
    (tmp_path / "served.py").write_text("def score(rows):\n    return ['yes'] * len(rows)\n")
    model = {"reference_model": "served:score", "trusted": True}
    sections = {"model": scenarios.ROLES, "windows": windows, "artifacts": model}
    settings = Settings.from_dict(sections, base=tmp_path)

    def ask(_: object) -> None:
        raise CopyRequestError

    monkeypatch.setattr(columnar_copy._CopyFolder, "next_file", ask)
    job = getattr(importlib.import_module(f"backslide.jobs.{MODULES.get(name, name)}"), name)
    given = {"diagnose": windows, "store_profiles": {"folder": tmp_path / "profiles"}}.get(name, {})
    given = {key: tmp_path / value if isinstance(value, str) else value for key, value in given.items()}
    with pytest.raises(CopyRequestError):
        job(settings=settings, **given)


MODULES = {"store_profiles": "profile_days"}
"""Where a job is not called as its module."""
