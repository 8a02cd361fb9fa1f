"""The explain step: values that are right, parts that are told apart, quiet that is measured, and no extra needed."""

from __future__ import annotations

import sys
from itertools import permutations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import worlds
from backslide.contracts.evidence import Bars, Histograms, Ranking, Table
from backslide.contracts.finding import Severity, Status, Step
from backslide.models.load import load_model
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.explain.agreement import MethodImportance, agreement
from backslide.playbook.explain.attribution import Attribution
from backslide.playbook.explain.attributions import explanations
from backslide.playbook.explain.methods import Methods
from backslide.playbook.explain.permutation_shapley import sampled_values
from backslide.playbook.explain.windows import ExplainedWindows
from backslide.playbook.registry import all_checks
from backslide.playbook.runner import run_checks
from backslide.report.documents.diagnosis import diagnosis_page
from backslide.stats.drift.domain_classifier import separation
from scale import runs

COLUMNS = ["income", "age", "channel", "premium"]


def findings_of(check, scenario, current_model=None):
    case = worlds.case_of(scenario)
    case.current_model = None if current_model is None else load_model(current_model)
    return {f.subject: f for f in check().run(case)}


def fitted(final, *, mixed=False, rows=1500):
    """A pipeline of one-hot texts and scaled numbers in front of ``final``, fitted on a month of its own."""
    past = scenarios.served(np.random.default_rng(77), rows)
    x = pd.DataFrame({c: past[c].to_numpy() for c in COLUMNS}).astype({"channel": object})
    steps = [
        make_column_transformer(
            (OneHotEncoder(), ["channel"]),
            (StandardScaler(), ["income", "age"]),
            remainder="passthrough",
            sparse_threshold=0,
        )
    ]
    if mixed:
        steps.append(PCA(3, random_state=0))
    return make_pipeline(*steps, final).fit(x, past["label"].to_numpy())


def two_months(artefact, seed=0, rows=1500):
    return Scenario(*worlds.two_months(np.random.default_rng(seed), rows), dict(scenarios.ROLES), artefact)


def shapley(f, x, b):
    """By definition, over all orders."""
    p, total = len(x), np.zeros(len(x))
    orders = list(permutations(range(p)))
    for order in orders:
        at = b.copy()
        for j in order:
            before = f(at)
            at[j] = x[j]
            total[j] += f(at) - before
    return total / len(orders)


def test_sampled_values_approach_the_definition_and_always_add_up():
    rng = np.random.default_rng(0)
    rows, usual = rng.normal(size=(4, 3)), rng.normal(size=(1, 3))

    def f(v):
        return v[..., 0] * v[..., 1] * v[..., 2] + 2 * v[..., 0]

    frames = [pl.DataFrame(v, schema=["a", "b", "c"], orient="row") for v in (rows, usual)]
    found = sampled_values(lambda d: f(d.to_numpy())[:, None], *frames, ["a", "b", "c"], 400, rng)[:, :, 0]
    expected = np.array([shapley(f, x, usual[0]) for x in rows])
    assert found == pytest.approx(expected, abs=0.12)
    assert found.sum(axis=1) == pytest.approx(f(rows) - f(usual[0]))


def test_trees_behind_one_hot_columns_are_explained_exactly_on_the_raw_columns():
    model = fitted(HistGradientBoostingClassifier(max_iter=30, random_state=0))
    case = worlds.case_of(two_months(model))
    found = explanations(case)
    assert found.method == "TreeSHAP"
    assert found.unit == "log odds"
    assert found.columns == tuple(COLUMNS)
    x = pd.DataFrame({c: case.current.sample[found.current.rows][c].to_numpy() for c in COLUMNS})
    raw = model.decision_function(x.astype({"channel": object}))
    rest = raw - found.current.values[:, :, 0].sum(axis=1)
    assert rest == pytest.approx(np.full(len(raw), rest.mean()), abs=1e-6)


@pytest.mark.parametrize(
    ("final", "mixed", "method", "unit"),
    [
        (LogisticRegression(), False, "linear SHAP", "log odds"),
        (RandomForestClassifier(5, max_depth=4, random_state=0), False, "TreeSHAP", "probability"),
        (LogisticRegression(), True, "sampled Shapley values (its steps mix columns)", "probability"),
        (
            RandomForestClassifier(100, random_state=0),
            False,
            "sampled Shapley values (its trees are too large)",
            "probability",
        ),
    ],
    ids=["linear", "forest", "mixed", "large"],
)
def test_the_method_fits_the_model(final, mixed, method, unit):
    found = explanations(worlds.case_of(two_months(fitted(final, mixed=mixed), rows=600)))
    assert (found.method, found.unit) == (method, unit)
    size = dict(zip(found.columns, found.reference.size.mean(axis=0), strict=True))
    assert max(size, key=size.get) == "income"
    assert min(size, key=size.get) == "premium"


def test_values_that_are_not_of_the_model_that_answers_are_not_believed():
    """A pipeline whose scores another rule overrides: what its trees say is no longer what it answers."""

    class Overridden(type(fitted(LogisticRegression(), rows=100))):
        def predict_proba(self, frame):
            p = 1 / (1 + np.exp(-np.asarray(frame["age"], float) / 10 + 5))
            return np.column_stack([1 - p, p])

    model = fitted(HistGradientBoostingClassifier(max_iter=10, random_state=0))
    found = explanations(worlds.case_of(two_months(Overridden(model.steps), rows=600)))
    assert "they are not what the model answers" in found.method
    assert found.columns[int(found.current.size.mean(axis=0).argmax())] == "age"


def test_another_model_that_leans_on_another_column_is_told_from_inputs_that_moved():
    swapped = findings_of(Attribution, two_months(scenarios.TrueModel()), worlds.Flatter())
    income = swapped["income"]
    assert income.severity == Severity.WARN
    assert income.p_value < 1e-4
    assert (income.numbers["rank before"], income.numbers["rank now"]) == (1, 3)
    whole = sum(f.numbers["reference"] for f in swapped.values() if "reference" in f.numbers)
    assert abs(income.numbers["inputs moved"]) < 0.05 * whole
    assert income.numbers["model responds differently"] < -0.3 * whole
    split = [e for e in income.evidence if isinstance(e, Ranking)]
    assert split[0].rows[0].label == "model differs"
    moved = findings_of(Attribution, Attribution.scenario(np.random.default_rng(1)), scenarios.TrueModel())["income"]
    assert moved.severity == Severity.WARN
    assert moved.numbers["model responds differently"] == 0
    assert moved.numbers["inputs moved"] > 0.1 * whole
    assert any(isinstance(e, Histograms) for e in moved.evidence)


def test_two_models_without_a_common_unit_are_compared_by_their_answers():
    case = worlds.case_of(two_months(fitted(LogisticRegression()), rows=600))
    case.current_model = load_model(fitted(RandomForestClassifier(5, max_depth=4, random_state=0)))
    found = explanations(case)
    assert "no unit in common" in found.method
    assert found.unit == "probability"
    assert len(found.other.rows) == len(found.current.rows)


def test_the_picture_of_all_features_has_shares_and_ranks():
    together = findings_of(Attribution, two_months(scenarios.TrueModel(), rows=800))["all features"]
    bars, table = together.evidence
    assert isinstance(bars, Bars)
    assert sum(bars.reference) == pytest.approx(1)
    assert sum(bars.current) == pytest.approx(1)
    assert isinstance(table, Table)
    assert table.rows[0][:1] == ("income",)
    assert table.rows[0][2] == "1 [1 to 1]"


def test_three_classes_are_explained_together():
    rng = np.random.default_rng(4)
    frames = []
    for _ in range(2):
        x = rng.normal(size=(700, 3))
        y = np.array(["a", "b", "c"])[np.digitize(x[:, 0] + 0.5 * rng.normal(size=700), [-0.6, 0.6])]
        frames.append(pl.DataFrame({"u": x[:, 0], "v": x[:, 1], "w": x[:, 2], "label": y}))
    past = frames[0].select("u", "v", "w").to_numpy()
    past = pd.DataFrame(past, columns=["u", "v", "w"])
    for final, method in (
        (HistGradientBoostingClassifier(max_iter=10), "TreeSHAP"),
        (LogisticRegression(), "linear SHAP"),
    ):
        model = make_pipeline(StandardScaler(), final).fit(past, frames[0]["label"].to_numpy())
        served = []
        for frame in frames:
            p = model.predict_proba(pd.DataFrame({c: frame[c].to_numpy() for c in "uvw"}))
            scores = {f"p_{k}": p[:, i] for i, k in enumerate("abc")}
            served.append(
                frame.with_columns(
                    prediction=pl.Series(np.array(list("abc"))[p.argmax(1)]),
                    **{k: pl.Series(v) for k, v in scores.items()},
                )
            )
        roles = {"label": "label", "prediction": "prediction", "scores": {k: f"p_{k}" for k in "abc"}}
        found = explanations(worlds.case_of(Scenario(*served, roles, model)))
        assert found.method == method
        assert found.reference.values.shape[2] == 3
        assert found.columns[int(found.reference.size.mean(axis=0).argmax())] == "u"


def test_a_saved_function_of_any_framework_works_by_asking(tmp_path):
    source = (
        "import numpy as np\nimport pandas as pd\n"
        "def score(frame):\n"
        "    z = np.tanh(np.nan_to_num(np.asarray(frame['age'], float) - 48) / 20)\n"
        "    p = 1 / (1 + np.exp(-3 * z))\n"
        "    return pd.DataFrame({'no': 1 - p, 'yes': p})\n"
    )
    (tmp_path / "network_of_ours.py").write_text(source)
    scenario = two_months(None, rows=600)
    case = worlds.case_of(scenario)
    case.reference_model = load_model("network_of_ours:score", base=tmp_path, trusted=True)
    found = explanations(case)
    assert found.method.startswith("sampled Shapley values")
    share = found.current.size.mean(axis=0) / found.current.size.mean(axis=0).sum()
    assert dict(zip(found.columns, share, strict=True))["age"] == pytest.approx(1)


@pytest.fixture
def without_extra(monkeypatch):
    for name in [m for m in sys.modules if m.split(".")[0] in ("shap", "lime")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "shap", None)
    monkeypatch.setitem(sys.modules, "lime", None)


def test_without_the_extra_permutation_importance_stands_and_the_report_says_so(without_extra):
    scenario = two_months(fitted(LogisticRegression()), rows=800)
    together = findings_of(Attribution, scenario)["all features"]
    assert "shap is not installed" in together.basis
    assert "permutation importance stand" in together.summary
    assert "pip install 'backslide[explain]'" in together.summary
    said = findings_of(Methods, scenario)["agreement of the methods"]
    assert "LIME needs the package lime" in said.summary
    assert {row[0].split(",")[0] for row in said.evidence[0].rows} == {"permutation importance"}


def test_with_the_extra_all_three_methods_rank_the_features():
    said = findings_of(Methods, two_months(fitted(LogisticRegression()), rows=1500))["agreement of the methods"]
    rows = {row[0]: row for row in said.evidence[0].rows}
    assert set(rows) == {f"{m}, {w}" for m in ("permutation importance", "LIME") for w in ("reference", "current")}
    assert said.severity == Severity.OK
    assert rows["permutation importance, current"][1] >= 0.5


def test_methods_that_rank_the_other_way_round_disagree_beyond_the_noise_of_rows():
    case = worlds.case_of(two_months(scenarios.TrueModel(), rows=300))
    rng = np.random.default_rng(0)
    size = np.abs(rng.normal(size=(200, 5))) * np.array([16.0, 8, 4, 2, 1])
    columns = tuple("abcde")
    same = agreement(
        case, MethodImportance("one", columns, size, None), MethodImportance("two", columns, size[::-1], None), "x"
    )
    turned = agreement(
        case, MethodImportance("one", columns, size, None), MethodImportance("two", columns, size[:, ::-1], None), "x"
    )
    assert (same.value, same.common, same.features) == (1, 3, 4)
    assert same.low > 0.8
    assert turned.value == pytest.approx(-1)
    assert turned.high < 0
    idle = [np.abs(rng.normal(size=(200, 16))) * 0.4 * rng.random(16) for _ in range(2)]
    many = tuple("abcdefghijklmnopqrst")
    sizes = [np.hstack([size[:, :4], rest]) for rest in idle]
    with_idle = agreement(case, *(MethodImportance("one", many, s, None) for s in sizes), "x")
    assert (with_idle.value, with_idle.features) == (1, 4), "the order of features that do nothing is chance"
    nothing = MethodImportance("two", columns, np.zeros((50, 5)), None)
    assert agreement(case, MethodImportance("one", columns, size, None), nothing, "x") is None


def test_a_feature_that_stopped_paying_is_named_and_one_that_never_paid_is_a_note():
    scenario = Methods.scenario(np.random.default_rng(2))
    found = findings_of(Methods, scenario)
    assert found["income"].severity == Severity.WARN
    assert found["income"].numbers["pays before"] > 0.7
    assert found["income"].numbers["pays now"] < 0
    never = Scenario(scenario.current, scenario.current, scenario.model, scenario.artefact)
    assert findings_of(Methods, never)["income"].severity == Severity.NOTE


def test_drift_of_a_column_that_the_model_ignores_leaves_the_explanations_alone():
    reference, current = worlds.two_months(np.random.default_rng(3), 1500)
    current = current.with_columns(premium=pl.Series(np.ones(current.height, bool)))
    found = findings_of(ExplainedWindows, Scenario(reference, current, dict(scenarios.ROLES), scenarios.TrueModel()))
    assert found["explanations"].severity == Severity.OK
    assert found["explanations"].estimate.low < 0.5


def quiet_regressions(count):
    for seed in range(count):
        yield worlds.case_of(worlds.regression(np.random.default_rng(500 + seed), rows=300).scenario)


@pytest.mark.slow
@pytest.mark.rates
def test_p_values_keep_their_rate_where_nothing_happened():
    """Days as units: at 5 % no more of the features and windows may be called than chance calls."""
    changes, told, loud, pairs = [], [], 0, runs(15, 30)
    for case in quiet_regressions(pairs):
        found = [f for f in Attribution().run(case) if f.p_value is not None]
        windows = list(ExplainedWindows().run(case))
        changes += [f.p_value for f in found]
        told += [f.p_value for f in windows]
        loud += any(f.severity.rank >= Severity.WARN.rank and f.p_value < 0.01 for f in [*found, *windows])
    assert len(changes) >= 2.6 * pairs
    assert (np.array(changes) < 0.05).sum() <= stats.binom.ppf(0.999, len(changes), 0.05)
    assert (np.array(told) < 0.05).sum() <= stats.binom.ppf(0.999, len(told), 0.05)
    assert min(changes) < 0.2, "p-values that never fall are none"
    assert loud <= stats.binom.ppf(0.999, pairs, 0.01)


@pytest.mark.slow
@pytest.mark.rates
def test_few_rows_that_are_alike_are_told_apart_no_more_often_than_said():
    """Folds share their chance: without room for it the spread is 1.4 and one interval in seven misses a half."""
    z, missed, pairs = [], 0, runs(30, 60)
    for seed in range(pairs):
        rng = np.random.default_rng([seed, 11])
        x = rng.normal(size=(2, 150, 4))
        days = np.sort(rng.integers(0, 20, (2, 150)), axis=1)
        found = separation(x[0], x[1], np.zeros(4, bool), (days[0], days[1] + 20), rng)
        z.append((found.auc - 0.5) / found.se)
        missed += not found.low <= 0.5 <= found.high
    assert 0.6 < np.std(z) < 1.2
    assert missed <= stats.binom.ppf(0.999, pairs, 0.05)


@pytest.mark.slow
def test_what_cannot_be_explained_yields_nothing_and_fails_nothing():
    for scenario in (two_months(scenarios.TrueModel(), rows=20), two_months(Breaks(), rows=200)):
        outcomes = explain_only(scenario)
        assert [o.status for o in outcomes] == [Status.RAN] * 3
        assert all(not o.findings for o in outcomes)
    assert {o.status for o in explain_only(two_months(None, rows=200))} == {Status.NOT_APPLICABLE}


def explain_only(scenario):
    muted = {c.code: {"mute": True} for c in all_checks() if c.step != Step.EXPLAIN}
    return [o for o in run_checks(worlds.case_of(scenario, checks=muted)) if o.step == Step.EXPLAIN]


class Breaks(scenarios.TrueModel):
    def predict_proba(self, frame):
        raise ValueError("no")


@pytest.mark.slow
def test_the_report_no_longer_says_that_nobody_looked():
    page = diagnosis_page(worlds.diagnosis_of(two_months(scenarios.TrueModel(), rows=600)))
    assert Step.EXPLAIN.question in [step.question for step in page.contents]
    unchecked = next(section for section in page.sections if section.title == "Not checked, and why").blocks[0].rows
    assert not [title for title, *_ in unchecked if title == Step.EXPLAIN.question]
