"""MLflow: tables of requests and responses in its scoring protocol, as Databricks' inference tables hold them.

Source: Databricks, schema of inference tables (``timestamp_ms`` of custom endpoints, ``request_time`` behind the gateway);
MLflow, scoring protocol of deployed models.
"""

from __future__ import annotations

from typing import Any

from backslide.log.payloads.bodies import decode
from backslide.log.payloads.exchange import Exchange, UnreadableRecordError

IDS = ("client_request_id", "databricks_request_id", "request_id", "id")
TIMES = ("timestamp_ms", "request_time", "timestamp", "time")
VERSIONS = ("model_version", "served_entity_id", "served_entity_name")


def read_row(record: dict[str, Any]) -> Exchange:
    """A row of the table as a call.

    Raises:
        UnreadableRecordError: the call failed, or the row has neither request nor response.
    """
    status = record.get("status_code")
    if status is not None and str(status) != "200":
        raise UnreadableRecordError("calls that failed")
    if record.get("request") is None or record.get("response") is None:
        raise UnreadableRecordError("rows without a request or a response")
    id = next((record[key] for key in IDS if record.get(key)), None)
    if id is None:
        raise UnreadableRecordError("rows without an id")
    about = decode(record.get("request_metadata")) if record.get("request_metadata") else {}
    if isinstance(about, list):  # a map of Parquet
        about = {one["key"]: one["value"] for one in about if isinstance(one, dict) and "key" in one}
    about = {**(about if isinstance(about, dict) else {}), **record}
    version = next((about[key] for key in VERSIONS if about.get(key)), None)
    at = next((record[key] for key in TIMES if record.get(key) is not None), None)
    request, response = decode(record["request"]), decode(record["response"])
    return Exchange(str(id), at, request, response, None if version is None else str(version))
