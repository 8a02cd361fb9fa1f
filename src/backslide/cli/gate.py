"""``backslide gate``: may the new artefact take over?"""

from __future__ import annotations

from pathlib import Path

from backslide.cli.output import Files, progress, say
from backslide.contracts.config import Settings


def run(config: Path, files: Files, *, quiet: bool) -> int:
    """Judge, print and write; returns 1 unless the challenger may be promoted."""
    files.check()
    settings = Settings.load(config)
    from backslide.jobs.gate import gate_config  # after the quick refusals: it is heavy

    with progress(quiet=quiet) as report_progress:
        found = gate_config(settings, progress=report_progress)
    if not files.write(found):
        say(found.to_text())
    return 1 if found.verdict.held else 0
