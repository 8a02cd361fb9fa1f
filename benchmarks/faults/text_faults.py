"""Faults of the form: running text that is cut, garbled or wrapped, and columns that come in another type or not at all."""

from __future__ import annotations

import re

import polars as pl

from backslide.causes.faults import damage
from faults.fault import Fault, Rng, Scene, pick

BOILERPLATE = (
    "CONFIDENTIAL - this message and its attachments are for the addressee only. ",
    "<html><body><div class='article'><p>",
    "Document converted automatically. Please consider the environment before printing. ",
)
CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwxz", "aeiou"


def text_change(scene: Scene, rng: Rng) -> Fault | None:
    """Cut after some characters, wrapped in boilerplate, garbled by the scanner or the encoding, or in another language."""
    column = pick(rng, list(scene.data.texts))
    if column is None:
        return None
    length = int(scene.rows[column].str.len_chars().median() or 0)
    cut = max(int(length * rng.uniform(0.05, 0.5)), 5)
    wrap, share = pick(rng, list(BOILERPLATE)) * int(rng.integers(1, 6)), float(rng.uniform(0.1, 0.5))
    made = {
        f"cut after {cut} characters": lambda text, _: text[:cut],
        f"boilerplate of {len(wrap)} characters before": lambda text, _: wrap + text,
        "letters marked as decoded wrongly": lambda text, _: re.sub(
            "[aeo]", lambda m: {"a": "Ã¤", "e": "Ã©", "o": "Ã¶"}[m[0]], text
        ),
        f"{share:.0%} of the letters unreadable": lambda text, chance: "".join(
            "\ufffd" if c.isalpha() and u < share else c for c, u in zip(text, chance.random(len(text)), strict=True)
        ),
        "spaces lost": lambda text, _: text.replace(" ", ""),
        "another language": lambda text, _: re.sub(r"[A-Za-z]+", lambda m: _foreign(m[0]), text),
        "escaped": lambda text, _: text.replace(" ", "\\u0020").replace("e", "&#101;"),
    }
    words = pick(rng, list(made))
    change = made[words]

    def apply(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        texts = [None if text is None else change(text, chance) for text in rows[column].to_list()]
        return rows.with_columns(pl.Series(column, texts, dtype=pl.String))

    return Fault("text_change", (column,), words, apply=apply)


def _foreign(word: str) -> str:
    """A made-up word of the same length, always the same for the same word."""
    letters = (ord(c) + 7 * i for i, c in enumerate(word.lower()))
    return "".join(CONSONANTS[k % 20] if i % 2 else VOWELS[k % 5] for i, k in enumerate(letters))


def schema_change(scene: Scene, rng: Rng) -> Fault | None:
    """A number comes as text that no parser takes, a code as a number or in another form, or a column does not come at all."""
    numbers, codes = scene.numbers(distinct=5), scene.codes()
    gone = not scene.partial and rng.random() < 0.3
    column = pick(rng, [*numbers, *codes] if gone else numbers)
    if column is None:
        return None
    if gone:
        return Fault("schema_change", (column,), "column gone", apply=lambda rows, _: rows.drop(column))
    text = pl.col(column).cast(pl.Float64).round(6).cast(pl.String)
    made = {
        "decimal comma": text.str.replace(".", ",", literal=True),
        "with a unit": pl.concat_str([text, pl.lit(pick(rng, [" km", " EUR", "%", " h"]))]),
        "in quotation marks": pl.concat_str([pl.lit('"'), text, pl.lit('"')]),
        "with a currency sign": pl.concat_str([pl.lit("$"), text]),
        "as text": text,
    }
    words = pick(rng, list(made))
    return Fault("schema_change", (column,), words, apply=damage.map_values(column, made[words]))
