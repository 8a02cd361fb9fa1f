"""The cut of the scores: decided elsewhere than before, on all rows or on some.

In the reference the decisions follow one cut of the logged score. Either they follow another one now; or some rows still follow
the old cut while others, all of them between the old cut and a new one, are decided the other way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.case import Case, Outcomes
from backslide.causes.faults.markers import describe
from backslide.engine.window import cut_between
from backslide.stats.arrays import Floats, Mask

MIN_BETWEEN = 20
"""Rows between both cuts that are decided the new way, and rows beyond the new cut that show where it is."""
BEYOND = 0.999
"""Share of the rows that neither cut decides otherwise and that are decided so; the others were decided by hand."""
LEAST_PART = 0.1
"""Share of the rows between the cuts that must be decided the new way."""
THINNING = (0.2, 0.35, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
"""How far decisions by hand may reach, in distances between the cuts, and"""
LEVELS = tuple(float(v) for v in np.linspace(0.05, 1.0, 20))
"""how often they may be made next to the old cut."""
LIKELIER = 12.0
"""Log likelihood by which a cut must be likelier than those."""


@dataclass(frozen=True)
class ThresholdChange:
    """Decisions by another cut."""

    old: float
    """A cut that the reference follows."""
    new: tuple[float, float]
    """Largest score decided negative and smallest decided positive, of the rows that follow the new cut."""
    before: tuple[float, float]
    moved: np.ndarray
    """Current sampled rows decided otherwise than the old cut would (n_cur,)."""
    share: float
    """Share of the current rows that follow the new cut."""
    segment: str | None = None


def find_threshold_change(case: Case) -> ThresholdChange | None:
    """Another cut on the current window, None where one cut fits both windows or the decisions follow no cut."""
    problem = case.problem
    if problem.task != "binary" or problem.positive is None or not (problem.has_scores and problem.roles.prediction):
        return None
    before, after = (cut_between(side.window.frame, problem) for side in case.sides)
    if before is None:
        return None
    # The reference's cut lies anywhere in (low, high]; the configured threshold when it does, else the nearest that fits.
    old = problem.threshold if before[0] < problem.threshold <= before[1] else before[1]
    moved = decide_at(case.current.outcomes, case, old) != case.current.outcomes.predictions
    moved &= case.current.outcomes.predictions.astype(np.int64) >= 0
    if after is None:
        return _of_some(case, old, before, np.asarray(moved))
    if before[1] > after[0] and after[1] > before[0]:
        return None  # some threshold fits both windows
    return ThresholdChange(old, after, before, np.asarray(moved), 1.0)


def decide_at(served: Outcomes, case: Case, at: float) -> np.ndarray:
    """Class codes (n,) that a cut of the positive's score at ``at`` gives; what was served where there is no score."""
    assert served.scores is not None
    assert case.problem.positive is not None
    positive = case.problem.classes.index(case.problem.positive)
    score = served.scores[:, positive]
    codes = np.where(score >= at, positive, 1 - positive)
    return np.asarray(np.where(np.isfinite(score), codes, served.predictions), dtype=np.int64)


def _of_some(case: Case, old: float, before: tuple[float, float], moved: np.ndarray) -> ThresholdChange | None:
    """Rows of one side of the old cut decided otherwise up to a new cut and none beyond it."""
    assert case.problem.positive is not None
    served = case.current.outcomes
    assert served.scores is not None
    score = served.scores[:, case.problem.classes.index(case.problem.positive)]
    known = np.isfinite(score) & (served.predictions.astype(np.int64) >= 0)
    up = bool((score[moved] >= old).mean() > 0.5) if moved.any() else False
    side = known & ((score >= old) if up else (score < old))
    wrong = side & moved
    if wrong.sum() < MIN_BETWEEN or (moved & known & ~side).sum() > (1 - BEYOND) * known.sum():
        return None
    most = int((1 - BEYOND) * known.sum())
    found = (_new_cut(case, score, side, wrong, up, by_hand) for by_hand in range(min(most, int(wrong.sum()) - 1) + 1))
    told = next((f for f in found if f is not None), None)
    if told is None:
        return None
    new, share, segment = told
    return ThresholdChange(old, new, before, moved, share, segment)


def _new_cut(
    case: Case, score: Floats, side: Mask, wrong: Mask, up: bool, by_hand: int
) -> tuple[tuple[float, float], float, str | None] | None:
    """Where the rows decided otherwise end, leaving out as many as may have been decided by hand; the share of the rows that
    follow the new cut, and what marks them."""
    told = np.sort(score[wrong])
    edge = float(told[-1 - by_hand] if up else told[by_hand])
    between = side & ((score <= edge) if up else (score >= edge))
    beyond = side & ~between
    part = float(wrong[between].mean())
    if between.sum() < MIN_BETWEEN or beyond.sum() < MIN_BETWEEN or part < LEAST_PART:
        return None
    marker = describe(case, wrong, among=between)
    distance = np.abs(score[side] - (score[side].min() if up else score[side].max()))
    reach = float(distance[between[side]].max())
    if marker is None and not _ends_there(distance, wrong[side], reach):
        return None
    if marker is not None and not _ends_there(distance[marker.current[side]], wrong[side & marker.current], reach):
        return None
    edges = score[beyond & ~wrong]
    new = (edge, float(edges.min())) if up else (float(edges.max()), edge)
    return (new, part, None) if marker is None else (new, marker.share, marker.expression)


def _ends_there(distance: Floats, wrong: Mask, reach: float) -> bool:
    """Whether rows are decided otherwise at one rate up to ``reach`` beyond the old cut and then no more, as a cut does it.

    Decisions by hand lie at every score, or thin out with the distance from the cut: a cut must be likelier than either.
    """
    inside = distance <= reach
    rates = np.where(inside, wrong[inside].mean(), 0.0)
    steady = np.full(len(distance), wrong.mean())
    lines = [np.maximum(1 - distance / (reach * k), 0.0) for k in THINNING]
    curves = [np.exp(-distance / (reach * k)) for k in THINNING]
    others = [steady, *(level * shape for shape in (*lines, *curves) for level in LEVELS)]
    return _likelihood(wrong, rates) - max(_likelihood(wrong, other) for other in others) >= LIKELIER


def _likelihood(wrong: Mask, rates: Floats) -> float:
    """Log likelihood of the decisions at these rates; a few of them are made by hand at any score."""
    p = np.clip(rates, 1 - BEYOND, BEYOND)
    return float(np.log(np.where(wrong, p, 1 - p)).sum())
