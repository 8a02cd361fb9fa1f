"""What the saved model must have been given: scalers fitted again, encoders rebuilt, columns exchanged, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

import worlds
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.replay.base import OwnChange
from backslide.causes.replay.model_or_threshold import find_own_change
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Action, Diagnosis
from backslide.playbook.base import Scenario
from backslide.playbook.shadow.replay import replay

NUMBERS = ["income", "age", "debt"]
TEXTS = ["channel", "plan"]
FEATURES = [*NUMBERS, *TEXTS]
SCORES = {"binary": {"yes": "p_yes"}, "multiclass": {c: f"p_{c}" for c in ("high", "low", "mid")}}


def people(rng: np.random.Generator, rows: int, start: datetime, gaps: float, sharp: float = 1.0) -> pd.DataFrame:
    income = rng.lognormal(8, 0.5, rows)
    age = rng.integers(18, 80, rows)
    debt = rng.lognormal(6, 0.8, rows)
    channel = rng.choice(["web", "phone", "branch", "partner"], rows, p=[0.4, 0.3, 0.2, 0.1])
    plan = rng.choice(["basic", "gold", "silver"], rows, p=[0.5, 0.2, 0.3])
    effect = np.select([channel == "web", channel == "phone", channel == "branch"], [1.2, -1.0, 0.4], -0.4)
    effect = effect + np.select([plan == "gold", plan == "silver"], [0.8, 0.1], -0.5)
    logit = 1.4 * (np.log(income) - 8) / 0.5 + 0.03 * (age - 48) - 0.7 * (np.log(debt) - 6) / 0.8 + effect
    label = rng.random(rows) < 1 / (1 + np.exp(-sharp * logit))
    noisy = logit + rng.logistic(0, 0.6, rows)
    return pd.DataFrame(
        {
            "income": income,
            "age": age,
            "debt": np.where(rng.random(rows) < gaps, np.nan, debt),
            "channel": channel.astype(object),
            "plan": plan.astype(object),
            "host": rng.choice(["a", "b", "c"], rows, p=[0.4, 0.35, 0.25]),
            "at": [start + timedelta(seconds=float(s)) for s in np.sort(rng.random(rows)) * 28 * 86400],
            "binary": np.where(label, "yes", "no"),
            "multiclass": np.select([noisy < -1, noisy < 1], ["low", "mid"], "high"),
            "regression": 100 + 40 * noisy,
        }
    )


def linear(task: str = "binary", scaler: Any = None) -> Any:
    numbers = make_pipeline(SimpleImputer(strategy="median"), scaler or StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore")
    last = Ridge() if task == "regression" else LogisticRegression(max_iter=2000)
    return make_pipeline(ColumnTransformer([("n", numbers, NUMBERS), ("t", texts, TEXTS)]), last)


def trees(scaler: Any = None) -> Any:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    parts = [("n", scaler or StandardScaler(), NUMBERS), ("t", encoder, TEXTS)]
    return make_pipeline(ColumnTransformer(parts), HistGradientBoostingClassifier(max_iter=40, random_state=0))


def scaler_of(model: Any) -> Any:
    branch = model[0].named_transformers_["n"]
    return branch[-1] if hasattr(branch, "steps") else branch


def fit_scaler(model: Any, rows: pd.DataFrame) -> None:
    branch = model[0].named_transformers_["n"]
    scaler_of(model).fit(branch[0].transform(rows[NUMBERS]) if hasattr(branch, "steps") else rows[NUMBERS])


def encoder_of(model: Any) -> Any:
    return model[0].named_transformers_["t"]


def another(model: Any, change: Callable[[Any], None]) -> Any:
    copy = deepcopy(model)
    change(copy)
    return copy


@dataclass(frozen=True)
class World:
    """Frames of training, reference and current, and the fitted model."""

    past: pd.DataFrame
    reference: pd.DataFrame
    current: pd.DataFrame
    model: Any
    task: str

    def logged(self, frame: pd.DataFrame, said: pd.DataFrame) -> pl.DataFrame:
        columns = {c: pl.Series(c, frame[c].tolist()) for c in [*FEATURES, "host", "at", self.task]}
        return pl.DataFrame(columns | {c: pl.Series(c, said[c].tolist()) for c in said})

    def scenario(self, serve: Callable[[pd.DataFrame], pd.DataFrame], *, scores: bool = True) -> Scenario:
        """``serve`` takes the current rows to what was served for them."""
        roles = {"label": self.task, "prediction": "prediction", "timestamp": "at", "features": tuple(FEATURES)}
        roles |= {"task": self.task}
        if scores and self.task in SCORES:
            roles |= {"scores": SCORES[self.task]}
        frames = [
            self.logged(f, s)
            for f, s in ((self.reference, self.said(self.reference)), (self.current, serve(self.current)))
        ]
        return Scenario(*frames, roles, self.model)

    def said(self, frame: pd.DataFrame, model: Any = None) -> pd.DataFrame:
        return said(model or self.model, frame[FEATURES], self.task)

    def truth(self, serve: Callable[[pd.DataFrame], pd.DataFrame]) -> float:
        """What it cost, on the accuracy of the current rows (negative where it hurt)."""
        label = self.current[self.task].to_numpy()
        done, sound = (f["prediction"].to_numpy() for f in (serve(self.current), self.said(self.current)))
        return float((done == label).mean() - (sound == label).mean())


def said(model: Any, rows: pd.DataFrame, task: str) -> pd.DataFrame:
    if task == "regression":
        return pd.DataFrame({"prediction": model.predict(rows)})
    chance = model.predict_proba(rows)
    scores = {f"p_{c}": chance[:, k] for k, c in enumerate(model.classes_) if f"p_{c}" in SCORES[task].values()}
    return pd.DataFrame({"prediction": model.classes_[chance.argmax(1)], **scores})


@cache
def world(kind: str = "linear", task: str = "binary", scaler: str = "", gaps: float = 0.0, sharp: float = 1.0) -> World:
    rng = np.random.default_rng(11)
    frames = [people(rng, 1600, datetime(2026, month, 1), gaps, sharp) for month in (1, 2, 3)]
    chosen = {"": None, "minmax": MinMaxScaler(), "robust": RobustScaler(), "maxabs": MaxAbsScaler()}[scaler]
    made = linear(task, chosen) if kind == "linear" else trees(chosen)
    return World(*frames, made.fit(frames[0][FEATURES], frames[0][task]), task)


def everywhere(w: World, model: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: w.said(frame, model)


def where(w: World, rows: np.ndarray, model: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def serve(frame: pd.DataFrame) -> pd.DataFrame:
        return w.said(frame, model).where(pd.Series(rows), w.said(frame))

    return serve


def diagnosed(w: World, serve: Callable[[pd.DataFrame], pd.DataFrame], **options: Any) -> Diagnosis:
    return worlds.causes_of(w.scenario(serve), **options)


def given(w: World, serve: Callable[[pd.DataFrame], pd.DataFrame], *, scores: bool = True) -> OwnChange | None:
    """The change of our own that was found, whether it did harm or not; None where none was."""
    return told(w.scenario(serve, scores=scores))


def told(scenario: Scenario) -> OwnChange | None:
    case = worlds.case_of(scenario)
    return find_own_change(PricingBench(case, case.metric, None))


def refit(column: str, spread: float, centre: float = 0.0) -> Callable[[Any], None]:
    """A scaler of one column that was fitted on other rows."""

    def change(model: Any) -> None:
        scaler, k = scaler_of(model), NUMBERS.index(column)
        before = scaler.mean_[k], scaler.scale_[k]
        scaler.mean_[k], scaler.scale_[k] = before[0] + centre * before[1], before[1] * spread

    return change


# --- scalers -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_refitted_scaler_of_one_column_is_proven_with_its_points():
    w = world()
    serve = everywhere(w, another(w.model, refit("income", 3.0, 1.0)))
    d = diagnosed(w, serve, metric="accuracy")
    first = d.causes[0]
    assert (first.kind, first.features, first.confidence) == (CauseKind.SCALER_REFIT, ("income",), Confidence.PROVEN)
    assert d.decision.action is Action.FIX_PIPELINE
    assert first.points.estimate == pytest.approx(w.truth(serve), abs=1e-9)
    assert first.share_of_rows == pytest.approx(1.0, abs=0.01)
    assert "StandardScaler of 1 column was refitted" in first.summary
    assert [c for c in d.causes if c.kind.family == "data fault"] == []


@pytest.mark.slow
def test_scalers_of_several_columns_are_told_by_a_column_that_is_not_scaled():
    w = world()

    def change(model: Any) -> None:
        refit("income", 2.5, 1.0)(model)
        refit("debt", 0.5)(model)

    first = given(w, everywhere(w, another(w.model, change)))
    assert (first.kind, set(first.features)) == (CauseKind.SCALER_REFIT, {"income", "debt"})
    assert first.confidence is Confidence.PROVEN


@pytest.mark.parametrize(
    "scaler", ["", "minmax", *(pytest.param(s, marks=pytest.mark.slow) for s in ("robust", "maxabs"))]
)
@pytest.mark.parametrize("kind", ["linear", "trees"])
def test_a_scaler_fitted_on_the_current_window_is_found(kind, scaler):
    w = world(kind, scaler=scaler)
    moved = World(w.past, w.reference, w.current.assign(income=w.current["income"] * 1.5), w.model, w.task)
    again = another(w.model, lambda m: fit_scaler(m, moved.current))
    first = given(moved, everywhere(moved, again))
    assert first.kind is CauseKind.SCALER_REFIT
    assert "income" in first.features
    assert first.confidence is Confidence.PROVEN
    assert "on the current window" in first.seen
    left, right = first.seen.split(" of income ")[1].split(", ")[0].split(" → ")
    assert left != right, "what is shown is what changed"


def test_a_scaler_fitted_on_every_day_is_found():
    w = world("trees")
    day = w.current["at"].dt.date

    def serve(frame: pd.DataFrame) -> pd.DataFrame:
        def one(part: pd.DataFrame) -> pd.DataFrame:
            model = another(w.model, lambda m: fit_scaler(m, part))
            return w.said(part, model).set_index(part.index)

        return pd.concat([one(part) for _, part in frame.groupby(day)]).sort_index()

    first = given(w, serve)
    assert first.kind is CauseKind.SCALER_REFIT
    assert "on each day" in first.seen


@pytest.mark.parametrize("gaps", [0.05, pytest.param(0.3, marks=pytest.mark.slow)])
def test_rows_without_a_value_are_filled_before_they_are_scaled(gaps):
    w = world(gaps=gaps)
    first = given(w, everywhere(w, another(w.model, refit("debt", 2.0, 1.0))))
    assert (first.kind, first.features) == (CauseKind.SCALER_REFIT, ("debt",))


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks(task):
    w = world(task=task)
    serve = everywhere(w, another(w.model, refit("income", 2.0, 1.0)))
    first = given(w, serve)
    assert (first.kind, first.features, first.confidence) == (CauseKind.SCALER_REFIT, ("income",), Confidence.PROVEN)


@pytest.mark.slow
def test_a_refit_on_one_host_is_named_with_the_host():
    w = world()
    rows = (w.current["host"] == "a").to_numpy()
    serve = where(w, rows, another(w.model, refit("income", 3.0, 2.0)))
    first = diagnosed(w, serve, metric="accuracy").causes[0]
    assert (first.kind, first.features, first.segment) == (CauseKind.SCALER_REFIT, ("income",), "host = 'a'")
    assert first.share_of_rows == pytest.approx(rows.mean(), abs=0.01)
    assert first.points.estimate == pytest.approx(w.truth(serve), abs=1e-9)


@pytest.mark.slow
def test_without_current_labels_it_is_priced_on_the_reference():
    w = world()
    serve = everywhere(w, another(w.model, refit("income", 3.0, 1.5)))
    scenario = worlds.unlabelled(
        Scenario(
            *[f.rename({"binary": "label"}) for f in (w.scenario(serve).reference, w.scenario(serve).current)],
            w.scenario(serve).model | {"label": "label"},
            w.model,
        )
    )
    (first,) = worlds.causes_of(scenario, metric="accuracy").causes
    assert (first.kind, first.features, first.confidence) == (CauseKind.SCALER_REFIT, ("income",), Confidence.PROVEN)
    assert first.points.low <= w.truth(serve) <= first.points.high < 0


@pytest.mark.slow
def test_scores_in_single_precision():
    w = world()
    again = another(w.model, refit("income", 3.0, 1.0))

    def serve(frame: pd.DataFrame) -> pd.DataFrame:
        done = w.said(frame, again)
        return done.assign(p_yes=done["p_yes"].astype(np.float32).astype(float))

    first = given(w, serve)
    assert (first.kind, first.features) == (CauseKind.SCALER_REFIT, ("income",))


def test_scores_logged_with_four_digits():
    """What the saved model agrees with to four digits it agrees with on the rows that the refit did not reach, too."""
    w = world()
    rows = (w.current["host"] == "a").to_numpy()
    serve = where(w, rows, another(w.model, refit("income", 3.0, 2.0)))
    made = w.scenario(serve)
    sides = [f.with_columns(pl.col("p_yes").round(4)) for f in (made.reference, made.current)]
    case = worlds.case_of(Scenario(*sides, made.model, w.model))
    done = replay(case)
    assert done.faithful
    assert done.current.share == pytest.approx(1 - rows.mean(), abs=0.01)
    first = find_own_change(PricingBench(case, case.metric, None))
    assert (first.kind, first.features, first.segment) == (CauseKind.SCALER_REFIT, ("income",), "host = 'a'")


@pytest.mark.slow
def test_scores_next_to_zero_and_one_do_not_hide_it():
    w = world(sharp=8.0)
    again = another(w.model, refit("income", 0.3, 0.2))
    served = w.said(w.current, again)["p_yes"]
    assert ((served < 1e-3) | (served > 1 - 1e-3)).mean() > 0.3, "many scores tell nothing"
    first = given(w, everywhere(w, again))
    assert (first.kind, first.features) == (CauseKind.SCALER_REFIT, ("income",))


# --- encoders and order ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_rebuilt_encoder_is_told_with_its_readings():
    w = world("trees")

    def change(model: Any) -> None:
        encoder = encoder_of(model)
        encoder.categories_[0] = encoder.categories_[0][[1, 0, 3, 2]]

    serve = everywhere(w, another(w.model, change))
    first = diagnosed(w, serve, metric="accuracy").causes[0]
    assert (first.kind, first.features, first.confidence) == (
        CauseKind.PREPROCESSING_CHANGE,
        ("channel",),
        Confidence.PROVEN,
    )
    assert first.points.estimate == pytest.approx(w.truth(serve), abs=1e-9)
    assert "'branch' as 'partner'" in first.summary


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_several_columns_in_orders_of_nobodys_behind_a_linear_model(task):
    """Three columns of many categories; real ones, whose columns overlap, are among the tests on real data."""
    rng = np.random.default_rng(0)
    base = world(task=task)
    names = {c: [f"{c[0]}{i}" for i in range(n)] for c, n in (("channel", 14), ("plan", 9), ("area", 6))}
    worth = {c: rng.normal(size=len(own)) for c, own in names.items()}
    frames = []
    for frame in (base.past, base.reference, base.current):
        held = {c: rng.integers(0, len(own), len(frame)) for c, own in names.items()}
        score = sum(worth[c][held[c]] for c in names) + rng.logistic(0, 0.7, len(frame))
        target = {
            "binary": np.where(score > 0, "yes", "no"),
            "regression": 100 + 40 * score,
            "multiclass": np.select([score < -1, score < 1], ["low", "mid"], "high"),
        }[task]
        frames.append(frame.assign(**{c: np.array(names[c], object)[held[c]] for c in names}, **{task: target}))
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore")
    last = Ridge() if task == "regression" else LogisticRegression(max_iter=2000)
    columns = [*NUMBERS, *names]
    model = make_pipeline(ColumnTransformer([("n", numbers, NUMBERS), ("t", encoder, list(names))]), last)
    model.fit(frames[0][columns], frames[0][task])

    def logged(frame: pd.DataFrame, by: Any) -> pl.DataFrame:
        both = pd.concat([frame[[*columns, "at", task]], said(by, frame[columns], task)], axis=1)
        return pl.DataFrame({c: pl.Series(c, both[c].tolist()) for c in both})

    def turn(copy: Any) -> None:
        levels = encoder_of(copy).categories_
        for k in range(3):
            levels[k] = levels[k][rng.permutation(len(levels[k]))]

    roles = {"label": task, "prediction": "prediction", "timestamp": "at", "features": tuple(columns), "task": task}
    roles |= {"scores": SCORES[task]} if task in SCORES else {}
    windows = logged(frames[1], model), logged(frames[2], another(model, turn))
    found = told(Scenario(*windows, roles, model))
    assert (found.kind, set(found.features)) == (CauseKind.PREPROCESSING_CHANGE, set(names))


@pytest.mark.slow
def test_an_encoder_that_refuses_what_it_does_not_know():
    """The categories tried include some on which the model fails."""
    w = world()
    parts = [("n", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS), ("t", OneHotEncoder(), TEXTS)]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(w.past[FEATURES], w.past["binary"])
    w = World(w.past, w.reference, w.current, model, w.task)
    read = w.current.assign(plan=w.current["plan"].replace({"gold": "silver", "silver": "gold"}))
    first = given(w, lambda _: w.said(read))
    assert (first.kind, first.features) == (CauseKind.PREPROCESSING_CHANGE, ("plan",))
    assert "'gold' as 'silver'" in first.seen


@pytest.mark.parametrize("filled", [False, True], ids=["ignored", "behind an imputer"])
def test_a_category_that_the_encoder_does_not_know_any_more(filled):
    w = world()
    model = w.model
    if filled:
        texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
        numbers = make_pipeline(SimpleImputer(), StandardScaler())
        model = make_pipeline(ColumnTransformer([("n", numbers, NUMBERS), ("t", texts, TEXTS)]), LogisticRegression())
        model.fit(w.past[FEATURES], w.past["binary"])
    w = World(w.past, w.reference, w.current, model, w.task)
    lost = w.current.assign(channel=w.current["channel"].replace("web", "never seen"))
    first = given(w, lambda _: w.said(lost))
    assert (first.kind, first.features) == (CauseKind.PREPROCESSING_CHANGE, ("channel",))
    assert "'web' of channel is taken for nothing known" in first.seen
    assert first.share_of_rows == pytest.approx((w.current["channel"] == "web").mean(), abs=0.02)


def test_two_columns_in_each_others_place():
    w = world()
    crossed = w.current.assign(age=w.current["debt"], debt=w.current["age"])
    first = given(w, lambda _: w.said(crossed))
    assert (first.kind, set(first.features)) == (CauseKind.PREPROCESSING_CHANGE, {"age", "debt"})
    assert first.confidence is Confidence.PROVEN


def test_columns_in_the_order_of_the_alphabet():
    w = world()
    numbers = make_pipeline(StandardScaler(), LogisticRegression()).fit(w.past[NUMBERS], w.past["binary"])
    w = World(w.past, w.reference, w.current, numbers, w.task)

    def ordered(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
        return said(numbers, frame[names].set_axis(NUMBERS, axis=1), "binary")

    frames = [
        w.logged(w.reference, ordered(w.reference, NUMBERS)),
        w.logged(w.current, ordered(w.current, sorted(NUMBERS))),
    ]
    roles = {"label": "binary", "prediction": "prediction", "scores": SCORES["binary"], "timestamp": "at"}
    first = told(Scenario(*frames, roles | {"features": tuple(NUMBERS)}, numbers))
    assert (first.kind, set(first.features)) == (CauseKind.PREPROCESSING_CHANGE, set(NUMBERS))


# --- what is no change of what was given -------------------------------------------------------------------------------


def retrained(w: World, columns: list[str] | None = None) -> Any:
    return deepcopy(w.model).fit(w.reference[columns or FEATURES], w.reference[w.task])


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("linear", "binary"),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in (("trees", "binary"), ("linear", "multiclass"))),
        ("linear", "regression"),
    ],
)
def test_a_model_trained_again_is_another_model(kind, task):
    w = world(kind, task)
    found = given(w, everywhere(w, retrained(w)))
    assert (found.kind, found.features) == (CauseKind.MODEL_CHANGE, ())


@pytest.mark.sample(2)
@pytest.mark.parametrize("used", [["income"], NUMBERS], ids=["one column", "scaled columns"])
@pytest.mark.parametrize("listed", [False, True], ids=["alone", "with columns that are dropped"])
def test_a_linear_model_of_scaled_numbers_alone_proves_no_scaler(used, listed):
    """Other weights of such a model are other scales: only a column that it weighs as before could tell them apart."""
    w = world()
    taken = FEATURES if listed else used
    model = make_pipeline(ColumnTransformer([("n", StandardScaler(), used)]), LogisticRegression())
    model.fit(w.past[taken], w.past["binary"])
    again = deepcopy(model).fit(w.current[taken], w.current["binary"])

    def frame(rows: pd.DataFrame, answers: Any) -> pl.DataFrame:
        return w.logged(rows, said(answers, rows[taken], "binary"))

    roles = {"label": "binary", "prediction": "prediction", "scores": SCORES["binary"], "timestamp": "at"}
    made = Scenario(frame(w.reference, model), frame(w.current, again), roles | {"features": tuple(FEATURES)}, model)
    found = told(made)
    assert (found.kind, found.features) == (CauseKind.MODEL_CHANGE, ())


def test_classes_alone_name_another_model():
    w = world()
    serve = everywhere(w, another(w.model, refit("income", 3.0, 2.0)))
    found = given(w, serve, scores=False)
    assert (found.kind, found.features) == (CauseKind.MODEL_CHANGE, ())


@pytest.mark.parametrize("kind", ["linear", "trees"])
def test_the_same_model_on_the_same_inputs_is_no_cause(kind):
    w = world(kind, gaps=0.1)
    assert given(w, w.said) is None


def test_a_pipeline_that_cannot_be_taken_apart_is_another_model_and_ends_no_run():
    """A scaler behind parts that hand on plain arrays: nothing can be refitted by name."""
    w = world()
    parts = ColumnTransformer([("n", StandardScaler(), [0, 1]), ("rest", "passthrough", [2])])
    model = make_pipeline(SimpleImputer(), parts, FunctionTransformer(), LogisticRegression())
    model.fit(w.past[NUMBERS], w.past["binary"])
    again = deepcopy(model).fit(w.current[NUMBERS], w.current["binary"])
    roles = {"label": "binary", "prediction": "prediction", "scores": SCORES["binary"], "timestamp": "at"}
    frames = [w.logged(f, said(m, f[NUMBERS], "binary")) for f, m in ((w.reference, model), (w.current, again))]
    found = told(Scenario(*frames, roles | {"features": tuple(NUMBERS)}, model))
    assert (found.kind, found.features) == (CauseKind.MODEL_CHANGE, ())
