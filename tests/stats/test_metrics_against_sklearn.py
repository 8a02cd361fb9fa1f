"""Every metric equals scikit-learn's over label types and missing classes; standard errors equal the bootstrap's."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sk

from backslide.case import codes_of
from backslide.contracts.labels import label_text
from backslide.engine.roles.outcomes import Outcomes
from backslide.engine.roles.problem import order_classes
from backslide.stats.metrics.metric import (
    CLASSIFICATION,
    METRICS,
    REGRESSION,
    SAME,
    class_metric,
    f1_scores,
    gradient,
    influence,
    macro_f1_over,
    precisions,
    recalls,
)
from backslide.stats.metrics.row_sums import count_rows, loss_rows

pytestmark = pytest.mark.core

POOLS = {
    "int": [0, 1, 2, 7, -3],
    "str": ["no", "yes", "", "maybe", "ja"],
    "bool": [True, False],
}
NAN = np.nan
ORACLES = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "macro_f1": lambda y, p: sk.f1_score(y, p, average="macro"),
    "micro_f1": lambda y, p: sk.f1_score(y, p, average="micro"),
    "weighted_f1": lambda y, p: sk.f1_score(y, p, average="weighted"),
    "micro_precision": lambda y, p: sk.precision_score(y, p, average="micro"),
    "micro_recall": lambda y, p: sk.recall_score(y, p, average="micro"),
    "weighted_precision": lambda y, p: sk.precision_score(y, p, average="weighted", zero_division=0),
    "weighted_recall": lambda y, p: sk.recall_score(y, p, average="weighted", zero_division=0),
    "macro_precision": lambda y, p: sk.precision_score(y, p, average="macro", zero_division=NAN),
    "macro_recall": lambda y, p: sk.recall_score(y, p, average="macro", zero_division=NAN),
    "matthews": sk.matthews_corrcoef,
}


@st.composite
def labelled(draw):
    """Labels and predictions of one type, and a set of classes that holds both (and perhaps more)."""
    pool = POOLS[draw(st.sampled_from(sorted(POOLS)))]
    n = draw(st.integers(1, 60))
    side = st.lists(
        st.sampled_from(draw(st.lists(st.sampled_from(pool), min_size=1, unique=True))), min_size=n, max_size=n
    )
    y, p = draw(side), draw(side)
    if draw(st.booleans()):
        p = draw(st.lists(st.sampled_from(pool), min_size=n, max_size=n))
    used = {*y, *p}
    classes = order_classes({label_text(v) for v in (pool if draw(st.booleans()) else used)})
    return y, p, classes


def sums_of(y, p, classes):
    codes = [codes_of(np.array([label_text(v) for v in side], object), classes) for side in (y, p)]
    assert min(c.min() for c in codes) >= 0
    return count_rows(codes[0], codes[1], len(classes)).sum(0)


def quietly(oracle, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes without rows
        return oracle(*arguments)


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=60, deadline=None)
@given(data=labelled())
def test_classification_metrics(name, data):
    y, p, classes = data
    mine = float(METRICS[name].value(sums_of(y, p, classes)))
    assert mine == pytest.approx(quietly(ORACLES[name], y, p), abs=1e-12, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(data=labelled())
def test_scores_by_class(data):
    y, p, classes = data
    sums = sums_of(y, p, classes)
    text = {label_text(v): v for v in [*y, *p]}
    present = [c for c in classes if c in text]
    theirs = quietly(
        lambda: sk.precision_recall_fscore_support(y, p, labels=[text[c] for c in present], zero_division=NAN)
    )
    at = [classes.index(c) for c in present]
    np.testing.assert_allclose(precisions(sums)[at], theirs[0], atol=1e-12)
    np.testing.assert_allclose(recalls(sums)[at], theirs[1], atol=1e-12)
    np.testing.assert_allclose(f1_scores(sums)[at], theirs[2], atol=1e-12)
    absent = [i for i, c in enumerate(classes) if c not in text]
    assert np.isnan(f1_scores(sums)[absent]).all(), "an absent class is not estimable, never a zero"
    for label, index in zip(present, at, strict=True):
        own = class_metric("f1", index, label)
        assert own.name == f"f1[{label}]"
        np.testing.assert_equal(float(own.value(sums)), f1_scores(sums)[index])


def test_every_metric_of_the_table_has_an_oracle():
    losses, ranked = {"log_loss", "brier"}, {"roc_auc", "pr_auc"}
    numbers = {"mae", "rmse", "bias", "mape", "median_absolute_error", "p90_absolute_error"}
    assert set(CLASSIFICATION) == set(ORACLES) | losses | ranked
    assert set(REGRESSION) == numbers | {"r2"}
    assert {m.name for m in METRICS.values() if not m.higher_is_better} == losses | numbers
    assert set(SAME) <= set(CLASSIFICATION)


@st.composite
def scored(draw):
    k, n = draw(st.integers(2, 4)), draw(st.integers(1, 40))
    raw = draw(arrays.arrays(float, (n, k), elements=st.floats(0.01, 1)))
    y = draw(arrays.arrays(np.int64, n, elements=st.integers(0, k - 1)))
    return y, raw / raw.sum(1, keepdims=True)


@settings(max_examples=150, deadline=None)
@given(scored())
def test_losses_of_scores(data):
    y, scores = data
    k = scores.shape[1]
    log_loss = METRICS["log_loss"].value(loss_rows("log_loss", y, scores).sum(0))
    assert float(log_loss) == pytest.approx(sk.log_loss(y, scores, labels=range(k)), abs=1e-12)
    brier = float(METRICS["brier"].value(loss_rows("brier", y, scores).sum(0)))
    if k == 2:
        assert brier == pytest.approx(sk.brier_score_loss(y, scores[:, 1], pos_label=1), abs=1e-12)
    else:
        assert brier == pytest.approx(float(((np.eye(k)[y] - scores) ** 2).sum(1).mean()), abs=1e-12)


def test_log_loss_is_finite_when_a_score_is_zero_or_all_are():
    rows = loss_rows("log_loss", np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 0.0]]))
    assert np.isfinite(rows).all()
    assert rows[0, 1] > 30


def rows_of(name, y, p):
    return Outcomes(y, p, None).statistics(METRICS[name], 0)


NUMBERS = st.floats(-1e4, 1e4).map(lambda x: round(x, 3))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=50))
def test_regression_metrics(pairs):
    y, p = np.array(pairs).T
    values = {n: float(METRICS[n].value(rows_of(n, y, p).sum(0))) for n in REGRESSION}
    assert values["mae"] == pytest.approx(sk.mean_absolute_error(y, p), rel=1e-12, abs=1e-12)
    assert values["rmse"] == pytest.approx(sk.root_mean_squared_error(y, p), rel=1e-12, abs=1e-12)
    assert values["bias"] == pytest.approx(float(np.mean(p - y)), rel=1e-9, abs=1e-9)
    assert values["median_absolute_error"] == pytest.approx(sk.median_absolute_error(y, p), rel=1e-12, abs=1e-12)
    assert values["p90_absolute_error"] == pytest.approx(np.quantile(np.abs(y - p), 0.9), rel=1e-12, abs=1e-12)
    some = y != 0
    if some.any():
        theirs = sk.mean_absolute_percentage_error(y[some], p[some])
        assert values["mape"] == pytest.approx(theirs, rel=1e-12, abs=1e-12)
    else:
        assert np.isnan(values["mape"]), "no percentage of nothing"
    spread = float(np.var(y))
    if spread > 1e-6 * (1 + float(np.mean(y)) ** 2):
        theirs = sk.r2_score(y, p)
        assert values["r2"] == pytest.approx(theirs, rel=1e-9, abs=1e-9 * (1 + abs(theirs)))


def test_r2_is_not_estimable_when_labels_do_not_vary():
    rows = loss_rows("variance", np.full(5, 3.0), np.arange(5.0))
    assert np.isnan(float(METRICS["r2"].value(rows.sum(0))))


def test_nothing_counted_is_not_estimable():
    for name in ("accuracy", "macro_f1", "balanced_accuracy", "weighted_f1"):
        assert np.isnan(float(METRICS[name].value(np.zeros(6)))), name
    assert np.isnan(float(METRICS["mae"].value(np.zeros(2))))


def test_a_code_outside_the_classes_is_no_hit_and_no_prediction():
    rows = count_rows(np.array([0, 1, -1, 0]), np.array([0, -1, -1, 1]), 2)
    np.testing.assert_array_equal(rows.sum(0), [2, 1, 1, 1, 1, 0])
    assert float(METRICS["accuracy"].value(rows.sum(0))) == pytest.approx(1 / 3)


def test_macro_f1_over_fixed_classes_leaves_the_others_out():
    y, p = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    sums = count_rows(y, p, 3).sum(0)
    both = macro_f1_over(np.array([True, True, False]))
    assert float(both.value(sums)) == pytest.approx(sk.f1_score(y, p, labels=[0, 1], average="macro"), abs=1e-12)


@given(labelled(), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_metrics_do_not_depend_on_the_number_of_rows_alone(data, times):
    y, p, classes = data
    sums = sums_of(y, p, classes)
    stacked = np.stack([sums, sums * times])
    for name in ORACLES:
        one, many = METRICS[name].value(stacked)
        assert one == pytest.approx(many, abs=1e-12, nan_ok=True)


def test_harm_is_positive_when_worse():
    assert METRICS["accuracy"].harm(-0.1) == pytest.approx(0.1)
    assert METRICS["mae"].harm(0.1) == pytest.approx(0.1)
    assert (METRICS["accuracy"].sign, METRICS["mae"].sign) == (1, -1)


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", sorted(ORACLES))
def test_standard_errors_equal_the_bootstrap(name):
    rng = np.random.default_rng(8)
    n, k = 1500, 3
    y = rng.choice(k, n, p=[0.6, 0.3, 0.1])
    p = np.where(rng.random(n) < 0.75, y, rng.integers(0, k, n))
    check_standard_error(METRICS[name], count_rows(y, p, k), rng)


@pytest.mark.parametrize("name", ["log_loss", "brier"])
def test_standard_errors_of_score_losses_equal_the_bootstrap(name):
    rng = np.random.default_rng(9)
    scores = rng.dirichlet([2, 1, 1], 1500)
    y = np.array([rng.choice(3, p=s) for s in scores])
    check_standard_error(METRICS[name], loss_rows(METRICS[name].rows, y, scores), rng)


@pytest.mark.parametrize("name", REGRESSION)
def test_standard_errors_of_regression_metrics_equal_the_bootstrap(name):
    rng = np.random.default_rng(10)
    y = rng.normal(100, 10, 1500)
    check_standard_error(METRICS[name], rows_of(name, y, y + rng.normal(1, 5, 1500)), rng)


def check_standard_error(metric, rows, rng):
    n = len(rows)
    mine = influence(metric, rows, rows.sum(0))
    assert abs(mine.mean()) < 1e-6 * max(1.0, mine.std())
    counts = rng.multinomial(n, np.full(n, 1 / n), size=1500)
    replicates = metric.value(counts @ rows)
    assert mine.std() / np.sqrt(n) == pytest.approx(replicates.std(), rel=0.1)


def test_the_gradient_is_the_derivative():
    sums = np.array([60.0, 40.0, 55.0, 45.0, 50.0, 35.0])
    slope = gradient(METRICS["accuracy"], sums)
    np.testing.assert_allclose(slope, [-0.0085, -0.0085, 0, 0, 0.01, 0.01], atol=1e-9)
    assert (gradient(METRICS["accuracy"], np.zeros(6)) == 0).all()


@pytest.mark.parametrize("which", ["recall", "precision", "f1"])
def test_the_gradient_of_one_class_is_that_by_every_sum(which):
    """Also of classes that are never labelled, or never predicted; asked of its own counts alone, to the last digit."""
    hit = np.array([0, 0, 3, 40, 900, 0])
    label = hit + np.array([0, 7, 0, 13, 77, 5])
    predicted = hit + np.array([4, 0, 0, 9, 31, 5])
    sums = np.concatenate([label, predicted, hit]).astype(float)
    for index in range(6):
        metric = class_metric(which, index, str(index))
        slope = gradient(metric, sums)
        assert (slope == gradient(replace(metric, of_class=None), sums)).all()
        assert not slope[np.arange(18) % 6 != index].any()
        scores = {"recall": recalls, "precision": precisions, "f1": f1_scores}[which](sums)
        np.testing.assert_array_equal(metric.value(sums), scores[index])
