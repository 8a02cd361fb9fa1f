"""The log holds what the model was given: which columns were prepared otherwise, by how much, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from test_inputs_given import FEATURES, NUMBERS, World, another, encoder_of, fit_scaler, refit, said, told, world

import worlds
from backslide.causes.pricing.counterfactual import PricingBench
from backslide.causes.replay.model_or_threshold import find_own_change
from backslide.contracts import say
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.errors import BackslideError
from backslide.contracts.roles import Roles
from backslide.engine.roles.logged_inputs import input_columns
from backslide.playbook.base import Scenario


def inputs_of(model: Any, rows: pd.DataFrame) -> pl.DataFrame:
    """What the step at the end is given, as a service would log it."""
    made = model[:-1].transform(rows[FEATURES])
    made = made.toarray() if hasattr(made, "toarray") else np.asarray(made, float)
    return pl.DataFrame(made, schema=[f"model_{n}" for n in model[:-1].get_feature_names_out()])


def scenario(w: World, model: Any, given: pl.DataFrame | None = None) -> Scenario:
    """The current rows served by another pipeline; ``given`` where its inputs are logged otherwise."""
    served = w.scenario(lambda frame: w.said(frame, model))
    given = inputs_of(model, w.current) if given is None else given
    current = pl.concat([served.current, given], how="horizontal")
    reference = pl.concat([served.reference, inputs_of(w.model, w.reference)], how="horizontal")
    return Scenario(reference, current, served.model | {"inputs": "model_*"}, w.model)


def several(*changes: Callable[[Any], None]) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for one in changes:
            one(model)

    return change


@pytest.mark.parametrize("kind", ["linear", "trees"])
def test_scalers_refitted_elsewhere_are_told_with_mean_and_scale(kind):
    """Behind trees no answer tells a scale, and of several columns none its centre; what the model was given tells both."""
    w = world(kind)
    again = another(w.model, several(refit("income", 2.5, 1.0), refit("debt", 0.5, -0.4)))
    first = told(scenario(w, again))
    assert (first.kind, first.confidence) == (CauseKind.SCALER_REFIT, Confidence.PROVEN)
    assert set(first.features) == {"income", "debt"}
    before = w.model[0].named_transformers_["n"]
    before = before[-1] if hasattr(before, "steps") else before
    mean, scale = before.mean_[0], before.scale_[0]
    assert "StandardScaler of 2 columns was refitted" in first.seen
    assert f"mean of income {say.number(mean)} → {say.number(mean + scale)}" in first.seen
    assert f"standard deviation of income {say.number(scale)} → {say.number(2.5 * scale)}" in first.seen
    assert first.effect.value == pytest.approx(w.truth(lambda f: w.said(f, again)), abs=1e-9)


def test_a_scaler_refitted_for_each_host_is_told():
    w = world("trees")
    parts = [another(w.model, lambda m, own=own: fit_scaler(m, own)) for _, own in w.current.groupby("host")]
    hosts = dict(zip(sorted(w.current["host"].unique()), parts, strict=True))
    served = pd.concat(
        [said(hosts[h], own[FEATURES], w.task).set_index(own.index) for h, own in w.current.groupby("host")]
    ).sort_index()
    given = pd.concat(
        [inputs_of(hosts[h], own).to_pandas().set_index(own.index) for h, own in w.current.groupby("host")]
    ).sort_index()
    frames = w.scenario(lambda _: served)
    current = frames.current.with_columns(pl.Series(c, given[c].to_numpy()) for c in given)
    reference = pl.concat([frames.reference, inputs_of(w.model, w.reference)], how="horizontal")
    first = told(Scenario(reference, current, frames.model | {"inputs": "model_*"}, w.model))
    assert (first.kind, set(first.features)) == (CauseKind.SCALER_REFIT, set(NUMBERS))
    assert "on the rows of each host (told of the first of them)" in first.seen
    assert "gives what was served" not in first.seen, "no one scaler does"


def test_an_encoder_in_another_order_and_a_category_taken_for_unknown():
    w = world("trees")

    def turn(model: Any) -> None:
        levels = encoder_of(model).categories_
        levels[0] = levels[0][[2, 0, 3, 1]]
        levels[1] = np.array(["basic", "gold", "never"], object)

    first = told(scenario(w, another(w.model, turn)))
    assert (first.kind, set(first.features)) == (CauseKind.PREPROCESSING_CHANGE, {"channel", "plan"})
    assert "'silver' of plan taken for unknown" in first.seen
    assert "categories of channel read as others: " in first.seen
    assert first.confidence is Confidence.PROVEN


def test_columns_in_another_order():
    w = world("trees")
    made = inputs_of(w.model, w.current)
    names = made.columns
    crossed = made.select(pl.col(names[1]).alias(names[0]), pl.col(names[0]).alias(names[1]), *names[2:])
    chance = w.model[-1].predict_proba(crossed.to_numpy())
    served = pd.DataFrame({"prediction": w.model.classes_[chance.argmax(1)], "p_yes": chance[:, 1]})
    frames = w.scenario(lambda _: served)
    current = pl.concat([frames.current, crossed], how="horizontal")
    reference = pl.concat([frames.reference, inputs_of(w.model, w.reference)], how="horizontal")
    first = told(Scenario(reference, current, frames.model | {"inputs": "model_*"}, w.model))
    assert (first.kind, set(first.features)) == (CauseKind.PREPROCESSING_CHANGE, {"income", "age"})
    assert "what is given as income is age" in first.seen


@pytest.mark.slow
def test_another_model_on_sound_inputs_stays_another_model():
    w = world("trees")
    again = deepcopy(w.model)
    again[-1].fit(again[:-1].transform(w.reference[FEATURES]), w.reference["binary"])
    assert told(scenario(w, again)).kind is CauseKind.MODEL_CHANGE


def test_nothing_is_found_where_the_pipeline_is_the_same():
    w = world("trees")
    case = worlds.case_of(scenario(w, w.model))
    assert find_own_change(PricingBench(case, case.metric, None)) is None
    assert set(case.problem.features) == set(FEATURES), "inputs of the model are no features"


def test_inputs_of_other_names_are_noted():
    w = world("trees")
    again = another(w.model, refit("income", 2.5, 1.0))
    made = scenario(w, again, inputs_of(again, w.current)[:, :2])
    case = worlds.case_of(made)
    assert find_own_change(PricingBench(case, case.metric, None)).kind is CauseKind.MODEL_CHANGE
    assert any("[model] inputs name 2 columns" in note for note in case.notes)


def test_the_role_is_a_pattern_or_a_mapping():
    assert input_columns(Roles(inputs="model_*"), ["a", "model_a", "model_"]) == {"a": "model_a"}
    assert input_columns(Roles(inputs={"a": "x"}), ["x", "y"]) == {"a": "x"}


def test_a_version_that_is_called_alike_is_no_input():
    roles = Roles(version="model_version", scores={"yes": "model_score"}, inputs="model_*")
    assert input_columns(roles, ["model_version", "model_score", "model_income"]) == {"income": "model_income"}


@pytest.mark.parametrize("kind", ["linear", "trees"])
@pytest.mark.parametrize("lost", [("silver",), ("silver", "gold")])
def test_categories_taken_for_unknown_are_told_with_their_share(kind, lost):
    w = world(kind)

    def lose(model: Any) -> None:
        levels = encoder_of(model).categories_
        levels[1] = np.array([f"no {level}" if level in lost else level for level in levels[1]], object)

    first = told(scenario(w, another(w.model, lose)))
    assert (first.kind, first.features) == (CauseKind.PREPROCESSING_CHANGE, ("plan",))
    assert all(f"'{level}'" in first.seen for level in lost)
    assert "taken for unknown" in first.seen
    assert "read as others" not in first.seen
    together = (
        [w.current["plan"].isin(lost).mean()] if kind == "trees" else [(w.current["plan"] == v).mean() for v in lost]
    )
    assert all(f"({share:.1%} of the rows)" in first.seen for share in together)
    with pytest.raises(BackslideError, match=r"one \*"):
        Roles(inputs="model")
    w = world("trees")
    made = scenario(w, w.model)
    with pytest.raises(BackslideError, match="names no column"):
        worlds.case_of(Scenario(made.reference, made.current, dict(made.model) | {"inputs": "given_*"}, w.model))


def test_without_raw_rows_it_says_what_cannot_be_told():
    w = world("trees")
    made = scenario(w, another(w.model, refit("income", 2.5, 1.0)))
    frames = [frame.drop("income", "channel") for frame in (made.reference, made.current)]
    roles = dict(made.model) | {"features": ("age", "debt", "plan")}
    d = worlds.causes_of(Scenario(*frames, roles, w.model))
    assert [c for c in (*d.causes, *d.harmless) if c.confidence is Confidence.PROVEN] == []
    assert any("takes income and channel, of which the log holds no raw values" in note for note in d.inputs.notes)
    assert all("raw columns are not logged" in o.reason for o in d.checks if o.reason.startswith("no saved model"))
