"""The manifest of a version: what belongs to it, by digest. It is data that somebody may have written, and is read as such."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from backslide.contracts.errors import InputError
from backslide.contracts.files import parse_json, read_text
from backslide.stack.artefact import content_digest

FORMAT = "backslide.version/1"
MANIFEST = "manifest.json"
_DIGEST = re.compile(r"[0-9a-f]{64}")


def read_manifest(version: Path) -> dict[str, Any]:
    """The manifest of the version in a folder.

    Raises:
        InputError: it cannot be read, is of another format, or names files that are not plain files of that folder.
    """
    path = version / MANIFEST
    try:
        manifest = parse_json(read_text(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a manifest: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise InputError(f"{version}: expected a version of format {FORMAT!r}, found {found!r}")
    digests, model = manifest.get("sha256"), manifest.get("model")
    if not isinstance(digests, dict) or not all(isinstance(d, str) and _DIGEST.fullmatch(d) for d in digests.values()):
        raise InputError(f"{path}: expected 'sha256' with the digest of every file")
    if not isinstance(model, str) or model not in digests:
        raise InputError(f"{path}: expected 'model' to be one of the files under 'sha256', found {model!r}")
    outside = next((name for name in digests if not _inside(version, name)), None)
    if outside is not None:
        raise InputError(f"{path} names {outside!r}, which is not a file of this version")
    lineage = manifest.get("lineage", {})
    return {**manifest, "lineage": lineage if isinstance(lineage, dict) else {}}


def _inside(version: Path, name: str) -> bool:
    """Whether a name is that of a file in the folder itself, and no way out of it."""
    plain = Path(name).name == name and name not in ("", ".", "..") and "\\" not in name and "\0" not in name
    return plain and not (version / name).is_symlink()


def check_files(version: Path, manifest: dict[str, Any]) -> None:
    """Compare every file with its digest.

    Raises:
        InputError: one is not what was written.
    """
    for file, digest in manifest["sha256"].items():
        actual = content_digest(version / file)[0] if (version / file).exists() else "nothing"
        if actual != digest:
            raise InputError(
                f"{version / file} is not what was written: expected SHA-256 {digest[:12]}, found {actual[:12]}; restore it, or "
                "roll back to another version"
            )


def describe(version: Path) -> dict[str, Any]:
    """Name, time, candidate and number of rows of a version; of one whose manifest is damaged, why."""
    try:
        manifest = read_manifest(version)
    except InputError as error:
        return {"name": version.name, "created": None, "damaged": str(error)}
    lineage = manifest["lineage"]
    facts = {key: lineage[key] for key in ("candidate", "rows", "period") if key in lineage}
    return {"name": version.name, "created": manifest.get("created"), **facts}
