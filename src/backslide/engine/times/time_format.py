"""How the configuration says that time columns are written."""

from __future__ import annotations

from dataclasses import dataclass

from backslide.contracts.errors import ConfigError
from backslide.contracts.roles import Roles
from backslide.engine.times.formats import DAY_FIRST, MONTH_FIRST, named


@dataclass(frozen=True)
class TimeFormat:
    """How the user says a time column is written."""

    format: str | None = None
    order: str | None = None
    """Of day and month, where every row fits both."""
    zone: str | None = None
    """Of times that name none."""


def time_format(roles: Roles) -> TimeFormat:
    """What the configuration says of the timestamp.

    Raises:
        ConfigError: a zone that nobody knows, or a format that is none.
    """
    if roles.timestamp_zone is not None:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(roles.timestamp_zone)
        except (KeyError, ValueError, OSError):
            raise ConfigError(
                f"[model] timestamp_zone: {roles.timestamp_zone!r} is not a time zone; expected one such as 'Europe/Berlin'"
            ) from None
    if roles.timestamp_format is not None:
        named(roles.timestamp_format)
    return TimeFormat(roles.timestamp_format, zone=roles.timestamp_zone)


def other_time_format(roles: Roles) -> TimeFormat:
    """How another time column than the timestamp is written: in the same zone, day and month in the same order."""
    text = roles.timestamp_format or ""
    order = next(
        (o for o, sign in ((DAY_FIRST, "%d"), (MONTH_FIRST, "%m")) if text == o or text.startswith(sign)), None
    )
    return TimeFormat(order=order, zone=roles.timestamp_zone)
