"""``backslide versions``: what the registry holds, and the way back."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from backslide.cli.options import PrintJson, option
from backslide.cli.output import note, say
from backslide.contracts.errors import InputError
from backslide.contracts.escape import clean_text


def versions(
    registry: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of versions.")] = Path("models"),
    roll_back: Annotated[bool, typer.Option("--roll-back", help="Make the previous version current again.")] = False,
    to: Annotated[str | None, option("--to", "NAME", "Make this version current.")] = None,
    json: PrintJson = False,
) -> int:
    """List the retrained versions, or roll back to an earlier one."""
    from backslide.retraining.registry import current_version, describe_versions
    from backslide.retraining.registry import roll_back as back

    if not registry.is_dir():
        raise InputError(f"no registry at {registry}; `backslide retrain --registry {registry}` writes one")
    if roll_back or to is not None:
        note(f"current is {back(registry, to)}")
    current, listing = current_version(registry), describe_versions(registry)
    if json:
        say(dumps({"current": current, "versions": listing}, indent=2))
        return 0
    for one in listing:
        mark = "*" if one["name"] == current else " "
        facts = one.get("damaged") or f"{one.get('candidate', '')}, {one.get('rows', '?')} rows"
        say(clean_text(f"{mark} {one['name']}  {one['created'] or 'damaged'}  {facts}"))
    return 0
