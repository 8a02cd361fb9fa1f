"""The one place that decides: which faults stand, which of them matter, and how sure it is. No signature decides by itself."""

from __future__ import annotations

from dataclasses import dataclass

from backslide.causes.pricing.counterfactual import Trial
from backslide.contracts.cause import Confidence
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import Metric

GAIN_Z = 4.0
"""Standard errors by which undoing an unspecific fault must lower the loss."""
GAIN_SHARE = 0.25
"""Share of the drop that undoing an unspecific fault must bring back."""
WORSENS_Z = -3.0
"""Standard errors of loss and of the metric by which a repair that makes things worse disproves its fault."""
MAY_Z = 1.0
"""Standard errors from which the price of a certain fault is worth a suspicion where no label can tell more."""
MATERIAL = 0.25
"""Share of ``min_effect`` under which a fault that is there counts as harmless."""
AGREE = (0.5, 1.5)
"""Injection over repair within which the two agree, where their intervals do not overlap anyway."""


@dataclass(frozen=True)
class Scale:
    """What counts: the target metric, the change to explain, and the smallest material effect."""

    target: Metric
    change: Effect | None
    min_effect: float

    def harm(self, effect: Effect) -> float:
        """An effect as harm: positive is worse."""
        return self.target.harm(effect.value)


def stands(trial: Trial, scale: Scale) -> bool:
    """Whether the fault may be named at all.

    A specific signature stands unless undoing it makes things clearly worse. An unspecific one stands only if undoing it
    brings points back, and doing it to the reference costs some: other rows may do better for many a reason.
    """
    if trial.repair is None:
        return trial.fault.exact
    loss_z = _loss_gain_z(trial) or 0.0
    metric_z = scale.target.sign * trial.repair.z
    if trial.fault.exact:
        # Both must speak against it: the log loss of a model trained with class weights may fall under a fault.
        return not (trial.fault.reversible and loss_z < WORSENS_Z and metric_z < WORSENS_Z)
    if max(loss_z, metric_z) < GAIN_Z or not trial.repair.clear:
        return False
    if trial.injection is not None and not (trial.injection.clear and scale.harm(trial.injection) > 0):
        return False
    gain = -scale.harm(trial.repair)
    drop = scale.harm(scale.change) if scale.change is not None else 0.0
    return gain >= max(MATERIAL * scale.min_effect, GAIN_SHARE * drop)


def _loss_gain_z(trial: Trial) -> float | None:
    """Standard errors by which the repair improves the mean row loss; log loss and errors fall, accuracy rises."""
    if trial.repair_loss is None or trial.repair is None:
        return None
    z = trial.repair_loss.z
    return z if trial.loss_rises_when_better else -z


def material(points: Effect | None, scale: Scale) -> bool:
    """Whether a fault that stands does harm: clear of zero, and not negligible beside ``min_effect``."""
    return points is not None and points.clear and scale.harm(points) >= MATERIAL * scale.min_effect


def may_harm(trial: Trial, scale: Scale) -> bool:
    """Whether a fault that is there for certain would, by its best estimate, do harm that counts.

    Without labels that is a reason to look: a price within its noise is no proof that it costs nothing.
    """
    points = trial.points
    if not trial.fault.exact or points is None:
        return False
    return scale.harm(points) >= scale.min_effect and abs(points.z) >= MAY_Z


def felt(effect: Effect | None, scale: Scale) -> bool:
    """Whether a proven change of our own moved the metric either way; one that helped belongs in the sum too."""
    return effect is not None and effect.clear and abs(effect.value) >= MATERIAL * scale.min_effect


def confidence(trial: Trial, *, artefact: bool) -> Confidence:
    """How sure the cause is; ``artefact`` says that the saved model itself, not a stand-in, answered."""
    known = Confidence.SUSPECTED
    agree = trial.repair is not None and trial.injection is not None and _agree(-trial.repair, trial.injection)
    if agree:
        known = Confidence.VERIFIED
    elif any(effect is not None and effect.clear for effect in (trial.repair, trial.injection)):
        known = Confidence.SUPPORTED
    if not trial.fault.exact and not agree:
        known = Confidence.SUSPECTED
    if not artefact and known == Confidence.VERIFIED:
        known = Confidence.SUPPORTED
    return known


def _agree(repair: Effect, injection: Effect) -> bool:
    """Whether undoing and doing the fault tell the same price: both clear of zero, intervals that overlap, or close values."""
    if not (repair.clear and injection.clear) or repair.value * injection.value <= 0:
        return False
    (low, high), (other_low, other_high) = repair.bounds, injection.bounds
    return (low <= other_high and other_low <= high) or AGREE[0] <= injection.value / repair.value <= AGREE[1]
