"""``backslide init``: a first backslide.toml, guessed from a table and commented."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from backslide.cli.output import note, say
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError, SourceError
from backslide.contracts.files import write_whole
from backslide.contracts.say import counted
from backslide.contracts.secrets import scrub_address

if TYPE_CHECKING:
    from backslide.contracts.roles import Roles
    from backslide.engine.roles.proposed_windows import Windows
    from backslide.log.payloads.sample import PayloadSample

COMMENTS_AT = 44
OPTIONAL = ("positive", "label_time", "label_source")
"""Roles whose absence is not worth a line."""
EXAMPLES = {"scores": '{ "..." = "..." }'}


def run(table: str, out: Path, *, force: bool, as_json: bool, payload_format: str | None = None) -> int:
    """Read the table, guess, write, and say what was guessed."""
    if payload_format is not None:
        return _run_payloads(table, out, payload_format, force=force, as_json=as_json)
    from backslide.engine.roles.infer import guess_roles
    from backslide.engine.roles.proposed_windows import propose_windows
    from backslide.engine.sources.open import open_source

    _check(out, force=force)
    notes: list[str] = []
    frame = open_source(table, notes=notes)
    guess = guess_roles(frame)
    roles = guess.roles
    notes += guess.notes
    windows = propose_windows(frame, roles)
    if windows is not None and windows.note is not None:
        notes.append(windows.note)
    if not roles.columns() and not frame.collect_schema().names():
        raise SourceError(f"{scrub_address(table)} has no columns; expected a table of logged predictions")
    text = configuration(_seen_from(table, out.parent), _model_name(table), roles, notes, windows, guess.open)
    write_whole(out, text)
    Settings.load(out)  # what is written must be readable
    if as_json:
        document = {"path": str(out), "roles": roles.model_dump(mode="json"), "notes": notes, "undecided": guess.open}
        say(json.dumps(document, indent=2))
    else:
        say(_summary(roles, notes, guess.open))
        note(f"wrote {out}; {_next_step(roles, windows)}: backslide diagnose {out}")
    return 0


def _run_payloads(source: str, out: Path, format: str, *, force: bool, as_json: bool) -> int:
    """Look at the first calls of a payload log, and write the names that they lack."""
    from backslide.engine.sources.records import read_records
    from backslide.log.payloads.ingest import describe_skipped
    from backslide.log.payloads.sample import look_at

    _check(out, force=force)
    sample = look_at(read_records(source), format)
    out.write_text(payload_configuration(_model_name(source), sample), encoding="utf-8")
    Settings.load(out)
    if as_json:
        document = {"path": str(out), "calls": sample.calls, "fields": sample.fields, "scores": sample.scores}
        say(json.dumps(document, indent=2))
        return 0
    say(
        f"{counted(sample.calls, 'call')}; request: {', '.join(sample.fields)}; scores: {', '.join(sample.scores) or 'none'}"
    )
    for words in describe_skipped(sample.left_out):
        say(f"  left out: {words}")
    model = _model_name(source)
    note(
        f"wrote {out}; check it, then run: backslide log ingest {source} --format {format} --model {model} --config {out}"
    )
    return 0


def payload_configuration(name: str, sample: PayloadSample) -> str:
    """The text of a backslide.toml for a payload log: names that its bodies lack, to be filled in."""
    listed = ", ".join(_text(field) for field in sample.fields)
    classes = ", ".join(_text(label) for label in sample.scores)
    lines = [
        f"# Names for a payload log, from a sample of {counted(sample.calls, 'call')}. Change them before the log is read in.",
        "",
        "[payload]",
    ]
    if sample.positional:
        lines.append(_line("features", f"[{listed}]", "the values of a row have no names; this is their order"))
    else:
        lines.append(f"# Fields of a request: {_comment(listed)}")
        lines.append(_line("# columns", '{ "field" = "column" }', "to call a field otherwise"))
    if sample.unnamed_classes:
        lines.append(_line("classes", f"[{classes}]", "the labels that the scores are of, in their order"))
    lines += ["", "[model]", f"name = {_text(name)}", "", "[windows]"]
    lines.append(_line("# reference", '"2026-03-01..2026-03-31"', "when the model was good; times over [data] source"))
    lines.append(_line("# current", '"2026-04-01..2026-04-30"', "when it got worse"))
    return "\n".join([*lines, "", "[data]", _line("source", '"log"', "the log that was read in")]) + "\n"


def _next_step(roles: Roles, windows: Windows | None) -> str:
    """What is to be done before a diagnosis: it needs two windows, and something that was predicted."""
    missing = [] if windows is not None else ["[windows] current"]
    missing += [] if roles.prediction or roles.scores else ["[model] prediction or scores"]
    return f"set {' and '.join(missing)}, then run" if missing else "check it, then run"


def _check(out: Path, *, force: bool) -> None:
    if out.is_dir() or not out.parent.is_dir():
        raise ConfigError(f"cannot write {out}: expected a file in a folder that exists")
    if out.exists() and not force:
        raise ConfigError(f"{out} already exists; choose another file with --out, or overwrite it with --force")


def _seen_from(table: str, folder: Path) -> str:
    if "://" in table:
        return scrub_address(table).replace(":***@", ":${DATABASE_PASSWORD}@")  # no password in a file that is kept
    return table if Path(table).is_absolute() else Path(os.path.relpath(table, folder)).as_posix()


def _model_name(table: str) -> str:
    stem = Path(scrub_address(table).rpartition("#")[2].rstrip("/")).name.split(".")[0]
    return stem if stem and not set("*@: " if "://" in table else "*") & set(stem) else "model"


def _summary(roles: Roles, notes: list[str], undecided: dict[str, str]) -> str:
    lines = [f"{role:<24}{column}" for role, column in roles.columns().items()]
    if roles.features is not None:
        lines.append(f"{'features':<24}{len(roles.features)} columns")
    return "\n".join(
        [
            *(lines or ["no role was recognised"]),
            *(f"undecided: {role}: {words}" for role, words in undecided.items()),
            *(f"note: {words}" for words in notes),
        ]
    )


def configuration(
    source: str,
    name: str,
    roles: Roles,
    notes: list[str],
    windows: Windows | None,
    undecided: dict[str, str] | None = None,
) -> str:
    """The text of a backslide.toml: guesses as settings; what was not recognised, or is to be decided, as comments."""
    lines = ["# The role of every column, guessed from names and contents. Check it before you trust a diagnosis."]
    lines += [f"# - {_comment(words)}" for words in notes]
    lines += [
        "",
        "[model]",
        f"name = {_text(name)}",
        *_model(roles, undecided or {}),
        "",
        *_windows(source, windows),
        "",
    ]
    lines += [
        "# With the model at hand, causes are verified by undoing them and scoring again.",
        "# [artifacts]",
        _line("# reference_model", '"model.skops"', "or .joblib or module:function, with trusted = true"),
        "",
        "# backslide watch follows performance and data faults; values of features are followed where they are named.",
        "# [watch]",
        _line("# features", '["..."]', "level and spread of numbers, shares of categories; names or patterns"),
    ]
    return "\n".join(lines) + "\n"


def _model(roles: Roles, undecided: dict[str, str]) -> list[str]:
    scores = ", ".join(f"{_text(label)} = {_text(column)}" for label, column in roles.scores.items())
    rows = (
        ("label", roles.label and _text(roles.label), "the true outcome; null = not known yet"),
        ("prediction", roles.prediction and _text(roles.prediction), "what the model decided"),
        ("scores", scores and f"{{ {scores} }}", "by class label, 0 to 1"),
        ("positive", roles.positive and _text(roles.positive), "the class that the score stands for"),
        ("timestamp", roles.timestamp and _text(roles.timestamp), "when the prediction was served"),
        ("label_time", roles.label_time and _text(roles.label_time), "when the label arrived"),
        ("label_source", roles.label_source and _text(roles.label_source), "who gave the label"),
        ("id", roles.id and _text(roles.id), "names one prediction"),
        ("version", roles.version and _text(roles.version), "which model answered"),
    )
    lines = []
    for key, value, words in rows:
        if value:
            lines.append(_line(key, value, words))
        elif key in undecided:
            lines.append(_line(f"# {key}", EXAMPLES.get(key, '"..."'), f"decide: {_comment(undecided[key])}"))
        elif key not in OPTIONAL:
            lines.append(_line(f"# {key}", EXAMPLES.get(key, '"..."'), f"{words}; not recognised"))
    if roles.features is None:
        return [*lines, _line("# features", '["..."]', "default: every column without another role")]
    return [*lines, "features = [", *(f"  {_text(column)}," for column in roles.features), "]"]


def _windows(source: str, windows: Windows | None) -> list[str]:
    good, bad = "when the model was good", "when it got worse"
    if windows is None:
        lines = [_line("reference", _text(source), good)]
        return [
            "[windows]",
            *lines,
            _line("# current", '"..."', f"{bad}: another table, or a time range over [data] source"),
        ]
    lines = [
        _line("reference", _text(windows.reference or source), good),
        _line("current", _text(windows.current or source), bad),
    ]
    if windows.reference_version is not None and windows.current_version is not None:
        lines.append(_line("reference_version", _text(windows.reference_version), "only rows of this version"))
        return ["[windows]", *lines, _line("current_version", _text(windows.current_version), "only rows of this one")]
    return ["[windows]", *lines, "", "[data]", f"source = {_text(source)}"]


def _line(key: str, value: str, words: str) -> str:
    return f"{key} = {value}".ljust(COMMENTS_AT) + f"  # {words}"


def _comment(words: str) -> str:
    """One line without control characters, which TOML refuses even in comments."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", words).split())


def _text(value: str) -> str:
    """A TOML basic string; its escapes are those of JSON, and DEL must be escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
