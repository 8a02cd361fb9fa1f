"""``backslide selftest``: which faults would be caught in the user's own data."""

from __future__ import annotations

from pathlib import Path

from backslide.cli.output import Files, note, progress, say
from backslide.contracts.config import Settings


def run(config: Path, *, columns: int, rows: int, minutes: float, json: str | None, quiet: bool) -> int:
    """Rehearse, print and write; always 0: a fault that is missed is an answer, not a failure."""
    Files(json=json).check()
    settings = Settings.load(config)
    from backslide.jobs.selftest import selftest  # after the quick refusals: it is heavy
    from backslide.report.documents.selftest import render_selftest

    with progress(quiet=quiet) as report_progress:
        found = selftest(settings, columns=columns, rows=rows, minutes=minutes, progress=report_progress)
    if json == "-":
        say(found.to_json())
        return 0
    if json is not None:
        Path(json).write_text(found.to_json() + "\n", encoding="utf-8")
        note(f"wrote {json}")
    say(render_selftest(found))
    return 0
