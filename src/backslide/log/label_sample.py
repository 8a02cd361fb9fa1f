"""Which rows to label: as many at random as where the model is unsure, each with a known probability.

A row's probability is half of what it would be if all were alike, and half in proportion to how uncertain its outcome is. The
draw is systematic along a random order (Madow 1949): it has exactly the size that was asked for, and exactly these probabilities.
Weighted by their inverse, labelled rows speak for all: sums without bias (Horvitz and Thompson 1952), means nearly so (Hájek
1971).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from backslide.contracts.errors import LogError
from backslide.contracts.files import read_text
from backslide.contracts.labels import label_text
from backslide.log.paths import DRAWN
from backslide.log.reading import OWN, Log
from backslide.log.spreadsheet import unguard

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
ANSWER = "label"
"""The column that is to be filled in."""
DESIGN = ("inclusion", "of_rows")
"""Probability with which a row was drawn, and from how many."""


def draw(log: Log, rows: int, *, since: pl.Expr | None = None, seed: int | None = None) -> pl.DataFrame:
    """Rows without a label that are most worth one.

    Returns:
        ``id``, ``at``, ``prediction``, an empty ``label``, ``inclusion``, ``of_rows``, then scores, features and extras.

    Raises:
        LogError: no row waits for a label, or none was asked for.
    """
    if rows < 1:
        raise LogError(f"expected at least 1 row to draw, got {rows}")
    waiting = log.predictions().filter(pl.col("label").is_null())
    waiting = waiting if since is None else waiting.filter(since)
    table = waiting.sort("id").collect()
    if not table.height:
        raise LogError(f"no prediction of {log.name!r} waits for a label; record more, or look further back")
    scores = [column for column in log.scores() if column in table.columns]
    columns = [table[column].cast(pl.Float64, strict=False).fill_null(math.nan).to_numpy() for column in scores]
    size = uncertainty(np.column_stack([np.empty((table.height, 0)), *columns]))
    chance = inclusion(size, min(rows, table.height))
    chosen = table.with_columns(
        pl.Series("inclusion", chance),
        pl.lit(table.height).alias("of_rows"),
        pl.lit(None, dtype=pl.String).alias(ANSWER),
    )[systematic(chance, np.random.default_rng(seed))]
    first = ["id", "at", "prediction", ANSWER, *DESIGN]
    others = [column for column in table.columns if column not in (*OWN, *first)]
    return chosen.select(*first, *others)


def uncertainty(scores: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Floats:
    """Standard deviation of being wrong, for rows of class scores (n, k): sqrt(q (1 - q)), where 1 - q is the largest score.

    Of one score only its distance to one half counts. Rows without scores are as uncertain as the middle of the others.
    """
    if not scores.shape[1]:
        return np.ones(len(scores))
    values = np.clip(np.asarray(scores, dtype=np.float64), 0.0, 1.0)
    top = np.max(np.where(np.isnan(values), -1.0, values), axis=1)
    top = np.maximum(top, 1.0 - top) if values.shape[1] == 1 else top
    known = top >= 0 if values.shape[1] > 1 else ~np.isnan(values[:, 0])
    wrong = np.where(known, 1.0 - top, np.nan)
    result: Floats = np.sqrt(wrong * (1.0 - wrong))
    return np.where(known, result, np.median(result[known]) if known.any() else 1.0)


def inclusion(size: Floats, rows: int) -> Floats:
    """Probabilities of being drawn that sum to ``rows``: half alike, half in proportion to ``size``; never above 1."""
    whole = len(size)
    share = np.full(whole, 1.0 / whole) if not size.sum() > 0 else size / size.sum()
    wanted = 0.5 / whole + 0.5 * share
    certain = np.zeros(whole, dtype=bool)
    while True:
        rest = rows - int(certain.sum())
        chance = np.where(certain, 1.0, wanted * (rest / wanted[~certain].sum()) if rest and not certain.all() else 0.0)
        above = ~certain & (chance >= 1.0)
        if not above.any():
            return chance
        certain |= above


def systematic(chance: Floats, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Places of a draw with exactly these probabilities, as many as they sum to."""
    order = rng.permutation(len(chance))
    ends = np.cumsum(chance[order])
    rows = round(float(ends[-1]))
    ends *= rows / ends[-1]
    ends[-1] = rows  # rounding must not lose the last
    marks = rng.random() + np.arange(rows)
    return order[np.searchsorted(ends, marks, side="right")]


@dataclass
class LabelReturn:
    """What came back of a draw."""

    model: str
    rows: int = 0
    """In the file."""
    labelled: int = 0
    added: int = 0
    """Labels that were not in the log yet."""
    right: tuple[float, float, float] | None = None
    """Share of right predictions among all rows that the draw is from, with a 95 % interval; null without the columns of the
    draw, or for numbers."""
    of_rows: int | None = None


def read_answers(file: Path) -> pl.DataFrame:
    """``id``, ``label`` and, where they are there, the columns of the draw; rows without an answer are left out.

    Raises:
        LogError: the file cannot be read or has no such columns.
    """
    try:
        text = read_text(file).removeprefix("\ufeff")
        head = text.split("\n", 1)[0]
        table = pl.read_csv(
            text.encode(), separator=";" if ";" in head and "," not in head else ",", infer_schema=False
        )
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise LogError(f"{file} cannot be read as CSV: {str(error).splitlines()[0]}") from None
    missing = {"id", ANSWER} - set(table.columns)
    if missing:
        raise LogError(f"expected the columns 'id' and {ANSWER!r} in {file}; {sorted(missing)[0]!r} is missing")
    design = [name for name in DESIGN if name in table.columns]
    if design:  # it was written here, with formulas behind an apostrophe
        table = table.with_columns(unguard(pl.col("id")), unguard(pl.col(ANSWER)))
    rows = table.select(
        pl.col("id"),
        pl.col(ANSWER).str.strip_chars().replace("", None),
        *(pl.col(name).str.replace(",", ".", literal=True).cast(pl.Float64, strict=False) for name in design),
    )
    for name in design:
        wrong = table[name].filter(rows[name].is_null() & rows[ANSWER].is_not_null())
        if len(wrong):
            raise LogError(
                f"{file}: {name} holds {wrong[0]!r}, which is no number; leave that column as it was written"
            )
    return rows


def take_back(log: Log, answers: pl.DataFrame, *, source: str = DRAWN, by: str | None = None) -> LabelReturn:
    """Labels of drawn rows into the log; what is there already is not added again.

    Raises:
        LogError: an id is not one of the log's, or a label is no number where predictions are.
    """
    done = LabelReturn(log.name, rows=answers.height)
    served = log.predictions().select("id", "prediction").collect()
    labels = _labels(log, answers, served)
    done.labelled = labels.height
    before = log.labels().filter(pl.col("source") == source).sort("at", "recorded").collect()
    last = before.unique("id", keep="last", maintain_order=True).select("id", pl.col("value").alias("before"))
    fresh = labels.join(last, on="id", how="left").filter(pl.col("value").ne_missing(pl.col("before")))
    done.added = fresh.height
    if fresh.height:
        now = pl.lit(datetime.now(UTC)).cast(pl.Datetime("us", "UTC"))
        log.add_labels(
            fresh.select(
                "id",
                now.alias("at"),
                now.dt.date().alias("day"),
                "value",
                "number",
                pl.lit(source).alias("source"),
                now.alias("recorded"),
                pl.lit(0, dtype=pl.Int64).alias("place"),
                pl.lit(by, dtype=pl.String).alias("by"),
                "inclusion",
            )
        )
    known = labels.join(served, on="id").drop_nulls([*DESIGN, "prediction"])
    if known.height > 1 and not known["prediction"].dtype.is_numeric():
        right = (known["value"] == known["prediction"]).cast(pl.Float64).to_numpy()
        done.right = share(right, known["inclusion"].to_numpy())
        done.of_rows = int(known["of_rows"][0])
    return done


def _labels(log: Log, answers: pl.DataFrame, served: pl.DataFrame) -> pl.DataFrame:
    """Answers that were given, as text and number, with the columns of the draw."""
    last = answers.drop_nulls(ANSWER).unique("id", keep="last", maintain_order=True)
    unknown = last.join(served, on="id", how="anti")
    if unknown.height:
        raise LogError(
            f"{unknown.height} ids are not in the log of {log.name!r}, such as {unknown['id'][0]!r}; do "
            "they belong to another model?"
        )
    nothing = pl.lit(None, dtype=pl.Float64)
    last = last.with_columns(nothing.alias(name) for name in DESIGN if name not in last.columns)
    if not served["prediction"].dtype.is_numeric():
        return last.with_columns(pl.col(ANSWER).alias("value"), number=nothing)
    number = last[ANSWER].cast(pl.Float64, strict=False)
    if number.null_count():
        raise LogError(
            f"the predictions of {log.name!r} are numbers, so labels must be; got {last.filter(number.is_null())[ANSWER][0]!r}"
        )
    return last.with_columns(number.alias("number"), pl.Series("value", list(map(label_text, number)), dtype=pl.String))


def share(values: Floats, chance: Floats) -> tuple[float, float, float]:
    """Mean over all rows from drawn ones, with a 95 % interval: Hájek's estimator; its variance as if drawn one by one.

    The interval is Wilson's with the size that a simple draw of the same precision would have.
    """
    weights = 1.0 / chance
    mean = float(np.sum(weights * values) / np.sum(weights))
    size = float(np.sum(weights) ** 2 / np.sum(weights**2))
    errors = weights * (values - mean)
    variance = float(np.sum(errors**2) / np.sum(weights) ** 2) * len(values) / (len(values) - 1)
    if variance > 0:
        size = mean * (1 - mean) / variance
    z = 1.959963984540054  # of the normal distribution, for 95 %
    middle = (mean + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * math.sqrt(mean * (1 - mean) / size + z**2 / (4 * size**2))
    return mean, max(middle - half, 0.0), min(middle + half, 1.0)
