"""What a column that no longer fits the others cost: what guesses bring back, and what they lose beside the true values."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.faults.misfits import find_unrecognised
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.pricing.materiality import Scale
from backslide.causes.pricing.surrogate import fit_surrogate
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats

ROLES = {"label": "label", "prediction": "prediction", "scores": {"yes": "p_yes"}, "timestamp": "at"}
ROLES |= {"features": ["x", "near", "z"]}
ROWS = 5000


def month(seed: int, first: int, share: float = 0.0) -> tuple[pl.DataFrame, Floats]:
    """Four weeks in which ``near`` foretells x roughly, and a ``share`` of the rows hold any number in place of x; the true x."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=ROWS)
    near, z = x + rng.normal(0, 0.5, ROWS), rng.normal(size=ROWS)
    label = rng.random(ROWS) < 1 / (1 + np.exp(-3 * x - z))
    held = np.where(rng.random(ROWS) < share, rng.uniform(-3, 3, ROWS), x)
    day = np.sort(rng.integers(0, 28, ROWS))
    at = [datetime(2026, 3, 1) + timedelta(days=first + int(d), seconds=s) for s, d in enumerate(day)]
    chance = 1 / (1 + np.exp(-3 * held - z))
    frame = pl.DataFrame({"at": at, "x": held, "near": near, "z": z})
    answers = {
        "label": np.where(label, "yes", "no"),
        "prediction": np.where(chance >= 0.5, "yes", "no"),
        "p_yes": chance,
    }
    return frame.with_columns(**{name: pl.Series(values) for name, values in answers.items()}), x


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_price_is_that_of_the_true_values(share):
    """Guesses alone bring back far less than was lost, and the rest was called a change of the world."""
    (reference, _), (current, x) = month(1, 0), month(2, 28, share)
    case = worlds.case_of(Scenario(reference, current, ROLES, None, "x"))
    bench = PricingBench(case, case.metric, fit_surrogate(case)[0])
    (fault,) = find_unrecognised(bench, [], bench.served_change, Scale(case.metric, bench.served_change, 0.01))
    right = float((((3 * x + current["z"].to_numpy()) > 0) == (current["label"] == "yes").to_numpy()).mean())
    true = worlds.accuracy(current) - right
    assert fault.features == ("x",)
    assert (fault.rows.mean() > 0.99) == (share == 1.0)
    assert ("the other values fit by chance" in fault.hypotheses[0].seen) == (share == 1.0)
    low, high = fault.points.bounds
    assert (
        low <= true <= high or share < 1.0
    )  # on a part, broken values that fit by chance are not told from sound ones
    assert abs(fault.repair_effect.value) < 0.9 * abs(true)
    assert abs(fault.points.value - true) < abs(-fault.repair_effect.value - true)
