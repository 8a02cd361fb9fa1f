"""Looks of a watch made by hand: what its pages, exports and annotations are tested with."""

from __future__ import annotations

from backslide.contracts.finding import Estimate
from backslide.contracts.watch import (
    DatedEvent,
    Incident,
    IncidentDiagnosis,
    Labels,
    Level,
    Member,
    Point,
    Promise,
    Stream,
    WatchReport,
)

DAYS = [f"2026-03-{day:02d}" for day in range(1, 29)]


def stream(name="performance", kind="performance", words="accuracy", level=Level.QUIET, periods=DAYS):
    points = tuple(
        Point(period=day, value=0.84 - 0.1 * (day > "2026-03-20"), expected=0.84, low=0.8, high=0.88, rows=300)
        for day in periods
    )
    return Stream(
        name=name,
        kind=kind,
        words=words,
        level=level,
        share=True,
        share_of_budget=0.5,
        periods=len(points),
        reference=0.84,
        latest=points[-1] if points else None,
        points=points,
    )


def incident(number=1, name="2026-03-21", *, over=None, report=None, text="Accuracy fell.", mark=None):
    alarm = {
        "level": Level.ALARM,
        "began": "2026-03-21",
        "raised": "2026-03-22",
        "known_on": "2026-03-24",
        "closed": over,
    }
    fell = Estimate(estimate=-0.1)
    member = Member(stream="performance", kind="performance", words="accuracy", change=fell, sentence=text, **alarm)
    decision = "fix upstream data: divide it by 12"
    return Incident(
        id=name,
        number=number,
        open=over is None,
        sentence=text,
        members=(member,),
        mark=mark,
        events=("deploy v2 (2026-03-20 22:00)",),
        diagnosis=IncidentDiagnosis(verdict="degraded", sentence=text, decision=decision, report=report),
        **alarm,
    )


def look(model="loans", *, status=Level.ALARM, **changes):
    values = {
        "model": model,
        "as_of": "2026-03-29T06:00:00Z",
        "status": status,
        "summary": "Accuracy fell.",
        "metric": "accuracy",
        "period": "day",
        "reference": ("2026-01-05", "2026-02-28"),
        "last": "2026-03-28",
        "promise": Promise(
            false_alarms_per_year=0.1, false_watches_per_year=1, periods_per_year=365, streams=3, note="seldom"
        ),
        "labels": Labels(age=2, complete_through="2026-03-25", waiting=2),
        "streams": (
            stream(level=status),
            stream("estimate", "estimate", "expected accuracy"),
            stream("confidence", "confidence", "mean confidence"),
            stream("missing:age", "missing", "missing values of age"),
        ),
        "incidents": (incident(),) if status == Level.ALARM else (),
        "events": (DatedEvent(at="2026-03-20T22:00:00", text="deploy v2"),),
    }
    return WatchReport(**(values | changes))
