"""Several faults at once: exact Shapley shares over repairs (or injections), so that the shares add up in every replicate."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import polars as pl

from backslide.causes.faults.collect import Fault
from backslide.causes.pricing.counterfactual import Bench, Trial
from backslide.stats.change.effect import Effect

MAX_EXACT = 5
"""Faults up to which all subsets are scored (32 calls of the model)."""


def share_out(bench: Bench, trials: list[Trial]) -> list[Effect]:
    """The points of each fault; together they are the effect of all of them at once.

    One fault keeps its own price. With several, the value of a set of faults is the metric with just those undone (all
    reversible) or done to the reference (else), and each fault gets its Shapley value (Shapley 1953), exact up to five faults.
    """
    priced = [trial.points for trial in trials]
    if len(trials) < 2 or len(trials) > MAX_EXACT or bench.model is None or any(p is None for p in priced):
        return [p for p in priced if p is not None]
    by_repair = all(t.fault.reversible for t in trials) and bench.current_labels
    value = _repair_values(bench, trials) if by_repair else _injection_values(bench, trials)
    return [_shapley(i, len(trials), value) for i in range(len(trials))]


def _subsets(n: int) -> list[frozenset[int]]:
    return [frozenset(c) for size in range(n + 1) for c in combinations(range(n), size)]


def _repair_values(bench: Bench, trials: list[Trial]) -> dict[frozenset[int], Effect]:
    """Metric of the current rows with a set of faults present: the others are undone."""
    every = frozenset(range(len(trials)))
    frame = bench.case.current.sample
    return {
        present: bench.repaired(
            _apply(bench, [trials[i].fault for i in sorted(every - present)], frame, undo=True)
        ).metric
        for present in _subsets(len(trials))
    }


def _injection_values(bench: Bench, trials: list[Trial]) -> dict[frozenset[int], Effect]:
    """Metric of the reference rows with a set of faults done to them."""
    case = bench.case
    ratio = len(bench.rows(case.reference)) / max(len(bench.rows(case.current)) or case.current.sample.height, 1)
    base = bench.base["reference"].metric
    values = {}
    for present in _subsets(len(trials)):
        frame = _apply(bench, [trials[i].fault for i in sorted(present)], case.reference.sample, undo=False)
        values[present] = (bench.injected(frame).metric - base).scaled(float(np.sqrt(1 + ratio)))
    return values


def _apply(bench: Bench, faults: list[Fault], frame: pl.DataFrame, *, undo: bool) -> pl.DataFrame:
    for fault in faults:
        frame = fault.repair(bench.case, frame) if undo else fault.inject(bench.case, frame)
    return frame


def _shapley(player: int, n: int, value: dict[frozenset[int], Effect]) -> Effect:
    total, replicates = 0.0, np.zeros_like(next(iter(value.values())).replicates)
    for coalition in value:
        if player in coalition:
            continue
        weight = factorial(len(coalition)) * factorial(n - len(coalition) - 1) / factorial(n)
        gained = value[coalition | {player}] - value[coalition]
        total += weight * gained.value
        replicates = replicates + weight * gained.replicates
    return Effect(total, replicates)


def all_undone(bench: Bench, faults: list[Fault]) -> pl.DataFrame:
    """The current sample with every fault undone, as far as that goes."""
    return _apply(bench, faults, bench.case.current.sample, undo=True)
