"""Served answers as a linear form of the columns: exact where the model is linear, and it goes on in its direction.

Log odds of a linear classifier and numbers of a linear regressor are weighted sums of numbers and of indicators of levels. A
tree in place of such a line knows nothing beyond what the reference held, which is where a fault takes the values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.engine.columns.design_matrix import Design
from backslide.stats.arrays import Floats, Mask

LINEAR = 0.999
"""Share of every answer's variance on held-out rows that the form must explain: a model that only looks linear falls short."""
RIDGE = 1e-9
"""Penalty as a share of the rows: columns that say the same twice share their weight."""
MOST_TERMS = 0.2
"""Terms as a share of the rows from which on a form would fit anything."""
UNTOLD = 1e-7
"""Mean square of the terms along a direction under which the reference never varied along it."""
OFF = 1e-3
"""How far along such a direction a row may lie, in standard deviations of the columns."""


@dataclass(frozen=True)
class LinearForm:
    """Weights on numbers in standard deviations and on indicators of levels and of missing values."""

    centre: Floats
    scale: Floats
    """Of numbers as in the reference (p,); missing ones stand at the centre."""
    levels: tuple[int, ...]
    """Levels of each column of codes (p,), 0 for numbers."""
    weights: Floats
    """(1 + terms, answers)."""

    def unknown(self, x: Floats, reference: Floats) -> Mask:
        """Rows (n,) of which the reference rows (m, p) tell nothing: a level or a missing value that they never held, or a move
        along which they never varied, as of two columns that always agreed."""
        learned = _terms(reference, self.centre, self.scale, self.levels)
        variances, directions = np.linalg.eigh(learned.T @ learned / len(learned))
        untold = directions[:, variances < UNTOLD]
        levels = np.array(self.levels)
        strange = np.asarray(((x >= levels) & (levels > 0)).any(axis=1))
        if not untold.shape[1]:
            return strange
        off = np.abs(_terms(x, self.centre, self.scale, self.levels) @ untold).max(axis=1) > OFF
        return np.asarray(strange | off)

    def predict(self, x: Floats) -> Floats:
        """The answers of the rows of a design matrix: (n, answers), or (n,) where there is one."""
        answers = _terms(x, self.centre, self.scale, self.levels) @ self.weights
        return np.asarray(answers[:, 0] if answers.shape[1] == 1 else answers)


def fit_linear_form(x: Floats, y: Floats, design: Design, train: Mask) -> LinearForm | None:
    """The form of ``y`` (n, answers) on ``x`` (n, p), learned on ``train`` (n,); None where it falls short of the other rows.

    Rows with an unknown answer (NaN) take no part.
    """
    known = np.isfinite(y).all(axis=1)
    learned, held_out = train & known, ~train & known
    levels = tuple(len(design.levels.get(column, ())) for column in design.columns)
    numbers = np.where(np.isfinite(x) & (np.array(levels) == 0), x, np.nan)
    seen = np.isfinite(numbers).any(axis=0)
    centre, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
    centre[seen] = np.nanmedian(numbers[:, seen], axis=0)
    scale[seen] = np.nanstd(numbers[:, seen], axis=0)
    scale[scale == 0] = 1.0
    terms = _terms(x, centre, scale, levels)
    if terms.shape[1] > MOST_TERMS * learned.sum() or held_out.sum() < 2:
        return None
    a, b = terms[learned], y[learned]
    products = a.T @ a + RIDGE * len(a) * np.eye(a.shape[1])
    form = LinearForm(centre, scale, levels, np.asarray(np.linalg.solve(products, a.T @ b), float))
    rest = y[held_out] - terms[held_out] @ form.weights
    explained = 1 - rest.var(axis=0) / np.maximum(y[held_out].var(axis=0), 1e-12)
    return form if explained.min() >= LINEAR else None


def _terms(x: Floats, centre: Floats, scale: Floats, levels: tuple[int, ...]) -> Floats:
    """A one, numbers, indicators of missing values, indicators of levels; a level that is not known has none (n, 1 + terms)."""
    columns = [np.ones((len(x), 1))]
    for j, count in enumerate(levels):
        values, missing = x[:, j], ~np.isfinite(x[:, j])
        if count:
            columns.append(np.where(missing, -1.0, values)[:, None] == np.arange(count))
        else:
            columns.append(np.where(missing, 0.0, (values - centre[j]) / scale[j])[:, None])
        columns.append(missing[:, None])
    return np.hstack([column.astype(float) for column in columns])
