"""One case: a command with its options, after its folder was spoilt; the same seed makes the same case."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fuzz_stage as stage
import fuzz_tables as tables
import polars as pl
import typer
from pydantic import BaseModel

from backslide.cli.app import app
from backslide.contracts.config import Settings

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
Arguments = list[str]


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


def commands(group: typer.Typer = app, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command there is, from the command line itself."""
    for one in group.registered_commands:
        name = one.name or getattr(one.callback, "__name__", "").replace("_", "-")
        yield (*path, name)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        callback = inner.typer_instance.registered_callback
        if callback is not None and callback.invoke_without_command:
            yield (*path, inner.name or "")
        yield from commands(inner.typer_instance, (*path, inner.name or ""))


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
        at: Any = data
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(at[key], (dict, list)) and at[key] and chance.random() < 0.85:
                at = at[key]
                continue
            if chance.random() < 0.25:
                del at[key]
            else:
                at[key] = chance.choice(
                    (None, -1, 10**30, 1e308, "", tables.MARKUP, "\u202e", [], {}, [[1]], True, "NaN", "2026-99-99")
                )
            break
    path.write_text(json.dumps(data), encoding="utf-8")


def _outputs(chance: random.Random, *forms: str) -> Arguments:
    endings = {"--json": "out.json", "--html": "out.html", "--md": "out.md"}
    chosen = [form for form in forms if chance.random() < 0.5]
    arguments = [part for form in chosen for part in (form, endings[form])]
    if "--json" not in chosen and "--json" in forms and chance.random() < 0.4:
        arguments += ["--json", "-"]
    if chance.random() < 0.05:
        arguments += [chance.choice(forms), "no/such/folder/x"]
    return arguments


def _job(
    name: str, *forms: str, more: Callable[[random.Random], Arguments] = lambda _: []
) -> Callable[[Path, random.Random], Arguments]:
    def case(folder: Path, chance: random.Random) -> Arguments:
        windows: Arguments = []
        if name == "selftest":  # it asks for more rows than the others need
            (folder / "large.parquet").rename(folder / "reference.parquet")
        for window in ("reference", "current"):
            if chance.random() < 0.4:
                spoilt = spoil_table(folder, f"{window}.parquet", chance)
                named = f"{window}-{spoilt}"
                (folder / spoilt).rename(folder / named)
                text = (folder / "backslide.toml").read_text(encoding="utf-8")
                (folder / "backslide.toml").write_text(text.replace(f"{window}.parquet", named), encoding="utf-8")
        if chance.random() < 0.5:
            spoil_config(folder, "backslide.toml", chance)
        if chance.random() < 0.1:
            tables.damage(folder / "model.joblib", chance)
        return [name, "-q", *windows, *_outputs(chance, *forms), *more(chance)]

    return case


def _watch(folder: Path, chance: random.Random) -> Arguments:
    if chance.random() < 0.4:
        spoilt = spoil_table(folder, "log.parquet", chance)
        text = (folder / "watch.toml").read_text(encoding="utf-8")
        (folder / "watch.toml").write_text(text.replace("log.parquet", spoilt), encoding="utf-8")
    if chance.random() < 0.4:
        spoil_config(folder, "watch.toml", chance)
    if chance.random() < 0.2:
        tables.damage(folder / "backslide.db", chance)
    options = chance.choice(
        (["--replay"], ["--as-of", chance.choice(TEXTS)], ["--as-of", "2026-02-28"], [], ["--test-alert"],
         ["--mute", chance.choice(TEXTS), "--reason", "x"], ["--unmute", chance.choice(TEXTS)],
         ["--mute", "missing:*", "--reason", "x", "--until", chance.choice(TEXTS)])
    )  # fmt: skip
    return ["watch", "watch.toml", "-q", *options, *_outputs(chance, "--json", "--html")]


def _incidents(folder: Path, chance: random.Random) -> Arguments:
    if chance.random() < 0.5:
        tables.damage(folder / "backslide.db", chance)
    if chance.random() < 0.3:
        spoil_config(folder, "watch.toml", chance)
    return ["incidents", "--config", "watch.toml", *chance.choice(([], ["--json"], ["--nope"]))]


def _mark(folder: Path, chance: random.Random) -> Arguments:
    listing = _incidents(folder, chance)[:3]
    what = chance.choice(("false", "fixed", "known", chance.choice(TEXTS)))
    return [
        *listing,
        "mark",
        chance.choice(("1", "2026-02-26", chance.choice(TEXTS))),
        what,
        "--note",
        chance.choice(TEXTS),
    ]


def _report(folder: Path, chance: random.Random) -> Arguments:
    name = chance.choice(("diagnosis", "diagnosis", "shadow", "retrain", "watch", "a.snapshot"))
    spoil_json(folder / f"{name}.json", chance)
    charts = ["--charts", "charts"] if chance.random() < 0.15 else []
    return ["report", f"{name}.json", *_outputs(chance, "--html", "--md"), *charts]


def _integrity(folder: Path, chance: random.Random) -> Arguments:
    spoil_json(folder / chance.choice(("a.snapshot.json", "b.snapshot.json")), chance)
    model = chance.choice(
        ([], ["--model", "model.joblib"], ["--model", "model.joblib", "--untrusted"], ["--model", "own:score"])
    )
    onset = ["--onset", chance.choice(TEXTS)] if chance.random() < 0.3 else []
    return [
        "integrity",
        "a.snapshot.json",
        "b.snapshot.json",
        "-q",
        *model,
        *onset,
        *_outputs(chance, "--json", "--md"),
    ]


def _snapshot(folder: Path, chance: random.Random) -> Arguments:
    model = chance.choice(
        ("model.joblib", "own:score", "own:none", "own:short", "own:loud", "own:odd", "own:nope", "nope.onnx", "own.py")
    )
    if chance.random() < 0.2:
        tables.damage(folder / "model.joblib", chance)
    data = ["--data", spoil_table(folder, "reference.parquet", chance)] if chance.random() < 0.7 else []
    trust = ["--untrusted"] if chance.random() < 0.3 else []
    numbers = ["--golden", str(chance.choice((0, 3, -1))), "--rows", str(chance.choice((0, 20)))]
    return [
        "snapshot",
        "--model",
        model,
        *data,
        *trust,
        *numbers,
        *(["--out", "s.json"] if chance.random() < 0.5 else []),
        "-q",
    ]


def _init(folder: Path, chance: random.Random) -> Arguments:
    return [
        "init",
        spoil_table(folder, "log.parquet", chance),
        "--out",
        "new.toml",
        *(["--json"] if chance.random() < 0.5 else []),
    ]


def _versions(folder: Path, chance: random.Random) -> Arguments:
    files = sorted((folder / "models").rglob("*.json"))
    if chance.random() < 0.7:
        spoil_json(chance.choice(files), chance)
    options = chance.choice(([], ["--roll-back"], ["--to", chance.choice(TEXTS)], ["--to", "0001-00000000"]))
    return ["versions", "models", *options, *(["--json"] if chance.random() < 0.5 else [])]


def _segments(folder: Path, chance: random.Random) -> Arguments:
    table = spoil_table(folder, "counts.csv", chance) if chance.random() < 0.7 else "counts.csv"
    good, bad = (chance.choice((usual, usual, *TEXTS)) for usual in ("0..49", "50..99"))
    columns = [
        "--numerator",
        "errors",
        "--denominator",
        chance.choice(("requests", "requests", "cdn")),
        "--time",
        "hour",
    ]
    return [
        "segments",
        table,
        *columns,
        f"--good={good}",
        f"--bad={bad}",
        "-q",
        *_outputs(chance, "--json", "--html", "--md"),
    ]


def _demo(folder: Path, chance: random.Random) -> Arguments:
    return [
        "demo",
        "--no-open",
        *chance.choice((["--story", "nope"], ["--story", tables.MARKUP], ["--out", "own.py"], ["--nope"])),
    ]


def _log(name: str) -> Callable[[Path, random.Random], Arguments]:
    def case(folder: Path, chance: random.Random) -> Arguments:
        waiting = [f for f in (folder / "store").rglob("*") if f.is_file() and f.suffix != ".lock"]
        if chance.random() < 0.6:
            tables.damage(chance.choice(waiting), chance)
        places = {
            "ingest": spoil_table(folder, "log.parquet", chance),
            "export": chance.choice(("e.parquet", "e.csv", "e.jsonl", "e.xyz")),
        }
        places |= {"to-label": "ask.csv", "label": "answers.csv"}
        if name == "label":
            rows = "\n".join(
                f"{chance.choice(('r03-1', 'r03-2', 'r03-3', '', tables.MARKUP))},{chance.choice(TEXTS)}"
                for _ in range(5)
            )
            (folder / "answers.csv").write_text(
                f"{chance.choice(('id,label', 'id', 'x,y', ''))}\n{rows}\n", encoding="utf-8"
            )
        own = {
            "ingest": ["--model", chance.choice(("other", "loans", "..", ""))],
            "rollup": ["--replay"] * (chance.random() < 0.3),
        }
        notes = chance.choice(
            ('[{"time": 1772000000000, "text": "x"}]', "[{}]", "{", "[]", '[{"time": 1e99, "text": "x"}]')
        )
        (folder / "notes.json").write_text(notes, encoding="utf-8")
        own["event"] = chance.choice(
            (["--from", "notes.json"], [chance.choice(TEXTS)], ["x", "--at", chance.choice(TEXTS)])
        )
        own |= {
            "to-label": ["--n", str(chance.choice((0, 3, -1, 10**6)))],
            "compact": ["--keep-days", str(chance.choice((-1, 0, 5)))],
        }
        model = ["--model", chance.choice(("loans", "nope"))] if chance.random() < 0.4 and name != "ingest" else []
        arguments = [
            "log",
            name,
            *([places[name]] if name in places else []),
            "--store",
            "store",
            *own.get(name, []),
            *model,
        ]
        return [*arguments, *(["--json"] if chance.random() < 0.5 else [])]

    return case


def _over(chance: random.Random) -> Arguments:
    return chance.choice(([], ["--quick"], ["--reference", chance.choice(TEXTS)], ["--current", "log.parquet"]))


CASES: dict[tuple[str, ...], Callable[[Path, random.Random], Arguments]] = {
    ("diagnose",): _job("diagnose", "--json", "--html", "--md", more=_over),
    ("shadow",): _job("shadow", "--json", "--html", "--md"),
    ("gate",): _job("gate", "--json", "--html", "--md"),
    ("retrain",): _job("retrain", "--json", "--html", "--md"),
    ("selftest",): _job("selftest", "--json", more=lambda _: ["--minutes", "0.02", "--rows", "1000", "--columns", "1"]),
    ("watch",): _watch,
    ("incidents",): _incidents,
    ("incidents", "mark"): _mark,
    ("report",): _report,
    ("integrity",): _integrity,
    ("snapshot",): _snapshot,
    ("init",): _init,
    ("versions",): _versions,
    ("segments",): _segments,
    ("checks",): lambda _, chance: ["checks", *chance.choice(([], ["--json"], ["--nope"], ["x"]))],
    ("demo",): _demo,
    **{
        ("log", name): _log(name)
        for name in ("rollup", "ingest", "compact", "stats", "export", "to-label", "label", "event")
    },
}
"""A spoiler for every command; a test asks whether there are others."""
