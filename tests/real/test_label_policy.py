"""Reviewers who label otherwise, on real texts: both classes named and priced; nobody accused where nobody does."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest

import backslide as bs
import worlds
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.shift.label_policy import find_label_policy
from backslide.contracts.cause import CauseKind
from backslide.playbook.base import Scenario
from backslide.playbook.concept.decomposition import populations
from real.text_worlds import SETS, world
from scale import AT_FULL_SIZE, runs

pytestmark = [pytest.mark.data, pytest.mark.rates]
SEEDS = (1, 2, 3) if AT_FULL_SIZE else (1, 2)
LEAST_ROWS = 60
"""Labelled rows of the class that is moved: of fewer nothing can be priced."""


def label_of(name: str) -> str:
    return SETS[name][2]


def roles_of(name: str) -> dict[str, Any]:
    return {**world(name).roles, "metric": "accuracy"}


def world_roles(name: str) -> dict[str, Any]:
    return {role: column for role, column in roles_of(name).items() if role != "metric"}


def windows(name: str, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    log = world(name).log
    order = np.random.default_rng(seed).permutation(log.height)
    return log[np.sort(order[: log.height // 2])], log[np.sort(order[log.height // 2 :])]


def accuracy(name: str, rows: pl.DataFrame) -> float:
    return float((rows[label_of(name)] == rows["served_prediction"]).mean())


def moves(name: str) -> list[tuple[int, str, str, float]]:
    """Two pairs of classes a seed, drawn by chance, with the share that moves."""
    drawn = []
    for seed in SEEDS:
        rng = np.random.default_rng(100 + seed)
        counts = dict(windows(name, seed)[1][label_of(name)].value_counts().iter_rows())
        for _ in range(2):
            one = str(rng.choice(sorted(c for c, n in counts.items() if n >= LEAST_ROWS)))
            other = str(rng.choice(sorted(c for c in counts if c != one)))
            drawn.append((seed, one, other, float(rng.uniform(0.4, 1.0))))
    return drawn


def test_both_classes_are_named_and_the_points_are_right():
    told, named, held, n = [], 0, 0, 0
    for name in SETS:
        for seed, one, other, share in moves(name):
            reference, current = windows(name, seed)
            rng = np.random.default_rng(seed)
            labels = current[label_of(name)].to_numpy().astype(object)
            hit = (labels == one) & (rng.random(len(labels)) < share)
            moved = current.with_columns(pl.Series(label_of(name), np.where(hit, other, labels).astype(str)))
            truth = accuracy(name, moved) - accuracy(name, current)
            if truth > -0.02:
                continue  # too small a harm to ask for a name
            n += 1
            found = bs.diagnose(
                reference=reference,
                current=moved,
                roles=bs.Roles(**world_roles(name)),
                reference_model=world(name).model,
                metric="accuracy",
                quick=True,
            )
            first = next(iter(found.causes), None)
            right = first is not None and first.kind is CauseKind.CONCEPT_DRIFT and set(first.classes) == {one, other}
            named += right
            if right and found.metric.name == "accuracy" and not found.parts:
                held += first.points.low <= truth <= first.points.high
            elif right:
                held += 1  # priced in the metric of a part, whose truth is another number
            told.append((name, one, other, round(share, 2), round(truth, 3), first))
    assert n >= runs(5, 7)
    assert named >= 0.9 * n, told
    assert held >= 0.85 * named, told


def policies(name: str, pairs: list[tuple[pl.DataFrame, pl.DataFrame]]) -> int:
    said = 0
    for reference, current in pairs:
        case = worlds.case_of(Scenario(reference, current, roles_of(name)))
        bench = PricingBench(case, case.metric, None)
        said += (
            find_label_policy(bench, populations(case, case.metric, case.current.sample, case.current.outcomes))
            is not None
        )
    return said


@pytest.mark.parametrize("name", SETS)
def test_nobody_is_accused_over_time_nor_where_classes_come_in_other_shares(name: str):
    log = world(name).log
    edges = np.linspace(0, log.height, 11).astype(int)
    periods = list(pairwise([log[a:b] for a, b in pairwise(edges)]))
    shifted = []
    for seed in range(6):
        reference, current = windows(name, 10 + seed)
        rng = np.random.default_rng(seed)
        factor = {c: rng.uniform(0.2, 1.0) for c in sorted(set(current[label_of(name)]))}
        keep = rng.random(current.height) < np.array([factor[c] for c in current[label_of(name)]])
        shifted.append((reference, current.filter(pl.Series(keep))))
    assert policies(name, periods) == 0
    assert policies(name, shifted) == 0
