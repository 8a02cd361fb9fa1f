"""What watching remembers, as an interface, and in memory for replays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Kind = Literal["inputs", "labels", "mature"]
Json = dict[str, Any]


@dataclass(frozen=True)
class Mute:
    """Streams that call nobody, why and until when."""

    pattern: str
    reason: str
    until: str | None = None
    """Last day (ISO); None: until it is taken back."""


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


class Book(Protocol):
    """What is kept of one model under one set of settings. Every method is one transaction of its own, or part of one."""

    def transaction(self) -> AbstractContextManager[Any]:
        """All writes inside take effect together, or not at all."""

    def reference(self) -> Json | None:
        """What was learned of the reference; None before the first look."""

    def keep_reference(self, data: Json) -> None:
        """Keep it."""

    def periods(self, kind: Kind) -> dict[int, Json]:
        """Frozen sums by period."""

    def freeze(self, kind: Kind, sums: Mapping[int, Json]) -> None:
        """Keep periods; one that is kept already stays as it is."""

    def findings(self) -> dict[str, Json]:
        """Diagnoses by incident."""

    def keep_finding(self, incident: str, data: Json) -> None:
        """Keep a diagnosis."""

    def messages(self) -> list[Message]:
        """All of them, the oldest first."""

    def put(self, messages: Iterable[Message]) -> None:
        """Add messages; one of the same incident, kind and period is added once."""

    def mark(self, message: Message, status: str, error: str | None) -> None:
        """One more attempt, and how it ended."""

    def told_through(self) -> int | None:
        """Last period whose messages were put; None before the first look."""

    def tell_through(self, number: int) -> None:
        """Remember it."""

    def mutes(self) -> list[Mute]:
        """Those in force."""


@dataclass
class MemoryBook:
    """Forgets everything at the end of the process."""

    kept: Json | None = None
    sums: dict[str, dict[int, Json]] = field(default_factory=dict)
    found: dict[str, Json] = field(default_factory=dict)
    muted: list[Mute] = field(default_factory=list)

    def transaction(self) -> AbstractContextManager[Any]:
        """Nothing to undo: who dies loses all of it."""
        return nullcontext()

    def reference(self) -> Json | None:
        """See ``Book``."""
        return self.kept

    def keep_reference(self, data: Json) -> None:
        """See ``Book``."""
        self.kept = data

    def periods(self, kind: Kind) -> dict[int, Json]:
        """See ``Book``."""
        return dict(self.sums.get(kind, {}))

    def freeze(self, kind: Kind, sums: Mapping[int, Json]) -> None:
        """See ``Book``."""
        self.sums[kind] = {**sums, **self.sums.get(kind, {})}

    def findings(self) -> dict[str, Json]:
        """See ``Book``."""
        return dict(self.found)

    def keep_finding(self, incident: str, data: Json) -> None:
        """See ``Book``."""
        self.found[incident] = data

    def messages(self) -> list[Message]:
        """A replay tells nobody."""
        return []

    def put(self, messages: Iterable[Message]) -> None:
        """A replay tells nobody."""

    def mark(self, message: Message, status: str, error: str | None) -> None:
        """A replay tells nobody."""

    def told_through(self) -> int | None:
        """A replay tells nobody."""
        return None

    def tell_through(self, number: int) -> None:
        """A replay tells nobody."""

    def mutes(self) -> list[Mute]:
        """See ``Book``."""
        return list(self.muted)
