"""JSON lines of one's own: ``id``, a time, a request and a response, whole or as two lines with one id."""

from __future__ import annotations

from typing import Any

from backslide.log.payloads.bodies import decode
from backslide.log.payloads.exchange import Exchange, UnreadableRecordError

IDS = ("id", "request_id", "requestId", "uuid", "trace_id")
TIMES = ("timestamp", "time", "at", "ts", "timestamp_ms", "created_at", "datetime")
REQUESTS = ("request", "inputs", "input", "features", "payload")
RESPONSES = ("response", "outputs", "output", "prediction", "predictions", "result")
VERSIONS = ("model_version", "version")


def read_line(record: dict[str, Any]) -> Exchange:
    """A line as a call, or half of one.

    Raises:
        UnreadableRecordError: it has no id, or neither a request nor a response.
    """
    found = {name: _first(record, keys) for name, keys in (("id", IDS), ("at", TIMES), ("version", VERSIONS))}
    request, response = (_first(record, keys) for keys in (REQUESTS, RESPONSES))
    if found["id"] is None:
        raise UnreadableRecordError("lines without an id")
    if request is None and response is None:
        raise UnreadableRecordError("lines without a request or a response")
    taken = {*IDS, *TIMES, *VERSIONS, *REQUESTS, *RESPONSES}
    extra = {name: value for name, value in record.items() if name not in taken and not isinstance(value, (dict, list))}
    version = None if found["version"] is None else str(found["version"])
    return Exchange(str(found["id"]), found["at"], decode_one(request), decode_one(response), version, extra)


def decode_one(body: Any) -> Any:
    """A body in text is decoded where it is JSON, else it is the value itself: a class, or a text that was classified."""
    if not isinstance(body, str):
        return body
    try:
        return decode(body)
    except UnreadableRecordError:
        return body


def _first(record: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((record[key] for key in keys if record.get(key) is not None), None)
