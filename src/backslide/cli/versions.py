"""``backslide versions``: what the registry holds, and the way back."""

from __future__ import annotations

import json
from pathlib import Path

from backslide.cli.output import note, say
from backslide.contracts.errors import InputError
from backslide.contracts.escape import clean_text


def run(registry: Path, *, back: bool, to: str | None, as_json: bool) -> int:
    """List, after rolling back where that was asked for."""
    from backslide.retraining.registry import current_version, describe_versions, roll_back  # it is heavy

    if not registry.is_dir():
        raise InputError(f"no registry at {registry}; `backslide retrain --registry {registry}` writes one")
    if back or to is not None:
        note(f"current is {roll_back(registry, to)}")
    current, listing = current_version(registry), describe_versions(registry)
    if as_json:
        say(json.dumps({"current": current, "versions": listing}, indent=2))
        return 0
    for one in listing:
        mark = "*" if one["name"] == current else " "
        facts = one.get("damaged") or f"{one.get('candidate', '')}, {one.get('rows', '?')} rows"
        say(clean_text(f"{mark} {one['name']}  {one['created'] or 'damaged'}  {facts}"))
    return 0
