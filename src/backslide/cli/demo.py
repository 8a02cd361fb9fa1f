"""``backslide demo``: the story of a silent drop, told on simulated documents."""

from __future__ import annotations

import os
import sys
import webbrowser
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from backslide.cli.output import note, progress, say, show
from backslide.cli.streams import answer_stream
from backslide.contracts.errors import ConfigError
from backslide.contracts.say import percent

if TYPE_CHECKING:
    from backslide.demo.fine_tuning import StoryResult

STORIES = ("letters", "reader")


def run(out: Path, *, story: str = STORIES[0], show_report: bool, as_json: bool, quiet: bool) -> int:
    """Run the demo into ``out`` and open its report; returns 0, although the model of the story got worse."""
    if story not in STORIES:
        raise ConfigError(f"--story: expected one of {', '.join(STORIES)}, got {story!r}")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out: {out} is a file; name a folder")
    letters = story == "letters"
    play = import_module(f"backslide.demo.{'fine_tuning' if letters else 'story'}")
    if not as_json:
        say(play.STORY + "\n")
    with progress(quiet=quiet) as report_progress:
        result = play.run(out, report_progress)
    diagnosis, page = (result.diagnosis, result.report) if letters else result
    if as_json:
        say(diagnosis.to_json())
    elif letters:
        _show_both(result)
    else:
        show(diagnosis)
    note(f"\nThe report: {page}" + (f"\nBoth models on the same letters: {result.shadow_report}" if letters else ""))
    if show_report and _has_screen():
        webbrowser.open(page.resolve().as_uri())
    return 0


def _show_both(result: StoryResult) -> None:
    """The story of the fine-tuned model: the diagnosis, then both models on the same letters."""
    old, new = result.validation
    say(
        f"Validation, on letters kept back: {percent(old, 1)} of the old model's answers are right, "
        f"{percent(new, 1)} of the new one's.\n"
    )
    show(result.diagnosis)
    say("\n" + result.shadow.to_text())


def _has_screen() -> bool:
    """Whether opening a browser would reach a person, and not a text browser in a build log."""
    if not answer_stream().isatty() or os.environ.get("CI"):
        return False
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
