"""``backslide shadow``: old and new model on the same traffic."""

from __future__ import annotations

from pathlib import Path

from backslide.cli.output import Files, progress, say
from backslide.contracts.config import Settings


def run(config: Path, files: Files, *, quiet: bool) -> int:
    """Compare, print and write; returns 1 when the new model must not answer as it is."""
    files.check()
    settings = Settings.load(config)
    from backslide.jobs.shadow import shadow_config  # after the quick refusals: it is heavy

    with progress(quiet=quiet) as report_progress:
        found = shadow_config(settings, progress=report_progress)
    if not files.write(found):
        say(found.to_text())
    return 1 if found.verdict.held else 0
