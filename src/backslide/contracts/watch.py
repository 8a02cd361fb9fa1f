"""What watching found: streams, incidents, labels, the promise. Renders anywhere without the data."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError

from backslide.contracts.errors import InputError
from backslide.contracts.finding import Estimate
from backslide.contracts.values import Value, published_schema

FORMAT: Literal["backslide.watch/1"] = "backslide.watch/1"


class Level(StrEnum):
    """How serious."""

    QUIET = "quiet"
    WATCH = "watch"
    """An early sign; nobody is called."""
    ALARM = "alarm"


StreamKind = Literal[
    "performance", "mature", "class", "segment", "estimate", "confidence", "missing", "unknown", "corrections"
]


class Point(Value):
    """One period of a stream."""

    period: str
    value: float
    expected: float
    low: float
    high: float
    """Between which 95 % of quiet periods lie."""
    rows: int


class Stream(Value):
    """One figure that is followed."""

    name: str
    """``performance``, ``class:fraud``, ``missing:income`` ...: what ``[watch] leave_out`` and mutes name."""
    kind: StreamKind
    words: str
    level: Level
    muted: str | None = None
    """Why, where it is."""
    share_of_budget: float
    periods: int
    """Judged so far."""
    reference: float
    latest: Point | None = None
    evidence: float = 0.0
    """Of the alarm at the last period: 1 is the limit (on the log scale, 0 and under is none)."""
    early: float = 0.0
    """The same of the early sign."""
    points: tuple[Point, ...] = ()
    """The last periods."""


class Member(Value):
    """A stream of an incident."""

    stream: str
    kind: StreamKind
    words: str
    level: Level
    began: str
    """Period on which the change most probably began."""
    raised: str
    """Period that raised it."""
    known_on: str
    """When that period could be judged: its labels had come."""
    closed: str | None = None
    change: Estimate | None = None
    """From ``began`` to ``raised``, against what was expected; in the stream's unit."""
    sentence: str


class Finding(Value):
    """What the diagnosis of an incident said."""

    verdict: str
    sentence: str
    decision: str
    kind: str | None = None
    features: tuple[str, ...] = ()
    report: str | None = None
    """File of its report."""


class Incident(Value):
    """What was raised together."""

    id: str
    level: Level
    """The worst that any of its streams reached."""
    open: bool
    began: str
    raised: str
    known_on: str
    closed: str | None = None
    sentence: str
    """The first to read: what got worse, and why where that is known."""
    members: tuple[Member, ...]
    diagnosis: Finding | None = None
    muted: str | None = None
    events: tuple[str, ...] = ()
    """Deploys and other events of the log from the period before it began to the one that raised it."""


class Delivery(Value):
    """A message and what became of it."""

    incident: str
    kind: Literal["alarm", "watch", "reminder", "recovery"]
    period: str
    status: Literal["delivered", "waiting", "given_up"]
    attempts: int
    error: str | None = None


class Promise(Value):
    """What the alarms promise, before anything happened."""

    false_alarms_per_year: float
    false_watches_per_year: float
    periods_per_year: float
    streams: int
    note: str


class Labels(Value):
    """How labels come."""

    age: int
    """Periods after which a period is judged."""
    share_at_age: float | None = None
    """Of all labels that ever come."""
    mature_age: int | None = None
    complete_through: str | None = None
    """Last period whose labels have practically all come."""
    waiting: int = 0
    """Periods that wait for labels."""
    level: float | None = None
    """The headline of the last periods judged at that age, as it would be with all labels: each labelled row weighs one over the
    chance that a label of its class had come. None where classes come alike or nothing is known of it."""
    notes: tuple[str, ...] = ()


class Estimated(Value):
    """Performance of periods whose labels have not come."""

    metric: str
    since: str
    until: str
    rows: int
    estimate: Estimate | None
    reference: float
    assumption: str
    suppressed: str | None = None
    """Why there is no estimate."""


class Watched(Value):
    """The whole answer of one look."""

    format: Literal["backslide.watch/1"] = FORMAT
    model: str
    as_of: str
    replay: bool = False
    status: Level
    summary: str
    metric: str
    period: str
    reference: tuple[str, str]
    """First and last period of the reference."""
    last: str | None = None
    """Last period looked at."""
    promise: Promise
    labels: Labels
    estimated: Estimated | None = None
    incidents: tuple[Incident, ...] = ()
    streams: tuple[Stream, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def alarmed(self) -> bool:
        """Whether an alarm is open that nobody muted; the command line exits with 1."""
        return self.status == Level.ALARM

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe dictionary in the published format."""
        return self.model_dump(mode="json")

    def to_json(self, path: str | Path | None = None, *, indent: int | None = 2) -> str:
        """JSON text, written to ``path`` as well if given."""
        text = json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Read the published format; unknown fields are ignored.

        Raises:
            InputError: when it is not of this format.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, dict) else type(data).__name__
            raise InputError(f"expected JSON of format {FORMAT!r}, got {found!r}")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"not a valid {FORMAT}: {where}: {first['msg'].lower()}") from None

    def to_text(self) -> str:
        """The terminal text."""
        from backslide.report.watched import render_watched

        return render_watched(self)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of the format, as published in docs/watch.schema.json."""
        return published_schema(cls, FORMAT)
