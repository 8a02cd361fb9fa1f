"""What can be counted in running text without knowing its language: characters, marks of damage, scripts, small words.

Scripts are blocks of Unicode; a language is told by its most frequent small words, which hold any sentence together.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import polars as pl

from backslide.stats.arrays import Ints

START = 500
"""Characters of a text that are counted."""
MARKED = 2_000
"""Characters of a text that marks of damage are looked for in."""
SCRIPTS = {
    "Latin": ((0x41, 0x24F), (0x1E00, 0x1EFF)),
    "Cyrillic": ((0x400, 0x52F),),
    "Greek": ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    "Arabic": ((0x600, 0x6FF), (0x750, 0x77F), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC)),
    "Hebrew": ((0x590, 0x5FF),),
    "Devanagari": ((0x900, 0x97F),),
    "Thai": ((0xE00, 0xE7F),),
    "Hangul": ((0x1100, 0x11FF), (0xAC00, 0xD7AF)),
    "Kana": ((0x3040, 0x30FF),),
    "Han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x3FFFF)),
}
"""Blocks of Unicode, first and last code point."""
NO_LETTERS = "no letters"
OTHER_LANGUAGE = "Latin, language not told"
STOP_WORDS = {
    "English": "the of and to is that for it was with as by this are be at from have has not which were an or but their",
    "German": "der die und das den nicht von mit ist im dem auch eine als für auf sich des wird aus bei nach werden sind oder",
    "French": "les des est une dans pour que qui sur pas avec plus par au sont cette ont mais aux ses leur été ces être nous",
    "Spanish": "los las una por con para del se su como más pero sus está al ha muy son este entre cuando también fue hay desde",
    "Italian": "che di il per non una con del sono della dei gli alla nel anche più delle si come questo ma dal ha essere nella",
    "Portuguese": "que os uma não com do da em para dos as mas foi ao ele das tem seu sua ou quando muito nos já também pelo",
    "Dutch": "het een van en dat niet op zijn voor met maar ook aan er om dan nog naar wordt uit bij deze wat heeft worden",
    "Polish": "nie się jest że na do jak ale za przez tym są dla był jego może już tego od przy jako które po tylko oraz",
    "Turkish": "bir ve bu için ile de da çok daha olarak olan gibi kadar sonra ne var değil en her ama göre ancak mi ki",
    "Russian": "и в не на что с как это по но из за от так для все его то же был она они мы при или только также",
}
LEAST_HITS = 2
"""Small words that a text must hold to be told, and a twentieth of its words."""
MARKS = {
    "UTF-8 read in another encoding": "[\u00c2\u00c3\u00c5][\u0080-\u00bf\u0152-\u0178\u201a-\u2122\u02c6\u02dc]|\u00e2\u20ac",
    "replacement characters": "\ufffd",
    "null and other control characters": r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
    "HTML entities": r"&(?:#\d+|#x[0-9a-fA-F]+|amp|lt|gt|quot|apos|nbsp|[a-z]{2,6}(?:acute|grave|uml|tilde|circ|cedil));",
    "HTML tags": r"</?(?:p|br|div|span|html|body|table|td|tr|a|b|i|ul|li|font)(?:\s[^<>]{0,200})?/?>",
    "escapes": r"\\u[0-9a-fA-F]{4}|\\[nrt\"]",
    "percent escapes": r"(?:%[0-9A-Fa-f]{2}[A-Za-z0-9]*){2}",
}
CLASSES = ("letters", "capitals", "digits", "punctuation", "letters beyond ASCII")
BATCH = 20_000
"""Texts whose characters are looked up at once."""
WORD = r"[\p{L}\p{M}\p{N}]+"


def counts(texts: pl.Series) -> pl.DataFrame:
    """Per text: its characters, whether it is empty, one flag for each of ``MARKS``, shares of ``CLASSES``, and its script."""
    frame = texts.cast(pl.String).alias("text").to_frame()
    text, more = pl.col("text"), pl.col("text").str.slice(0, MARKED)
    table = frame.select(
        text.str.len_chars().cast(pl.Float64).alias("characters"),
        (text.str.strip_chars() == "").alias("empty"),
        *(more.str.contains(rule).alias(name) for name, rule in MARKS.items()),
    )
    heads = frame["text"].str.slice(0, START)
    parts = [_characters(heads[at : at + BATCH]) for at in range(0, max(len(heads), 1), BATCH)]
    return pl.concat([table, pl.concat(parts)], how="horizontal")


def _characters(heads: pl.Series) -> pl.DataFrame:
    known = heads.is_not_null().to_numpy()
    texts = heads.fill_null("").to_list()
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    size = np.array([len(t) for t in texts], np.int64)
    kinds, classes, scripts = _table()
    k = len(classes)
    totals = np.bincount(np.repeat(np.arange(len(texts)) * k, size) + kinds[points], minlength=len(texts) * k)
    totals = totals.reshape(len(texts), k)
    share = np.where((known & (size > 0))[:, None], totals @ classes / np.maximum(size, 1)[:, None], np.nan)
    letters = totals @ scripts
    names = np.array([*SCRIPTS, NO_LETTERS], object)
    script = names[np.where(letters.max(axis=1) > 0, letters.argmax(axis=1), len(SCRIPTS))]
    series = pl.Series(
        "script", [name if present else None for name, present in zip(script, known, strict=True)], dtype=pl.String
    )
    return pl.DataFrame({name: share[:, i] for i, name in enumerate(CLASSES)}).with_columns(series)


@cache
def _table() -> tuple[Ints, Ints, Ints]:
    """Of every code point its kind (0x110000,); of every kind its ``CLASSES`` (K, C) and its script (K, S), as 0 and 1.

    Above U+FFFF only Han is told.
    """
    classes, scripts = np.zeros(0x110000, np.int64), np.zeros(0x110000, np.int64)
    for point in range(0x10000):
        group = unicodedata.category(chr(point))
        letter = group[0] == "L"
        flags = (letter, group == "Lu", group == "Nd", group[0] in "PS", letter and point > 127)
        classes[point] = sum(1 << bit for bit, on in enumerate(flags) if on)
    classes[0x20000:0x40000] = 1 | 1 << 4
    for number, blocks in enumerate(SCRIPTS.values(), 1):
        for first, last in blocks:
            scripts[first : last + 1] = number
    scripts[classes & 1 == 0] = 0
    own, kinds = np.unique(classes << 8 | scripts, return_inverse=True)
    bits = own[:, None] >> 8 >> np.arange(len(CLASSES)) & 1
    return kinds, bits, (own[:, None] & 0xFF == np.arange(1, len(SCRIPTS) + 1)).astype(np.int64)


def words(texts: pl.Series) -> pl.DataFrame:
    """``row`` and ``word`` (in small letters) of the beginning of every text, in order."""
    frame = texts.str.slice(0, START).str.to_lowercase().str.extract_all(WORD).alias("word").to_frame()
    return frame.with_row_index("row").explode("word").drop_nulls()


def languages(texts: pl.Series, scripts: pl.Series) -> pl.Series:
    """The language of every text as its small words tell it, its script where they do not; null where it is missing."""
    spoken = pl.DataFrame(
        [(word, language) for language, own in STOP_WORDS.items() for word in own.split()],
        schema={"word": pl.String, "language": pl.String},
        orient="row",
    )
    every = words(texts)
    size = every.group_by("row").len("words")
    hits = every.join(spoken, on="word").group_by("row", "language").len("hits")
    best = (
        hits.join(size, on="row")
        .filter((pl.col("hits") >= LEAST_HITS) & (pl.col("hits") * 20 >= pl.col("words")))
        .sort(["hits", "language"], descending=[True, False])
        .unique("row", keep="first", maintain_order=True)
    )
    guess = scripts.to_frame("script").with_row_index("row").join(best, on="row", how="left", maintain_order="left")
    latin = pl.when(pl.col("script") == "Latin").then(pl.lit(OTHER_LANGUAGE)).otherwise(pl.col("script"))
    known = pl.when(pl.col("script").is_null()).then(None).otherwise(pl.coalesce("language", latin))
    return guess.select(known.alias("language"))["language"]
