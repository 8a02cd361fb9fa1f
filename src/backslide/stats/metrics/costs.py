"""What errors cost: a matrix of label by prediction, or a price per unit of over- and underestimation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backslide.stats.arrays import Floats, Ints

USUAL = 1.0
"""Cost of an error that is not named; a right answer costs nothing."""


@dataclass(frozen=True)
class Costs:
    """Costs of a problem. Classification: ``matrix`` (K, K + 1), row label, column prediction, last column "anything else".

    Regression: ``over`` and ``under`` per unit of error.
    """

    matrix: Floats | None = None
    over: float = USUAL
    under: float = USUAL

    def of_codes(self, labels: Ints, predictions: Ints) -> Floats:
        """Cost of each row (n,) from class codes; a prediction of -1 is none of the classes."""
        assert self.matrix is not None
        return np.asarray(self.matrix[labels, predictions])

    def of_errors(self, errors: Floats) -> Floats:
        """Cost of each row (n,) from prediction minus label."""
        return np.where(errors > 0, self.over * errors, -self.under * errors)


def cost_matrix(classes: tuple[str, ...], named: dict[str, float | dict[str, float]]) -> Floats:
    """Costs (K, K + 1) from what is named by label, or by label and prediction; see ``Costs``."""
    k = len(classes)
    matrix = np.full((k, k + 1), USUAL)
    matrix[np.arange(k), np.arange(k)] = 0.0
    place = {label: code for code, label in enumerate(classes)}
    for label, cost in named.items():
        row = place[label]
        if isinstance(cost, dict):
            for prediction, value in cost.items():
                matrix[row, place[prediction]] = value
        else:
            matrix[row] = np.where(np.arange(k + 1) == row, 0.0, cost)
    return matrix
