"""How much of a change is P(X) and how much is P(Y | X): doubly robust decomposition with its support gate.

The reference is moved to the current inputs by cross-fitted importance weights and by a cross-fitted outcome model at once;
the estimate is consistent when either is right (Robins, Rotnitzky and Zhao 1994; as a decomposition: Cai, Namkoong and
Yadlowsky 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.bootstrap import Resampler
from backslide.stats.drift.boosting import classify, regress
from backslide.stats.sorted_search import search_sorted

FOLDS = 3
MAX_WEIGHT = 20.0
MIN_ESS = 100.0
OUTSIDE = 0.95
MAX_OUTSIDE = 0.20
CLEARLY_OUTSIDE = 0.8
"""Share of the current rows of one fold of three that must lie outside: the rows of the others could hardly make up for it."""
PRIOR_SPREAD = 0.5
"""By how much class shares are believed to move, as a share of themselves, before the predictions are looked at."""
LEAST_RATIO = 0.05
MAX_CLASSES = 20
"""Above this many classes the outcome model is left out and plain importance weighting stands."""


@dataclass(frozen=True)
class Domain:
    """Importance weights of the reference rows, and whether the reference supports the current inputs at all."""

    weights: Floats
    """Density ratio current / reference of each reference row, clipped to [0, 20] (n_ref,)."""
    ess: float
    """Effective sample size (sum w)^2 / sum w^2."""
    outside: float
    """Share of current rows that the classifier is 95 % sure are not from the reference."""
    auc: float
    shared: tuple[Floats, Floats]
    """Weights that move each window to the inputs both hold: balanced P(current | x) for reference rows, its complement else."""

    @property
    def overlap(self) -> float:
        """Rows of the smaller window's part in the inputs that both hold: the sum of its weights."""
        return float(min(weights.sum() for weights in self.shared))

    @property
    def supported(self) -> bool:
        """Whether the decomposition may be reported."""
        return self.ess >= MIN_ESS and self.outside <= MAX_OUTSIDE


@dataclass(frozen=True)
class MovedSums:
    """Mean row statistics of three populations, with replicates: reference, reference moved to the current X, current."""

    reference: Floats
    moved: Floats
    current: Floats
    reference_replicates: Floats
    moved_replicates: Floats
    current_replicates: Floats


def _folds(n: int, rng: np.random.Generator) -> Ints:
    """Fold of each row (n,)."""
    return np.asarray(rng.permutation(np.arange(n) % FOLDS))


def domain_weights(x_ref: Floats, x_cur: Floats, categorical: Mask, rng: np.random.Generator) -> Domain:
    """Cross-fitted, regularised domain classifier with Platt scaling on the out-of-fold scores."""
    return DomainFolds(x_ref, x_cur, categorical, rng).domain


class DomainFolds:
    """The domain classifier of two windows, fitted fold by fold as far as it is asked."""

    def __init__(self, x_ref: Floats, x_cur: Floats, categorical: Mask, rng: np.random.Generator) -> None:
        self.rows = len(x_ref), len(x_cur)
        self.categorical = categorical
        self.x = np.vstack([x_ref, x_cur])
        self.y = np.repeat([0.0, 1.0], self.rows)
        self.fold = _folds(len(self.x), rng)
        self._first: Floats | None = None

    @cached_property
    def clearly_apart(self) -> bool:
        """Whether the rows of the first fold alone are more of a proof than ``Domain.supported`` asks of all: then it need not be
        known how far apart the windows are."""
        rows = self.fold == 0
        y, self._first = self.y[rows], self._scores(0)
        current = y == 1
        if current.all() or not current.any():
            return False
        odds = _platt_odds(self._first, y)[current] * (~current).sum() / current.sum()
        return float((odds / (1 + odds) > OUTSIDE).mean()) >= CLEARLY_OUTSIDE

    @cached_property
    def domain(self) -> Domain:
        """The weights."""
        raw = np.zeros(len(self.x))
        for k in range(FOLDS):
            raw[self.fold == k] = self._first if k == 0 and self._first is not None else self._scores(k)
        n_ref, n_cur = self.rows
        odds = _platt_odds(raw, self.y) * n_ref / n_cur
        w = np.clip(odds[:n_ref], 0.0, MAX_WEIGHT)
        balanced = odds / (1 + odds)
        ess = float(w.sum() ** 2 / max((w**2).sum(), 1e-12))
        return Domain(
            w,
            ess,
            float((balanced[n_ref:] > OUTSIDE).mean()),
            float(roc_auc_score(self.y, raw)),
            (balanced[:n_ref], 1 - balanced[n_ref:]),
        )

    def _scores(self, k: int) -> Floats:
        """Scores of the rows of a fold by a classifier of the others."""
        rows = self.fold == k
        model = classify(self.x[~rows], self.y[~rows], self.categorical)
        return np.asarray(model.decision_function(self.x[rows]), float)


def _platt_odds(raw: Floats, y: Floats) -> Floats:
    """Odds of the current window for scores (n,), by Platt scaling."""
    platt = LogisticRegression(C=1e6).fit(raw[:, None], y)
    p = np.clip(platt.predict_proba(raw[:, None])[:, 1], 1e-6, 1 - 1e-6)
    return np.asarray(p / (1 - p))


def class_probabilities(
    x_ref: Floats,
    labels: Ints,
    x_cur: Floats,
    classes: int,
    categorical: Mask,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """P(label | x) learned on the reference: out-of-fold for reference rows (n_ref, K), averaged over folds for current rows."""
    fold = _folds(len(x_ref), rng)
    inside, outside = np.zeros((len(x_ref), classes)), np.zeros((len(x_cur), classes))
    for k in range(FOLDS):
        train = fold != k
        present = np.unique(labels[train])
        if len(present) < 2:
            inside[fold == k, present[0]] = 1.0
            outside[:, present[0]] += 1 / FOLDS
            continue
        model = classify(x_ref[train], labels[train], categorical)
        inside[np.ix_(fold == k, model.classes_)] = model.predict_proba(x_ref[fold == k])
        outside[:, model.classes_] += model.predict_proba(x_cur) / FOLDS
    return inside, outside


def expected_losses(
    x_ref: Floats,
    losses: Floats,
    x_cur: Floats,
    categorical: Mask,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """E[loss | x] learned on the reference, for every column of ``losses`` (n_ref, F)."""
    fold = _folds(len(x_ref), rng)
    inside, outside = np.zeros_like(losses), np.zeros((len(x_cur), losses.shape[1]))
    for column in range(losses.shape[1]):
        for k in range(FOLDS):
            train = fold != k
            model = regress(x_ref[train], losses[train, column], categorical)
            inside[fold == k, column] = model.predict(x_ref[fold == k])
            outside[:, column] += model.predict(x_cur) / FOLDS
    return inside, outside


def count_expectations(probabilities: Floats, predictions: Ints) -> Floats:
    """Expected count statistics (n, 3K) given P(label | x) and the prediction, which x determines."""
    n, k = probabilities.shape
    rows = np.zeros((n, 3 * k))
    rows[:, :k] = probabilities
    index = np.arange(n)
    known = predictions >= 0
    rows[index[known], k + predictions[known]] = 1.0
    rows[index[known], 2 * k + predictions[known]] = probabilities[index[known], predictions[known]]
    return rows


def move(
    s_ref: Floats,
    s_cur: Floats,
    m_ref: Floats,
    m_cur: Floats,
    weights: Floats,
    draw_ref: Resampler,
    draw_cur: Resampler,
) -> MovedSums:
    """Doubly robust mean statistics of the reference moved to the current inputs, with replicates (nuisances fixed).

    ``s`` are row statistics (n, F), ``m`` their expectations given x.
    """
    residual = np.column_stack([weights[:, None] * (s_ref - m_ref), weights])
    estimate = m_cur.mean(0) + residual[:, :-1].sum(0) / max(float(weights.sum()), 1e-12)
    ones_ref, ones_cur = np.ones((len(s_ref), 1)), np.ones((len(s_cur), 1))
    n_ref, n_cur = draw_ref.sums(ones_ref), draw_cur.sums(ones_cur)
    r = draw_ref.sums(residual)
    moved_replicates = draw_cur.sums(m_cur) / n_cur + r[:, :-1] / np.maximum(r[:, -1:], 1e-12)
    return MovedSums(
        s_ref.mean(0),
        estimate,
        s_cur.mean(0),
        draw_ref.sums(s_ref) / n_ref,
        moved_replicates,
        draw_cur.sums(s_cur) / n_cur,
    )


@dataclass(frozen=True)
class ReweightedReference:
    """Mean statistics of the reference with its classes in the current proportions, and replicates."""

    sums: Floats
    replicates: Floats
    weights: Floats
    """Weight of each class (K,)."""
    z: Floats
    """Change of each class share in standard errors (K,)."""


def reweight_classes(
    s_ref: Floats,
    y_ref: Ints,
    y_cur: Ints,
    classes: int,
    draw_ref: Resampler,
    draw_cur: Resampler,
) -> ReweightedReference:
    """Label shift: the reference with class shares of the current window."""
    onehot_ref, onehot_cur = np.eye(classes)[y_ref], np.eye(classes)[y_cur]
    p_ref, p_cur = onehot_ref.mean(0), onehot_cur.mean(0)
    present = p_ref > 0
    per_class = onehot_ref.T @ s_ref / len(y_ref)  # (K, F): share times conditional mean
    ratio = np.where(present, p_cur / np.where(present, p_ref, 1.0), 0.0)
    sums = ratio @ per_class
    share_ref = draw_ref.sums(onehot_ref)
    share_cur = draw_cur.sums(onehot_cur)
    share_ref, share_cur = share_ref / share_ref.sum(1, keepdims=True), share_cur / share_cur.sum(1, keepdims=True)
    n_ref = draw_ref.sums(np.ones((len(y_ref), 1)))
    draws = np.where(
        share_ref > 0, share_cur / np.where(share_ref > 0, share_ref, 1.0), 0.0
    )  # (B, K): the ratio in each replicate
    replicates = draw_ref.sums(s_ref, draws[:, y_ref].T) / n_ref
    spread = np.sqrt(share_ref.var(0, ddof=1) + share_cur.var(0, ddof=1))
    z = np.where(spread > 0, (p_cur - p_ref) / np.where(spread > 0, spread, 1.0), 0.0)
    return ReweightedReference(sums, replicates, ratio, z)


def class_ratios(
    y_ref: Ints,
    said_ref: Ints,
    said_cur: Ints,
    classes: int,
    draws: tuple[Resampler, Resampler],
) -> tuple[Floats, Floats]:
    """Current over reference share of each class, told from the predictions alone: no label of the current window is used.

    Lipton, Wang and Smola (2018), "Detecting and Correcting for Label Shift with Black Box Predictors", as least squares drawn
    towards 1 (``PRIOR_SPREAD``), since a weak model tells little.

    Returns:
        The ratios (K,), at least ``LEAST_RATIO`` and 1 for a class without reference rows, and their replicates (B, K).
    """
    shown = np.eye(classes)
    joint = shown[said_ref].T @ shown[y_ref] / len(y_ref)  # (predicted, labelled)
    now, then = shown[said_cur].mean(0), joint.sum(1)
    noise = np.sqrt((now + 1 / len(said_cur)) / len(said_cur) + (then + 1 / len(y_ref)) / len(y_ref))
    scaled = joint / noise[:, None]
    solve = np.linalg.solve(scaled.T @ scaled + np.eye(classes) / PRIOR_SPREAD**2, scaled.T) / noise
    ratio = 1 + solve @ (now - then)
    ratio = np.where(joint.sum(0) > 0, np.maximum(ratio, LEAST_RATIO), 1.0)
    resamples = [draws[0].sums(shown[said_ref] * ratio[y_ref][:, None]), draws[1].sums(shown[said_cur])]
    off = resamples[1] / len(said_cur) - now - (resamples[0] / len(y_ref) - joint @ ratio)
    return ratio, np.maximum(ratio + off @ solve.T, LEAST_RATIO)


def bins_of(ref: Floats, cur: Floats, discrete: bool, bins: int = 8) -> tuple[Ints, Ints, int]:
    """Bin numbers of both windows on the reference's quantiles (or its levels), missing as the last bin."""
    known = ref[np.isfinite(ref)]
    if discrete:
        edges = np.unique(np.r_[known, cur[np.isfinite(cur)]])
        edges = (edges[1:] + edges[:-1]) / 2 if len(edges) > 1 else edges[:0]
    else:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.empty(0)
    last = len(edges) + 1

    def code(values: Floats) -> Ints:
        index = search_sorted(edges, values, "right")
        return np.where(np.isfinite(values), index, last).astype(np.int64)

    return code(ref), code(cur), last + 1


def one_feature_weights(code_ref: Ints, code_cur: Ints, cells: int) -> Floats:
    """Weights of the reference rows that move one binned feature to its current distribution, clipped like ``Domain``."""
    p_ref = np.bincount(code_ref, minlength=cells) / max(len(code_ref), 1)
    p_cur = np.bincount(code_cur, minlength=cells) / max(len(code_cur), 1)
    ratio = np.where(p_ref > 0, p_cur / np.where(p_ref > 0, p_ref, 1.0), 0.0)
    return np.asarray(np.clip(ratio, 0, MAX_WEIGHT)[code_ref])


def residual_change(
    residual_ref: Floats,
    residual_cur: Floats,
    code_ref: Ints,
    code_cur: Ints,
    cells: int,
) -> tuple[float, int]:
    """Change of the mean signed residual per cell beyond the overall change, in standard errors: (sum of (z^2 - 1), cells used).

    ``residual`` (n, K) is outcome minus expectation; cells with fewer than 10 rows in either window are left out. The overall
    change is taken out, because it shows in every column alike and accuses none.
    """
    n_ref, n_cur = np.bincount(code_ref, minlength=cells), np.bincount(code_cur, minlength=cells)
    use = (n_ref >= 10) & (n_cur >= 10)
    score, used = 0.0, 0
    for k in range(residual_ref.shape[1]):
        mean_ref, var_ref = _cell_moments(residual_ref[:, k], code_ref, cells, n_ref)
        mean_cur, var_cur = _cell_moments(residual_cur[:, k], code_cur, cells, n_cur)
        error = var_ref / np.maximum(n_ref, 1) + var_cur / np.maximum(n_cur, 1)
        overall = float(residual_cur[:, k].mean() - residual_ref[:, k].mean())
        z2 = np.where(use & (error > 0), (mean_cur - mean_ref - overall) ** 2 / np.where(error > 0, error, 1.0), 0.0)
        score += float((z2 - 1)[use].sum())
        used += int(use.sum())
    return score, used


def _cell_moments(values: Floats, code: Ints, cells: int, n: Ints) -> tuple[Floats, Floats]:
    total, square = np.bincount(code, values, cells), np.bincount(code, values**2, cells)
    mean = total / np.maximum(n, 1)
    return mean, np.maximum(square / np.maximum(n, 1) - mean**2, 0.0)
