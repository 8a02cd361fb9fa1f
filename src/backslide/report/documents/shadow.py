"""A comparison of two models as a page: who is better, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.escape import cleaned
from backslide.contracts.say import Unit
from backslide.contracts.shadow import MetricComparison, PartComparison, ShadowAction, ShadowVerdict
from backslide.report.documents.page import (
    Chart,
    Page,
    PageFact,
    PageSection,
    Row,
    rows,
    section,
    table_section,
    traffic,
)

if TYPE_CHECKING:
    from backslide.contracts.finding import Estimate
    from backslide.contracts.shadow import Shadow

VERDICT = {
    ShadowVerdict.NEW_BETTER: ("The new model is better", "▲", "improved"),
    ShadowVerdict.OLD_BETTER: ("The old model is better", "▼", "degraded"),
    ShadowVerdict.NO_DIFFERENCE: ("No difference that matters", "●", "no_material_change"),
    ShadowVerdict.MIXED: ("Mixed", "◣", "degraded_in_part"),
    ShadowVerdict.INCONCLUSIVE: ("Inconclusive", "?", "inconclusive"),
}
"""Word, sign (differs in shape, so that colour is never the only difference) and tone."""
ACTION = {
    ShadowAction.ROLL_BACK: "Let the old model answer",
    ShadowAction.KEEP: "The new model may answer",
    ShadowAction.INVESTIGATE: "Investigate",
}
MODE = {
    "log": "both answered the same logged rows",
    "replay": "stored models run on the logged rows",
    "ab": "each served rows of its own (A/B)",
}
_SHIFTS = {"near_boundary": "near the boundary"}
MOST_PARTS = 40


def shadow_page(shadow: Shadow) -> Page:
    """The page of a comparison; strings of foreign origin are made safe to show first."""
    s = cleaned(shadow)
    unit = _unit(s.metric)
    return Page(
        s.model,
        "old and new model on the same traffic",
        *VERDICT[s.verdict],
        s.summary,
        facts=_facts(s, unit),
        action=ACTION[s.decision.action],
        reason=say.sentence(s.decision.reason),
        sections=tuple(
            part
            for part in (
                section("Who wins where", *map(Chart, s.evidence), depth="full") if s.evidence else None,
                _metrics(s),
                _parts("By class", s.classes),
                _parts("By segment", s.segments),
                _flips(s),
                _confidence(s),
                _agreement(s),
                _label_free(s, unit),
                _worlds(s, unit),
                _assignment(s),
            )
            if part is not None
        ),
        inputs=_inputs(s),
        notes=s.inputs.notes,
    )


def _facts(s: Shadow, unit: Unit) -> tuple[PageFact, ...]:
    """Both levels of the headline metric, the difference with its interval, and who is compared."""
    name, known = say.metric(s.metric.metric), s.metric.difference
    ends = f"{unit.level(s.metric.old)} → {unit.level(s.metric.new)}"
    facts = [PageFact(f"{name}, old and new model", ends if known is not None else "not known")]
    if known is not None:
        facts.append(PageFact("new − old", unit.change(known.estimate), (f"95% interval {unit.interval(known)}",)))
    return (*facts, PageFact("compared", f"{s.old} → {s.new}", (MODE[s.mode],)))


def _unit(d: MetricComparison) -> Unit:
    unit = Unit.of(d.metric.split("[")[0], classification=d.share, level=d.old, change=d.difference)
    return Unit(d.share, unit.decimals)


def _cells(d: MetricComparison) -> tuple[str, ...]:
    """Levels, difference, interval, winner and test of one comparison, as cells of a table."""
    unit, known = _unit(d), d.difference
    return (
        unit.level(d.old),
        unit.level(d.new),
        "" if known is None else unit.change(known.estimate),
        "" if known is None else unit.interval(known),
        d.winner,
        "" if d.p_value is None else say.p_value(d.p_value),
    )


_DIFFERENCES = ("old", "new", "new − old", "interval", "wins", "test")


def _metrics(s: Shadow) -> PageSection:
    lines = tuple((say.metric(d.metric), *_cells(d)) for d in s.metrics if d.difference is not None)
    return table_section("Every usual metric", "95% intervals, each on its own.", ("metric", *_DIFFERENCES), lines)


def _parts(title: str, parts: tuple[PartComparison, ...]) -> PageSection | None:
    if not parts:
        return None
    compared = [p for p in parts if p.comparison is not None]
    lines = []
    for p in parts[:MOST_PARTS]:
        name = p.name + (" (masked)" if p.masked else "")
        size, flips = say.count(p.rows), say.percent(p.flips)
        cells = ("", "", "too few labels", "", "", "") if p.comparison is None else _cells(p.comparison)
        lines.append((name, size, flips, *cells))
    first = compared[0].comparison if compared else None
    what = "" if first is None else f"{say.metric(first.metric.split('[')[0])}; "
    level = "" if first is None else f"intervals hold jointly at 95% ({say.percent(first.level, 2)} each), "
    reading = f"{what}{level}tests corrected for looking at {len(compared)}."
    if any(p.masked for p in parts):
        reading += " Masked: the new model loses here although it does not lose overall."
    return table_section(
        title, reading[:1].upper() + reading[1:], (title.split()[-1], "rows", "flips", *_DIFFERENCES), tuple(lines)
    )


def _flips(s: Shadow) -> PageSection | None:
    if s.flips is None:
        return None
    f = s.flips
    reading = f"{say.percent(f.share.estimate)} of the lines are decided differently ({say.counted(f.rows, 'row')})."
    if f.labelled:
        reading += (
            f" Of {say.count(f.labelled)} with labels the new model is right on {say.count(f.new_right)}, the old one "
            f"on {say.count(f.old_right)}, neither on {say.count(f.both_wrong)}."
        )
    lines = tuple(
        (
            f"{w.old} → {w.new}",
            say.count(w.rows),
            say.percent(w.share),
            say.count(w.new_right),
            say.count(w.old_right),
        )
        for w in f.flows[:MOST_PARTS]
    )
    return table_section("Flips", reading, ("from → to", "rows", "share", "new right", "old right"), lines)


def _confidence(s: Shadow) -> PageSection | None:
    if not s.confidence:
        return None
    unit = Unit(True, 1)
    lines = tuple(
        (
            _SHIFTS.get(c.name, c.name),
            unit.level(c.old),
            unit.level(c.new),
            unit.change(c.difference.estimate),
            unit.interval(c.difference),
        )
        for c in s.confidence
    )
    reading = "Means over all answered lines; needs no labels."
    return table_section("Confidence", reading, ("quantity", "old", "new", "new − old", "interval"), lines)


def _agreement(s: Shadow) -> PageSection | None:
    if s.agreement is None:
        return None
    a = s.agreement
    measures = (
        ("same decision" if s.inputs.task != "regression" else "same answer", say.percent(a.equal)),
        ("Cohen's kappa", "" if a.kappa is None else say.number(a.kappa, 3)),
        ("mean distance of the answers", "" if a.score_distance is None else say.number(a.score_distance, 3)),
        ("rank correlation", "" if a.correlation is None else say.number(a.correlation, 3)),
    )
    lines = tuple(row for row in measures if row[1])
    return table_section(
        "Agreement", f"On {say.counted(a.rows, 'row')} that both answered.", ("measure", "value"), lines
    )


def _label_free(s: Shadow, unit: Unit) -> PageSection | None:
    if s.label_free is None:
        return None
    e = s.label_free
    row = (say.metric(e.metric), unit.level(e.old), unit.level(e.new), unit.estimate(e.difference))
    reading = f"Estimated from calibrated scores; it {e.assumption}."
    return table_section("Without labels", reading, ("metric", "old", "new", "new − old"), (row,))


def _worlds(s: Shadow, unit: Unit) -> PageSection | None:
    if s.worlds is None:
        return None
    w = s.worlds

    def cell(value: float | None) -> str:
        return "not known" if value is None else unit.level(value)

    lines = (
        ("old model", cell(w.old_model_old_data), cell(w.old_model_new_data), _effect(w.data, unit)),
        ("new model", cell(w.new_model_old_data), cell(w.new_model_new_data), ""),
        ("new − old model", "", _effect(w.model, unit), ""),
    )
    return table_section(
        "Did the model change, or the world?", w.reading, ("", "old data", "new data", "new − old data"), lines
    )


def _effect(estimate: Estimate | None, unit: Unit) -> str:
    return "" if estimate is None else unit.estimate(estimate)


def _assignment(s: Shadow) -> PageSection | None:
    if s.assignment is None:
        return None
    a = s.assignment
    low, high = a.share.low or 0.0, a.share.high or 0.0
    lines = [
        ("rows", f"{say.count(a.old_rows)} old, {say.count(a.new_rows)} new"),
        (
            "share of the new model",
            f"{say.percent(a.share.estimate)} [{say.percent(low)} to {say.percent(high)}]",
        ),
        ("planned", "not given" if a.planned is None else say.percent(a.planned)),
    ]
    if a.p_value is not None:
        lines.append(("as planned", say.p_value(a.p_value)))
    if a.by_day_p_value is not None:
        lines.append(("same on every day", say.p_value(a.by_day_p_value)))
    lines += [(f"differs: {i.column}", f"size {say.number(i.size, 2)}, {say.p_value(i.p_value)}") for i in a.imbalances]
    return table_section("Assignment", a.reading, ("question", "answer"), tuple(lines))


def _inputs(s: Shadow) -> tuple[Row, ...]:
    size = "" if s.detectable is None else _unit(s.metric).size(s.detectable)
    return rows(
        ("old model", s.old),
        ("new model", s.new),
        *traffic(s.inputs, "with label and answers"),
        ("test of the headline", s.metric.test),
        ("detectable", size and f"a difference under {size} would not have been seen"),
    )
