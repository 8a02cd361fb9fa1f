"""``backslide log profile``: store the profiles of days."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from backslide.cli.memory import bounded_memory
from backslide.cli.options import Config, PrintJson, Quiet, option
from backslide.cli.output import note, progress, say, say_json
from backslide.contracts.errors import ConfigError
from backslide.contracts.say import count, counted


def profile(
    config: Config = Path("backslide.toml"),
    out: Annotated[Path, option("--out", "DIR", "Folder of the stored profiles.")] = Path("profiles"),
    window: Annotated[
        str, option("--window", "WINDOW", "Which of [windows] to profile, reference or current.")
    ] = "reference",
    rows: Annotated[str | None, option("--rows", "SOURCE", "Rows to profile instead of a configured window.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Profile only days from the last stored one on.")] = False,
    quiet: Quiet = False,
    json: PrintJson = False,
) -> int:
    """Store profiles of rows by day, model version and segment.

    A folder of them serves as `[windows] reference`, and any two periods of it compare without the rows.
    """
    if window not in ("reference", "current"):
        raise ConfigError(f"--window: expected reference or current, got {window!r}")
    from backslide.contracts.config import Settings

    settings = Settings.load(config)
    from backslide.jobs.profile_days import store_profiles  # after the quick refusals: it is heavy

    with bounded_memory(settings.engine.max_memory), progress(quiet=quiet) as report_progress:
        done = store_profiles(settings, out, window=window, rows=rows, new=new, progress=report_progress)
    for line in done.notes:
        note(line)
    if json:
        say_json("log-profile", **asdict(done))
        return 0
    period = f" ({done.days[0]} to {done.days[-1]})" if done.days else ""
    say(
        f"{counted(len(done.days), 'day')}{period} of {count(done.rows)} rows stored in {done.folder}: "
        f"{count(done.columns)} columns, {count(done.bytes)} bytes; {counted(done.stored, 'day')} in all"
    )
    return 0
