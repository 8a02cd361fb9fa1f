"""Several faults at once: exact Shapley shares over repairs (or injections), so that the shares add up in every replicate."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import factorial

import numpy as np
import polars as pl

from backslide.causes.faults.base import Fault
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.stats.change.effect import Effect

MAX_EXACT = 5
"""Faults up to which all subsets are scored (32 calls of the model)."""


def share_out(bench: PricingBench, faults: list[Fault]) -> list[Fault]:
    """The faults with their shares of the points, which together are the effect of all of them at once.

    One fault keeps its own price. With several, the value of a set of faults is the metric with just those undone (all
    reversible) or done to the reference (else), and each fault gets its Shapley value (Shapley 1953), exact up to five faults.
    """
    n = len(faults)
    if not 2 <= n <= MAX_EXACT or bench.model is None or any(f.points is None for f in faults):
        return faults
    sets = [frozenset(c) for size in range(n + 1) for c in combinations(range(n), size)]
    if bench.current_labels and all(f.reversible for f in faults):
        absent = {s: [fault for i, fault in enumerate(faults) if i not in s] for s in sets}
        value = {s: bench.score_current(undo_all(bench, absent[s])).metric for s in sets}
    else:
        value = {s: _inject_all(bench, [faults[i] for i in sorted(s)]) for s in sets}
    return [replace(fault, share=_shapley(i, n, value)) for i, fault in enumerate(faults)]


def _inject_all(bench: PricingBench, faults: list[Fault]) -> Effect:
    """What all of the faults do to the reference rows."""
    frame = bench.case.reference.sample
    for fault in faults:
        frame = fault.inject(bench.case, frame)
    effect = bench.effect_of(frame)
    assert effect is not None, "what was priced by injection has reference labels"
    return effect


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


def undo_all(bench: PricingBench, faults: list[Fault]) -> pl.DataFrame:
    """The current sample with every fault undone, as far as that goes."""
    frame = bench.case.current.sample
    for fault in faults:
        frame = fault.repair(bench.case, frame)
    return frame
