"""Running text: cut, masked, wrapped, of another row, in another language or encoding."""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl

from faults.text_faults import _foreign
from wild.incident import Change, Incident, Rng, Setting, has_text, pick, story

HEADERS = (
    "*** AUTOMATICALLY FORWARDED *** Please do not reply to this address. Ticket opened by system. ",
    "Good morning, thank you for contacting us. Your message has been received and reads as follows: ",
    "SUMMARY | DETAILS | ATTACHMENTS | HISTORY -- exported by DocFlow 4.2 -- page 1 of 1 -- ",
)


def _each(column: str, change: Callable[[str], str]) -> Change:
    def inputs(rows: pl.DataFrame, _: Rng) -> pl.DataFrame:
        made = [None if text is None else change(text) for text in rows[column].to_list()]
        return rows.with_columns(pl.Series(column, made, dtype=pl.String))

    return inputs


def _text(setting: Setting, rng: Rng) -> str:
    return str(pick(rng, list(setting.data.texts)))


@story("text_change", needs=has_text)
def cut_to_n_characters(setting: Setting, rng: Rng) -> Incident | None:
    """A column of fixed width in a table on the way."""
    column = _text(setting, rng)
    median = float(setting.rows[column].str.len_chars().median() or 100)
    width = max(int(median * rng.uniform(0.05, 0.35)), 8)
    return Incident(f"cut to {width} characters", (column,), _each(column, lambda text: text[:width]))


@story("text_change", needs=has_text)
def placeholders_for_names_and_numbers(setting: Setting, rng: Rng) -> Incident | None:
    """A privacy filter masks every name and number; an eager one every capitalised or longer word."""
    column = _text(setting, rng)
    eager = bool(rng.random() < 0.5)

    def masked(text: str) -> str:
        text = re.sub(r"\d[\d.,]*", "[NUMBER]", text)
        return re.sub(r"\b[A-Z]\w+|\b\w{8,}" if eager else r"\b[A-Z]\w+", "[NAME]", text)

    words = "names, numbers and long words masked" if eager else "names and numbers masked"
    return Incident(words, (column,), _each(column, masked))


@story("text_change", needs=has_text)
def header_of_a_template(setting: Setting, rng: Rng) -> Incident | None:
    """The mail gateway puts its template around every text."""
    column, header = _text(setting, rng), pick(rng, list(HEADERS)) * int(rng.integers(1, 5))
    return Incident(f"header of {len(header)} characters", (column,), _each(column, lambda text: header + text))


@story("broken_join", "stale_values", needs=has_text)
def texts_of_other_rows(setting: Setting, rng: Rng) -> Incident | None:
    """The text store is read with another key: sound texts, of other rows."""
    column, step = _text(setting, rng), int(rng.integers(0, 4))

    def inputs(rows: pl.DataFrame, chance: Rng) -> pl.DataFrame:
        order = (pl.int_range(rows.height, eager=True) - step) % rows.height
        return rows.with_columns(rows[column][order if step else chance.permutation(rows.height)])

    return Incident(f"text of {step} rows before" if step else "text of any other row", (column,), inputs)


@story("text_change", needs=has_text)
def another_language_on_one_source(setting: Setting, rng: Rng) -> Incident | None:
    """A source that writes, or is translated into, a language that the model never saw."""
    column = _text(setting, rng)
    return Incident(
        "another language",
        (column,),
        _each(column, lambda text: re.sub(r"[A-Za-z]+", lambda m: _foreign(m[0]), text)),
    )


@story("text_change", needs=has_text)
def decoded_as_another_encoding(setting: Setting, rng: Rng) -> Incident | None:
    """UTF-16 read as bytes: a blank between all letters; or vowels as two signs."""
    column, spaced = _text(setting, rng), bool(rng.random() < 0.5)
    change = (lambda text: " ".join(text)) if spaced else (lambda text: re.sub("[aeio]", "Ã©", text))
    return Incident("a blank between letters" if spaced else "vowels garbled", (column,), _each(column, change))


@story("text_change", needs=has_text)
def only_the_quoted_reply(setting: Setting, rng: Rng) -> Incident | None:
    """An extractor change keeps the last third of the document, with its words run together by line ends."""
    column = _text(setting, rng)

    def tail(text: str) -> str:
        return "> " + re.sub(r"(\w) (\w)", r"\1=\2", text[-len(text) // 3 :])

    return Incident("the last third, blanks as line ends", (column,), _each(column, tail))
