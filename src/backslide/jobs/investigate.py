"""An alarm runs the diagnosis by itself: the reference against every row since the onset, labelled by now or not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from backslide.contracts import say
from backslide.contracts.cause import Cause, CauseKind
from backslide.contracts.config import Settings
from backslide.contracts.countdown import Countdown
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import BackslideError
from backslide.contracts.watch import IncidentDiagnosis, Level
from backslide.jobs.diagnose import diagnose
from backslide.jobs.origin import Witnesses, find_origin
from backslide.monitor.incidents import Group, identity, sentence
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.rows import PeriodRows, between, plain
from backslide.store.memory import Book

OF_ONE_COLUMN = ("missing", "unknown", "level", "spread", "share")
"""Kinds of streams whose name holds a column behind a colon."""
MOST = 12
"""Incidents, the latest first, that are diagnosed in one look."""


def investigate(
    settings: Settings,
    rows: PeriodRows,
    book: Book,
    groups: Sequence[Group],
    grid: PeriodGrid,
    progress: Callable[[str], None],
    *,
    last: int | None,
    recover_after: int,
    reference_model: Any = None,
    witnesses: Witnesses,
) -> None:
    """Diagnose every alarm that has no finding yet, and keep what was found.

    ``last`` is the last complete period, ``recover_after`` how many good ones close an alarm: those are no part of what was bad.
    """
    known = book.findings()
    wanted = [g for g in groups if g.level == Level.ALARM and identity(g, grid) not in known]
    countdown = Countdown(len(wanted[-MOST:]))
    for number, group in enumerate(wanted[-MOST:]):
        name = identity(group, grid)
        progress(f"diagnosing what was raised on {name}: {countdown.words(number)}")
        first, until = _stretch(group, last, recover_after)
        finding = _finding(
            settings,
            between(rows, first, until),
            book,
            group,
            grid,
            reference_model,
            witnesses,
        )
        with book.transaction():
            book.keep_finding(name, finding.model_dump(mode="json"))


def _stretch(group: Group, last: int | None, recover_after: int) -> tuple[int, int]:
    """The periods that are diagnosed: from the onset, which a fault tells to the period, to the last bad one."""
    speaker = group.speaker
    faults = [m for m in group.members if m.track.followed.kind == "fault" and m.raised.level == Level.ALARM]
    first = min(m.began for m in (speaker, *faults))
    ends = [m.at if m.over is None else m.over - (m.known - m.at) - recover_after for m in (speaker, *faults)]
    return first, max(speaker.at, *ends, last if group.over is None and last is not None else speaker.at)


def _finding(
    settings: Settings,
    rows: PeriodRows,
    book: Book,
    group: Group,
    grid: PeriodGrid,
    model: Any,
    witnesses: Witnesses,
) -> IncidentDiagnosis:
    text = sentence(group.speaker, grid)
    if (
        group.speaker.track.followed.kind == "canary"
    ):  # the same rows are answered otherwise: nothing is left to find out
        kind = CauseKind.MODEL_CHANGE
        return IncidentDiagnosis(
            verdict="model_change",
            sentence=text,
            decision=f"roll back: {kind.remedy}",
            kind=kind.value,
            origin="model",
        )
    try:
        sides = (plain(rows.reference) if rows.stored is None else rows.stored), rows.stored_later or plain(rows.later)
        diagnosis = diagnose(*sides, settings=settings, name=settings.model.name, reference_model=model)
    except BackslideError as error:
        return IncidentDiagnosis(verdict="could_not_run", sentence=text, decision=f"diagnose by hand: {error}")
    book.keep_diagnosis(identity(group, grid), diagnosis.to_dict())
    report = _report(settings, group, grid, diagnosis)
    first = next(_of_column(group, diagnosis), None)
    fault = group.speaker.track.followed.kind == "fault"
    if diagnosis.verdict.bad and not (fault and not _names(group, diagnosis)):
        first, summary = next(_causes(diagnosis), None), diagnosis.summary
    elif fault:
        summary = text
    else:
        summary = text if first is None else f"{text[:-1]}: {first.summary}"
    origin, settle = find_origin(diagnosis, min(m.began for m in group.members), witnesses)
    return IncidentDiagnosis(
        verdict=diagnosis.verdict.value,
        sentence=say.sentence(summary),
        decision=_decision(diagnosis, settle),
        kind=None if first is None else first.kind.value,
        features=() if first is None else first.features,
        report=report,
        origin=origin,
    )


def _causes(diagnosis: Diagnosis) -> Iterator[Cause]:
    yield from (*diagnosis.causes, *diagnosis.suspects, *diagnosis.harmless)


def _of_column(group: Group, diagnosis: Diagnosis) -> Iterator[Cause]:
    """Causes that may be behind an alarm: of one about a column those of the column, as another one's fault explains nothing."""
    own = group.speaker.track.followed
    if own.kind not in OF_ONE_COLUMN:
        return _causes(diagnosis)
    column = own.name.partition(":")[2]  # of a share with the value behind it
    return (cause for cause in _causes(diagnosis) if any(f"{column}=".startswith(f"{c}=") for c in cause.features))


def _decision(diagnosis: Diagnosis, settle: str) -> str:
    """What to do, why, and what would settle what is not known."""
    action, reason = diagnosis.decision.action.value.replace("_", " "), diagnosis.decision.reason
    text = f"{action}: {reason}" if reason else action
    return f"{text.rstrip('.')}; {settle}" if settle else text


def _names(group: Group, diagnosis: Diagnosis) -> bool:
    """Whether the first cause is about a column of the fault that speaks for the incident."""
    named = diagnosis.causes[0].features if diagnosis.causes else ()
    return any(feature in group.speaker.track.followed.name.partition(":")[2].split("+") for feature in named)


def _report(settings: Settings, group: Group, grid: PeriodGrid, diagnosis: Diagnosis) -> str | None:
    if settings.watch.reports is None:
        return None
    folder = settings.base / settings.watch.reports
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{settings.model.name}-{identity(group, grid)}")
    path = folder / f"{name}.html"
    diagnosis.to_html(path)
    diagnosis.to_json(path.with_suffix(".json"))
    return str(Path(settings.watch.reports) / path.name)
