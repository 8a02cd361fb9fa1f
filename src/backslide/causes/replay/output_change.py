"""`output_change`: the answers were altered after the model gave them.

Scores written in another unit (percents, log odds, another factor) in one window only are seen when the windows are opened; they
are converted before anything is computed, and the change is named here. The others are seen by replay: on the rows that differ
(all, those that a column marks, or a share of them) what was served is the saved model's answer so altered:

- answers of classes that stand in each other's place;
- answers cut off at a limit, or written with few digits;
- each row served with the answer of the row some places before or after it in the log or in time (`ROWS_AWAY`);
- a calibration that is new, gone or fitted again: log odds times a number plus another, or a rising function of the scores;
- numbers multiplied, raised, or on a logarithmic scale, or another rising function of them.

Half of the rows find the numbers of an alteration and the other half must follow it to the tolerance of the replay. That is no
proof where the model has one feature, for every model of it is a function of every other: there it stays `model_change`.
A function of the answers is asked for after another preprocessing, which is the more specific name.

Without a saved model the same is asked of a formula recovered from the reference's answers, where they are one. Elsewhere
rules by which inputs tell answers are compared (`supported`): a function of what a stand-in answers, the answers of other rows,
or one in place of many. What scores alone show is `suspected`: the unit from the range of the scores, exchanged classes from
predictions (or, where none are logged, labels) that the scores contradict in the current window and not in the reference. With
labels alone the inputs must contradict the scores too, for labels that were turned round look the same. A saved model that
reproduces the reference and, once the alteration is undone, the current window makes it `proven`. Scores out of place in both
windows are no change: they are refused with the probable fix. Of three classes or more, decisions and scores that were exchanged
together are told by the labels (`exchanged_by_labels`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from backslide.case import Case, Outcomes, decide
from backslide.causes.pricing.surrogate import fit_surrogate
from backslide.causes.replay.answer_change import AnswerChange
from backslide.causes.replay.rollout import find_rollout
from backslide.causes.reporting.timing import fault_onset
from backslide.contracts import say
from backslide.contracts.cause import Cause, CauseKind, Confidence, Repair
from backslide.engine.columns import names
from backslide.engine.roles.score_direction import direction, put_right
from backslide.engine.roles.score_scale import AlteredScores
from backslide.playbook.shadow.replay import replay
from backslide.stats.arrays import Mask

TURNED = -0.5
"""Rank correlation of served scores with those that the inputs lead to expect from which on they run against each other."""


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


def _rows(case: Case, one: AlteredScores) -> Mask:
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
