"""Other class shares: rows that come in other proportions, or the same rows under other labels."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.cause import CauseKind
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario


def months(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The score leans to "no" (cut at 0.8), so that rows of "yes" are the harder ones."""
    frames = worlds.two_months(np.random.default_rng(seed), 6000)
    first, second = (f.with_columns(prediction=pl.Series(np.where(f["p_yes"] >= 0.8, "yes", "no"))) for f in frames)
    return first, second


ROLES = worlds.BARE | {"threshold": 0.8, "metric": "accuracy"}


@pytest.mark.parametrize("seed", range(1))
def test_rows_drawn_in_other_proportions_are_a_label_shift(seed):
    rng = np.random.default_rng(seed)
    first, second = months(seed)
    yes = second["label"].to_numpy() == "yes"
    keep = np.sort(np.r_[rng.choice(np.flatnonzero(yes), 2100, False), rng.choice(np.flatnonzero(~yes), 900, False)])
    causes = worlds.causes_of(Scenario(first, second[keep], ROLES)).causes
    assert causes[0].kind is CauseKind.LABEL_SHIFT


@pytest.mark.parametrize("seed", range(1))
def test_the_same_rows_under_other_labels_are_concept_drift(seed):
    """A third of "no" is labelled "yes" now: the same shares as above, and scores where they were."""
    first, second = months(seed)
    turned = (second["label"] == "no").to_numpy() & (np.random.default_rng(seed).random(second.height) < 0.35)
    second = second.with_columns(label=pl.Series(np.where(turned, "yes", second["label"].to_numpy())))
    causes = worlds.causes_of(Scenario(first, second, ROLES)).causes
    assert causes[0].kind is CauseKind.CONCEPT_DRIFT
    assert all(c.kind is not CauseKind.LABEL_SHIFT for c in causes)


@pytest.mark.parametrize("seed", [0])
def test_fewer_of_a_class_without_scores_is_left_as_it_was(seed):
    """Without scores nothing says whether rows or labels moved: the loss by class decides alone."""
    rng = np.random.default_rng(seed)
    first, second = (f.drop("p_yes") for f in months(seed))
    yes = second["label"].to_numpy() == "yes"
    keep = np.sort(np.r_[rng.choice(np.flatnonzero(yes), 2100, False), rng.choice(np.flatnonzero(~yes), 900, False)])
    roles = {k: v for k, v in ROLES.items() if k not in ("scores", "threshold")}
    causes = worlds.causes_of(Scenario(first, second[keep], roles)).causes
    assert causes[0].kind is CauseKind.LABEL_SHIFT


# --- a fault that no repair restores, within noise ---------------------------------------------------------------------------


def noisy(size: float, seed: int, rows: int = 2000) -> Scenario:
    """Incomes gone on a part of the rows: what is lost can be priced by injection alone."""
    rng = np.random.default_rng(seed)
    reference, current = worlds.two_months(rng, rows)
    lost = pl.Series(rng.random(current.height) < size)
    broken = current.with_columns(pl.when(lost).then(None).otherwise("income").alias("income"))
    return Scenario(reference, scenarios.rescored(broken), worlds.BARE, scenarios.TrueModel())


@pytest.mark.slow
def test_an_irreversible_fault_with_a_clear_injection_counts_within_noise():
    """The change of the whole window is noise; the same reference rows without those values are clearly worse."""
    told = []
    for seed in range(4):
        d = worlds.causes_of(noisy(0.12, seed), metric="accuracy", min_effect=0.01)
        change = d.metric.change
        told.append((change.low <= 0 <= change.high, d.verdict.bad, d))
    within = [d for noise, bad, d in told if noise and bad]
    assert within, "some of the windows alone must decide nothing"
    for d in within:
        first = d.causes[0]
        assert (first.kind, first.features) == (CauseKind.MISSING_VALUES, ("income",))
        assert max(first.injection.points.low, first.injection.points.high) < 0
        assert d.metric.change.estimate < 0
        assert "alone could be noise" in d.summary


@pytest.mark.slow
def test_it_does_not_count_where_the_metric_rose():
    """A change that speaks against the price is not overruled by it."""
    for seed in range(2):
        made = noisy(0.12, seed)
        right = (made.current["label"] != made.current["prediction"]).to_numpy()
        mended = right & (np.random.default_rng(seed).random(len(right)) < 0.5)
        label = np.where(mended, made.current["prediction"].to_numpy(), made.current["label"].to_numpy())
        current = made.current.with_columns(label=pl.Series(label))
        d = worlds.causes_of(
            Scenario(made.reference, current, made.model, made.artefact), metric="accuracy", min_effect=0.01
        )
        assert d.metric.change.estimate > 0
        assert not d.verdict.bad
