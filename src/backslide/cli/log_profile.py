"""``backslide log profile``: store the profiles of days."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from backslide.cli.memory import bounded_memory
from backslide.cli.output import note, progress, say
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.say import count, counted


def run(config: Path, out: Path, *, window: str, rows: str | None, new: bool, as_json: bool, quiet: bool) -> int:
    """Profile rows by day into a folder."""
    if window not in ("reference", "current"):
        raise ConfigError(f"--window: expected reference or current, got {window!r}")
    settings = Settings.load(config)
    from backslide.jobs.profile_days import store_profiles  # after the quick refusals: it is heavy

    with bounded_memory(settings.engine.max_memory), progress(quiet=quiet) as report_progress:
        done = store_profiles(settings, out, window=window, rows=rows, new=new, progress=report_progress)
    for line in done.notes:
        note(line)
    if as_json:
        say(json.dumps({"format": "backslide.log-profile/1", **asdict(done)}, indent=2))
        return 0
    period = f" ({done.days[0]} to {done.days[-1]})" if done.days else ""
    say(
        f"{counted(len(done.days), 'day')}{period} of {count(done.rows)} rows stored in {done.folder}: "
        f"{count(done.columns)} columns, {count(done.bytes)} bytes; {counted(done.stored, 'day')} in all"
    )
    return 0
