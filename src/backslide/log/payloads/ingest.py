"""A payload log into a log of predictions: every row that was asked about is one, whatever came together in one call."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backslide.contracts.config import PayloadSettings
from backslide.contracts.errors import LogError
from backslide.contracts.roles import Roles
from backslide.contracts.say import count, counted
from backslide.log.columns import rows_of
from backslide.log.ingest import IngestReport, add_rows
from backslide.log.lines import line, to_answer
from backslide.log.parse_rows import ParsedLines
from backslide.log.payloads import bentoml, cloud_events, json_lines, mlflow, mlserver, ray
from backslide.log.payloads.bodies import Row, request_rows, response_rows
from backslide.log.payloads.exchange import UNREADABLE, Exchange, UnreadableRecordError, pair
from backslide.log.timestamps import seconds

Reader = Callable[[dict[str, Any]], Exchange | None]
FORMATS: Mapping[str, Callable[[], Reader]] = {
    "kserve": lambda: cloud_events.read_event,
    "bentoml": bentoml.Monitor,
    "ray": lambda: ray.read_line,
    "mlserver": lambda: mlserver.read_message,
    "mlflow": lambda: mlflow.read_row,
    "json-lines": lambda: json_lines.read_line,
}
"""Name of a format -> what makes a reader of its records."""
ODD = (ValueError, TypeError, AttributeError, LookupError, OverflowError)
"""What a record raises that has another form than its format says: a list for an object, a number for a text."""
BATCH = 32_768
"""Calls that one commit takes."""


@dataclass
class PayloadReport(IngestReport):
    """What came in, and what did not."""

    records: int = 0
    """Records looked at: halves of calls, or whole ones."""
    calls: int = 0
    """Whole calls among them."""
    without_time: int = 0
    """Calls of which nothing says when they were."""
    decided: int = 0
    """Rows whose prediction is the class with the largest score, because only scores were answered."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Reason -> records, or calls, that tell no prediction."""


def ingest_payloads(
    records: Iterable[dict[str, Any]],
    store: str | os.PathLike[str],
    model: str,
    format: str,
    *,
    settings: PayloadSettings | None = None,
    roles: Roles | None = None,
    spool: str | os.PathLike[str] | None = None,
) -> PayloadReport:
    """Take the payload log of a server into a log.

    The id of a row is its call's; of a call about several rows, ``id-0``, ``id-1`` and so on. The same records may come any
    number of times: what is in the log is left out.

    Args:
        records: as the server wrote them, one object each.
        store: the log.
        model: its name there.
        format: one of ``FORMATS``.
        settings: names that the bodies do not carry.
        roles: columns of the request that hold an id, a time or a label of their own.
        spool: folder of what waits, where it is not within the store.

    Raises:
        LogError: an unknown format, or not one record of it.
        MissingExtraError: deltalake is not installed.
    """
    report = PayloadReport(model)
    reasons: Counter[str] = Counter()
    calls = pair(read_calls(_count(records, report), format, reasons), reasons)
    done = add_rows(
        _parse(_rows(calls, settings or PayloadSettings(), roles or Roles(), report, reasons)),
        store,
        model,
        spool=spool,
    )
    report.rows, report.added, report.changes, report.skipped = done.rows, done.added, done.changes, dict(reasons)
    if report.records and not report.rows:
        why = "; ".join(describe_skipped(reasons)[:3])
        raise LogError(f"no prediction in {counted(report.records, 'record')} read as {format}: {why}")
    return report


def describe_skipped(skipped: Mapping[str, int]) -> list[str]:
    """One line a reason, the most frequent first."""
    return [f"{reason}: {count(n)}" for reason, n in sorted(skipped.items(), key=lambda item: (-item[1], item[0]))]


def read_calls(records: Iterable[Any], format: str, reasons: Counter[str]) -> Iterator[Exchange]:
    """Records of a format as calls and halves of calls.

    Args:
        records: as the server wrote them.
        format: one of ``FORMATS``.
        reasons: records that are none are counted.

    Raises:
        LogError: an unknown format.
    """
    if format not in FORMATS:
        raise LogError(f"expected a format among {', '.join(FORMATS)}, got {format!r}")
    read, example = FORMATS[format](), ""
    for record in records:
        try:
            if record is UNREADABLE:
                raise UnreadableRecordError("lines that are no JSON")
            if not isinstance(record, dict):
                raise UnreadableRecordError("records that are no object")
            call = read(record)
        except UnreadableRecordError as reason:
            reasons[str(reason)] += 1
            continue
        except ODD as error:
            example = example or f"records of another form, such as one with {error}"[:160]
            reasons[example] += 1
            continue
        if call is not None:
            yield call


def _count(records: Iterable[dict[str, Any]], report: PayloadReport) -> Iterator[dict[str, Any]]:
    for record in records:
        report.records += 1
        yield record


def _rows(
    calls: Iterable[Exchange], settings: PayloadSettings, roles: Roles, report: PayloadReport, reasons: Counter[str]
) -> Iterator[list[bytes]]:
    """Lines of a log, as a recorder would have written them, by call."""
    example = ""
    for call in calls:
        report.calls += 1
        try:
            features, answers = request_rows(call.request, settings), response_rows(call.response, settings)
            if len(features) != len(answers):
                raise UnreadableRecordError("calls with other numbers of rows asked and answered")
            at = seconds(call.at)
            if at != at:
                report.without_time += 1
            report.decided += sum(answer.get("decided", False) for answer in answers)
            if len(features) == 1:
                yield list(_lines(call.id, at, features[0], answers[0], call, roles))
                continue
            yield [
                row
                for k, (own, answer) in enumerate(zip(features, answers, strict=True))
                for row in _lines(f"{call.id}-{k}", at, own, answer, call, roles)
            ]
        except UnreadableRecordError as reason:
            reasons[str(reason)] += 1
        except (LogError, *ODD) as error:
            example = example or f"calls that cannot be read, such as one with {error}"[:160]
            reasons[example] += 1  # under the first error alone: their texts quote values


def _lines(id: str, at: float, features: Row, answer: Row, call: Exchange, roles: Roles) -> Iterator[bytes]:
    own = dict(features)
    named = own.pop(roles.id, None) if roles.id is not None else None
    if named is not None:
        id = str(named)
    if roles.timestamp is not None and own.get(roles.timestamp) is not None:
        at = seconds(own.pop(roles.timestamp))
    extra = call.extra | answer.get("rest", {})
    label = call.label
    if roles.label is not None:
        label = own.pop(roles.label, extra.pop(roles.label, label))
    served = {"k": "p", "i": id, "t": None if at != at else at, "f": own, "p": to_answer(answer.get("prediction"))}
    if "scores" in answer:
        served["s"] = answer["scores"]
    if call.version is not None:
        served["v"] = call.version
    if extra:
        served["x"] = extra
    yield line(served, "f", "s", "x")
    if label is not None:
        yield line({"k": "l", "i": id, "t": served["t"], "y": to_answer(label), "o": None, "n": None})


def _parse(calls: Iterable[list[bytes]]) -> Iterator[tuple[int, Mapping[str, ParsedLines]]]:
    lines: list[bytes] = []
    for call in calls:
        lines += call
        if len(lines) >= BATCH:
            yield len(lines), rows_of(b"".join(lines), 0)[0]
            lines = []
    if lines:
        yield len(lines), rows_of(b"".join(lines), 0)[0]
