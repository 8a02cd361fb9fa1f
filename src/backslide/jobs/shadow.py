"""The composition root of the shadow comparison: two models on the same traffic in, one answer out.

Read it as a straight line: settings -> traffic -> arms -> differences -> judgement -> shadow.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from backslide.contracts import say as words
from backslide.contracts.config import Settings
from backslide.contracts.evidence import Evidence, Matrix, RankedRow, Ranking
from backslide.contracts.roles import Roles
from backslide.contracts.shadow import Flips, MetricComparison, Mode, PartComparison, Shadow, ShadowInputs
from backslide.engine.columns import names
from backslide.engine.sources.columnar_copy import columnar_copies
from backslide.jobs.prelude import Progress, load_models, merge_settings, silent, window_sources
from backslide.playbook.shadow.agreement import agreement, confidence, flips
from backslide.playbook.shadow.balance import assignment
from backslide.playbook.shadow.differences import by_class, by_segment, difference, to_contract, usual_metrics
from backslide.playbook.shadow.judgement import VerdictBasis, judge
from backslide.playbook.shadow.label_free import label_free
from backslide.playbook.shadow.traffic import Traffic, open_traffic
from backslide.playbook.shadow.worlds import two_by_two
from backslide.stats.change.metric_change import VERDICT_ALPHA
from backslide.stats.threads import one_blas_thread

Columns = Roles | dict[str, Any]
SHOWN_CLASSES = 12
SHOWN_PARTS = 30


@one_blas_thread()
@columnar_copies()
def shadow(
    current: Any = None,
    reference: Any = None,
    *,
    roles: Roles | None = None,
    old: Columns | None = None,
    new: Columns | None = None,
    old_model: Any = None,
    new_model: Any = None,
    mode: Mode | None = None,
    old_version: str | None = None,
    new_version: str | None = None,
    new_share: float | None = None,
    metric: str | None = None,
    min_effect: float | None = None,
    task: str | None = None,
    name: str = "model",
    settings: Settings | None = None,
    trusted: bool = False,
    progress: Progress | None = None,
) -> Shadow:
    """Compare an old and a new model on the same traffic.

    ``current`` is the traffic, ``reference`` (optional) an earlier window; tables, paths or time ranges as for ``diagnose``.
    The two models are, in this order: logged answers of another model in columns of their own (``old`` or ``new``:
    ``{"prediction": ..., "scores": {...}}``; the one left out is that of ``roles``); stored models run on the logged rows
    (``old_model``, and ``new_model`` where it is not what was served); two versions in the column ``roles.version``, joined by
    ``roles.id`` where both answered the same rows, else as an A/B test. Arguments win over ``settings``.

    Raises:
        BackslideError: bad input, in one line; see ``contracts.errors`` for the tree.
    """
    settings = merge_settings(
        settings,
        roles=roles,
        name=name,
        trusted=trusted,
        task=task,
        metric=metric,
        min_effect=min_effect,
        shadow={
            "old": _columns(old),
            "new": _columns(new),
            "mode": mode,
            "old_version": old_version,
            "new_version": new_version,
            "new_share": new_share,
        },
    )
    models = load_models(settings, old_model, new_model)
    reference, current = window_sources(settings, reference, current)
    say = progress or silent
    say("opening the rows")
    return _compare(open_traffic(reference, current, settings, *models), say)


def _columns(columns: Columns | None) -> dict[str, Any] | None:
    if isinstance(columns, Roles):
        return {"prediction": columns.prediction, "scores": columns.scores}
    return columns


def _compare(traffic: Traffic, say: Progress) -> Shadow:
    case, arms = traffic.case, traffic.arms
    say("comparing every metric")
    metrics = usual_metrics(case)
    measured = [difference(case, arms, metric) for metric in metrics]
    every = tuple(to_contract(case, metric, measure) for metric, measure in zip(metrics, measured, strict=True))
    headline, labelled = every[0], min(int(k.sum()) for k in arms.known())
    say("who wins where")
    classes = by_class(case, arms, headline)
    segments = by_segment(case, arms, headline, search=True)
    say("agreement, flips, confidence")
    alike = agreement(arms, case.problem) if arms.paired else None
    flip_counts = flips(arms, case.problem) if arms.paired else None
    estimated, why_not = label_free(case, arms, traffic.before)
    dealt = None if arms.paired else assignment(case, arms)
    judgement = judge(
        case,
        VerdictBasis(headline, labelled, (*classes, *segments), alike, flip_counts, dealt, estimated, why_not),
        traffic.old,
        traffic.new,
    )
    measure = measured[0]
    return Shadow(
        model=case.settings.model.name,
        mode=traffic.mode,
        old=traffic.old,
        new=traffic.new,
        verdict=judgement.verdict,
        summary=judgement.summary,
        decision=judgement.decision,
        metric=headline,
        metrics=every,
        detectable=None if measure is None else measure.detectable(case.floor(case.metric), VERDICT_ALPHA),
        classes=classes,
        segments=segments,
        agreement=alike,
        flips=flip_counts,
        confidence=confidence(arms, case.problem),
        label_free=estimated,
        worlds=two_by_two(case, arms, traffic.before, headline) if traffic.has_reference else None,
        assignment=dealt,
        evidence=_evidence(classes, segments, flip_counts),
        inputs=traffic_inputs(traffic, labelled, why_not),
    )


def traffic_inputs(traffic: Traffic, labelled: int, why_not: str = "") -> ShadowInputs:
    """What went into a comparison, and what must be said about it."""
    case, arms = traffic.case, traffic.arms
    rows = arms.new.rows if arms.paired else arms.old.rows + arms.new.rows
    days = 0 if arms.new.days is None else len(set(arms.new.days.tolist()))
    notes = [*case.warnings, *case.notes, *traffic.notes, *([why_not] if why_not and not labelled else [])]
    if days == 0:
        notes.append(
            "no timestamps: intervals count every row as independent; differences between days would widen them"
        )
    elif days < MIN_DAYS:
        notes.append(f"only {days} day{'' if days == 1 else 's'}: how much days differ is partly assumed")
    if not case.current.complete:
        notes.append(f"a sample of {case.current.sample.height} of {case.current.window.rows} rows was compared")
    return ShadowInputs(
        task=case.problem.task,
        rows=rows,
        labelled=labelled,
        sampled=not case.current.complete,
        days=days,
        classes=case.problem.classes,
        source=case.current.window.source,
        period=_period(arms.new.frame),
        notes=tuple(dict.fromkeys(notes)),
    )


MIN_DAYS = 8


def _period(frame: pl.DataFrame) -> tuple[str, str] | None:
    if names.TIME not in frame.columns:
        return None
    low, high = frame[names.TIME].min(), frame[names.TIME].max()
    if not (isinstance(low, datetime) and isinstance(high, datetime)):
        return None
    return f"{low.isoformat()}Z", f"{high.isoformat()}Z"


def _evidence(
    classes: tuple[PartComparison, ...], segments: tuple[PartComparison, ...], flip_counts: Flips | None
) -> tuple[Evidence, ...]:
    charts: list[Evidence] = []
    for title, parts in (("Difference of F1 by class", classes), ("Difference by segment", segments)):
        compared = [p for p in parts if p.comparison is not None and p.comparison.difference is not None]
        if compared:
            charts.append(_part_ranking(title, compared[:SHOWN_PARTS]))
    if flip_counts is not None and flip_counts.flows:
        charts.append(_matrix(flip_counts))
    return tuple(charts)


def _part_ranking(title: str, parts: list[PartComparison]) -> Ranking:
    comparisons: list[MetricComparison] = [p.comparison for p in parts if p.comparison is not None]
    wins = {
        side: [p.name for p, c in zip(parts, comparisons, strict=True) if c.winner == side] for side in ("old", "new")
    }
    clauses = [f"the {side} model wins in {len(won)} of {len(parts)}" for side, won in wins.items() if won]
    reading = (
        " and ".join(clauses) or f"neither model wins in any of {len(parts)}"
    ) + ", after correction for looking at all."
    first = comparisons[0]
    return Ranking(
        title=title,
        reading=reading[:1].upper() + reading[1:],
        x=f"{words.metric(first.metric.split('[')[0])}, new − old",
        share=first.share,
        rows=tuple(
            RankedRow.of(p.name, c.difference, "" if c.winner == "neither" else f"{c.winner} wins")
            for p, c in zip(parts, comparisons, strict=True)
            if c.difference is not None
        ),
    )


def _matrix(flip_counts: Flips) -> Matrix:
    involved = dict.fromkeys(label for flow in flip_counts.flows for label in (flow.old, flow.new))
    shown = tuple(involved)[:SHOWN_CLASSES]
    share = {(flow.old, flow.new): flow.share for flow in flip_counts.flows}
    top = flip_counts.flows[0]
    return Matrix(
        title="Flips by class",
        row_title="old model",
        column_title="new model",
        rows=shown,
        columns=shown,
        reading=f"The most frequent flip is from {top.old} to {top.new}: {top.rows} rows.",
        values=tuple(tuple(None if a == b else share.get((a, b), 0.0) for b in shown) for a in shown),
    )
