"""Moments as people type them: ISO dates and times."""

from __future__ import annotations

from datetime import UTC, datetime

from backslide.contracts.errors import InputError


def parse_moment(text: str, what: str = "time") -> datetime:
    """An ISO date or time in UTC, which it is in where it names no zone; ``what`` begins the sentence of an error.

    Raises:
        InputError: it is neither.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"{what}: expected an ISO date or time such as 2026-04-03T10:00:00Z, got {text!r}") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def instant(at: datetime | str | None) -> datetime | None:
    """A moment with its zone: naive ones are UTC, texts are ISO; None where it is none."""
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            return None
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
