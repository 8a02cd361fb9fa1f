"""Ray Serve: lines of its JSON logs to which a deployment added what was asked and answered.

Ray has no payload log; with ``LoggingConfig(encoding="JSON")`` what ``logger.info("served", extra={"request": ..., "response":
...})`` says stands in the log with Ray's own attributes, the request id among them.
Source: Ray Serve, monitoring: structured logging.
"""

from __future__ import annotations

from typing import Any

from backslide.log.payloads.bodies import decode
from backslide.log.payloads.exchange import Exchange, UnreadableRecordError

EXTRA = ("application", "deployment", "replica", "route")


def read_line(record: dict[str, Any]) -> Exchange:
    """A line as a call, or half of one.

    Raises:
        UnreadableRecordError: it says nothing of a prediction.
    """
    if "request" not in record and "response" not in record:
        raise UnreadableRecordError("lines of the log that hold no request or response")
    if not record.get("request_id"):
        raise UnreadableRecordError("lines without a request id")
    at = record.get("timestamp_ns", record.get("asctime"))
    if isinstance(at, str):
        at = at.replace(",", ".")
    call = Exchange(str(record["request_id"]), at, decode(record.get("request")), decode(record.get("response")))
    call.extra = {name: record[name] for name in EXTRA if record.get(name)}
    if record.get("model_version"):
        call.version = str(record["model_version"])
    return call
