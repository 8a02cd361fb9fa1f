"""``backslide retrain``: what is training again worth?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backslide.cli.output import Files, note, progress, say
from backslide.contracts.config import Settings


def run(config: Path, files: Files, chosen: dict[str, Any], *, quiet: bool) -> int:
    """Search, judge, print and write; returns 1 unless a candidate may be promoted."""
    files.check()
    settings = Settings.load(config)
    wanted = {key: value for key, value in chosen.items() if value is not None}
    if (
        "registry" in wanted
    ):  # given here, it is relative to the working folder, as every other path of the command line
        wanted["registry"] = str(Path(wanted["registry"]).resolve())
    if "diagnosis" in wanted:
        wanted["diagnosis"] = str(Path(wanted["diagnosis"]).resolve())
    settings = settings.model_copy(update={"retrain": settings.retrain.model_copy(update=wanted)})
    from backslide.jobs.retrain import retrain_config  # after the quick refusals: it is heavy

    with progress(quiet=quiet) as report_progress:
        found = retrain_config(settings, progress=report_progress)
    if found.version is not None:
        note(f"wrote {found.version}")
    if found.registered is not None:
        note(f"registered {found.registered}")
    if not files.write(found):
        say(found.to_text())
    return 1 if found.verdict.held else 0
