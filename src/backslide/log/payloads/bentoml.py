"""BentoML: the data and schema files of ``bentoml.monitor``, which say what is a feature, a prediction or a target.

Source: BentoML, monitoring and data collection (default monitor).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import orjson

from backslide.log.payloads.exchange import Exchange, UnreadableRecordError

OWN = ("timestamp", "request_id", "trace_id", "message", "taskName")
"""What BentoML and the formatter of its log add."""


class Monitor:
    """Reads lines of schema files and data files; the schema has to come first."""

    def __init__(self) -> None:
        self.roles: dict[str, str] = {}
        self.version: str | None = None
        self.seen: Counter[str] = Counter()

    def __call__(self, record: dict[str, Any]) -> Exchange | None:
        """A line of data as a call; None for a line of the schema.

        Raises:
            UnreadableRecordError: there was no schema yet, or the line is no data.
        """
        if isinstance(columns := record.get("columns"), list) and "meta_data" in record:
            self.roles |= {str(column["name"]): str(column["role"]) for column in columns}
            version = (record["meta_data"] or {}).get("bento_version")
            self.version = None if version in (None, "not available") else str(version)
            return None
        if not self.roles:
            raise UnreadableRecordError("data without the schema file that bentoml.monitor writes beside it")
        if "request_id" not in record or "timestamp" not in record:
            raise UnreadableRecordError("lines that bentoml.monitor did not write")
        by_role: dict[str, dict[str, Any]] = {"feature": {}, "prediction": {}, "target": {}}
        for name, value in record.items():
            if name not in OWN:
                by_role.setdefault(self.roles.get(name, "feature"), {})[name] = value
        said = by_role["prediction"]
        response = next(iter(said.values())) if len(said) == 1 else dict(said)
        request = str(record["request_id"])
        if request == "None":  # logged outside of a request: known by what it says
            request = hashlib.blake2b(orjson.dumps(record, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
        self.seen[request] += 1  # every row of a batch has the id of its request
        id = request if self.seen[request] == 1 else f"{request}-{self.seen[request] - 1}"
        call = Exchange(id, record["timestamp"], [by_role["feature"]], [response], self.version)
        if by_role["target"]:
            call.label = next(iter(by_role["target"].values()))
        return call
