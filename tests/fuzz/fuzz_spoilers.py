"""Files spoilt for a case: configurations, tables and stored answers, harshly or within what is accepted.

What is spoilt harshly is mostly refused. What is spoilt gently is odd and still read, so that the case reaches an answer.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import random
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fuzz_stage as stage
import fuzz_tables as tables
import polars as pl
from pydantic import BaseModel

from backslide.contracts.config import Settings
from backslide.contracts.errors import BackslideError

VALUES = (
    *(-5, 0, 1, 2, 50, 10**12, 3.7, -0.5, float("nan"), float("inf"), 1e-300, True, False),
    *(
        "",
        "x",
        "income",
        "nope",
        "paid",
        "auto",
        "own:score",
        "own:metric",
        "income > 0",
        "age > > 3",
        "hour",
        "100 rows",
        "week",
    ),
    *(
        "2026-03-01..2026-03-05",
        "2026-03-05..2026-03-01",
        "2026-13-45",
        "..",
        "/",
        "~",
        "*.parquet",
        "/dev/zero",
        "env:NOPE",
    ),
    *(
        "s3://",
        "sqlite:///x.db",
        "postgresql://u:p@127.0.0.1:1/d#t",
        tables.MARKUP,
        "\u0000",
        "ü" * 300,
        "current.parquet",
    ),
    *("model.joblib", "a.snapshot.json", [], ["income"], ["nope", "income"], [1, 2], [""], {}, {"paid": "p_paid"}),
    *({"a": {"b": 1}}, {"default": 5}),
)
TEXTS = (
    "",
    "x",
    "-",
    "..",
    "/",
    "2026-02-20",
    "2026-99-99",
    "1970-01-01",
    "missing:*",
    tables.MARKUP,
    "\x1b[31m",
    "9" * 40,
    "ü",
    "0..1",
)


def settings_keys(section: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key that a configuration may hold."""
    for name, field in section.model_fields.items():
        inside = next(
            (
                k
                for k in (field.annotation, *getattr(field.annotation, "__args__", ()))
                if isinstance(k, type) and issubclass(k, BaseModel)
            ),
            None,
        )
        if inside is not None:
            yield from settings_keys(inside, (*path, name))
        elif name != "base":
            yield (*path, name)


KEYS = tuple(settings_keys())


def spoil_config(folder: Path, name: str, chance: random.Random) -> None:
    """Other values, fewer keys, or damaged text."""
    path = folder / name
    text = path.read_text(encoding="utf-8")
    if chance.random() < 0.15:
        characters = list(text)
        for _ in range(chance.randint(1, 5)):
            characters[chance.randrange(len(characters))] = chance.choice('[]{}="\n\\#.x0\x00é')
        path.write_text("".join(characters), encoding="utf-8")
        return
    settings: dict[str, Any] = tomllib.loads(text)
    for _ in range(chance.randint(1, 2)):
        *where, key = chance.choice(KEYS)
        table = settings
        for part in where:
            table = table.setdefault(part, {})
        if chance.random() < 0.2:
            table.pop(key, None)
        elif chance.random() < 0.05:
            table[f"{key}s"] = 1
        else:
            table[key] = chance.choice(VALUES)
    nested = {name: keys for name, keys in settings.items() if isinstance(keys, dict)}
    path.write_text(stage.toml(nested), encoding="utf-8")


def spoil_table(folder: Path, name: str, chance: random.Random) -> str:
    """The table with odd contents, in any form, now and then with damaged bytes; returns its name."""
    reader = pl.read_csv if name.endswith(".csv") else pl.read_parquet
    frame = tables.odd(reader(folder / name), chance)
    form = chance.choice(tables.FORMS)
    spoilt = f"spoilt.{form}"
    tables.write(frame, folder / spoilt, form)
    if chance.random() < 0.2:
        tables.damage(folder / spoilt, chance)
    return spoilt


def spoil_json(path: Path, chance: random.Random) -> None:
    """Other leaves, fewer keys, another nesting, or damaged bytes."""
    if chance.random() < 0.2:
        tables.damage(path, chance)
        return
    data = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(chance.randint(1, 3)):
        _spoil_leaf(data, chance)
    path.write_text(json.dumps(data), encoding="utf-8")


LEAVES = (None, -1, 10**30, 1e308, "", tables.MARKUP, "\u202e", [], {}, [[1]], True, "NaN", "2026-99-99")
WORDS = ("", "{", "null", "[]", "7", '"x"', "\ufeff{}", "[" * 2000, '{"id": NaN}', '{"a": 1, "a": 2}', "\x00")


def _spoil_leaf(data: Any, chance: random.Random) -> None:
    """Another value at a place, or nothing at all; what holds nothing stays."""
    at: Any = data if isinstance(data, (dict, list)) else []
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(at[key], (dict, list)) and at[key] and chance.random() < 0.85:
            at = at[key]
            continue
        if chance.random() < 0.25:
            del at[key]
        else:
            at[key] = copy.deepcopy(chance.choice(LEAVES))
        return


def spoil_lines(path: Path, chance: random.Random) -> None:
    """Lines of JSON with other leaves, in another order, cut, twice, or that are none."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for place, line in enumerate(lines):
        if chance.random() < 0.6:
            data = json.loads(line)
            _spoil_leaf(data, chance)
            lines[place] = json.dumps(data)
    if chance.random() < 0.4:
        lines.insert(chance.randint(0, len(lines)), chance.choice((*WORDS, *(line[:20] for line in lines))))
    if chance.random() < 0.2:
        lines = [*reversed(lines), lines[0]]
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    if chance.random() < 0.1:
        tables.damage(path, chance)


MEMBERS = (
    "../x",
    "/tmp/x",
    "log/../x",
    "log/spool/../../x",
    "log/tables",
    "log/nope/x",
    "log/spool/\u202e",
    "rows.jsonl",
)


def spoil_backup(path: Path, chance: random.Random) -> None:
    """The archive with other rows, other names, links, or without one of its members."""
    with tarfile.open(path) as archive:
        members = [(member.name, archive.extractfile(member)) for member in archive.getmembers()]
        contents = [(name, b"" if file is None else file.read()) for name, file in members]
    for _ in range(chance.randint(1, 3)):
        place = chance.choice((0, 1, 1, chance.randrange(len(contents))))
        name, data = contents[place]
        if name in ("manifest.json", "rows.jsonl") and chance.random() < 0.8:
            lines = data.decode(errors="replace").splitlines() or [""]
            number = chance.randrange(len(lines))
            with suppress(ValueError, RecursionError):  # spoilt before
                parsed = json.loads(lines[number])
                _spoil_leaf(parsed, chance)
                lines[number] = json.dumps(parsed) if chance.random() < 0.9 else chance.choice(WORDS)
            contents[place] = name, "\n".join(lines).encode()
        elif chance.random() < 0.5:
            contents[place] = chance.choice(MEMBERS), data
        elif len(contents) > 2:
            contents.pop(chance.randrange(len(contents)))
    with tarfile.open(path, "w:gz") as archive:
        for name, data in contents:
            entry = tarfile.TarInfo(name)
            if chance.random() < 0.02:
                entry.type, entry.linkname = chance.choice((tarfile.SYMTYPE, tarfile.LNKTYPE)), "/etc/passwd"
                archive.addfile(entry)
            else:
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def spoil_config_gently(folder: Path, name: str, chance: random.Random) -> None:
    """Other values for one to three keys, of which every one is accepted; roles and windows stay."""
    path = folder / name
    accepted = path.read_text(encoding="utf-8")
    left = chance.randint(1, 3)
    for _ in range(60):
        settings: dict[str, Any] = tomllib.loads(accepted)
        *where, key = chance.choice([key for key in KEYS if key[0] not in ("model", "windows", "data", "artifacts")])
        table = settings
        for part in where:
            table = table.setdefault(part, {})
        table[key] = chance.choice(VALUES)
        text = stage.toml({name: keys for name, keys in settings.items() if isinstance(keys, dict)})
        path.write_text(text, encoding="utf-8")
        with suppress(BackslideError):
            Settings.load(path)
            accepted, left = text, left - 1
        if not left:
            break
    path.write_text(accepted, encoding="utf-8")


def spoil_table_gently(folder: Path, name: str, chance: random.Random) -> str:
    """The table with odd contents beside the roles, in any form; returns its name."""
    reader = pl.read_csv if name.endswith(".csv") else pl.read_parquet
    form = chance.choice(tables.FORMS)
    tables.write(tables.mildly_odd(reader(folder / name), chance), folder / f"spoilt.{form}", form)
    return f"spoilt.{form}"


def spoil_json_gently(path: Path, chance: random.Random, load: Callable[[Any], Any]) -> None:
    """Other leaves of the same kind, as many as ``load`` still takes."""
    data = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(chance.randint(1, 12)):
        holder, key = _leaf(data, chance)
        if holder is None:
            break
        former = holder[key]
        if isinstance(former, str):
            holder[key] = chance.choice((*TEXTS, "\u202e", "x" * 3000, "**a** [b](http://c) | d `e`"))
        elif isinstance(former, (int, float)) and not isinstance(former, bool):
            holder[key] = chance.choice((0, -1, 1e308, 1e-300, 0.5, 10**15, None))
        else:
            holder[key] = chance.choice((None, True, False))
        try:
            load(data)
        except (BackslideError, ValueError):
            holder[key] = former
    path.write_text(json.dumps(data), encoding="utf-8")


def _leaf(data: Any, chance: random.Random) -> tuple[Any, Any]:
    """Where a leaf stands; nowhere in what is empty."""
    at = data
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return None, None
        key = chance.choice(keys)
        if not (isinstance(at[key], (dict, list)) and at[key]):
            return at, key
        at = at[key]


def write_rows(path: Path, rows: list[tuple[str, ...]]) -> None:
    """A CSV file with its texts quoted where they must be."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
