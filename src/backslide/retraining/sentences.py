"""The answer in words and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import stats

from backslide.contracts import say
from backslide.contracts.cause import Cause
from backslide.contracts.config import Settings
from backslide.contracts.evidence import Evidence, RankedRow, Ranking, Series, SeriesPoint
from backslide.contracts.finding import Estimate
from backslide.contracts.gate import GateLine, GateVerdict
from backslide.contracts.retrain import Candidate, Refusal, Retrain, RetrainVerdict, Stretch
from backslide.contracts.shadow import ShadowInputs
from backslide.retraining.backtest import Backtest, CandidateResult, best_first, future
from backslide.retraining.choice import Choice
from backslide.retraining.history import moment
from backslide.retraining.learning import duration

MOST_MORE = 10
"""Times the labels there are, beyond which a number is no plan."""
POWER = 0.8


def answer(
    bench: Backtest, tried: Sequence[CandidateResult], choice: Choice, settings: Settings, fault: Cause | None
) -> Retrain:
    """Verdict, candidates, stretches and gate; ``fault`` is what a repair fixes, where retraining is refused for it."""
    metric, best = bench.metric, choice.best
    ordered = [*best_first(tried, metric), *(t for t in tried if t.found is None)]
    candidates = tuple(_candidate(bench, t, choice) for t in ordered)
    verdict = RetrainVerdict.PROMOTE if choice.promoted else RetrainVerdict.HOLD
    mine = next(c for c in candidates if c.name == best.plan.name)
    refusal = None
    if fault is not None and fault.repair is not None:
        verdict = RetrainVerdict.REFUSED
        refusal = Refusal(
            cause=fault.kind.value,
            features=fault.features,
            summary=fault.summary,
            repair=fault.repair.description,
            repair_gain=fault.repair.points_back,
            retrain_gain=mine.gain,
        )
    summary, action, reason = _words(verdict, mine, choice, refusal, metric.share, metric.name)
    if verdict is RetrainVerdict.HOLD and (lacking := _lacking(bench, choice)):
        reason += f"; {lacking}"
    inputs = _inputs(bench)
    judged = (
        choice.judged
        if choice.judged.verdict is GateVerdict.PROMOTE
        else replace(choice.judged, verdict=GateVerdict.HOLD)
    )
    gate = judged.published(settings, "what was served", best.plan.name, inputs)
    assert best.found is not None
    return Retrain(
        model=settings.model.name,
        recipe=bench.recipe.name,
        verdict=verdict,
        summary=summary,
        action=action,
        reason=reason,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        share=metric.share,
        champion_value=best.found.old,
        recommended=best.plan.name if verdict is RetrainVerdict.PROMOTE else None,
        candidates=candidates,
        stretches=_stretches(bench, best),
        refusal=refusal,
        gate=gate,
        inputs=inputs,
    )


def _candidate(bench: Backtest, t: CandidateResult, choice: Choice) -> Candidate:
    if t.found is None:
        return Candidate(name=t.plan.name, description=t.plan.description, note=t.why_not)
    metric = bench.metric
    low, high = t.found.interval()
    ends = sorted(-metric.harm(v) for v in (low, high))
    judgement = choice.gates.get(t.plan.name)
    note = f"no better than {t.plan.base!r}" if t.plan.name in choice.no_better else ""
    verdict = None if judgement is None else judgement.verdict
    return Candidate(
        name=t.plan.name,
        description=t.plan.description,
        rows=t.runs[-1].trained_on,
        value=t.found.new,
        gain=Estimate(estimate=-metric.harm(t.found.estimate), low=ends[0], high=ends[1]),
        by_fold=t.gains,
        future=future(t),
        gate=GateVerdict.HOLD if verdict is GateVerdict.ROLL_BACK else verdict,
        failed=() if judgement is None else tuple(line.name for line in judgement.lines if line.passed is False),
        note=note,
    )


def _words(
    verdict: RetrainVerdict, best: Candidate, choice: Choice, refusal: Refusal | None, share: bool, metric: str
) -> tuple[str, str, str]:
    """Summary, what to do, and why."""
    gained = _gain(best.gain, share)
    if refusal is not None:
        back = "not known" if refusal.repair_gain is None else _gain(refusal.repair_gain, share)
        return (
            f"Refused: {refusal.summary.rstrip('.')}. The repair is worth {back}; retraining on the faulty rows {gained}.",
            f"Repair instead: {refusal.repair}",
            "a model trained on these rows would learn the fault and break again when it is fixed; to go on with repaired rows "
            "set [retrain] repaired = true",
        )
    if verdict is RetrainVerdict.PROMOTE:
        ahead = "" if best.future is None else f"; expected of the next stretch: {_gain(best.future, share)}"
        worth = f"{gained} of {say.metric(metric)} on later rows{ahead}."
        if choice.best.plan.recipe is not None:
            return (
                f"Recalibrate: the champion as it is, its answers fitted to later labels, gains {worth}",
                "Recalibrate: promote the champion with its answers fitted again",
                choice.judged.reason,
            )
        return f"Train again on {best.name!r}: {worth}", "Promote the candidate", choice.judged.reason
    failed = [line for line in choice.judged.lines if line.passed is False]
    if failed and failed[0].kind != "headline":
        return (
            f"Hold: the best candidate, {best.name!r}, gains {gained} of {say.metric(metric)} but fails on "
            f"{say.listed([line.name for line in failed])}.",
            "Keep the champion",
            choice.judged.reason,
        )
    return (
        f"Hold: no candidate is shown to be materially better on later rows; the best, {best.name!r}, gains {gained} of "
        f"{say.metric(metric)}.",
        "Keep the champion",
        "the gain of retraining is too small to matter, or cannot be distinguished from chance",
    )


def _lacking(bench: Backtest, choice: Choice) -> str:
    """How many labels more would show the gain of the best candidate, where it would matter: ``about 2,300 more labels``.

    Standard errors fall with the root of the labels, those between stretches with the root of the stretches.
    """
    unsure = [
        line
        for line in choice.judged.lines
        if line.passed is False and line.kind in ("headline", "stretches") and line.difference is not None
    ]
    gain = choice.best.gain(bench.metric)
    if not unsure or gain < max(bench.case.floor(bench.metric), 1e-12):
        return ""
    rows = np.concatenate([fold.rows for fold in bench.folds])
    more = max(_factor(line, len(bench.folds)) for line in unsure) - 1
    if not 0 < more <= MOST_MORE:
        return "" if more <= 0 else f"even {MOST_MORE} times as many labels would not show a gain of this size"
    labels = f"about {say.count(int(say.significant(max(more * len(rows), 1), 2)))} more labels"
    if bench.history.timed:
        length = float(np.ptp(bench.history.when[rows]))
        labels += f", {duration(more * length, timed=True)} of them as they come,"
    return f"{labels} would show it if it stays as large"


def _factor(line: GateLine, folds: int) -> float:
    """By how much the labels must grow until the line passes in ``POWER`` of all cases."""
    d = line.difference
    if d is None or d.low is None or d.high is None or line.level is None or d.estimate == 0:
        return np.inf
    level = (1 - line.level) / 2
    limit = float(stats.t.isf(level, folds - 1 if line.kind == "stretches" else np.inf))
    se = (d.high - d.low) / 2 / limit
    return float(((limit + stats.norm.isf(1 - POWER)) * se / d.estimate) ** 2)


def _gain(e: Estimate | None, share: bool) -> str:
    """``2.3 points (1.1 to 3.4)``, negative for a loss."""
    if e is None:
        return "not known"

    def shown(v: float) -> str:
        return say.fixed(100 * v, 1) if share else say.number(v, 3)

    text = f"{shown(e.estimate)} points" if share else shown(e.estimate)
    return text if e.low is None or e.high is None else f"{text} ({shown(e.low)} to {shown(e.high)})"


def _stretches(bench: Backtest, best: CandidateResult) -> tuple[Stretch, ...]:
    stretches = []
    for k, fold in enumerate(bench.folds):
        run = best.runs[k]
        values = [bench.value(o) for o in (bench.history.served.take(fold.rows), run.on(fold.rows))]
        last = float(bench.history.when[fold.rows].max())
        stretches.append(
            Stretch(
                start=moment(bench.history, fold.origin),
                end=moment(bench.history, last),
                known=len(bench.history.known_at(fold.origin)),
                rows=len(fold.rows),
                champion=values[0],
                best=values[1],
            )
        )
    return tuple(stretches)


def _inputs(bench: Backtest) -> ShadowInputs:
    h, case = bench.history, bench.case
    rows = np.concatenate([fold.rows for fold in bench.folds])
    days = 0 if h.days is None or not h.timed else len(np.unique(h.days[rows]))
    period = None if not h.timed else (moment(h, float(h.when[0])), moment(h, float(h.when[-1])))
    whole = case.reference.complete and case.current.complete
    notes = list(case.notes)
    if not whole:
        notes.append(f"a sample of {h.frame.height} rows of both windows was used; see [retrain] max_rows")
    if not h.timed:
        notes.append(
            "no timestamps: rows are taken in the order of the files, reference first, and neighbours as alike"
        )
    return ShadowInputs(
        task=case.problem.task,
        rows=h.frame.height,
        labelled=int(h.labelled.sum()),
        sampled=not whole,
        days=days,
        classes=case.problem.classes,
        source=f"{case.reference.window.source}; {case.current.window.source}",
        period=period,
        notes=tuple(dict.fromkeys(notes)),
    )


def with_notes(answer: Retrain, notes: tuple[str, ...]) -> Retrain:
    """With more to say about what went in."""
    inputs = answer.inputs.model_copy(update={"notes": tuple(dict.fromkeys([*notes, *answer.inputs.notes]))})
    return answer.model_copy(update={"inputs": inputs})


def charts(answer: Retrain) -> tuple[Evidence, ...]:
    """The metric over the stretches, gains of candidates, and the policies over time."""
    parts: list[Evidence] = []
    lines: tuple[tuple[Literal["reference", "current"], list[float | None]], ...] = (
        ("reference", [s.champion for s in answer.stretches]),
        ("current", [s.best for s in answer.stretches]),
    )
    points = [
        SeriesPoint(at=s.start, value=value, window=window)
        for window, values in lines
        for s, value in zip(answer.stretches, values, strict=True)
        if value is not None
    ]
    best = answer.best
    if points and best is not None:
        won = sum(g > 0 for g in best.by_fold if g is not None)
        parts.append(
            Series(
                title="On later rows",
                y=say.metric(answer.metric),
                points=tuple(points),
                share=answer.share,
                reading=f"The candidate (shown as current) does better than what was served (reference) in {won} of "
                f"{len(answer.stretches)} stretches.",
            )
        )
    tried = [c for c in answer.candidates if c.gain is not None]
    if len(tried) > 1:
        rows = tuple(
            RankedRow.of(c.name, c.gain, "recommended" if c.name == answer.recommended else c.note)
            for c in tried
            if c.gain is not None
        )
        reading = f"{answer.recommended!r} is recommended." if answer.recommended else "None is recommended."
        parts.append(
            Ranking(
                title="Gain of every candidate",
                reading=reading,
                x="gain over what was served",
                rows=rows,
                share=answer.share,
            )
        )
    return tuple(parts)
