"""Columns by which rows are looked up: the customer, station or product whose last row a feature store answers with.

An entity is a category or a whole number that comes back, and often a column that the model never sees.
"""

from __future__ import annotations

import numpy as np

from backslide.case import Case
from backslide.engine.columns.cache import once
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import MISSING, Pair
from backslide.playbook.context import context_columns
from backslide.stats.arrays import Ints

MOST_KEYS = 12
"""Columns that are looked at: categories first, then columns that are no features, then whole numbers."""
LEAST_LEVELS, MOST_LEVELS = 3, 0.2
"""Values that a key has in the reference: at least so many, and at most this share of the rows."""


@once
def entity_keys(case: Case) -> dict[str, tuple[Ints, Ints]]:
    """The entity of every row of both windows as a code (n_ref,), (n_cur,), -1 where it is missing, by the column's name."""
    pairs = list(case.pairs.values())
    # Rows of the reference stay while features of the current window are repaired, and so do columns that are no features.
    beside = case.reference.cache.get(_beside, (), lambda: _beside(case))
    ordered = [*(p for p in pairs if p.categorical), *beside, *(p for p in pairs if p.numeric)]
    keys: dict[str, tuple[Ints, Ints]] = {}
    for pair in ordered:
        codes = _codes(pair) if len(keys) < MOST_KEYS else None
        if codes is not None:
            keys[pair.name] = codes
    return keys


def rows_of_codes(keys: Ints) -> Ints:
    """The row before with the same key (n,), -1 for the first and where the key is missing (-1)."""
    # A stable order of small whole numbers takes a tenth of the time.
    small = len(keys) and -1 <= keys.min() and keys.max() <= np.iinfo(np.int16).max
    order = np.argsort(keys.astype(np.int16) if small else keys, kind="stable")
    same = np.r_[False, keys[order][1:] == keys[order][:-1]]
    source = np.full(len(keys), -1)
    source[order] = np.where(same, np.r_[-1, order[:-1]], -1)
    return np.where(keys >= 0, source, -1)


def _beside(case: Case) -> list[Pair]:
    """Categories and numbers beside the features."""
    kinds = case.current.window.kinds
    asked = [c for c in context_columns(case) if kinds.get(c) in (ColumnKind.CATEGORICAL, ColumnKind.NUMERIC)]
    sides = (case.reference.sample, case.current.sample)
    return [Pair(column, kinds[column], *(sample[column] for sample in sides)) for column in asked]


@once
def _codes(pair: Pair) -> tuple[Ints, Ints] | None:
    """Codes of a category or a whole number that comes back; None of any other column."""
    if not (pair.categorical or pair.numeric):
        return None
    if pair.numeric:
        levels, codes = _whole_numbers(pair)
    else:
        texts, rows = pair.codes
        levels = len(pair.levels[0])
        known = np.array([text != MISSING for text in texts], bool)  # an array of texts is as wide as the longest one
        codes = np.where(known, np.arange(len(texts)), -1)[np.concatenate(rows)]
    n_ref = len(pair.reference)
    if not LEAST_LEVELS <= levels <= MOST_LEVELS * n_ref:
        return None
    return codes[:n_ref], codes[n_ref:]


def _whole_numbers(pair: Pair) -> tuple[int, Ints]:
    """Distinct numbers of the reference, and a code of every row of both windows; none of numbers with fractions."""
    values = np.concatenate(pair.numbers)
    known = np.isfinite(values)
    codes = np.full(len(values), -1, np.int64)
    if not (values[known] == np.round(values[known])).all():
        return 0, codes
    codes[known] = np.unique(values[known], return_inverse=True)[1]
    return len(np.unique(pair.finite[0])), codes
