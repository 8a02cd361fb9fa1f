"""What watching remembers, in memory for replays; ``database`` keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

from backslide.contracts.errors import StoreError

RESTORE = "restore it from a backup, or move it away to begin watching anew"
Kind = Literal["inputs", "labels", "mature", "faults", "canary"]
Json = dict[str, Any]


def damaged(what: str) -> StoreError:
    """The error about a state that is there and cannot be what was written."""
    return StoreError(f"the state of watching is damaged: {what}; {RESTORE}")


@dataclass(frozen=True)
class Mute:
    """Streams that call nobody, why and until when."""

    pattern: str
    reason: str
    until: str | None = None
    """Last day (ISO); None: until it is taken back."""


@dataclass(frozen=True)
class IncidentEntry:
    """The number of an incident, and what somebody said of it."""

    number: int
    mark: str | None = None
    note: str = ""
    covers: tuple[tuple[str, str, str], ...] = ()
    """Stream, level and period of the members that the mark speaks of."""
    at: str = ""
    """When it was marked (ISO, UTC)."""


def entry_of(row: Any) -> IncidentEntry:
    """A row of the table of incidents."""
    return IncidentEntry(
        row.number,
        row.mark,
        row.note or "",
        tuple((str(stream), str(level), str(period)) for stream, level, period in row.covers or ()),
        "" if row.marked is None else f"{row.marked:%Y-%m-%dT%H:%M:%SZ}",
    )


def entries_of(rows: Iterable[Any]) -> dict[str, IncidentEntry]:
    """Rows of the table of incidents by name, in the order of their numbers."""
    return {row.incident: entry_of(row) for row in sorted(rows, key=lambda row: row.number)}


@dataclass(frozen=True)
class Message:
    """Something to tell, and what became of it."""

    incident: str
    kind: str
    period: str
    title: str
    body: str
    status: str = "waiting"
    attempts: int = 0
    error: str | None = None


@dataclass
class Book:
    """What is kept of one model under one set of settings; here for as long as the process lives, which tells nobody.

    Every method is one transaction of its own, or part of one.
    """

    kept: Json | None = None
    sums: dict[str, dict[int, Json]] = field(default_factory=dict)
    found: dict[str, Json] = field(default_factory=dict)
    muted: list[Mute] = field(default_factory=list)
    numbered: dict[str, IncidentEntry] = field(default_factory=dict)

    def transaction(self) -> AbstractContextManager[Any]:
        """All writes inside take effect together, or not at all. Nothing to undo here: who dies loses all of it."""
        return nullcontext()

    def reference(self) -> Json | None:
        """What was learned of the reference; None before the first look."""
        return self.kept

    def keep_reference(self, data: Json) -> None:
        """Keep it."""
        self.kept = data

    def periods(self, kind: Kind) -> dict[int, Json]:
        """Frozen sums by period."""
        return dict(self.sums.get(kind, {}))

    def freeze(self, kind: Kind, sums: Mapping[int, Json]) -> None:
        """Keep periods; one that is kept already stays as it is."""
        self.sums[kind] = {**sums, **self.sums.get(kind, {})}

    def findings(self) -> dict[str, Json]:
        """Diagnoses by incident."""
        return dict(self.found)

    def keep_finding(self, incident: str, data: Json) -> None:
        """Keep a diagnosis."""
        self.found[incident] = data

    def messages(self) -> list[Message]:
        """All of them, the oldest first."""
        return []

    def put(self, messages: Iterable[Message]) -> None:
        """Add messages; one of the same incident, kind and period is added once."""

    def mark(self, message: Message, status: str, error: str | None) -> None:
        """One more attempt, and how it ended."""

    def told_through(self) -> int | None:
        """Last period whose messages were put; None before the first look."""
        return None

    def tell_through(self, number: int) -> None:
        """Remember it."""

    def mutes(self) -> list[Mute]:
        """Those in force."""
        return list(self.muted)

    def number(self, incidents: Iterable[str]) -> None:
        """Give every incident that has none the next number."""
        for name in incidents:
            self.numbered.setdefault(name, IncidentEntry(len(self.numbered) + 1))

    def incidents(self) -> dict[str, IncidentEntry]:
        """By their names."""
        return dict(self.numbered)

    def keep_report(self, data: Json, streams: Sequence[Json] | None = None) -> None:
        """Keep the answer of the look, and what pages show of it with its streams by period, in place of those before."""

    def keep_diagnosis(self, incident: str, data: Json) -> None:
        """Keep the whole answer of an alarm's diagnosis."""

    def threads(self, incident: str) -> dict[str, Json]:
        """Where the messages of an incident stand, by a digest of the receiver's address."""
        return {}

    def keep_thread(self, incident: str, receiver: str, thread: Json) -> None:
        """Remember it."""
