"""A stand-in for a model that was not given, fitted to what the reference logs say it answered: a linear form where that is
exact, else gradient boosting.

It prices faults roughly, so causes priced with it are never more than `supported`. How well it imitates is measured on held-out
reference rows and said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier

from backslide.case import Case
from backslide.causes.pricing.linear_form import LinearForm, fit_linear_form
from backslide.causes.pricing.text_design import TextDesign, WordForm, fit_word_form, make_text_design
from backslide.contracts import say
from backslide.engine.columns.cache import once
from backslide.engine.columns.design_matrix import Design, make_design
from backslide.engine.roles.problem import Problem
from backslide.models.answer import Reply
from backslide.models.model import Model, ModelAnswer
from backslide.stats.arrays import Floats, Mask
from backslide.stats.drift.boosting import classify, fit_on_asinh, regress

MIN_FIDELITY = 0.85
"""Held-out agreement of predicted classes (R^2 for regression) under which the stand-in is not used."""
MAX_CLASSES = 20
HELD_OUT = 0.25
CLIP = 1e-4
LOG_ODDS_LIMIT = 0.999 * float(np.log((1 - CLIP) / CLIP))
"""Log odds from which on a score was clipped."""


class Surrogate(Model):
    """Answers like the logged model, from the comparable feature columns."""

    def __init__(
        self,
        design: Design | TextDesign,
        fitted: list[Any],
        problem: Problem,
        held_out: Mask | None = None,
    ) -> None:
        super().__init__("stand-in", _no_frames, design.columns, problem.classes or None)
        self.design = design
        self.fitted = fitted
        self.problem = problem
        self.held_out = np.zeros(0, bool) if held_out is None else held_out
        """Reference rows (n_ref,) that took no part in fitting."""

    def answer(self, frame: pl.DataFrame, *, batch_rows: int = 50_000, decisions: bool = True) -> ModelAnswer:
        """Scores, or predicted numbers, of every row; never fails on one."""
        x = self.design.matrix(frame)
        nobody = np.zeros(frame.height, bool)
        if not self.problem.classification:
            return ModelAnswer(np.asarray(self.fitted[0].predict(x), float), None, nobody, None)
        scores = _scores(self.fitted, x, self.problem)
        predictions = np.array(self.problem.classes, object)[np.argmax(scores, axis=1)]
        return ModelAnswer(predictions, scores, nobody, None, self.problem.classes)


def _no_frames(frame: Any, decisions: bool) -> Reply:
    raise TypeError("the stand-in answers Polars frames only")


@dataclass(frozen=True)
class _Candidate:
    """A fitted stand-in and how faithful it is to rows that it was not fitted to."""

    design: Design | TextDesign
    fitted: list[Any]
    fidelity: float


NOT_ALLOWED = "faults are not priced: no saved model, and the logged outputs do not allow a stand-in"
TOO_FEW = "faults are not priced: no saved model, and too few reference rows for a stand-in"


@dataclass(frozen=True)
class _Sample:
    """What a stand-in learns on the reference, and on which rows."""

    y: Floats
    train: Mask
    test: Mask
    held: Mask

    @property
    def enough(self) -> bool:
        return int(self.train.sum()) >= 100 and int(self.test.sum()) >= 30


def _sample(case: Case) -> _Sample | None:
    served = case.reference.outcomes
    y = learnable_targets(served.scores, served.predictions, case.problem)
    if y is None:
        return None
    known = np.isfinite(y).all(axis=1)
    held = case.rng("surrogate").random(len(y)) < HELD_OUT
    return _Sample(y, known & ~held, known & held, held)


@once
def fit_exact_form(case: Case) -> Surrogate | None:
    """The linear form that the reference's answers are, but for a thousandth of their variance; None where they are none."""
    sample, design = _sample(case), make_design(case.pairs.values())
    if sample is None or not sample.enough or not design.columns:
        return None
    known = sample.train | sample.test
    x = design.matrix(case.reference.sample)
    form = _linear(x[known], sample.y[known], design, sample.train[known], case.problem)
    return None if form is None else Surrogate(design, [form], case.problem, sample.held)


@once
def fit_best_form(case: Case) -> tuple[Surrogate, float] | None:
    """The stand-in most faithful to held-out rows, however little that is, and how much; None where none can be fitted."""
    sample = _sample(case)
    if sample is None or not sample.enough:
        return None
    best = max(_candidates(case, sample), key=lambda candidate: candidate.fidelity, default=None)
    return None if best is None else (Surrogate(best.design, best.fitted, case.problem, sample.held), best.fidelity)


def fit_surrogate(case: Case) -> tuple[Surrogate | None, str]:
    """A stand-in fitted to the reference sample, and a sentence on how faithful it is; None where it is not."""
    sample, found = _sample(case), fit_best_form(case)
    if found is None:
        return None, TOO_FEW if sample is not None and not sample.enough else NOT_ALLOWED
    stand_in, fidelity = found
    share = say.percent(fidelity, 0)
    if fidelity < MIN_FIDELITY:
        return (
            None,
            f"faults are not priced: no saved model, and a stand-in would agree with it on {share} only",
        )
    return (
        stand_in,
        f"no usable saved model: faults are priced with a stand-in that agrees with the logged outputs to {share}",
    )


def _candidates(case: Case, sample: _Sample) -> Iterator[_Candidate]:
    """A linear form alone where it is exact; else boosting, and with running text two forms of its words."""
    problem, frame = case.problem, case.reference.sample
    y, train, test = sample.y, sample.train, sample.test

    def judged(design: Design | TextDesign, x: Any, fitted: list[Any]) -> _Candidate:
        return _Candidate(design, fitted, _fidelity(fitted, x[test], y[test], problem))

    exact, design = fit_exact_form(case), make_design(case.pairs.values())
    if exact is not None:
        yield judged(exact.design, exact.design.matrix(frame), exact.fitted)
        return
    if design.columns:
        x = design.matrix(frame)
        yield judged(design, x, _fit(x[train], y[train], design, problem))
        if not problem.classification:
            yield judged(design, x, [fit_on_asinh(x[train], y[train, 0], design.categorical)])
    for directions in (False, True):
        words = make_text_design(case, directions=directions) if _by_scores(y, problem) else None
        if words is None:
            continue
        x = words.matrix(frame)
        if directions:
            yield judged(words, x, _fit(x[train], y[train], words, problem))
        else:
            yield judged(words, x, [fit_word_form(x[train], _centred_logs(y[train], problem))])


def learnable_targets(scores: Floats | None, predictions: Any, problem: Problem) -> Floats | None:
    """What the stand-in learns: log odds of each score, the predicted class, or the predicted number (n, targets)."""
    if not problem.classification:
        return np.asarray(predictions, float)[:, None]
    if scores is not None and len(problem.classes) <= MAX_CLASSES:
        columns = scores[:, 1:] if len(problem.classes) == 2 else scores
        clipped = np.clip(columns, CLIP, 1 - CLIP)
        return np.asarray(np.log(clipped / (1 - clipped)))
    codes = np.asarray(predictions, float)
    return np.where(codes >= 0, codes, np.nan)[:, None] if len(np.unique(codes[codes >= 0])) > 1 else None


def _by_scores(y: Floats, problem: Problem) -> bool:
    return y.shape[1] > 1 or bool((y != np.round(y)).any()) or not problem.classification


def _linear(x: Floats, y: Floats, design: Design, train: Mask, problem: Problem) -> LinearForm | None:
    """The answers as a linear form: numbers, or log odds against the mean log score; scores at the limits are no help."""
    if not problem.classification:
        return fit_linear_form(x, y, design, train)
    if not _by_scores(y, problem):
        return None
    inside = np.asarray((np.abs(y) < LOG_ODDS_LIMIT).all(axis=1))
    logs = np.where(inside[:, None], _centred_logs(y, problem), np.nan)
    return fit_linear_form(x, logs, design, train) if inside.any() else None


def _centred_logs(y: Floats, problem: Problem) -> Floats:
    """Log score of every class against their mean, from log odds (n, K); numbers as they are."""
    if not problem.classification:
        return y
    logs = -np.logaddexp(0, -y)
    if len(problem.classes) == 2:
        logs = np.column_stack([-np.logaddexp(0, y), logs])
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def _fit(x: Floats, y: Floats, design: Design | TextDesign, problem: Problem) -> list[Any]:
    if _by_scores(y, problem):
        return [regress(x, y[:, j], design.categorical, rounds=200, leaves=31, l2=0.0) for j in range(y.shape[1])]
    return [classify(x, y[:, 0].astype(int), design.categorical, rounds=100, leaves=31, l2=0.0)]


def _scores(fitted: list[Any], x: Floats, problem: Problem) -> Floats:
    k = len(problem.classes)
    if isinstance(fitted[0], LinearForm | WordForm):
        return np.asarray(softmax(fitted[0].predict(x), axis=1))
    if isinstance(fitted[0], HistGradientBoostingClassifier):
        scores = np.zeros((len(x), k))
        scores[:, fitted[0].classes_] = fitted[0].predict_proba(x)
        return scores
    raw = 1 / (1 + np.exp(-np.column_stack([model.predict(x) for model in fitted])))
    if k == 2:
        return np.column_stack([1 - raw[:, 0], raw[:, 0]])
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


def _fidelity(fitted: list[Any], x: Floats, y: Floats, problem: Problem) -> float:
    if not problem.classification:
        rest = ((fitted[0].predict(x) - y[:, 0]) ** 2).sum()
        return float(1 - rest / max(((y[:, 0] - y[:, 0].mean()) ** 2).sum(), 1e-12))
    chosen = np.argmax(_scores(fitted, x, problem), axis=1)
    if not _by_scores(y, problem):
        return float((chosen == y[:, 0]).mean())
    truth = (y[:, 0] >= 0).astype(int) if len(problem.classes) == 2 else np.argmax(y, axis=1)
    return float((chosen == truth).mean())
