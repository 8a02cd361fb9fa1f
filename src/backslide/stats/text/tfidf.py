"""Texts as words: TF-IDF, a linear domain classifier with its interval, and the terms that tell two windows apart.

The classifier is logistic regression on TF-IDF, cross-fitted over stretches of days as in ``stats.domain``; the interval of
its AUC has the day as unit. Terms are ranked by log odds with an informative Dirichlet prior, which keeps rare terms from the
top.

References: Monroe, Colaresi and Quinn (2008); Salton and Buckley (1988); Rabanser, Guennemann and Lipton (2019).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats

from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.drift.domain_classifier import FOLDS, Days, Separation, placements, stretches, with_interval

MOST_TERMS = 6_000
LEAST_TEXTS = 5
TOKEN = r"(?u)\b[^\W_][^\W_]+\b"
LONGEST = 40
"""Characters of a term beyond which it is no word."""
STRENGTH = 1.0
"""Inverse of the ridge penalty."""
PRIOR = 500.0
"""Terms that the prior of the log odds is worth."""


@dataclass(frozen=True)
class Bag:
    """Texts of both windows on the same terms."""

    terms: tuple[str, ...]
    counts: tuple[sparse.csr_matrix, sparse.csr_matrix]
    """How often each text (n,) holds each term (p,)."""
    weights: tuple[sparse.csr_matrix, sparse.csr_matrix]
    """TF-IDF, rows of length 1."""

    def words(self, without: frozenset[str] = frozenset()) -> Bag:
        """The single words alone, ``without`` some."""
        single = np.flatnonzero([" " not in term and term not in without for term in self.terms])
        weights = tuple(_unit(own[:, single]) for own in self.weights)
        counts = self.counts[0][:, single], self.counts[1][:, single]
        return Bag(tuple(self.terms[i] for i in single), counts, (weights[0], weights[1]))


def _unit(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    unit: sparse.csr_matrix = sparse.diags(1 / np.where(length > 0, length, 1.0)).dot(rows).tocsr()
    return unit


def bag_of(texts: tuple[Sequence[str], Sequence[str]], *, most: int = MOST_TERMS) -> Bag | None:
    """Words and pairs of words; None where too few are shared by several texts."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    vectoriser = CountVectorizer(
        token_pattern=TOKEN, ngram_range=(1, 2), min_df=LEAST_TEXTS, max_df=0.9, max_features=most
    )
    with warnings.catch_warnings(action="ignore"):  # remarks about our own settings
        try:
            counts = vectoriser.fit_transform([*texts[0], *texts[1]]).tocsr()
        except ValueError:  # no term is shared by as many texts
            return None
    terms = vectoriser.get_feature_names_out()
    short = np.array([len(t) <= LONGEST for t in terms])
    if short.sum() < 10:
        return None
    counts = counts[:, short]
    weights = TfidfTransformer(sublinear_tf=True).fit_transform(counts).tocsr()
    n = len(texts[0])
    return Bag(tuple(terms[short].tolist()), (counts[:n], counts[n:]), (weights[:n], weights[n:]))


@dataclass(frozen=True)
class TextSeparation:
    """How well the windows' texts can be told apart, and where each text stands."""

    overall: Separation
    places: tuple[Floats, Floats]
    """Share of the other window's texts on the right side of each text (n,), NaN where it took no part."""
    scores: tuple[Floats, Floats]
    fold: tuple[Ints, Ints]

    def within(self, rows: tuple[Mask, Mask], days: tuple[Days, Days]) -> Separation:
        """The same classifier on some of the texts of both windows."""
        return _cross_validate(self.scores, self.fold, rows, days)[0]


def text_separation(bag: Bag, days: tuple[Days, Days], rng: np.random.Generator) -> TextSeparation:
    """Cross-fitted AUC of telling the windows' texts apart."""
    from sklearn.linear_model import LogisticRegression

    x = bag.weights
    fold = tuple(stretches(v.shape[0], d, rng) for v, d in zip(x, days, strict=True))
    scores = tuple(np.full(v.shape[0], np.nan) for v in x)
    for k in range(FOLDS):
        train = [v[f != k] for v, f in zip(x, fold, strict=True)]
        if min(v.shape[0] for v in train) < 2:
            continue
        y = np.repeat([0, 1], [v.shape[0] for v in train])
        model = LogisticRegression(C=STRENGTH, class_weight="balanced", solver="liblinear", max_iter=50, random_state=0)
        with warnings.catch_warnings(action="ignore"):  # a fit that stops early is good enough
            model.fit(sparse.vstack(train), y)
        for own, v, f in zip(scores, x, fold, strict=True):
            if (f == k).any():
                own[f == k] = model.decision_function(v[f == k])
    pair, folds = (scores[0], scores[1]), (fold[0], fold[1])
    result, places = _cross_validate(pair, folds, (np.isfinite(scores[0]), np.isfinite(scores[1])), days)
    return TextSeparation(result, places, pair, folds)


def _cross_validate(
    scores: tuple[Floats, Floats],
    fold: tuple[Ints, Ints],
    rows: tuple[Mask, Mask],
    days: tuple[Days, Days],
) -> tuple[Separation, tuple[Floats, Floats]]:
    parts: list[list[tuple[Ints, Floats]]] = [[], []]
    placed = tuple(np.full(len(s), np.nan) for s in scores)
    for k in range(FOLDS):
        test = [np.flatnonzero((f == k) & use & np.isfinite(s)) for f, use, s in zip(fold, rows, scores, strict=True)]
        if min(map(len, test)) == 0:
            continue
        both = placements(scores[0][test[0]], scores[1][test[1]])
        for side in (0, 1):
            parts[side].append((test[side], both[side]))
            placed[side][test[side]] = both[side]
    return with_interval(parts, days, 0), (placed[0], placed[1])


@dataclass(frozen=True)
class Term:
    """How much more often a term comes now."""

    term: str
    log_odds: float
    z: float
    before: float
    """Share of the reference texts that hold it."""
    after: float


def telling_terms(bag: Bag, rows: tuple[Mask, Mask] | None = None, most: int = 12) -> list[Term]:
    """Terms that come more often, and less often, by more than chance (Bonferroni over all terms), the clearest first."""
    used = bag.counts if rows is None else tuple(c[np.flatnonzero(r)] for c, r in zip(bag.counts, rows, strict=True))
    counts = [np.asarray((c > 0).sum(axis=0)).ravel().astype(float) for c in used]
    n = [max(c.shape[0], 1) for c in used]
    both = counts[0] + counts[1]
    prior = both / max(both.sum(), 1.0) * PRIOR + 0.01
    odds, variance = [], np.zeros(len(both))
    for own in counts:
        up, rest = own + prior, own.sum() + prior.sum() - own - prior
        odds.append(np.log(up) - np.log(rest))
        variance = variance + 1 / up
    z = (odds[1] - odds[0]) / np.sqrt(variance)
    critical = float(stats.norm.isf(0.005 / max(len(z), 1)))
    order = [int(i) for i in np.argsort(-np.abs(z), kind="stable") if abs(z[i]) > critical]
    results: list[Term] = []
    for i in order:
        term = bag.terms[i]
        # Of a phrase and its words the clearest speaks for all.
        if any(set(term.split()) & set(t.term.split()) and (t.log_odds > 0) == (z[i] > 0) for t in results):
            continue
        results.append(
            Term(term, float(odds[1][i] - odds[0][i]), float(z[i]), counts[0][i] / n[0], counts[1][i] / n[1])
        )
        if len(results) == most:
            break
    return results
