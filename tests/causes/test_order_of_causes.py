"""Causes stand in the order in which to look at them: what can be undone before what the world did, suspicions last."""

from __future__ import annotations

import pytest

from backslide.causes.reporting.ranking import rank_causes
from backslide.contracts.cause import Cause, CauseKind, Confidence
from backslide.contracts.finding import Estimate
from backslide.stats.metrics.metric import METRICS

KINDS = {"drift": CauseKind.CONCEPT_DRIFT, "shift": CauseKind.COVARIATE_SHIFT, "unit": CauseKind.UNIT_CHANGE}


def _cause(text: str) -> Cause:
    """``unit supported -0.02``."""
    kind, confidence, points = text.split()
    return Cause(
        rank=1,
        kind=KINDS.get(kind, CauseKind.THRESHOLD_CHANGE),
        points=Estimate(estimate=float(points)),
        unit="points",
        confidence=Confidence(confidence),
        summary="",
        next_step="",
    )


@pytest.mark.parametrize(
    "causes",
    [
        ["unit supported -0.02", "drift supported -0.1"],
        ["threshold proven -0.02", "unit verified -0.01", "shift supported -0.15"],
        ["unit supported -0.01", "drift suspected -0.3"],
        ["drift supported -0.05", "unit suspected -0.2"],
        # Less than a tenth of what the world did is not where to begin.
        ["drift supported -0.2", "unit verified -0.01"],
        # A change of one's own that gains is no fault.
        ["shift supported -0.05", "threshold proven 0.03"],
    ],
    ids=" > ".join,
)
def test_what_can_be_undone_comes_first(causes: list[str]) -> None:
    ranked = rank_causes([_cause(c) for c in reversed(causes)], METRICS["accuracy"])
    assert [c.rank for c in ranked] == list(range(1, len(causes) + 1))
    assert list(ranked) == [_cause(c).model_copy(update={"rank": n}) for n, c in enumerate(causes, 1)]
