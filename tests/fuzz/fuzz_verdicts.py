"""What must hold whatever a command was given: the exit code, one line, valid JSON, inert HTML, an end."""

from __future__ import annotations

import json
import random
import re
import shutil
import tempfile
import time
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from fuzz_cases import CASES

from commands import Outcome, backslide

DOCS = Path(__file__).parents[2] / "docs"
SECONDS = 60.0
"""Processor time of one case."""
RUST = re.compile(r"thread '[^']*'(?: \(\d+\))? panicked at [\w./-]+:\d+:\d+:$")
UGLY = ("Traceback", "internal error", "panicked at")


@dataclass(frozen=True)
class Failure:
    """What a case broke."""

    seed: int
    arguments: list[str]
    why: str


@cache
def _schema(kind: str) -> Any:
    path = DOCS / f"{kind}.schema.json"
    return jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def play(
    seed: int, prepared: Path, command: tuple[str, ...] | None = None
) -> tuple[tuple[str, ...], int, Failure | None]:
    """Play one case; returns its command, its exit code and what it broke."""
    chance = random.Random(seed)
    chosen = command or chance.choice(list(CASES))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(prepared, Path(place) / "case"))
        arguments = CASES[chosen](folder, chance)
        start = time.process_time()
        try:
            with chdir(folder):
                outcome = backslide(folder, *arguments)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return chosen, -1, Failure(seed, arguments, f"raised {type(error).__name__}: {error}"[:300])
        broken = judge(folder, outcome, time.process_time() - start)
    return chosen, outcome.code, None if broken is None else Failure(seed, arguments, broken)


def judge(folder: Path, outcome: Outcome, seconds: float) -> str | None:
    """The first thing that does not hold."""
    # Panics of libraries in Rust print lines of their own before ours, and nobody can stop them.
    said = outcome.out + "\n".join(line for line in outcome.err.splitlines() if not RUST.match(line))
    ugly = next((word for word in UGLY if word in said), None)
    if ugly is not None:
        return f"{ugly}: {outcome.err[-400:]}"
    if outcome.code not in (0, 1, 2):
        return f"exit code {outcome.code}"
    lines = [line for line in outcome.err.splitlines() if line.startswith("backslide: ")]
    answered = outcome.out.startswith(
        '{\n  "format": "backslide.log-rollup/1"'
    )  # it says what it did before it was stopped
    if outcome.code == 2 and (len(lines) != 1 or (outcome.out and not answered)):
        return f"expected one line of an error and no output, got {outcome.err[-300:]!r} and {outcome.out[:100]!r}"
    if seconds > SECONDS:
        return f"took {seconds:.0f} s"
    texts = [outcome.out] if outcome.out.lstrip().startswith("{") else []
    texts += [f.read_text(encoding="utf-8") for f in [folder / "out.json"] if f.exists()]
    for text in texts:
        if (wrong := _wrong_json(text)) is not None:
            return wrong
    # Pages of watching are a folder of that name.
    pages = [*folder.glob("out.html"), *folder.glob("out.html/*.html"), *folder.glob("charts/*.html")]
    pages = [page for page in pages if page.is_file()]
    return next((wrong for page in pages if (wrong := _alive(page.read_text(encoding="utf-8"))) is not None), None)


def _wrong_json(text: str) -> str | None:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    try:
        data = json.loads(text, parse_constant=refuse)
    except ValueError as error:
        return f"the JSON cannot be read: {error}"
    kind = re.match(r"backslide\.([a-z-]+)/\d+$", str(data.get("format", ""))) if isinstance(data, dict) else None
    validator = _schema(kind[1]) if kind else None
    error = next(validator.iter_errors(data), None) if validator is not None else None
    return None if error is None else f"the JSON is not of its schema: {error.message[:200]}"


def _alive(html: str) -> str | None:
    if re.search(r"<script>alert|<img[^>]*onerror|<img[^>]*src=(?![\"']?(?:data:|[\w-]+\.svg[\"']))", html):
        return "the page runs what stood in the data"
    if re.search(r"<(?:script|link|iframe)[^>]*(?:src|href)=", html):
        return "the page loads something"
    return None
