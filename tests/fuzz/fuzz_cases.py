"""One case: a command with its options, after its folder was spoilt; the same seed makes the same case.

About half of the cases are spoilt gently, so that the command has something to answer; the others are mostly refused.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fuzz_tables as tables
import polars as pl
import typer
from fuzz_spoilers import (
    TEXTS,
    spoil_backup,
    spoil_config,
    spoil_config_gently,
    spoil_json,
    spoil_json_gently,
    spoil_lines,
    spoil_table,
    spoil_table_gently,
    write_rows,
)

from backslide.cli.app import app
from backslide.cli.report import _answer
from backslide.contracts.snapshot import Snapshot
from backslide.log.payloads.ingest import FORMATS

Arguments = list[str]
GENTLE = 0.6
"""Share of the cases that are spoilt within what the command accepts."""


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


def _outputs(chance: random.Random, *forms: str) -> Arguments:
    endings = {"--json": "out.json", "--html": "out.html", "--md": "out.md"}
    chosen = [form for form in forms if chance.random() < 0.5]
    arguments = [part for form in chosen for part in (form, endings[form])]
    if "--json" not in chosen and "--json" in forms and chance.random() < 0.4:
        arguments += ["--json", "-"]
    if chance.random() < 0.05:
        arguments += [chance.choice(forms), "no/such/folder/x"]
    return arguments


def _spoilt_window(folder: Path, window: str, gentle: bool, chance: random.Random) -> str:
    spoilt = (spoil_table_gently if gentle else spoil_table)(folder, f"{window}.parquet", chance)
    (folder / spoilt).rename(folder / f"{window}-{spoilt}")
    return f"{window}-{spoilt}"


def _replace(path: Path, former: str, later: str) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace(former, later), encoding="utf-8")


def _job(
    name: str, *forms: str, more: Callable[[random.Random], Arguments] = lambda _: []
) -> Callable[[Path, random.Random], Arguments]:
    def case(folder: Path, chance: random.Random) -> Arguments:
        gentle = chance.random() < GENTLE
        if name == "selftest":  # it asks for more rows than the others need
            (folder / "large.parquet").rename(folder / "reference.parquet")
        if name in ("gate", "shadow") and chance.random() < 0.5:  # a new model that is better
            with (folder / "backslide.toml").open("a", encoding="utf-8") as file:
                file.write(BETTER)
        for window in ("reference", "current"):
            if chance.random() < 0.4:
                _replace(folder / "backslide.toml", f"{window}.parquet", _spoilt_window(folder, window, gentle, chance))
        if chance.random() < 0.5:
            (spoil_config_gently if gentle else spoil_config)(folder, "backslide.toml", chance)
        if not gentle and chance.random() < 0.1:
            tables.damage(folder / "model.joblib", chance)
        beside = _outputs(chance, *forms) if not gentle else _outputs(chance, *forms)[:2]
        return [name, "-q", *beside, *more(chance)]

    return case


BETTER = """
[shadow]
mode = "log"
old = { prediction = "prediction", scores = { paid = "p_paid", default = "p_default" } }
new = { prediction = "better", scores = { paid = "b_paid", default = "b_default" } }
"""


def _watch(folder: Path, chance: random.Random) -> Arguments:
    gentle = chance.random() < GENTLE
    if chance.random() < 0.4:
        spoilt = (spoil_table_gently if gentle else spoil_table)(folder, "log.parquet", chance)
        _replace(folder / "watch.toml", "log.parquet", spoilt)
    if chance.random() < 0.4:
        (spoil_config_gently if gentle else spoil_config)(folder, "watch.toml", chance)
    if not gentle and chance.random() < 0.2:
        tables.damage(folder / "backslide.db", chance)
    sound: list[Arguments] = [
        ["--replay"],
        ["--as-of", "2026-02-28"],
        ["--as-of", chance.choice(("2026-03-29T02:30", "1970-01-01", "9999-12-31", "2026-02-20T00:00+14:00"))],
        [],
        ["--mute", "missing:*", "--reason", chance.choice((*TEXTS, "x"))],
    ]
    odd: list[Arguments] = [
        ["--as-of", chance.choice(TEXTS)],
        ["--test-alert"],
        ["--mute", chance.choice(TEXTS), "--reason", "x"],
        ["--unmute", chance.choice(TEXTS)],
        ["--mute", "missing:*", "--reason", "x", "--until", chance.choice(TEXTS)],
    ]
    return [
        "watch",
        "watch.toml",
        "-q",
        *chance.choice(sound if gentle else sound + odd),
        *_outputs(chance, "--json", "--html"),
    ]


def _incidents(folder: Path, chance: random.Random) -> Arguments:
    if chance.random() > GENTLE:
        tables.damage(folder / "backslide.db", chance)
    if chance.random() < 0.3:
        (spoil_config_gently if chance.random() < GENTLE else spoil_config)(folder, "watch.toml", chance)
    return ["incidents", "--config", "watch.toml", *chance.choice(([], ["--json"], ["--nope"]))]


def _mark(folder: Path, chance: random.Random) -> Arguments:
    listing = _incidents(folder, chance)[:3]
    what = chance.choice(("false", "fixed", "known", chance.choice(TEXTS)))
    which = chance.choice(("1", "2026-02-26", chance.choice(TEXTS)))
    return [*listing, "mark", which, what, "--note", chance.choice(TEXTS)]


def _report(folder: Path, chance: random.Random) -> Arguments:
    if chance.random() < GENTLE:
        name = chance.choice(("diagnosis", "diagnosis", "shadow", "gate", "retrain", "segments"))
        spoil_json_gently(folder / f"{name}.json", chance, stored_answer)
    else:
        name = chance.choice(("diagnosis", "shadow", "gate", "retrain", "segments", "watch", "a.snapshot"))
        spoil_json(folder / f"{name}.json", chance)
    charts = ["--charts", "charts"] if chance.random() < 0.15 and name == "diagnosis" else []
    return ["report", f"{name}.json", *_outputs(chance, "--html", "--md"), *charts]


def stored_answer(data: Any) -> Any:
    """What `backslide report` makes of it."""
    return _answer(json.dumps(data))


def _integrity(folder: Path, chance: random.Random) -> Arguments:
    gentle = chance.random() < GENTLE
    snapshot = folder / chance.choice(("a.snapshot.json", "b.snapshot.json"))
    if gentle:
        spoil_json_gently(snapshot, chance, Snapshot.from_dict)
    else:
        spoil_json(snapshot, chance)
    asked = ["--model", "model.joblib"]
    sound = ([], asked, asked, [*asked, "--untrusted"])
    model = chance.choice(sound if gentle else (*sound, ["--model", "own:score"], ["--model", "own:nope"]))
    onsets = ("2026-02-20", "2026-02-20T10:00Z") if gentle else TEXTS
    onset = ["--onset", chance.choice(onsets)] if chance.random() < 0.3 else []
    snapshots = ["a.snapshot.json", "b.snapshot.json"]
    return ["integrity", *snapshots, "-q", *model, *onset, *_outputs(chance, "--json", "--md")]


def _snapshot(folder: Path, chance: random.Random) -> Arguments:
    gentle = chance.random() < GENTLE
    sound = ("model.joblib", "own:score", "own:none", "own:short", "own:loud", "own:odd")
    model = chance.choice(sound if gentle else (*sound, "own:nope", "nope.onnx", "own.py"))
    if not gentle and chance.random() < 0.3:
        tables.damage(folder / "model.joblib", chance)
    spoil = spoil_table_gently if gentle else spoil_table
    data = ["--data", spoil(folder, "reference.parquet", chance)] if chance.random() < 0.7 else []
    trust = ["--untrusted"] if chance.random() < 0.3 else []
    golden = chance.choice((0, 3, 24) if gentle else (0, 3, -1, 10**9))
    numbers = ["--golden", str(golden), "--rows", str(chance.choice((0, 20)))]
    out = ["--out", "s.json"] if chance.random() < 0.5 else []
    return ["snapshot", "--model", model, *data, *trust, *numbers, *out, "-q"]


def _init(folder: Path, chance: random.Random) -> Arguments:
    out = ["--out", "new.toml", *(["--json"] if chance.random() < 0.5 else [])]
    if chance.random() < 0.3:
        return ["init", *_payload_log(folder, chance), *out]
    return ["init", spoil_table(folder, "log.parquet", chance), *out]


def _payload_log(folder: Path, chance: random.Random) -> Arguments:
    """A file of what a server logged, spoilt, and its format; now and then the one of another server."""
    path = chance.choice(sorted(folder.glob("*.payload.jsonl")))
    form = path.name.partition(".")[0]
    form = next(name for name in FORMATS if form.startswith(name))
    spoil_lines(path, chance)
    return [path.name, "--format", form if chance.random() < 0.9 else chance.choice((*FORMATS, "nope"))]


def _versions(folder: Path, chance: random.Random) -> Arguments:
    files = sorted((folder / "models").rglob("*.json"))
    if chance.random() < 0.7:
        spoil_json(chance.choice(files), chance)
    options = chance.choice(([], ["--roll-back"], ["--to", chance.choice(TEXTS)], ["--to", "0001-00000000"]))
    return ["versions", "models", *options, *(["--json"] if chance.random() < 0.5 else [])]


def _segments(folder: Path, chance: random.Random) -> Arguments:
    gentle = chance.random() < GENTLE
    table = "counts.csv"
    if gentle and chance.random() < 0.7:
        table = f"spoilt.{(form := chance.choice(tables.FORMS))}"
        tables.write(tables.mildly_odd(pl.read_csv(folder / "counts.csv"), chance), folder / table, form)
    elif not gentle and chance.random() < 0.7:
        table = spoil_table(folder, "counts.csv", chance)
    spans = [chance.choice((usual, usual, *TEXTS)) for usual in ("0..49", "50..99")]
    good, bad = chance.choice((("0..49", "50..99"), ("0..49", "99..50"), ("0..90", "91..99"))) if gentle else spans
    below = "requests" if gentle or chance.random() < 0.5 else "cdn"
    columns = ["--numerator", "errors", "--denominator", below, "--time", "hour", f"--good={good}", f"--bad={bad}"]
    return ["segments", table, *columns, "-q", *_outputs(chance, "--json", "--html", "--md")]


def _demo(folder: Path, chance: random.Random) -> Arguments:
    refused = (["--story", "nope"], ["--story", tables.MARKUP], ["--out", "own.py"], ["--nope"])
    # a whole story takes half a minute and reads nothing that could be hostile
    return ["demo", "--no-open", *(chance.choice(refused) if chance.random() < 0.96 else ["--out", "story", "-q"])]


def _log(name: str) -> Callable[[Path, random.Random], Arguments]:
    def case(folder: Path, chance: random.Random) -> Arguments:
        gentle = chance.random() < GENTLE
        _spoil_store(folder / "store", gentle, chance)
        if name == "ingest" and chance.random() < 0.5:
            return ["log", "ingest", *_payload_log(folder, chance), "--store", "store", "--model", "other"]
        places = {
            "ingest": (spoil_table_gently if gentle else spoil_table)(folder, "log.parquet", chance),
            "export": chance.choice(("e.parquet", "e.csv", "e.jsonl", *([] if gentle else ["e.xyz"]))),
        }
        places |= {"to-label": "ask.csv", "label": "answers.csv"}
        if name == "label":
            _write_answers(folder / "answers.csv", gentle, chance)
        own = {
            "ingest": ["--model", chance.choice(("other", "loans", *([] if gentle else ["..", ""])))],
            "rollup": ["--replay"] * (chance.random() < 0.3),
            "export": ["--spreadsheet"] * (chance.random() < 0.3),
        }
        notes = chance.choice(
            ('[{"time": 1772000000000, "text": "x"}]', "[{}]", "{", "[]", '[{"time": 1e99, "text": "x"}]')
        )
        (folder / "notes.json").write_text(notes, encoding="utf-8")
        cell = chance.choice((*TEXTS, '"a\nb"', '"', "\u2028", "x" * 200_000))
        (folder / "notes.csv").write_text(f"at,text\n2026-03-01,{cell}\n", encoding="utf-8", errors="replace")
        own["event"] = chance.choice(
            (
                ["--from", chance.choice(("notes.json", "notes.csv"))],
                [chance.choice(TEXTS)],
                ["x", "--at", chance.choice(TEXTS)],
            )
        )
        own |= {
            "to-label": ["--n", str(chance.choice((3, 10**6) if gentle else (0, 3, -1, 10**6)))],
            "compact": ["--keep-days", str(chance.choice((1, 5, 10**5) if gentle else (-1, 0, 5)))],
        }
        model = ["--model", chance.choice(("loans", "nope"))] if chance.random() < 0.4 and name != "ingest" else []
        place = [places[name]] if name in places else []
        arguments = ["log", name, *place, "--store", "store", *own.get(name, []), *([] if gentle else model)]
        return [*arguments, *(["--json"] if chance.random() < 0.5 else [])]

    return case


def _profile(folder: Path, chance: random.Random) -> Arguments:
    gentle = chance.random() < GENTLE
    if chance.random() < 0.5:
        (spoil_config_gently if gentle else spoil_config)(folder, "backslide.toml", chance)
    rows = ["--rows", _spoilt_window(folder, "reference", gentle, chance)] if chance.random() < 0.6 else []
    windows = ("reference", "current") if gentle else ("reference", "both", chance.choice(TEXTS))
    window = ["--window", chance.choice(windows)] if chance.random() < 0.4 else []
    out = [] if gentle or chance.random() < 0.7 else ["--out", chance.choice(("store", "backslide.toml", "a/b"))]
    return ["log", "profile", "-q", *rows, *window, *out, *(["--json"] if chance.random() < 0.5 else [])]


def _spoil_store(store: Path, gentle: bool, chance: random.Random) -> None:
    """Damaged files, or lines in the waiting ones that no recorder wrote."""
    waiting = [f for f in store.rglob("*") if f.is_file() and f.suffix != ".lock"]
    if not gentle:
        if chance.random() < 0.6:
            tables.damage(chance.choice(waiting), chance)
        return
    lines = [f for f in waiting if f.suffix == ".jsonl"]
    if lines and chance.random() < 0.6:
        with chance.choice(lines).open("a", encoding="utf-8") as file:
            for _ in range(chance.randint(1, 5)):
                file.write(chance.choice(LINES) + "\n")


LINES = (
    *("{}", "[]", "null", "", "x", "\ufeff{}", "\x00" * 9, '{"id": 1}', "[" * 300, '{"t": "prediction"}', "9" * 5000),
    *('{"id": "a", "features": {"income": "x"}}', '{"id": "a", "at": "2026-99-99", "prediction": null}', '{"id": "a"'),
)


def _write_answers(path: Path, gentle: bool, chance: random.Random) -> None:
    ids = ("r03-1", "r03-2", "r03-3", "r03-50") if gentle else ("r03-1", "r03-2", "", tables.MARKUP)
    head = ("id", "label") if gentle else chance.choice((("id", "label"), ("id",), ("x", "y"), ()))
    write_rows(path, [head, *((chance.choice(ids), chance.choice(TEXTS)) for _ in range(5))])


def _over(chance: random.Random) -> Arguments:
    odd = ["--reference", chance.choice(TEXTS)] if chance.random() < 0.3 else ["--quick"]
    return chance.choice(([], ["--quick"], odd, ["--current", "log.parquet"]))


def _serve(*command: str) -> Callable[[Path, random.Random], Arguments]:
    def case(folder: Path, chance: random.Random) -> Arguments:
        gentle = chance.random() < GENTLE
        if not gentle and chance.random() < 0.5:
            (folder / "backslide.db").write_bytes(chance.randbytes(300))
        words = ["--scope", chance.choice(("read", "admin"))] if "create" in command else []
        name = "ci"
        if not gentle:
            words = chance.choice((words, ["--scope", chance.choice(("all", ""))], ["--nope"]))
            name = chance.choice(("ci", "", tables.MARKUP, "backslide.toml"))
        names = [] if "list" in command else [name]
        return ["serve", *command, *names, *words]

    return case


def _restore(folder: Path, chance: random.Random) -> Arguments:
    """A backup, mostly with other rows or damaged, into an empty place."""
    (folder / "empty.toml").write_text('[store]\nurl = "sqlite:///new.db"\n[server]\nlog = "new"\n', encoding="utf-8")
    how = chance.random()
    if how < 0.6:
        spoil_backup(folder / "saved.tar.gz", chance)
    elif how < 0.8:
        tables.damage(folder / "saved.tar.gz", chance)
    file = "saved.tar.gz" if chance.random() < 0.9 else chance.choice(("backslide.toml", "", "store"))
    return ["serve", "--config", chance.choice(("empty.toml",) * 9 + ("backslide.toml",)), "restore", file]


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
    ("log", "profile"): _profile,
    ("checks",): lambda _, chance: ["checks", *chance.choice(([], ["--json"], ["--nope"], ["x"]))],
    ("demo",): _demo,
    ("serve", "token", "create"): _serve("token", "create"),
    ("serve", "token", "list"): _serve("token", "list"),
    ("serve", "token", "revoke"): _serve("token", "revoke"),
    ("serve", "backup"): _serve("backup"),
    ("serve", "restore"): _restore,
    **{
        ("log", name): _log(name)
        for name in ("rollup", "ingest", "compact", "stats", "export", "to-label", "label", "event")
    },
}
"""A spoiler for every command; a test asks whether there are others."""
