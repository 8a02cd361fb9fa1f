"""Repair and injection: the fault undone on the current rows, and done to the reference rows, scored on the same metric.

Injection needs reference labels only, so it prices faults before current labels come. On fifteen kinds of faults it was within
a point of the truth where label-free estimators were off by fourteen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case, Outcomes, Side
from backslide.causes.faults.collect import Fault
from backslide.models.model import Model
from backslide.stats.change.bootstrap import Resampler
from backslide.stats.change.effect import Effect, nothing
from backslide.stats.metrics.metric import METRICS, Floats, Metric

UNSERVED = 5.0
UNSERVED_FLOOR = 1e-3
MIN_UNHIT = 30
LOG_ONLY = 0.25
"""Distance to what was served, repaired over as logged, under which only the log was wrong."""


@dataclass(frozen=True)
class Scored:
    """The target metric of some rows and its replicates, and the mean row loss that ranks repairs."""

    metric: Effect
    loss: Effect
    """Mean log loss where there are scores, else error rate or absolute error."""


class Bench:
    """Scores versions of both samples on one target metric, every time with the same replicates."""

    def __init__(self, case: Case, target: Metric, model: Model | None, *, artefact: bool = False) -> None:
        self.artefact = artefact
        self.case = case
        self.target = target
        self.model = model

    def rows(self, side: Side) -> NDArray[np.int64]:
        """Sampled rows with both label and prediction."""
        return self.case.labelled_rows(side)

    def draw(self, side: Side) -> Resampler:
        """The replicates of a window, the same for every effect."""
        return self.case.draw(side)

    def score(self, side: Side, outcomes: Outcomes) -> Scored:
        """The target on the labelled rows of a window. Rows that a model failed on count as errors."""
        chosen = _answered(outcomes.take(self.rows(side)))
        draw = self.draw(side)
        metric = _effect(self.target, chosen.statistics(self.target, len(self.case.problem.classes)), draw)
        problem = self.case.problem
        loss = _loss(problem.has_scores and chosen.scores is not None, problem.classification)
        return Scored(metric, _effect(loss, chosen.statistics(loss, len(self.case.problem.classes)), draw))

    @cached_property
    def served_change(self) -> Effect:
        """The change as served, centred on the estimate over all rows."""
        parts = [self.score(side, side.outcomes).metric for side in self.case.sides]
        sampled = parts[1] - parts[0]
        change = self.case.change(self.target).estimate
        return Effect(change, sampled.replicates - sampled.value + change)

    def answer(self, frame: pl.DataFrame) -> Outcomes:
        """The model on a version of a sample."""
        assert self.model is not None
        return self.case.answered(self.model, frame).outcomes

    @cached_property
    def as_logged(self) -> Outcomes:
        """The model on the current sample as it stands."""
        return self.answer(self.case.current.sample)

    @cached_property
    def base(self) -> dict[str, Scored]:
        """The model on both samples as logged: what repairs and injections are measured against."""
        reference = self.case.reference
        return {
            "reference": self.score(reference, self.answer(reference.sample)),
            "current": self.score(self.case.current, self.as_logged),
        }

    def repaired(self, frame: pl.DataFrame) -> Scored:
        """A version of the current sample."""
        return self.score(self.case.current, self.answer(frame))

    def injected(self, frame: pl.DataFrame) -> Scored:
        """A version of the reference sample."""
        return self.score(self.case.reference, self.answer(frame))

    @property
    def current_labels(self) -> bool:
        """Whether repairs can be scored."""
        return len(self.rows(self.case.current)) > 0

    @property
    def reference_labels(self) -> bool:
        """Whether injections can be scored."""
        return len(self.rows(self.case.reference)) > 0


@dataclass(frozen=True)
class Trial:
    """A fault with its price."""

    fault: Fault
    repair: Effect | None
    """Change of the metric when it is undone on the current rows."""
    repair_loss: Effect | None
    loss_rises_when_better: bool
    """True where the ranking loss is accuracy, for want of scores."""
    injection: Effect | None
    """Change of the metric when it is done to the reference rows."""
    features: tuple[str, ...] = ()
    """Columns of the fault, most harmful first."""
    log_only: bool = False
    """Whether what was served follows the values without the fault: the log is wrong, the model was not given them."""

    @property
    def points(self) -> Effect | None:
        """The part of the change that the fault accounts for, signed like the change.

        A reversible fault is priced by its repair: those are the very rows. What cannot be restored is priced by injection; where
        that alone could be noise and filling the values in clearly brings points back, both have a say.
        """
        if self.log_only:
            return nothing(len(next((e.replicates for e in (self.repair, self.injection) if e is not None), [])))
        if self.fault.reversible and self.repair is not None:
            return -self.repair
        if self.injection is not None and self.repair is not None and self.repair.clear and not self.injection.clear:
            return self.injection.pooled(-self.repair)
        if self.injection is not None:
            return self.injection
        return -self.repair if self.repair is not None else None


def try_out(bench: Bench, fault: Fault, others: Sequence[Fault] = ()) -> Trial:
    """Repair and injection of one fault, as far as model and labels allow.

    ``others`` are undone beforehand: with a second fault still in the rows, undoing the first alone may even look harmful.
    """
    case = bench.case
    repair = repair_loss = injection = None
    log_only = unserved = False
    if bench.model is not None:
        frame = case.current.sample
        for other in others:
            frame = other.repair(case, frame)
        before = bench.answer(frame) if others else bench.as_logged
        outcomes = bench.answer(fault.repair(case, frame))
        log_only = fault.reversible and _explains_served(bench, before, outcomes, fault.rows)
        unserved = not fault.reversible and _unserved(bench, fault)
        base = bench.score(case.current, before) if others else bench.base["current"]
        if (
            unserved
        ):  # the model was given something else in place of what the log shows: that is what a repair competes with
            outcomes = _where(fault.rows, outcomes, case.current.outcomes)
            base = bench.score(case.current, case.current.outcomes)
        scored = bench.score(case.current, outcomes)
    if bench.model is not None and bench.current_labels:
        repair, repair_loss = scored.metric - base.metric, scored.loss - base.loss
    if unserved:
        helped = repair is not None and repair.clear and bench.target.sign * repair.value > 0
        log_only = not helped and not _served_worse(bench, fault.rows)
    if bench.model is not None and bench.reference_labels and not unserved:
        scored = bench.injected(fault.inject(case, case.reference.sample))
        change = scored.metric - bench.base["reference"].metric
        # What matters is the effect on the current rows: another draw from the same population, with its own noise.
        ratio = len(bench.rows(case.reference)) / max(len(bench.rows(case.current)) or case.current.sample.height, 1)
        injection = change.scaled(float(np.sqrt(1 + ratio)))
    rises = case.problem.classification and not case.problem.has_scores
    return Trial(fault, repair, repair_loss, rises, injection, _by_harm(bench, fault), log_only)


def _by_harm(bench: Bench, fault: Fault) -> tuple[str, ...]:
    """Columns of one mechanism by what each of them costs alone, done to the reference; as found where that is not known."""
    if len(fault.hypotheses) < 2 or bench.model is None or not bench.reference_labels:
        return fault.features
    alone = [replace(fault, hypotheses=(h,)) for h in fault.hypotheses]
    value = [bench.injected(one.inject(bench.case, bench.case.reference.sample)).metric.value for one in alone]
    order = np.argsort(bench.target.sign * np.array(value), kind="stable")
    return tuple(dict.fromkeys(f for i in order for f in alone[int(i)].features))


def _explains_served(bench: Bench, before: Outcomes, repaired: Outcomes, rows: NDArray[np.bool_]) -> bool:
    """Whether what was served on ``rows`` follows the repaired values and not the ones before the repair."""
    served = bench.case.current.outcomes
    as_logged, as_repaired = (_distance(o, served, rows) for o in (before, repaired))
    return as_repaired < LOG_ONLY * as_logged


def _unserved(bench: Bench, fault: Fault) -> bool:
    """Whether the rows that lost their values were served as if they had them: the saved model answers them otherwise.

    Told by the saved model alone, against the rows that were not hit; a stand-in is too rough for it.
    """
    if not bench.artefact:
        return False
    served = bench.case.current.outcomes
    hit, rest = fault.rows, ~fault.rows
    usual = _distance(bench.as_logged, served, rest) if rest.sum() >= MIN_UNHIT else 0.0
    return _distance(bench.as_logged, served, hit) > max(UNSERVED * usual, UNSERVED_FLOOR)


HURT_Z = 3.0
"""Standard errors by which rows must be served worse than the reference before a lost value is no mere gap in the log."""


def _served_worse(bench: Bench, rows: NDArray[np.bool_]) -> bool:
    """Whether the rows that lost their values were served with more errors than the reference; False without labels."""
    hit = bench.rows(bench.case.current)
    hit = hit[rows[hit]]
    errors = [
        _errors(side.outcomes.take(chosen))
        for side, chosen in ((bench.case.reference, bench.rows(bench.case.reference)), (bench.case.current, hit))
    ]
    if min(len(e) for e in errors) < MIN_UNHIT:
        return False
    spread = float(np.sqrt(sum(e.var() / len(e) for e in errors)))
    return float(errors[1].mean() - errors[0].mean()) > HURT_Z * spread


def _errors(outcomes: Outcomes) -> Floats:
    """Whether a class is wrong, or how far off a number is, per row."""
    if outcomes.labels.dtype.kind == "f":
        return np.asarray(np.abs(outcomes.labels.astype(float) - outcomes.predictions.astype(float)))
    return np.asarray(outcomes.labels != outcomes.predictions, dtype=np.float64)


def _where(rows: NDArray[np.bool_], one: Outcomes, other: Outcomes) -> Outcomes:
    """Outcomes of ``one`` on ``rows`` and of ``other`` elsewhere."""
    scores = None
    if one.scores is not None and other.scores is not None:
        scores = np.where(rows[:, None], one.scores, other.scores)
    return Outcomes(other.labels, np.where(rows, one.predictions, other.predictions), scores)


def _distance(one: Outcomes, other: Outcomes, rows: NDArray[np.bool_]) -> float:
    """Mean distance of two answers to the same rows: of scores, of numbers, or the share of other classes."""
    if one.scores is not None and other.scores is not None:
        apart = np.abs(one.scores[rows] - other.scores[rows])
        # A row that one of them cannot answer at all is as far off as can be.
        apart = np.where(np.isfinite(one.scores[rows]) == np.isfinite(other.scores[rows]), apart, 1.0).ravel()
    elif one.predictions.dtype.kind == "f":
        apart = np.abs(one.predictions[rows].astype(float) - other.predictions[rows].astype(float))
    else:
        apart = (one.predictions[rows] != other.predictions[rows]).astype(float)
    told = apart[np.isfinite(apart)]
    return float(told.mean()) if len(told) else 0.0


def _loss(scores: bool, classification: bool) -> Metric:
    if not classification:
        return METRICS["mae"]
    return METRICS["log_loss"] if scores else METRICS["accuracy"]


def _effect(metric: Metric, rows: Floats, draw: Resampler) -> Effect:
    return Effect(float(metric.value(rows.sum(0))), metric.value(draw.sums(rows)))


def _answered(outcomes: Outcomes) -> Outcomes:
    """Outcomes in which rows that the model failed on are plain errors: uniform scores, or the mean prediction."""
    if outcomes.scores is not None:
        scores = np.where(np.isfinite(outcomes.scores), outcomes.scores, 1 / outcomes.scores.shape[1])
        return Outcomes(outcomes.labels, outcomes.predictions, scores)
    if outcomes.predictions.dtype.kind == "f":
        predictions = outcomes.predictions.astype(float)
        known = np.isfinite(predictions)
        filling = float(predictions[known].mean()) if known.any() else np.nan
        return Outcomes(outcomes.labels, np.where(known, predictions, filling), None)
    return outcomes
