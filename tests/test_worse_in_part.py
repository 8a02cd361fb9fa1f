"""The headline holds and a part does not: a user segment or the expected cost, with its causes priced in that part."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.main_job import diagnose
from backslide.playbook import scenarios

ROWS = 9000
OLD = pl.col("age") >= 65


def diagnosed(reference: pl.DataFrame, current: pl.DataFrame, **model: object) -> Diagnosis:
    settings = Settings.from_dict({"model": worlds.BARE | {"threshold": 0.5} | model})
    return diagnose(reference, current, settings=settings, reference_model=scenarios.TrueModel())


@pytest.fixture(scope="module")
def months() -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(11)
    return scenarios.rescored(scenarios.served(rng, ROWS)), scenarios.next_month(rng, rows=ROWS)


@pytest.fixture(scope="module")
def in_a_segment(months) -> Diagnosis:
    """Incomes of the old come in another unit, and labels of the young follow the model more often: the sum holds."""
    reference, current = months
    broken = current.with_columns(pl.when(OLD).then(pl.col("income") * 12).otherwise("income").alias("income"))
    broken = scenarios.rescored(broken)
    lucky = ~broken["age"].is_between(65, 200) & (pl.Series(np.random.default_rng(0).random(ROWS)) < 0.35)
    label = pl.when(lucky).then(pl.col("prediction")).otherwise(pl.col("label")).alias("label")
    return diagnosed(reference, broken.with_columns(label), segments=["age >= 65", "channel"])


def test_a_segment_that_fell_is_a_part(in_a_segment):
    assert in_a_segment.verdict is Verdict.DEGRADED_IN_PART
    first = in_a_segment.parts[0]
    assert (first.kind, first.name, first.metric) == ("segment", "age >= 65", "accuracy")
    assert first.change.high < -0.01
    assert "age >= 65" in in_a_segment.summary


def test_causes_are_priced_within_the_segment_and_add_up(in_a_segment):
    cause = in_a_segment.causes[0]
    assert (cause.kind.value, cause.features, cause.segment) == ("unit_change", ("income",), "age >= 65")
    assert cause.share_of_rows == pytest.approx(0.24, abs=0.04)
    total = sum(c.points.estimate for c in in_a_segment.causes) + in_a_segment.unexplained.estimate
    assert total == pytest.approx(in_a_segment.parts[0].change.estimate, abs=1e-6)


def test_errors_that_cost_more_are_a_part_although_accuracy_holds(months):
    reference, current = months
    current = scenarios.rescored(current)
    rng = np.random.default_rng(1)
    yes = (current["label"] == "yes").to_numpy()
    # Missed "yes" (five each) grow as much as false "yes" (one each) shrink.
    wrong_no = ~yes & (current["prediction"] == "yes").to_numpy()
    missed = yes & (rng.random(ROWS) < 0.1)
    mended = wrong_no & (rng.random(ROWS) < 0.75)
    prediction = np.where(missed | mended, "no", current["prediction"].to_numpy()).tolist()
    current = current.with_columns(pl.Series("prediction", prediction))
    dear = {"yes": 5.0, "no": 1.0}
    diagnosis = diagnosed(reference, current, costs=dear)
    assert diagnosis.verdict is Verdict.DEGRADED_IN_PART
    assert "cost" in {part.kind for part in diagnosis.parts}
    cost = next(part for part in diagnosis.parts if part.kind == "cost")
    prices = [sum(dear[label] for label in f.filter(pl.col("label") != pl.col("prediction"))["label"]) / f.height
              for f in (reference, current)]  # fmt: skip
    assert (cost.reference, cost.current) == pytest.approx(tuple(prices))


def test_quiet_segments_and_costs_are_no_part(months):
    reference, current = months
    diagnosis = diagnosed(
        reference, scenarios.rescored(current), segments=["age >= 65", "channel", "premium"], costs={"yes": 3.0}
    )
    assert not diagnosis.verdict.bad
    assert diagnosis.parts == ()
