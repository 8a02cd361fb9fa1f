"""The first cause is the right one, the parts add up, and nothing is named where nothing happened."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_series_equal

import worlds
from backslide.causes.search import find_causes
from backslide.contracts.cause import Cause, CauseKind, Confidence
from backslide.contracts.diagnosis import Action, Diagnosis, Verdict
from backslide.jobs.verdict import judge
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from scale import runs

SEEDS = range(runs(1, 3))
QUIET_SEEDS = range(runs(12, 30))


def broken(fault, rng: np.random.Generator, rows: int = 3000) -> Scenario:
    """Two months of which the second passed through ``fault`` (features in, features out) before it was served."""
    reference, current = worlds.two_months(rng, rows)
    return Scenario(reference, scenarios.rescored(fault(current)), worlds.BARE, scenarios.TrueModel(), "")


def yearly(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(income=pl.col("income") * 12)


def renamed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        channel=pl.col("channel").replace({"web": "W", "phone": "P", "branch": "B", "partner": "X"})
    )


MAKERS = {
    "model_change": worlds.model_change,
    "threshold_change": worlds.threshold_change,
    "label_shift": worlds.label_shift,
    "covariate_shift": worlds.covariate_shift,
    "concept_drift": worlds.concept_drift,
    "unit_change": lambda rng: broken(yearly, rng),
}
ACTIONS = {
    "model_change": Action.ROLL_BACK,
    "label_shift": Action.RETRAIN,
    "covariate_shift": Action.RETRAIN,
    "concept_drift": Action.RETRAIN,
    "unit_change": Action.FIX_UPSTREAM_DATA,
}


@cache
def diagnosed(kind: str, seed: int) -> Diagnosis:
    return worlds.causes_of(MAKERS[kind](np.random.default_rng(seed)))


def faults(diagnosis: Diagnosis) -> list[Cause]:
    return [c for c in (*diagnosis.causes, *diagnosis.harmless) if c.kind.family == "data fault"]


@pytest.mark.rates
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", MAKERS)
def test_the_first_cause_is_the_right_one(kind, seed):
    diagnosis = diagnosed(kind, seed)
    assert diagnosis.verdict == Verdict.DEGRADED
    assert diagnosis.causes[0].kind == kind
    assert diagnosis.causes[0].rank == 1
    assert diagnosis.causes[0].confidence.rank >= Confidence.SUPPORTED.rank
    if kind != "unit_change":
        assert faults(diagnosis) == [], "no column is accused"


@pytest.mark.parametrize(("kind", "action"), ACTIONS.items())
def test_the_decision_follows_the_cause(kind, action):
    diagnosis = diagnosed(kind, 0)
    assert diagnosis.decision.action == action
    assert diagnosis.decision.reason


@pytest.mark.parametrize("kind", MAKERS)
def test_causes_and_unexplained_add_up_to_the_change(kind):
    for seed in SEEDS:
        diagnosis = diagnosed(kind, seed)
        explained = sum(cause.points.estimate for cause in diagnosis.causes)
        assert explained + diagnosis.unexplained.estimate == pytest.approx(diagnosis.metric.change.estimate, abs=1e-9)
        steps = diagnosis.waterfall.steps
        moved = sum(s.value for s in steps if s.role != "level")
        assert steps[0].value + moved == pytest.approx(steps[-1].value, abs=1e-9)
        assert (steps[0].value, steps[-1].value) == (diagnosis.metric.reference, diagnosis.metric.current)


@pytest.mark.parametrize("kind", ["model_change", "threshold_change"])
def test_what_a_replay_shows_is_proven_and_priced_exactly(kind):
    for seed in SEEDS:
        scenario = MAKERS[kind](np.random.default_rng(seed))
        cause = diagnosed(kind, seed).causes[0]
        truth = worlds.accuracy(scenario.current) - worlds.accuracy(scenarios.rescored(scenario.current))
        assert cause.confidence == Confidence.PROVEN
        assert diagnosed(kind, seed).metric.name == "accuracy"
        assert cause.points.estimate == pytest.approx(truth, abs=1e-9)
        assert cause.repair.points_back.estimate == pytest.approx(-truth, abs=1e-9)


def test_the_world_is_named_with_what_changed_in_it():
    for seed in SEEDS:
        assert set(diagnosed("label_shift", seed).causes[0].classes) == {"yes", "no"}
        assert diagnosed("covariate_shift", seed).causes[0].features == ("income",)
        assert diagnosed("concept_drift", seed).causes[0].features[:1] == ("channel",)


def test_concept_drift_names_no_column_that_has_no_part_in_it():
    named = [set(diagnosed("concept_drift", seed).causes[0].features) for seed in SEEDS]
    assert all("premium" not in features for features in named), named


@pytest.mark.parametrize("kind", ["label_shift", "covariate_shift", "concept_drift"])
def test_the_world_explains_most_of_the_drop(kind):
    shares = [d.causes[0].points.estimate / d.metric.change.estimate for d in (diagnosed(kind, seed) for seed in SEEDS)]
    assert 0.6 < np.median(shares) < 1.5


@pytest.mark.rates
@pytest.mark.parametrize("seed", SEEDS)
def test_two_faults_at_once(seed):
    """Both are found, share the points, and nothing is left for the world."""
    diagnosis = worlds.causes_of(broken(lambda f: renamed(yearly(f)), np.random.default_rng(seed)))
    assert {c.kind.value: c.features for c in diagnosis.causes} == {
        "unit_change": ("income",),
        "category_recode": ("channel",),
    }
    explained = sum(cause.points.estimate for cause in diagnosis.causes)
    assert explained + diagnosis.unexplained.estimate == pytest.approx(diagnosis.metric.change.estimate, abs=1e-9)
    assert abs(diagnosis.unexplained.estimate) < 0.04


@pytest.mark.rates
@pytest.mark.parametrize("seed", SEEDS)
def test_another_model_and_a_broken_column_at_once(seed):
    scenario = broken(renamed, np.random.default_rng(seed))
    swapped = worlds.with_model(scenario.current, worlds.Flatter())
    diagnosis = worlds.causes_of(Scenario(scenario.reference, swapped, worlds.BARE, scenario.artefact))
    assert {c.kind.value for c in diagnosis.causes} == {"model_change", "category_recode"}
    explained = sum(cause.points.estimate for cause in diagnosis.causes)
    assert explained + diagnosis.unexplained.estimate == pytest.approx(diagnosis.metric.change.estimate, abs=1e-9)
    assert abs(diagnosis.unexplained.estimate) < 0.04


def suspects(scenario: Scenario) -> list[str]:
    """Data faults and changes of our own that are named, harmful or not."""
    case = worlds.case_of(scenario)
    judged = judge(case)
    found = find_causes(case, judged.target, degraded=judged.verdict.bad)
    named = [f"{fault.kind}:{fault.features}" for fault in (*found.faults, *found.harmless)]
    return named + ([str(found.own_change.kind)] if found.own_change is not None else [])


@pytest.mark.slow
@pytest.mark.rates
def test_quiet_months_name_no_fault():
    named = {seed: suspects(scenarios.quiet(np.random.default_rng(seed))) for seed in QUIET_SEEDS}
    assert {seed: names for seed, names in named.items() if names} == {}


@pytest.mark.slow
def test_quiet_months_name_no_cause_at_all():
    for seed in range(5):
        diagnosis = worlds.causes_of(scenarios.quiet(np.random.default_rng(seed)))
        assert diagnosis.verdict in (Verdict.NO_MATERIAL_CHANGE, Verdict.INCONCLUSIVE)
        assert diagnosis.causes == diagnosis.harmless == ()
        assert diagnosis.decision.action in (Action.NONE, Action.INVESTIGATE)


def natural(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Labels as the true relation gives them for the features as they now are."""
    chance = scenarios.rescored(frame)["p_yes"].to_numpy()
    return frame.with_columns(label=pl.Series(np.where(rng.random(frame.height) < chance, "yes", "no")))


DRIFTS = {
    "incomes rise by a quarter": lambda f, rng: f.with_columns(income=pl.col("income") * 1.25),
    "incomes double": lambda f, rng: f.with_columns(income=pl.col("income") * 2),
    "customers grow older": lambda f, rng: f.with_columns(age=pl.col("age") + 4),
    "the young leave": lambda f, rng: f.filter(pl.col("age") > 30),
    "web grows": lambda f, rng: f.filter((pl.col("channel") == "web") | (pl.Series(rng.random(f.height)) < 0.4)),
    "a channel is closed": lambda f, rng: f.filter(pl.col("channel") != "partner"),
    "more premium": lambda f, rng: f.with_columns(premium=pl.col("premium") | (pl.Series(rng.random(f.height)) < 0.3)),
}


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("drift", DRIFTS)
def test_natural_drift_is_no_fault(drift):
    """The world moved and the model is as right as before: no column is accused."""
    named = {}
    for seed in range(runs(2, 4)):
        rng = np.random.default_rng(100 + seed)
        reference, current = worlds.two_months(rng)
        current = scenarios.rescored(natural(DRIFTS[drift](current, rng), rng))
        named[seed] = suspects(Scenario(reference, current, worlds.BARE, scenarios.TrueModel()))
    assert {seed: names for seed, names in named.items() if names} == {}


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("kind", ["covariate_shift", "label_shift", "concept_drift"])
def test_the_world_is_not_called_a_fault(kind):
    named = {seed: suspects(MAKERS[kind](np.random.default_rng(50 + seed))) for seed in range(runs(2, 4))}
    assert {seed: names for seed, names in named.items() if names} == {}


@pytest.mark.slow
def test_a_fault_that_costs_nothing_is_harmless():
    """The model does not read `premium`."""
    diagnosis = worlds.causes_of(broken(lambda f: f.with_columns(premium=pl.lit(True)), np.random.default_rng(1)))
    assert diagnosis.causes == ()
    assert [(c.kind, c.features, c.rank) for c in diagnosis.harmless] == [(CauseKind.FROZEN_FEATURE, ("premium",), 1)]
    assert diagnosis.harmless[0].points.estimate == 0
    assert not diagnosis.verdict.bad


@pytest.mark.rates
@pytest.mark.parametrize("seed", SEEDS)
def test_without_a_model_a_stand_in_prices_and_nothing_is_proven(seed):
    scenario = MAKERS["unit_change"](np.random.default_rng(seed))
    diagnosis = worlds.causes_of(scenario, reference_model=None)
    first, full = diagnosis.causes[0], diagnosed("unit_change", seed).causes[0]
    assert (first.kind, first.features) == (CauseKind.UNIT_CHANGE, ("income",))
    assert first.confidence == Confidence.SUPPORTED
    assert first.points.estimate == pytest.approx(full.points.estimate, abs=0.03)
    assert any("stand-in" in note for note in diagnosis.inputs.notes)


def test_a_model_that_never_served_proves_nothing():
    scenario = MAKERS["unit_change"](np.random.default_rng(0))
    diagnosis = worlds.causes_of(scenario, reference_model=worlds.Flatter())
    assert diagnosis.causes[0].kind == CauseKind.UNIT_CHANGE
    assert all(c.confidence.rank <= Confidence.SUPPORTED.rank for c in diagnosis.causes)
    assert any("does not reproduce" in note for note in diagnosis.inputs.notes)


def test_without_current_labels_a_model_change_is_still_proven():
    scenario = worlds.unlabelled(MAKERS["model_change"](np.random.default_rng(0)))
    diagnosis = worlds.causes_of(scenario)
    found = [*diagnosis.causes, *diagnosis.harmless]
    assert [(c.kind, c.confidence, c.points) for c in found] == [(CauseKind.MODEL_CHANGE, Confidence.PROVEN, None)]
    assert diagnosis.decision.action != Action.NONE


def test_without_any_label_a_fault_is_suspected_and_has_no_price():
    diagnosis = worlds.causes_of(worlds.unlabelled(MAKERS["unit_change"](np.random.default_rng(0)), both=True))
    assert [(c.kind, c.features, c.points) for c in diagnosis.suspects] == [(CauseKind.UNIT_CHANGE, ("income",), None)]
    assert (diagnosis.causes, diagnosis.harmless) == ((), ())
    assert (diagnosis.metric.reference, diagnosis.metric.current, diagnosis.metric.change) == (None, None, None)
    assert diagnosis.detectable.estimate is None
    assert diagnosis.decision.action != Action.NONE


def test_with_thirty_rows_the_replay_still_decides():
    scenario = MAKERS["model_change"](np.random.default_rng(0))
    few = Scenario(scenario.reference[:30], scenario.current[:30], scenario.model, scenario.artefact)
    diagnosis = worlds.causes_of(few)
    found = [*diagnosis.causes, *diagnosis.harmless]
    assert [(c.kind, c.confidence) for c in found] == [(CauseKind.MODEL_CHANGE, Confidence.PROVEN)]
    assert diagnosis.verdict == Verdict.INCONCLUSIVE


@pytest.mark.parametrize("answer", ["no", pytest.param("yes", marks=pytest.mark.slow)])
def test_predictions_of_one_class(answer):
    scenario = scenarios.quiet(np.random.default_rng(1))
    stuck = scenario.current.with_columns(prediction=pl.lit(answer), p_yes=pl.lit(float(answer == "yes")))
    diagnosis = worlds.causes_of(Scenario(scenario.reference, stuck, scenario.model, scenario.artefact))
    assert diagnosis.verdict == Verdict.DEGRADED
    assert [c.kind for c in diagnosis.causes][:1] == [CauseKind.MODEL_CHANGE]
    assert any("all one class" in warning for warning in diagnosis.warnings)
    blind = worlds.causes_of(Scenario(scenario.reference, stuck, scenario.model, None))
    assert faults(blind) == []


REGRESSION_FAULTS = {
    "unit_change": lambda f: f.assign(size=f["size"] * 10.7639),
    "frozen_feature": lambda f: f.assign(size=50.0),
    "default_value": lambda f: f.assign(size=f["size"].where(np.arange(len(f)) % 3 > 0, 0.0)),
    "swapped_columns": lambda f: f.assign(size=f["distance"], distance=f["size"]),
    "clipped_range": lambda f: f.assign(size=f["size"].clip(upper=60.0)),
}


@pytest.mark.rates
@pytest.mark.parametrize("kind", REGRESSION_FAULTS)
def test_regression_names_the_fault_and_its_price(kind):
    for seed in range(runs(1, 2)):
        world = worlds.regression(np.random.default_rng(seed), REGRESSION_FAULTS[kind])
        diagnosis = worlds.causes_of(world.scenario)
        errors = [float((f["predicted"] - f["rent"]).abs().mean()) for f in (world.scenario.current, world.clean)]
        first = diagnosis.causes[0]
        assert (diagnosis.metric.name, diagnosis.metric.higher_is_better) == ("mae", False)
        assert diagnosis.verdict == Verdict.DEGRADED
        assert (first.kind, "size" in first.features) == (kind, True)
        width = first.points.high - first.points.low
        assert first.points.estimate == pytest.approx(errors[0] - errors[1], abs=width)
        assert first.points.estimate > 0, "an error that grew"
        explained = sum(c.points.estimate for c in diagnosis.causes) + diagnosis.unexplained.estimate
        assert explained == pytest.approx(diagnosis.metric.change.estimate, abs=1e-9 * errors[0])


@pytest.mark.rates
def test_regression_names_nothing_where_nothing_happened():
    named = {seed: suspects(worlds.regression(np.random.default_rng(seed)).scenario) for seed in range(runs(4, 10))}
    assert {seed: names for seed, names in named.items() if names} == {}


def test_the_causes_do_not_depend_on_the_order_of_rows():
    scenario = MAKERS["unit_change"](np.random.default_rng(0))
    shuffled = worlds.causes_of(
        Scenario(
            scenario.reference.sample(fraction=1, shuffle=True, seed=1),
            scenario.current.sample(fraction=1, shuffle=True, seed=2),
            scenario.model,
            scenario.artefact,
        )
    )
    one, two = diagnosed("unit_change", 0).causes, shuffled.causes
    assert [(c.kind, c.features, c.confidence) for c in one] == [(c.kind, c.features, c.confidence) for c in two]
    assert one[0].points.estimate == pytest.approx(two[0].points.estimate, abs=1e-9)


def test_worlds_are_what_they_say():
    """The scenarios of this file, checked by hand."""
    rng = np.random.default_rng(3)
    change = worlds.model_change(rng)
    assert not change.current["p_yes"].equals(scenarios.rescored(change.current)["p_yes"])
    assert_series_equal(change.reference["p_yes"], scenarios.rescored(change.reference)["p_yes"])
    cut = worlds.threshold_change(rng).current
    assert cut.filter(pl.col("prediction") == "yes")["p_yes"].min() >= 0.8
    shift = worlds.label_shift(rng)
    assert [(f["label"] == "yes").mean() for f in (shift.reference, shift.current)] == [
        pytest.approx(0.55, abs=0.1),
        0.7,
    ]
