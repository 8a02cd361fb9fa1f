"""Topics of texts: non-negative parts of their TF-IDF, learned on both windows together and blind to which text is whose.

Reference: Lee and Seung (1999); Xu, Liu and Gong (2003) for grouping texts by them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from backslide.stats.arrays import Floats, Ints
from backslide.stats.text.tfidf import Bag

MOST_TOPICS = 12
TEXTS_PER_TOPIC = 50
ROUNDS = 60
WORDS = 6


@dataclass(frozen=True)
class Topics:
    """Topics of the texts of both windows."""

    words: tuple[tuple[str, ...], ...]
    """Of each topic, the weightiest first (K)."""
    codes: tuple[Ints, Ints]
    """Topic of each text (n,); K where it has none."""
    loading: tuple[Floats, Floats]
    """How much of a text is its topic (n,), 0 to 1."""


def topics_of(bag: Bag) -> Topics | None:
    """At most ``MOST_TOPICS``; None where the texts are too few."""
    from sklearn.decomposition import NMF

    x = sparse.vstack(bag.weights).tocsr()
    k = min(MOST_TOPICS, x.shape[0] // TEXTS_PER_TOPIC, x.shape[1] // 2)
    if k < 2 or not x.nnz:
        return None
    model = NMF(k, init="nndsvda", solver="cd", max_iter=ROUNDS, tol=1e-3, random_state=0)
    with warnings.catch_warnings(action="ignore"):  # topics of the last round are good enough
        w = model.fit_transform(x)
    h = np.asarray(model.components_)
    w = w * np.linalg.norm(h, axis=1)[None, :]
    total = w.sum(axis=1)
    code = np.where(total > 0, w.argmax(axis=1), k).astype(np.int64)
    loading = np.where(total > 0, w.max(axis=1) / np.where(total > 0, total, 1.0), 0.0)
    words = tuple(tuple(bag.terms[i] for i in np.argsort(-row, kind="stable")[:WORDS] if row[i] > 0) for row in h)
    n = bag.weights[0].shape[0]
    return Topics(words, (code[:n], code[n:]), (loading[:n], loading[n:]))
