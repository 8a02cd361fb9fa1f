"""Cases in which data faults are there to be recognised: a wider table, served by its own model, broken in one to three ways.

The small project of the other cases has three hundred rows, which no fault is recognised in, and its watch reads none for faults.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import fuzz_tables as tables
import joblib
import numpy as np
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from backslide.causes.faults import damage

FEATURES = ["income", "age", "limit", "balance", "branch", "city", "flag", "note"]
NUMBERS, CODES = ["income", "age", "limit", "balance"], ["branch", "city"]
FAULTY = {("diagnose",), ("gate",), ("selftest",), ("watch",)}
"""Commands that some cases of are of this kind."""
SHARE = 0.9
"""Of their cases: without, none of them recognises a fault."""
ROWS, DAYS, A_DAY = 2000, 56, 60
SOUND_DAYS = 44
PLACES = {"watch": ("watch.toml", "log.parquet"), "selftest": ("backslide.toml", "large.parquet")}
SETTINGS = {
    '"income", "age"': '"income", "age", "limit", "balance", "branch", "city", "flag", "note"',
    "sample_rows = 200": "sample_rows = 2000",
    "faults = false": "faults = true",
}
OPTIONAL = (
    'features = ["income", "age", "limit", "balance", "branch", "city", "flag", "note"]\n',
    'reference_model = "model.joblib"\n',
    'label = "label"\n',
)
"""Lines that some cases do without, but for"""
NEED_ALL = {("selftest",)}
WORDS = (
    "loan",
    "car",
    "house",
    "late",
    "paid",
    "again",
    "good",
    "customer",
    "asks",
    "for",
    "more",
    "time",
    "please",
    "call",
)
Change = Callable[[pl.DataFrame, random.Random], pl.DataFrame]


def wide(rng: np.random.Generator, rows: int, start: datetime, apart: timedelta) -> pl.DataFrame:
    """The log of a lender with more columns: numbers, codes, a switch and texts."""
    frame = tables.sound(rng, rows, start)
    merchant = rng.integers(0, 60, rows)
    return frame.with_columns(
        pl.Series("served_at", [start + k * apart for k in range(rows)], dtype=pl.Datetime("us")),
        pl.Series("limit", np.round(rng.lognormal(8, 0.5, rows), 2)),
        pl.Series("balance", rng.normal(500, 200, rows) + 0.1 * merchant),
        pl.Series("merchant", np.char.add("m", merchant.astype(str))),
        pl.Series("city", np.char.add("city ", rng.integers(0, 12, rows).astype(str))),
        pl.Series("flag", rng.random(rows) < 0.3),
        pl.Series("note", [" ".join(rng.choice(WORDS, 7)) for _ in range(rows)]),
    )


def build(folder: Path) -> None:
    """Files of the wide table beside the others, with the model that serves it."""
    rng = np.random.default_rng(9)
    folder = folder / "wide"
    folder.mkdir()
    quarter = timedelta(minutes=18)
    frames = {
        "reference.parquet": wide(rng, ROWS, datetime(2026, 3, 1), quarter),
        "current.parquet": wide(rng, ROWS, datetime(2026, 4, 1), quarter),
        "log.parquet": wide(rng, DAYS * A_DAY, datetime(2026, 1, 1), timedelta(days=1) / A_DAY),
        "large.parquet": wide(rng, 2200, datetime(2026, 3, 1), quarter),
    }
    before = frames["large.parquet"]
    columns = make_column_transformer(
        (StandardScaler(), NUMBERS), (OneHotEncoder(handle_unknown="ignore"), CODES), remainder="drop"
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=300))
    model.fit(before.select(NUMBERS + CODES).to_pandas(), before["label"].to_list())
    joblib.dump(model, folder / "model.joblib")
    for name, frame in frames.items():
        scores = model.predict_proba(frame.select(NUMBERS + CODES).to_pandas())[:, 1]
        frame.with_columns(*_answers(scores)).write_parquet(folder / name)


def _answers(scores: np.ndarray) -> list[pl.Series]:
    answers = np.where(scores > 0.5, "paid", "default")
    return [pl.Series("p_paid", scores), pl.Series("p_default", 1 - scores), pl.Series("prediction", answers)]


def stage(folder: Path, command: tuple[str, ...], chance: random.Random) -> None:
    """The wide files in place of the small ones, with faults in the rows that the command asks about, and settings for both."""
    for path in (folder / "wide").iterdir():
        path.replace(folder / path.name)
    config, name = PLACES.get(command[0], ("backslide.toml", "current.parquet"))
    settings = (folder / config).read_text(encoding="utf-8")
    for former, later in SETTINGS.items():
        settings = settings.replace(former, later)
    if chance.random() < 0.2:  # an alarm is diagnosed, which takes ten times as long as the look
        settings = settings.replace("diagnose = false", "diagnose = true")
    for line in OPTIONAL:
        if command not in NEED_ALL and chance.random() < 0.25:
            settings = settings.replace(line, "")
    (folder / config).write_text(settings, encoding="utf-8")
    frame = pl.read_parquet(folder / name)
    sound = frame.head(SOUND_DAYS * A_DAY if name == "log.parquet" else 0)
    broken = frame.tail(frame.height - sound.height)
    for _ in range(chance.choice((1, 1, 2, 3))):
        broken = chance.choice(FAULTS)(broken, chance)
    if chance.random() < 0.7:
        broken = _served(broken, folder)
    pl.concat([sound, broken], how="diagonal_relaxed").write_parquet(folder / name)


def _served(frame: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """With the model's answers to the broken inputs, where it can be asked."""
    try:
        scores = joblib.load(folder / "model.joblib").predict_proba(frame.select(NUMBERS + CODES).to_pandas())[:, 1]
    except Exception:
        return frame  # a service with a column of another type gives its former answers
    return frame.with_columns(*_answers(scores))


def _on_some(frame: pl.DataFrame, change: damage.Damage, chance: random.Random) -> pl.DataFrame:
    """On all rows, those of one branch, the later ones, or any."""
    rng = np.random.default_rng(chance.randrange(10**6))
    every = np.ones(frame.height, bool)
    some = chance.choice(
        (
            every,
            every,
            frame["branch"].eq_missing(pl.Series(["north"])).to_numpy(),
            every.cumsum() > frame.height // 2,
            rng.random(frame.height) < 0.4,
        )
    )
    return damage.on_rows(frame, some, change, rng)


def _library(frame, chance):
    number, code, value = (
        chance.choice([name for name in ("income", *NUMBERS) if frame[name].dtype.is_numeric()]),  # no texts by now
        chance.choice(CODES),
        chance.choice((0, -999, None, float("nan"), 1e308)),
    )
    low, high = frame[number].quantile(0.3), frame[number].quantile(0.6)
    changes = (
        damage.map_values(number, pl.col(number) * chance.choice((1000, 0.01, -1, 2.54, 0))),
        damage.map_values(number, pl.col(number).cast(pl.Float64).round(chance.choice((0, 0, 1)))),
        damage.map_values(number, pl.col(number).clip(low, high)),
        damage.map_values(number, pl.col(number).cast(pl.String)),
        damage.map_values(number, pl.col(number).shift(chance.choice((1, 3))).backward_fill()),
        damage.map_values(number, pl.col(number).first().over(chance.choice(("merchant", "city", "branch", "age")))),
        damage.replace_at_random(number, value, chance.choice((0.2, 0.9, 1.0))),
        damage.replace_at_random(code, chance.choice(("", "new", None, tables.MARKUP)), chance.choice((0.2, 1.0))),
        damage.add_noise(
            number, float(frame[number].cast(pl.Float64).std() or 1.0), chance.choice(("normal", "laplace"))
        ),
        damage.misplace(chance.sample([*NUMBERS, *CODES, "note"], 2), chance.choice((0, 1, 7))),
        damage.exchange(*chance.sample(NUMBERS, 2)),
        damage.exchange(*CODES),
        damage.map_values(code, pl.col(code).str.to_uppercase()),
        damage.map_values(code, pl.col(code).replace({f"city {k}": "city 0" for k in range(6)} | {"west": "south"})),
        damage.map_values("note", pl.col("note").str.slice(0, chance.choice((0, 3, 15)))),
        damage.map_values("note", pl.col("note").str.replace_all("a", chance.choice(("Ã¤", "?", "")))),
        damage.map_values("flag", ~pl.col("flag")),
        damage.lose_rows(pl.col("branch") == "south"),
        damage.send_again(pl.col("branch") == "west", chance.choice((2, 9))),
    )
    change = chance.choice(changes)
    return change(frame, np.random.default_rng(1)) if change in changes[-2:] else _on_some(frame, change, chance)


def _cached(frame, chance):
    """The value of the row before on some rows."""
    name = chance.choice(FEATURES)
    hit = pl.Series(np.random.default_rng(chance.randrange(99)).random(frame.height) < chance.choice((0.2, 0.5, 1.0)))
    return frame.with_columns(
        frame[name].shift(1).fill_null(strategy="backward").zip_with(hit, frame[name]).alias(name)
    )


def _other_answers(frame, chance):
    """What was served is altered behind the model."""
    score = pl.col("p_paid")
    altered = chance.choice(
        (1 - score, score**3, score.shift(2).fill_null(0.5), pl.lit(0.5), score.round(1), score * 100)
    )
    hit = chance.choice((pl.lit(True), pl.col("branch") == "north", pl.int_range(pl.len()) % 3 == 0))
    return frame.with_columns(pl.when(hit).then(altered).otherwise(score).alias("p_paid")).with_columns(
        (1 - pl.col("p_paid")).alias("p_default"),
        pl.when(pl.col("p_paid") > 0.5).then(pl.lit("paid")).otherwise(pl.lit("default")).alias("prediction"),
    )


def _other_labels(frame, chance):
    labels = chance.choice((pl.lit("paid"), pl.col("label").shift(3).backward_fill(), pl.lit(None, pl.String)))
    return frame.with_columns(labels.alias("label"))


FAULTS: tuple[Change, ...] = (
    *(_library,) * 8,
    _cached,
    _cached,
    _other_answers,
    _other_labels,
    *tables.MILD_CHANGES[:6],
)
"""Faults of the library, what caches and services do, and odd values on top."""
