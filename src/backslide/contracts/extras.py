"""Packages that only some ways of use need: one place says in one line how to get them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts.errors import MissingExtraError

if TYPE_CHECKING:
    from types import TracebackType


def install(extra: str) -> str:
    """What a user types to get an extra of ours."""
    return f"pip install 'backslide[{extra}]'"


class needs:  # noqa: N801  # read as words: with needs("onnx", "reading a.onnx"): import onnx
    """Around the import of what belongs to an extra, and around calls that import it themselves.

    Raises:
        MissingExtraError: something in the block is not installed, or cannot be imported.
    """

    def __init__(self, extra: str, what: str) -> None:
        """Take the name of the extra in ``pyproject.toml``, and what cannot be done without it."""
        self.extra, self.what = extra, what

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Turn a missing module into the one line."""
        if isinstance(error, ImportError):
            package = (error.name or "a package").partition(".")[0]
            absent = isinstance(error, ModuleNotFoundError)
            cause = "" if absent else f" (it cannot be imported: {' '.join(str(error).split())})"
            raise MissingExtraError(f"{self.what} needs the package {package}{cause}; {install(self.extra)}") from None
