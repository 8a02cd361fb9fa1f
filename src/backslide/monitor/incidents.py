"""What several streams raised together is one incident; what is member of it, and when."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from backslide.contracts import say
from backslide.contracts.finding import Estimate
from backslide.contracts.watch import Incident, IncidentDiagnosis, Level, Member, StreamKind
from backslide.monitor.detect import Signal, Track
from backslide.monitor.marks import mark_of
from backslide.monitor.periods import PeriodGrid
from backslide.store.memory import IncidentEntry, Json, Mute, damaged

ORDER: tuple[StreamKind, ...] = (
    "canary",
    "performance",
    "mature",
    "class",
    "segment",
    "fault",
    "estimate",
    "corrections",
    "missing",
    "unknown",
    "level",
    "spread",
    "share",
    "confidence",
)
"""Which member speaks for an incident."""


def finding_of(findings: Mapping[str, Json], name: str) -> IncidentDiagnosis | None:
    """The diagnosis of an incident, where one was made.

    Raises:
        StoreError: it is not what was written.
    """
    if name not in findings:
        return None
    try:
        return IncidentDiagnosis(**findings[name])
    except (TypeError, ValidationError):
        raise damaged(f"the diagnosis of incident {name} cannot be read") from None


@dataclass(frozen=True)
class IncidentMember:
    """A member with the numbers that lists are sorted by."""

    track: Track
    raised: Signal
    began: int
    at: int
    """Period that raised it."""
    known: int
    """Period at whose end that was known."""
    seen: int
    """The same of its first sign."""
    over: int | None


@dataclass
class Group:
    """Members of one incident."""

    members: list[IncidentMember] = field(default_factory=list)

    @property
    def first(self) -> int:
        """When the first sign was known."""
        return min(m.seen for m in self.members)

    @property
    def over(self) -> int | None:
        """When its last member was over; None while one is open."""
        ends = [m.over for m in self.members]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def level(self) -> Level:
        """The worst that was reached."""
        return Level.ALARM if any(m.raised.level == Level.ALARM for m in self.members) else Level.WATCH

    @property
    def alarm(self) -> int | None:
        """When the first alarm was known."""
        known = [m.known for m in self.members if m.raised.level == Level.ALARM]
        return min(known) if known else None

    @property
    def ordered(self) -> list[IncidentMember]:
        """The member to read first in front: an alarm before an early sign, performance before inputs, then the earliest."""
        return sorted(
            self.members, key=lambda m: (m.raised.level != Level.ALARM, ORDER.index(m.track.followed.kind), m.known)
        )

    @property
    def speaker(self) -> IncidentMember:
        """The member that speaks for the incident."""
        return self.ordered[0]


def group_signals(tracks: Sequence[Track], delay: Callable[[StreamKind], int], cooldown: int) -> list[Group]:
    """Incidents in the order of their first signs; ``delay`` is how many periods later a stream's period is known."""
    groups: list[Group] = []
    for member in sorted(_members(tracks, delay), key=lambda m: (m.seen, m.at)):
        last = groups[-1] if groups else None
        if last is not None and (last.over is None or member.seen <= last.over + cooldown):
            last.members.append(member)
        else:
            groups.append(Group([member]))
    return groups


def _members(tracks: Sequence[Track], delay: Callable[[StreamKind], int]) -> Iterator[IncidentMember]:
    for track in tracks:
        wait = delay(track.followed.kind)
        numbers = track.followed.later.ordinals
        for one in track.raised:
            last = one.raised if one.seen is None else one.seen
            over = None if one.closed is None else int(numbers[one.closed]) + wait
            at = int(numbers[one.raised])
            yield IncidentMember(track, one, int(numbers[one.began]), at, at + wait, int(numbers[last]) + wait, over)


def incident(
    group: Group,
    grid: PeriodGrid,
    mutes: Sequence[Mute],
    finding: IncidentDiagnosis | None,
    last: int,
    entry: IncidentEntry | None = None,
) -> Incident:
    """A group as it is published; ``last`` is the period of the look, ``entry`` its number and mark."""
    speaker = group.speaker
    worst = [m for m in group.members if m.raised.level == speaker.raised.level]
    first = min(
        worst, key=lambda m: (m.known, m.at)
    )  # somebody may have been told before the speaker had anything to say
    members = tuple(_member(m, grid) for m in group.ordered)
    reasons = [muted(m.track.followed.name, mutes, grid.label(last)) for m in group.members]
    return Incident(
        id=identity(group, grid),
        level=group.level,
        open=group.over is None,
        began=grid.label(min(m.began for m in worst)),
        raised=grid.label(first.at),
        known_on=grid.label(first.known),
        closed=None if group.over is None else grid.label(group.over),
        sentence=finding.sentence if finding is not None and finding.sentence else sentence(speaker, grid),
        members=members,
        diagnosis=finding,
        muted=reasons[0] if all(reasons) else None,
        number=None if entry is None else entry.number,
        mark=None if entry is None else mark_of(entry),
    )


def identity(group: Group, grid: PeriodGrid) -> str:
    """Name of an incident: the period of its first sign."""
    return grid.label(group.first)


def muted(stream: str, mutes: Sequence[Mute], period: str) -> str | None:
    """Why a stream is muted in a period; None where it is not."""
    for one in mutes:
        if fnmatch.fnmatchcase(stream, one.pattern) and (one.until is None or period[:10] <= one.until):
            return one.reason
    return None


def _member(member: IncidentMember, grid: PeriodGrid) -> Member:
    one, followed = member.raised, member.track.followed
    return Member(
        stream=followed.name,
        kind=followed.kind,
        words=followed.words,
        level=one.level,
        began=grid.label(member.began),
        raised=grid.label(member.at),
        known_on=grid.label(member.known),
        closed=None if member.over is None else grid.label(member.over),
        change=Estimate(estimate=one.change, low=min(one.low, one.high), high=max(one.low, one.high)),
        sentence=sentence(member, grid),
    )


def sentence(member: IncidentMember, grid: PeriodGrid) -> str:
    """What moved, by how much, since when."""
    one, followed = member.raised, member.track.followed
    since, early = grid.label(member.began), " (an early sign, no alarm)" if one.level == Level.WATCH else ""
    if one.words:
        return say.sentence(f"{one.words}, since {since}{early}")
    rows = slice(one.began, one.raised + 1)
    weight = followed.later.rows[rows]
    mean = float(weight @ followed.later.values[rows] / weight.sum())
    before = mean - one.change
    fell = one.change < 0
    size = say.change(one.change, share=followed.share)
    shown = (say.percent(before), say.percent(mean)) if followed.share else (say.number(before), say.number(mean))
    verb = "fell" if fell else "rose"
    plural = followed.kind in ("missing", "unknown", "share")
    what = f"the share of {followed.words}" if plural else followed.words
    return say.sentence(f"{what} {verb} by {size}, from {shown[0]} to {shown[1]}, since {since}{early}")


@dataclass(frozen=True)
class DueMessage:
    """A message that is due."""

    incident: str
    kind: str
    number: int
    """Period on which it became due."""


def due_messages(group: Group, grid: PeriodGrid, last: int, remind_after: int) -> list[DueMessage]:
    """Every message of an incident up to period ``last``, in order of time.

    What a look raised is due with it: labels may have made a period of the past known before the newest one is complete.
    """
    name, alarm, over = identity(group, grid), group.alarm, group.over
    messages = [DueMessage(name, "watch", group.first)] if group.first != alarm else []
    if alarm is not None:
        messages.append(DueMessage(name, "alarm", alarm))
        end = last if over is None else over - 1
        messages += [DueMessage(name, "reminder", n) for n in range(alarm + remind_after, end + 1, remind_after)]
        if over is not None:
            messages.append(DueMessage(name, "recovery", over))
    return [one for one in messages if one.number <= last or one.kind in ("watch", "alarm")]
