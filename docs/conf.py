"""How the pages of this folder become a site: `make site` writes it to build/site; a warning is an error.

The pages are plain Markdown and read as well where they lie. What a site needs beyond them, the order of its pages, stands
here and is added to the front page as it is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backslide import __version__

project = "backslide"
author = "The backslide developers"
copyright = author
version = release = __version__

extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"backslide {__version__}"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_extra_path = ["llms.txt"]
myst_enable_extensions = ["strikethrough"]
myst_heading_anchors = 4  # links to headings are checked, down to this depth
suppress_warnings = ["misc.highlighting_failure"]  # examples may leave lines out with "..."

PAGES = {
    "First steps": ["tutorial", "tutorial-letters", "tutorial-news", "quick-looks"],
    "Find out why": ["shadow", "ci", "assistants", "segments", "integrity", "embeddings"],
    "Mend it, and keep watch": ["retrain", "watching", "log"],
    "Reference": ["how-it-works", "checks/index", "causes/index", "scale", "benchmarks"],
    "For contributors": ["architecture", "decisions/index"],
}
"""Caption -> pages below it, in the order of the side bar."""
FOLDERS = ("checks", "causes", "decisions")
"""Folders whose index lists every page of theirs."""


def _toctree(pages: list[str], caption: str = "", *, glob: bool = False) -> str:
    options = [
        ":hidden:",
        ":maxdepth: 1",
        *([f":caption: {caption}"] if caption else []),
        *([":glob:"] if glob else []),
    ]
    return "\n\n```{toctree}\n" + "\n".join([*options, "", *pages]) + "\n```\n"


def _add_order(_app: Any, name: str, text: list[str]) -> None:
    if name == "index":
        order = {**PAGES, "More": _others()}
        text[0] += "".join(_toctree(pages, caption) for caption, pages in order.items() if pages)
    elif name.endswith("/index") and name.split("/")[0] in FOLDERS:
        text[0] += _toctree(["*"], glob=True)


def _others() -> list[str]:
    """Pages of this folder that PAGES does not place."""
    placed = {"index", *(page for pages in PAGES.values() for page in pages)}
    return sorted({path.stem for path in Path(__file__).parent.glob("*.md")} - placed)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_order)
