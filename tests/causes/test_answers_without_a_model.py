"""Nobody saved the model, and the log alone tells that the same inputs are answered otherwise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import worlds
from backslide.causes.replay.input_dependence import measure_dependence
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Diagnosis
from backslide.playbook.base import Scenario

ROWS = 2500
FEATURES = ["a", "b", "c", "d"]
ROLES = {"label": "label", "prediction": "prediction", "scores": {"yes": "p_yes"}, "features": FEATURES}
Scores = np.ndarray
Alter = Callable[[Scores, np.random.Generator], Scores]


def inputs(seed: int, *, moved: float = 0.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 4)) + moved * np.array([1.0, -0.5, 0.0, 0.5])
    x[:, 3] = 0.6 * x[:, 0] + 0.8 * x[:, 3]
    return pl.DataFrame(np.round(x, 4), schema=FEATURES)


def truth(x: np.ndarray, *, turned: bool = False) -> np.ndarray:
    sign = -1 if turned else 1
    return 1.6 * x[:, 0] * sign - 1.2 * x[:, 1] + 0.8 * x[:, 2] * (x[:, 3] > 0)


def labelled(frame: pl.DataFrame, seed: int, *, turned: bool = False) -> pl.DataFrame:
    p = 1 / (1 + np.exp(-truth(frame.select(FEATURES).to_numpy(), turned=turned)))
    drawn = np.random.default_rng(seed).random(frame.height) < p
    return frame.with_columns(label=pl.Series(np.where(drawn, "yes", "no")))


def model_of(kind: str, seed: int = 0, columns: slice = slice(None)) -> Callable[[pl.DataFrame], Scores]:
    train = labelled(inputs(seed), seed + 1)
    made = LogisticRegression() if kind == "linear" else HistGradientBoostingClassifier(max_iter=60, random_state=seed)
    made.fit(train.select(FEATURES).to_numpy()[:, columns], train["label"].to_list())
    return lambda frame: np.asarray(made.predict_proba(frame.select(FEATURES).to_numpy()[:, columns])[:, 1])


def served(frame: pl.DataFrame, p: Scores) -> pl.DataFrame:
    return frame.with_columns(p_yes=pl.Series(p), prediction=pl.Series(np.where(p >= 0.5, "yes", "no")))


def diagnosed(reference: pl.DataFrame, current: pl.DataFrame) -> Diagnosis:
    return worlds.causes_of(Scenario(reference, current, ROLES))


def windows(kind: str, alter: Alter, *, moved: float = 0.1) -> tuple[pl.DataFrame, pl.DataFrame]:
    model, rng = model_of(kind), np.random.default_rng(9)
    reference, current = labelled(inputs(11), 12), labelled(inputs(13, moved=moved), 14)
    return served(reference, model(reference)), served(current, alter(model(current), rng))


def recalibrated(p: Scores, _: np.random.Generator) -> Scores:
    return np.asarray(1 / (1 + np.exp(-(1.3 * np.log(p / (1 - p)) + 1.5))))


def turned_round(p: Scores, _: np.random.Generator) -> Scores:
    return 1 - p


def of_the_row_before(p: Scores, _: np.random.Generator) -> Scores:
    return np.roll(p, 2)


def in_any_order(p: Scores, rng: np.random.Generator) -> Scores:
    return rng.permutation(p)


def by_default(p: Scores, rng: np.random.Generator) -> Scores:
    return np.where(rng.random(len(p)) < 0.4, 0.5321, p)


@pytest.mark.parametrize("kind", ["linear", "boosting"])
@pytest.mark.parametrize("alter", [recalibrated, turned_round, of_the_row_before, in_any_order, by_default])
def test_answers_altered_behind_the_model(kind: str, alter: Alter) -> None:
    reference, current = windows(kind, alter)
    sound = served(current, model_of(kind)(current))
    found = diagnosed(reference, current)
    first = found.causes[0]
    assert first.kind == CauseKind.OUTPUT_CHANGE
    assert first.features == ("p_yes",)
    assert first.confidence != Confidence.PROVEN
    cost = metric_of(current, found.metric.name) - metric_of(sound, found.metric.name)
    assert first.points is not None
    assert first.points.estimate == pytest.approx(cost, abs=0.02)


def metric_of(frame: pl.DataFrame, name: str) -> float:
    assert name == "accuracy"
    return float((frame["label"] == frame["prediction"]).mean() or 0.0)


@pytest.mark.parametrize("kind", ["linear", "boosting"])
def test_another_model(kind: str) -> None:
    other = model_of(kind, 5, slice(1, None))
    reference, _ = windows(kind, lambda p, _: p)
    current = labelled(inputs(13, moved=0.3), 14)
    found = diagnosed(reference, served(current, other(current)))
    assert [c.kind for c in found.causes][:1] == [CauseKind.MODEL_CHANGE]
    assert found.causes[0].confidence != Confidence.PROVEN


@pytest.mark.parametrize("kind", ["linear", "boosting"])
def test_a_world_that_turned_is_no_change_of_ours(kind: str) -> None:
    model = model_of(kind)
    reference, current = labelled(inputs(11), 12), labelled(inputs(13, moved=1.0), 14, turned=True)
    found = diagnosed(served(reference, model(reference)), served(current, model(current)))
    assert found.verdict == "degraded"
    assert {c.kind for c in (*found.causes, *found.harmless)} <= {CauseKind.CONCEPT_DRIFT, CauseKind.COVARIATE_SHIFT}


def test_rules_of_quiet_and_of_moved_inputs_never_say_that_another_model_answers() -> None:
    said = []
    for seed in range(24):
        model = model_of("boosting", seed % 3)
        frames = [inputs(100 + seed), inputs(200 + seed, moved=(seed % 4) * 0.5)]
        pair = [served(labelled(f, 300 + seed), model(f)) for f in frames]
        told = measure_dependence(worlds.case_of(Scenario(*pair, ROLES)))
        assert told is not None
        said.append(told)
    assert not [one for one in said if one.changed or one.lost]
    assert max(one.other_rule for one in said) < 0.05


def test_columns_that_always_agreed_and_part_now_tell_of_no_other_model() -> None:
    def priced(seed: int, *, apart: bool) -> pl.DataFrame:
        frame = inputs(seed).with_columns(d="a")
        if apart:
            frame = frame.with_columns(d=pl.col("a") + pl.Series(np.random.default_rng(seed).normal(size=ROWS)))
        x = frame.select(FEATURES).to_numpy()
        return labelled(served(frame, 1 / (1 + np.exp(-(x[:, 0] - x[:, 1] + 2 * x[:, 3])))), seed + 1)

    found = diagnosed(priced(11, apart=False), priced(13, apart=True))
    assert CauseKind.MODEL_CHANGE not in {c.kind for c in (*found.causes, *found.suspects, *found.harmless)}


@pytest.mark.parametrize("narrow", [0.3, 0.1])
def test_inputs_that_became_narrow_are_answered_by_the_same_model(narrow: float) -> None:
    model = model_of("boosting")
    reference = labelled(inputs(11), 12)
    current = labelled(inputs(13).with_columns(pl.col(c) * narrow for c in FEATURES), 14)
    told = measure_dependence(
        worlds.case_of(Scenario(served(reference, model(reference)), served(current, model(current)), ROLES))
    )
    assert told is not None
    assert (told.changed, told.lost) == (False, False)
