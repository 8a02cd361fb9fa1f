"""Time ranges written as text: ``2026-03-01..2026-03-31``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from backslide.contracts.errors import TimestampError

_LOOKS_LIKE_DATE = re.compile(r"^\d{4}-\d")
_BARE_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True)
class TimeRange:
    """From ``start`` up to, not including, ``end``; both naive UTC."""

    start: datetime
    end: datetime

    def condition(self, column: str) -> pl.Expr:
        """Rows of a date or datetime column (naive = UTC, or with a zone) that lie in the range."""
        instant = pl.col(column).cast(pl.Datetime("us"))
        return (instant >= self.start) & (instant < self.end)

    def __str__(self) -> str:
        return f"{_short(self.start)}..{_short(self.end)} (end not included)"


def parse_time_range(text: str) -> TimeRange | None:
    """Read ``START..END`` where both are dates or times with optional zone (UTC without).

    A bare date as the end means the whole of that day; an end with a time is not included.

    Returns:
        The range, or None when the text is none (a path, say).

    Raises:
        TimestampError: when it looks like a range and cannot be read, or ends before it starts.
    """
    left, dots, right = (part.strip() for part in text.partition(".."))
    if not dots or not left or not right or re.search(r"[\\/*]", text):
        return None
    if not (_LOOKS_LIKE_DATE.match(left) or _LOOKS_LIKE_DATE.match(right)):
        return None
    start, end = _instant(left, text), _instant(right, text)
    if _BARE_DATE.match(right):
        end += timedelta(days=1)
    if end <= start:
        raise TimestampError(f"expected a time range that ends after it starts, got {text!r}; swap its ends")
    return TimeRange(start, end)


def _instant(part: str, text: str) -> datetime:
    try:
        if _BARE_DATE.match(part):
            return datetime.combine(date.fromisoformat(part), time())
        instant = datetime.fromisoformat(part)
    except ValueError:
        raise TimestampError(
            f"expected a time range like '2026-03-01..2026-03-31', got {text!r}: {part!r} is not a date or time"
        ) from None
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def _short(instant: datetime) -> str:
    return instant.date().isoformat() if instant.time() == time() else instant.isoformat()
