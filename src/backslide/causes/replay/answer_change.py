"""Answers altered after the model, with nothing to be estimated: exchanged classes, limits, rounding, answers of other rows.

The saved model reproduces the reference and not the current window; what was served on the rows that differ is held against what
it answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case, Outcomes, decide
from backslide.contracts import say
from backslide.engine.columns import names
from backslide.engine.roles.problem import Problem
from backslide.playbook.shadow.replay import AGREE, ReplayResult
from backslide.stats.arrays import Floats, Ints, Mask

Alter = Callable[[Floats], Floats]
"""Answers (n, k) to answers: scores by class, or one column of numbers or class codes."""

DIGITS = (0, 1, 2, 3)
"""Decimal places to which scores may have been rounded, and"""
COARSE_DIGITS = (-3, -2, -1, *DIGITS)
"""numbers."""
ROUNDED = 1e-9
"""Distance of a rounded answer from its decimal, relative to answers over 1."""
MOST_CLASSES = 50
"""Classes up to which their order is looked for."""
MIN_AT_LIMIT = 20
"""Rows at a limit, and as many within, from which it is one: one answer for all rows is none."""
MIN_ANSWERS = 5
"""Different answers that a limit must cut off: one leaf of a tree with another value is no limit."""
ROWS_AWAY = 10
"""Places in the log, before or after a row, up to which its answer is looked for."""
MIN_MOVED = 30
"""Rows with the answer of another from which that is no chance: half of binary decisions would agree by it."""
ALMOST = 0.98
"""Share of them that must agree, and"""
FOLLOWED = 0.9
"""share of the rows that differ that must have such a row, where the sample holds all."""

FROM_ROWS, BY_CHANCE = 0.95, 0.6
"""Share of served answers that must be those of other rows, and that numbers beside them may be by chance."""
BESIDE = 50.0
"""Tolerances by which such numbers lie beside the served ones."""
MIN_SERVED = 3.0
"""Different answers, in square roots of the rows that differ, from which their digits say whose they are."""


@dataclass(frozen=True)
class AnswerChange:
    """Served answers as an alteration of what the model answers."""

    undone: Outcomes
    seen: str
    undo: str
    features: tuple[str, ...]
    """Columns of the answers."""
    classes: tuple[str, ...] = ()
    alter: Alter | None = None
    """The same done to other answers; None where that is not known."""


def rows_that_show(change: AnswerChange, done: ReplayResult) -> Mask:
    """Rows (n_cur,) that the alteration would alter: others say nothing on where it happened."""
    if change.alter is None:
        return done.comparable
    given = values(done.answered.outcomes, done.answered.outcomes.scores is not None)
    with np.errstate(all="ignore"):
        made = change.alter(given)
    return done.comparable & ~(np.abs(made - given) <= done.tolerance * np.maximum(1.0, np.abs(given))).all(axis=1)


class Answers:
    """What the saved model answers to the current sample and what was served: scores by class, numbers or class codes.

    Of two classes the positive's score (n_cur, 1) says all; ``every_model`` and ``every_served`` are the scores of every class.
    """

    def __init__(self, case: Case, done: ReplayResult, concerned: Mask) -> None:
        served, answered, problem = case.current.outcomes, done.answered.outcomes, case.problem
        self.case, self.undone, self.concerned = case, answered, concerned & done.comparable
        self.scored = served.scores is not None and answered.scores is not None
        self.numbers = served.predictions.dtype.kind == "f"
        self.every_model, self.every_served = values(answered, self.scored), values(served, self.scored)
        two = self.scored and problem.task == "binary" and problem.positive in problem.classes
        self.positive = problem.classes.index(problem.positive or "") if two else None
        one = slice(None) if self.positive is None else [self.positive]
        self.model, self.served = self.every_model[:, one], self.every_served[:, one]
        self.comparable, self.altered = done.comparable, done.comparable & ~done.equal
        # Scores are compared as they are, numbers relative to their size, as the replay does.
        self.size = np.maximum(1.0, np.abs(self.served)) if self.numbers else np.ones_like(self.served)
        self.tolerance = done.tolerance

    @property
    def columns(self) -> tuple[str, ...]:
        """The logged columns of the answers."""
        roles = self.case.problem.roles
        return tuple(roles.scores.values()) if self.scored else () if roles.prediction is None else (roles.prediction,)

    @property
    def model_name(self) -> str:
        """What the model that answers again is called."""
        return self.case.model_name

    @property
    def what(self) -> str:
        """What the answers are called."""
        return "scores" if self.scored else "predictions"

    def change(
        self, seen: str, undo: str, alter: Alter, classes: tuple[str, ...] = (), *, every: bool = False
    ) -> AnswerChange:
        """With the columns that it is about; ``alter`` is of answers as in ``model``, or (``every``) of all classes."""
        scores, positive = self.case.problem.roles.scores, self.positive

        def both(given: Floats) -> Floats:
            assert positive is not None
            made = np.empty_like(given)
            made[:, positive] = alter(given[:, [positive]])[:, 0]
            made[:, 1 - positive] = 1 - made[:, positive]
            return made

        features = tuple(scores[c] for c in classes if c in scores) if self.scored else ()
        altered = alter if every or positive is None else both
        return AnswerChange(self.undone, seen, undo, features or self.columns, classes, altered)

    def same(self, one: Floats, tolerance: float) -> bool:
        """Whether answers to the rows that differ (m, k) are what was served on nearly all of them."""
        near = np.abs(one - self.served[self.altered]) <= tolerance * self.size[self.altered]
        return len(one) > 0 and bool(near.all(axis=1).mean() >= AGREE)


def values(outcomes: Outcomes, scored: bool) -> Floats:
    """Scores (n, k), or predictions (n, 1): numbers or class codes."""
    if scored:
        assert outcomes.scores is not None
        return outcomes.scores
    return np.asarray(outcomes.predictions, float)[:, None]


def altered_outcomes(served: Outcomes, problem: Problem, alter: Alter, rows: Mask) -> Outcomes:
    """``served`` with the answers of some rows altered."""
    scored = served.scores is not None
    old = values(served, scored)
    made = np.where(rows[:, None], alter(old), old)
    if scored:
        return Outcomes(served.labels, np.where(rows, decide(made, problem), served.predictions), made)
    return Outcomes(served.labels, made[:, 0].astype(served.predictions.dtype), None)


def find_answer_change(case: Case, done: ReplayResult, concerned: Mask) -> AnswerChange | None:
    """What was done to the saved model's answers so that they are what was served; None where nothing simple was.

    ``concerned`` (n_cur,) are the rows that are not served as before, as far as a column or a day tells them.
    """
    answers = Answers(case, done, concerned)
    if not answers.altered.any():
        return None
    ways = (_exchanged, _limited, _rounded, _of_other_rows)
    return next((found for way in ways if (found := way(answers)) is not None), None)


def _exchanged(answers: Answers) -> AnswerChange | None:
    """Classes in each other's place."""
    if answers.numbers:
        return None
    order = _order_of_scores(answers) if answers.scored else _order_of_codes(answers)
    if order is None:
        return None
    classes = answers.case.problem.classes
    moved = tuple(classes[i] for i, j in enumerate(order) if i != j)
    listed, to = say.listed([repr(c) for c in moved]), list(order)
    back = np.argsort(to).astype(float)
    if answers.scored:
        return answers.change(
            f"the scores of {listed} stand in each other's place: what was served is what "
            f"{answers.model_name} gives with these classes exchanged",
            "give each score to its own class",
            lambda scores: scores[:, to],
            moved,
            every=True,
        )
    return answers.change(
        f"{listed} stand in each other's place among the predictions: what was served is "
        f"what {answers.model_name} gives with these classes exchanged",
        "give each prediction its own class",
        lambda codes: np.where(codes >= 0, back[codes.astype(np.int64)], codes),
        moved,
    )


def _order_of_scores(answers: Answers) -> tuple[int, ...] | None:
    """Class whose answer each served column holds, where that is another order on nearly every row."""
    rows, k = answers.altered, answers.every_served.shape[1]
    if k < 2 or k > MOST_CLASSES:
        return None
    served, model = answers.every_served[rows], answers.every_model[rows]
    head = slice(0, 200)
    near = np.abs(served[head, :, None] - model[head, None, :]).mean(axis=0)
    order = tuple(int(j) for j in near.argmin(axis=1))
    if order == tuple(range(k)) or len(set(order)) < k:
        return None
    same = (np.abs(model[:, list(order)] - served) <= answers.tolerance).all(axis=1)
    return order if same.mean() >= AGREE else None


def _order_of_codes(answers: Answers) -> tuple[int, ...] | None:
    """The same of predicted classes: every row concerned of a class that moved is served as one other class."""
    k = len(answers.case.problem.classes)
    if k < 2 or k > MOST_CLASSES:
        return None
    model, served = (v[answers.concerned, 0].astype(np.int64) for v in (answers.model, answers.served))
    table = np.bincount(model * k + served, minlength=k * k).reshape(k, k)
    asked = table.sum(axis=1)
    to = np.where(asked > 0, table.argmax(axis=1), np.arange(k))
    moved = to != np.arange(k)
    if not moved.any() or len(set(to.tolist())) < k or asked[moved].min() < MIN_MOVED:
        return None
    hits = table[np.arange(k), to]
    if (hits[moved] < AGREE * asked[moved]).any() or hits[~moved].sum() < AGREE * asked[~moved].sum():
        return None
    return tuple(int(j) for j in np.argsort(to))


def _limited(answers: Answers) -> AnswerChange | None:
    """Cut off at a limit: what is lower than the model's answers is all one number, and so is what is higher."""
    if not (answers.scored or answers.numbers):
        return None
    rows = answers.altered
    model, served = answers.model[rows], answers.served[rows]
    near = answers.tolerance * answers.size[rows]
    raised, lowered = (_limits(served, cut, near) for cut in (served > model + near, served < model - near))
    if raised is None or lowered is None:
        return None
    low, high = np.where(np.isnan(raised), -np.inf, raised), np.where(np.isnan(lowered), np.inf, lowered)
    if (low >= high).any():
        return None
    kept = np.clip(answers.model, low, high)
    cut = (answers.model != kept).any(axis=1) & rows
    many = len(np.unique(answers.model[cut])) >= MIN_ANSWERS
    within = answers.comparable & ~answers.altered & (answers.model == kept).all(axis=1)
    if min(cut.sum(), within.sum()) < MIN_AT_LIMIT or not many or not answers.same(kept[rows], answers.tolerance):
        return None
    words = _words_of_limits(low, high)
    inside, end = ("them", "s") if " and " in words or words == "by class" else ("it", "")
    return answers.change(
        f"{answers.what} are cut off {words}: what was served is what {answers.model_name} gives within {inside}",
        f"serve the {answers.what} without the limit{end}",
        lambda given: np.clip(given, low, high),
    )


def _limits(served: Floats, cut: Mask, near: Floats) -> Floats | None:
    """The one value of every column (k,) where it is cut (m, k); NaN where it never is, None where there are several."""
    found = np.full(served.shape[1], np.nan)
    for j in range(served.shape[1]):
        values = served[cut[:, j], j]
        if not len(values):
            continue
        found[j] = np.median(values)
        if (np.abs(values - found[j]) <= near[cut[:, j], j]).mean() < AGREE:
            return None
    return found


def _words_of_limits(low: Floats, high: Floats) -> str:
    """``at 0.2 and 0.8``, ``above 12``, ``below 3``; ``by class`` where every class has limits of its own."""
    lows, highs = np.unique(low[np.isfinite(low)]), np.unique(high[np.isfinite(high)])
    if len(lows) > 1 or len(highs) > 1:
        return "by class"
    if len(lows) and len(highs):
        return f"at {say.number(float(lows[0]))} and {say.number(float(highs[0]))}"
    return f"above {say.number(float(highs[0]))}" if len(highs) else f"below {say.number(float(lows[0]))}"


def _rounded(answers: Answers) -> AnswerChange | None:
    """Written with fewer digits, rounded or cut."""
    if not (answers.scored or answers.numbers):
        return None
    rows = answers.altered
    for digits in COARSE_DIGITS if answers.numbers else DIGITS:
        for cut, word in ((np.rint, "rounded"), (np.trunc, "cut")):
            step = 10.0**digits

            def alter(given: Floats, cut: Callable[[Floats], Floats] = cut, step: float = step) -> Floats:
                return np.asarray(cut(given * step) / step)

            made = alter(answers.model[rows])
            if answers.same(made, ROUNDED) and np.ptp(made) > 0:  # one answer for all rows is not a rounded one
                to = f"to {say.counted(digits, 'decimal place')}" if digits >= 0 else f"to multiples of {10**-digits}"
                return answers.change(
                    f"{answers.what} are {word} {to}: what was served is the answer of {answers.model_name} so {word}",
                    f"serve the {answers.what} as the model gives them",
                    alter,
                )
    return None


def _of_other_rows(answers: Answers) -> AnswerChange | None:
    """Each row with the answer of the row so many places before or after it."""
    for order, place in _sequences(answers):
        best = max((_agreement(answers, place, lag) for lag in _lags()), default=(0.0, 0), key=lambda found: found[0])
        share, lag = best
        if share >= ALMOST:
            rows = f"{say.counted(abs(lag), 'place')} {'before' if lag > 0 else 'after'} it"
            return answers.change(
                f"each row is served with the answer of the row {rows} {order}: the answers are written back shifted",
                "write each answer back to its own row",
                # No type can be inferred for the default of a lambda:
                lambda given, by=lag: np.roll(given, by, axis=0),  # type: ignore[misc]
            )
    return _of_any_rows(answers)


def _of_any_rows(answers: Answers) -> AnswerChange | None:
    """Each row with the answer of some other row: in another order, or from a cache that answers for too long.

    Answers are told by their digits: nearly every served one is what the model gives to some row, where numbers beside them, as
    another model would serve, hardly ever are.
    """
    if not (answers.scored or answers.numbers) or not answers.case.current.complete:
        return None
    served, known = answers.served[answers.altered], answers.model[answers.comparable]
    if len(served) < MIN_MOVED or len(np.unique(served[:, 0])) < MIN_SERVED * len(served) ** 0.5:
        return None
    found, chance = (_among(served * (1 + by), known, answers.tolerance) for by in (0.0, BESIDE * answers.tolerance))
    # A model of few different answers, as a tree, gives those of other rows to any input.
    if found < FROM_ROWS or max(chance, _among(known[::2], known[1::2], answers.tolerance)) > BY_CHANCE:
        return None
    return answers.change(
        f"rows are served with the answers of other rows: {say.percent(found)} of the answers that differ are ones that "
        f"{answers.model_name} gives to another row",
        "write each answer back to its own row",
        lambda given: np.roll(given, len(given) // 2, axis=0),
    )


def _among(served: Floats, known: Floats, tolerance: float) -> float:
    """Share of the served answers (m, k) whose first column is among those of the known ones (n, k)."""
    order = np.argsort(known[:, 0], kind="stable")
    values = known[order, 0]
    near = tolerance * np.maximum(1.0, np.abs(served[:, 0]))
    low, high = np.searchsorted(values, served[:, 0] - near), np.searchsorted(values, served[:, 0] + near, side="right")
    return float((high > low).mean())


def _lags() -> list[int]:
    """The nearest first: of equally good ones the smallest is named."""
    return [lag for k in range(1, ROWS_AWAY + 1) for lag in (k, -k)]


def _sequences(answers: Answers) -> list[tuple[str, Ints]]:
    """Orders in which rows may be counted, each with the place of every sampled row (n_cur,), -1 where it has none."""
    side, n = answers.case.current, len(answers.altered)
    if not side.complete:
        return [] if side.places is None else [("in the log", side.places)]
    orders = [("in the log", np.arange(n))]
    if names.TIME in side.sample.columns:
        times = side.sample[names.TIME]
        by_time = np.empty(n, np.int64)
        by_time[times.to_physical().fill_null(0).to_numpy().argsort(kind="stable")] = np.arange(n)
        if not (by_time == orders[0][1]).all() and times.null_count() == 0:
            orders.append(("in order of time", by_time))
    if not answers.concerned.all():
        within = np.full(n, -1, np.int64)
        within[answers.concerned] = np.arange(int(answers.concerned.sum()))
        orders.append(("among the rows concerned", within))
    return orders


def _agreement(answers: Answers, place: Ints, lag: int) -> tuple[float, int]:
    """Share of the rows that differ and hold the answer of the row ``lag`` places before; 0 where too few have one."""
    order = np.argsort(place, kind="stable")
    rows = np.flatnonzero(answers.altered & (place >= 0))
    wanted = place[rows] - lag
    at = np.minimum(np.searchsorted(place[order], wanted), len(order) - 1)
    source = order[at]
    there = (place[source] == wanted) & (wanted >= 0) & answers.comparable[source]
    if there.sum() < MIN_MOVED or (answers.case.current.complete and there.sum() < FOLLOWED * answers.altered.sum()):
        return 0.0, lag
    rows, source = rows[there], source[there]
    near = np.abs(answers.served[rows] - answers.model[source]) <= answers.tolerance * answers.size[rows]
    return float(near.all(axis=1).mean()), lag
