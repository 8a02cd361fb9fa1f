"""The command ``backslide watch`` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backslide.cli.options import Config, HtmlFolder, JsonFile, Quiet, option
from backslide.cli.output import Files


def watch(
    config: Config = Path("backslide.toml"),
    replay: Annotated[
        bool, typer.Option("--replay", help="Replay the history: which alarms would have been raised and when.")
    ] = False,
    every: Annotated[str | None, option("--every", "TIME", "Look again every 30m, 1h, 1d ... until stopped.")] = None,
    as_of: Annotated[str | None, option("--as-of", "TIME", "Treat this time as the present (ISO, UTC).")] = None,
    mute: Annotated[
        str | None, option("--mute", "STREAM", "Suppress alerts for a stream (a name, or missing:*).")
    ] = None,
    reason: Annotated[str | None, option("--reason", "TEXT", "Why the stream is muted.")] = None,
    until: Annotated[str | None, option("--until", "DAY", "Last day of the mute.")] = None,
    unmute: Annotated[str | None, option("--unmute", "STREAM", "Alert for a muted stream again.")] = None,
    test_alert: Annotated[bool, typer.Option("--test-alert", help="Send a test message to every receiver.")] = False,
    json: JsonFile = None,
    html: HtmlFolder = None,
    quiet: Quiet = False,
) -> int:
    """Check what arrived since the last look; alert if it got worse.

    Exits with 1 while an alarm is open, with 2 if this could not be determined.
    """
    from backslide.cli.watch import Wish, run

    wish = Wish(replay, every, as_of, mute, unmute, reason, until, test_alert, html)
    return run(config, Files(json=json), wish, quiet=quiet)
