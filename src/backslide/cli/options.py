"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PrintJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def option(name: str, metavar: str, about: str) -> typer.models.OptionInfo:
    """An option that takes a value."""
    info: typer.models.OptionInfo = typer.Option(name, metavar=metavar, help=about)
    return info


Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
JsonFile = Annotated[str | None, option("--json", "FILE", "Write the answer as JSON; - for standard output.")]
HtmlFile = Annotated[str | None, option("--html", "FILE", "Write the report as one HTML page.")]
HtmlFolder = Annotated[str | None, option("--html", "DIR", "Write pages for every model over time to this folder.")]
MarkdownFile = Annotated[str | None, option("--md", "FILE", "Write the report as Markdown.")]
JunitFile = Annotated[str | None, option("--junit", "FILE", "Write the answer as JUnit XML.")]
OpenlineageFile = Annotated[str | None, option("--openlineage", "FILE", "Write the findings as an OpenLineage event.")]
Trusted = Annotated[
    bool, typer.Option("--trusted/--untrusted", help="Whether the model file may run code while being loaded.")
]
PayloadFormat = Annotated[
    str | None,
    option("--format", "NAME", "A server's payload log: kserve, bentoml, ray, mlserver, mlflow or json-lines."),
]
Store = Annotated[str, option("--store", "DIR", "Folder of the log.")]
OneModel = Annotated[str | None, option("--model", "NAME", "Name of the model; default: all, or the only one.")]
Spool = Annotated[
    Path | None, option("--spool", "DIR", "Folder of the lines not yet rolled up; default: inside the store.")
]
