"""One record as one line of JSON, and back: NaN, infinities, bytes, decimals and times survive.

Plain values are written as they are. What JSON cannot say is an object of one key: ``{"$f": "nan"}``, ``{"$b": base64}``,
``{"$d": "1.10"}``, ``{"$t": ISO time}``, ``{"$o": text}`` for anything else. A dictionary of the caller's that looks like one of
these is wrapped itself: ``{"$m": {"$f": "nan"}}``.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

import orjson

from backslide.contracts import say
from backslide.contracts.errors import LogError

PLAIN = frozenset((str, int, bool, type(None)))
WHOLE = 2**63
"""Integers from here on do not fit a column of integers."""
DEPTH = 200
"""Lists and dictionaries within each other; JSON readers stop soon after."""
PARTS, HELD = 2**20, 2**15
"""Values in all lists and dictionaries of a record together, and lists and dictionaries in others."""
NAN = {"$f": "nan"}
TIME = "$t"
"""Key of a time."""
_QUICK = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE
_DOLLAR = ord("$")
_TEXTS = frozenset(("$d", TIME, "$o", "$b"))
_TAGS = _TEXTS | {"$f", "$m"}
_INFINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_HELD = (list, tuple, set, frozenset, Mapping)
_SINGLE = PLAIN | {float}
_ABSENT = frozenset(("NAType", "NaTType", "MaskedConstant"))


def line(record: dict[str, Any], *mappings: str) -> bytes:
    """The line of a record; ``mappings`` are its keys that hold dictionaries of the caller's values.

    Most records can be written at once. A NaN comes out as ``null`` then, and a dictionary of the caller's may look like a
    wrapped value, so lines with either in them are looked at again.

    Raises:
        TypeError: a value that cannot be written at all.
        LogError: values too deep or too many, or names that are the same as text.
    """
    try:
        data = orjson.dumps(record, option=_QUICK)
        if data.rfind(b"null") < 0 and (_DOLLAR not in data or b'{"$' not in data):  # the quickest ways to look
            return data
    except TypeError:
        data = b""
    odd = False
    for key in mappings:
        values = record.get(key)
        if values is not None and not (values.__class__ is dict and all(map(_plain, values.values()))):
            record = {**record, key: _unique_names(values, str, to_json_value)}
            odd = True
    if data and not odd:
        return data
    try:
        return orjson.dumps(record, option=_OPTIONS)
    except TypeError:  # an integer of more than 64 bits, or text with lone surrogates
        return orjson.dumps(_safe(record), option=_OPTIONS)


def mapping(what: str, values: Any) -> Mapping[str, Any]:
    """A mapping of names to values that a line can hold.

    Raises:
        LogError: it is none, or holds too much.
    """
    if values is None and what == "features":
        return {}
    if not isinstance(values, Mapping):
        if not (hasattr(values, "keys") and hasattr(values, "items")):  # as a row of a data frame has them
            raise LogError(f"expected {what} as a mapping of names to values, got {type(values).__name__}")
        values = dict(values.items())
    if not _SINGLE.issuperset(map(type, values.values())):
        _check_size([values])
    pairs: Mapping[str, Any] = values
    return pairs


def _check_size(level: list[Any]) -> None:
    """Refuse what would be too deep or too long, such as a list that holds one list twice, that another twice, and so on.

    Raises:
        LogError: it is.
    """
    parts = letters = lists = 0
    for _ in range(DEPTH):
        below: list[Any] = []
        for item in level:
            parts += len(item)
            for value in item.values() if isinstance(item, Mapping) else item:
                if value.__class__ is str:
                    letters += len(value)
                elif value.__class__ not in _SINGLE and isinstance(value, _HELD):
                    below.append(value)
            if parts > PARTS or letters > 16 * PARTS or lists + len(below) > HELD:
                most = f"{say.number(PARTS)} values and {say.number(HELD)} lists and dictionaries"
                raise LogError(f"expected a record of at most {most}, got more")
        lists += len(below)
        if not below:
            return
        level = below
    raise LogError(f"expected lists and dictionaries at most {DEPTH} deep, got deeper ones")


def _plain(value: Any) -> bool:
    kind = value.__class__
    return kind in PLAIN or (kind is float and value - value == 0.0)


def to_json_value(value: Any) -> Any:
    """A value of the caller's as JSON can say it; None where it is missing in any library's way.

    Raises:
        LogError: lists and dictionaries too deep or too many.
    """
    if value.__class__ in PLAIN:
        return value
    if isinstance(value, _HELD):
        _check_size([value])
    return _json_value(value, DEPTH)


def to_answer(value: Any) -> Any:
    """A prediction or label as JSON can say it: as ``to_json_value``, but bytes are text, for they are compared with texts."""
    kind = value.__class__
    if kind is float and value - value == 0.0:
        return value
    known = to_json_value(value)
    if known.__class__ is dict and len(known) == 1 and "$b" in known:
        return base64.b64decode(known["$b"]).decode("utf-8", "replace")
    return known


def _json_value(value: Any, room: int) -> Any:
    kind = value.__class__
    if kind in PLAIN:
        return value
    if room < 0:
        raise LogError(f"expected lists and dictionaries at most {DEPTH} deep, got deeper ones")
    if isinstance(value, Enum):
        return _json_value(value.value, room - 1)
    if kind.__name__ in _ABSENT and kind.__module__.partition(".")[0] in ("pandas", "numpy"):
        return None
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$f": str(float(value))}
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$b": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, Decimal):
        return {"$d": str(value)}
    if isinstance(value, (datetime, date, time)):
        return {TIME: value.isoformat()}
    if isinstance(value, Mapping):
        return _dictionary(value, room)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_json_value(own, room - 1) for own in value]
    if hasattr(value, "tolist"):
        return _array(value, room)
    if hasattr(value, "as_py"):  # a scalar of Arrow's
        return _json_value(value.as_py(), room - 1)
    return {"$o": str(value)}


def _dictionary(value: Mapping[Any, Any], room: int) -> Any:
    if len(value) == 1 and str(next(iter(value))) in _TAGS:
        return {"$m": _unique_names(value, str, lambda own: _json_value(own, room - 2))}
    return _unique_names(value, str, lambda own: _json_value(own, room - 1))


def _array(value: Any, room: int) -> Any:
    """Of arrays, series and the scalars of NumPy; an array of one value is that value."""
    if getattr(getattr(value, "dtype", None), "kind", "") in ("M", "m") and type(value).__module__ == "numpy":
        value = value.astype(f"{value.dtype.kind}8[us]")  # nanoseconds would come out as whole numbers
    plain = value.tolist()
    while isinstance(plain, list) and len(plain) == 1:
        plain = plain[0]
    if hasattr(plain, "tolist") and not isinstance(plain, (str, bytes)):  # a number longer than Python's
        return _json_value(float(plain) if getattr(plain, "ndim", 1) == 0 else {"$o": str(plain)}, room - 1)
    return _json_value(plain, room - 1)


def _unique_names(values: Any, name_of: Callable[[Any], str], value_of_: Callable[[Any], Any]) -> dict[str, Any]:
    result = {name_of(name): value_of_(own) for name, own in values.items()}
    if len(result) != len(values):
        raise LogError("expected names that differ as text, got the same one twice")
    return result


def _safe(value: Any) -> Any:
    """The same without what orjson refuses: large integers as text of digits, lone surrogates as replacement characters."""
    if isinstance(value, dict):
        return _unique_names(value, lambda name: str(_safe(str(name))), _safe)
    if isinstance(value, (list, tuple)):
        return [_safe(own) for own in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool) and not -WHOLE <= value < WHOLE:
        return {"$d": str(value)}
    return value


def unwrap(told_: Any) -> Any:
    """What was told, without wraps, however deep: NaN and infinities as floats, times as ISO texts, the rest as text."""
    if isinstance(told_, list):
        return [unwrap(own) for own in told_]
    if not isinstance(told_, dict):
        return told_
    if len(told_) == 1:
        ((tag, own),) = told_.items()
        if tag == "$f" and isinstance(own, str) and own in _INFINITE:
            return _INFINITE[own]
        if tag in _TEXTS and isinstance(own, str):
            return own
        if tag == "$m" and isinstance(own, dict):
            told_ = own
    return {name: unwrap(own) for name, own in told_.items()}


def value_of(told_: Any) -> Any:
    """A value as it is kept in a column: as ``unwrap``, but dictionaries are JSON text, written once, and lists stay as told."""
    if not isinstance(told_, dict):
        return told_
    result = unwrap(told_)
    return result if not isinstance(result, dict) else orjson.dumps(result, option=orjson.OPT_NON_STR_KEYS).decode()
