"""Columns with running text as a matrix for a stand-in: weighted words for a linear form, their main directions for trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, hstack
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from backslide.case import Case
from backslide.engine.columns.design_matrix import Design, make_design
from backslide.engine.columns.pair import to_texts
from backslide.stats.arrays import Floats

MOST_WORDS = 20_000
DIRECTIONS = 30
"""Main directions of the words (latent semantic analysis, Deerwester et al. 1990)."""
PENALTY = 0.1
"""Of the linear form, in units of squared weights per unit of squared error; lengths of texts are 1."""


@dataclass(frozen=True)
class TextDesign:
    """Words of the columns of text, beside the other columns."""

    columns: tuple[str, ...]
    texts: dict[str, TfidfVectorizer]
    others: Design
    centre: Floats
    scale: Floats
    """Of the other columns that are numbers (p,)."""
    directions: TruncatedSVD | None
    """None where every word counts by itself."""

    @property
    def categorical(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which columns of the dense matrix hold codes."""
        none = np.zeros(0 if self.directions is None else self.directions.n_components, bool)
        return np.concatenate([none, self.others.categorical])

    def matrix(self, frame: pl.DataFrame) -> Any:
        """Weighted words and indicators (sparse), or directions and columns as they are (dense): (n, terms)."""
        words = hstack([vectorizer.transform(_strings(frame[c])) for c, vectorizer in self.texts.items()], format="csr")
        x = self.others.matrix(frame)
        if self.directions is not None:
            return np.hstack([self.directions.transform(words), x])
        return hstack([words, csr_matrix(self._terms(x))], format="csr")

    def _terms(self, x: Floats) -> Floats:
        columns = []
        for j, column in enumerate(self.others.columns):
            levels = self.others.levels.get(column)
            if levels is None:
                columns.append(np.nan_to_num((x[:, j] - self.centre[j]) / self.scale[j])[:, None])
            else:
                columns.append((x[:, [j]] == np.arange(len(levels))).astype(float))
        return np.hstack(columns) if columns else np.empty((len(x), 0))


def make_text_design(case: Case, *, directions: bool) -> TextDesign | None:
    """A design learned on the reference sample; None where no feature is running text or its words say nothing."""
    names = [c for c, pair in case.pairs.items() if pair.free_text]
    others = make_design(case.pairs.values())
    frame = case.reference.sample
    texts = {}
    for column in names:
        vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=MOST_WORDS, min_df=2)
        try:
            texts[column] = vectorizer.fit(_strings(frame[column]))
        except ValueError:  # no word stands in two texts
            continue
    if not texts:
        return None
    x = others.matrix(frame)
    centre, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
    seen = np.isfinite(x).any(axis=0)
    centre[seen], scale[seen] = np.nanmean(x[:, seen], axis=0), np.nanstd(x[:, seen], axis=0)
    scale[scale == 0] = 1.0
    main = None
    if directions:
        words = hstack([vectorizer.transform(_strings(frame[c])) for c, vectorizer in texts.items()], format="csr")
        if min(words.shape) <= DIRECTIONS:
            return None
        main = TruncatedSVD(DIRECTIONS, random_state=0).fit(words)
    return TextDesign((*texts, *others.columns), texts, others, centre, scale, main)


@dataclass(frozen=True)
class WordForm:
    """Answers as a weighted sum of words and of the other columns."""

    ridge: Any

    def predict(self, x: Any) -> Floats:
        """(n, answers), or (n,) where there is one."""
        return np.asarray(self.ridge.predict(x), float)


def fit_word_form(x: Any, y: Floats) -> WordForm:
    """Least squares with a penalty of ``y`` (n, answers) on ``x`` (n, terms)."""
    return WordForm(Ridge(alpha=PENALTY, solver="lsqr").fit(x, y[:, 0] if y.shape[1] == 1 else y))


def _strings(texts: pl.Series) -> list[str]:
    return [str(text) for text in to_texts(texts)]
