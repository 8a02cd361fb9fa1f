"""Times in plain words, in the reader's time zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from backslide.contracts import say
from backslide.contracts.moments import instant

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MINUTE, HOUR, DAY = 60, 3600, 86400
WORDED_DAYS = 6
"""So many days back the weekday alone says which day it was."""
MONTH_DAYS, YEAR_DAYS = 30.44, 365.25


def moment(at: datetime | str | None, zone: ZoneInfo, now: datetime) -> str:
    """``today 14:05``, ``Tuesday 14:05``, ``3 April 14:05``, ``3 April 2025 14:05``; a bare day without a time."""
    if isinstance(at, str) and len(at) <= len("2026-04-03"):
        return day(at, now)
    when = instant(at)
    if when is None:
        return str(at or "")
    local = when.astimezone(zone)
    return f"{_day(local.date(), now.astimezone(zone).date())} {local:%H:%M}"


def day(text: str | None, now: datetime) -> str:
    """A day (ISO) or another name of a period, in words: ``yesterday``, ``Tuesday``, ``3 April``, ``3 April 2025``."""
    if not text:
        return ""
    try:
        named = date.fromisoformat(text[:10])
    except ValueError:
        return text
    shown = _day(named, now.astimezone(UTC).date())
    return shown if len(text) <= len("2026-04-03") else f"{shown} {text[11:16]} UTC"


def _day(named: date, today: date) -> str:
    back = (today - named).days
    if back == 0:
        return "today"
    if back == 1:
        return "yesterday"
    if 1 < back <= WORDED_DAYS:
        return _WEEKDAYS[named.weekday()]
    year = "" if named.year == today.year else f" {named.year}"
    return f"{named.day} {named:%B}{year}"


def ago(at: datetime | str | None, now: datetime) -> str:
    """``just now``, ``4 minutes ago``, ``3 hours ago``, ``12 days ago``; of a bare day counted from its midnight (UTC)."""
    when = instant(at)
    if when is None:
        return ""
    if isinstance(at, str) and len(at) <= len("2026-04-03"):
        days = (now.astimezone(UTC).date() - when.date()).days
        return {0: "today", 1: "yesterday"}.get(days) or (
            f"{duration(timedelta(days=days))} ago" if days > 0 else "ahead"
        )
    seconds = (now - when).total_seconds()
    if seconds < MINUTE:
        return "just now" if seconds > -MINUTE else f"in {duration(timedelta(seconds=-seconds))}"
    return f"{duration(timedelta(seconds=seconds))} ago"


def duration(length: timedelta) -> str:
    """In its largest unit: ``4 minutes``, ``3 hours``, ``12 days``, ``5 months``."""
    seconds = length.total_seconds()
    if seconds < HOUR:
        return say.counted(max(1, round(seconds / MINUTE)), "minute")
    if seconds < 2 * DAY:
        return say.counted(max(1, round(seconds / HOUR)), "hour")
    days = seconds / DAY
    if days < 2 * MONTH_DAYS:
        return say.counted(round(days), "day")
    if days < 2 * YEAR_DAYS:
        return say.counted(round(days / MONTH_DAYS), "month")
    return say.counted(round(days / YEAR_DAYS), "year")


_END = re.compile(r"(?<=[^.\d])\. (?=\S)")


def first_sentence(text: str) -> tuple[str, str]:
    """The first sentence, which is read first, and the others."""
    first, *rest = _END.split(text, maxsplit=1)
    return (f"{first}.", rest[0]) if rest else (text, "")


def points(estimate: dict[str, object] | None, *, share: bool) -> tuple[str, str]:
    """The size of a change and its interval: ``3.4 points``, ``2.3 to 4.5``; empty where nothing is known."""
    value = estimate.get("estimate") if estimate else None
    if not estimate or not isinstance(value, (int, float)):
        return "", ""
    size = say.change(float(value), share=share)
    ends = [float(end) for key in ("low", "high") if isinstance(end := estimate.get(key), (int, float))]
    if len(ends) < 2:
        return size, ""
    signed = sorted((-1 if value < 0 else 1) * end for end in ends)
    low, high = (say.fixed(100 * end, 1) if share else say.number(end, 3) for end in signed)
    return size, f"{low} to {high}"
