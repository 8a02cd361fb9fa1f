"""Shadow -> plain values ready to print. Renderers only lay out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.evidence import Evidence
from backslide.contracts.shadow import MetricComparison, PartComparison, ShadowAction, ShadowVerdict
from backslide.report.format import numbers
from backslide.report.format.escape import cleaned
from backslide.report.format.numbers import Unit

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


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table of differences."""

    name: str
    note: str
    """Which class or segment it is, its rows."""
    old: str
    new: str
    difference: str
    interval: str
    better: str
    """``new``, ``old`` or empty where neither wins."""
    p_value: str
    flips: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A titled table."""

    title: str
    reading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ShadowView:
    """Everything that a page says, in the order in which it says it."""

    model: str
    old: str
    new: str
    verdict: str
    sign: str
    tone: str
    summary: str
    metric: Row
    mode: str
    action: str
    reason: str
    detectable: str
    sections: tuple[Section, ...]
    evidence: tuple[Evidence, ...]
    inputs: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def build_shadow(shadow: Shadow) -> ShadowView:
    """The view of a comparison; strings of foreign origin are made safe to show first."""
    s = cleaned(shadow)
    word, sign, tone = VERDICT[s.verdict]
    unit = _unit(s.metric)
    sections = [
        _metrics(s),
        _parts("By class", s.classes),
        _parts("By segment", s.segments),
        _flips(s),
        _confidence(s),
        _alike(s),
        _label_free(s, unit),
        _worlds(s, unit),
        _assignment(s),
    ]
    return ShadowView(
        model=s.model,
        old=s.old,
        new=s.new,
        verdict=word,
        sign=sign,
        tone=tone,
        summary=s.summary,
        metric=_row(s.metric),
        mode=MODE[s.mode],
        action=ACTION[s.decision.action],
        reason=s.decision.reason,
        detectable=""
        if s.detectable is None
        else f"a difference under {unit.size(s.detectable)} would not have been seen",
        sections=tuple(section for section in sections if section is not None),
        evidence=s.evidence,
        inputs=_inputs(s),
        notes=s.inputs.notes,
    )


def _unit(d: MetricComparison) -> Unit:
    found = Unit.of(d.metric.split("[")[0], classification=d.share, level=d.old, change=d.difference)
    return Unit(d.share, found.decimals)


def _row(d: MetricComparison, name: str = "", note: str = "", flips: str = "") -> Row:
    unit = _unit(d)
    known = d.difference
    return Row(
        name=name or say.metric(d.metric),
        note=note,
        old=unit.level(d.old),
        new=unit.level(d.new),
        difference="" if known is None else unit.change(known.estimate),
        interval="" if known is None else unit.interval(known),
        better="" if d.winner == "neither" else d.winner,
        p_value="" if d.p_value is None else numbers.p_value(d.p_value),
        flips=flips,
    )


def _cells(row: Row) -> tuple[str, ...]:
    return row.old, row.new, row.difference, row.interval, row.better or "neither", row.p_value


_DIFFERENCES = ("old", "new", "new − old", "interval", "wins", "test")


def _metrics(s: Shadow) -> Section:
    rows = tuple((say.metric(d.metric), *_cells(_row(d))) for d in s.metrics if d.difference is not None)
    return Section("Every usual metric", "Intervals of 95 %, each for itself.", ("metric", *_DIFFERENCES), rows)


def _parts(title: str, parts: tuple[PartComparison, ...]) -> Section | None:
    if not parts:
        return None
    compared = [p for p in parts if p.comparison is not None]
    rows = []
    for p in parts[:MOST_PARTS]:
        name = p.name + (" (masked)" if p.masked else "")
        size, flips = numbers.count(p.rows), numbers.percent(p.flips)
        cells = ("", "", "too few labels", "", "", "") if p.comparison is None else _cells(_row(p.comparison))
        rows.append((name, size, flips, *cells))
    first = compared[0].comparison if compared else None
    what = "" if first is None else f"{say.metric(first.metric.split('[')[0])}; "
    level = "" if first is None else f"intervals hold together at 95 % ({numbers.percent(first.level, 2)} each), "
    reading = f"{what}{level}tests corrected for looking at {len(compared)}."
    if any(p.masked for p in parts):
        reading += " Masked: the new model loses here although it does not lose overall."
    return Section(
        title, reading[:1].upper() + reading[1:], (title.split()[-1], "rows", "flips", *_DIFFERENCES), tuple(rows)
    )


def _flips(s: Shadow) -> Section | None:
    if s.flips is None:
        return None
    f = s.flips
    reading = f"{numbers.percent(f.share.estimate)} of the rows are decided differently ({numbers.rows(f.rows)})."
    if f.labelled:
        reading += (
            f" Of {numbers.count(f.labelled)} with labels the new model is right on {numbers.count(f.new_right)}, the old one "
            f"on {numbers.count(f.old_right)}, neither on {numbers.count(f.both_wrong)}."
        )
    rows = tuple(
        (
            f"{w.old} → {w.new}",
            numbers.count(w.rows),
            numbers.percent(w.share),
            numbers.count(w.new_right),
            numbers.count(w.old_right),
        )
        for w in f.flows[:MOST_PARTS]
    )
    return Section("Flips", reading, ("from → to", "rows", "share", "new right", "old right"), rows)


def _confidence(s: Shadow) -> Section | None:
    if not s.confidence:
        return None
    unit = Unit(True, 1)
    rows = tuple(
        (
            _SHIFTS.get(c.name, c.name),
            unit.level(c.old),
            unit.level(c.new),
            unit.change(c.difference.estimate),
            unit.interval(c.difference),
        )
        for c in s.confidence
    )
    reading = "Means over all answered rows; needs no labels."
    return Section("Confidence", reading, ("quantity", "old", "new", "new − old", "interval"), rows)


def _alike(s: Shadow) -> Section | None:
    if s.agreement is None:
        return None
    a = s.agreement
    found = (
        ("same decision" if s.inputs.task != "regression" else "same answer", numbers.percent(a.equal)),
        ("Cohen's kappa", "" if a.kappa is None else numbers.plain(a.kappa)),
        ("mean distance of the answers", "" if a.score_distance is None else numbers.plain(a.score_distance)),
        ("rank correlation", "" if a.correlation is None else numbers.plain(a.correlation)),
    )
    rows = tuple(row for row in found if row[1])
    return Section("Agreement", f"On {numbers.rows(a.rows)} that both answered.", ("measure", "value"), rows)


def _label_free(s: Shadow, unit: Unit) -> Section | None:
    if s.label_free is None:
        return None
    e = s.label_free
    row = (say.metric(e.metric), unit.level(e.old), unit.level(e.new), unit.estimate(e.difference))
    reading = f"Estimated from calibrated scores; it {e.assumption}."
    return Section("Without labels", reading, ("metric", "old", "new", "new − old"), (row,))


def _worlds(s: Shadow, unit: Unit) -> Section | None:
    if s.worlds is None:
        return None
    w = s.worlds

    def cell(value: float | None) -> str:
        return "not known" if value is None else unit.level(value)

    rows = (
        ("old model", cell(w.old_model_old_data), cell(w.old_model_new_data), _effect(w.data, unit)),
        ("new model", cell(w.new_model_old_data), cell(w.new_model_new_data), ""),
        ("new − old model", "", _effect(w.model, unit), ""),
    )
    return Section(
        "Did the model change, or the world?", w.reading, ("", "old data", "new data", "new − old data"), rows
    )


def _effect(estimate: Estimate | None, unit: Unit) -> str:
    return "" if estimate is None else unit.estimate(estimate)


def _assignment(s: Shadow) -> Section | None:
    if s.assignment is None:
        return None
    a = s.assignment
    low, high = a.share.low or 0.0, a.share.high or 0.0
    rows = [
        ("rows", f"{numbers.count(a.old_rows)} old, {numbers.count(a.new_rows)} new"),
        (
            "share of the new model",
            f"{numbers.percent(a.share.estimate)} [{numbers.percent(low)} to {numbers.percent(high)}]",
        ),
        ("planned", "not given" if a.planned is None else numbers.percent(a.planned)),
    ]
    if a.p_value is not None:
        rows.append(("as planned", numbers.p_value(a.p_value)))
    if a.by_day_p_value is not None:
        rows.append(("same on every day", numbers.p_value(a.by_day_p_value)))
    rows += [
        (f"differs: {i.column}", f"size {numbers.plain(i.size, 2)}, {numbers.p_value(i.p_value)}") for i in a.imbalances
    ]
    return Section("Assignment", a.reading, ("question", "answer"), tuple(rows))


def _inputs(s: Shadow) -> tuple[tuple[str, str], ...]:
    i = s.inputs
    said = [
        ("old model", s.old),
        ("new model", s.new),
        ("rows", numbers.count(i.rows)),
        ("with label and answers", numbers.count(i.labelled)),
        ("rows from", i.source),
        ("task", i.task),
    ]
    if i.days:
        said.append(("days", numbers.count(i.days)))
    if i.period is not None:
        said.append(("period", f"{numbers.moment(i.period[0])} to {numbers.moment(i.period[1])}"))
    if s.metric.test:
        said.append(("test of the headline", s.metric.test))
    return tuple(said)
