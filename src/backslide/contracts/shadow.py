"""What a shadow comparison found: old and new model on the same traffic. Renders anywhere without the data."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from backslide.contracts.diagnosis import Task
from backslide.contracts.evidence import Evidence
from backslide.contracts.finding import Estimate
from backslide.contracts.rendering import PublishedAnswer
from backslide.contracts.values import Value

Mode = Literal["log", "replay", "ab"]


class ShadowVerdict(StrEnum):
    """Which model is better."""

    NEW_BETTER = "new_better"
    OLD_BETTER = "old_better"
    NO_DIFFERENCE = "no_difference"
    MIXED = "mixed"
    INCONCLUSIVE = "inconclusive"

    @property
    def held(self) -> bool:
        """Whether the new model must not answer as it is; the command line exits with 1."""
        return self in (ShadowVerdict.OLD_BETTER, ShadowVerdict.MIXED)


class ShadowAction(StrEnum):
    """What to do now."""

    ROLL_BACK = "roll_back"
    """The old model should answer: roll back, or do not roll out."""
    KEEP = "keep"
    """The new model may answer."""
    INVESTIGATE = "investigate"


class ShadowDecision(Value):
    """What to do, and why."""

    action: ShadowAction
    reason: str


class MetricComparison(Value):
    """A metric of both models; ``difference = new - old``. None where not estimable."""

    metric: str
    higher_is_better: bool
    share: bool
    """Whether it is a fraction, shown in points."""
    old: float | None
    new: float | None
    difference: Estimate | None
    level: float = 0.95
    """Of the interval: nearer to 1 where several are read together (Bonferroni)."""
    p_value: float | None = None
    """Two-sided, that both are equally good; adjusted (Holm) where several are tested together."""
    test: str = ""
    winner: Literal["old", "new", "neither"] = "neither"
    """Whose difference is significant and material; ``neither`` is no proof that they are equal."""


class PartComparison(Value):
    """The comparison within one class or segment."""

    kind: Literal["class", "segment"]
    name: str
    rows: int
    labelled: int
    flips: float
    """Share of its rows on which the models decide differently; for numbers always 0."""
    comparison: MetricComparison | None = None
    """None with too few labelled rows."""
    masked: bool = False
    """The new model loses here although it does not lose overall."""


class Flow(Value):
    """Rows that moved from one class to another."""

    old: str
    new: str
    rows: int
    share: float
    old_right: int = 0
    new_right: int = 0
    """Labelled rows of the flow on which the one or the other is right."""


class Flips(Value):
    """Rows on which the models decide differently."""

    share: Estimate
    rows: int
    labelled: int = 0
    old_right: int = 0
    new_right: int = 0
    both_wrong: int = 0
    """Of the labelled flips."""
    flows: tuple[Flow, ...] = ()
    """The most frequent first."""


class AnswerAgreement(Value):
    """How alike the answers are, whatever the labels say."""

    rows: int
    equal: float
    """Share of rows with the same decision, or for numbers the same answer to a relative 1e-6."""
    kappa: float | None = None
    """Cohen's kappa of the decisions: agreement beyond chance."""
    score_distance: float | None = None
    """Mean absolute difference of the scores (of the positive class, or of all classes), or of the numbers."""
    correlation: float | None = None
    """Spearman's, of the same."""


class Shift(Value):
    """Mean of one quantity of the scores under both models."""

    name: Literal["confidence", "margin", "entropy", "near_boundary"]
    old: float
    new: float
    difference: Estimate


class LabelFree(Value):
    """The headline estimated without labels of these rows, from scores calibrated on labelled reference rows."""

    metric: str
    old: float
    new: float
    difference: Estimate
    assumption: str


class Worlds(Value):
    """Old and new model by old and new data: did the model change, or the world? Values of the headline metric."""

    old_model_old_data: float | None
    new_model_old_data: float | None
    old_model_new_data: float | None
    new_model_new_data: float | None
    model: Estimate | None
    """New minus old model on the new data, paired."""
    data: Estimate | None
    """New minus old data under the old model."""
    reading: str


class Imbalance(Value):
    """A column in which the groups of an A/B test differ."""

    column: str
    size: float
    """Cramer's V, or for numbers the difference of mean ranks in standard deviations."""
    p_value: float


class Assignment(Value):
    """Whether the rows of an A/B test were dealt out as planned."""

    old_rows: int
    new_rows: int
    share: Estimate
    """Of the new model."""
    planned: float | None = None
    p_value: float | None = None
    """Of the planned share; None where none was given."""
    by_day_p_value: float | None = None
    """That the share is the same on every day."""
    imbalances: tuple[Imbalance, ...] = ()
    balanced: bool
    reading: str


class ShadowInputs(Value):
    """What went in."""

    task: Task
    rows: int
    labelled: int
    sampled: bool
    days: int
    classes: tuple[str, ...] = ()
    source: str = ""
    period: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()


class Shadow(PublishedAnswer):
    """Old and new model on the same traffic: who is better, where, and what to do."""

    noun: ClassVar[str] = "a comparison"
    writer: ClassVar[str] = "backslide shadow --json"
    format: Literal["backslide.shadow/1"] = "backslide.shadow/1"
    model: str
    mode: Mode
    """``log``: both answered the same logged rows; ``replay``: stored models ran on logged rows; ``ab``: each its own rows."""
    old: str
    new: str
    """What the two are: a version, a file, or the columns."""
    verdict: ShadowVerdict
    summary: str
    decision: ShadowDecision
    metric: MetricComparison
    """The headline."""
    detectable: float | None = None
    """Smallest difference of the headline that these rows would have shown with 80 % power."""
    metrics: tuple[MetricComparison, ...] = ()
    """Every usual metric."""
    classes: tuple[PartComparison, ...] = ()
    segments: tuple[PartComparison, ...] = ()
    agreement: AnswerAgreement | None = None
    """None in an A/B test, where no row has two answers."""
    flips: Flips | None = None
    confidence: tuple[Shift, ...] = ()
    label_free: LabelFree | None = None
    worlds: Worlds | None = None
    assignment: Assignment | None = None
    evidence: tuple[Evidence, ...] = ()
    inputs: ShadowInputs

    def one_line(self) -> str:
        return f"Shadow of {self.model}, {self.verdict}: {self.summary}"
