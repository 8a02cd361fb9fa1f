"""Figures of the server and of the models for Prometheus, and one JSON object a line for whoever collects logs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from backslide.contracts.secrets import scrub
from backslide.contracts.watch import WatchReport
from backslide.monitor.exposition import exposition
from backslide.server.context import Context
from backslide.server.looks import LookQueries
from backslide.store.memory import Json

if TYPE_CHECKING:
    from prometheus_client import Metric

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
AREAS = (
    ("/api/v1/", "api"),
    ("/static/", "static"),
    ("/health", "health"),
    ("/ready", "health"),
    ("/metrics", "metrics"),
)
RECORD_ENDINGS = ("/predictions", "/labels", "/events")
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


def area_of(path: str, method: str) -> str:
    """To which part of the server a path belongs: few words, whatever is asked for."""
    if method == "POST" and path.startswith("/api/v1/models/") and path.endswith(RECORD_ENDINGS):
        return "records"
    return next((name for start, name in AREAS if path.startswith(start)), "pages")


class Telemetry:
    """Counts of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "backslide_http_requests", "Requests by area and status", ("area", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "backslide_http_seconds", "Time of a request", ("area",), buckets=BUCKETS, registry=self.registry
        )
        self.at_work = Gauge("backslide_http_requests_at_work", "Requests at work", registry=self.registry)
        self._models = b""
        self._seen: object = None

    def watch(self, context: Context) -> None:
        """Tell of records and jobs, too, as they are when somebody asks."""
        self.registry.register(_ServerCollector(context))

    def exposition(self, context: Context) -> bytes:
        """Prometheus' text format: of the process, and of the last look at every model."""
        seen = context.desk.last_change()
        if seen != self._seen:
            ask = LookQueries(context.database)
            said: dict[str, list[Json]] = {}
            for one, data in ask.published_incidents():
                said.setdefault(one.model, []).append(data)
            looks = ({**one, "incidents": said.get(one["model"], [])} for one in ask.briefs())
            reports = [WatchReport.from_dict(data) for data in looks]
            self._models, self._seen = exposition(*reports).encode(), seen
        return generate_latest(self.registry) + self._models


class _ServerCollector:
    """What is counted elsewhere, read when somebody asks."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """The families."""
        records = CounterMetricFamily("backslide_records", "Records on disk", labels=("model", "kind"))
        failed = CounterMetricFamily("backslide_records_failed", "Records that were not written", labels=("model",))
        for model, counts in self._context.store.counts().items():
            for kind in ("recorded", "labels", "events"):
                records.add_metric((model, "predictions" if kind == "recorded" else kind), counts[kind])
            failed.add_metric((model,), counts["failed"])
        yield records
        yield failed
        waiting = GaugeMetricFamily("backslide_jobs", "Jobs that wait or run", labels=("status",))
        live = self._context.jobs.live()
        for status in ("waiting", "running"):
            waiting.add_metric((status,), live[status])
        yield waiting

    def describe(self) -> list[Metric]:
        """Nothing is known before somebody asks."""
        return []


class JsonLines(logging.Formatter):
    """``{"at": ..., "level": ..., "logger": ..., "message": ...}`` and what was given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": scrub(record.getMessage()),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _PLAIN}
        if record.exc_info:
            line["trace"] = scrub(self.formatException(record.exc_info))
        return json.dumps(line, default=str, ensure_ascii=False)


def log_as_json() -> None:
    """Let everything that is logged go to standard error, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for chatty in ("alembic", "httpx", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
