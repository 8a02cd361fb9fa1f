"""The report on retraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from backslide.contracts import say
from backslide.contracts.evidence import Evidence, Ranked, RankedRow, Series, SeriesPoint
from backslide.contracts.retrain import Policy, RetrainVerdict
from backslide.report.documents.gate import chart, requirements
from backslide.report.documents.shadow import Section
from backslide.report.format import numbers
from backslide.report.format.escape import cleaned
from backslide.report.format.numbers import Unit
from backslide.report.render.page import Fact, Page, page_html, page_markdown, page_text

if TYPE_CHECKING:
    from backslide.contracts.finding import Estimate
    from backslide.contracts.retrain import Retrain

VERDICT = {
    RetrainVerdict.PROMOTE: ("Promote", "▲", "improved"),
    RetrainVerdict.HOLD: ("Hold", "●", "no_material_change"),
    RetrainVerdict.REFUSED: ("Refused", "◣", "degraded_in_part"),
}
"""Word, sign (differs in shape) and tone."""
MOST_FEATURES = 12


def render_retrain_text(found: Retrain) -> str:
    """The report for a terminal."""
    return page_text(retrain_page(found))


def render_retrain_markdown(found: Retrain) -> str:
    """The report for a pull request."""
    return page_markdown(retrain_page(found))


def render_retrain_html(found: Retrain) -> str:
    """The report as one page."""
    return page_html(retrain_page(found))


def retrain_page(found: Retrain) -> Page:
    """Strings of foreign origin are made safe to show first."""
    r = cleaned(found)
    word, sign, tone = VERDICT[r.verdict]
    unit = _unit(r)
    sections = [
        _refusal(r, unit),
        _candidates(r, unit),
        _stretches(r, unit),
        _requirements(r),
        _features(r, unit),
        _labels(r, unit),
        _policies(r, unit),
    ]
    evidence: tuple[Evidence, ...] = (*r.evidence, *_policy_chart(r))
    if r.gate is not None:
        evidence = (*evidence, *chart(r.gate.lines))
    return Page(
        model=r.model,
        about="what is retraining worth?",
        verdict=word,
        sign=sign,
        tone=tone,
        summary=r.summary,
        facts=_facts(r, unit),
        action=r.action,
        reason=r.reason,
        sections=tuple(s for s in sections if s is not None),
        evidence=evidence,
        inputs=_inputs(r),
        notes=(*r.quality, *r.inputs.notes),
    )


def _unit(r: Retrain) -> Unit:
    best = r.best
    found = Unit.of(
        r.metric, classification=r.share, level=r.champion_value, change=None if best is None else best.gain
    )
    return Unit(r.share, found.decimals)


def _facts(r: Retrain, unit: Unit) -> tuple[Fact, ...]:
    best = r.best
    if best is None:
        return ()
    facts = [
        Fact(
            f"{say.metric(r.metric)}, served and candidate",
            f"{unit.level(r.champion_value)} → {unit.level(best.value)}",
        )
    ]
    if best.gain is not None:
        facts.append(
            Fact("gain on later rows", unit.change(best.gain.estimate), f"95 % interval {unit.interval(best.gain)}")
        )
    if best.future is not None:
        said = f"95 % prediction interval {unit.interval(best.future)}"
        facts.append(Fact("gain expected next", unit.change(best.future.estimate), said))
    facts.append(Fact("candidate", best.name, best.description))
    return tuple(facts)


def _refusal(r: Retrain, unit: Unit) -> Section | None:
    if r.refusal is None:
        return None
    f = r.refusal
    rows = (
        (f"repair: {f.repair}", _estimate(f.repair_gain, unit)),
        ("retrain on the faulty rows", _estimate(f.retrain_gain, unit)),
    )
    reading = f"{f.summary} A repair gives the points back and leaves the model as it was tested."
    return Section("Repair or retrain?", reading, ("way", "gain"), rows)


def _estimate(e: Estimate | None, unit: Unit) -> str:
    return "not known" if e is None else unit.estimate(e)


def _candidates(r: Retrain, unit: Unit) -> Section:
    rows = []
    for c in r.candidates:
        gate = "" if c.gate is None else str(c.gate).replace("_", " ")
        failed = f"fails on {say.listed(list(c.failed))}" if c.failed else ""
        note = "recommended" if c.name == r.recommended else (c.note or failed)
        if c.gain is None:
            rows.append((c.name, "", "", "", "", "", "", c.note or "not tried"))
            continue
        ahead = "" if c.future is None else unit.interval(c.future)
        rows.append(
            (
                c.name,
                numbers.count(c.rows),
                unit.level(c.value),
                unit.change(c.gain.estimate),
                unit.interval(c.gain),
                ahead,
                gate,
                note,
            )
        )
    reading = (
        "Each was trained at several moments on what was known then, and judged on the rows that followed, beside what was "
        "served. The gate corrects for how many were tried."
    )
    columns = ("candidate", "trained on", say.metric(r.metric), "gain", "interval", "next stretch (95 %)", "gate", "")
    return Section("Candidates", reading, columns, tuple(rows))


def _stretches(r: Retrain, unit: Unit) -> Section | None:
    if not r.stretches:
        return None
    rows = tuple(
        (
            numbers.moment(s.start),
            numbers.moment(s.end),
            numbers.count(s.known),
            numbers.count(s.rows),
            unit.level(s.champion),
            unit.level(s.best),
        )
        for s in r.stretches
    )
    reading = "Labels known: those that had arrived when the stretch began."
    return Section(
        "Stretch by stretch", reading, ("from", "to", "labels known", "judged on", "served", "candidate"), rows
    )


def _requirements(r: Retrain) -> Section | None:
    return None if r.gate is None else requirements(r.gate.lines)


def _features(r: Retrain, unit: Unit) -> Section | None:
    if not r.features:
        return None
    rows = tuple(
        (f.feature, numbers.percent(f.drift), unit.change(f.harm), unit.change(f.drift * abs(f.harm)))
        for f in r.features[:MOST_FEATURES]
    )
    reading = (
        "Drift: how far the feature alone sets fresh rows apart. Leaned on: what shuffling it costs on later rows; "
    )
    reading += "negative where it leads astray."
    return Section("Features, drift times harm", reading, ("feature", "drift", "leaned on", "product"), rows)


def _labels(r: Retrain, unit: Unit) -> Section | None:
    if r.curve is None:
        return None if r.life is None else Section("How long it lasts", r.life.sentence, (), ())
    rows = tuple((numbers.count(p.labels), unit.level(p.value)) for p in r.curve.points)
    reading = r.curve.sentence + ("" if r.life is None else f" {r.life.sentence}")
    return Section("Labels and life", reading, ("fresh labels", say.metric(r.metric)), rows)


def _policies(r: Retrain, unit: Unit) -> Section | None:
    if r.policies is None:
        return None
    rows = tuple(
        (
            p.name,
            p.description,
            unit.level(p.value),
            numbers.count(p.retrains),
            numbers.count(p.labels),
            "recommended" if p.recommended else "",
        )
        for p in r.policies.policies
    )
    columns = ("policy", "", say.metric(r.metric), "times trained again", "labels used", "")
    return Section("When to train again", r.policies.sentence, columns, rows)


def _policy_chart(r: Retrain) -> tuple[Evidence, ...]:
    if r.policies is None:
        return ()
    known = [p for p in r.policies.policies if p.value is not None]
    never = next((p for p in known if p.name == "never"), None)
    if never is None or never.value is None or len(known) < 2:
        return ()
    sign = 1 if r.higher_is_better else -1
    rows = tuple(
        RankedRow(
            label=p.name, value=sign * ((p.value or 0.0) - never.value), note="recommended" if p.recommended else ""
        )
        for p in known
        if p is not never
    )
    made = Ranked(
        title="Policies against never", reading=r.policies.sentence, x="gain over never", rows=rows, share=r.share
    )
    shown = next((p for p in known if p.recommended and p is not never), None) or max(
        (p for p in known if p is not never), key=lambda p: sign * (p.value or 0.0)
    )
    return (made, _over_time(r, never, shown))


def _over_time(r: Retrain, never: Policy, shown: Policy) -> Series:
    """Two policies stretch by stretch."""
    assert r.policies is not None
    lines: tuple[tuple[Literal["reference", "current"], Policy], ...] = (("reference", never), ("current", shown))
    points = [
        SeriesPoint(at=at, value=value, window=window)
        for window, policy in lines
        for at, value in zip(r.policies.starts, policy.by_stretch, strict=False)
        if value is not None
    ]
    reading = f"Trained once (drawn as reference) and {shown.name} (drawn as current), played over the history."
    return Series(
        title="Policies over time", reading=reading, y=say.metric(r.metric), points=tuple(points), share=r.share
    )


def _inputs(r: Retrain) -> tuple[tuple[str, str], ...]:
    i = r.inputs
    said = [
        ("recipe", r.recipe),
        ("rows", numbers.count(i.rows)),
        ("labelled", numbers.count(i.labelled)),
        ("rows from", i.source),
        ("task", i.task),
    ]
    if i.days:
        said.append(("days judged on", numbers.count(i.days)))
    if i.period is not None:
        said.append(("period", f"{numbers.moment(i.period[0])} to {numbers.moment(i.period[1])}"))
    if r.version is not None:
        said.append(("written to", r.version))
    if r.registered is not None:
        said.append(("registered as", r.registered))
    return tuple(said)
