"""What a signature is, the hypotheses that it yields, and the fault that they make together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Mask
from backslide.stats.change.effect import Effect, nothing


@dataclass(frozen=True)
class Hypothesis:
    """A fault that the current window may have."""

    signature: Remedy
    features: tuple[str, ...]
    seen: str
    """What was seen, as the sentence of the cause: "income is 12 times what it was"."""
    undo: str
    """What the repair does: "divide income by 12"."""
    evidence: tuple[str, ...]
    """Keys of the findings that show it."""
    exact: bool
    """Whether the signature is specific enough to be named without a price; else a repair must bring points back."""
    reversible: bool
    """Whether the repair restores the values, rather than guessing them from the other columns."""
    rows: Mask
    """Rows of the current sample that it touches (n_cur,)."""
    params: dict[str, Any] = field(default_factory=dict)
    mechanism: str = ""
    """Hypotheses of one kind with the same mechanism are one cause over several columns."""
    segment: str | None = None
    """Expression over columns that marks the rows concerned, where something does."""
    where: Mask | None = None
    """Rows of the current sample that the expression selects (n_cur,)."""
    near: bool = False
    """Whether the repair, though it guesses, comes nearer to what was lost than the same loss on other rows tells."""

    @property
    def kind(self) -> CauseKind:
        """Kind of the cause it would be."""
        return self.signature.kind

    @property
    def share_of_rows(self) -> float:
        """Share of the current rows concerned."""
        return float(self.rows.mean()) if len(self.rows) else 0.0


class Remedy(ABC):
    """How a fault is undone and done."""

    injectable: ClassVar[bool] = True
    """Whether it is known how to do it to other rows."""
    kind: CauseKind

    @abstractmethod
    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` (rows of the current sample) with the fault undone."""

    @abstractmethod
    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` (rows of the reference sample) with the fault done to it."""


def evidence_of(pair: Pair) -> str:
    """Key of the finding that shows how a column moved."""
    return f"{'DRF001' if pair.numeric else 'DRF002'}:{pair.name}"


def scenario_with(
    damage: Callable[[pl.DataFrame], pl.DataFrame], rng: np.random.Generator, subject: str = "income"
) -> Scenario:
    """Two months of which the second passed through ``damage`` (features in, features out) before it was served."""
    current = scenarios.rescored(damage(scenarios.next_month(rng)))
    reference = scenarios.rescored(scenarios.served(rng))
    return Scenario(reference, current, dict(scenarios.ROLES), scenarios.TrueModel(), subject)


class Signature(Remedy):
    """A family of faults: how it is recognised, undone, and done.

    The docstring of its module is its documentation page.
    """

    title: ClassVar[str]
    reversible: ClassVar[bool] = False
    """Whether a repair restores the values; a hypothesis may say otherwise."""

    @abstractmethod
    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """Hypotheses about the current sample, from inputs alone (labels are for pricing, not for recognising)."""

    def hypothesis(
        self,
        pair: Pair,
        seen: str,
        undo: str,
        rows: Mask | None = None,
        *,
        exact: bool = True,
        mechanism: str = "",
        evidence: tuple[str, ...] | None = None,
        **params: Any,
    ) -> Hypothesis:
        """That ``pair`` has the fault, on ``rows`` or all of them; the evidence is its move, unless other is given."""
        return Hypothesis(
            signature=self,
            features=(pair.name,),
            seen=seen,
            undo=undo,
            evidence=evidence or (evidence_of(pair),),
            exact=exact,
            reversible=self.reversible,
            rows=np.ones(len(pair.current), bool) if rows is None else rows,
            params=params,
            mechanism=mechanism,
        )

    @staticmethod
    @abstractmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Data in which the fault is the first cause; ``subject`` names the column."""


@dataclass(frozen=True)
class Fault:
    """Hypotheses of one kind and one mechanism: one cause over one or several columns, and its price once it was tried out.

    Effects are changes of the target metric.
    """

    hypotheses: tuple[Hypothesis, ...]
    suspects: frozenset[str] = frozenset()
    """Columns of any fault that was recognised: none of them is a witness when values are filled in."""
    repair_effect: Effect | None = None
    """When it is undone on the current rows; None where it was not tried out."""
    repair_loss: Effect | None = None
    """Of the mean row loss, likewise."""
    loss_is_accuracy: bool = False
    """Whether that loss is the accuracy, for want of scores."""
    injection_effect: Effect | None = None
    """When it is done to the reference rows."""
    by_harm: tuple[str, ...] = ()
    """The columns, most harmful first, where each was tried out alone."""
    log_only: bool = False
    """Whether what was served follows the values without the fault: the log is wrong, the model was not given them."""
    filling_cost: Effect | None = None
    """What the repair's guesses lose beside the true values: what the same guesses cost on reference rows."""
    share: Effect | None = None
    """Its part of the change, where it was priced beside others."""
    share_of_loss: bool = False
    """Whether that is the part of what was lost that is not lost without its column, so that the world has no part in it."""

    @property
    def kind(self) -> CauseKind:
        """Kind of the cause."""
        return self.hypotheses[0].kind

    @property
    def features(self) -> tuple[str, ...]:
        """Every column touched, most harmful first where that is known."""
        return self.by_harm or tuple(dict.fromkeys(f for h in self.hypotheses for f in h.features))

    @property
    def segment(self) -> str | None:
        """What marks the rows concerned; None where nothing does."""
        segments = {h.segment for h in self.hypotheses}
        return segments.pop() if len(segments) == 1 else None

    @property
    def exact(self) -> bool:
        """Whether every signature is specific by itself."""
        return all(h.exact for h in self.hypotheses)

    @property
    def reversible(self) -> bool:
        """Whether the repair restores the values."""
        return all(h.reversible for h in self.hypotheses)

    @property
    def rows(self) -> Mask:
        """Rows of the current sample touched by any of them."""
        return np.asarray(np.logical_or.reduce([h.rows for h in self.hypotheses]))

    @property
    def points(self) -> Effect | None:
        """The part of the change that the fault accounts for, signed like the change; its share of several.

        A reversible fault is priced by its repair, as those are the very rows, and so is one whose repair comes near to what was
        lost and clearly pays. What else cannot be restored is priced by injection; where
        that alone could be noise and filling the values in clearly brings points back, both have a say.
        """
        if self.share is not None:
            return self.share
        repair, injection = self.repair_effect, self.injection_effect
        if self.log_only:
            return nothing(len(next((e.replicates for e in (repair, injection) if e is not None), [])))
        near = self.reversible or (repair is not None and repair.clear and all(h.near for h in self.hypotheses))
        if injection is None or (near and repair is not None):
            lost = None if repair is None else -repair
            return lost + self.filling_cost if lost is not None and self.filling_cost is not None else lost
        if repair is not None and repair.clear and not injection.clear and self.repair_serves:
            return injection.pooled(-repair)
        return injection

    @property
    def repair_serves(self) -> bool:
        """Whether rows are served better by the row loss once the fault is undone: log loss and errors fall then, and accuracy,
        the loss of classes without scores, rises. Guesses in place of what is lost may serve them worse."""
        return self.repair_loss is None or (self.repair_loss.value > 0) == self.loss_is_accuracy

    @property
    def injectable(self) -> bool:
        """Whether it is known how to do it to other rows."""
        return all(h.signature.injectable for h in self.hypotheses)

    def repair(self, case: Case, frame: pl.DataFrame) -> pl.DataFrame:
        """All of them undone on the current sample."""
        case = case.suspecting(self.suspects)
        for h in self.hypotheses:
            frame = h.signature.repair(case, h, frame)
        return frame

    def inject(self, case: Case, frame: pl.DataFrame) -> pl.DataFrame:
        """All of them done to the reference sample."""
        case = case.suspecting(self.suspects)
        for h in self.hypotheses:
            frame = h.signature.inject(case, h, frame)
        return frame
