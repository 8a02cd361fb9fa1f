"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

PrintJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def option(name: str, metavar: str, about: str) -> typer.models.OptionInfo:
    """An option that takes a value."""
    info: typer.models.OptionInfo = typer.Option(name, metavar=metavar, help=about)
    return info
