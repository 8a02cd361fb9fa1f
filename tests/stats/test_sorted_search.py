"""Places among sorted values are those of ``numpy.searchsorted``, whatever way is taken."""

from __future__ import annotations

import numpy as np
import pytest

from backslide.stats.sorted_search import FEW_EDGES, MANY_VALUES, search_sorted
from backslide.stats.two_sample import runs_of_sorted

ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("edges", [0, 1, 7, FEW_EDGES, FEW_EDGES + 1, 5_000])
@pytest.mark.parametrize("rows", [5, MANY_VALUES, 3 * MANY_VALUES])
def test_places_are_those_of_numpy(side, edges, rows):
    rng = np.random.default_rng(edges + rows)
    ordered = np.sort(rng.integers(0, 60, edges) / 4.0)
    values = np.append(rng.integers(-5, 80, rows) / 4.0, ODD)
    for sought in (values, np.sort(values), values[::-1]):
        assert np.array_equal(search_sorted(ordered, sought, side), np.searchsorted(ordered, sought, side))


def test_infinite_edges_and_other_types_are_those_of_numpy():
    values = np.append(np.random.default_rng(0).normal(size=3 * MANY_VALUES), ODD)
    edges = np.array([-np.inf, 0.1, np.inf])
    for sought in (values, values.astype(np.float32), np.nan_to_num(values, posinf=9, neginf=-9).astype(np.int64)):
        for side in ("left", "right"):
            assert np.array_equal(search_sorted(edges, sought, side), np.searchsorted(edges, sought, side))


def test_runs_of_sorted_values_are_counted():
    assert runs_of_sorted(np.array([1.0, 1.0, 2.0, 5.0, 5.0, 5.0])).tolist() == [2, 1, 3]
    assert runs_of_sorted(np.array([4.0])).tolist() == [1]
    assert runs_of_sorted(np.empty(0)).tolist() == []
