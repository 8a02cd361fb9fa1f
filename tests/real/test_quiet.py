"""Pairs of windows between which nothing happened: no alarm, and no fault to blame."""

from __future__ import annotations

from functools import cache

import pytest

from backslide.contracts.diagnosis import Diagnosis
from real.periods import PERIODS, data_faults, diagnosed, random_pair
from scale import most, runs

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.rates]
PAIRS = runs(14, 200)
SMALLEST, LARGEST = 300, 20_000
SHARE_OF_FALSE_ALARMS = 0.02


@cache
def of_pairs(name: str) -> dict[int, Diagnosis]:
    """Every len(PERIODS)-th of the pairs belongs to this set; seed -> diagnosis."""
    period, first = PERIODS[name], list(PERIODS).index(name)
    rows = period.rows
    return {
        seed: diagnosed(period.served, *random_pair(rows, seed, smallest=SMALLEST, largest=LARGEST))
        for seed in range(first, PAIRS, len(PERIODS))
    }


@pytest.mark.parametrize("name", PERIODS)
def test_no_data_fault_is_named(name):
    named = [(s, c.kind, c.features, c.summary) for s, d in of_pairs(name).items() for c in data_faults(d)]
    assert not named


def test_false_alarms_are_rare():
    seen = {(name, seed): d for name in PERIODS for seed, d in of_pairs(name).items()}
    called = [(*key, d.verdict.value, d.summary) for key, d in seen.items() if d.verdict.bad]
    assert len(seen) == PAIRS
    assert len(called) <= most(PAIRS, SHARE_OF_FALSE_ALARMS), called
