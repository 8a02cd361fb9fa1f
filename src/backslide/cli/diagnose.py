"""``backslide diagnose``: the main job on a configuration."""

from __future__ import annotations

import os
import re
from pathlib import Path

from backslide.cli.output import Files, progress, show
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Verdict


def run(config: Path, files: Files, *, reference: str | None, current: str | None, quick: bool, quiet: bool) -> int:
    """Diagnose, print and write; returns 1 when the model got worse."""
    files.check()
    settings = Settings.load(config)
    from backslide.jobs.diagnose import diagnose_config  # after the quick refusals: it is heavy

    with progress(quiet=quiet) as report_progress:
        diagnosis = diagnose_config(
            settings,
            reference=_from_base(reference, settings.base),
            current=_from_base(current, settings.base),
            quick=quick,
            progress=report_progress,
        )
    if not files.write(diagnosis):
        show(diagnosis)
    return exit_code(diagnosis.verdict)


def exit_code(verdict: Verdict) -> int:
    """1 for degraded, wholly or in part; 0 for everything else."""
    return 1 if verdict.bad else 0


def _from_base(source: str | None, base: Path) -> str | None:
    """A path typed at the prompt starts from the working directory, paths of the configuration from its folder."""
    if source is None or "://" in source or re.match(r"\d{4}-\d\d.*\.\.", source) or Path(source).is_absolute():
        return source
    try:
        return os.path.relpath(source, base)
    except ValueError:  # another drive
        return str(Path(source).resolve())
