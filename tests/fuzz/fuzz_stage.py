"""A folder in which every command has something sound to work on; each case gets a copy and spoils it."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import fuzz_faults
import joblib
import numpy as np
import polars as pl
from fuzz_tables import sound
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backslide import Recorder
from backslide.retraining.registry import publish
from commands import backslide
from payload_samples import LOGS

ROWS = 300
CONFIG = {
    "model": {
        "name": "loans",
        "label": "label",
        "prediction": "prediction",
        "scores": {"paid": "p_paid", "default": "p_default"},
        "timestamp": "served_at",
        "version": "version",
        "id": "id",
        "features": ["income", "age"],
    },
    "windows": {"reference": "reference.parquet", "current": "current.parquet"},
    "artifacts": {"reference_model": "model.joblib", "trusted": True},
    "engine": {"sample_rows": 200, "bootstrap": 50, "model_timeout": 30},
    "retrain": {
        "policies": False,
        "curve": False,
        "diagnose": False,
        "folds": 2,
        "windows": ["recent"],
        "features": False,
    },
    "watch": {"diagnose": False, "faults": False},
}
OWN = """
def score(frame):
    return ["paid" if x > 0 else "default" for x in frame["income"]]
def none(frame):
    return None
def short(frame):
    return ["paid"]
def loud(frame):
    print("noise")
    raise SystemExit(0)
def odd(frame):
    return [object() for _ in range(len(frame))]
def metric(labels, predictions):
    return labels == predictions
"""


def toml(settings: dict) -> str:
    """Settings as a TOML file; sections are tables, what is inside them inline."""
    return (
        "\n".join(
            f"[{name}]\n" + "\n".join(f"{k} = {_value(v)}" for k, v in keys.items()) for name, keys in settings.items()
        )
        + "\n"
    )


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in value) + '"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_value(str(k))} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)


def build(folder: Path) -> Path:
    """Fill the folder."""
    rng = np.random.default_rng(7)
    good = sound(rng, ROWS, datetime(2026, 3, 1))
    good.write_parquet(folder / "reference.parquet")
    sound(np.random.default_rng(8), 2200, datetime(2026, 3, 1)).write_parquet(folder / "large.parquet")
    sound(rng, ROWS, datetime(2026, 4, 1), 0.8).write_parquet(folder / "current.parquet")
    long = sound(rng, 60 * 20, datetime(2026, 1, 1)).with_columns(
        pl.Series("served_at", [datetime(2026, 1, 1) + timedelta(hours=1.2 * k) for k in range(60 * 20)])
    )
    long.write_parquet(folder / "log.parquet")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        good.select("income", "age").to_pandas(), good["label"].to_list()
    )
    joblib.dump(model, folder / "model.joblib")
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    (folder / "backslide.toml").write_text(toml(CONFIG), encoding="utf-8")
    settings = {**CONFIG, "windows": {"reference": "2026-01-01..2026-02-10"}, "data": {"source": "log.parquet"}}
    (folder / "watch.toml").write_text(toml(settings), encoding="utf-8")
    counts = pl.DataFrame(
        {
            "hour": [k // 4 for k in range(400)],
            "cdn": [str(k % 4) for k in range(400)],
            "errors": [int(rng.poisson(5 + 20 * (k >= 200 and k % 4 == 1))) for k in range(400)],
            "requests": [100] * 400,
        }
    )
    counts.write_csv(folder / "counts.csv")
    for name, (form, records) in LOGS.items():
        text = "".join(json.dumps(record, default=str) + "\n" for record in records)
        (folder / f"{form}-{name.partition(', ')[2].replace(' ', '-')}.payload.jsonl").write_text(
            text, encoding="utf-8"
        )
    with Recorder("loans", store=folder / "store") as recorder:
        for place, row in enumerate(good.head(80).iter_rows(named=True)):
            recorder.record(
                {"income": row["income"], "age": row["age"]}, row["prediction"], id=row["id"], at=row["served_at"]
            )
            if place >= 40:  # the others wait to be labelled
                recorder.label(id=row["id"], value=row["label"])
    fuzz_faults.build(folder)
    for command in PREPARATION:
        done = backslide(folder, *command)
        assert done.code in (0, 1), (command, done)
    with Recorder("loans", store=folder / "store") as recorder:
        for k in range(40):
            recorder.record({"income": float(k), "age": k}, "paid", id=f"later{k}")
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        for _ in range(2):
            publish(folder / "models", model, {"report.json": "{}"}, {"rows": 50, "candidate": "recent"}, trusted=True)
    return folder


PREPARATION = (
    ("diagnose", "-q", "--json", "diagnosis.json"),
    ("shadow", "-q", "--json", "shadow.json"),
    ("gate", "-q", "--json", "gate.json"),
    ("retrain", "-q", "--json", "retrain.json"),
    (
        "segments",
        "counts.csv",
        "--numerator",
        "errors",
        "--denominator",
        "requests",
        "--time",
        "hour",
        "--good=0..49",
        "--bad=50..99",
        "-q",
        "--json",
        "segments.json",
    ),
    ("watch", "watch.toml", "-q", "--as-of", "2026-02-28", "--json", "watch.json"),
    (
        "snapshot",
        "--model",
        "model.joblib",
        "--data",
        "reference.parquet",
        "--out",
        "a.snapshot.json",
        "-q",
        "--rows",
        "50",
    ),
    ("snapshot", "--model", "model.joblib", "--data", "current.parquet", "--out", "b.snapshot.json", "-q"),
    ("log", "rollup", "--store", "store"),
    ("serve", "backup", "saved.tar.gz"),
)
