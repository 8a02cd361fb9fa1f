"""Causes that are our own change and need no statistics: another model answered, or another threshold decides.

`model_change`: the saved model reproduces the reference and not the current window. `threshold_change`: in both windows the
decisions follow one cut of the logged scores, and the cuts differ. Both are exact replays; only their price has an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backslide.case import Case, Outcomes, decide
from backslide.causes.hypotheses import Fault
from backslide.causes.verify import Bench
from backslide.contracts.cause import CauseKind
from backslide.engine.window import cut_between
from backslide.playbook.shadow.replay import replay, replayed
from backslide.stats.effect import Effect
from backslide.stats.metrics import class_metric

MIN_CLASS_SHARE = 0.25
"""Share of the worst class's harm from which a class is named beside it."""


@dataclass(frozen=True)
class Replaced:
    """A proven change of our own, its price, and the current outcomes without it."""

    kind: CauseKind
    effect: Effect | None
    undone: Outcomes
    seen: str
    undo: str
    share_of_rows: float
    classes: tuple[str, ...]
    evidence: tuple[str, ...]


def replaced(bench: Bench, log_only: Sequence[Fault] = (), lost: Sequence[Fault] = ()) -> Replaced | None:
    """The model or threshold change that replay proves, None where there is none.

    Faults of the log alone are undone first, and rows on which values are ``lost`` are left out: the model may have been given
    what the log no longer holds, so they prove nothing about it.
    """
    case = bench.case
    if case.reference_model is not None and case.pairs:
        done = replay(case)
        if done.swapped and log_only:
            frame = case.current.sample
            for fault in log_only:
                frame = fault.repair(case, frame)
            done = replace(done, current=replayed(case, case.reference_model, case.current, frame))
        if done.swapped and lost:
            done = replace(done, current=done.current.on(~np.logical_or.reduce([fault.rows for fault in lost])))
        if done.swapped:
            share = 1 - done.current.share
            seen = (
                f"the saved model does not reproduce {share:.1%} of the current predictions, while it reproduces "
                f"{done.reference.share:.1%} of the reference: another model answers"
            )
            if done.successor is not None and done.successor.agrees:
                seen += ", the one given as current_model"
            undone = done.current.answered.outcomes
            # Rows that the old model cannot answer keep what was served: they prove nothing.
            undone = _filled(undone, case.current.outcomes, done.current.answered.failed)
            return _priced(
                bench, CauseKind.MODEL_CHANGE, undone, seen, "let the saved model answer", share, "SHD001:current",
                lambda: _by_successor(case),
            )  # fmt: skip
    return _threshold(bench)


def _threshold(bench: Bench) -> Replaced | None:
    case = bench.case
    problem = case.problem
    if problem.task != "binary" or problem.positive is None or not (problem.has_scores and problem.roles.prediction):
        return None
    before, after = (cut_between(side.window.frame, problem) for side in case.sides)
    if before is None or after is None:
        return None
    (low_g, high_g), (low_b, high_b) = before, after
    if high_g > low_b and high_b > low_g:
        return None  # some threshold fits both windows
    served = case.current.outcomes
    assert served.scores is not None
    # The reference's cut lies anywhere in (low, high]; the configured threshold when it does, else the nearest that fits.
    at = problem.threshold if low_g < problem.threshold <= high_g else high_g
    positive = problem.classes.index(problem.positive)
    codes = np.where(served.scores[:, positive] >= at, positive, 1 - positive)
    codes = np.where(np.isfinite(served.scores[:, positive]), codes, decide(served.scores, problem))
    undone = Outcomes(served.labels, codes.astype(np.int64), served.scores)
    seen = (
        f"scores of {problem.positive!r} are cut between {low_b:.4g} and {high_b:.4g} into decisions, "
        f"between {low_g:.4g} and {high_g:.4g} before"
    )
    moved = float(np.mean(codes != served.predictions))
    return _priced(
        bench, CauseKind.THRESHOLD_CHANGE, undone, seen, f"cut at {at:.4g} again", moved, "DRF004:prediction",
        lambda: _recut(case, positive, problem.threshold if low_b < problem.threshold <= high_b else high_b),
    )  # fmt: skip


def _recut(case: Case, positive: int, at: float) -> Outcomes:
    """The reference decided at another threshold."""
    served = case.reference.outcomes
    assert served.scores is not None
    codes = np.where(served.scores[:, positive] >= at, positive, 1 - positive)
    return Outcomes(served.labels, np.where(served.predictions.astype(np.int64) < 0, -1, codes), served.scores)


def _by_successor(case: Case) -> Outcomes | None:
    """The reference answered by the model given as the current one; None where none is given."""
    if case.current_model is None:
        return None
    return case.answered(case.current_model, case.reference.sample).outcomes


def _priced(
    bench: Bench, kind: CauseKind, undone: Outcomes, seen: str, undo: str, share: float, evidence: str,
    injected: Callable[[], Outcomes | None],
) -> Replaced:  # fmt: skip
    """With its price: on the current labels, or before they come by doing the same to the labelled reference."""
    case = bench.case
    effect: Effect | None = None
    classes: tuple[str, ...] = ()
    if bench.current_labels:
        effect = bench.score(case.current, case.current.outcomes).metric - bench.score(case.current, undone).metric
        classes = _classes_hit(bench, undone)
    elif bench.reference_labels and (done := injected()) is not None:
        change = bench.score(case.reference, done).metric - bench.score(case.reference, case.reference.outcomes).metric
        ratio = len(bench.rows(case.reference)) / max(case.current.sample.height, 1)
        effect = change.scaled(float(np.sqrt(1 + ratio)))
    return Replaced(kind, effect, undone, seen, undo, share, classes, (evidence,))


def _classes_hit(bench: Bench, undone: Outcomes) -> tuple[str, ...]:
    """Classes whose F1 the change lowers by more than noise, worst first."""
    case = bench.case
    if case.problem.task != "multiclass":
        return ()
    rows, k = bench.rows(case.current), len(case.problem.classes)
    draw = bench.draw(case.current)
    found: list[tuple[float, str]] = []
    for index, label in enumerate(case.problem.classes):
        metric = class_metric("f1", index, label)
        sums = [o.take(rows).statistics(metric, k) for o in (case.current.outcomes, undone)]
        served, old = (Effect(float(metric.value(s.sum(0))), metric.value(draw.sums(s))) for s in sums)
        lost = served - old
        if np.isfinite(lost.value) and lost.value < 0 and lost.clear:
            found.append((lost.value, label))
    found.sort()
    return tuple(label for lost, label in found[:4] if lost <= MIN_CLASS_SHARE * found[0][0])


def _filled(undone: Outcomes, served: Outcomes, failed: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Outcomes:
    if not failed.any():
        return undone
    predictions = np.where(failed, served.predictions, undone.predictions)
    scores = undone.scores
    if scores is not None and served.scores is not None:
        scores = np.where(failed[:, None], served.scores, scores)
    return Outcomes(undone.labels, predictions, scores)


def stand_in_is_faithful(case: Case) -> bool:
    """Whether the saved model reproduces the reference, so that repairs computed with it are about what was served."""
    return case.reference_model is not None and bool(case.pairs) and replay(case).faithful
