"""What retraining is worth: candidates on later time, the gate, the price of repair instead, and when to do it again."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from backslide.contracts.evidence import Evidence
from backslide.contracts.finding import Estimate
from backslide.contracts.gate import Gate, GateVerdict
from backslide.contracts.rendering import PublishedAnswer
from backslide.contracts.shadow import ShadowInputs
from backslide.contracts.values import Value


class RetrainVerdict(StrEnum):
    """What retraining is worth."""

    PROMOTE = "promote"
    HOLD = "hold"
    REFUSED = "refused"
    """The cause is a fault that a repair fixes; retraining would only hide it."""

    @property
    def held(self) -> bool:
        """Whether nothing may be promoted; the command line exits with 1."""
        return self is not RetrainVerdict.PROMOTE


class Candidate(Value):
    """One way to train again, judged on later time."""

    name: str
    description: str
    rows: int = 0
    """Trained on, at the last origin."""
    value: float | None = None
    """The headline over all stretches."""
    gain: Estimate | None = None
    """Over what was served, on the same rows; positive is better."""
    by_fold: tuple[float | None, ...] = ()
    future: Estimate | None = None
    """Gain on one more stretch, with a 95 % prediction interval."""
    gate: GateVerdict | None = None
    failed: tuple[str, ...] = ()
    """Requirements of the gate that are not met."""
    note: str = ""
    """Why it could not be tried."""


class Stretch(Value):
    """One fold of the backtest."""

    start: str
    end: str
    known: int
    """Labels that had arrived when it began."""
    rows: int
    champion: float | None
    best: float | None


class FeatureRank(Value):
    """A feature by drift times harm."""

    feature: str
    drift: float
    harm: float
    """What shuffling it costs on later rows, in the headline; negative where that helps: it leads astray."""
    without: float | None = None
    """Gain of leaving it out, over the best candidate with it; None where that was not tried."""
    coarse: float | None = None
    """The same of it in few bins."""


class CurvePoint(Value):
    """The headline with so many fresh labels; by class its labels and F1."""

    labels: int
    value: float
    classes: dict[str, tuple[int, float]] = {}


class LearningCurve(Value):
    """The worth of labels."""

    points: tuple[CurvePoint, ...]
    sentence: str


class Life(Value):
    """How long a retrained model lasts."""

    days: float | None
    """None where it did not age; in ``unit``."""
    unit: str = "days"
    sentence: str


class Policy(Value):
    """One way to keep a model fresh, simulated over the history."""

    name: str
    description: str
    value: float | None
    """Mean of the headline over the stretches."""
    retrains: int
    labels: int
    """Trained on in all."""
    by_stretch: tuple[float | None, ...] = ()
    recommended: bool = False


class Policies(Value):
    """Never, on schedule, on alarm, continuously."""

    policies: tuple[Policy, ...]
    starts: tuple[str, ...] = ()
    """When each stretch began."""
    sentence: str


class Refusal(Value):
    """Why retraining is not the answer, with both numbers."""

    cause: str
    features: tuple[str, ...] = ()
    summary: str
    repair: str
    """What undoes it."""
    repair_gain: Estimate | None
    """Of the headline, positive is better."""
    retrain_gain: Estimate | None
    """Of the best candidate trained on the faulty rows."""


class Retrain(PublishedAnswer):
    """Whether to train again, on what, and what it is worth."""

    noun: ClassVar[str] = "a report"
    writer: ClassVar[str] = "backslide retrain --json"
    format: Literal["backslide.retrain/1"] = "backslide.retrain/1"
    model: str
    recipe: str
    verdict: RetrainVerdict
    summary: str
    action: str
    reason: str
    metric: str
    higher_is_better: bool
    share: bool
    champion_value: float | None = None
    """What was served, over the stretches of the backtest."""
    recommended: str | None = None
    candidates: tuple[Candidate, ...] = ()
    """The best first."""
    stretches: tuple[Stretch, ...] = ()
    features: tuple[FeatureRank, ...] = ()
    curve: LearningCurve | None = None
    life: Life | None = None
    policies: Policies | None = None
    refusal: Refusal | None = None
    quality: tuple[str, ...] = ()
    """What stands out about the labels."""
    gate: Gate | None = None
    """Of the recommended candidate, else of the best one."""
    version: str | None = None
    """Where the artefact was written."""
    registered: str | None = None
    """URI in the MLflow registry."""
    evidence: tuple[Evidence, ...] = ()
    inputs: ShadowInputs

    @property
    def best(self) -> Candidate | None:
        """The recommended candidate, else the best one that could be tried."""
        named = [c for c in self.candidates if c.name == self.recommended]
        tried = [c for c in self.candidates if c.gain is not None]
        return next(iter([*named, *tried]), None)

    def one_line(self) -> str:
        return f"Retrain of {self.model}, {self.verdict}: {self.summary}"
