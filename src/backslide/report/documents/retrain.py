"""The report on retraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from backslide.contracts import say
from backslide.contracts.escape import cleaned
from backslide.contracts.evidence import Evidence, RankedRow, Ranking, Series, SeriesPoint
from backslide.contracts.retrain import Policy, RetrainVerdict
from backslide.contracts.say import Unit
from backslide.report.documents.gate import gains, glance, requirements
from backslide.report.documents.page import (
    Page,
    PageFact,
    PageSection,
    Paragraph,
    Row,
    rows,
    section,
    table_section,
    traffic,
)

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


def retrain_page(retrain: Retrain) -> Page:
    """Strings of foreign origin are made safe to show first."""
    r = cleaned(retrain)
    unit = _unit(r)
    sections = [
        _refusal(r, unit),
        _candidates(r, unit),
        _stretches(r, unit),
        None if r.gate is None else requirements(r.gate.lines),
        _features(r, unit),
        _labels(r, unit),
        _policies(r, unit),
    ]
    evidence: tuple[Evidence, ...] = (*r.evidence, *_policy_chart(r))
    if r.gate is not None:
        evidence = (*evidence, *gains(r.gate.lines))
    return Page(
        r.model,
        "what is retraining worth?",
        *VERDICT[r.verdict],
        r.summary,
        facts=_facts(r, unit),
        action=r.action,
        reason=say.sentence(r.reason),
        sections=(*glance(*evidence), *(s for s in sections if s is not None)),
        inputs=_inputs(r),
        notes=(*r.quality, *r.inputs.notes),
    )


def _unit(r: Retrain) -> Unit:
    best = r.best
    unit = Unit.of(r.metric, classification=r.share, level=r.champion_value, change=None if best is None else best.gain)
    return Unit(r.share, unit.decimals)


def _facts(r: Retrain, unit: Unit) -> tuple[PageFact, ...]:
    best = r.best
    if best is None:
        return ()
    facts = [
        PageFact(
            f"{say.metric(r.metric)}, served and candidate",
            f"{unit.level(r.champion_value)} → {unit.level(best.value)}",
        )
    ]
    if best.gain is not None:
        facts.append(
            PageFact(
                "gain on later rows", unit.change(best.gain.estimate), (f"95% interval {unit.interval(best.gain)}",)
            )
        )
    if best.future is not None:
        notes = (f"95% prediction interval {unit.interval(best.future)}",)
        facts.append(PageFact("gain expected next", unit.change(best.future.estimate), notes))
    facts.append(PageFact("candidate", best.name, (best.description,)))
    return tuple(facts)


def _refusal(r: Retrain, unit: Unit) -> PageSection | None:
    if r.refusal is None:
        return None
    f = r.refusal
    lines = (
        (f"repair: {f.repair}", _estimate(f.repair_gain, unit)),
        ("retrain on the faulty rows", _estimate(f.retrain_gain, unit)),
    )
    reading = f"{f.summary} A repair gives the points back and leaves the model as it was tested."
    return table_section("Repair or retrain?", reading, ("way", "gain"), lines)


def _estimate(e: Estimate | None, unit: Unit) -> str:
    return "not known" if e is None else unit.estimate(e)


def _candidates(r: Retrain, unit: Unit) -> PageSection:
    lines = []
    for c in r.candidates:
        gate = "" if c.gate is None else str(c.gate).replace("_", " ")
        failed = f"fails on {say.listed(list(c.failed))}" if c.failed else ""
        note = "recommended" if c.name == r.recommended else (c.note or failed)
        if c.gain is None:
            lines.append((c.name, "", "", "", "", "", "", c.note or "not tried"))
            continue
        ahead = "" if c.future is None else unit.interval(c.future)
        lines.append(
            (
                c.name,
                say.count(c.rows),
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
    columns = ("candidate", "trained on", say.metric(r.metric), "gain", "interval", "next stretch (95%)", "gate", "")
    return table_section("Candidates", reading, columns, tuple(lines))


def _stretches(r: Retrain, unit: Unit) -> PageSection | None:
    if not r.stretches:
        return None
    lines = tuple(
        (
            say.moment(s.start),
            say.moment(s.end),
            say.count(s.known),
            say.count(s.rows),
            unit.level(s.champion),
            unit.level(s.best),
        )
        for s in r.stretches
    )
    reading = "Labels known: those that had arrived when the stretch began."
    return table_section(
        "Stretch by stretch", reading, ("from", "to", "labels known", "judged on", "served", "candidate"), lines
    )


def _features(r: Retrain, unit: Unit) -> PageSection | None:
    if not r.features:
        return None
    lines = tuple(
        (
            f.feature,
            say.percent(f.drift),
            *("" if v is None else unit.change(v) for v in (f.harm, f.drift * abs(f.harm), f.without, f.coarse)),
        )
        for f in r.features[:MOST_FEATURES]
    )
    reading = (
        "Drift: how well the feature alone separates fresh rows. Leaned on: what shuffling it costs on later rows; "
    )
    reading += (
        "negative where it misleads. Left out, in bins: what that gains over the best candidate, where it was tried."
    )
    heads = ("feature", "drift", "leaned on", "product", "left out", "in bins")
    return table_section("Features, drift times harm", reading, heads, lines)


def _labels(r: Retrain, unit: Unit) -> PageSection | None:
    if r.curve is None:
        return None if r.life is None else section("How long it lasts", Paragraph(r.life.sentence))
    lines = tuple((say.count(p.labels), unit.level(p.value)) for p in r.curve.points)
    reading = r.curve.sentence + ("" if r.life is None else f" {r.life.sentence}")
    return table_section("Labels and life", reading, ("fresh labels", say.metric(r.metric)), lines)


def _policies(r: Retrain, unit: Unit) -> PageSection | None:
    if r.policies is None:
        return None
    lines = tuple(
        (
            p.name,
            p.description,
            unit.level(p.value),
            say.count(p.retrains),
            say.count(p.labels),
            "recommended" if p.recommended else "",
        )
        for p in r.policies.policies
    )
    columns = ("policy", "", say.metric(r.metric), "times trained again", "labels used", "")
    return table_section("When to train again", r.policies.sentence, columns, lines)


def _policy_chart(r: Retrain) -> tuple[Evidence, ...]:
    if r.policies is None:
        return ()
    known = [p for p in r.policies.policies if p.value is not None]
    never = next((p for p in known if p.name == "never"), None)
    if never is None or never.value is None or len(known) < 2:
        return ()
    sign = 1 if r.higher_is_better else -1
    lines = tuple(
        RankedRow(
            label=p.name, value=sign * ((p.value or 0.0) - never.value), note="recommended" if p.recommended else ""
        )
        for p in known
        if p is not never
    )
    chart = Ranking(
        title="Policies against never", reading=r.policies.sentence, x="gain over never", rows=lines, share=r.share
    )
    shown = next((p for p in known if p.recommended and p is not never), None) or max(
        (p for p in known if p is not never), key=lambda p: sign * (p.value or 0.0)
    )
    return (chart, _over_time(r, never, shown))


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


def _inputs(r: Retrain) -> tuple[Row, ...]:
    return rows(
        ("recipe", r.recipe),
        *traffic(r.inputs, "labelled", "days judged on"),
        ("written to", r.version or ""),
        ("registered as", r.registered or ""),
    )
