"""Repair and injection: the fault undone on the current rows, and done to the reference rows, scored on the same metric.

Injection needs reference labels only, so it prices faults before current labels come. On fifteen kinds of faults it was within
a point of the truth where label-free estimators were off by fourteen. Of a fault that is there for certain, where those labels
leave open whether it costs anything, its price is sharpened by what calibrated answers foretell of the labels
(``foretold_outcomes``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from backslide.case import Case, Outcomes, Side
from backslide.causes.faults.base import Fault
from backslide.causes.pricing.foretold_outcomes import foretold_effect
from backslide.models.model import Model
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.bootstrap import Resampler
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import METRICS, Metric

UNSERVED = 5.0
UNSERVED_FLOOR = 1e-3
MIN_UNHIT = 30
FAILS = 3.0
"""Times its usual distance to what was served from which on a stand-in does not imitate the model on broken rows."""
AGREES_Z = 1.96
"""Standard errors by which labels may differ from what answers foretell of them and not speak against it."""
LOG_ONLY = 0.25
"""Distance to what was served, repaired over as logged, under which only the log was wrong."""


@dataclass(frozen=True)
class Score:
    """The target metric of some rows and its replicates, and the mean row loss that ranks repairs."""

    metric: Effect
    loss: Effect
    """Mean log loss where there are scores, else error rate or absolute error."""


class PricingBench:
    """Scores versions of both samples on one target metric, every time with the same replicates."""

    def __init__(self, case: Case, target: Metric, model: Model | None, *, artefact: bool = False) -> None:
        self.artefact = artefact
        self.case = case
        self.target = target
        self.model = model

    def rows(self, side: Side) -> Ints:
        """Sampled rows with both label and prediction."""
        return self.case.labelled_rows(side)

    def draw(self, side: Side) -> Resampler:
        """The replicates of a window, the same for every effect."""
        return self.case.draw(side)

    def score(self, side: Side, outcomes: Outcomes) -> Score:
        """The target on the labelled rows of a window. Rows that a model failed on count as errors."""
        chosen = _fill_failures(outcomes.take(self.rows(side)))
        draw = self.draw(side)
        metric = _effect(self.target, chosen.statistics(self.target, len(self.case.problem.classes)), draw)
        problem = self.case.problem
        ranking = "log_loss" if problem.has_scores and chosen.scores is not None else "accuracy"
        loss = METRICS[ranking if problem.classification else "mae"]
        return Score(metric, _effect(loss, chosen.statistics(loss, len(self.case.problem.classes)), draw))

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
    def logged(self) -> Score:
        """The model on the current sample as it stands: what repairs are measured against."""
        return self.score(self.case.current, self.as_logged)

    @cached_property
    def stand_in_gap(self) -> Score:
        """What the metric and row loss of the reference would be with the stand-in, less what they are as served."""
        side = self.case.reference
        answered, served = self.score(side, self.reference_answers), self.score(side, side.outcomes)
        return Score(answered.metric - served.metric, answered.loss - served.loss)

    @cached_property
    def reference_answers(self) -> Outcomes:
        """The model on the reference sample as logged."""
        return self.answer(self.case.reference.sample)

    @cached_property
    def usual_distance(self) -> float:
        """Mean distance of the model's answers to what was served, on the reference sample."""
        side = self.case.reference
        return distance(self.reference_answers, side.outcomes, np.ones(side.sample.height, bool))

    @cached_property
    def base(self) -> Effect:
        """The metric of the model on the reference sample as logged: what injections are measured against."""
        return self.score(self.case.reference, self.reference_answers).metric

    def score_current(self, frame: pl.DataFrame) -> Score:
        """A version of the current sample."""
        return self.score(self.case.current, self.answer(frame))

    def score_reference(self, frame: pl.DataFrame) -> Score:
        """A version of the reference sample."""
        return self.score(self.case.reference, self.answer(frame))

    def effect_of(self, frame: pl.DataFrame) -> Effect | None:
        """What turning the reference sample into ``frame`` does to the metric, as an effect on the current rows.

        Those are another draw from the same population, with their own noise. None without reference labels.
        """
        if not self.reference_labels:
            return None
        return (self.score_reference(frame).metric - self.base).scaled(self.own_noise)

    def sharp_effect_of(self, frame: pl.DataFrame) -> Effect | None:
        """The same; where the labels leave open whether it costs anything, with what calibrated answers foretell of the outcomes,
        as far as the labels do not speak against it and it then clearly costs what matters.

        Before current labels come, when every certain fault that costs anything is named, the reference's labels alone speak.
        """
        if not self.reference_labels:
            return None
        answers, side = self.answer(frame), self.case.reference
        effect = (self.score(side, answers).metric - self.base).scaled(self.own_noise)
        if effect.clear or not self.current_labels:
            return effect
        one, other = (_fill_failures(part.take(self.rows(side))) for part in (self.reference_answers, answers))
        foretold = foretold_effect(self.case, self.target, one, other, self.draw(side))
        if foretold is None:
            return effect
        foretold = foretold.scaled(self.own_noise)
        error = abs(effect.value / effect.z) if effect.z else np.inf
        both = effect.pooled(foretold)
        material = both.clear and self.target.harm(both.value) >= self.case.problem.min_effect
        return both if material and abs(foretold.value - effect.value) <= AGREES_Z * error else effect

    @property
    def own_noise(self) -> float:
        """Times the noise of an effect on the reference rows that it has on the current ones, beside that of the reference."""
        rows = len(self.rows(self.case.current)) or self.case.current.sample.height
        return float(np.sqrt(1 + len(self.rows(self.case.reference)) / max(rows, 1)))

    @property
    def current_labels(self) -> bool:
        """Whether repairs can be scored."""
        return len(self.rows(self.case.current)) > 0

    @property
    def reference_labels(self) -> bool:
        """Whether injections can be scored."""
        return len(self.rows(self.case.reference)) > 0


def price(bench: PricingBench, fault: Fault, others: Sequence[Fault] = ()) -> Fault:
    """The fault with the effects of its repair and its injection, as far as model and labels allow.

    ``others`` are undone beforehand: with a second fault still in the rows, undoing the first alone may even look harmful.
    """
    if bench.model is None:
        return fault
    case = bench.case
    frame, before = case.current.sample, bench.as_logged
    for other in others:
        frame = other.repair(case, frame)
    if others:
        before = bench.answer(frame)
    after = bench.answer(fault.repair(case, frame))
    log_only = fault.reversible and _explains_served(bench, before, after, fault.rows)
    unserved = not fault.reversible and _unserved(bench, fault)
    if unserved:
        # The model was given something else in place of what the log shows: that is what a repair competes with.
        before, after = case.current.outcomes, _where(fault.rows, after, case.current.outcomes)
    repair_effect = repair_loss = None
    if bench.current_labels and fault.reversible and _stand_in_fails(bench, before, fault.rows):
        repair_effect, repair_loss = _beside_served(bench, fault, others, before, after)
    elif bench.current_labels:
        unrepaired = bench.logged if before is bench.as_logged else bench.score(case.current, before)
        undone = bench.score(case.current, after)
        repair_effect, repair_loss = undone.metric - unrepaired.metric, undone.loss - unrepaired.loss
    if unserved:
        helped = repair_effect is not None and repair_effect.clear and bench.target.sign * repair_effect.value > 0
        log_only = not helped and not _served_worse(bench, fault.rows)
    return replace(
        fault,
        repair_effect=repair_effect,
        repair_loss=repair_loss,
        loss_is_accuracy=case.problem.classification and not case.problem.has_scores,
        injection_effect=None
        if unserved or not fault.injectable
        else (bench.sharp_effect_of if fault.exact else bench.effect_of)(fault.inject(case, case.reference.sample)),
        by_harm=_by_harm(bench, fault),
        log_only=log_only,
    )


def _stand_in_fails(bench: PricingBench, before: Outcomes, rows: Mask) -> bool:
    """Whether a stand-in answers the broken rows otherwise than they were served: it knows nothing of values that no reference
    row held, and a tree in place of a line does not even go on in their direction."""
    return not bench.artefact and distance(before, bench.case.current.outcomes, rows) > FAILS * bench.usual_distance


def _beside_served(
    bench: PricingBench, fault: Fault, others: Sequence[Fault], before: Outcomes, after: Outcomes
) -> tuple[Effect, Effect]:
    """What a repair does to metric and row loss, with what was served in place of a stand-in's answers to the broken rows.

    How far the stand-in falls short of the model is read on reference rows and taken off (difference in differences; Angrist and
    Pischke 2009, 5.2).
    """
    case = bench.case
    served, none = case.current.outcomes, np.zeros(len(fault.rows), bool)
    undone_before = np.logical_or.reduce([none, *(other.rows for other in others)])
    undone = undone_before | fault.rows
    unrepaired = bench.score(case.current, _where(undone_before, before, served))
    repaired = bench.score(case.current, _where(undone, after, served))
    share = float(undone.mean() - undone_before.mean())
    short = bench.stand_in_gap
    ratio = np.sqrt(share)  # replicates of a part of the rows spread less than those of all
    metric = (
        repaired.metric - unrepaired.metric - Effect(share * short.metric.value, _spread(short.metric, share, ratio))
    )
    loss = repaired.loss - unrepaired.loss - Effect(share * short.loss.value, _spread(short.loss, share, ratio))
    return metric, loss


def _spread(effect: Effect, share: float, ratio: float) -> Floats:
    return share * effect.value + (effect.replicates - effect.value) * ratio


def _by_harm(bench: PricingBench, fault: Fault) -> tuple[str, ...]:
    """Columns of one mechanism by what each of them costs alone, done to the reference; as found where that is not known."""
    if len(fault.hypotheses) < 2 or not bench.reference_labels:
        return fault.features
    alone = [replace(fault, hypotheses=(h,)) for h in fault.hypotheses]
    value = [bench.score_reference(one.inject(bench.case, bench.case.reference.sample)).metric.value for one in alone]
    order = np.argsort(bench.target.sign * np.array(value), kind="stable")
    return tuple(dict.fromkeys(f for i in order for f in alone[int(i)].features))


def _explains_served(bench: PricingBench, before: Outcomes, repaired: Outcomes, rows: Mask) -> bool:
    """Whether what was served on ``rows`` follows the repaired values and not the ones before the repair."""
    served = bench.case.current.outcomes
    as_logged, as_repaired = (distance(o, served, rows) for o in (before, repaired))
    return as_repaired < LOG_ONLY * as_logged


def _unserved(bench: PricingBench, fault: Fault) -> bool:
    """Whether the rows that lost their values were served as if they had them: the saved model answers them otherwise.

    Told by the saved model alone, against the rows that were not hit; a stand-in is too rough for it.
    """
    if not bench.artefact:
        return False
    served = bench.case.current.outcomes
    hit, rest = fault.rows, ~fault.rows
    usual = distance(bench.as_logged, served, rest) if rest.sum() >= MIN_UNHIT else 0.0
    return distance(bench.as_logged, served, hit) > max(UNSERVED * usual, UNSERVED_FLOOR)


HURT_Z = 3.0
"""Standard errors by which rows must be served worse than the reference before a lost value is no mere gap in the log."""


def _served_worse(bench: PricingBench, rows: Mask) -> bool:
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


def _where(rows: Mask, one: Outcomes, other: Outcomes) -> Outcomes:
    """Outcomes of ``one`` on ``rows`` and of ``other`` elsewhere."""
    scores = None
    if one.scores is not None and other.scores is not None:
        scores = np.where(rows[:, None], one.scores, other.scores)
    return Outcomes(other.labels, np.where(rows, one.predictions, other.predictions), scores)


def distance(one: Outcomes, other: Outcomes, rows: Mask) -> float:
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


def _effect(metric: Metric, rows: Floats, draw: Resampler) -> Effect:
    return Effect(float(metric.value(rows.sum(0))), metric.value(draw.sums(rows)))


def _fill_failures(outcomes: Outcomes) -> Outcomes:
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
