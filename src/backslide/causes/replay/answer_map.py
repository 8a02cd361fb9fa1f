"""What was served as a function of the saved model's answer: a line, a line on the log odds, or any rising function.

Half of the rows that differ find the line (least absolute deviations by reweighting, so that odd rows do not turn it), and the
others must follow it. A rising function needs no fit: in the order of the answers, what was served never falls. Two models that
were trained apart never stand in such an order, unless a single feature decides both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backslide.case import Case
from backslide.causes.replay.answer_change import AnswerChange, Answers, values
from backslide.contracts import say
from backslide.playbook.shadow.replay import AGREE, ReplayResult
from backslide.stats.arrays import Floats, Mask

MIN_ROWS = 60
"""Rows that differ from which a line is fitted to half of them."""
MIN_ORDERED = 200
"""Different answers, or different served values, from which an order among them is no chance."""
MIN_STEPS = 10
"""Different values that the other of both must have: a calibration by steps has as many, a decision tree exchanged fewer."""
FALLS = 0.002
"""Share of neighbours that may stand the wrong way round: odd rows make two each. Of two models it is up to a half."""
SHARP = 0.01
"""Tolerance, as a share of the spread of what was served, beyond which agreement proves nothing."""
WIDER = 2.0
"""Half steps of rounded answers that a line fitted to such answers may miss by."""
FITS = 12
"""Rounds of reweighting."""
MOST_DECIMALS = 6
SATURATED = 1e-9
"""Scores nearer to 0 or 1 have no log odds to speak of; they are left out."""
EXACT = 1e-3
"""Distance from 1 of a factor, and from 0 of a constant on the log odds, under which it is none."""
HUGE = 1e100
"""Numbers on another scale from which their squares are no numbers any more."""
ASKED = 300
"""Rows on which the model is asked which columns it uses."""
FELT = 0.05
"""Share of them that the values of other rows in a column it uses must move."""
SCALES: tuple[tuple[str, Callable[[Floats], Floats]], ...] = (
    ("{}", lambda x: x),
    ("the exponential of {}", np.exp),
    ("the logarithm of {}", np.log),
    ("the logarithm of 1 + {}", np.log1p),
    ("the square of {}", np.square),
    ("the square root of {}", np.sqrt),
)
"""Scales on which numbers may have been written: what the model learned, or what should have been undone."""


def find_answer_map(case: Case, done: ReplayResult, concerned: Mask) -> AnswerChange | None:
    """The function of the saved model's answers that is what was served; None where there is none, or one proves nothing."""
    answers = Answers(case, done, concerned)
    if answers.altered.sum() < MIN_ROWS or not (answers.numbers or answers.scored):
        return None
    found = (_line if answers.numbers else _log_odds)(answers) or _rising(answers)
    return found if found is not None and _uses_several(answers) else None


def _uses_several(answers: Answers) -> bool:
    """Whether the model's answers rest on more than one column; a text or an embedding is many by itself."""
    case, model = answers.case, answers.case.reference_model
    assert model is not None
    rows = np.flatnonzero(answers.comparable)[:ASKED]
    frame = case.current.sample[rows]
    plain = values(case.answered(model, frame).outcomes, answers.scored)
    used = 0
    for column in case.problem.features:
        turned = frame.with_columns(frame[column].reverse())
        other = values(case.answered(model, turned).outcomes, answers.scored)
        felt = (np.abs(other - plain) > answers.tolerance * np.maximum(1.0, np.abs(plain))).any(axis=1)
        used += 0 if felt.mean() < FELT else 1 if column in case.pairs else 2
        if used > 1:
            return True
    return False


def _line(answers: Answers) -> AnswerChange | None:
    """Numbers multiplied and raised, on some scale."""
    fit, check = _halves(answers)
    served, given = answers.served[:, 0], answers.model[:, 0]
    tolerance = _tolerance(answers)
    if tolerance is None:
        return None
    for words, scale in SCALES:
        with np.errstate(all="ignore"):
            on_scale = scale(given)
        known = fit[np.abs(on_scale[fit]) < HUGE]  # not so where it is NaN
        if len(known) < AGREE * len(fit) or float(np.ptp(on_scale[known])) == 0:
            continue
        slope, offset = _least_deviations(on_scale[known], served[known], np.ones(len(known)))
        near = np.abs(slope * on_scale[check] + offset - served[check]) <= tolerance[check]
        if near.mean() < AGREE:
            continue
        if abs(offset) <= np.median(tolerance):
            offset = 0.0
        times = "" if abs(slope - 1) <= 1e-6 else f"{say.number(slope)} times "
        plus = "" if offset == 0 else f" {'plus' if offset > 0 else 'minus'} {say.number(abs(offset))}"
        name = words.format(f"what {answers.model_name} gives")
        return answers.change(
            f"predictions are altered behind the model: what was served is {times}{name}{plus}",
            "serve the predictions as the model gives them",
            # No type can be inferred for the default of a lambda:
            lambda x, a=slope, b=offset, scale=scale: a * scale(x) + b,  # type: ignore[misc]
        )
    return None


def _log_odds(answers: Answers) -> AnswerChange | None:
    """Scores calibrated anew: the log odds of every class against one of them are multiplied by a number and raised."""
    tolerance = _tolerance(answers)
    if tolerance is None or answers.every_served.shape[1] < 2:
        return None
    problem = answers.case.problem
    k = answers.every_served.shape[1]
    binary = answers.positive is not None
    base = int(answers.every_model.mean(axis=0).argmax()) if answers.positive is None else 1 - answers.positive
    fit, check = (rows[_telling(answers, rows)] for rows in _halves(answers))
    if min(len(fit), len(check)) < MIN_ROWS // 2:
        return None
    x, y = (_against(v[fit], base) for v in (answers.every_model, answers.every_served))
    # The error of a rounded log ratio is that of the scores over either score.
    s = answers.every_served[fit]
    weight = s * s[:, [base]] / (s + s[:, [base]])
    others = [j for j in range(k) if j != base]
    slope, offsets = _least_deviations_by_class(x[:, others], y[:, others], weight[:, others])
    raised = np.zeros(k)
    raised[others] = offsets

    def alter(scores: Floats) -> Floats:
        logs = slope * _against(np.maximum(scores, SATURATED**2), base) + raised
        odds = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    near = (np.abs(alter(answers.every_model[check]) - answers.every_served[check]) <= tolerance[check, None]).all(
        axis=1
    )
    if near.mean() < AGREE:
        return None
    of = f" of {problem.positive!r}" if binary else ""
    parts = [f"times {say.number(slope)}"] if abs(slope - 1) > EXACT else []
    if (np.abs(offsets) > EXACT).any():
        parts.append(
            f"{'plus' if offsets[0] > 0 else 'minus'} {say.number(abs(offsets[0]))}"
            if binary
            else "plus a number by class"
        )
    return answers.change(
        f"the scores are calibrated otherwise behind the model: the log odds{of} that were served are those of "
        f"{answers.model_name} "
        f"{' '.join(parts)}",
        "serve the scores with the calibration that belongs to the model",
        alter,
        every=True,
    )


def _rising(answers: Answers) -> AnswerChange | None:
    """Any function that never falls: one score, or numbers."""
    if answers.served.shape[1] != 1:
        return None
    rows = answers.altered
    given, served, size = answers.model[rows, 0], answers.served[rows, 0], answers.size[rows, 0]
    different = sorted(len(np.unique(np.round(v, MOST_DECIMALS + 3))) for v in (given, served))
    if different[0] < MIN_STEPS or different[1] < MIN_ORDERED:
        return None
    order = np.lexsort((served, given))
    # Equal answers are one step: those served there, lowest first, follow all that were served below it.
    falls = np.diff(served[order]) < -answers.tolerance * size[order][1:]
    if falls.mean() > FALLS:
        return None
    points, first = np.unique(given[order], return_index=True)
    heights = np.maximum.accumulate(served[order][first])

    how = "calibrated otherwise" if answers.scored else "put on another scale"
    return answers.change(
        f"{answers.what} are {how} behind the model: what was served rises with what "
        f"{answers.model_name} gives, in the same order of rows",
        f"serve the {answers.what} "
        + ("with the calibration that belongs to the model" if answers.scored else "on the scale of the labels"),
        lambda given: np.interp(given, points, heights),
    )


def _halves(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Rows that differ: those to fit to, and those to check on."""
    rows = answers.case.rng("answers altered").permutation(np.flatnonzero(answers.altered))
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def _tolerance(answers: Answers) -> Floats | None:
    """How near an altered answer must come to what was served (n,), half a step where that is rounded; None where that is so
    much of its spread that it proves nothing."""
    served = answers.served[answers.altered]
    rounded = (
        np.abs(np.round(served, d) - served).max() <= 1e-9 * max(1.0, float(np.abs(served).max()))
        for d in range(MOST_DECIMALS)
    )
    step = next((0.5 * 10.0**-d for d, whole in enumerate(rounded) if whole), 0.0)
    tolerance = np.maximum(answers.tolerance * answers.size.max(axis=1), WIDER * step)
    return tolerance if np.median(tolerance[answers.altered]) <= SHARP * float(served.std(axis=0).max()) else None


def _telling(answers: Answers, rows: np.ndarray) -> Mask:
    """Rows all of whose scores have log odds."""
    return np.asarray(np.minimum(answers.every_model[rows], answers.every_served[rows]).min(axis=1) > SATURATED)


def _against(scores: Floats, base: int) -> Floats:
    """Log ratios of the scores (n, k) to that of one class."""
    logs = np.log(scores)
    return np.asarray(logs - logs[:, [base]])


def _least_deviations(x: Floats, y: Floats, weight: Floats) -> tuple[float, float]:
    """Slope and offset of y on x (n,)."""
    slope, offsets = _least_deviations_by_class(x[:, None], y[:, None], weight[:, None])
    return slope, float(offsets[0])


def _least_deviations_by_class(x: Floats, y: Floats, weight: Floats) -> tuple[float, Floats]:
    """One slope and an offset by column of y on x (n, k): weighted least absolute deviations, by reweighted least squares."""
    by, slope, offsets = weight**2, 1.0, np.zeros(x.shape[1])
    for _ in range(FITS):
        total = by.sum(axis=0)
        mean_x, mean_y = (by * x).sum(axis=0) / total, (by * y).sum(axis=0) / total
        slope = float((by * (x - mean_x) * (y - mean_y)).sum() / max((by * (x - mean_x) ** 2).sum(), 1e-300))
        offsets = mean_y - slope * mean_x
        off = np.abs(weight * (y - slope * x - offsets))
        by = weight**2 / np.maximum(off, max(float(np.median(off)), 1e-12))
    return slope, offsets
