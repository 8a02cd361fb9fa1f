"""Answers that were altered after the model: named, undone before anything is computed, and proven by replay."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import LabelError
from backslide.jobs.diagnose import diagnose
from backslide.jobs.shadow import shadow
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

UNDECIDED = {k: v for k, v in worlds.BARE.items() if k != "prediction"}
"""Roles where decisions follow from the scores."""
SCORE = pl.col("p_yes")
Change = Callable[[pl.DataFrame], pl.DataFrame]


@cache
def months() -> tuple[pl.DataFrame, pl.DataFrame]:
    return worlds.two_months(np.random.default_rng(6), 1500)


def written(score: pl.Expr) -> Change:
    return lambda frame: frame.with_columns(p_yes=score)


def diagnosed(after: Change, roles: dict, *, model: bool = False, before: Change = lambda f: f) -> Diagnosis:
    artefact = scenarios.TrueModel() if model else None
    return worlds.causes_of(Scenario(before(months()[0]), after(months()[1]), roles, artefact))


@cache
def sound(decided: bool) -> Diagnosis:
    return diagnosed(lambda f: f, worlds.BARE if decided else UNDECIDED)


PERCENT, LOGIT = SCORE * 100, (SCORE / (1 - SCORE)).log()
UNITS = [
    (PERCENT, UNDECIDED, False, "percents"),
    (LOGIT, UNDECIDED, True, "log odds"),
    (PERCENT, worlds.BARE, True, "percents"),
]


@pytest.mark.sample(1)
@pytest.mark.parametrize(("score", "roles", "model", "words"), UNITS)
def test_another_unit_in_the_current_window_is_named_and_costs_the_metric_nothing(score, roles, model, words):
    found = diagnosed(written(score), roles, model=model)
    own = [cause for cause in found.causes if cause.kind == CauseKind.OUTPUT_CHANGE]
    assert [cause.features for cause in own] == [("p_yes",)]
    assert own[0].confidence == (Confidence.PROVEN if model else Confidence.SUSPECTED)
    assert found.metric.current == pytest.approx(sound("prediction" in roles).metric.current, abs=1e-9)
    assert words in found.summary
    assert words in found.warnings[0]
    assert not {c.kind for c in (*found.causes, *found.harmless)} & {CauseKind.MODEL_CHANGE, CauseKind.THRESHOLD_CHANGE}


def test_some_days_in_percent_are_dated():
    late = pl.col("served_at") >= pl.col("served_at").min() + pl.duration(days=14)
    found = diagnosed(written(pl.when(late).then(PERCENT).otherwise(SCORE)), worlds.BARE, model=True)
    cause = next(cause for cause in found.causes if cause.kind == CauseKind.OUTPUT_CHANGE)
    first = months()[1]["served_at"].dt.date().min()
    assert cause.share_of_rows == pytest.approx(0.5, abs=0.1)
    assert cause.began is not None
    assert abs((np.datetime64(cause.began.at) - np.datetime64(first)).astype(int) - 14) <= 1


EXCHANGED = [
    (worlds.BARE, False, Confidence.SUPPORTED),
    (UNDECIDED, False, Confidence.SUPPORTED),
    (UNDECIDED, True, Confidence.PROVEN),
]


@pytest.mark.sample(1)
@pytest.mark.parametrize(("roles", "model", "confidence"), EXCHANGED)
def test_classes_that_are_exchanged_in_the_current_window(roles, model, confidence):
    found = diagnosed(written(1 - SCORE), roles, model=model)
    first = found.causes[0]
    assert (first.kind, first.features, first.confidence) == (CauseKind.OUTPUT_CHANGE, ("p_yes",), confidence)
    assert "stand in each other's place" in found.summary
    if "prediction" not in roles:
        assert found.verdict.bad
        assert first.points is not None
        assert found.metric.change is not None
        assert first.points.estimate == pytest.approx(found.metric.change.estimate, abs=0.05)


def test_labels_that_were_turned_round_are_not_laid_to_the_scores():
    turned = pl.when(pl.col("label") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    found = diagnosed(lambda f: f.with_columns(label=turned), UNDECIDED)
    assert found.verdict.bad
    assert CauseKind.OUTPUT_CHANGE not in {cause.kind for cause in (*found.causes, *found.harmless)}


ALTERED = [(SCORE.clip(0.3, 0.7), "cut off at 0.3 and 0.7"), (SCORE.round(1), "rounded to 1 decimal")]


@pytest.mark.parametrize(("score", "words"), ALTERED)
def test_a_cap_and_a_rounding_are_proven_by_replay(score, words):
    found = diagnosed(written(score), worlds.BARE, model=True)
    own = [cause for cause in found.causes if cause.kind == CauseKind.OUTPUT_CHANGE]
    assert [cause.confidence for cause in own] == [Confidence.PROVEN]
    assert words in own[0].summary


WRONG = [
    (1 - SCORE, worlds.BARE, "predictions"),
    (1 - SCORE, UNDECIDED, "labels"),
    (PERCENT, UNDECIDED, "divide by 100"),
]


@pytest.mark.parametrize(("score", "roles", "words"), WRONG)
def test_what_is_wrong_in_both_windows_is_refused(score, roles, words):
    with pytest.raises(LabelError, match=words):
        diagnosed(written(score), roles, before=written(score))


@pytest.mark.slow
def test_a_declared_unit_gives_the_same_diagnosis():
    frames = [frame.with_columns(p_yes=PERCENT) for frame in months()]
    settings = Settings.from_dict({"model": {**UNDECIDED, "scores_are": "percent", "threshold": 50}})
    found, same = diagnose(*frames, settings=settings, quick=True), sound(False)
    assert found.metric == same.metric
    assert found.verdict == same.verdict
    assert found.causes == same.causes


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (PERCENT, r"'other' reaches .* \[shadow.new\] scores_are"),
        (1 - SCORE, r"'other' of the new model contradicts"),
    ],
)
def test_scores_of_the_other_model_are_looked_at_too(other, words):
    rows = months()[1].with_columns(other=other)
    with pytest.raises(LabelError, match=words):
        shadow(rows, settings=Settings.from_dict({"model": UNDECIDED}), new={"scores": {"yes": "other"}})


def test_scores_of_the_other_model_in_a_declared_unit():
    rows = months()[1].with_columns(other=PERCENT, same=SCORE)
    settings = Settings.from_dict({"model": UNDECIDED})
    found = [
        shadow(rows, settings=settings, new={"scores": {"yes": column}, "scores_are": unit})
        for column, unit in (("other", "percent"), ("same", None))
    ]
    assert found[0].metric.metric == found[1].metric.metric
    assert found[0].metric.new == pytest.approx(found[1].metric.new)
