"""The order in which the causes of a diagnosis are to be looked at."""

from __future__ import annotations

from backslide.contracts.cause import Cause, Confidence
from backslide.stats.metrics.metric import Metric

BESIDE = 0.1
"""Harm of a fault, in parts of the largest supported cause in the world, from which it comes before it."""


def rank_causes(causes: list[Cause], target: Metric) -> tuple[Cause, ...]:
    """What was done to rows or stack first, then what the world did, then what is only suspected; within each by harm.

    A fault is priced on the same rows and can be undone today. The world's part is a split between different rows, which drift of
    the season swells, and what is to be learned anew from rows that are still broken would learn the fault.
    """

    def harm(cause: Cause) -> float:
        return target.harm(cause.points.estimate) if cause.points is not None else 0.0

    supported = [cause for cause in causes if cause.confidence.rank >= Confidence.SUPPORTED.rank]
    of_the_world = max((harm(cause) for cause in supported if cause.kind.family == "the world"), default=0.0)

    def group(cause: Cause) -> int:
        if cause not in supported:
            return 2
        fault = cause.kind.family != "the world" and harm(cause) > 0 and harm(cause) >= BESIDE * of_the_world
        return 0 if fault else 1

    ordered = sorted(causes, key=lambda cause: (group(cause), -harm(cause), cause.kind.precedence))
    return tuple(cause.model_copy(update={"rank": rank}) for rank, cause in enumerate(ordered, 1))
