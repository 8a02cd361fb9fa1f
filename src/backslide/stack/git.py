"""Asking git, without its configuration being able to run anything or to wait for a password."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from backslide.contracts import say
from backslide.contracts.errors import InputError
from backslide.stack.masking import without_credentials

_SETTINGS = (
    "core.fsmonitor=false core.hooksPath=/dev/null diff.external= core.pager=cat color.ui=false core.quotePath=false "
    "log.showSignature=false"
)
_SAFE = tuple(word for setting in _SETTINGS.split() for word in ("-c", setting))
SECONDS = 60.0


def git(folder: Path, *arguments: str) -> str:
    """Output of one read-only git command.

    Raises:
        InputError: no git, no repository, or the command fails; one line, without credentials.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "GIT_PAGER": "cat"}
    try:
        done = subprocess.run(
            ["git", *_SAFE, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise InputError(f"expected git and a checkout at {folder}; one of them is not there") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"git {arguments[0]} in {folder} took longer than {say.fixed(SECONDS, 0)} s") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise InputError(without_credentials(f"git {arguments[0]} in {folder}: {lines[0]}"))
    return done.stdout.decode("utf-8", "replace")
