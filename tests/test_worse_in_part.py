"""The headline holds and a part does not: a user segment or the expected cost, with its causes priced in that part."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

import worlds
from backslide.contracts.cause import CauseKind
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Action, Diagnosis, Verdict
from backslide.jobs.diagnose import diagnose
from backslide.playbook import scenarios

ROWS = 9000
OLD = pl.col("age") >= 65


def diagnosed(reference: pl.DataFrame, current: pl.DataFrame, **model: object) -> Diagnosis:
    settings = Settings.from_dict({"model": worlds.BARE | {"threshold": 0.5} | model})
    return diagnose(reference, current, settings=settings, reference_model=scenarios.TrueModel(), quick=True)


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


@pytest.mark.slow
def test_causes_are_priced_within_the_segment_and_add_up(in_a_segment):
    cause = in_a_segment.causes[0]
    assert (cause.kind.value, cause.features, cause.segment) == ("unit_change", ("income",), "age >= 65")
    assert cause.share_of_rows == pytest.approx(0.24, abs=0.04)
    total = sum(c.points.estimate for c in in_a_segment.causes) + in_a_segment.unexplained.estimate
    assert total == pytest.approx(in_a_segment.parts[0].change.estimate, abs=1e-6)


@pytest.mark.slow
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
    prices = [
        sum(dear[label] for label in f.filter(pl.col("label") != pl.col("prediction"))["label"]) / f.height
        for f in (reference, current)
    ]
    assert (cost.reference, cost.current) == pytest.approx(tuple(prices))


def test_quiet_segments_and_costs_are_no_part(months):
    reference, current = months
    diagnosis = diagnosed(
        reference, scenarios.rescored(current), segments=["age >= 65", "channel", "premium"], costs={"yes": 3.0}
    )
    assert not diagnosis.verdict.bad
    assert diagnosis.parts == ()


def mail(rng: np.random.Generator, start: datetime, rows: int = 2500) -> pl.DataFrame:
    """Mail of four kinds by two measures of it; leases are rare."""
    kinds = np.array(["claim", "contract", "invoice", "lease"])
    code = rng.choice(4, rows, p=[0.35, 0.3, 0.27, 0.08])
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [3.0, 3.0]])
    x = centres[code] + rng.normal(0, 1, (rows, 2))
    at = [start + timedelta(seconds=float(s)) for s in np.sort(rng.random(rows)) * 28 * 86400]
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "kind": kinds[code], "at": at})


def served(model: Any, rows: pl.DataFrame, version: str) -> pl.DataFrame:
    chance = model.predict_proba(rows.select("a", "b").to_pandas())
    said = {"said": model.classes_[chance.argmax(axis=1)]} | {
        f"p_{c}": chance[:, k] for k, c in enumerate(model.classes_)
    }
    return rows.with_columns(
        pl.lit(version).alias("version"), *(pl.Series(name, values) for name, values in said.items())
    )


@pytest.fixture(scope="module")
def worlds_of_mail() -> tuple[pl.DataFrame, pl.DataFrame, Any, Any, dict[str, Any]]:
    """An old model that learned from another gauge, and a new one that hardly ever saw a lease."""
    rng = np.random.default_rng(12)
    past, reference, current = (mail(rng, datetime(2026, m, 1)) for m in (1, 2, 3))
    off = past.with_columns(pl.col("a", "b") - 1.0)
    old = LogisticRegression().fit(off.select("a", "b").to_pandas(), past["kind"].to_numpy())
    few = past.filter((pl.col("kind") != "lease") | (pl.int_range(pl.len()) % 40 == 0))
    new = LogisticRegression().fit(few.select("a", "b").to_pandas(), few["kind"].to_numpy())
    roles = {
        "label": "kind",
        "prediction": "said",
        "timestamp": "at",
        "version": "version",
        "features": ("a", "b"),
        "scores": {c: f"p_{c}" for c in old.classes_},
        "task": "multiclass",
        "metric": "accuracy",
    }
    return reference, current, old, new, roles


def compared(reference: pl.DataFrame, current: pl.DataFrame, old: Any, new: Any, roles: dict[str, Any]) -> Diagnosis:
    return diagnose(
        served(old, reference, "1"),
        served(new, current, "2"),
        settings=Settings.from_dict({"model": roles}),
        reference_model=old,
        current_model=new,
    )


@pytest.mark.slow
def test_a_class_that_is_never_predicted_any_more_is_not_hidden_by_a_better_total(worlds_of_mail):
    reference, current, old, new, roles = worlds_of_mail
    diagnosis = compared(reference, current, old, Blind(new), roles)
    assert diagnosis.metric.change.low > 0
    assert diagnosis.verdict is Verdict.DEGRADED_IN_PART
    assert diagnosis.parts[0].name == "lease"
    assert diagnosis.parts[0].current == 0
    assert "As a whole it got better, which hides it" in diagnosis.summary
    assert diagnosis.decision.action is Action.ROLL_BACK
    assert "nan" not in diagnosis.to_text()


@pytest.mark.slow
def test_a_model_that_only_gained_is_kept(worlds_of_mail):
    reference, current, old, _, roles = worlds_of_mail
    past = mail(np.random.default_rng(13), datetime(2026, 1, 1))
    better = LogisticRegression().fit(past.select("a", "b").to_pandas(), past["kind"].to_numpy())
    diagnosis = compared(reference, current, old, better, roles)
    assert diagnosis.verdict is Verdict.IMPROVED
    assert diagnosis.causes[0].kind is CauseKind.MODEL_CHANGE
    assert diagnosis.causes[0].points.low > 0
    assert diagnosis.decision.action is Action.NONE
    assert diagnosis.causes[0].next_step.startswith("Keep it")
    assert "holds it back" not in diagnosis.summary


class Blind:
    """A model that gives the least likely of its classes no chance at all."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.classes_ = inner, inner.classes_

    def predict_proba(self, frame: Any) -> np.ndarray:
        chance = self.inner.predict_proba(frame)
        chance[:, list(self.classes_).index("lease")] *= 1e-6
        return chance / chance.sum(axis=1, keepdims=True)

    def predict(self, frame: Any) -> np.ndarray:
        return self.classes_[self.predict_proba(frame).argmax(axis=1)]
