"""The checkout that serves: its commit, branch and remote, and every file that differs from the commit."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from backslide.contracts.errors import InputError
from backslide.contracts.snapshot import Repository
from backslide.stack.git import git
from backslide.stack.masking import digest, scrub, secret_name

MOST_DIRTY = 500
CODE = frozenset({".py", ".pyx", ".ipynb", ".sql", ".sh", ".r", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".env"})
"""Untracked files that are told; others are logs, data and artefacts."""
LARGE = 20 * 2**20
"""Bytes above which a changed file is told by its size instead of its content."""


def repository(folder: Path, salt: str = "") -> Repository:
    """The state of the checkout that ``folder`` lies in.

    Raises:
        InputError: it lies in none, or the checkout has no commit yet.
    """
    top = Path(git(folder, "rev-parse", "--show-toplevel").strip())
    commit, committed_at = git(top, "log", "-1", "--format=%H %cI").split()
    branch = git(top, "rev-parse", "--abbrev-ref", "HEAD").strip()
    return Repository(
        commit=commit,
        branch=None if branch == "HEAD" else branch,
        committed_at=committed_at,
        remote=_remote(top),
        dirty=_dirty(top, salt),
    )


def _remote(top: Path) -> str | None:
    try:
        names = git(top, "remote").split()
        if not names:
            return None
        return plain_address(git(top, "remote", "get-url", "origin" if "origin" in names else names[0]).strip())
    except InputError:
        return None


def plain_address(address: str) -> str:
    """Host and path of a remote; no user, password, query or fragment."""
    if "://" not in address:
        return scrub(address.split("@", 1)[-1])  # git@host:owner/name
    parts = urlsplit(address)
    host = (parts.netloc.rsplit("@", 1)[-1]).strip()
    return scrub(f"{parts.scheme}://{host}{parts.path}")


def _dirty(top: Path, salt: str) -> dict[str, str]:
    listed = git(top, "status", "--porcelain=v1", "-z", "--untracked-files=all").split("\0")
    result: dict[str, str] = {}
    skip = False
    for entry in listed:
        if skip or not entry:
            skip = False
            continue
        state, name = entry[:2], entry[3:]
        skip = "R" in state or "C" in state  # the next entry is where it came from
        relevant = state != "??" or Path(name).suffix.lower() in CODE
        if relevant and len(result) < MOST_DIRTY:
            result[name] = _content(top / name, name, salt)
    return result


def _content(path: Path, name: str, salt: str) -> str:
    if path.is_dir():
        return "folder"
    if not path.is_file():
        return "gone" if not path.exists() else "no file"
    try:
        size = path.stat().st_size
        text = f"{size} bytes" if size > LARGE else sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "gone"
    return digest(name, text, salt, secret=secret_name(path.stem))
