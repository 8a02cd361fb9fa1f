"""Every error a user can meet, one line each: what was expected, what came, what to do next.

BackslideError
├── ConfigError              backslide.toml: unknown key, wrong type, contradiction
├── InputError               the rows themselves
│   ├── SourceError          a path, glob, table or time range that cannot be opened, or is empty
│   │   └── NumberRangeError a database stops where a sum or a square leaves the range of its floats
│   ├── ColumnError          a column that a role names is not there
│   ├── LabelError           labels, predictions and scores that do not fit each other or the task
│   ├── TimestampError       timestamps that cannot be read
│   └── NoRowsError          rows are needed of a window that is a stored profile
├── ModelError               an artefact that cannot be loaded or called
│   ├── ModelTimeoutError    a call of the user's own code that did not return in time
│   └── UntrustedError       code that a configuration or a file names without `trusted = true`
├── LogError                 a prediction log that cannot be opened or written
├── StoreError               the state of watching cannot be opened or written
├── FrozenError              a frozen pipeline was to be fitted, or is not the one of its snapshot
└── MissingExtraError        an optional dependency that is not installed
"""

from __future__ import annotations

from difflib import SequenceMatcher, get_close_matches
from typing import TYPE_CHECKING

from backslide.contracts.secrets import scrub

if TYPE_CHECKING:
    from collections.abc import Iterable


class BackslideError(Exception):
    """Root of every error that is the input's doing; the CLI prints it on one line and exits with 2.

    Its message holds no credentials, whatever a library put into its own.
    """

    def __init__(self, *arguments: object) -> None:
        """Take a message, and what opens something out of it."""
        super().__init__(*(scrub(one) if isinstance(one, str) else one for one in arguments))


class ConfigError(BackslideError):
    """The configuration cannot be read as a backslide.toml."""


class InputError(BackslideError):
    """The rows cannot be used as they are."""


class SourceError(InputError):
    """A window's source cannot be opened or holds no rows."""


class NumberRangeError(SourceError):
    """A database stops where a sum or a square leaves the range of its floats."""


class ColumnError(InputError):
    """A column that was asked for is not in the data."""


class LabelError(InputError):
    """Labels, predictions and scores do not fit each other or the task."""


class TimestampError(InputError):
    """The timestamp column cannot be read as times."""


NO_ROWS = "is a stored profile, which holds no rows"
"""In every message about rows that are not there, whichever library hands it on."""


class NoRowsError(InputError):
    """Rows of a window are asked for, and the window is a stored profile."""

    @classmethod
    def of(cls, window: str) -> NoRowsError:
        """The error of one window."""
        return cls(f"needs the rows themselves, and the {window} window {NO_ROWS}")


def lacks_rows(error: BaseException) -> bool:
    """Whether an error says so, by itself or in the words of a library that came between."""
    return isinstance(error, NoRowsError) or NO_ROWS in str(error)


class ModelError(BackslideError):
    """A model artefact cannot be loaded or called."""


class ModelTimeoutError(ModelError):
    """A call of the user's own code did not return within `[engine] model_timeout`."""


class UntrustedError(ModelError):
    """A configuration or a file names code, and nobody said `trusted = true`."""


class LogError(BackslideError):
    """A prediction log: its name, place or tables."""


class StoreError(BackslideError):
    """The store of watching's state: its URL, server or version."""


class FrozenError(BackslideError):
    """A frozen pipeline was to be fitted, or is not the one that its snapshot describes."""


class MissingExtraError(BackslideError):
    """An optional dependency is needed and not installed."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of an error line: ``; did you mean 'income'?`` or what there is to choose from.

    Returns an empty string when nothing is known.
    """
    options = [str(option) for option in known]
    lowered = {option.lower(): option for option in options}
    near = _nearest(word, options, 0.6) or lowered.get(_nearest(word.lower(), list(lowered), 0.5) or "")
    if near:
        return f"; did you mean {near!r}?"
    if not options:
        return ""
    shown = ", ".join(repr(option) for option in options[:8])
    return f"; there is {shown}" + (f" and {len(options) - 8} more" if len(options) > 8 else "")


def _nearest(word: str, options: list[str], cutoff: float) -> str | None:
    """The option most like ``word``; of several equally like it the one that stands first."""
    close = get_close_matches(word, options, n=max(len(options), 1), cutoff=cutoff)
    likeness = SequenceMatcher(b=word)

    def unlike(option: str) -> tuple[float, int]:
        likeness.set_seq1(option)
        return -likeness.ratio(), options.index(option)

    return min(close, key=unlike, default=None)
