"""``backslide report``: a stored diagnosis, comparison, gate, retraining report or look of watching, rendered again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from backslide.cli.output import Files, note, show
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import ConfigError, InputError, did_you_mean
from backslide.contracts.files import check_folder, parse_json, read_text

if TYPE_CHECKING:
    from backslide.contracts.rendering import PublishedAnswer
    from backslide.report.render.export import Format


def run(source: str, files: Files, *, charts: Path | None = None, image: str | None = None) -> int:
    """Read, render and write; prints the text when nothing else was asked for."""
    files.check()
    kind = _check_charts(charts, image)
    answer = _answer(_read(source))
    if charts is not None and not isinstance(answer, Diagnosis):
        raise ConfigError("--charts writes the charts of a diagnosis; write this answer with --html")
    printed = files.write(answer)
    if charts is not None and isinstance(answer, Diagnosis):
        _write_charts(answer, charts, kind)
    if not printed and files.html is None and files.md is None and charts is None:
        show(answer)
    return 0


def _answer(text: str) -> PublishedAnswer:
    """What its format says that it is."""
    from backslide.report.render.answer import answer_from

    try:
        return answer_from(parse_json(text))
    except ValueError as error:
        raise InputError(f"expected a diagnosis as JSON: {error}") from None


def _check_charts(folder: Path | None, image: str | None) -> Format:
    """The format of the images; refuses before the work what could not be written after it."""
    from backslide.report.render.export import FORMATS

    if image is not None and folder is None:
        raise ConfigError(f"--format {image} applies to charts; name their folder with --charts DIR")
    if folder is not None:
        if str(folder) == "-":
            raise ConfigError("charts are files, so they cannot go to standard output (-); name a folder")
        check_folder(folder, "charts")
    wanted = "svg" if image is None else image.lower()
    for known in FORMATS:
        if wanted == known:
            return known
    raise ConfigError(f"--format {image}: charts are written as svg or png{did_you_mean(wanted, FORMATS)}")


def _write_charts(diagnosis: Diagnosis, folder: Path, kind: Format) -> None:
    from backslide.report.render.export import INDEX_PAGE, write_charts

    written = write_charts(diagnosis, folder, kind)
    number = sum(1 for chart in written if chart.file)
    sentence = f"wrote {number} chart{'' if number == 1 else 's'} and {INDEX_PAGE} to {folder}"
    left_out = len(written) - number
    note(sentence + (f"; {left_out} could not be drawn" if left_out else ""))


def _read(source: str) -> str:
    if source == "-":
        return sys.stdin.read()
    path = Path(source)
    try:
        return read_text(path)
    except FileNotFoundError:
        raise InputError(f"no diagnosis at {source}; write one with `backslide diagnose --json {source}`") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{source} cannot be read as a diagnosis: {error}") from None
