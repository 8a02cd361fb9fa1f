"""Tables as the world hands them over: sound ones, and ones with odd names, odd values, odd types and damaged bytes."""

from __future__ import annotations

import gzip
import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl

MARKUP = "</script></style><script>alert(1)</script><img src=x onerror=alert(2)>"
NAMES = (
    "",
    " ",
    "a b",
    "label ",
    "Ünïcode ☃",
    MARKUP,
    "x" * 300,
    "__time",
    "income.1",
    "{0}",
    "%s",
    "a\nb",
    "'; drop",
    "1",
    "*",
    "^a$",
)
TEXTS = (
    "",
    " ",
    "NA",
    "nan",
    "inf",
    "1e400",
    "0x1F",
    "1,5",
    "\u202e",
    "\x1b[31m",
    MARKUP,
    "ü" * 50,
    "2026-02-30",
    "true",
    "-",
    "NULL",
)
NUMBERS = (0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 2.0**53 + 1, -1.0)
FORMS = ("parquet", "csv", "arrow", "csv.gz", "tsv")


def sound(rng: np.random.Generator, rows: int, start: datetime, shift: float = 0.0) -> pl.DataFrame:
    """A small log of a lender; ``shift`` moves incomes."""
    income = rng.normal(shift, 1.0, rows)
    age = rng.integers(18, 80, rows)
    score = 1 / (1 + np.exp(-2 * income - (age - 45) / 20))
    paid = rng.random(rows) < score
    better = paid == (rng.random(rows) < 0.97)
    return pl.DataFrame(
        {
            "id": [f"r{start:%m}-{k}" for k in range(rows)],
            "served_at": [start + timedelta(minutes=90 * k) for k in range(rows)],
            "income": income,
            "age": age,
            "branch": rng.choice(["north", "south", "west"], rows),
            "p_paid": score,
            "p_default": 1 - score,
            "version": rng.choice(["v1", "v2"], rows),
            "prediction": np.where(score > 0.5, "paid", "default"),
            "label": np.where(paid, "paid", "default"),
            "better": np.where(better, "paid", "default"),
            "b_paid": np.where(better, 0.95, 0.05),
            "b_default": np.where(better, 0.05, 0.95),
        }
    )


def odd(frame: pl.DataFrame, chance: random.Random) -> pl.DataFrame:
    """The same table after one to three things that happen to tables."""
    for _ in range(chance.randint(1, 3)):
        if not frame.width:
            break
        frame = chance.choice(CHANGES)(frame, chance)
    return frame


def mildly_odd(frame: pl.DataFrame, chance: random.Random) -> pl.DataFrame:
    """The same table after one to three things that happen to columns without a role, to times and to the order of rows."""
    for _ in range(chance.randint(1, 3)):
        frame = chance.choice(MILD_CHANGES)(frame, chance)
    return frame


ROLELESS = ("income", "age", "branch", "cdn")
"""Columns whose values may be anything of their type."""


def _odd_inputs(frame, chance):
    name = chance.choice([column for column in ROLELESS if column in frame.columns])
    return _some_values(frame.select(name), chance).hstack(frame.drop(name)).select(frame.columns)


def _odd_column(frame, chance):
    name = chance.choice([name for name in NAMES if name not in ("*", "^a$", "__time")])
    values = chance.choice((TEXTS, NUMBERS, (date(2026, 1, 1), None), (Decimal("1.5"), None), (True, None), (2**62,)))
    column = pl.Series(name, [chance.choice(values) for _ in range(frame.height)], strict=False)
    return frame if name in frame.columns else frame.with_columns(column)


def _few_times(frame, chance):
    if "served_at" not in frame.columns:
        return frame
    odd_times = (None, datetime(1970, 1, 1), datetime(2026, 3, 29, 2, 30), datetime(2100, 1, 1))
    times = frame["served_at"].to_list()
    for place in range(0, frame.height, 40):
        times[place] = chance.choice(odd_times)
    return frame.with_columns(pl.Series("served_at", times, dtype=pl.Datetime("us")))


def _few_labels(frame, chance):
    known = pl.int_range(pl.len()) % chance.choice((2, 5, 20)) > 0
    return frame.with_columns(pl.when(known).then("label").alias("label")) if "label" in frame.columns else frame


def _column(frame: pl.DataFrame, chance: random.Random) -> str:
    return chance.choice(frame.columns)


def _rename(frame, chance):
    name = chance.choice(NAMES)
    return frame if name in frame.columns else frame.rename({_column(frame, chance): name})


def _drop(frame, chance):
    return frame.drop(_column(frame, chance))


def _few(frame, chance):
    return frame.head(chance.choice((0, 1, 2, 5)))


def _replace_by(values):
    def change(frame, chance):
        some = [chance.choice(values) for _ in range(frame.height)]
        return frame.with_columns(pl.Series(_column(frame, chance), some, strict=False))

    return change


def _some_values(frame, chance):
    name, kind = _column(frame, chance), None
    kind = frame[name].dtype
    pool = NUMBERS if kind.is_float() else TEXTS if kind == pl.String else (None,)
    kept = frame[name].to_list()
    for place in range(0, frame.height, chance.choice((1, 3, 10))):
        kept[place] = chance.choice((*pool, None))
    return frame.with_columns(pl.Series(name, kept, dtype=kind, strict=False))


def _constant(frame, chance):
    return frame.with_columns(pl.lit(chance.choice((None, 0, "x", 1.5, True))).alias(_column(frame, chance)))


def _cast(frame, chance):
    kind = chance.choice((pl.String, pl.Float32, pl.Int8, pl.Categorical, pl.Boolean, pl.Binary, pl.Date, pl.Duration))
    try:
        return frame.with_columns(pl.col(_column(frame, chance)).cast(kind, strict=False))
    except pl.exceptions.PolarsError:
        return frame


def _nested(frame, chance):
    name = _column(frame, chance)
    return frame.with_columns(
        chance.choice((pl.struct(frame.columns[:2]), pl.concat_list([pl.lit(1), pl.lit(2)]))).alias(name)
    )


def _twice(frame, chance):
    return pl.concat([frame, frame.head(chance.choice((1, frame.height)))])


def _shuffle(frame, chance):
    return frame.sample(fraction=1.0, shuffle=True, seed=chance.randrange(1000))


def _wide(frame, chance):
    return frame.with_columns(pl.lit(float(k)).alias(f"more{k}") for k in range(chance.choice((5, 60))))


def _times(frame, chance):
    if "served_at" not in frame.columns:
        return frame
    odd_times = (datetime(1, 1, 1), datetime(9999, 12, 31), datetime(1970, 1, 1), None, datetime(2026, 3, 29, 2, 30))
    return frame.with_columns(
        pl.Series("served_at", [chance.choice(odd_times) for _ in range(frame.height)], dtype=pl.Datetime("us"))
    )


CHANGES = (
    _rename,
    _drop,
    _few,
    _some_values,
    _some_values,
    _constant,
    _cast,
    _nested,
    _twice,
    _shuffle,
    _wide,
    _times,
    _replace_by(TEXTS),
    _replace_by(NUMBERS),
    _replace_by((date(2026, 1, 1), None)),
    _replace_by((Decimal("1.5"), Decimal(0))),
    _replace_by((True, False, None)),
    _replace_by((2**62, -(2**62))),
)


MILD_CHANGES = (_odd_inputs, _odd_inputs, _odd_column, _odd_column, _few_times, _few_labels, _twice, _shuffle, _wide)


def write(frame: pl.DataFrame, path: Path, form: str) -> None:
    """Write a table, as text where its types do not fit the form."""
    try:
        _write(frame, path, form)
    except (pl.exceptions.PolarsError, ValueError, BaseException) as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        _write(frame.select(pl.selectors.numeric() | pl.selectors.string()), path, form)


def _write(frame, path, form):
    if form == "parquet":
        frame.write_parquet(path)
    elif form == "arrow":
        frame.write_ipc(path)
    else:
        text = frame.write_csv(separator="\t" if form == "tsv" else ",").encode()
        path.write_bytes(gzip.compress(text) if form == "csv.gz" else text)


def damage(path: Path, chance: random.Random) -> None:
    """Change, cut or blank bytes of a file."""
    data = bytearray(path.read_bytes())
    if not data:
        return
    how = chance.randrange(3)
    if how == 0:
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif how == 1:
        del data[chance.randrange(len(data)) :]
    else:
        start = chance.randrange(len(data))
        data[start : start + 100] = bytes(len(data[start : start + 100]))
    path.write_bytes(bytes(data))
