"""Input as an adversary writes it ends in one line and exit code 2: never an internal error, a hang or a search of the disk."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import backslide as bs
from backslide.engine.sources import open as opening

CONFIG = """\
[model]
label = "label"
prediction = "prediction"
scores = { yes = "p" }
timestamp = "at"
[windows]
reference = "reference.parquet"
current = "current.parquet"
[engine]
sample_rows = 200
bootstrap = 50
"""
DEEP = "[" * 20_000 + "]" * 20_000


def rows(month, n=300):
    rng = np.random.default_rng(month)
    income = rng.normal(size=n)
    score = 1 / (1 + np.exp(-2 * income))
    return pl.DataFrame(
        {
            "at": [datetime(2026, month, 1) + timedelta(hours=2 * i) for i in range(n)],
            "income": income,
            "p": score,
            "prediction": np.where(score > 0.5, "yes", "no"),
            "label": np.where(rng.random(n) < score, "yes", "no"),
        }
    )


@pytest.fixture
def folder(tmp_path):
    for name, month in (("reference", 3), ("current", 4)):
        rows(month).write_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "backslide.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "deep.toml").write_text(f"a = {DEEP}", encoding="utf-8")
    (tmp_path / "deep.json").write_text(DEEP, encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize("file", ["pipe", "/dev/zero", ".", "deep.toml"])
@pytest.mark.parametrize("command", ["diagnose", "watch"])
def test_what_is_no_configuration(backslide, folder, command, file):
    backslide(command, file).fails("cannot be read as a configuration")


@pytest.mark.parametrize("file", ["pipe", "/dev/zero", "deep.json"])
@pytest.mark.parametrize("command", [["report"], ["integrity", "deep.json"], ["retrain", "-q", "--diagnosis"]])
def test_what_is_no_stored_answer(backslide, folder, command, file):
    backslide(*command, file).fails("backslide: ")


@pytest.mark.parametrize(
    "command",
    [
        ("snapshot", "--out", "a.json", "--model", "pipe.joblib"),
        ("snapshot", "--out", "a.json", "--model", "pipe.onnx"),
        ("log", "label", "pipe"),
        ("diagnose", "--reference", "pipe"),
        ("log", "event", "--model", "m", "--from", "pipe"),
        ("serve", "restore", "pipe"),
    ],
    ids=" ".join,
)
def test_a_pipe_is_not_waited_for(backslide, folder, command):
    for name in ("pipe.joblib", "pipe.onnx"):
        os.mkfifo(folder / name)
    if command[0] == "log":
        with bs.Recorder("m", store=folder / "log") as recorder:
            recorder.record({"x": 1.0}, "yes", id="1")
        backslide("log", "rollup")
    backslide(*command).fails("got a pipe or device")


@pytest.mark.parametrize("value", ["seed = -5", "seed = 4294967296", "model_timeout = inf", "model_timeout = 0"])
def test_numbers_that_libraries_refuse_are_refused_by_name(backslide, folder, value):
    (folder / "backslide.toml").write_text(CONFIG + value, encoding="utf-8")
    backslide("diagnose").fails(f"[engine] {value.partition(' ')[0]}")


@pytest.mark.parametrize("source", ["~", "/**", "/", "**/*"])
def test_a_source_does_not_search_the_disk(backslide, folder, source, monkeypatch):
    monkeypatch.setattr(opening, "MOST_ENTRIES", 3)
    monkeypatch.setenv("HOME", str(folder))
    backslide("diagnose", "--reference", source).fails("files and folders to search", "nearer")


@pytest.mark.parametrize(
    ("source", "package"),
    [
        ("snowflake://a/b#t", "pip install snowflake-sqlalchemy"),
        ("bigquery://p/d#t", "pip install sqlalchemy-bigquery"),
    ],
)
def test_a_missing_driver_is_named_by_its_package(backslide, folder, source, package):
    pytest.importorskip("sqlalchemy")
    backslide("diagnose", "--reference", source).fails(package)


class DefaultCredentialsError(Exception):
    """As ``google.auth`` raises it."""


DefaultCredentialsError.__module__ = "google.auth.exceptions"


def test_a_store_without_credentials_is_no_internal_error(backslide, folder, monkeypatch):
    def refuse(*_, **__):
        raise DefaultCredentialsError("Your default credentials were not found.")

    monkeypatch.setattr(pl, "scan_parquet", refuse)
    backslide("diagnose", "--reference", "gs://bucket/x.parquet").fails("default credentials were not found")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            '[shadow.new]\nprediction = "prediction"\nscores = { maybe = "p" }',
            "score of 'maybe', which is none of the classes",
        ),
        ('[shadow.new]\nscores = { maybe = "p" }', "score of 'maybe'"),
        ('[shadow.old]\nprediction = "prediction"\nscores = { ye = "p" }', "did you mean 'yes'"),
    ],
)
def test_scores_of_an_unknown_class(backslide, folder, table, words):
    (folder / "backslide.toml").write_text(CONFIG + table, encoding="utf-8")
    backslide("shadow", "-q").fails(words)


def corrupted(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, cut off, or blanked."""
    changed, how = bytearray(data), rng.integers(3)
    if how == 0:
        for _ in range(int(rng.integers(1, 30))):
            changed[rng.integers(len(changed))] = rng.integers(256)
    elif how == 1:
        del changed[rng.integers(len(changed)) :]
    else:
        start = int(rng.integers(len(changed)))
        changed[start : start + 200] = bytes(len(changed[start : start + 200]))
    return bytes(changed)


@pytest.mark.sample(6)
@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("form", ["parquet", "arrow", "delta"])
def test_damaged_files(backslide, folder, form, seed):
    rng = np.random.default_rng(seed)
    target = folder / f"damaged.{form}"
    if form == "delta":
        pytest.importorskip("deltalake")
        target = folder / "damaged"
        rows(3).write_delta(target)
        files = sorted(file for file in target.rglob("*") if file.is_file())
        victim = files[rng.integers(len(files))]
    else:
        getattr(rows(3), "write_parquet" if form == "parquet" else "write_ipc")(target)
        victim = target
    victim.write_bytes(corrupted(victim.read_bytes(), rng))
    result = backslide("diagnose", "-q", "--quick", "--reference", target, "--json", "-")
    if result.code == 2:
        assert result.out == ""
        assert "internal error" not in result.err
        assert result.err.count("\n") == 1, result.err
    else:  # the damage hit nothing that is read, or values
        assert json.loads(result.out)["format"] == "backslide.diagnosis/1"
    if target.is_dir():
        shutil.rmtree(target)
