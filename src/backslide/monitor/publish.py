"""From tracks and incidents to the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from backslide.causes.screening import ScreenedFault
from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.finding import Estimate
from backslide.contracts.watch import (
    DatedEvent,
    Delivery,
    EstimatedPerformance,
    Incident,
    InputFault,
    Labels,
    Level,
    Point,
    Promise,
    Stream,
    WatchReport,
)
from backslide.monitor.detect import Track
from backslide.monitor.events import Event, near
from backslide.monitor.fault_streams import FaultHistory
from backslide.monitor.incidents import Group, finding_of, identity, incident, muted
from backslide.monitor.labels import Ages
from backslide.monitor.marks import with_marks
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.stream import Ledger, Subject
from backslide.monitor.streams import HEADLINE_SHARE, corrected_level
from backslide.store.memory import Book, Mute

RECENT = 7
"""Periods over which the corrected level is incidents."""
MOST_EVENTS = 100
SHOWN = 120
"""Periods of a stream that are published."""


@dataclass(frozen=True)
class Look:
    """What one look knows beside streams and incidents."""

    grid: PeriodGrid
    present: datetime
    last: int | None
    ages: Ages
    ledger: Ledger
    subject: Subject
    notes: tuple[tuple[str, ...], tuple[str, ...]]
    estimated: EstimatedPerformance | None
    events: list[Event]
    faults: list[FaultHistory]


def publish(
    settings: Settings, book: Book, look: Look, tracks: Sequence[Track], groups: Sequence[Group], *, replay: bool
) -> WatchReport:
    """Everything as the contract holds it."""
    mutes, findings, entries, grid = book.mutes(), book.findings(), book.incidents(), look.grid
    last = look.last if look.last is not None else 0
    incidents = []
    for g in groups:
        diagnosis = finding_of(findings, identity(g, grid))
        events = near(look.events, grid, g.speaker.began, g.speaker.at)
        entry = entries.get(identity(g, grid))
        incidents.append(incident(g, grid, mutes, diagnosis, last, entry).model_copy(update={"events": events}))
    numbers = sorted(look.ledger.inputs[0])
    status = _status(incidents)
    return WatchReport(
        model=settings.model.name,
        as_of=f"{look.present.isoformat(timespec='seconds')}Z",
        replay=replay,
        status=status,
        summary=_summary(incidents, status, look, tracks),
        metric=look.subject.headline.name,
        period=grid.name,
        reference=(grid.label(numbers[0]), grid.label(numbers[-1])),
        last=None if look.last is None else grid.label(look.last),
        promise=with_marks(_promise(settings, grid, tracks), incidents),
        labels=_labels(look),
        estimated=look.estimated,
        incidents=tuple(incidents),
        streams=tuple(_stream(t, grid, mutes, last) for t in tracks),
        faults=tuple(sorted((_fault(one, grid) for one in look.faults), key=lambda f: -list(Level).index(f.level))),
        deliveries=tuple(
            Delivery(
                incident=m.incident, kind=m.kind, period=m.period, status=m.status, attempts=m.attempts, error=m.error
            )
            for m in book.messages()
        ),
        events=_events(look, numbers[0]),
        notes=look.notes[1],
    )


def _events(look: Look, first: int) -> tuple[DatedEvent, ...]:
    """Those of the log since a period; periods that are numbers of rows have no dates."""
    if not look.grid.timed:
        return ()
    since, until = look.grid.start(first), look.present
    within = [(at, text) for at, text in look.events if since <= at < until]
    return tuple(DatedEvent(at=at.isoformat(), text=text) for at, text in within[-MOST_EVENTS:])


def _status(incidents: Sequence[Incident]) -> Level:
    members = [m.level for one in incidents for m in one.pressing]
    return Level.ALARM if Level.ALARM in members else Level.WATCH if members else Level.QUIET


def _summary(incidents: Sequence[Incident], status: Level, look: Look, tracks: Sequence[Track]) -> str:
    live = [one for one in incidents if one.pressing]
    if status != Level.QUIET and live:
        worst = max(live, key=lambda one: (one.level == Level.ALARM, one.known_on))
        return worst.sentence
    periods = max((len(t.followed.later) for t in tracks), default=0)
    if not periods:
        return "Nothing to judge yet: no period after the reference is complete."
    closed = [one for one in incidents if not one.open and one.level == Level.ALARM]
    past = f"; {len(closed)} alarm{'s' if len(closed) > 1 else ''} before, all over" if closed else ""
    hushed = ", open alarms are muted" if any(one.open and one.muted for one in incidents) else ""
    hushed += ", what is open is marked" if any(one.open and one.mark and not one.muted for one in incidents) else ""
    until = "" if look.last is None else f" up to {look.grid.label(look.last)}"
    return f"Quiet: {len(tracks)} streams over {periods} periods{until}{past}{hushed}."


def _promise(settings: Settings, grid: PeriodGrid, tracks: Sequence[Track]) -> Promise:
    watch = settings.watch
    rate = watch.false_alarms_per_year
    often = f"one in {say.number(1 / rate, 2)} years" if rate < 1 else f"{say.number(rate, 2)} a year"
    year = "" if grid.timed else "; a period counts as a day"
    return Promise(
        false_alarms_per_year=rate,
        false_watches_per_year=watch.false_watches_per_year,
        periods_per_year=grid.a_year(),
        streams=len(tracks),
        note=f"at most {often} false alarm of all {len(tracks)} streams together while the reference is what is normal; "
        f"the headline has {say.percent(HEADLINE_SHARE, 0)} of it{year}",
        years=max((len(t.followed.later) for t in tracks), default=0) / grid.a_year(),
    )


def _labels(look: Look) -> Labels:
    entered = look.ledger.labels[1]
    mature = look.ledger.mature[1] if look.ledger.mature is not None else entered
    waiting = len(set(look.ledger.inputs[1]) - set(entered))
    return Labels(
        age=look.ages.first,
        share_at_age=look.ages.share,
        mature_age=look.ages.mature,
        complete_through=look.grid.label(max(mature)) if mature else None,
        waiting=waiting if look.subject.problem.has_labels else 0,
        notes=look.notes[0],
        level=corrected_level(look.subject, entered, look.ages.by_class, RECENT),
    )


def _fault(history: FaultHistory, grid: PeriodGrid) -> InputFault:
    one, track = history.latest, history.track
    return InputFault(
        stream=track.followed.name,
        kind=one.kind.value,
        features=one.features,
        segment=one.segment,
        words=one.words,
        repair=one.repair,
        since=grid.label(min(history.hits)),
        last=grid.label(max(history.hits)),
        periods=len(history.hits),
        share_of_rows=one.share_of_rows,
        harm=mean_harm(list(history.hits.values())),
        level=track.level,
    )


def mean_harm(hits: Sequence[ScreenedFault]) -> Estimate | None:
    """Over the periods that could be priced; without an interval where any of them has none."""
    priced = [(hit.harm, hit.low, hit.high) for hit in hits if hit.harm is not None]
    if not priced:
        return None
    harm, *ends = ([one for one in column if one is not None] for column in zip(*priced, strict=True))
    low, high = (float(np.mean(end)) if len(end) == len(priced) else None for end in ends)
    return Estimate(estimate=float(np.mean(harm)), low=low, high=high)


def _stream(track: Track, grid: PeriodGrid, mutes: Sequence[Mute], last: int) -> Stream:
    followed = track.followed
    later = followed.later
    # The band holds the memory of periods too: nineteen of twenty quiet periods lie inside.
    half = 1.96 * track.noise
    points = tuple(
        Point(
            period=grid.label(int(later.ordinals[i])),
            value=float(later.values[i]),
            expected=float(track.expected[i]),
            low=float(track.expected[i] - half[i]),
            high=float(track.expected[i] + half[i]),
            rows=int(later.rows[i]),
        )
        for i in range(max(len(later) - SHOWN, 0), len(later))
    )
    return Stream(
        name=followed.name,
        kind=followed.kind,
        words=followed.words,
        level=track.level,
        share=followed.share,
        muted=muted(followed.name, mutes, grid.label(last)),
        share_of_budget=followed.budget,
        periods=len(later),
        reference=float(np.average(followed.reference.values, weights=followed.reference.rows))
        if len(followed.reference)
        else 0.0,
        latest=points[-1] if points else None,
        evidence=track.evidence,
        early=track.early,
        points=points,
    )
