"""Time ranges written as text: ``2026-03-01..2026-03-31``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from backslide.contracts.errors import TimestampError

_LOOKS_LIKE_DATE = re.compile(r"^\d{4}-\d")
_BARE_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


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


@dataclass(frozen=True)
class TimeRanges:
    """One or several time ranges that make one window together; a row in two of them counts once."""

    parts: tuple[TimeRange, ...]
    """By their start."""

    @property
    def end(self) -> datetime:
        """Of the last."""
        return max(part.end for part in self.parts)

    def condition(self, column: str) -> pl.Expr:
        """Rows of a date or datetime column that lie in any of the ranges."""
        return pl.any_horizontal([part.condition(column) for part in self.parts])

    def apart_from(self, other: TimeRanges) -> bool:
        """Whether no moment lies in both."""
        return all(a.end <= b.start or b.end <= a.start for a in self.parts for b in other.parts)

    def __str__(self) -> str:
        return ", ".join(f"{_short(part.start)}..{_short(part.end)}" for part in self.parts) + " (ends not included)"


def parse_time_ranges(source: object) -> TimeRanges | None:
    """Read a time range, a list of them, or several in one text with commas between.

    Returns:
        The ranges, or None when the source is none (a path, a table).

    Raises:
        TimestampError: one that looks like a range and cannot be read, or a list that also holds something else.
    """
    texts = source.split(",") if isinstance(source, str) else source
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        return None
    parts = [parse_time_range(text) for text in texts]
    ranges = [part for part in parts if part is not None]
    if ranges and len(ranges) == len(parts):
        return TimeRanges(tuple(sorted(ranges, key=lambda part: part.start)))
    if isinstance(source, str) and not ranges:
        return None
    other = next((text for text, part in zip(texts, parts, strict=True) if part is None), "nothing")
    raise TimestampError(
        f"expected time ranges like '2026-03-01..2026-03-14' alone where a window has several parts, got {other!r}"
    )


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


@dataclass(frozen=True)
class TimeSpan:
    """From ``start`` to ``end``, both included: naive UTC, or numbers as the time column holds them."""

    start: datetime | float
    end: datetime | float
    text: str
    """As it was written."""

    @property
    def dated(self) -> bool:
        """Whether the ends are dates or times."""
        return isinstance(self.start, datetime)

    def condition(self, moment: pl.Expr, *, dated: bool) -> pl.Expr:
        """Rows that lie in the span; ``moment`` is naive UTC where ``dated``, and numbers are seconds since 1970 then."""
        start, end = (_since_1970(end) if dated and isinstance(end, float) else end for end in (self.start, self.end))
        return (moment >= start) & (moment <= end)

    def __str__(self) -> str:
        return self.text


def _since_1970(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def parse_time_span(text: str, option: str) -> TimeSpan:
    """Read ``START..END`` with both ends included: dates, times or numbers such as seconds since 1970.

    A bare date as the end means the whole of that day.

    Raises:
        TimestampError: it is none, mixes both, or ends before it starts; ``option`` names it.
    """
    left, dots, right = (part.strip() for part in text.partition(".."))
    numbers = [_NUMBER.fullmatch(part) is not None for part in (left, right)]
    if not dots or not left or not right or numbers[0] != numbers[1]:
        raise TimestampError(
            f"{option}: expected START..END such as 2026-03-01..2026-03-14 or 1566397200..1566397740, got {text!r}"
        )
    if numbers[0]:
        span, backwards = TimeSpan(float(left), float(right), text), float(right) < float(left)
    else:
        start, end = _instant(left, text), _instant(right, text)
        if _BARE_DATE.match(right):
            end += timedelta(days=1, microseconds=-1)
        span, backwards = TimeSpan(start, end, text), end < start
    if backwards:
        raise TimestampError(f"{option}: expected a period that ends after it starts, got {text!r}; swap its ends")
    return span
