"""A cause as a card: its price, its proof, where and since when, what to do, and the chart that shows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.cause import Suspect, UpstreamJob
from backslide.contracts.escape import cleaned
from backslide.contracts.say import POINTS, Unit
from backslide.report.documents import labels
from backslide.report.documents.page import Card, Cards, Link, Row, filled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backslide.contracts.cause import Cause
    from backslide.contracts.evidence import Evidence
    from backslide.contracts.finding import Estimate, Outcome

MOST_CHARTS = 2
"""Drawn in a card: the columns that broke, side by side."""
_SHOWN_IN_CARDS = ("histograms", "bars")
"""Kinds of evidence that show a column in both windows."""
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_PRICE = re.compile(r"; it (?:costs|gains) [^;]*?(?=;|\.?$)")
"""What a summary says of the price, which a card shows beside its title, and of the repair, which it shows as proof."""


def cause_card(
    cause: Cause,
    unit: Unit,
    anchors: Mapping[str, str],
    checks: tuple[Outcome, ...],
    *,
    higher_is_better: bool,
) -> Card:
    """The card of a cause whose price is written in ``unit``; ``anchors`` maps keys of findings to ids on the page."""
    points = cause.points
    direction = "" if points is None else direction_of(points, unit, higher_is_better=higher_is_better)
    where = _where(cause)
    columns = [f"columns {', '.join(cause.features)}"] if len(cause.features) > 4 else []
    since_when = since(cause)
    return Card(
        title=labels.cause_title(cause),
        text=_summary(cause),
        value="no price" if points is None else unit.change(points.estimate),
        interval="" if points is None else unit.interval(points),
        badge=cause.confidence.value,
        means=labels.confidence_means(cause),
        gloss=f"{cause.kind.family}: {cause.kind.meaning}",
        rows=filled(
            Row("proof", _proof(cause, unit)),
            Row("where", (where, *columns)),
            Row("since", (since_when,) if since_when else ()),
            Row("made by", tuple(map(_made_by, cause.upstream))),
            Row("next", (cause.settle if isinstance(cause, Suspect) else cause.next_step,), strong=True),
        ),
        links=tuple(Link(key, anchors.get(key, "")) for key in cause.evidence),
        charts=_charts(cause, checks),
        level="fail" if direction == "worse" else "note",
    )


def _made_by(job: UpstreamJob) -> str:
    """The job, and its last change, which a person asks for first."""
    changed = f"last changed {say.moment(job.changed)} ({job.change})" if job.changed else "no change known"
    return f"{job.column}: {job.job}, {changed}; known since {say.moment(job.known_since)}"


def _summary(cause: Cause) -> str:
    """The cause in its own words, without the price; a column that it begins with keeps its spelling."""
    text = cause.summary if cause.points is None else _PRICE.sub("", cause.summary)
    return text if text.startswith(cause.features) else say.sentence(text)


def lone_cause(cause: Cause) -> Cards:
    """The card of a cause by itself, priced in the unit that it names."""
    shown = cleaned(cause)
    points, size = shown.unit in POINTS, shown.points
    unit = Unit.of("", classification=points, level=None, change=size)
    return Cards((cause_card(shown, unit, {}, (), higher_is_better=True),))


def direction_of(change: Estimate, unit: Unit, *, higher_is_better: bool) -> str:
    """Better or worse in words; neither where the interval holds zero, or nothing is left after rounding."""
    if not unit.number(change.estimate).strip("0.,"):
        return "no different"
    if change.low is not None and not change.clear_of_zero():
        return "within noise"
    return "better" if (change.estimate > 0) == higher_is_better else "worse"


def since(cause: Cause) -> str:
    """When a cause began, the days that it could be instead, and when it ended, where that is known; empty without a day."""
    if cause.since is None:
        return ""
    text, began = say.day(cause.since), cause.began
    if began is not None and began.low != began.high:
        text += f" ({say.day(began.low)} to {say.day(began.high)})"
    return text if cause.until is None else f"{text}, until {say.day(cause.until)}"


def without_year(text: str) -> str:
    """Dates inside a sentence as people say them: ``2026-02-10`` is ``10 February``."""
    return _DATE.sub(lambda match: say.day(match.group()), text)


def _proof(cause: Cause, unit: Unit) -> tuple[str, ...]:
    clauses = []
    if cause.repair is not None:
        back = cause.repair.points_back
        gain = "" if back is None else f"; {_priced(back, unit, ' back')}"
        if back is not None and back.low == back.high == 0:
            gain = "; it leaves this metric as it is"
        refit = cause.kind.family == "the world" and not isinstance(cause, Suspect)
        what = "Held-out refit" if refit else "Repair"
        clauses.append(f"{what}: {cause.repair.description}{gain}")
    if cause.injection is not None:
        clauses.append(f"Injection: the same fault in the reference rows; {_priced(cause.injection.points, unit)}")
    return tuple(clauses)


def _priced(estimate: Estimate, unit: Unit, suffix: str = "") -> str:
    interval, sampled = unit.interval(estimate), say.basis(estimate)
    price = unit.change(estimate.estimate) + suffix + (f" [{interval}]" if interval else "")
    return price + (f", {sampled}" if sampled else "")


def _where(cause: Cause) -> str:
    share = say.share_of_rows(cause.share_of_rows)
    clauses = [f"{share}: {cause.segment}" if cause.segment else share]
    if cause.classes and cause.features:
        clauses.append("class " + labels.shortened(cause.classes))
    return ", ".join(clauses)


def _charts(cause: Cause, checks: tuple[Outcome, ...]) -> tuple[Evidence, ...]:
    """The broken columns in both windows: from the findings that the cause names, else from those about its columns."""
    findings = [finding for outcome in checks for finding in outcome.findings]
    cited = [finding for finding in findings if finding.key in cause.evidence]
    about = [finding for finding in findings if finding.subject in cause.features]
    charts = {
        finding.subject: evidence
        for finding in (*about, *cited)
        for evidence in reversed(finding.evidence)
        if evidence.kind in _SHOWN_IN_CARDS
    }
    return tuple(charts.values())[:MOST_CHARTS]
