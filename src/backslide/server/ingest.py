"""Records that come over the network: read as JSON, checked as a whole, written by the recorder of their model.

A record is on disk, in the file of a recorder, when ``write`` returns: who is killed then loses none. Records are known
by their ids, and of several with one id the log counts the last, so that whoever got no answer may send the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Required

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from backslide.contracts.errors import LogError
from backslide.log.recorder import Recorder
from backslide.log.timestamps import seconds
from backslide.server.predictions import PredictionStore
from backslide.server.problems import ProblemError

Identifier = Annotated[str, Field(min_length=1, max_length=500)]
Moment = Annotated[
    float | str,
    Field(description="Seconds (or milli-, micro-, nanoseconds) since 1970, or an ISO time; without a zone: UTC."),
]
Features = Annotated[dict[str, Any], Field(description="Values by the name of the feature.")]
Answer = str | float | bool | None
_CLOSED = ConfigDict(extra="forbid")
BAD_RECORD = ("LogError", "TypeError", "ValueError", "RecursionError", "OverflowError")
"""Errors of the recorder that are the record's fault; others are the disk's."""


class PredictionRecord(TypedDict, total=False):
    """What a model answered, once."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]  # read by pydantic
    id: Annotated[
        Identifier, Field(description="By which labels refer to it, and by which it counts once; default: random.")
    ]
    features: Required[Features]
    prediction: Answer
    scores: Annotated[dict[str, float], Field(description="Score of each class.")]
    at: Annotated[Moment | None, Field(description="When it was served; default: now.")]
    version: Annotated[str | None, Field(max_length=500, description="Of the model.")]
    extra: Annotated[dict[str, Any], Field(description="What the model was not given: host, client, branch.")]


class LabelRecord(TypedDict, total=False):
    """An outcome; of several of one id the one with the last ``at`` counts."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]  # read by pydantic
    id: Required[Identifier]
    value: Required[str | float | bool]
    at: Annotated[Moment | None, Field(description="As of when; default: now.")]
    source: Annotated[str | None, Field(max_length=200, description="Whose it is; review: a person who put it right.")]


class EventRecord(TypedDict, total=False):
    """A deploy or another dated change; one with the same text and time counts once."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]  # read by pydantic
    text: Required[Annotated[str, Field(min_length=1, max_length=500)]]
    at: Annotated[Moment | None, Field(description="When; default: now.")]


class RecordKind:
    """One kind of records: how it is read and how it is written."""

    def __init__(self, record: Any, noun: str, write: Callable[[Recorder, Any], str | bool | None]) -> None:
        self.noun = noun
        self.write = write
        self.one = TypeAdapter(record)
        self.many = TypeAdapter(list[record])
        self.schema = self.one.json_schema()


def _write_prediction(recorder: Recorder, one: PredictionRecord) -> str | None:
    return recorder.record(
        one["features"],
        one.get("prediction"),
        one.get("scores"),
        one.get("id"),
        one.get("at"),
        one.get("version"),
        one.get("extra"),
    )


def _write_label(recorder: Recorder, one: LabelRecord) -> bool:
    return recorder.label(one["id"], one["value"], one.get("at"), one.get("source"))


PREDICTIONS = RecordKind(PredictionRecord, "prediction", _write_prediction)
LABELS = RecordKind(LabelRecord, "label", _write_label)
EVENTS = RecordKind(
    EventRecord, "event", lambda recorder, one: recorder.event(" ".join(one["text"].split()), one.get("at"))
)


LINES = RecordKind(dict[str, Any], "line", lambda recorder, one: recorder.copy(one))
"""Lines that a recorder wrote elsewhere; see ``recorder_lines``."""


def parse(kind: RecordKind, body: bytes, most: int) -> list[Any]:
    """Records of a JSON object or list.

    Raises:
        ProblemError: 422 with the first thing wrong; 413 for more records than a request may hold.
    """
    single = body.lstrip()[:1] != b"["
    try:
        records: list[Any] = [kind.one.validate_json(body)] if single else kind.many.validate_json(body)
    except ValidationError as error:
        raise _invalid(kind, error, 0 if single else None) from None
    if len(records) > most:
        words = f"expected at most {most} records ([server] max_records), got {len(records)}; send several, or a stream of lines"
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
    check_times(kind, records, 0)
    return records


def parse_lines(kind: RecordKind, lines: bytes, first: int) -> list[Any]:
    """Records of lines of JSON; ``first`` is the number of the first line.

    Raises:
        ProblemError: 422 with the first line that is none.
    """
    texts = [(number, line) for number, line in enumerate(lines.split(b"\n"), first) if line.strip()]
    try:
        records = kind.many.validate_json(b"[" + b",".join(line for _, line in texts) + b"]")
    except ValidationError:
        records = []
    if len(records) != len(texts):  # one is none, or a line holds two
        records = []
        for number, line in texts:
            try:
                records.append(kind.one.validate_json(line))
            except ValidationError as error:
                raise _invalid(kind, error, number) from None
    check_times(kind, records, first)
    return records


def recorder_lines(text: bytes, first: int) -> list[bytes]:
    """Lines as a recorder writes them.

    Raises:
        ProblemError: 422 with the first line that is none. Its values are for the rollup, which sets aside what no table takes.
    """
    results = []
    for number, line in enumerate(text.split(b"\n"), first):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
            known = isinstance(record, dict) and record.get("k") in ("p", "l", "e")
        except orjson.JSONDecodeError:
            known = False
        if not known:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY, f"line {number}: expected a line as a recorder writes it"
            )
        results.append(line)
    return results


def check_times(kind: RecordKind, records: Sequence[Any], first: int) -> None:
    """Turn every time into seconds before anything is written.

    Raises:
        ProblemError: 422 for one that no calendar has.
    """
    for number, one in enumerate(records, first):
        at = one.get("at")
        if at is not None:
            try:
                one["at"] = seconds(at)
            except LogError as error:
                raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{kind.noun} {number}: {error}") from None


def write(store: PredictionStore, kind: RecordKind, model: str, records: Sequence[Any]) -> list[str | bool]:
    """Write records; returns what each was written as, for predictions their ids.

    Raises:
        ProblemError: 507 where the disk is full, 503 where it cannot be written, 422 for a record that no line can hold. Those
            before it were written; sending all again is harmless.
    """
    if not store.has_room():
        words = "the disk of the log is nearly full ([server] min_free_disk); free some, then send it again"
        raise ProblemError(HTTPStatus.INSUFFICIENT_STORAGE, words, retry_after=60)
    recorder = store.recorder(model)
    results: list[str | bool] = []
    one_by_one = kind.write
    for number, one in enumerate(records):
        result = one_by_one(recorder, one)
        if not result:
            error = str(recorder.stats()["error"] or "")
            words = f"{kind.noun} {number} could not be written: {error}"
            if error.partition(":")[0] in BAD_RECORD:
                raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, words)
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, words, retry_after=5)
        results.append(result)
    return results


def _invalid(kind: RecordKind, error: ValidationError, number: int | None) -> ProblemError:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = [str(part) for part in first["loc"]]
    if number is None and place:
        number, place = int(place[0]), place[1:]
    where = f"{kind.noun} {number or 0}" + (f", {'.'.join(place)[:100]}" if place else "")
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg'][:200].lower()}")
