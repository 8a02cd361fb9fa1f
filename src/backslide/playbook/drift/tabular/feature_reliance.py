"""How much the model leans on each feature: by shuffling it in front of the saved model, or by association without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import polars as pl

from backslide.case import Case, Outcomes
from backslide.engine.columns import names
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import to_numbers
from backslide.models.model import Model
from backslide.playbook.drift import change_of_column
from backslide.stats.arrays import Floats

MOST_ROWS = 1500
MOST_ANSWERS = 30_000
"""Rows times columns that the model is asked about: with many columns each is shuffled on fewer rows."""
LEAST_ROWS = 400
MANY_COLUMNS, ROWS_OF_MANY = 200, 250
"""Of a model of so many columns each row is dear, however few of them are shuffled: fewer rows are."""
AT_ONCE, ROWS_AT_ONCE = 10, 6_000
"""Shuffled copies in one call of the model, which has a price of its own, and rows up to which there may be more copies."""
MOST_COLUMNS = 60
MIN_ROWS = 50


@dataclass(frozen=True)
class Leaning:
    """Importance of features in the reference: not negative, in the unit that ``words`` names."""

    importance: dict[str, float]
    words: str
    rows: int

    def share(self, column: str) -> float:
        """Of the importance of all features."""
        total = sum(self.importance.values())
        return self.importance.get(column, 0.0) / total if total > 0 else 0.0

    def top(self, most: int) -> list[str]:
        """The most important features that matter at all."""
        ranked = sorted(self.importance, key=lambda c: (-self.importance[c], c))
        return [c for c in ranked[:most] if self.importance[c] > 0]


@once
def leaning(case: Case) -> Leaning | None:
    """Importance of every comparable feature (at most 60), computed once; None where there is nothing to go by."""
    return _by_model(case) or _by_association(case)


def _by_model(case: Case) -> Leaning | None:
    """Increase of the loss on reference rows when a column is shuffled; without labels, how far the answers move."""
    model = case.reference_model
    if model is None or case.reference.sample.height < MIN_ROWS:
        return None
    rng = case.rng("importance")
    wanted = [c for c in case.pairs if model.features is None or c in model.features][:MOST_COLUMNS]
    most = min(MOST_ROWS, max(MOST_ANSWERS // max(len(wanted), 1), LEAST_ROWS))
    if len(case.pairs) > MANY_COLUMNS:
        most = min(most, ROWS_OF_MANY)
    frame = case.reference.sample[change_of_column.canonical(case.reference, list(case.pairs))]
    if frame.height > most:
        frame = frame[np.sort(rng.choice(frame.height, most, replace=False))]
    base = case.answered(model, frame)
    if base.failed.mean() > 0.2:
        return None
    unknown = [c for c in case.pairs if model.features is not None and c not in model.features][:MOST_COLUMNS]
    labelled = base.outcomes.known().sum() >= MIN_ROWS
    found = dict.fromkeys(unknown, 0.0)
    for column, other in zip(wanted, shuffled_answers(case, model, frame, wanted, rng), strict=True):
        found[column] = _loss_increase(base.outcomes, other) if labelled else _moved_answers(base.outcomes, other)
    words = "increase of the loss when shuffled" if labelled else "how far answers move when shuffled"
    return Leaning({c: max(v, 0.0) for c, v in found.items()}, words, frame.height)


def shuffled_answers(
    case: Case, model: Model, frame: pl.DataFrame, columns: Sequence[str], rng: np.random.Generator
) -> Iterator[Outcomes]:
    """What a model says to the rows with each of the columns shuffled in turn, some copies in a call."""
    copies = (frame.with_columns(frame[c].gather(rng.permutation(frame.height)).alias(c)) for c in columns)
    return answers_to_copies(case, model, copies)


def answers_to_copies(case: Case, model: Model, copies: Iterable[pl.DataFrame]) -> Iterator[Outcomes]:
    """What a model says to each of some versions of the same rows (n of them), asked about several at a time."""
    waiting = iter(copies)
    for first in waiting:
        n = max(first.height, 1)
        some = [first, *islice(waiting, max(AT_ONCE, ROWS_AT_ONCE // n) - 1)]
        answered = case.answered(model, pl.concat(some)).outcomes
        yield from (answered.take(np.arange(i * n, i * n + first.height)) for i in range(len(some)))


def row_losses(outcomes: Outcomes) -> Floats:
    """Loss of each row: Brier where there are scores, else 0/1; absolute error for a regression. NaN where unknown."""
    if outcomes.labels.dtype.kind == "f":
        return np.asarray(np.abs(outcomes.predictions.astype(float) - outcomes.labels.astype(float)))
    labels, predictions = outcomes.labels.astype(np.int64), outcomes.predictions.astype(np.int64)
    unknown = (labels < 0) | (predictions < 0)
    if outcomes.scores is None:
        return np.where(unknown, np.nan, (labels != predictions).astype(float))
    own = outcomes.scores[np.arange(len(labels)), np.maximum(labels, 0)]
    return np.asarray(np.where(unknown, np.nan, (outcomes.scores**2).sum(axis=1) - 2 * own + 1))


def _loss_increase(base: Outcomes, other: Outcomes) -> float:
    increase = row_losses(other) - row_losses(base)
    return float(np.nanmean(increase)) if np.isfinite(increase).any() else 0.0


def _moved_answers(base: Outcomes, other: Outcomes) -> float:
    if base.labels.dtype.kind == "f":
        apart = np.abs(np.asarray(other.predictions, float) - np.asarray(base.predictions, float))
    elif base.scores is not None and other.scores is not None:
        apart = np.abs(other.scores - base.scores).max(axis=1)
    else:
        apart = (other.predictions != base.predictions).astype(float)
    return float(np.nanmean(apart)) if np.isfinite(apart).any() else 0.0


def _by_association(case: Case) -> Leaning | None:
    """Share of the variance of the answers that a feature explains by itself, in the reference's sample."""
    frame = case.reference.sample
    answers = _answers(case, frame)
    if answers is None or frame.height < MIN_ROWS:
        return None
    found = {}
    for column in list(case.pairs)[: 4 * MOST_COLUMNS]:
        pair = case.pairs[column]
        if pair.identifier or pair.constant_before:
            continue
        if pair.numeric:
            found[column] = _rank_share(pair.numbers[0], answers)
        else:
            codes = change_of_column.codes_of(
                frame[column], tuple(sorted(pair.levels[0], key=lambda k: -pair.levels[0][k])[:50])
            )
            found[column] = _explained(codes + 1, answers)
    return Leaning(found, "share of the answers' variance that it explains alone", frame.height)


def _answers(case: Case, frame: pl.DataFrame) -> Floats | None:
    """Numbers that stand for what was answered: the score of one class, the prediction, or whether the first class was."""
    problem = case.problem
    if not problem.classification:
        values = to_numbers(frame[names.PREDICTION]) if names.PREDICTION in frame.columns else None
    else:
        label = problem.positive or (problem.classes[0] if problem.classes else "")
        score = names.score(label)
        if score in frame.columns:
            values = to_numbers(frame[score])
        elif names.PREDICTION in frame.columns:
            values = (frame[names.PREDICTION] == label).cast(pl.Float64).fill_null(np.nan).to_numpy()
        else:
            values = None
    if values is None or not np.isfinite(values).any():
        return None
    values = np.asarray(values, float)
    return values if float(np.nanstd(np.where(np.isfinite(values), values, np.nan))) > 0 else None


def _rank_share(x: Floats, answers: Floats) -> float:
    """By ten bins of equal size, missing apart: a feature may matter at both ends."""
    return _explained(np.where(np.isfinite(x), np.floor(_uniform(x) * 10).astype(np.int64) + 1, 0), answers)


def _uniform(x: Floats) -> Floats:
    """Ranks in [0, 1), 0 for values that are not finite."""
    known = np.isfinite(x)
    order = np.searchsorted(np.sort(x[known]), np.where(known, x, 0.0), side="left")
    return np.where(known, order / max(int(known.sum()), 1), 0.0)


def _explained(codes: np.ndarray, answers: Floats) -> float:
    """Share of the variance of the answers between groups, corrected for the number of groups (omega squared)."""
    use = np.isfinite(answers)
    y, codes = answers[use], codes[use]
    total = float(((y - y.mean()) ** 2).sum())
    if total <= 0 or len(y) < MIN_ROWS:
        return 0.0
    n = np.bincount(codes).astype(float)
    means = np.bincount(codes, y) / np.maximum(n, 1.0)
    between = float((n * (means - y.mean()) ** 2).sum())
    groups = int((n > 0).sum())
    within = max(total - between, 0.0) / max(len(y) - groups, 1)
    return float(np.clip((between - (groups - 1) * within) / (total + within), 0.0, 1.0))
