"""Answers altered behind the saved model: which alteration it was, on all rows or some, and what is none."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

import worlds
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.replay.base import OwnChange
from backslide.causes.replay.model_or_threshold import find_own_change
from backslide.contracts.cause import CauseKind, Confidence
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

DECISIONS = {k: v for k, v in worlds.BARE.items() if k != "scores"}
Alter = Callable[[np.ndarray], np.ndarray]


@cache
def months() -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(2)
    return tuple(
        f.with_columns(host=pl.Series(rng.choice(list("abcde"), f.height))) for f in worlds.two_months(rng, 2000)
    )


@cache
def rents() -> Scenario:
    return worlds.regression(np.random.default_rng(3)).scenario


def own_change(
    reference: pl.DataFrame, current: pl.DataFrame, roles: dict, model: object, **engine: int
) -> OwnChange | None:
    case = worlds.case_of(Scenario(reference, current, roles, model), **({"engine": engine} if engine else {}))
    return find_own_change(PricingBench(case, case.metric, None))


PART = {
    "all": lambda f: np.ones(f.height, bool),
    "a host": lambda f: (f["host"] == "b").to_numpy(),
    "a share": lambda f: np.random.default_rng(5).random(f.height) < 0.4,
}


def of_scores(alter: Alter, part: str = "all", roles: dict = worlds.BARE, **engine: int) -> OwnChange:
    reference, current = months()
    old = current["p_yes"].to_numpy()
    p = np.where(PART[part](current), alter(old), old)
    served = current.with_columns(p_yes=pl.Series(p), prediction=pl.Series(np.where(p >= 0.5, "yes", "no")))
    return own_change(reference, served, roles, scenarios.TrueModel(), **engine)


def of_numbers(alter: Alter) -> OwnChange:
    world = rents()
    made = alter(world.current["predicted"].to_numpy())
    return own_change(
        world.reference, world.current.with_columns(predicted=pl.Series(made)), world.model, world.artefact
    )


def calibrated(slope: float, offset: float) -> Alter:
    return lambda p: 1 / (1 + np.exp(-(slope * np.log(p / (1 - p)) + offset)))


def by_steps(p: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    return IsotonicRegression(out_of_bounds="clip").fit(p, rng.random(len(p)) < p**2).predict(p)


SCORES = [
    (calibrated(1.7, -0.8), "all", "times 1.7 minus 0.8"),
    (calibrated(0.6, 0.0), "all", "times 0.6"),
    (calibrated(1.3, 1.2), "a host", "times 1.3 plus 1.2"),
    (calibrated(1.7, -0.8), "a share", "times 1.7 minus 0.8"),
    (lambda p: np.round(calibrated(1.7, -0.8)(p), 4), "all", "times 1.7 minus 0.8"),
    (lambda p: p**2 / (p**2 + 0.3), "all", "rises with"),
    (by_steps, "all", "rises with"),
    (lambda p: np.clip(p, 0.2, 0.6), "a host", "cut off at 0.2 and 0.6"),
    (lambda p: np.roll(p, 3), "all", "3 places before it in the log"),
    (lambda p: np.roll(p, -1), "a share", "1 place after it in the log"),
    (lambda p: np.roll(p, 2), "a host", "2 places before it in the log"),
    (lambda p: np.trunc(p * 10) / 10, "all", "cut to 1 decimal place"),
]


@pytest.mark.parametrize(("alter", "part", "words"), SCORES)
def test_scores_that_were_altered(alter, part, words):
    found = of_scores(alter, part)
    assert (found.kind, found.confidence) == (CauseKind.OUTPUT_CHANGE, Confidence.PROVEN)
    assert words in found.seen
    assert (found.segment == "host = 'b'") == (part == "a host")
    share = PART[part](months()[1]).mean()
    assert found.share_of_rows == pytest.approx(share, abs=0.02) or ("cut off" in words and found.share_of_rows < share)


NUMBERS = [
    (lambda y: np.minimum(y, 900.0), "cut off above 900"),
    (lambda y: np.maximum(y, 700.0), "cut off below 700"),
    (lambda y: y * 1.19, "is 1.19 times what the saved model gives"),
    (lambda y: y * 1.19 + 40, "plus 40"),
    (lambda y: np.round(y * 1.19, 2), "1.19 times"),
    (lambda y: y - 55, "is what the saved model gives minus 55"),
    (lambda y: np.log1p(np.abs(y)), "the logarithm of 1 + what the saved model gives"),
    (lambda y: np.round(y, -2), "rounded to multiples of 100"),
    (lambda y: np.round(y), "rounded to 0 decimal places"),
    (lambda y: np.roll(y, -4), "4 places after it in the log"),
    (lambda y: y + 30 * np.tanh((y - 900) / 100), "rises with"),
]


@pytest.mark.sample(4)
@pytest.mark.parametrize(("alter", "words"), NUMBERS)
def test_numbers_that_were_altered(alter, words):
    found = of_numbers(alter)
    assert (found.kind, found.confidence, found.features) == (
        CauseKind.OUTPUT_CHANGE,
        Confidence.PROVEN,
        ("predicted",),
    )
    assert words in found.seen


def of_decisions(alter: Alter, part: str = "all") -> OwnChange:
    reference, current = months()
    old = current["prediction"].to_numpy()
    made = np.where(PART[part](current), alter(old), old)
    return own_change(reference, current.with_columns(prediction=pl.Series(made)), DECISIONS, scenarios.TrueModel())


@pytest.mark.parametrize("part", ["all", "a host"])
def test_decisions_of_other_rows_and_of_the_other_class(part):
    shifted = of_decisions(lambda y: np.roll(y, 2), part)
    assert shifted.kind is CauseKind.OUTPUT_CHANGE
    assert "2 places before it" in shifted.seen
    turned = of_decisions(lambda y: np.where(y == "yes", "no", "yes"), part)
    assert turned.kind is CauseKind.OUTPUT_CHANGE
    assert set(turned.classes) == {"yes", "no"}


def test_a_shift_is_seen_in_a_sample_of_the_rows():
    found = of_scores(lambda p: np.roll(p, 3), sample_rows=900)
    assert found.kind is CauseKind.OUTPUT_CHANGE
    assert "3 places before it in the log" in found.seen


def test_a_shift_is_priced_before_labels_come():
    reference, current = months()
    p = np.roll(current["p_yes"].to_numpy(), 1)
    served = current.with_columns(p_yes=pl.Series(p), prediction=pl.Series(np.where(p >= 0.5, "yes", "no")))
    bare = worlds.unlabelled(Scenario(reference, served, worlds.BARE, scenarios.TrueModel()))
    found = own_change(bare.reference, bare.current, worlds.BARE, bare.artefact)
    assert found.effect is not None
    assert found.effect.value == pytest.approx(worlds.accuracy(served) - worlds.accuracy(current), abs=0.03)


def fitted(rows: int, seed: int, kind: type, columns: int = 4) -> tuple[object, pl.DataFrame, pl.DataFrame, object]:
    """A model and the same recipe on later rows, with two windows that the first and the second served."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2 * rows, columns))
    y = x @ np.linspace(1, 2, columns) + rng.normal(size=2 * rows)
    y = y if kind is HistGradientBoostingRegressor else (y > 0).astype(int)
    names = [f"x{i}" for i in range(columns)]
    frame = pl.DataFrame(x, schema=names).to_pandas()
    models = [kind().fit(frame[:rows], y[:rows]), kind().fit(frame[rows:], y[rows:])]
    windows = []
    for model in models:
        made = pl.DataFrame(rng.normal(size=(1500, columns)), schema=names)
        truth = made.to_numpy() @ np.linspace(1, 2, columns) + rng.normal(size=1500)
        if kind is HistGradientBoostingRegressor:
            extra = {"y": truth, "told": model.predict(made.to_pandas())}
        else:
            p = model.predict_proba(made.to_pandas())[:, 1]
            extra = {"y": (truth > 0).astype(int), "told": (p >= 0.5).astype(int), "p": p}
        windows.append(made.with_columns(pl.Series(k, v) for k, v in extra.items()))
    return models[0], windows[0], windows[1], models[1]


@pytest.mark.sample(4)
@pytest.mark.parametrize("kind", [LogisticRegression, HistGradientBoostingClassifier, HistGradientBoostingRegressor])
@pytest.mark.parametrize("rows", [300, 3000])
@pytest.mark.parametrize("scored", [True, False])
def test_a_model_trained_again_is_another_model(kind, rows, scored):
    model, reference, current, _ = fitted(rows, rows, kind)
    roles = {"label": "y", "prediction": "told"} | ({"scores": {"1": "p"}} if scored and "p" in current.columns else {})
    roles["task"] = "regression" if kind is HistGradientBoostingRegressor else "binary"
    found = own_change(reference, current, roles, model)
    assert (found is None and "scores" not in roles) or found.kind is CauseKind.MODEL_CHANGE


def test_with_a_single_feature_every_model_is_a_function_of_every_other():
    model, reference, current, _ = fitted(3000, 1, LogisticRegression, columns=1)
    roles = {"label": "y", "prediction": "told", "scores": {"1": "p"}, "task": "binary"}
    assert own_change(reference, current, roles, model).kind is not CauseKind.OUTPUT_CHANGE


class Warm:
    """Three classes; at another temperature, and with other class weights."""

    classes_ = np.array(["a", "b", "c"])
    feature_names_in_ = np.array(["x", "z"])

    def predict_proba(self, frame, heat: float = 1.0, raised: tuple = (0.0, 0.0, 0.0)) -> np.ndarray:
        x, z = np.asarray(frame["x"], float), np.asarray(frame["z"], float)
        logs = np.column_stack([x, z, 0.5 * x * z])
        odds = np.exp((logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))) / heat + np.array(raised))
        return odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("how", [{"heat": 2.0}, {"raised": (0.0, 0.7, -0.4)}])
def test_the_temperature_of_several_classes(how):
    rng, model, frames = np.random.default_rng(4), Warm(), []
    for after in ({}, how):
        frame = pl.DataFrame(rng.normal(size=(1200, 2)), schema=["x", "z"])
        plain, p = model.predict_proba(frame), model.predict_proba(frame, **after)
        label = [str(rng.choice(model.classes_, p=row)) for row in plain]
        frames.append(
            frame.with_columns(
                pl.Series("y", label),
                pl.Series("told", model.classes_[p.argmax(axis=1)].tolist()),
                *(pl.Series(f"p_{c}", p[:, i]) for i, c in enumerate("abc")),
            )
        )
    roles = {"label": "y", "prediction": "told", "scores": {c: f"p_{c}" for c in "abc"}, "features": ("x", "z")}
    found = own_change(*frames, roles, model)
    assert found.kind is CauseKind.OUTPUT_CHANGE
    assert ("times 0.5" if "heat" in how else "plus a number by class") in found.seen


@pytest.mark.parametrize("part", ["all", "a host"])
def test_answers_of_other_rows_in_any_order(part):
    """A batch that comes back in another order, and a cache that answers ten requests alike."""

    def shuffled(p: np.ndarray) -> np.ndarray:
        return np.random.default_rng(8).permutation(p)

    def cached(p: np.ndarray) -> np.ndarray:
        return np.repeat(p[::10], 10)[: len(p)]

    for alter in (shuffled, cached):
        found = of_scores(alter, part)
        assert found.kind == CauseKind.OUTPUT_CHANGE
        assert "answers of other rows" in found.seen
