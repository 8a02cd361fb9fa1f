"""``backslide demo``: the story of a silent drop, told on simulated documents."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

from backslide.cli.output import note, progress, say, show


def run(out: Path, *, show_report: bool, as_json: bool, quiet: bool) -> int:
    """Run the demo into ``out`` and open its report; returns 0, although the model of the story got worse."""
    from backslide import demo

    if not as_json:
        say(demo.STORY + "\n")
    with progress(quiet=quiet) as report_progress:
        diagnosis, page = demo.run(out, report_progress)
    if as_json:
        say(diagnosis.to_json())
    else:
        show(diagnosis)
    note(f"\nThe report: {page}")
    if show_report and _has_screen():
        webbrowser.open(page.resolve().as_uri())
    return 0


def _has_screen() -> bool:
    """Whether opening a browser would reach a person, and not a text browser in a build log."""
    if not sys.stdout.isatty() or os.environ.get("CI"):
        return False
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
