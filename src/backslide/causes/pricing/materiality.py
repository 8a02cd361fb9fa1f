"""The one place that decides which faults stand, which of them matter, and how sure each is; ``proof`` says what they prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backslide.causes.faults.base import Fault
from backslide.causes.traffic.base import TrafficChange
from backslide.contracts.cause import CauseKind, Confidence
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import Metric

GAIN_Z = 4.0
"""Standard errors by which undoing an unspecific fault must lower the loss."""
GAIN_SHARE = 0.25
"""Share of the drop that undoing an unspecific fault must bring back."""
WORSENS_Z = -3.0
"""Standard errors of loss and of the metric by which a repair that makes things worse disproves its fault."""
AS_LOST = (0.7, 1.3)
"""Cost of doing an unspecific fault to the reference over what was lost, within which it may be what was done."""
AS_LOST_Z = 1.64
"""And standard errors of both that may lie between them."""
MAY_Z = 1.0
"""Standard errors from which the price of a certain fault is worth a suspicion where no label can tell more."""
LIKELY_Z = 1.64
"""Standard errors (one-sided 5 %) from which the price of a proven change is its likely harm."""
MATERIAL = 0.25
"""Share of ``min_effect`` under which a fault that is there counts as harmless."""
AGREE = (0.5, 1.5)
"""Injection over repair within which the two agree, where their intervals do not overlap anyway."""
REST_Z = 2.6
"""Standard errors (one-sided 0.5 %) by which the rest must do harm before a shift is looked for."""
REST_SHARE = 0.5
"""Share of ``min_effect`` that the rest must reach."""
REST_BACK = 0.3
"""Share of the rest that replacing the values of a column that does not fit must bring back."""
AS_MUCH = 0.8
"""Share of what the others foretell brings back that undoing a specific fault must bring back to give it its name."""
SURE_Z = 7.0
"""Standard errors from which a material gain needs no such share: behind it the world may have moved much more."""
LAG_TIMES = 3.0
"""Times ``min_effect`` that must be left before answers are held against the labels of other rows."""
UNPRICED_ROWS = 0.05
"""Share of the rows that a fault must hit to be named though nothing can price it."""
BY_THE_WORLD = (CauseKind.UNSEEN_CATEGORY, CauseKind.MISSING_VALUES)
"""Kinds that come with growth as well, so that they are named by their price alone."""
FEW_NEW = 0.2
"""Share of the rows with new categories up to which they are growth where the metric rose for certain."""
Z95 = 1.96
MIN_SHIFT_ROWS = 200
"""Labelled rows of each window under which inputs and relation are not told apart."""


@dataclass(frozen=True)
class Scale:
    """What counts: the target metric, the change to explain, and the smallest material effect."""

    target: Metric
    change: Effect | None
    min_effect: float

    def harm(self, effect: Effect) -> float:
        """An effect as harm: positive is worse."""
        return self.target.harm(effect.value)


def stands(fault: Fault, scale: Scale) -> bool:
    """Whether the fault may be named at all.

    A specific signature stands unless undoing it makes things clearly worse. An unspecific one stands only if undoing it
    brings points back, and doing it to the reference costs some: other rows may do better for many a reason. One that nothing
    can undo stands, too, if doing it to the reference costs what was lost.
    """
    if fault.repair_effect is None:
        return fault.exact
    loss_z = _loss_gain_z(fault)
    metric_z = scale.target.sign * fault.repair_effect.z
    if fault.exact:
        # Both must speak against it: the log loss of a model trained with class weights may fall under a fault. Values filled in
        # for lost ones may do worse than none, but not worse than values of other rows.
        restores = fault.reversible or fault.kind == CauseKind.BROKEN_JOIN
        return not (restores and loss_z < WORSENS_Z and metric_z < WORSENS_Z)
    if not fault.reversible and _costs_what_was_lost(fault, scale):
        return True
    if max(loss_z, metric_z) < GAIN_Z or not fault.repair_effect.clear:
        return False
    if fault.injection_effect is not None and not (
        fault.injection_effect.clear and scale.harm(fault.injection_effect) > 0
    ):
        return False
    drop = scale.harm(scale.change) if scale.change is not None else 0.0
    return -scale.harm(fault.repair_effect) >= max(MATERIAL * scale.min_effect, GAIN_SHARE * drop)


def _costs_what_was_lost(fault: Fault, scale: Scale) -> bool:
    """Whether doing the fault to the reference costs about what was lost, by many standard errors of both: what no repair can
    restore proves itself so."""
    done = fault.injection_effect
    if done is None or scale.change is None or min(abs(done.z), abs(scale.change.z)) < GAIN_Z:
        return False
    cost, lost = scale.harm(done), scale.harm(scale.change)
    if cost < scale.min_effect or lost <= 0:
        return False
    error = float(np.hypot(done.value / done.z, scale.change.value / scale.change.z))
    return AS_LOST[0] <= cost / lost <= AS_LOST[1] or abs(cost - lost) <= AS_LOST_Z * error


class PricedCause(Protocol):
    """A fault, or a change of which rows come, with its price."""

    @property
    def points(self) -> Effect | None: ...

    @property
    def exact(self) -> bool: ...


def matters(fault: PricedCause, scale: Scale) -> bool:
    """Whether a fault that stands is a cause rather than harmless: its harm is clear of zero and not negligible.

    Also where a fault that is there for certain would by its best estimate do harm that counts, as a price within its noise is
    no proof that it costs nothing: without labels, where it is the reason to look, and unless the metric rose for certain.
    """
    points = fault.points
    if points is None:
        return False
    rose = scale.change is not None and scale.change.clear and scale.harm(scale.change) < 0
    if points.clear and scale.harm(points) >= MATERIAL * scale.min_effect:
        return not (rose and isinstance(fault, Fault) and _may_be_growth(fault))
    if not fault.exact or scale.harm(points) < scale.min_effect:
        return False
    if scale.change is None:
        return abs(points.z) >= MAY_Z
    # Where the metric fell for certain, what is certainly wrong and likely cost something is the first to look at; rows that
    # certainly came again, or no longer, are wherever it did not rise.
    known = isinstance(fault, TrafficChange) or (
        _fell(scale) and isinstance(fault, Fault) and fault.kind not in BY_THE_WORLD and not _help(fault, scale)
    )
    return not rose and abs(points.z) >= (MAY_Z if known else LIKELY_Z)


def _may_be_growth(fault: Fault) -> bool:
    return fault.kind == CauseKind.UNSEEN_CATEGORY and float(fault.rows.mean()) < FEW_NEW


def _help(fault: Fault, scale: Scale) -> bool:
    """Whether repair or injection, by its best estimate, says that the fault did good; guesses in place of what is lost may do
    worse than what is left of it, and say nothing."""
    undone, done = fault.repair_effect, fault.injection_effect
    return (undone is not None and fault.reversible and scale.harm(undone) > 0) or (
        done is not None and scale.harm(done) < 0
    )


def unpriced_matters(fault: Fault, scale: Scale) -> bool:
    """Whether a certain fault that nothing can price is named where the metric fell: that it cost nothing is not known either,
    and what it did cannot be told from what the world did."""
    return fault.points is None and fault.exact and is_common(fault) and _fell(scale)


def is_common(fault: Fault) -> bool:
    """Whether a fault that growth does not bring hits so many rows that it counts though nothing can price it."""
    return fault.kind not in BY_THE_WORLD and float(fault.rows.mean()) >= UNPRICED_ROWS


def unrecognised_stands(fault: Fault, rest: Effect, scale: Scale) -> bool:
    """Whether a column that no longer fits the others is named.

    Replacing what does not fit must clearly bring back a good part of what is still unexplained: natural drift brought back at
    most 16 % of a drop, broken columns 70 % and more.
    """
    if not repair_pays(fault, scale) or fault.repair_effect is None:
        return False
    gain, missing = gain_of(fault, scale), scale.harm(rest)
    most = missing >= REST_SHARE * scale.min_effect and gain >= REST_BACK * missing
    return most or (gain >= scale.min_effect and scale.target.sign * fault.repair_effect.z >= SURE_Z)


def gain_of(fault: Fault, scale: Scale) -> float:
    """What undoing the fault brings back; 0 where it was not tried out."""
    return 0.0 if fault.repair_effect is None else -scale.harm(fault.repair_effect)


def repair_pays(fault: Fault, scale: Scale, *, none_worse: bool = False) -> bool:
    """Whether undoing the fault clearly brings back what counts, by the metric or, where few decisions turn, by the row loss;
    and, where asked for, serves the rows not clearly worse by that loss."""
    if fault.repair_effect is None or not fault.repair_effect.clear or fault.log_only:
        return False
    metric_z = scale.target.sign * fault.repair_effect.z
    gain_z = max(metric_z, _loss_gain_z(fault)) if metric_z > 0 else metric_z
    if none_worse and _loss_gain_z(fault) < -Z95:
        return False
    return gain_z >= GAIN_Z and gain_of(fault, scale) >= MATERIAL * scale.min_effect


def as_specific(suspect: Fault, tried: Sequence[Fault], scale: Scale) -> Fault | None:
    """The fault among those ``tried`` that says what was done to the column of ``suspect``, an unrecognised one: undoing it
    brings back as much as what the other columns foretell, which is proof enough where doing it to other rows tells little."""
    gain = scale.harm(suspect.repair_effect) if suspect.repair_effect is not None else 0.0

    def as_good(fault: Fault) -> bool:
        undone = fault.repair_effect
        same = fault.features == suspect.features and fault.reversible and not fault.log_only
        return same and undone is not None and undone.clear and scale.harm(undone) <= AS_MUCH * gain < 0

    return min(
        filter(as_good, tried), key=lambda f: scale.harm(f.repair_effect) if f.repair_effect else 0.0, default=None
    )


def row_fault_stands(fault: Fault, scale: Scale, *, certain: bool = False) -> bool:
    """Whether a fault read off the rows that no longer fit is named: undoing it must clearly bring points back; before labels
    come, doing it to the reference must cost a material part.

    Values that are lost come back as guesses, which may bring hardly a point back where the others hardly tell them: then rows
    must clearly be served better by the loss, and doing the same to the reference must cost a material part. Of what is
    ``certain`` by its values alone it is enough that the repair helps beyond noise.
    """
    if fault.log_only:
        return False
    done = fault.injection_effect
    costs = done is not None and done.clear and scale.harm(done) >= scale.min_effect
    if fault.repair_effect is None:
        return costs
    gain_z = scale.target.sign * fault.repair_effect.z
    if certain and gain_z >= Z95:
        return True
    return gain_z >= GAIN_Z or (not fault.reversible and costs and gain_z > 0 and _loss_gain_z(fault) >= GAIN_Z)


def _loss_gain_z(fault: Fault) -> float:
    """Standard errors by which undoing the fault serves rows better by the row loss; 0 where nothing tells."""
    if fault.repair_loss is None:
        return 0.0
    # Log loss and errors fall when rows are served better; accuracy, the loss of classes without scores, rises.
    return fault.repair_loss.z if fault.loss_is_accuracy else -fault.repair_loss.z


def asks_for_suspect(rest: Effect, scale: Scale) -> bool:
    """Whether enough of the drop is unexplained to ask every column whether it still fits the others. The answer is paired, so
    the noise of the change itself does not matter."""
    return scale.harm(rest) >= REST_SHARE * scale.min_effect


def asks_for_lag(rest: Effect | None, scale: Scale) -> bool:
    """Whether so much is lost that answers may stand beside the labels of other rows: nothing else is asked of that search."""
    return rest is not None and scale.harm(rest) >= LAG_TIMES * scale.min_effect and abs(rest.z) >= GAIN_Z


def own_change_matters(effect: Effect | None, scale: Scale, *, current_labels: bool) -> bool:
    """Whether a proven change of our own is a cause: it moved the metric either way, as one that helped belongs in the sum too;
    or nothing can price it before current labels come.

    That it happened is proven, so where the metric fell for certain, a price that counts is a reason to look though days differ
    by as much.
    """
    if effect is None:
        return not current_labels
    if effect.clear:
        return abs(effect.value) >= MATERIAL * scale.min_effect
    return _fell(scale) and scale.harm(effect) >= scale.min_effect and abs(effect.z) >= LIKELY_Z


def _fell(scale: Scale) -> bool:
    """Whether the metric fell, clear of zero, by what matters."""
    return scale.change is not None and scale.change.clear and scale.harm(scale.change) >= scale.min_effect


def asks_for_shift(rest: Effect, scale: Scale, rows: int) -> bool:
    """Whether the rest of the drop is worth a look at the world; ``rows``: labelled ones of the smaller window."""
    large = scale.harm(rest) >= REST_SHARE * scale.min_effect and abs(rest.z) >= REST_Z
    return large and rows >= MIN_SHIFT_ROWS


def asks_for_segment(rest: Effect, scale: Scale, rows: int) -> bool:
    """Whether one segment may have got worse beside the others of its days, though the whole does not say so clearly."""
    return asks_for_suspect(rest, scale) and rows >= MIN_SHIFT_ROWS


def confidence(fault: Fault, *, artefact: bool) -> Confidence:
    """How sure the cause is; ``artefact`` says that the saved model itself, not a stand-in, answered."""
    if fault.kind == CauseKind.UNRECOGNISED_FAULT:
        # It stands on a paired gain, or on what is lost without it, and never on an injection.
        return Confidence.SUPPORTED
    same = (
        fault.repair_effect is not None
        and fault.injection_effect is not None
        and agree(-fault.repair_effect, fault.injection_effect)
    )
    if same:
        return Confidence.VERIFIED if artefact else Confidence.SUPPORTED
    clear = [effect for effect in (fault.repair_effect, fault.injection_effect) if effect is not None and effect.clear]
    # Both may be of other sizes, as the world moved in between.
    both_harm = len(clear) == 2 and clear[0].value * clear[1].value < 0
    return Confidence.SUPPORTED if clear and (fault.exact or both_harm) else Confidence.SUSPECTED


def is_supported(fault: Fault, *, artefact: bool) -> bool:
    """Whether more than an association speaks for the fault."""
    return confidence(fault, artefact=artefact).rank >= Confidence.SUPPORTED.rank


def agree(repair: Effect, injection: Effect) -> bool:
    """Whether undoing and doing the fault tell the same price: both clear of zero, intervals that overlap, or close values."""
    if not (repair.clear and injection.clear) or repair.value * injection.value <= 0:
        return False
    (low, high), (other_low, other_high) = repair.bounds, injection.bounds
    return (low <= other_high and other_low <= high) or AGREE[0] <= injection.value / repair.value <= AGREE[1]
