"""The one gate for code that a configuration, a command line or a file names: refused unless somebody vouched for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backslide.contracts.errors import UntrustedError

_IN_THE_CONFIGURATION = "set trusted = true under [artifacts] if you made it"
_BESIDE_THE_NAME = "say --trusted (trusted=True) if you made it"


def require_trust(subject: str, reason: str, *, trusted: bool, otherwise: str = "") -> None:
    """Let code be loaded, or refuse it.

    Args:
        subject: what names the code, as the user wrote it.
        reason: why loading it runs code: ``is pickle-based``, ``names a function``.
        trusted: ``trusted = true``, which stands for everything that is named; absent is false.
        otherwise: what else would help, as ``, or save it as .skops``.

    Raises:
        UntrustedError: nobody said so.
    """
    if not trusted:
        raise UntrustedError(f"{subject} {reason}, so loading it executes code; {_IN_THE_CONFIGURATION}{otherwise}")


@contextmanager
def trust_beside_the_name() -> Iterator[None]:
    """Let a refusal say where trust is said for a model that no configuration names: with the command or the call."""
    try:
        yield
    except UntrustedError as error:
        raise UntrustedError(str(error).replace(_IN_THE_CONFIGURATION, _BESIDE_THE_NAME)) from None
