"""What the content of a column says about its part in a prediction: label, score of a class, or none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from backslide.contracts.labels import AFFIRMATIVE, label_text
from backslide.engine.roles import names as usual
from backslide.engine.roles.derive import label_expression
from backslide.stats.arrays import Floats, Ints, Mask

MOST_CLASSES = 100
SUM_TOLERANCE = 0.02
"""How far scores of one row may add up beside 1, on average: logs are rounded."""
MOST_NUMERIC_CLASSES = 20
LEAST_ROWS = 20
ALIKE = 0.3
"""Least agreement beyond chance, or share of variance, for a column to be what a prediction is about."""
MOST_TWINS = 20
BINS = 5
CALIBRATED = 0.08
"""Most that fractions may differ from the share of a class, on average over ``BINS`` groups of rows, to be its chances."""


class ComparedColumns:
    """Columns of some rows, each converted once however many others it is compared with."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._cache: dict[tuple[str, str], Any] = {}

    def _once(self, what: str, column: str, convert: Callable[[pl.Series], Any]) -> Any:
        key = (what, column)
        if key not in self._cache:
            self._cache[key] = convert(self.frame[column])
        return self._cache[key]

    def numbers(self, column: str) -> Floats | None:
        """As floats (n,), NaN where missing; None where the column holds no numbers."""
        result: Floats | None = self._once(
            "numbers", column, lambda values: _numbers(values, drop=False) if values.dtype.is_numeric() else None
        )
        return result

    def present(self, column: str) -> Mask:
        """Rows that are not null (n,)."""
        result: Mask = self._once("present", column, lambda values: values.is_not_null().to_numpy())
        return result

    def known(self, column: str) -> Mask:
        """Rows that are neither null nor NaN (n,)."""
        numbers = self.numbers(column)
        return self.present(column) if numbers is None else ~np.isnan(numbers)

    def labels(self, column: str) -> tuple[Ints, list[str]]:
        """Codes of the label texts (n,), -1 where there is none, and the texts."""

        def convert(values: pl.Series) -> tuple[Ints, list[str]]:
            labels = texts(values)
            names = labels.drop_nulls().unique().sort().to_list()
            return labels.cast(pl.Enum(names)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy(), names

        result: tuple[Ints, list[str]] = self._once("labels", column, convert)
        return result


def is_share(values: pl.Series) -> bool:
    """Whether every value lies between 0 and 1 (and there is one)."""
    numbers = _numbers(values)
    return len(numbers) > 0 and bool((numbers >= 0).all() and (numbers <= 1).all())


def is_fraction(values: pl.Series) -> bool:
    """Whether the values lie between 0 and 1 and some of them strictly between."""
    return is_share(values) and bool(np.mean((n := _numbers(values)) * (1 - n) > 0) > 0.5)


def classes_of(look: pl.DataFrame, columns: list[str | None]) -> list[str]:
    """Sorted label texts in these columns; empty when one of them holds too many to be classes."""
    labels: set[str] = set()
    for column in columns:
        if column is not None:
            distinct = look[column].drop_nulls().unique()
            if len(distinct) > MOST_CLASSES or _has_fractions(distinct):
                return []
            labels.update(texts(distinct).drop_nulls().to_list())
    return sorted(labels)


def texts(values: pl.Series) -> pl.Series:
    """Values as label texts; null where they are missing."""
    return values.alias("values").to_frame().select(label_expression("values", values.dtype)).to_series()


def score_group(look: pl.DataFrame, shares: list[str], classes: list[str]) -> dict[str, str]:
    """Class label -> column of its score, of columns named after classes; empty when there is no such group.

    Without known classes, columns named alike that add up to 1 make a group.
    """
    proposed = {column: usual.score_labels(column) for column in shares}
    spoken = {usual.normal(name): name for name in classes} | {name: name for name in classes}
    group: dict[str, str] = {}
    for column, labels in proposed.items():
        for label in labels:
            name = spoken.get(label) or spoken.get(usual.normal(label)) or spoken.get(_as_number(label))
            if name is not None:
                group.setdefault(name, column)
    if group:
        return group
    bare = {name: column for column in shares if (name := spoken.get(usual.normal(column))) is not None}
    if len(bare) > 1 and len(bare) == len(classes) and _add_up(look, list(bare.values())):
        return bare
    if not classes:
        alone = {labels[0]: column for column, labels in proposed.items() if labels}
        if len(alone) > 1 and _add_up(look, list(alone.values())):
            return {label_text(label): column for label, column in alone.items()}
    return {}


def scored_class(look: pl.DataFrame, score: str, judge: str, classes: list[str]) -> str | None:
    """Of two classes the one whose score this is: 1 / true / yes by name, else where the score is higher."""
    named = [name for name in classes if name.lower() in AFFIRMATIVE]
    rows = look.select(score, judge).drop_nulls()
    numbers = _numbers(rows[score], drop=False)
    labels = texts(rows[judge]).to_numpy()
    means = [float(np.nanmean(numbers[labels == name])) if (labels == name).any() else np.nan for name in classes]
    if not np.isfinite(means).all():
        return named[0] if len(named) == 1 else None
    if np.nanmin(numbers) >= 0.5:  # the score of whichever class was predicted
        return None
    if abs(means[1] - means[0]) < 0.01:
        return named[0] if len(named) == 1 else None
    higher = classes[int(np.argmax(means))]
    return named[0] if len(named) == 1 and named[0] == higher else higher


def separation(columns: ComparedColumns, score: str, classes: str) -> float | None:
    """How well a number tells the two values of a column apart: |2 AUC - 1|, 0 to 1; None where it cannot be said."""
    numbers = columns.numbers(score)
    if numbers is None:
        return None
    rows = columns.present(score) & columns.present(classes)
    codes = columns.labels(classes)[0][rows]
    if len(codes) < LEAST_ROWS or codes.min() < 0 or len(np.unique(codes)) != 2:
        return None
    known = ~np.isnan(numbers[rows])
    positive, ranked = (codes == codes.max())[known], numbers[rows][known]
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return None
    # The area under the ROC curve from the ranks of one class (Mann and Whitney 1947), ties counting half.
    auc = (float(stats.rankdata(ranked)[positive].sum()) - n * (n + 1) / 2) / (n * m)
    return abs(2 * auc - 1)


def are_chances(columns: ComparedColumns, score: str, classes: str) -> bool:
    """Whether fractions tell two classes apart and are as high as the one of them is frequent, as scores of it would be."""
    apart = separation(columns, score, classes)
    values = columns.numbers(score)
    if values is None or apart is None or apart < ALIKE or not is_fraction(columns.frame[score]):
        return False
    rows = columns.present(score) & columns.present(classes)
    numbers, codes = values[rows], columns.labels(classes)[0][rows]
    order = np.array_split(np.argsort(numbers), BINS)
    return any(
        float(np.mean([abs(np.mean(numbers[part]) - np.mean(codes[part] == code)) for part in order])) <= CALIBRATED
        for code in np.unique(codes)
    )


def twins(look: pl.DataFrame, columns: list[str], one: str | None) -> list[tuple[str, str]]:
    """Pairs of columns with the same classes, or both of many numbers, that rise and fall together; the closest first.

    Where ``one`` is given, it is in every pair.
    """
    values = {column: tuple(classes_of(look, [column])) for column in columns}
    candidates = [c for c in columns if len(values[c]) > 1 or (not values[c] and look[c].dtype.is_numeric())]
    coded = {column: _codes(look[column], values[column]) for column in candidates}
    candidates = [column for column in candidates if np.isfinite(coded[column]).sum() >= LEAST_ROWS]
    codes = [coded[column] for column in candidates]
    if len(candidates) < 2 or look.height < LEAST_ROWS:
        return []
    with np.errstate(invalid="ignore", divide="ignore"):
        together = np.corrcoef(np.array([np.where(np.isfinite(c), c, c[np.isfinite(c)].mean()) for c in codes]))
    close = [
        (float(together[i, j]), candidates[i], candidates[j])
        for i, j in combinations(range(len(candidates)), 2)
        if together[i, j] >= ALIKE
        and values[candidates[i]] == values[candidates[j]]
        and one in (None, candidates[i], candidates[j])
    ]
    return [(first, second) for _, first, second in sorted(close, reverse=True)[:MOST_TWINS]]


def _codes(values: pl.Series, classes: tuple[str, ...]) -> np.ndarray:
    if not classes:
        return _numbers(values, drop=False)
    place = {name: float(i) for i, name in enumerate(classes)}
    return texts(values).replace_strict(place, default=None, return_dtype=pl.Float64).fill_null(np.nan).to_numpy()


def follows(look: pl.DataFrame, column: str, scores: dict[str, str]) -> float:
    """Share of rows in which a column names the class whose score is the largest."""
    rows = look.select(column, *scores.values()).drop_nulls()
    if rows.height < LEAST_ROWS:
        return 0.0
    numbers = rows.select(scores.values()).to_numpy()
    place = {name: i for i, name in enumerate(scores)}
    classes = texts(rows[column]).replace_strict(place, default=-1, return_dtype=pl.Int64).to_numpy()
    own = numbers[np.arange(len(classes)), classes]
    return float(np.mean((classes >= 0) & (own >= numbers.max(axis=1))))


def agreement(columns: ComparedColumns, prediction: str, column: str) -> float | None:
    """Cohen's kappa for classes; for numbers, 1 - mean squared difference / variance. None where rows are too few to say."""
    rows = columns.known(prediction) & columns.known(column)
    if rows.sum() < LEAST_ROWS:
        return None
    numbers, others = columns.numbers(prediction), columns.numbers(column)
    if numbers is not None and len(np.unique(numbers[rows])) > MOST_NUMERIC_CLASSES:
        return 0.0 if others is None else _closeness(numbers[rows], others[rows])
    if others is not None and len(np.unique(others[rows])) > MOST_CLASSES:
        return 0.0
    (predicted, names), (labelled, other_names) = columns.labels(prediction), columns.labels(column)
    rows = rows & (predicted >= 0) & (labelled >= 0)  # texts that stand for a missing value are no class
    if rows.sum() < LEAST_ROWS:
        return None
    predicted, labelled = predicted[rows], labelled[rows]
    if len(np.unique(labelled)) > MOST_CLASSES:
        return 0.0
    place = {name: code for code, name in enumerate(other_names)}
    predicted = np.array([place.get(name, len(place) + i) for i, name in enumerate(names)], np.int64)[predicted]
    size = len(place) + len(names)
    shares = [np.bincount(codes, minlength=size) / len(codes) for codes in (predicted, labelled)]
    if ((shares[0] > 0) & (shares[1] > 0)).sum() < 2:
        return 0.0
    expected = float(shares[0] @ shares[1])
    return (float((predicted == labelled).mean()) - expected) / (1 - expected) if expected < 1 else 0.0


def _closeness(predicted: Floats, labelled: Floats) -> float:
    finite = np.isfinite(predicted) & np.isfinite(labelled)
    spread = float(np.var(labelled[finite])) if finite.sum() >= LEAST_ROWS else 0.0
    return 1 - float(np.mean((predicted[finite] - labelled[finite]) ** 2)) / spread if spread > 0 else 0.0


def _add_up(look: pl.DataFrame, columns: list[str]) -> bool:
    totals = look.select(pl.sum_horizontal([pl.col(c).cast(pl.Float64) for c in columns])).to_series().drop_nulls()
    return len(totals) > 0 and float(np.nanmean(np.abs(totals.to_numpy() - 1))) <= SUM_TOLERANCE


def _numbers(values: pl.Series, *, drop: bool = True) -> np.ndarray:
    if not values.dtype.is_numeric():
        return np.empty(0)
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return numbers[~np.isnan(numbers)] if drop else numbers


def _has_fractions(distinct: pl.Series) -> bool:
    if not distinct.dtype.is_float():
        return False
    numbers = _numbers(distinct)
    return bool((numbers != np.round(numbers)).any())


def _as_number(text: str) -> str:
    try:
        return label_text(float(text))
    except ValueError:
        return text
