"""MLServer: payload events as Seldon sends them, or requests and responses of the open inference protocol, joined by their id.

Source: open inference protocol (inference request and response objects); MLServer, Kafka topics of requests and responses.
"""

from __future__ import annotations

from typing import Any

from backslide.log.payloads.bodies import decode
from backslide.log.payloads.cloud_events import read_event
from backslide.log.payloads.exchange import Exchange, UnreadableRecordError


def read_message(record: dict[str, Any]) -> Exchange:
    """A record as a call, or half of one.

    Raises:
        UnreadableRecordError: it is neither an event nor a body with an id.
    """
    if "request" in record and "response" in record:
        request, response = decode(record["request"]), decode(record["response"])
        id = record.get("id") or (response or {}).get("id") or (request or {}).get("id")
        if not id:
            raise UnreadableRecordError("calls without an id")
        return Exchange(str(id), _time(record), request, response, _version(response))
    if not ({"inputs", "outputs"} & record.keys()):
        return read_event(record)
    if not record.get("id"):
        raise UnreadableRecordError("calls without an id")
    half = Exchange(str(record["id"]), _time(record))
    if "outputs" in record:
        half.response, half.version = record, _version(record)
    else:
        half.request = record
    return half


def _time(record: dict[str, Any]) -> Any:
    return next((record[key] for key in ("time", "timestamp", "at") if record.get(key) is not None), None)


def _version(response: Any) -> str | None:
    version = response.get("model_version") if isinstance(response, dict) else None
    return None if version is None else str(version)
