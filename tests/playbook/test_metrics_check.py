"""The metrics of a case by the public path: equal to scikit-learn's whatever the labels are; own metrics; costs."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

import worlds
from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.finding import Severity
from backslide.contracts.labels import label_text
from backslide.engine.window import open_windows
from backslide.jobs.diagnose import diagnose
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.verify.metrics import MetricChanges, cost_change, cost_floor
from backslide.stats.metrics.metric import CLASSIFICATION, OF_SCORES, REGRESSION

POOLS = {"int": [0, 1, 2, -3], "str": ["no", "yes", "maybe"], "bool": [True, False], "mixed": ["a", 1, True, "b"]}
COUNTED = [name for name in CLASSIFICATION if name not in OF_SCORES]


def oracle(name: str, y: list[str], p: list[str]) -> float:
    average, _, kind = name.partition("_")
    plain = {
        "accuracy": sk.accuracy_score,
        "balanced_accuracy": sk.balanced_accuracy_score,
        "matthews": sk.matthews_corrcoef,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes without rows
        if name in plain:
            return plain[name](y, p)
        score = {"f1": sk.f1_score, "precision": sk.precision_score, "recall": sk.recall_score}[kind]
        if name == "macro_f1":  # the mean over classes that are labelled
            return score(y, p, average="macro", labels=sorted(set(y)))
        return score(y, p, average=average, zero_division=np.nan if average == "macro" else 0)


@st.composite
def logged(draw):
    """Labels and predictions of one type over a few days of unequal size; some classes are missing on one side."""
    pool = POOLS[draw(st.sampled_from(sorted(POOLS)))]
    n = draw(st.integers(4, 40))
    column = st.lists(st.sampled_from(pool), min_size=n, max_size=n)
    days = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    return draw(column), draw(column), days


def table(y: list[object], p: list[object], days: list[int]) -> pd.DataFrame:
    times = [datetime(2026, 1, 5) + timedelta(days=int(d), seconds=i) for i, d in enumerate(days)]
    return pd.DataFrame({"x": np.arange(len(y), dtype=float), "label": y, "prediction": p, "at": times})


def opened_case(reference: object, current: object, base: Path | None = None, **model: object) -> Case:
    roles = {"label": "label", "prediction": "prediction", "timestamp": "at"} | model
    engine = roles.pop("engine", {})
    configured = Settings.from_dict({"model": roles, "engine": engine, "artifacts": {"trusted": True}}, base=base)
    return Case(open_windows(reference, current, configured), configured)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(data=logged())
def test_metrics_of_labels_of_any_type(data):
    y, p, days = data
    case = opened_case(table(y, p, days), table(y, p, days), task="multiclass")
    texts = [label_text(v) for v in y], [label_text(v) for v in p]
    for name in COUNTED:
        metric = case.named_metric(name)
        mine = float(metric.value(case.reference.units(metric).total))
        assert mine == pytest.approx(oracle(name, *texts), abs=1e-12, nan_ok=True), name


def multiclass(rng: np.random.Generator, rows: int = 900) -> pd.DataFrame:
    y = rng.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2])
    scores = rng.dirichlet(np.ones(3), rows) + 0.5 * (y[:, None] == np.array(["a", "b", "c"]))
    scores /= scores.sum(1, keepdims=True)
    frame = table(list(y), list(np.array(["a", "b", "c"])[scores.argmax(1)]), list(rng.integers(0, 20, rows)))
    return frame.assign(**{f"p_{c}": scores[:, k] for k, c in enumerate("abc")})


SCORES = {"scores": {c: f"p_{c}" for c in "abc"}}


def test_metrics_of_scores():
    frame = multiclass(np.random.default_rng(1))
    case = opened_case(frame, frame, **SCORES)
    y, scores = frame["label"].to_numpy(), frame[["p_a", "p_b", "p_c"]].to_numpy()
    one = [(y == c, scores[:, k]) for k, c in enumerate("abc")]
    expected = {
        "roc_auc": np.mean([sk.roc_auc_score(*pair) for pair in one]),
        "pr_auc": np.mean([sk.average_precision_score(*pair) for pair in one]),
        "log_loss": sk.log_loss(y, scores, labels=["a", "b", "c"]),
        "brier": np.mean(((np.stack([hit for hit, _ in one], 1) - scores) ** 2).sum(1)),
    }
    assert set(expected) == set(OF_SCORES)
    for name, value in expected.items():
        assert case.change(case.named_metric(name)).reference == pytest.approx(value, abs=1e-12), name


def test_areas_of_a_binary_task_are_those_of_the_positive_class():
    rng = np.random.default_rng(2)
    frame = scenarios.served(rng, 800)
    case = worlds.case_of(Scenario(frame, scenarios.next_month(rng, rows=700), dict(scenarios.ROLES)))
    y, score = (frame["label"] == "yes").to_numpy(), frame["p_yes"].to_numpy()
    for name, area in (("roc_auc", sk.roc_auc_score), ("pr_auc", sk.average_precision_score)):
        change = case.change(case.named_metric(name))
        assert change.reference == pytest.approx(area(y, score), abs=1e-12)
        assert change.unit == "day"


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_metrics_of_numbers(offset):
    rng = np.random.default_rng(3)
    y = np.round(rng.normal(0, 2, 3000)) + offset
    frame = table(list(y), list(y + rng.normal(0.2, 1, 3000)), list(rng.integers(0, 20, 3000)))
    case = opened_case(frame, frame, task="regression", engine={"sample_rows": 3000})
    p, some = frame["prediction"].to_numpy(), y != 0
    expected = {
        "mae": sk.mean_absolute_error(y, p),
        "rmse": sk.root_mean_squared_error(y, p),
        "r2": sk.r2_score(y, p),
        "bias": np.mean(p - y),
        "mape": sk.mean_absolute_percentage_error(y[some], p[some]),
        "median_absolute_error": sk.median_absolute_error(y, p),
        "p90_absolute_error": np.quantile(np.abs(p - y), 0.9),
    }
    assert set(expected) == set(REGRESSION)
    for name, value in expected.items():
        change = case.change(case.named_metric(name))
        assert change.reference == pytest.approx(value, rel=1e-9 if offset else 1e-12), name
        assert change.unit == "day", name
        assert change.se > 0
    findings = {f.subject: f for f in MetricChanges().run(case)}
    assert ("label 0 are left out" in findings["mape"].summary) == (not some.all())
    assert set(findings) == set(REGRESSION)


def test_the_noise_of_r2_is_that_of_the_day_and_all_rows_count():
    rng = np.random.default_rng(4)
    y = rng.normal(10, 2, 4000)
    frame = table(list(y), list(y + rng.normal(0, 1, 4000)), list(rng.integers(0, 28, 4000)))
    case = opened_case(frame, frame, task="regression", engine={"sample_rows": 400})
    change = case.change(case.named_metric("r2"))
    assert change.reference == pytest.approx(sk.r2_score(y, frame["prediction"]), rel=1e-12)
    r = rng.integers(0, 4000, (300, 4000))
    truth = np.std([sk.r2_score(y[i], frame["prediction"].to_numpy()[i]) for i in r]) * np.sqrt(2)
    assert 0.8 * truth <= change.se <= 2 * truth
    assert case.basis(case.named_metric("r2")) == ""


def test_what_rests_on_a_sample_says_so():
    rng = np.random.default_rng(5)
    frames = scenarios.served(rng, 1500), scenarios.next_month(rng, rows=1500)
    case = worlds.case_of(Scenario(*frames, dict(scenarios.ROLES)), engine={"sample_rows": 600})
    findings = {f.subject: f for f in MetricChanges().run(case)}
    assert findings["roc_auc"].basis == "samples of 600 and 600 labelled rows"
    assert (findings["roc_auc"].estimate.basis, findings["roc_auc"].estimate.n) == ("sample", 600)
    assert (findings["accuracy"].basis, findings["accuracy"].estimate.basis) == ("", "all")
    for finding in findings.values():
        assert (finding.detectable is None) == (finding.severity != Severity.OK)
        assert finding.detectable is None or finding.detectable > 0


FUNCTIONS = """
import numpy as np

def utility(labels, predictions):
    return np.where(labels == predictions, 1.0, np.where(labels == "yes", -3.0, -1.0))

def separation(labels, predictions, scores):
    return scores["yes"][labels == "yes"].mean() - scores["yes"][labels == "no"].mean()
separation.share = True

def error(labels, predictions):
    return labels != predictions
error.higher_is_better = False
error.share = True

def pinball(labels, predictions):
    return np.maximum(0.8 * (labels - predictions), 0.2 * (predictions - labels))
pinball.higher_is_better = False

def raises(labels, predictions):
    return 1 / 0

def short(labels, predictions):
    return np.zeros(3)

def word(labels, predictions):
    return "good"

constant = 3
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "own_metrics.py").write_text(FUNCTIONS)
    return tmp_path


def desk_case(base: Path, **model: object) -> Case:
    rng = np.random.default_rng(6)
    roles = {"timestamp": "served_at", "scores": {"yes": "p_yes"}} | model
    return opened_case(scenarios.served(rng, 1200), scenarios.next_month(rng, rows=1200, flip=0.2), base, **roles)


def test_metrics_of_ones_own_stand_beside_the_usual_ones(project):
    broken = {
        "raises": "ZeroDivisionError",
        "short": "one per row",
        "word": "expected a number",
        "constant": "function",
        "nothing": "has no 'nothing'",
    }
    names = [f"own_metrics:{name}" for name in ("utility", "separation", "error", *broken)] + [
        "gone:x",
        "accuracies",
        "mae",
    ]
    case = desk_case(project, metrics=names)
    findings = {f.subject: f for f in MetricChanges().run(case)}
    for name, reason in broken.items():
        assert findings[f"own_metrics:{name}"].severity == Severity.NOTE
        assert reason in findings[f"own_metrics:{name}"].summary
        assert findings[f"own_metrics:{name}"].estimate is None
    assert "No module named" in findings["gone:x"].summary
    assert all("module:function" in findings[name].summary for name in ("accuracies", "mae"))
    accuracy, error = findings["accuracy"], findings["own_metrics:error"]
    assert error.estimate.estimate == pytest.approx(-accuracy.estimate.estimate, abs=1e-12)
    assert error.estimate.low == pytest.approx(-accuracy.estimate.high, abs=1e-3)
    assert error.severity == Severity.WARN
    frame = case.reference.sample
    hit = (frame["label"] == frame["prediction"]).to_numpy()
    missed = (~hit & (frame["label"] == "yes").to_numpy()).mean()
    assert findings["own_metrics:utility"].numbers["reference"] == pytest.approx(
        hit.mean() - 3 * missed - ((~hit).mean() - missed), abs=1e-9
    )
    yes, score = (frame["label"] == "yes").to_numpy(), frame["p_yes"].to_numpy()
    separation = findings["own_metrics:separation"]
    assert separation.numbers["reference"] == pytest.approx(score[yes].mean() - score[~yes].mean(), abs=1e-9)
    assert separation.unit == "points"
    assert separation.severity == Severity.WARN, "labels that turn against the model separate less"
    assert separation.numbers["unit_of_noise"] == "day"


def test_a_function_per_row_can_be_the_headline(project):
    case = desk_case(project, metric="own_metrics:utility")
    first = next(iter(MetricChanges().run(case)))
    assert (first.subject, first.severity) == ("own_metrics:utility", Severity.FAIL)
    assert case.problem.min_effect == pytest.approx(0.02 * case.change(case.metric).reference, rel=0.01)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("own_metrics:separation", "return one value per row"),
        ("own_metrics:raises", "ZeroDivisionError"),
        ("own_metrics:short", "one per row"),
        ("own_metrics:acuracy", "has no 'acuracy'"),
        ("gone:x", "No module named 'gone'"),
        ("own_metrics:a:b", "module:function"),
        ("acuracy", "did you mean 'accuracy'"),
        ("expected_cost", "model.costs"),
        ("mae", "does not fit"),
    ],
)
def test_a_headline_that_will_not_do_is_one_line(project, metric, message):
    with pytest.raises(ConfigError, match=message) as caught:
        desk_case(project, metric=metric)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metric", ["median_absolute_error", "p90_absolute_error", "bias"])
def test_a_quantile_is_no_headline(metric):
    frame = table([1.5, 2.5, 3.5], [1.0, 2.0, 3.0], [0, 1, 2])
    with pytest.raises(ConfigError, match="use '"):
        opened_case(frame, frame, task="regression", metric=metric)


def test_areas_need_scores():
    frame = table(["a", "b"], ["a", "a"], [0, 1])
    with pytest.raises(ConfigError, match="scores"):
        opened_case(frame, frame, metric="roc_auc")


def test_a_function_of_numbers_gets_numbers(project):
    rng = np.random.default_rng(7)
    y = rng.normal(50, 5, 600)
    frame = table(list(y), list(y + rng.normal(size=600)), list(rng.integers(0, 20, 600)))
    case = opened_case(frame, frame, project, metric="own_metrics:pinball")
    expected = sk.mean_pinball_loss(y, frame["prediction"], alpha=0.8)
    assert case.change(case.metric).reference == pytest.approx(expected, abs=1e-12)


COSTS = {"yes": 5.0, "no": {"yes": 2.0, "no": 0.0}}


def test_the_expected_cost_is_counted_over_all_rows():
    rng = np.random.default_rng(8)
    frames = scenarios.served(rng, 1500), scenarios.next_month(rng, rows=1500, flip=0.1)
    model = dict(scenarios.ROLES) | {"costs": COSTS}
    case = worlds.case_of(Scenario(*frames, model), engine={"sample_rows": 300})
    change = cost_change(case)
    paid = [
        frame.select(
            pl.when((pl.col("label") == "yes") & (pl.col("prediction") == "no"))
            .then(5.0)
            .when((pl.col("label") == "no") & (pl.col("prediction") == "yes"))
            .then(2.0)
            .otherwise(0.0)
        ).to_series()
        for frame in frames
    ]
    assert (change.reference, change.current) == pytest.approx((paid[0].mean(), paid[1].mean()), abs=1e-12)
    assert cost_floor(case) == pytest.approx(0.01 * paid[0].filter(paid[0] > 0).mean(), rel=0.15)
    subjects = [f.subject for f in MetricChanges().run(case)]
    assert subjects[:2] == ["accuracy", "expected_cost"]


def test_the_expected_cost_as_headline_is_material_by_more_errors():
    rng = np.random.default_rng(9)
    frames = scenarios.served(rng, 1500), scenarios.next_month(rng, rows=1500, flip=0.2)
    model = dict(scenarios.ROLES) | {"costs": COSTS, "metric": "expected_cost", "min_effect": 0.02}
    case = worlds.case_of(Scenario(*frames, model))
    assert case.problem.min_effect == pytest.approx(cost_floor(case))
    assert 0.02 * 2 < case.problem.min_effect < 0.02 * 5
    finding = next(iter(MetricChanges().run(case)))
    assert (finding.subject, finding.severity) == ("expected_cost", Severity.FAIL)


def test_over_and_underestimation_have_prices():
    rng = np.random.default_rng(10)
    y = rng.normal(50, 5, 900)
    frame = table(list(y), list(y + rng.normal(size=900)), list(rng.integers(0, 20, 900)))
    case = opened_case(frame, frame, task="regression", costs={"over": 1.0, "under": 4.0})
    error = frame["prediction"] - y
    assert cost_change(case).reference == pytest.approx(np.where(error > 0, error, -4 * error).mean(), rel=1e-12)
    mean_price = np.where(error > 0, error, -4 * error).sum() / error.abs().sum()
    assert cost_floor(case) == pytest.approx(case.problem.min_effect * mean_price)


def test_without_costs_there_is_no_expected_cost():
    assert cost_change(worlds.case_of(scenarios.quiet(np.random.default_rng(11)))) is None


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({"yess": 5.0}, "'yess' is not one of the labels; did you mean 'yes'"),
        ({"yes": {"noo": 1.0}}, "'noo' is not one of the labels"),
        ({"yes": -1.0}, "at least 0, got -1"),
        ({"no": {"yes": float("nan")}}, "finite cost"),
        ({"yes": float("inf")}, "finite cost"),
        ({"yes": 0.0, "no": 0.0}, "at least one error that costs more than 0"),
    ],
)
def test_costs_that_make_no_sense_are_one_line(costs, message):
    model = dict(scenarios.ROLES) | {"costs": costs}
    rng = np.random.default_rng(12)
    scenario = Scenario(scenarios.served(rng, 50), scenarios.next_month(rng, rows=50), model)
    with pytest.raises(ConfigError, match=message) as caught:
        worlds.case_of(scenario)
    assert "\n" not in str(caught.value)


def test_costs_of_numbers_are_over_and_under():
    frame = table([1.5, 2.5, 3.5], [1.0, 2.0, 3.0], [0, 1, 2])
    with pytest.raises(ConfigError, match="neither 'over' nor 'under'; did you mean 'under'"):
        opened_case(frame, frame, task="regression", costs={"unde": 1.0})


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [{"metric": "roc_auc"}, {"metric": "pr_auc"}, {"metric": "expected_cost", "costs": COSTS}],
    ids=lambda m: m["metric"],
)
def test_causes_are_priced_in_any_headline(model):
    rng = np.random.default_rng(13)
    swapped = pl.col("channel").replace({"web": "phone", "phone": "web"})
    current = scenarios.next_month(rng).with_columns(channel=swapped)
    scenario = Scenario(
        scenarios.served(rng), scenarios.rescored(current), dict(scenarios.ROLES) | model, scenarios.TrueModel()
    )
    diagnosis = diagnose(
        scenario.reference, scenario.current, settings=worlds.settings_of(scenario), reference_model=scenario.artefact
    )
    assert diagnosis.verdict.bad
    assert diagnosis.metric.name == model["metric"]
    first = diagnosis.causes[0]
    assert (first.kind, first.features) == ("category_recode", ("channel",))
    assert first.points.estimate == pytest.approx(diagnosis.metric.change.estimate, rel=0.4)
