"""Can the two windows be told apart? A regularised, cross-fitted classifier and the interval of its AUC.

Folds are stretches of whole days where there are days, so that a day is never recognised by its own rows; the variance of the
AUC counts days, not rows (placements by day: DeLong and others 1988, for clusters Obuchowski 1997). Quiet windows then have
0.5 inside the interval at its rate, day effects or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier

from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.drift.boosting import classify, split_columns
from backslide.stats.sorted_search import search_sorted

FOLDS = 4
SHARED = 2.0
"""Variance over that of independent folds. Where nothing sets the windows apart, what fold i teaches about j by chance is what
j teaches about i: each pair of folds counts twice."""
ROUNDS, LEAVES, L2 = 40, 6, 10.0
LOOKED_AT = 2000
"""Rows per fold and window on which the columns' importance is measured, at most."""
LOOKED_AT_IN_ALL = 20_000
"""The same times columns: with many columns each is looked at on fewer rows, which four folds share."""
LEAST_LOOKED_AT = 250
AT_ONCE = 50_000
"""Rows of shuffled copies that are scored in one call: a call has a price of its own."""
Days = Ints | None


@dataclass(frozen=True)
class Separation:
    """How well the windows can be told apart: 0.5 not at all, 1 perfectly."""

    auc: float
    low: float
    high: float
    se: float
    df: float
    importance: Floats
    """Loss of AUC on held-out rows when a column is shuffled (p,); zeros where it was not asked for."""

    @property
    def p_value(self) -> float:
        """One-sided: that the windows cannot be told apart."""
        return float(stats.t.sf((self.auc - 0.5) / self.se, self.df)) if self.se > 0 else float(self.auc <= 0.5)


def separation(
    reference: Floats,
    current: Floats,
    categorical: Mask,
    days: tuple[Days, Days],
    rng: np.random.Generator,
    *,
    looked_from: float = 1.0,
) -> Separation:
    """Cross-fitted AUC of telling (n, p) matrices apart; column importance where it reaches ``looked_from``."""
    x = [reference, current]
    fold = [stretches(len(v), d, rng) for v, d in zip(x, days, strict=True)]
    places: list[list[tuple[Ints, Floats]]] = [[], []]
    models = []
    for k in range(FOLDS):
        train = [v[f != k] for v, f in zip(x, fold, strict=True)]
        test = [np.flatnonzero(f == k) for f in fold]
        if min(map(len, train)) < 2 or min(map(len, test)) == 0:
            continue
        y = np.repeat([0, 1], [len(train[0]), len(train[1])])
        model = classify(np.vstack(train), y, categorical, rounds=ROUNDS, leaves=LEAVES, l2=L2)
        scores = [model.decision_function(v[t]) for v, t in zip(x, test, strict=True)]
        for side, placed in enumerate(placements(scores[0], scores[1])):
            places[side].append((test[side], placed))
        models.append((model, test))
    found = with_interval(places, days, x[0].shape[1])
    if found.auc < looked_from:
        return found
    return Separation(found.auc, found.low, found.high, found.se, found.df, _importance(models, x, rng))


def stretches(n: int, days: Days, rng: np.random.Generator) -> Ints:
    """Fold of each row: stretches of consecutive days with about as many days each, or random rows without days."""
    if days is None:
        return np.asarray(rng.permutation(np.arange(n) % FOLDS))
    distinct, index = np.unique(days, return_inverse=True)
    return np.asarray((np.arange(len(distinct)) * FOLDS // len(distinct))[index])


def placements(reference: Floats, current: Floats) -> tuple[Floats, Floats]:
    """Share of the other window's scores on the right side of each score; both average to the AUC (ties half)."""
    return 1 - _below(current, reference), _below(reference, current)


def _below(others: Floats, scores: Floats) -> Floats:
    ordered = np.sort(others)
    under, upto = search_sorted(ordered, scores, "left"), search_sorted(ordered, scores, "right")
    return np.asarray((under + upto) / 2 / len(others))


def with_interval(places: list[list[tuple[Ints, Floats]]], days: tuple[Days, Days], columns: int) -> Separation:
    """The AUC of cross-fitted placements with its interval: ``places`` holds rows and placements by window and fold."""
    if not places[0]:
        return Separation(0.5, 0.0, 1.0, 0.5, 1.0, np.zeros(columns))
    sizes = [np.array([len(p) for _, p in side], float) for side in places]
    weight = sizes[0] * sizes[1] / (sizes[0] + sizes[1])
    weight = weight / weight.sum()
    auc = float(sum(w * p.mean() for w, (_, p) in zip(weight, places[1], strict=True)))
    parts = [_variance(side, weight, d) for side, d in zip(places, days, strict=True)]
    variance = sum(v for v, _ in parts)
    df = variance**2 / sum(v**2 / f for v, f in parts) if variance > 0 else 1.0
    se = float(np.sqrt(SHARED * variance))
    half = float(stats.t.ppf(0.975, max(df, 1.0))) * se
    return Separation(auc, max(auc - half, 0.0), min(auc + half, 1.0), se, max(df, 1.0), np.zeros(columns))


def _variance(side: list[tuple[Ints, Floats]], weight: Floats, days: Days) -> tuple[float, float]:
    """Variance of one window's weighted mean placement, and its degrees of freedom; the unit is the day or the row."""
    rows = np.concatenate([at for at, _ in side])
    overall = float(sum(w * p.mean() for w, (_, p) in zip(weight, side, strict=True)))
    influence = np.concatenate([w * (p - overall) / len(p) for w, (_, p) in zip(weight, side, strict=True)])
    unit = rows if days is None else days[rows]
    distinct, index = np.unique(unit, return_inverse=True)
    total = np.bincount(index, influence)
    n = len(distinct)
    return max(float((total**2).sum()) * n / max(n - 1, 1), 1e-12), float(max(n - 1, 1))


def _importance(
    models: list[tuple[HistGradientBoostingClassifier, list[Ints]]],
    x: list[Floats],
    rng: np.random.Generator,
) -> Floats:
    columns = x[0].shape[1]
    most = min(LOOKED_AT, max(LOOKED_AT_IN_ALL // max(columns, 1), LEAST_LOOKED_AT))
    lost = np.zeros(columns)
    for model, test in models:
        rows = [t if len(t) <= most else rng.choice(t, most, replace=False) for t in test]
        sides = [v[r] for v, r in zip(x, rows, strict=True)]
        whole = np.vstack(sides)
        n = len(sides[0])
        order = rng.permutation(len(whole))
        said = _scores(model, whole[None])
        (base,) = _aucs(said, n)
        asked = _columns_that_count(model, whole, order, said[0])
        size = max(AT_ONCE // max(len(whole), 1), 1)
        for start in range(0, len(asked), size):
            chosen = asked[start : start + size]
            copies = np.repeat(whole[None], len(chosen), axis=0)
            for i, column in enumerate(chosen):
                copies[i, :, column] = whole[order, column]
            lost[chosen] += (base - _aucs(_scores(model, copies), n)) / len(models)
    return lost


def _columns_that_count(model: HistGradientBoostingClassifier, rows: Floats, order: Ints, said: Floats) -> Ints:
    """The columns whose shuffling may change what the model says of ``rows`` (n, p); the others, all shuffled, change nothing."""
    used = split_columns(model, rows.shape[1])
    if not used.all():
        without = np.where(used, rows, rows[order])
        if not np.array_equal(_scores(model, without[None])[0], said):
            used[:] = True
    return np.flatnonzero(used)


def _scores(model: HistGradientBoostingClassifier, copies: Floats) -> Floats:
    """Scores (c, rows) of some copies (c, rows, p) of the same rows."""
    count, rows, columns = copies.shape
    return np.asarray(model.decision_function(copies.reshape(count * rows, columns)), float).reshape(count, rows)


def _aucs(scores: Floats, n: int) -> Floats:
    """AUC of each row of scores (c, rows), whose first ``n`` are the reference's."""
    return np.array([placements(one[:n], one[n:])[1].mean() for one in scores])
