"""Numbers that come as text in both windows are read as numbers, which is said; codes stay what they are.

A column that is written otherwise in one window only is left alone: that is a fault to be found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.engine.columns.missing import TOKENS
from backslide.engine.columns.number_text import CODES, Texts, present_text, summary_of, writing_of
from backslide.engine.roles.names import is_id_like
from backslide.engine.sources.errors import reading
from backslide.engine.times.timestamps import is_text

Raw = dict[str, tuple[pl.LazyFrame, str]]
Schemas = dict[str, dict[str, pl.DataType]]
HEAD = 200
_NUMBER = re.compile(
    r"[-+(\u2212]?(?:[$€£¥]|USD|EUR|GBP|CHF)?[-+\u2212 ]*[.]?[0-9][0-9.,'\u2019\u00a0\u202f ]*(?:[eE][-+]?[0-9]+)?\)?"
    r"\s*(?:[%€$£¥]|USD|EUR|GBP|CHF|\s[A-Za-z°µ/]{1,6}|-)?\)?"
)
_ATTACHED = re.compile(r"[^\w\s]?[-+\u2212]?\d[\d.,]*[A-Za-z°µ%]{0,3}")
"""1.2k, 5kg, digits of other scripts: numbers to a reader, and nothing that is read here."""
LIKELY = 0.5
"""Share of the first values that must look like numbers for the others to be looked at."""
FEW = 1_000
"""Distinct texts among the first ``DISTINCT_ROWS`` up to which texts are counted first and looked at once each."""
DISTINCT_ROWS = 100_000
UNIQUE = 100
"""Rows from which on whole numbers without a repetition are ids."""


def read_texts(raw: Raw, schemas: Schemas, settings: Settings, notes: list[str]) -> None:
    """Replace text columns of both windows that hold numbers by these, in place, and say so; likewise labels that are none."""
    missing = settings.data.missing if settings.data.missing is not None else TOKENS
    _read_unknown(raw, schemas, settings, missing, notes)
    _read_numbers(raw, schemas, settings, missing, notes)
    if settings.model.label is not None:
        for name in raw:
            _read_labels(name, raw, schemas, settings, missing, notes)


def _read_unknown(raw: Raw, schemas: Schemas, settings: Settings, missing: tuple[str, ...], notes: list[str]) -> None:
    """Text columns of one window that hold nothing but missing values where the other holds numbers hold none."""
    for name, other in (("reference", "current"), ("current", "reference")):
        known = schemas[other]
        columns = [c for c, dtype in schemas[name].items() if is_text(dtype) and c in known and known[c].is_numeric()]
        columns = [column for column in columns if column not in settings.data.text]
        if not columns:
            continue
        frame, words = raw[name]
        with reading():  # few columns have nothing else in their first rows, and only those are read to the end
            none = [present_text(pl.col(c), missing).is_null().all().alias(c) for c in columns]
            first = frame.select(columns).head(HEAD).select(none).collect().row(0, named=True)
            rest = [none[k] for k, column in enumerate(columns) if first[column]]
            full = frame.select(rest).collect(engine="streaming").row(0, named=True) if rest else {}
        void = [column for column, nothing in full.items() if nothing]
        if void:
            raw[name] = frame.with_columns(pl.lit(None, dtype=known[c]).alias(c) for c in void), words
            schemas[name] |= {c: known[c] for c in void}
            notes.append(f"the {name} window holds nothing but missing values written as text in {say.listed(void)}")


def _read_labels(
    name: str, raw: Raw, schemas: Schemas, settings: Settings, missing: tuple[str, ...], notes: list[str]
) -> None:
    """Labels such as ``NA`` that no prediction and no score names are labels that have not come."""
    roles = settings.model
    label, schema = roles.label, schemas[name]
    if label is None or label not in schema or not is_text(schema[label]):
        return
    frame, words = raw[name]
    text = pl.col(label).cast(pl.String)
    token = text.str.strip_chars().is_in([*missing, ""])
    with reading():
        counts = dict(frame.filter(token).group_by(text.alias("t")).len().collect(engine="streaming").iter_rows())
        known = set(roles.scores)
        if counts and roles.prediction is not None and roles.prediction in schema:
            answers = pl.col(roles.prediction).cast(pl.String)
            known |= set(frame.select(answers.unique()).collect(engine="streaming").to_series().drop_nulls())
    counts = {token: rows for token, rows in sorted(counts.items()) if token not in known}
    if not counts:
        return
    raw[name] = frame.with_columns(pl.when(~text.is_in(list(counts))).then(pl.col(label)).alias(label)), words
    shown = say.listed([f"{token!r} ({say.count(rows)} rows)" for token, rows in counts.items()])
    notes.append(f"labels of the {name} window that stand for a missing one count as not labelled: {shown}")


def _read_numbers(raw: Raw, schemas: Schemas, settings: Settings, missing: tuple[str, ...], notes: list[str]) -> None:
    columns = _candidates(raw, schemas, settings)
    if not columns:
        return
    heads = _heads(raw, columns, missing)
    likely = _likely(heads)
    full = {name: _texts_of(raw[name][0].select(likely), likely, missing) for name in raw} if likely else {}
    scores = set(settings.model.scores.values())
    reading = _ReadColumns()
    reading.attached = [f"{c} ({heads[c][0][0]!r})" for c in columns if c not in likely and _is_attached(c, heads[c])]
    for column in likely:
        sides = {name: full[name][column] for name in raw}
        if min(side.readable for side in sides.values()) < LIKELY:
            continue
        if column not in scores and _is_code(column, sides):
            reading.codes.append(column)
            continue
        writing = writing_of(sides.values(), settings.data.decimal)
        if writing is None:
            reading.stay(column, sides)
            continue
        for name in raw:
            frame, words = raw[name]
            number = writing.read(column, missing)
            raw[name] = frame.with_columns(number.alias(column)), words
            schemas[name][column] = pl.Int64() if writing.whole else pl.Float64()
        reading.read(column, sides, writing.decimal)
    notes += reading.sentences()


def _candidates(raw: Raw, schemas: Schemas, settings: Settings) -> list[str]:
    """Text columns of both windows that are features or scores."""
    model = settings.model
    scores = set(model.scores.values())
    special = {column for role, column in model.columns().items() if column not in scores}
    special |= {*settings.data.text, *model.embed, *model.segments, *settings.shadow.columns()}
    first, second = (schemas[name] for name in raw)
    return [
        c for c, dtype in first.items() if is_text(dtype) and c in second and is_text(second[c]) and c not in special
    ]


def _heads(raw: Raw, columns: list[str], missing: tuple[str, ...]) -> dict[str, list[list[str]]]:
    """Column -> the first values of each window, without what is missing."""
    heads: dict[str, list[list[str]]] = {column: [] for column in columns}
    for frame, _ in raw.values():
        with reading():
            head = frame.select(columns).head(HEAD).collect()
        for column, values in heads.items():
            texts = [text.strip() for text in head[column].cast(pl.String).drop_nulls()]
            values.append([text for text in texts if text and text not in missing])
    return heads


def _likely(heads: Mapping[str, list[list[str]]]) -> list[str]:
    """Columns of whose first values most look like numbers, in both windows."""
    return [
        column
        for column, sides in heads.items()
        if any(sides)
        and all(sum(_NUMBER.fullmatch(t) is not None for t in texts) >= LIKELY * len(texts) for texts in sides)
    ]


def _is_attached(column: str, sides: list[list[str]]) -> bool:
    """Whether values are numbers in a writing that is not read, such as 1.2k; many, so that they are no codes."""
    texts = [text for side in sides for text in side]
    if not all(sides) or is_id_like(column) or len(set(texts)) <= CODES:
        return False
    decimals = sum("." in text or "," in text for text in texts)
    return (len(set(texts)) < len(texts) or decimals >= LIKELY * len(texts)) and all(map(_ATTACHED.fullmatch, texts))


def _texts_of(frame: pl.LazyFrame, columns: list[str], missing: tuple[str, ...]) -> dict[str, Texts]:
    """What the texts of each column look like, over all rows; few distinct texts are looked at once each, with their counts."""
    with reading():
        head = frame.select(columns).head(DISTINCT_ROWS).select(pl.all().n_unique()).collect().row(0, named=True)
        few = [column for column in columns if head[column] <= FEW]
        many = [column for column in columns if head[column] > FEW]
        counts = pl.collect_all([_counts(frame, column) for column in few], engine="streaming")
        summaries = {
            c: table.select(summary_of("text", "", missing, "rows")) for c, table in zip(few, counts, strict=True)
        }
        if many:
            select = [value for k, column in enumerate(many) for value in summary_of(column, str(k), missing)]
            whole = frame.select(select).collect(engine="streaming")
            summaries |= {c: whole.select(pl.col(f"^{k} .*$").name.replace(f"^{k} ", " ")) for k, c in enumerate(many)}
    names = list(Texts.__dataclass_fields__)
    rows = {column: summaries[column].row(0, named=True) for column in columns}
    return {column: Texts(**{name: row[f" {name}"] for name in names}) for column, row in rows.items()}


def _counts(frame: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """Each distinct text with its rows, in the order in which they first came."""
    texts = frame.select(pl.col(column).alias("text")).with_row_index("at")
    return texts.group_by("text").agg(pl.len().alias("rows"), pl.col("at").min()).sort("at")


def _is_code(column: str, sides: Mapping[str, Texts]) -> bool:
    """Whether numbers are codes, categories or ids: few, filled with zeros, or whole and never the same."""
    known = [side for side in sides.values() if side.values]
    if any(side.padded for side in known) or is_id_like(column):
        return True
    if all(side.distinct <= CODES for side in known):
        return True
    return all(side.whole == side.values == side.distinct >= UNIQUE for side in known)


class _ReadColumns:
    """What is told of the columns, alike sentences as one."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.done: list[str] = []
        self.gone: list[str] = []
        self.left: list[str] = []
        self.doubt: list[str] = []
        self.attached: list[str] = []

    def read(self, column: str, sides: Mapping[str, Texts], decimal: str) -> None:
        example = next(side.example for side in sides.values() if side.example is not None)
        self.done.append(f"{column} ({example!r})")
        counts = {name: side.values - (side.point if decimal == "." else side.comma) for name, side in sides.items()}
        odd = next((side.odd for side in sides.values() if side.odd is not None), None)
        for what, result in (
            (
                next((s.token for s in sides.values() if s.token is not None), None),
                {n: s.tokens for n, s in sides.items()},
            ),
            (odd, counts),
        ):
            if what is not None and any(result.values()):
                where = " and ".join(f"{say.count(rows)} {name}" for name, rows in result.items() if rows)
                self.gone.append(f"{what!r} in {column} ({where} values)")
        if any(side.either for side in sides.values()) and not any(side.grouped for side in sides.values()):
            sign = "parts the decimals" if decimal == "," else "parts thousands"
            other = "." if decimal == "," else ","
            self.doubt.append(
                f'the comma in {column} ({example!r}) {sign}; where it does not, set [data] decimal = "{other}"'
            )

    def stay(self, column: str, sides: Mapping[str, Texts]) -> None:
        side = next((s for s in sides.values() if s.odd is not None), None)
        share = min(s.readable for s in sides.values())
        if side is None or share == 1:
            example = [s.example for s in sides.values() if s.example is not None]
            self.left.append(
                f"{column} (written in more than one way, such as {say.listed([repr(e) for e in dict.fromkeys(example)])})"
            )
        else:
            self.left.append(f"{column} ({say.percent(share)} are numbers, {side.odd!r} is none)")

    def sentences(self) -> list[str]:
        sentences = []
        if self.done:
            sentences.append(f"numbers written as text in both windows were read as numbers: {say.listed(self.done)}")
        if self.gone:
            sentences.append(f"texts among numbers were read as missing: {say.listed(self.gone)}")
        sentences += self.doubt
        if self.left:
            sentences.append(
                f"columns that look like numbers stay text: {say.listed(self.left)}; write them alike, or name what stands for "
                "a missing value in [data] missing"
            )
        if self.attached:
            sentences.append(
                "columns that look like numbers in a notation that is not supported stay text: "
                f"{say.listed(self.attached)}; write "
                "plain numbers where they are"
            )
        if self.codes:
            sentences.append(f"numbers written as text that look like codes stay text: {say.listed(self.codes)}")
        return sentences
