"""What is advised where the outcome changed: to learn all of it anew, or only what the answers stand for."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.cause import CauseKind
from backslide.contracts.diagnosis import Action
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario


def another_meaning_of_scores(seed: int, slope: float, offset: float) -> Scenario:
    """The outcome follows the scores on a moved and stretched scale of log odds, on all rows alike; the order of rows stays."""
    rng = np.random.default_rng(seed)
    reference, current = worlds.two_months(rng, 4000)
    score = current["p_yes"].to_numpy()
    chance = 1 / (1 + np.exp(-(slope * np.log(score / (1 - score)) + offset)))
    labels = np.where(rng.random(len(chance)) < chance, "yes", "no")
    return Scenario(reference, current.with_columns(label=pl.Series(labels)), worlds.BARE, scenarios.TrueModel(), "")


@pytest.mark.sample(2)
@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
@pytest.mark.parametrize(("slope", "offset"), [(1, 1.5), (1, -1.5), (0.5, 1)])
def test_scores_that_mean_another_chance_are_recalibrated(slope, offset, metric):
    diagnosis = worlds.causes_of(another_meaning_of_scores(1, slope, offset), metric=metric)
    assert diagnosis.causes[0].kind is CauseKind.CONCEPT_DRIFT
    assert diagnosis.decision.action is Action.RECALIBRATE
    back = diagnosis.causes[0].repair.points_back
    assert back.low > 0


@pytest.mark.sample(1)
@pytest.mark.parametrize("seed", range(2))
def test_a_relation_that_changed_along_a_column_is_learned_anew(seed):
    diagnosis = worlds.causes_of(worlds.concept_drift(np.random.default_rng(seed)))
    assert diagnosis.causes[0].kind is CauseKind.CONCEPT_DRIFT
    assert diagnosis.decision.action is Action.RETRAIN
