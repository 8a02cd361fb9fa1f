"""`output_change`: the answers were altered after the model gave them.

Scores written in another unit (percents, log odds, another factor) in one window only are seen when the windows are opened; they
are converted before anything is computed, and the change is named here. Scores of classes that stand in each other's place, cut
off at a limit, or rounded are seen by replay: what was served is the saved model's answer so altered.

Without a saved model a change is `suspected`: the unit from the range of the scores, exchanged classes from predictions (or,
where none are logged, labels) that the scores contradict in the current window and not in the reference. With labels alone the
inputs must contradict the scores too, for labels that were turned round look the same. A saved model that reproduces the
reference and, once the alteration is undone, the current window makes it `proven`. Scores out of place in both windows are no
change: they are refused with the probable fix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from backslide.case import Case, Outcomes, decide
from backslide.causes.pricing.surrogate import fit_surrogate
from backslide.causes.replay.rollout import find_rollout
from backslide.causes.reporting.timing import fault_onset
from backslide.contracts import say
from backslide.contracts.cause import Cause, CauseKind, Confidence, Repair
from backslide.engine.columns import names
from backslide.engine.roles.score_direction import direction, put_right
from backslide.engine.roles.score_scale import AlteredScores
from backslide.playbook.shadow.replay import AGREE, Replayed, replay

Floats = NDArray[np.float64]
DIGITS = (0, 1, 2, 3)
"""Decimal places to which scores may have been rounded."""
ROUNDED = 1e-9
"""Distance of a rounded score from its decimal."""
MOST_CLASSES = 50
"""Classes up to which their order is looked for."""
TURNED = -0.5
"""Rank correlation of served scores with those that the inputs lead to expect from which on they run against each other."""


@dataclass(frozen=True)
class AnswerChange:
    """Served scores as an alteration of what the model answers."""

    undone: Outcomes
    seen: str
    undo: str
    features: tuple[str, ...]
    classes: tuple[str, ...] = ()


def find_unit_changes(case: Case, rank: int) -> tuple[Cause, ...]:
    """Causes for scores that one window alone has in another unit; ranks count on from ``rank``."""
    return tuple(_unit_cause(case, one, rank + i) for i, one in enumerate(case.altered))


def _unit_cause(case: Case, one: AlteredScores, rank: int) -> Cause:
    proven = _replays(case)
    when, segment, rows = {}, None, _rows(case, one)
    if one.window == "current":
        if not one.every_row:
            segment = find_rollout(case, rows, np.ones(len(rows), bool)).segment
        found = fault_onset(case, rows)
        when = {} if found is None else {"since": found[0].at, "until": found[1], "began": found[0]}
    how = "; with that undone the saved model gives what was served" if proven else ""
    where = f", where {segment}" if segment is not None else ""
    return Cause(
        rank=rank,
        kind=CauseKind.OUTPUT_CHANGE,
        features=one.columns,
        segment=segment,
        points=None,
        confidence=Confidence.PROVEN if proven else Confidence.SUSPECTED,
        share_of_rows=min(max(one.share, 0.0), 1.0),
        repair=Repair(description=one.undo),
        next_step=f"{CauseKind.OUTPUT_CHANGE.remedy[:-1]} ({one.undo}).",
        summary=f"{say.sentence(one.seen)[:-1]}{where}{how}; it is undone in every number here, so it has no price, but whoever "
        "reads the scores as they were takes them for something else.",
        **when,
    )


def _rows(case: Case, one: AlteredScores) -> NDArray[np.bool_]:
    """Rows of the current sample concerned (n_cur,)."""
    sample = case.current.sample
    if one.every_row or names.CONVERTED not in sample.columns:
        return np.ones(sample.height, bool)
    return np.asarray(sample[names.CONVERTED].fill_null(False).to_numpy(), bool)


def _replays(case: Case) -> bool:
    """Whether the saved model reproduces both windows now that the unit is undone."""
    if case.reference_model is None or not case.inputs_known:
        return False
    done = replay(case)
    return done.faithful and done.current.agrees


def find_answer_change(case: Case, done: Replayed) -> AnswerChange | None:
    """What was done to the saved model's answers so that they are what was served; None where nothing simple was."""
    served, answered = case.current.outcomes, done.answered.outcomes
    if served.scores is None or answered.scores is None or not done.comparable.any():
        return None
    rows, columns = done.comparable, tuple(case.problem.roles.scores.values())
    a, s = answered.scores[rows], served.scores[rows]
    others = rows & ~done.equal  # some hosts or days may have their answers right
    order = _order(answered.scores[others], served.scores[others], done.tolerance)
    if order is not None:
        moved = tuple(case.problem.classes[i] for i, j in enumerate(order) if i != j)
        taken = tuple(case.problem.roles.scores[c] for c in moved if c in case.problem.roles.scores)
        return AnswerChange(
            answered,
            f"the scores of {say.listed([repr(c) for c in moved])} stand in each other's place: what was served is "
            "what the saved model gives with these classes exchanged",
            "give each score to its own class",
            taken or columns,
            moved,
        )
    low, high = float(s.min()), float(s.max())
    at_a_limit = int(((s == low) | (s == high)).any(axis=1).sum())
    if _same(np.clip(a, low, high), s, done.tolerance) and at_a_limit >= LEAST_HELD:
        seen = (
            f"scores are cut off at {say.number(low)} and {say.number(high)}: what was served is what the saved model gives "
            "within them"
        )
        return AnswerChange(answered, seen, "serve the scores without the limits", columns)
    for digits in DIGITS:
        if _same(np.round(answered.scores[others], digits), served.scores[others], ROUNDED):
            seen = (
                f"scores are rounded to {digits} decimal places: what was served is the saved model's answer so rounded"
            )
            return AnswerChange(answered, seen, "serve the scores as the model gives them", columns)
    return None


def _same(one: Floats, other: Floats, tolerance: float) -> bool:
    return bool((np.abs(one - other) <= tolerance).all(axis=1).mean() >= AGREE)


LEAST_HELD = 20
"""Rows at a limit from which it is one."""


def _order(answered: Floats, served: Floats, tolerance: float) -> tuple[int, ...] | None:
    """Class whose answer each served column holds, where that is another order on nearly every row."""
    k = served.shape[1]
    if k < 2 or k > MOST_CLASSES:
        return None
    head = slice(0, 200)
    near = np.abs(served[head, :, None] - answered[head, None, :]).mean(axis=0)
    order = tuple(int(j) for j in near.argmin(axis=1))
    if order == tuple(range(k)) or len(set(order)) < k:
        return None
    return order if _same(answered[:, list(order)], served, tolerance) else None


def find_exchanged_classes(case: Case) -> AnswerChange | None:
    """Scores that contradict what was decided (or, without logged predictions, the labels) now and did not before."""
    logged = case.problem.roles.prediction is not None
    before, after = (direction(side.outcomes, case.problem, logged=logged) for side in case.sides)
    if before is None or after is None or before.wrong or not after.wrong:
        return None
    served = case.current.outcomes
    assert served.scores is not None
    if not logged and not _inputs_contradict(case):
        return None
    scores = put_right(served.scores, after.order)
    moved = tuple(case.problem.classes[i] for i in after.moved)
    predictions = served.predictions if logged else decide(scores, case.problem)
    columns = tuple(case.problem.roles.scores[c] for c in moved if c in case.problem.roles.scores)
    seen = (
        f"the scores of {say.listed([repr(c) for c in moved])} stand in each other's place in the current window: they "
        f"contradict its {after.by} ({after.fact}), and in the reference they did not"
    )
    return AnswerChange(
        Outcomes(served.labels, predictions, scores),
        seen,
        "give each score to its own class",
        columns or tuple(case.problem.roles.scores.values()),
        moved,
    )


def _inputs_contradict(case: Case) -> bool:
    """Whether the current scores run against what the inputs lead to expect, by a stand-in learned on the reference.

    Where no stand-in can be learned nothing is known of the inputs, and labels alone must do.
    """
    served = case.current.outcomes
    assert served.scores is not None
    model, _ = fit_surrogate(case)
    if model is None:
        return True
    expected = case.answered(model, case.current.sample).outcomes.scores
    if expected is None:
        return True
    known = np.isfinite(served.scores).all(axis=1) & np.isfinite(expected).all(axis=1)
    told = spearmanr(expected[known].ravel(), served.scores[known].ravel()).statistic
    return bool(np.isfinite(told) and told <= TURNED) if len(case.problem.classes) == 2 else bool(told < 0.5)


def add_output_changes(case: Case, causes: Sequence[Cause], harmless: Sequence[Cause]) -> tuple[tuple[Cause, ...], ...]:
    """Causes and harmless causes with altered answers among the causes, whatever they cost the headline.

    Who reads the scores is harmed by them where decisions are not.
    """
    moved = [c for c in harmless if c.kind == CauseKind.OUTPUT_CHANGE]
    kept = [c for c in harmless if c.kind != CauseKind.OUTPUT_CHANGE]
    made = [*causes, *moved, *find_unit_changes(case, 1)]
    return tuple(tuple(c.model_copy(update={"rank": i}) for i, c in enumerate(some, 1)) for some in (made, kept))


def describe_output_changes(case: Case, causes: Sequence[Cause], told: Sequence[Cause]) -> tuple[str, ...]:
    """Sentences on altered answers that the verdict's own sentence, which tells of ``told``, does not hold."""
    units = [say.sentence(one.seen) for one in case.altered]
    others = [c for c in causes if c.kind == CauseKind.OUTPUT_CHANGE and c.points is not None]
    known = {c.summary for c in told}
    return (*units, *(say.sentence(c.summary) for c in others if c.summary not in known))
