"""Which columns the decomposition looks at where a table has very many: those that moved most, and those that go with errors.

Boosted trees over hundreds of columns take minutes and, with some thousand rows, fit noise. A column that neither moved nor goes
with the errors of the reference can carry no part of a change of the inputs.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from backslide.case import Case
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats
from backslide.stats.two_sample import ranks

WIDE = 60
"""Columns from which on a table is screened, and how many are kept."""
VERY_WIDE = 200
"""Columns above which the search for causes looks at no more of them where its time grows with the square of their number."""


@once
def left_by_screen(case: Case) -> tuple[str, ...]:
    """Columns that the decomposition leaves alone; none in a table of at most ``WIDE``. The choice is noted in the case."""
    pairs = list(case.pairs.values())
    if len(pairs) <= WIDE:
        return ()
    missed = _row_errors(case)
    by_move = sorted(pairs, key=lambda pair: -_distance(pair))
    # The reference stays while current rows are repaired.
    by_errors = sorted(pairs, key=lambda pair: -pair.cache.get(_goes_with, (), lambda: _goes_with(pair, missed)))
    taken = dict.fromkeys(pair.name for pair in chain(*zip(by_move, by_errors, strict=True)))
    columns = set(list(taken)[:WIDE])
    case.notes.append(
        f"{len(pairs)} features: inputs and relation are separated on the {WIDE} that moved most or go most with errors"
    )
    return tuple(pair.name for pair in pairs if pair.name not in columns)


def _row_errors(case: Case) -> Floats:
    """Whether each reference row was predicted wrong, or by how much (n_g,); NaN without label or prediction."""
    outcomes = case.reference.outcomes
    if outcomes.labels.dtype.kind == "f":
        return np.asarray(np.abs(outcomes.labels - outcomes.predictions.astype(float)))
    return np.where(outcomes.known(), (outcomes.labels != outcomes.predictions).astype(float), np.nan)


def _distance(pair: Pair) -> float:
    """Kolmogorov-Smirnov distance of numbers, total variation of categories, and of the share of missing values."""
    gap = abs(float(pair.missing[0].mean()) - float(pair.missing[1].mean()))
    if pair.numeric:
        return max(pair.moved, gap)
    reference, current = pair.levels
    n, m = max(sum(reference.values()), 1), max(sum(current.values()), 1)
    return max(sum(abs(reference.get(k, 0) / n - current.get(k, 0) / m) for k in {*reference, *current}) / 2, gap)


def _goes_with(pair: Pair, missed: Floats) -> float:
    """Correlation of errors with a number's rank, or with the frequency of a category, in the reference."""
    values = pair.numbers[0] if pair.numeric else pair.codes_in(pair.levels[0], 0)[0].astype(float)
    known = np.isfinite(values) & np.isfinite(missed)
    if known.sum() < 3 or np.ptp(values[known]) == 0 or np.ptp(missed[known]) == 0:
        return 0.0
    return abs(float(np.corrcoef(ranks(values[known]), missed[known])[0, 1]))
