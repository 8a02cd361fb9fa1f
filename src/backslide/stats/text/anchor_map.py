"""From anchors to vectors: what an encoder makes of words, or of other columns, learned in one window and asked in the other.

Ridge regression on TF-IDF of the words, or on the cells of other columns. It need not be a good encoder: where the same words
lead to the same places in both windows the encoder is the same, whatever the texts are about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import solve

from backslide.stats.text.embeddings import Matrix, explained

WORDS = 2**16
RIDGE = 0.1
CHUNK = 2_000
Map = Callable[[Any], Matrix]
"""Vectors (n, d) of the rows of an anchor matrix (n, p)."""


@dataclass(frozen=True)
class EncoderAgreement:
    """How two windows' encoders read the same anchors."""

    within: float
    """Share of the variance of held-out vectors that their own window's map accounts for; the smaller of the two."""
    across: tuple[float, float]
    """Slope of vectors on what the other window's map says of them, over that of the own map, reference and current: 1 for
    one encoder, about 0 for two."""
    covered: float
    """Spread of the guesses across over that of the guesses within; near 0 where the windows share no words."""
    old: Map
    """What the encoder of the reference makes of an anchor, roughly."""
    new: Map


def word_weights(texts: tuple[list[str], list[str]]) -> Callable[[list[str]], Any]:
    """The way from texts to TF-IDF of their hashed words (n, p), weighed by both windows."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    counts = HashingVectorizer(n_features=WORDS, alternate_sign=False, norm=None)
    weigh = TfidfTransformer(sublinear_tf=True).fit(sparse.vstack([counts.transform(side) for side in texts]))
    return lambda asked: weigh.transform(counts.transform(asked))


def agreement(anchors: tuple[Any, Any], x: tuple[Matrix, Matrix]) -> EncoderAgreement:
    """Maps learned on every other row of each window, asked of the rows between. Anchors are sparse (n, p) and (m, p)."""
    maps = [_ridge(a[::2], v[::2]) for a, v in zip(anchors, x, strict=True)]
    holdout = [v[1::2] for v in x]
    guess = [[by(a[1::2]) for a in anchors] for by in maps]
    within = min(explained(holdout[k], guess[k][k]) for k in (0, 1))
    own = [_slope(holdout[k], guess[k][k]) for k in (0, 1)]
    across = [_slope(holdout[k], guess[1 - k][k]) / own[k] if own[k] > 0 else 1.0 for k in (0, 1)]
    spread = [[float(g.var(axis=0).sum()) for g in side] for side in guess]
    covered = min(spread[k][1 - k] / spread[k][k] if spread[k][k] > 0 else 0.0 for k in (0, 1))
    return EncoderAgreement(within, (across[0], across[1]), covered, maps[0], maps[1])


def _ridge(words: Any, x: Matrix) -> Map:
    centre = x.mean(axis=0, dtype=np.float64)
    kernel = (words @ words.T).toarray()
    weights = solve(kernel + RIDGE * np.eye(len(kernel)), np.asarray(x - centre, np.float64), assume_a="pos")

    def asked(others: Any) -> Matrix:
        parts = [(others[at : at + CHUNK] @ words.T) @ weights for at in range(0, max(others.shape[0], 1), CHUNK)]
        return np.asarray(np.vstack(parts) + centre, np.float32)

    return asked


def _slope(truth: Matrix, guess: Matrix) -> float:
    """Of vectors on guesses, both about their means, over all dimensions at once."""
    t, g = (np.asarray(v - v.mean(axis=0), np.float64) for v in (truth, guess))
    total = float((g**2).sum())
    return float((t * g).sum()) / total if total > 0 else 0.0
