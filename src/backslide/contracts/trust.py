"""The one gate for code that a configuration, a command line or a file names: refused unless somebody vouched for it."""

from __future__ import annotations

from backslide.contracts.errors import UntrustedError


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
        raise UntrustedError(
            f"{subject} {reason}, so loading it executes code; set trusted = true under [artifacts] if you made it{otherwise}"
        )
