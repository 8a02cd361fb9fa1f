"""Which columns and classes carry a shift: those that moved to where the model was weak, or whose relation changed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from backslide.case import Case
from backslide.causes.columns.association import dependence
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.contracts import say
from backslide.engine.columns.pair import Pair, to_words
from backslide.playbook.clock import time_columns
from backslide.playbook.concept.decomposition import Populations, Split
from backslide.stats.arrays import Floats
from backslide.stats.change.effect import Effect
from backslide.stats.shift import doubly_robust
from backslide.stats.two_sample import chi_squared, holm

TIED = 0.6
"""Rank correlation from which columns that moved are one group."""
NAMED = 4
"""Features or classes that a cause names at most."""

LEAST_IN_CELL, MOST_RARE = 20, 0.1
"""Reference rows of a bin or level from which on their loss is known, and share of the current rows that may be in others."""
SURE_Z, ALPHA = 4.0, 0.00125
"""Standard errors from which the cost of one column's mix is believed, at least, and error rate over all columns."""
MOST_DRAWN = 4
"""Columns that are drawn anew, those whose mix costs most."""
MOVED_MOST = 2
"""Of them where only how far they moved speaks for them."""

Rows = tuple[NDArray[np.int64], NDArray[np.int64]]


def coded(pair: Pair, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Bins or levels of a column on the labelled rows of both windows."""
    if pair.numeric:
        ref, cur = (numbers[r] for numbers, r in zip(pair.numbers, rows, strict=True))
        return doubly_robust.bins_of(ref, cur, pair.discrete)
    texts = [to_words(t[r]) for t, r in zip(pair.texts, rows, strict=True)]
    levels = {level: code for code, level in enumerate(sorted(set(texts[0])))}
    rest = len(levels)
    codes = [np.array([levels.get(t, rest) for t in side], np.int64) for side in texts]
    return codes[0], codes[1], rest + 1


def moved_features(bench: PricingBench, p: Populations, parts: Split, *, priced: bool = True) -> tuple[str, ...]:
    """Columns whose own move explains at least a quarter of the inputs' part, most significant first; those that moved most where
    that part can hardly be ``priced``, as rows that are not there cannot be given more weight."""
    case, value, harm = bench.case, bench.target.value, bench.target.harm
    rows = (bench.rows(case.reference), bench.rows(case.current))
    before = float(value(p.s_g.sum(0)))
    found: list[tuple[str, float, float, float]] = []
    for column in p.columns:
        code_ref, code_cur, cells = coded(case.pairs[column], rows)
        count_ref, count_cur = np.bincount(code_ref, minlength=cells), np.bincount(code_cur, minlength=cells)
        _, p_value, statistic = chi_squared(count_ref, count_cur)
        freedom = max(int(((count_ref + count_cur) > 0).sum()) - 1, 1)
        w = doubly_robust.one_feature_weights(code_ref, code_cur, cells)
        points = harm(float(value((p.s_g * w[:, None]).sum(0))) - before)
        found.append((column, p_value, (statistic - freedom) / np.sqrt(2 * freedom), points))
    adjusted = holm([f[1] for f in found])
    significant = [f for f, q in zip(found, adjusted, strict=True) if q < 0.01]
    significant.sort(key=lambda f: -f[2])
    if not priced:
        return tuple(f[0] for f in significant[:MOVED_MOST])
    strong = [f for f in significant if f[3] >= 0.25 * harm(parts.inputs.value)]
    return tuple(f[0] for f in (strong or significant[:1])[:NAMED])


def share_of_one_column(bench: PricingBench, p: Populations) -> tuple[str, Effect] | None:
    """The column whose values, as often as they come now, take the reference to the worst metric, and by how much: what its mix
    alone costs at the losses that rows of each value always had (Kitagawa 1955, "Components of a Difference Between Two Rates").

    Sharper than the split by all columns, as nothing is foretold; both windows' days are drawn anew. Of the values as they were
    logged, without columns that tell the time, and those of which many current rows hold what the reference hardly held. None
    where nothing costs anything beyond chance, at one-sided 0.125 % over all columns that were asked.
    """
    case, harm, clocks = bench.case, bench.target.harm, time_columns(bench.case)
    value, draws = bench.target.value, (bench.draw(case.reference), bench.draw(case.current))
    rows = (bench.rows(case.reference), bench.rows(case.current))
    before = float(value(p.s_g.sum(0)))
    asked: list[tuple[float, str, NDArray[np.int64], NDArray[np.int64], int]] = []
    for column in p.columns:
        code_ref, code_cur, cells = coded(case.pairs[column], rows)
        rare = np.bincount(code_ref, minlength=cells) < LEAST_IN_CELL
        if column in clocks or rare[code_cur].mean() > MOST_RARE:
            continue
        weights = doubly_robust.one_feature_weights(code_ref, code_cur, cells)[:, None]
        asked.append((harm(float(value((p.s_g * weights).sum(0))) - before), column, code_ref, code_cur, cells))
    sure = max(SURE_Z, float(stats.norm.isf(ALPHA / max(len(asked), 1))))
    served = value(draws[0].sums(p.s_g) / draws[0].sums(np.ones((len(p.s_g), 1))))
    for cost, column, code_ref, code_cur, cells in sorted(asked, key=lambda one: -one[0])[:MOST_DRAWN]:
        moved = doubly_robust.reweight_classes(p.s_g, code_ref, code_cur, cells, *draws)
        effect = Effect(float(value(moved.sums)) - before, value(moved.replicates) - served)
        if cost > 0 and harm(effect.value) > 0 and abs(effect.z) >= sure:
            return column, effect
    return None


def moved_beyond_days(bench: PricingBench, p: Populations, column: str) -> bool:
    """Whether the values of a column come more or less often than days that differ by chance lead to expect."""
    case, rows = bench.case, (bench.rows(bench.case.reference), bench.rows(bench.case.current))
    code_ref, code_cur, cells = coded(case.pairs[column], rows)
    draws = bench.draw(case.reference), bench.draw(case.current)
    moved = doubly_robust.reweight_classes(p.s_g[:, :1], code_ref, code_cur, cells, *draws)
    return bool(np.abs(moved.z).max(initial=0.0) >= SURE_Z)


def ties_between(case: Case, features: tuple[str, ...]) -> tuple[str, ...]:
    """Groups of columns that hang together so closely that what each of them costs cannot be told apart, in words."""
    ties, left, said = dependence(case), list(features), []
    size = np.abs(ties.reference)
    while left:
        first = left.pop(0)
        own = ties.vectors(first)
        group = [f for f in left if len(own) and size[np.ix_(own, ties.vectors(f))].max(initial=0.0) >= TIED]
        left = [f for f in left if f not in group]
        if group:
            said.append(f"{say.listed((first, *group))} hang together and moved together")
    return tuple(said)


def changed_relation(bench: PricingBench, p: Populations) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns and classes along which the mean signed residual changed most."""
    case = bench.case
    rows = (bench.rows(case.reference), bench.rows(case.current))
    residual = residuals(case, p)
    scores: list[tuple[float, str]] = []
    for column in p.columns:
        code_ref, code_cur, cells = coded(case.pairs[column], rows)
        score, used = doubly_robust.residual_change(*residual, code_ref, code_cur, cells)
        scores.append((score / np.sqrt(2 * max(used, 1)), column))
    scores.sort(reverse=True)
    features = tuple(column for score, column in scores[:2] if score > 4 and score >= 0.5 * scores[0][0])
    if case.problem.classification and len(case.problem.classes) > doubly_robust.MAX_CLASSES:
        return features, _erring_classes(case, p)
    return features, _changed_classes(case, residual)


def residuals(case: Case, p: Populations) -> tuple[Floats, Floats]:
    """Outcome minus what the reference leads to expect: per class (n, K), or the signed error (n, 1)."""
    if not case.problem.classification:
        error_ref, error_cur = (o.labels.astype(float) - o.predictions.astype(float) for o in (p.good, p.bad))
        return error_ref[:, None], error_cur[:, None]
    k = len(case.problem.classes)
    labels = [o.labels.astype(np.int64) for o in (p.good, p.bad)]
    if k > doubly_robust.MAX_CLASSES:
        right = [(o.labels == o.predictions).astype(float)[:, None] for o in (p.good, p.bad)]
        return right[0], right[1]
    return np.eye(k)[labels[0]] - p.chances[0], np.eye(k)[labels[1]] - p.chances[1]


def _erring_classes(case: Case, p: Populations) -> tuple[str, ...]:
    """Of many classes those whose rows are missed more often, by what that adds to all errors."""
    k = len(case.problem.classes)
    rows, missed = [], []
    for outcomes in (p.good, p.bad):
        labels = outcomes.labels.astype(np.int64)
        rows.append(np.bincount(labels, minlength=k).astype(float))
        missed.append(np.bincount(labels[outcomes.labels != outcomes.predictions], minlength=k).astype(float))
    rate = [m / np.maximum(n, 1.0) for m, n in zip(missed, rows, strict=True)]
    error = np.sqrt(
        sum((r * (1 - r) + 1 / np.maximum(n, 1.0)) / np.maximum(n, 1.0) for r, n in zip(rate, rows, strict=True))
    )
    z = np.where(np.minimum(*rows) > 0, (rate[1] - rate[0]) / error, 0.0)
    order = np.argsort(-(rate[1] - rate[0]) * rows[1])[:NAMED]
    return tuple(case.problem.classes[i] for i in order if z[i] > 4)


def _changed_classes(case: Case, residual: tuple[Floats, Floats]) -> tuple[str, ...]:
    if not case.problem.classification or residual[0].shape[1] != len(case.problem.classes):
        return ()
    ref, cur = residual
    error = np.sqrt(ref.var(0) / len(ref) + cur.var(0) / len(cur))
    z = np.where(error > 0, (cur.mean(0) - ref.mean(0)) / np.where(error > 0, error, 1.0), 0.0)
    order = np.argsort(-np.abs(z))[:NAMED]
    return tuple(case.problem.classes[i] for i in order if abs(z[i]) > 4)
