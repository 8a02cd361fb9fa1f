"""One record as one line of JSON, and back: NaN, infinities, bytes, decimals and times survive.

Plain values are written as they are. What JSON cannot say is an object of one key: ``{"$f": "nan"}``, ``{"$b": base64}``,
``{"$d": "1.10"}``, ``{"$t": ISO time}``, ``{"$o": text}`` for anything else.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

import orjson

PLAIN = frozenset((str, int, bool, type(None)))
WHOLE = 2**63
"""Integers from here on do not fit a column of integers."""
_QUICK = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE


def line(record: dict[str, Any], *mappings: str) -> bytes:
    """The line of a record; ``mappings`` are its keys that hold dictionaries of the caller's values.

    Most records can be written at once. A NaN comes out as ``null`` then, so lines with a null in them are looked at again.

    Raises:
        TypeError: a value that cannot be written at all.
    """
    try:
        data = orjson.dumps(record, option=_QUICK)
        if b"null" not in data:
            return data
    except TypeError:
        data = b""
    odd = False
    for key in mappings:
        values = record.get(key)
        if values is not None and not (values.__class__ is dict and all(map(_plain, values.values()))):
            record = {**record, key: {str(name): told(own) for name, own in values.items()}}
            odd = True
    if data and not odd:
        return data
    try:
        return orjson.dumps(record, option=_OPTIONS)
    except TypeError:  # an integer of more than 64 bits, or text with lone surrogates
        return orjson.dumps(_safe(record), option=_OPTIONS)


def _plain(value: Any) -> bool:
    kind = value.__class__
    return kind in PLAIN or (kind is float and value - value == 0.0)


def told(value: Any) -> Any:
    """A value of the caller's as JSON can say it."""
    kind = value.__class__
    if kind in PLAIN:
        return value
    if isinstance(value, Enum):
        return told(value.value)
    if isinstance(value, float) or hasattr(value, "item"):
        value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$f": str(float(value))}
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$b": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, Decimal):
        return {"$d": str(value)}
    if isinstance(value, (datetime, date, time)):
        return {"$t": value.isoformat()}
    if isinstance(value, Mapping):
        return {str(name): told(own) for name, own in value.items()}
    if hasattr(value, "tolist"):
        return told(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [told(own) for own in value]
    return {"$o": str(value)}


def _safe(value: Any) -> Any:
    """The same without what orjson refuses: large integers as text of digits, lone surrogates as replacement characters."""
    if isinstance(value, dict):
        return {_safe(str(name)): _safe(own) for name, own in value.items()}
    if isinstance(value, list):
        return [_safe(own) for own in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool) and not -WHOLE <= value < WHOLE:
        return {"$d": str(value)}
    return value


def value_of(told_: Any) -> Any:
    """A value as it is kept in a column: NaN and infinities as floats, times as ISO texts, the rest as text."""
    if not isinstance(told_, dict):
        return told_
    if len(told_) == 1:
        ((tag, inner),) = told_.items()
        if tag == "$f":
            return float(inner)
        if tag in ("$d", "$t", "$o", "$b"):
            return str(inner)
    return orjson.dumps({name: value_of(own) for name, own in told_.items()}, option=orjson.OPT_NON_STR_KEYS).decode()
