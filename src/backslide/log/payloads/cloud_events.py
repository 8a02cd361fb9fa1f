"""CloudEvents that a server's logger sends: one for the request and one for the response.

Structured (one JSON object), as headers beside a body (binary mode, as message dumpers keep it), or the records that KServe's
logger writes to an object store itself (JSON, CSV, Parquet), which know no time.
Source: CloudEvents 1.0 (JSON format); KServe, package logger (``LogRequest``); Seldon Core, payload logging.
"""

from __future__ import annotations

from typing import Any

from backslide.log.payloads.bodies import decode
from backslide.log.payloads.exchange import Exchange, UnreadableRecordError

EXTRA = ("inferenceservicename", "namespace", "component", "endpoint", "sdep", "inferenceservice")


def read_event(record: dict[str, Any]) -> Exchange:
    """A record as half a call.

    Raises:
        UnreadableRecordError: it is no event of a request or a response.
    """
    event = record if "type" in record and "id" in record else _attributes(record)  # as the specification writes them
    kind = str(event.get("type") or event.get("reqtype") or "")
    # Seldon numbers every message; its request id is what both halves share.
    id = event.get("requestid") or event.get("id")
    if not id or not kind.endswith((".request", ".response")):
        raise UnreadableRecordError("records that are no event of a request or a response")
    body = event.get("data") or event.get("data_base64") or event.get("bytes") or event.get("body")
    body = decode(body) if isinstance(body, (str, bytes)) else body
    if body is None:
        raise UnreadableRecordError("events without a body")
    extra = {name: event[name] for name in EXTRA if event.get(name)}
    half = Exchange(str(id), event.get("time"), extra=extra)
    if kind.endswith(".request"):
        half.request = body
    else:
        half.response = body
        if isinstance(body, dict) and body.get("model_version"):
            half.version = str(body["model_version"])
    return half


def _attributes(record: dict[str, Any]) -> dict[str, Any]:
    """Attributes by their lower-case names, without the prefix that they have among headers."""
    event = {key.lower(): value for key, value in record.items()}
    headers = event.pop("headers", None)
    if isinstance(headers, dict):
        event = {key.lower(): value for key, value in headers.items()} | event
    for prefix in ("ce-", "ce_"):
        event = {key.removeprefix(prefix): value for key, value in event.items()}
    return event
