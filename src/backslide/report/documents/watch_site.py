"""The pages of watching: every model at a glance, one model over time, one incident."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.escape import cleaned
from backslide.contracts.watch import Level
from backslide.report.documents.page import (
    Card,
    Cards,
    Page,
    PageLink,
    PageSection,
    Paragraph,
    Row,
    rows,
    section,
    table_section,
)
from backslide.report.documents.watch import NO_INCIDENTS, VERDICT, incident_card, newest_first, watch_page
from backslide.report.documents.watch_timeline import headline_spark, watch_timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backslide.contracts.watch import Incident, WatchReport
    from backslide.report.documents.addresses import Addresses

_RANK = {level: -place for place, level in enumerate(Level)}
LEVEL = {Level.QUIET: "ok", Level.WATCH: "warn", Level.ALARM: "fail"}
NO_MODELS = (
    "No model was looked at yet. backslide watch backslide.toml --html DIR takes a look and writes its pages here; every model "
    "that shares the store of [store] url has its place in this list."
)
NO_PERIODS = (
    "No period after the reference is complete yet, so there is nothing to draw. A period is judged once it is over and a row of "
    "the next one was seen; [watch] period sets its length."
)
NO_EVENTS = (
    "No deploys or other dated changes are known. They are drawn beside the figures once the log holds some: "
    'recorder.event("deploy v2") in the service, or backslide log event "deploy v2" where it is deployed.'
)
NO_REPORT = "No report was kept: set [watch] reports, or write these pages with --html, before the alarm."


def overview_page(reports: Sequence[WatchReport], addresses: Addresses) -> Page:
    """All models, those with an alarm first."""
    models = sorted(map(cleaned, reports), key=lambda w: (_RANK[w.status], w.model))
    worst = models[0].status if models else Level.QUIET
    word, sign, tone = VERDICT[worst]
    alarms = [w.model for w in models if w.status == Level.ALARM]
    signs = [w.model for w in models if w.status == Level.WATCH]
    if not models:
        word, tone, headline = "Nothing watched yet", "inconclusive", "There is no look of any model."
    elif alarms:
        headline = f"{say.counted(len(alarms), 'model')} of {len(models)} with an open alarm: {say.listed(alarms)}."
    elif signs:
        headline = f"No alarm; {say.counted(len(signs), 'model')} with an early sign: {say.listed(signs)}."
    else:
        headline = f"{say.counted(len(models), 'model')} watched, no alarm is open."
    cards = Cards(tuple(_model_card(w, addresses) for w in models))
    return Page(
        model="All models",
        about="are they still as good as they were?",
        verdict=word,
        sign=sign,
        tone=tone,
        headline=headline,
        sections=(section("Models", cards if models else Paragraph(NO_MODELS), depth="brief"),),
    )


def _model_card(w: WatchReport, addresses: Addresses) -> Card:
    """State, sentence, the headline's last periods, freshness and labels of one model."""
    word, sign, _ = VERDICT[w.status]
    live = [one for one in newest_first(w.incidents) if one.open]
    stale = [note for note in w.notes if note.startswith("no rows after")]
    lines = (
        Row("rows", (f"through {w.last}" if w.last else "no complete period yet", *stale)),
        Row("labels", (label_coverage(w),)),
        Row("looked at", (say.moment(w.as_of),)),
    )
    return Card(
        title=f"{sign} {w.model}",
        text=w.summary,
        badge=word.lower(),
        rows=tuple(row for row in lines if any(row.lines)),
        level=LEVEL[w.status],
        href=addresses.model(w.model),
        pages=tuple(PageLink(_named(one), addresses.incident(w.model, one.id)) for one in live),
        spark=headline_spark(w),
    )


def label_coverage(w: WatchReport) -> str:
    """How many of the periods could be judged with labels, and through which they are complete."""
    judged = next((s.periods for s in w.streams if s.kind == "performance"), 0)
    watched = max((s.periods for s in w.streams), default=0)
    if not watched:
        return ""
    text = f"{judged} of {say.counted(watched, w.period)}{'s' if watched == 1 else ''} judged with labels"
    if w.labels.complete_through:
        text += f", complete through {w.labels.complete_through}"
    return text + (f", {say.count(w.labels.waiting)} waiting" if w.labels.waiting else "")


def _named(one: Incident) -> str:
    return f"Incident {one.number}, {one.id}" if one.number is not None else f"Incident of {one.id}"


def model_page(report: WatchReport, addresses: Addresses) -> Page:
    """One model: state and what to do, the time axis, incidents, faults, streams."""
    w = cleaned(report)
    page = watch_page(w)
    ours = ("Incidents", "Raised", "Over time")
    timeline = watch_timeline(w)
    over_time = section("Over time", timeline if timeline is not None else Paragraph(NO_PERIODS))
    if timeline is not None and not w.events:
        over_time = replace(over_time, blocks=(*over_time.blocks, Paragraph(NO_EVENTS)))
    coverage = label_coverage(w)
    return replace(
        page,
        context=(*page.context, *rows(("label coverage", coverage))),
        sections=(
            over_time,
            _incidents(w, addresses),
            *(one for one in page.sections if one.title not in ours),
        ),
        trail=(PageLink("All models", addresses.overview()),),
    )


def _incidents(w: WatchReport, addresses: Addresses) -> PageSection:
    if not w.incidents:
        return section("Incidents", Paragraph(NO_INCIDENTS))
    cards = [
        replace(
            incident_card(one),
            href=addresses.incident(w.model, one.id),
            pages=_reports(w, one, addresses),
        )
        for one in newest_first(w.incidents)
    ]
    return section("Incidents", Cards(tuple(cards)))


def _reports(w: WatchReport, one: Incident, addresses: Addresses) -> tuple[PageLink, ...]:
    file = one.diagnosis.report if one.diagnosis is not None else None
    address = "" if file is None else addresses.report(w.model, file)
    return (PageLink("Report of the diagnosis", address),) if address else ()


def incident_page(report: WatchReport, name: str, addresses: Addresses) -> Page:
    """One incident: what, since when, why as far as known, what to do; its streams, and the model's time axis around it.

    Raises:
        KeyError: there is no such incident.
    """
    w = cleaned(report)
    one = next((i for i in w.incidents if i.id == name), None)
    if one is None:
        raise KeyError(name)
    word, sign, tone = VERDICT[one.level]
    card = incident_card(one)
    diagnosis = one.diagnosis
    action, _, reason = (diagnosis.decision if diagnosis is not None else "").partition(": ")
    links = _reports(w, one, addresses)
    lines = tuple(
        (
            m.stream,
            VERDICT[m.level][0].lower(),
            m.began,
            m.known_on,
            m.closed or "open",
            m.sentence,
        )
        for m in one.members
    )
    timeline = watch_timeline(w, also=tuple(m.stream for m in one.members))
    report_card = Card(
        title="Report of the diagnosis",
        text="Verdict, causes with their price, and every check." if links else NO_REPORT,
        href=links[0].href if links else "",
    )
    marking = (
        f"marked {one.mark.mark} on {say.moment(one.mark.at)}{f': {one.mark.note}' if one.mark.note else ''}"
        if one.mark is not None
        else f"backslide incidents mark {one.number or one.id} false|fixed|known --note TEXT"
    )
    return Page(
        model=w.model,
        about=_named(one),
        verdict=f"{word}, {'open' if one.open else f'over {one.closed}'}",
        sign=sign,
        tone=tone if one.open else "inconclusive",
        headline=one.sentence,
        action=say.sentence(action).rstrip("."),
        reason=reason,
        context=rows(
            ("when", f"began {one.began}, known {one.known_on}"),
            ("state", card.means),
            ("at that time", "; ".join(one.events)),
            ("what it was" if one.mark is not None else "say what it was", marking),
        ),
        sections=(
            *([section("Over time", timeline)] if timeline is not None else []),
            table_section("What moved", "", ("stream", "level", "began", "known", "over", "what"), lines),
            section("Diagnosis", Cards((report_card,))),
        ),
        inputs=rows(("as of", say.moment(w.as_of)), ("last period", w.last or "")),
        trail=(PageLink("All models", addresses.overview()), PageLink(w.model, addresses.model(w.model))),
    )
