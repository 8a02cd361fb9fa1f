"""What a check is: declared facts and one method.

The docstring of a check's module is its documentation page. ``needs`` that are not met make the runner write
``not_applicable: no labels``; a check never tests for them itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts.finding import Finding, Step
from backslide.engine.columns import names
from backslide.engine.columns.kinds import ColumnKind


class Need(StrEnum):
    """What a check cannot do without; the value is the reason written when it is missing."""

    LABELS = "no labels in both windows"
    PREDICTIONS = "no predictions"
    SCORES = "no scores; name them under [model] scores"
    CLASSIFICATION = "only for classifiers"
    MODEL = "no saved model; give [artifacts] reference_model"
    NUMERIC = "no numeric feature"
    CATEGORICAL = "no categorical or boolean feature"
    TEMPORAL = "no date or time feature"
    TEXT = "no column of running text"
    EMBEDDING = "no column of embeddings; log vectors as lists of numbers, or name a function under [model] embed"
    FEATURES = "no features"
    INPUTS = "no features to ask the model with"
    SEGMENTS = "no segments; name columns or conditions under [model] segments"
    SNAPSHOTS = "no snapshots of both stacks; give [artifacts] reference_snapshot and current_snapshot"

    def reason(self, case: Case) -> str:
        """Why it is not there: a model is not asked either where its raw columns are not logged and only its inputs are."""
        if self is Need.MODEL and case.problem.roles.inputs is not None:
            return "no saved model, or its raw columns are not logged; give [artifacts] reference_model and log the raw rows"
        return self.value

    def met(self, case: Case) -> bool:
        """Whether the case has it."""
        return bool(_MET[self](case))


def _has(column: str) -> Any:
    return lambda case: all(column in side.window.frame.collect_schema().names() for side in case.sides)


_MET: dict[Need, Any] = {
    Need.LABELS: lambda case: case.has_labels,
    Need.PREDICTIONS: _has(names.PREDICTION),
    Need.SCORES: lambda case: case.problem.has_scores,
    Need.CLASSIFICATION: lambda case: case.problem.classification,
    Need.MODEL: lambda case: case.reference_model is not None,
    Need.NUMERIC: lambda case: bool(case.features_of(ColumnKind.NUMERIC)),
    Need.CATEGORICAL: lambda case: bool(case.features_of(ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)),
    Need.TEMPORAL: lambda case: bool(case.features_of(ColumnKind.TEMPORAL)),
    Need.TEXT: lambda case: any(pair.free_text for pair in case.pairs.values()),
    Need.EMBEDDING: lambda case: bool(case.features_of(ColumnKind.EMBEDDING) or case.settings.model.embed),
    Need.FEATURES: lambda case: bool(case.comparable),
    Need.INPUTS: lambda case: case.inputs_known,
    Need.SEGMENTS: lambda case: bool(case.segments),
    Need.SNAPSHOTS: lambda case: case.snapshots is not None,
}


@dataclass(frozen=True)
class Scenario:
    """The smallest data on which a check or signature must fire."""

    reference: pl.DataFrame
    current: pl.DataFrame
    model: dict[str, Any] = field(default_factory=dict)
    """Keys of [model]: roles, task, metric."""
    artefact: Any = None
    subject: str = ""
    """Column, class or word that the finding must be about."""
    snapshots: tuple[Any, Any] | None = None
    """Snapshots of the stacks that served the two windows."""
    sound: pl.DataFrame | None = None
    """Of a fault: the current rows as they would have been served without it."""


class Check(ABC):
    """One question of one step."""

    code: ClassVar[str]
    title: ClassVar[str]
    step: ClassVar[Step]
    needs: ClassVar[tuple[Need, ...]] = ()
    family: ClassVar[bool] = True
    """Whether its p-values belong to the report's one false-discovery family; the verdict's own tests stand outside."""
    quick: ClassVar[bool] = False
    """Whether it runs in a quick diagnosis too: verdicts and causes are found without any check, so few do."""
    travels: ClassVar[bool] = True
    """Whether another process may do it, which has the samples and profiles: it reads no other rows, and leaves nothing behind
    on the case or its models but notes."""
    effort: ClassVar[int] = 0
    """How long it takes beside others, where that is long: a worker begins with the highest, and the process that has it with the
    lowest, which are below 0. What shares a dear result stands next to each other, so that one process computes it."""
    thresholds: Any = None
    """A small frozen dataclass; its fields can be set under [checks.CODE]."""

    def __init__(self, thresholds: Any = None) -> None:
        if thresholds is not None:
            self.thresholds = thresholds

    @abstractmethod
    def run(self, case: Case) -> Iterable[Finding]:
        """Findings about the case; a finding per subject that was looked at, also when it is quiet."""

    @staticmethod
    @abstractmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Data on which the check must report ``warn`` or worse about ``subject``."""
