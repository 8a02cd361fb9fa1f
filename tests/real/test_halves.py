"""Random halves of one period: the model did not get worse between them, and nothing broke."""

from __future__ import annotations

from functools import cache

import pytest

from backslide.contracts.diagnosis import Diagnosis
from real import worlds
from real.periods import PERIODS, data_faults, diagnosed
from scale import runs

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.rates]
SEEDS = range(runs(4, 20))
SETS = ("noaa", "reuters")


@cache
def of_halves(name: str) -> tuple[Diagnosis, ...]:
    period = PERIODS[name]
    return tuple(diagnosed(period.served, *worlds.halves(period.rows, seed)) for seed in SEEDS)


@pytest.mark.parametrize("name", SETS)
def test_no_data_fault_is_named(name):
    named = [(s, c.kind, c.features) for s, d in zip(SEEDS, of_halves(name), strict=True) for c in data_faults(d)]
    assert not named


def test_at_most_one_of_all_is_called_degraded():
    seen = [(name, seed, d) for name in SETS for seed, d in zip(SEEDS, of_halves(name), strict=True)]
    called = [(name, seed, d.summary) for name, seed, d in seen if d.verdict.bad]
    assert len(seen) == len(SETS) * len(SEEDS)
    assert len(called) <= 1, called
