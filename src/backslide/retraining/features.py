"""Features looked at again: which drift and do harm, and does the model do better on later rows without them?

Ranked by drift times harm: how far the feature alone sets the fresh rows apart from the labelled reference (Kolmogorov-Smirnov
distance, or total variation of levels), times how much depends on it, which is what shuffling its values on later rows costs;
where that helps, the candidate is led astray by the feature. A feature
that no candidate may see at all is one that tells the label far better than what was served: it was not known at that time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from scipy import stats

from backslide.contracts.retrain import FeatureRank
from backslide.engine.columns.pair import to_numbers, to_texts, to_words
from backslide.playbook.shadow.differences import difference
from backslide.retraining.backtest import Backtest, CandidateResult, arms_of, fit_plan, try_plan
from backslide.retraining.history import History
from backslide.retraining.robust_inputs import SteadyInputs
from backslide.stats.arrays import Mask

MOST_TRIED = 2
"""Features that candidates are made for, each without it and with it coarsened."""
LEAST_DRIFT = 0.1
LOOKED_AT = 4000
LEAK_ERROR = 0.01
"""Share of errors of a feature by itself under which it may be the label written back."""
LEAK_FACTOR = 0.25
MOST_LEVELS = 50
LARGEST = 1e30
"""Trees compute in single precision."""


def leaks(h: History) -> tuple[str, ...]:
    """Features that tell the label nearly without error where what was served is far from it."""
    known = np.flatnonzero(h.labelled)
    if len(known) < 100:
        return ()
    labels = h.served.labels[known]
    before = known[~h.fresh[known]]
    # What is broken now says nothing about what the champion could have known when it was well.
    served = _served_error(h, before if len(before) >= LEAST else known)
    results = []
    for column in h.case.problem.features:
        if column not in h.frame.columns or h.frame.schema[column].is_nested():
            continue
        error = _own_error(h, column, known, labels)
        if error is not None and error < LEAK_ERROR and error < LEAK_FACTOR * served:
            results.append(column)
    return tuple(results)


def _served_error(h: History, rows: np.ndarray) -> float:
    """Share of errors of what was served; for numbers the unexplained share of the variance."""
    labels, predictions = h.served.labels[rows], h.served.predictions[rows]
    if labels.dtype.kind == "f":
        y, p = labels.astype(float), predictions.astype(float)
        ok = np.isfinite(p)
        return float(((y - p)[ok] ** 2).mean() / max(y[ok].var(), 1e-12)) if ok.any() else 1.0
    return float((labels != predictions).mean())


def _own_error(h: History, column: str, rows: np.ndarray, labels: np.ndarray) -> float | None:
    """The same for one feature alone, learned on every other row and measured on the rest."""
    series = h.frame[column][rows]
    numeric = series.dtype.is_numeric()
    x = to_numbers(series) if numeric else np.array(to_texts(series), object)
    one, other = np.arange(len(rows)) % 2 == 0, np.arange(len(rows)) % 2 == 1
    if labels.dtype.kind == "f":
        if not numeric:
            return None
        ok = np.isfinite(x)
        if ok.sum() < 100 or np.ptp(x[ok]) == 0:
            return None
        r = float(np.corrcoef(x[ok], labels[ok].astype(float))[0, 1])
        return 1 - r**2 + float((~ok).mean())
    if numeric:
        from sklearn.tree import DecisionTreeClassifier

        finite = np.isfinite(x)
        low = float(x[finite].min()) - 1 if finite.any() else 0.0
        values = np.clip(np.where(finite, x, low), -LARGEST, LARGEST)[:, None]
        tree = DecisionTreeClassifier(max_leaf_nodes=2 * len(h.case.problem.classes), random_state=0)
        return float((tree.fit(values[one], labels[one]).predict(values[other]) != labels[other]).mean())
    if len(set(x.tolist())) > MOST_LEVELS:
        return None
    table = pl.DataFrame({"x": x[one].tolist(), "y": labels[one]})
    usual = table.group_by("x").agg(pl.col("y").mode().min())
    errors = dict(zip(usual["x"].to_list(), usual["y"].to_list(), strict=True))
    return float(np.mean([errors.get(v) != y for v, y in zip(x[other].tolist(), labels[other], strict=True)]))


def drift_of(h: History) -> dict[str, float]:
    """Feature -> how well it alone tells labelled rows of the reference from fresh ones (0 to 1)."""
    result = {}
    old, new = h.labelled & ~h.fresh, h.labelled & h.fresh
    if min(old.sum(), new.sum()) < LEAST:
        return {}
    for column in h.case.problem.features:
        if column in h.frame.columns and not h.frame.schema[column].is_nested():
            result[column] = _told_apart(h.frame[column], old, new)
    return result


LEAST = 50


def _told_apart(series: pl.Series, old: Mask, new: Mask) -> float:
    """Kolmogorov-Smirnov distance of numbers, total variation of levels."""
    if series.dtype.is_numeric():
        values = to_numbers(series)
        a, b = values[old], values[new]
        missing = abs(float(np.isnan(a).mean()) - float(np.isnan(b).mean()))
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        return max(float(stats.ks_2samp(a, b).statistic) if len(a) and len(b) else 0.0, missing)
    texts = np.array(to_texts(series), object)
    levels, index = np.unique(to_words(texts), return_inverse=True)
    if len(levels) > 0.5 * len(texts):
        return 0.0  # running text or an identifier: nothing that could be coarsened
    shares = [np.bincount(index[mask], minlength=len(levels)) / mask.sum() for mask in (old, new)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def ranking(bench: Backtest, best: CandidateResult) -> tuple[FeatureRank, ...]:
    """Features by drift times harm under the best candidate, on the rows of the last fold."""
    h, k = bench.history, len(bench.folds) - 1
    drift = drift_of(h)
    fold = bench.folds[k]
    rng = bench.rng("ranking")
    rows = fold.rows if len(fold.rows) <= LOOKED_AT else np.sort(rng.choice(fold.rows, LOOKED_AT, replace=False))
    model, _ = fit_plan(bench, best.plan, fold.origin, rng)
    frame = h.frame[rows]
    base = bench.case.answered(model, frame).outcomes
    arms = arms_of(h, base, rows)
    results = []
    for column in [c for c in bench.recipe.columns if drift.get(c, 0.0) > 0]:
        shuffled = frame.with_columns(frame[column].gather(rng.permutation(frame.height)).alias(column))
        answers = bench.case.answered(model, shuffled).outcomes
        lost = difference(bench.case, type(arms)(arms.new, arms_of(h, answers, rows).new, True), bench.metric)
        harm = 0.0 if lost is None else bench.metric.harm(lost.estimate)
        results.append(FeatureRank(feature=column, drift=drift[column], harm=harm))
    return tuple(sorted(results, key=lambda r: (-r.drift * abs(r.harm), -r.drift, r.feature)))


def with_gains(
    bench: Backtest, base: CandidateResult, ranked: tuple[FeatureRank, ...], tried: list[CandidateResult]
) -> tuple[FeatureRank, ...]:
    """The ranking with what leaving out or coarsening a feature gains, where ``without_unstable`` tried that."""
    gains = {t.plan.name: t.gain(bench.metric) - base.gain(bench.metric) for t in tried if t.found is not None}
    return tuple(
        one.model_copy(
            update={word: gains.get(f"{base.plan.name}, {word} {one.feature}") for word in ("without", "coarse")}
        )
        for one in ranked
    )


def without_unstable(bench: Backtest, best: CandidateResult, ranked: tuple[FeatureRank, ...]) -> list[CandidateResult]:
    """Candidates without, or with a coarsened, feature that drifts; one column of text is never taken from a model of it."""
    if bench.recipe.takes_text or len(bench.recipe.columns) < 2:
        return []
    tried = []
    for one in [r for r in ranked if r.drift >= LEAST_DRIFT][:MOST_TRIED]:
        bench.say(f"backtest: without {one.feature}")
        for word, steady in (
            ("without", SteadyInputs(fixed=(*bench.always, one.feature))),
            ("coarse", SteadyInputs(fixed=bench.always, coarse=(one.feature,))),
        ):
            name = f"{best.plan.name}, {word} {one.feature}"
            sentence = (
                f"{best.plan.description}; {one.feature} {'held at one value' if word == 'without' else 'in few bins'}"
            )
            tried.append(
                try_plan(bench, replace(best.plan, name=name, description=sentence, steady=steady, base=best.plan.name))
            )
    return tried
