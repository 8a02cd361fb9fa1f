"""What a person would do without a diagnosis: blame the columns that moved most, or most times their importance; and chance."""

from __future__ import annotations

from collections.abc import Mapping
from math import comb

import numpy as np

from backslide.contracts.cause import CauseKind
from faults import truth
from faults.baselines import IMPORTANCE_ROWS, psi
from wild.stage import Staged

RULES = ("shift", "shift_importance")
_importances: dict[tuple[str, str, int], dict[str, float]] = {}


def ranked(staged: Staged) -> dict[str, list[str]]:
    """Rule -> its first three columns."""
    drift = {c: psi(staged.windows.reference, staged.current, c) for c in staged.world.data.features()}
    weight = importance(staged)
    weighed = {c: drift[c] * max(weight[c], 0.0) for c in drift}
    return {rule: _top(scores) for rule, scores in zip(RULES, (drift, weighed), strict=True)}


def _top(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=scores.__getitem__, reverse=True)[:3]


def importance(staged: Staged) -> dict[str, float]:
    """Harm of shuffling each column of some reference rows; once for each model."""
    cell, world, data = staged.cell, staged.world, staged.world.data
    key = (cell.data, cell.model, cell.seed)
    if key not in _importances:
        rng, sound = np.random.default_rng(0), staged.windows.reference
        rows = sound[np.sort(rng.permutation(sound.height)[:IMPORTANCE_ROWS])]
        sign = -1 if truth.higher_is_better(staged.metric) else 1
        base = truth.score(data, staged.metric, rows)
        _importances[key] = {
            c: sign * (truth.score(data, staged.metric, world.serve(rows.with_columns(_shuffled(rows[c], rng)))) - base)
            for c in data.features()
        }
    return _importances[key]


def _shuffled(values, rng: np.random.Generator):
    return values[rng.permutation(len(values))]


def chance(features: int, columns: int, kinds: int) -> dict[str, float]:
    """Probabilities that a column drawn at random is right, one of three is, and one column with a kind drawn at random is."""
    if not columns:
        return {"kind_and_column": kinds / len(CauseKind)}
    one = columns / features
    three = 1 - comb(max(features - columns, 0), min(3, features)) / comb(features, min(3, features))
    return {"column_1": one, "column_3": three, "kind_and_column": one * kinds / len(CauseKind)}
