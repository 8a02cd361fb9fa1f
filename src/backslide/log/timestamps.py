"""When something was, as a caller says it, in seconds since 1970."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from typing import Any

from backslide.contracts.errors import LogError
from backslide.log.lines import TIME, to_json_value

LEAST, MOST = -62_135_596_800.0, 253_402_300_799.0
"""Seconds of the years 1 and 9999."""
_UNITS = ((1e11, 42e11, 1e-3), (1e14, 42e14, 1e-6), (1e17, 42e17, 1e-9))
"""From and up to which number milli-, micro- and nanoseconds are meant: 1973 to 2103."""


def seconds(at: Any) -> float:
    """Seconds since 1970 of a datetime (naive: UTC), a date (its midnight), an ISO text, or a number.

    Numbers are seconds, or milli-, micro- or nanoseconds, told apart by their size. A missing time (``NaN``, ``NaT``) is NaN.

    Raises:
        LogError: no calendar has the time, or it is none.
    """
    if at.__class__ is float and LEAST <= at < 1e11:
        return at
    try:
        number = _number(at)
    except (TypeError, ValueError, OverflowError):
        raise LogError(
            f"expected a time (seconds since 1970, a datetime or an ISO text), got at={_shorten(at)}"
        ) from None
    if math.isnan(number):
        return number
    for least, most, unit in _UNITS:
        if least <= number < most:
            return number * unit
    if not LEAST <= number <= MOST:
        raise LogError(f"expected a time between the years 1 and 9999 (seconds since 1970), got at={_shorten(at)}")
    return number


def _number(at: Any) -> float:
    if at.__class__ is str:
        at = datetime.fromisoformat(at)
    elif hasattr(at, "dtype"):  # a scalar or an array of one
        known = to_json_value(at)
        at = known[TIME] if isinstance(known, dict) and TIME in known else known
    elif to_json_value(at) is None:  # NaT is a datetime, too
        return math.nan
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    if isinstance(at, datetime):
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    if isinstance(at, date):
        return datetime.combine(at, time(), UTC).timestamp()
    if at is None:
        return math.nan
    if isinstance(at, dict):  # NaN and infinities of an array
        at = at.get("$f")
    return float(at)


def _shorten(at: Any) -> str:
    text = repr(at)
    return text if len(text) <= 60 else f"{text[:57]}..."
