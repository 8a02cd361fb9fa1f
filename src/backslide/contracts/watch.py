"""What watching found: streams, incidents, labels, the promise. Renders anywhere without the data."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal

from backslide.contracts.errors import InputError
from backslide.contracts.finding import Estimate
from backslide.contracts.rendering import PublishedAnswer, framed
from backslide.contracts.values import Value

if TYPE_CHECKING:
    from polars import DataFrame


class Level(StrEnum):
    """How serious."""

    QUIET = "quiet"
    WATCH = "watch"
    """An early sign; nobody is called."""
    ALARM = "alarm"


StreamKind = Literal[
    "canary",
    "performance",
    "mature",
    "class",
    "segment",
    "fault",
    "estimate",
    "confidence",
    "missing",
    "unknown",
    "level",
    "spread",
    "share",
    "corrections",
]


Origin = Literal["world", "model", "labels", "data", "unsure"]
"""Where an incident comes from: inputs or their meaning, the model or its stack, those who label, or broken inputs."""
Mark = Literal["false", "fixed", "known"]
"""What a person may say of an incident: nothing was wrong, it is mended, or it is known and nobody need be called."""


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
    share: bool = False
    """Whether its values are fractions, shown as percentages."""
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


class IncidentDiagnosis(Value):
    """What the diagnosis of an incident said."""

    verdict: str
    sentence: str
    decision: str
    kind: str | None = None
    features: tuple[str, ...] = ()
    report: str | None = None
    """File of its report."""
    origin: Origin | None = None
    """What moved; ``unsure`` where the rows cannot tell, None where nothing is shown to have got worse."""


class IncidentMark(Value):
    """What a person said of an incident."""

    mark: Mark
    note: str = ""
    at: str
    """When (ISO, UTC)."""
    covers: tuple[tuple[str, str, str], ...] = ()
    """Stream, level and period of the members that it speaks of: those that the incident had then."""


class Incident(Value):
    """What was raised together."""

    id: str
    number: int | None = None
    """By which ``backslide incidents`` names it; counted per model, never used twice."""
    level: Level
    """The worst that any of its streams reached."""
    open: bool
    began: str
    raised: str
    """Period of the first of its streams that reached this level."""
    known_on: str
    """When that could be judged."""
    closed: str | None = None
    sentence: str
    """The first to read: what got worse, and why where that is known."""
    members: tuple[Member, ...]
    diagnosis: IncidentDiagnosis | None = None
    muted: str | None = None
    events: tuple[str, ...] = ()
    """Deploys and other events of the log from the period before it began to the one that raised it."""
    mark: IncidentMark | None = None

    @property
    def uncovered(self) -> tuple[Member, ...]:
        """Open members that no mark speaks of, whatever it says."""
        covered = self.mark.covers if self.mark is not None else ()
        return tuple(m for m in self.members if m.closed is None and (m.stream, m.level, m.raised) not in covered)

    @property
    def pressing(self) -> tuple[Member, ...]:
        """Open members that ask for somebody: not muted, and not marked as false or known (fixed is shown by recovery)."""
        if not self.open or self.muted is not None:
            return ()
        if self.mark is not None and self.mark.mark != "fixed":
            return self.uncovered
        return tuple(m for m in self.members if m.closed is None)


class InputFault(Value):
    """A data fault that new rows showed, with or without harm, read before their labels came."""

    stream: str
    """``fault:income``: what ``[watch] leave_out`` and mutes name."""
    kind: str
    features: tuple[str, ...]
    segment: str | None = None
    """Condition that marks the rows concerned, where something does."""
    words: str
    """What was seen: ``amount is 100 times larger than before where client = 'globex'``."""
    repair: str
    since: str
    last: str
    """Last period that showed it."""
    periods: int
    share_of_rows: float
    """Of the last period that showed it."""
    harm: Estimate | None = None
    """Expected of the headline, positive where it gets worse, mean of its periods; None where nothing prices it."""
    level: Level
    """``quiet`` where it costs nothing that matters, or is what the reference shows as well."""


class DatedEvent(Value):
    """A deploy or another dated change that the log holds."""

    at: str
    text: str


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
    years: float = 0.0
    """Watched so far, after the reference."""
    marked_false: int = 0
    """Alarms among the incidents that a person marked as false."""
    marked_note: str = ""
    """What those say of the promise; empty where there are none."""


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


class EstimatedPerformance(Value):
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


class WatchReport(PublishedAnswer):
    """The whole answer of one look."""

    noun: ClassVar[str] = "a look"
    writer: ClassVar[str] = "backslide watch --json"
    format: Literal["backslide.watch/1"] = "backslide.watch/1"
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
    estimated: EstimatedPerformance | None = None
    incidents: tuple[Incident, ...] = ()
    streams: tuple[Stream, ...] = ()
    faults: tuple[InputFault, ...] = ()
    """Data faults of new rows, those that matter first."""
    deliveries: tuple[Delivery, ...] = ()
    events: tuple[DatedEvent, ...] = ()
    """Events of the log since the reference began, the last hundred."""
    notes: tuple[str, ...] = ()

    @property
    def alarmed(self) -> bool:
        """Whether an alarm is open that nobody muted; the command line exits with 1."""
        return self.status == Level.ALARM

    def to_frame(self, rows: Literal["streams", "incidents"] = "streams") -> DataFrame:
        """One row per period of each stream, or per stream of each incident, as a Polars DataFrame.

        Raises:
            InputError: when asked for other rows.
        """
        if rows not in ("streams", "incidents"):
            raise InputError(f"to_frame({rows!r}): a look has rows of 'streams' and 'incidents'")
        frame: DataFrame = framed(self, rows)
        return frame

    def one_line(self) -> str:
        return f"WatchReport of {self.model}, {self.status}: {self.summary}"
