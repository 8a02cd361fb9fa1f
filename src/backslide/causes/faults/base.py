"""What a signature says it has recognised, and what a signature is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backslide.case import Case
from backslide.contracts.cause import CauseKind
from backslide.playbook.base import Scenario


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
    rows: NDArray[np.bool_]
    """Rows of the current sample that it touches (n_b,)."""
    params: dict[str, Any] = field(default_factory=dict)
    mechanism: str = ""
    """Hypotheses of one kind with the same mechanism are one cause over several columns."""
    segment: str | None = None
    """Expression over columns that marks the rows concerned, where something does."""
    where: NDArray[np.bool_] | None = None
    """Rows of the current sample that the expression selects (n_b,)."""

    @property
    def kind(self) -> CauseKind:
        """Kind of the cause it would be."""
        return self.signature.named()

    @property
    def share_of_rows(self) -> float:
        """Share of the current rows concerned."""
        return float(self.rows.mean()) if len(self.rows) else 0.0


class Remedy(ABC):
    """How a fault is undone and done."""

    @abstractmethod
    def named(self) -> CauseKind:
        """Kind of the fault."""

    @abstractmethod
    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` (rows of the current sample) with the fault undone."""

    @abstractmethod
    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` (rows of the reference sample) with the fault done to it."""


class Signature(Remedy):
    """A family of faults: how it is recognised, undone, and done.

    The docstring of its module is its documentation page.
    """

    kind: ClassVar[CauseKind]
    title: ClassVar[str]

    def named(self) -> CauseKind:
        """Kind of the faults of this family."""
        return self.kind

    @abstractmethod
    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """Hypotheses about the current sample, from inputs alone (labels are for pricing, not for recognising)."""

    @staticmethod
    @abstractmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Data in which the fault is the first cause; ``subject`` names the column."""
