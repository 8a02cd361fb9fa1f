"""The shadow comparison end to end in Python: every way to name two models, and every verdict."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, log_loss, roc_auc_score

import backslide as bs
import worlds
from backslide.contracts.config import Settings
from backslide.contracts.errors import ColumnError, ConfigError, InputError, LabelError
from backslide.contracts.shadow import Shadow, ShadowVerdict
from backslide.jobs.assertion import assert_not_worse
from backslide.playbook import scenarios

ROLES = bs.Roles(label="label", prediction="prediction", scores={"yes": "p_yes"}, timestamp="served_at")
OTHER = {"prediction": "other", "scores": {"yes": "p_other"}}


@pytest.fixture(scope="module")
def months():
    """A quiet reference and current month."""
    return worlds.two_months(np.random.default_rng(0), 2500)


def beside(log, answers):
    """The log with another model's answers in columns of their own."""
    return log.with_columns(other=answers["prediction"], p_other=answers["p_yes"])


@pytest.fixture(scope="module")
def worse(months):
    """The current month with a worse model beside the served one."""
    return beside(months[1], worlds.with_model(months[1], worlds.Flatter()))


@pytest.fixture(scope="module")
def found(worse):
    return bs.shadow(worse, roles=ROLES, new=OTHER)


def test_old_is_better(found):
    assert found.verdict is ShadowVerdict.OLD_BETTER
    assert found.verdict.held
    assert found.decision.action == "roll_back"
    assert found.mode == "log"
    assert (found.old, found.new) == ("prediction", "other")
    assert "old model is better" in found.summary


def test_columns_exchanged_say_the_opposite(worse, found):
    turned = bs.shadow(worse, roles=ROLES, old=OTHER)
    assert turned.verdict is ShadowVerdict.NEW_BETTER
    assert turned.metric.difference.estimate == pytest.approx(-found.metric.difference.estimate)
    assert turned.metric.difference.high == pytest.approx(-found.metric.difference.low)


def test_numbers_are_those_of_scikit_learn(worse, found):
    y, old, new = (worse[c].to_numpy() for c in ("label", "prediction", "other"))
    named = {d.metric: d for d in found.metrics}
    assert (named["accuracy"].old, named["accuracy"].new) == (
        pytest.approx(accuracy_score(y, old)),
        pytest.approx(accuracy_score(y, new)),
    )
    assert named["macro_f1"].new == pytest.approx(f1_score(y, new, average="macro"))
    assert named["roc_auc"].old == pytest.approx(roc_auc_score(y == "yes", worse["p_yes"]))
    assert named["log_loss"].new == pytest.approx(log_loss(y == "yes", worse["p_other"]))
    assert found.agreement.equal == pytest.approx((old == new).mean())
    assert found.agreement.kappa == pytest.approx(cohen_kappa_score(old, new))
    assert found.agreement.score_distance == pytest.approx((worse["p_yes"] - worse["p_other"]).abs().mean())
    flips = old != new
    assert found.flips.rows == flips.sum()
    assert found.flips.old_right == ((old == y) & flips).sum()
    assert sum(flow.rows for flow in found.flips.flows) == found.flips.rows
    classes = {part.name: part.comparison for part in found.classes}
    assert classes["yes"].new == pytest.approx(f1_score(y, new, pos_label="yes"))


def test_segments_are_found_without_being_named(worse, found):
    names = {part.name for part in found.segments}
    assert {"channel = 'web'", "premium = true"} <= names
    part = next(p for p in found.segments if p.name == "channel = 'web'")
    web = worse.filter(pl.col("channel") == "web")
    assert part.rows == web.height
    assert part.comparison.old == pytest.approx((web["label"] == web["prediction"]).mean())
    assert part.flips == pytest.approx((web["prediction"] != web["other"]).mean())
    assert part.comparison.level > 0.99


def test_round_trip_and_schema_version(found):
    assert Shadow.from_json(found.to_json()) == found
    data = json.loads(found.to_json())
    assert data["format"] == "backslide.shadow/1"
    with pytest.raises(InputError, match="shadow/1"):
        Shadow.from_dict(data | {"format": "backslide.diagnosis/1"})
    with pytest.raises(InputError, match="metric"):
        Shadow.from_dict(data | {"metric": 3})


def test_same_answers_are_no_difference(months):
    found = bs.shadow(beside(months[1], months[1]), roles=ROLES, new=OTHER)
    assert found.verdict is ShadowVerdict.NO_DIFFERENCE
    assert "same answer" in found.summary
    assert not found.verdict.held


def test_gain_that_hides_a_losing_segment_is_mixed(months):
    """Right nearly everywhere, but for one channel that it gets wrong."""
    log = months[1]
    web = pl.col("channel") == "partner"
    wrong = pl.when(pl.col("label") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    log = log.with_columns(other=pl.when(web).then(wrong).otherwise(pl.col("label")))
    found = bs.shadow(log, roles=ROLES.model_copy(update={"scores": {}}), new={"prediction": "other"})
    assert found.verdict is ShadowVerdict.MIXED
    assert found.verdict.held
    lost = [part for part in found.segments if part.masked]
    assert [part.name for part in lost] == ["channel = 'partner'"]
    assert "partner" in found.summary
    assert found.decision.action == "investigate"


def test_few_rows_are_inconclusive(worse):
    found = bs.shadow(worse.head(20), roles=ROLES, new=OTHER)
    assert found.verdict is ShadowVerdict.INCONCLUSIVE
    assert "only 20 rows" in found.summary


def test_without_labels(months):
    """Agreement, flips and confidence stand; the estimate is near the truth and says what it assumes."""
    reference, current = months
    bare = current.with_columns(label=pl.lit(None, pl.String))
    models = {"old_model": scenarios.TrueModel(), "new_model": worlds.Flatter()}
    blind, seeing = (bs.shadow(rows, reference, roles=ROLES, **models) for rows in (bare, current))
    assert blind.verdict is ShadowVerdict.INCONCLUSIVE
    assert blind.metric.difference is None
    assert blind.flips.rows == seeing.flips.rows
    assert len(blind.confidence) == 4
    estimate = blind.label_free.difference
    assert estimate.low <= seeing.metric.difference.estimate <= estimate.high
    assert "assumes" in blind.label_free.assumption
    assert "label the flips" in blind.summary


def test_without_labels_and_answers_of_both_there_is_no_estimate(months):
    reference, current = (
        frame.with_columns(other=pl.col("prediction"), p_other=pl.col("p_yes") * 0.98 + 0.01) for frame in months
    )
    blind = current.with_columns(label=pl.lit(None, pl.String), other=pl.lit(None, pl.String))
    found = bs.shadow(blind, reference, roles=ROLES, new=OTHER)
    assert found.label_free is None
    assert found.verdict is ShadowVerdict.INCONCLUSIVE


def test_without_labels_and_flips_there_is_no_difference(months):
    current = months[1].with_columns(label=pl.lit(None, pl.String))
    sharper = current.with_columns(other=pl.col("prediction"), p_other=pl.col("p_yes") * 0.98 + 0.01)
    found = bs.shadow(sharper, roles=ROLES, new=OTHER)
    assert found.verdict is ShadowVerdict.NO_DIFFERENCE
    assert found.flips.rows == 0


def test_replay_tells_model_from_world(months):
    """The stored old model on the rows that another one served."""
    reference, current = months
    served = worlds.with_model(current, worlds.Flatter())
    found = bs.shadow(served, reference, roles=ROLES, old_model=scenarios.TrueModel())
    assert (found.mode, found.verdict) == ("replay", ShadowVerdict.OLD_BETTER)
    assert found.worlds.old_model_old_data == pytest.approx(worlds.accuracy(reference))
    assert found.worlds.old_model_new_data == pytest.approx(worlds.accuracy(current))
    assert found.worlds.new_model_new_data == pytest.approx(worlds.accuracy(served))
    assert found.worlds.new_model_old_data is None
    assert found.worlds.model.high < 0
    assert not found.worlds.data.clear_of_zero()
    both = bs.shadow(current, reference, roles=ROLES, old_model=scenarios.TrueModel(), new_model=worlds.Flatter())
    assert both.metric == found.metric
    assert both.worlds.new_model_old_data == pytest.approx(
        worlds.accuracy(worlds.with_model(reference, worlds.Flatter()))
    )


def test_replay_of_the_model_that_served(months):
    found = bs.shadow(months[1], months[0], roles=ROLES, old_model=scenarios.TrueModel())
    assert found.verdict is ShadowVerdict.NO_DIFFERENCE
    assert any("is the model that served" in note for note in found.inputs.notes)


def test_two_versions_of_the_same_ids_are_joined(months, found):
    current = months[1].with_row_index("id")
    other = worlds.with_model(current, worlds.Flatter()).with_columns(label=pl.lit(None, pl.String))
    log = pl.concat([current.with_columns(v=pl.lit("1")), other.with_columns(v=pl.lit("2"))]).sample(
        fraction=1, shuffle=True, seed=1
    )
    roles = ROLES.model_copy(update={"version": "v", "id": "id"})
    joined = bs.shadow(log, roles=roles, old_version="1")
    assert joined.mode == "log"
    assert (joined.old, joined.new) == ("1", "2")
    assert joined.metric.difference.estimate == pytest.approx(found.metric.difference.estimate)
    assert joined.inputs.labelled == current.height


def split(months, rng, share=0.5):
    """An A/B test of the served and a worse model."""
    current = months[1]
    new = pl.Series(rng.random(current.height) < share)
    other = worlds.with_model(current, worlds.Flatter())
    parts = [current.filter(~new).with_columns(v=pl.lit("1")), other.filter(new).with_columns(v=pl.lit("2"))]
    return pl.concat(parts).sort("served_at")


SPLIT = ROLES.model_copy(update={"version": "v"})


def test_ab_compares_after_balance(months):
    log = split(months, np.random.default_rng(2))
    found = bs.shadow(log, months[0].with_columns(v=pl.lit("1")), roles=SPLIT, new_share=0.5)
    assert (found.mode, found.verdict) == ("ab", ShadowVerdict.OLD_BETTER)
    assert found.assignment.balanced
    assert found.flips is None
    assert found.agreement is None
    arms = [worlds.accuracy(log.filter(pl.col("v") == v)) for v in "12"]
    assert (found.metric.old, found.metric.new) == (pytest.approx(arms[0]), pytest.approx(arms[1]))


def test_ab_with_another_ratio_than_planned_decides_nothing(months):
    log = split(months, np.random.default_rng(2), share=0.4)
    found = bs.shadow(log, roles=SPLIT, new_share=0.5, old_version="1")
    assert found.verdict is ShadowVerdict.INCONCLUSIVE
    assert "sample-ratio mismatch" in found.summary
    assert not found.assignment.balanced
    assert found.assignment.p_value < 0.001


def test_ab_of_unlike_groups_decides_nothing(months):
    log = split(months, np.random.default_rng(2))
    lost = (pl.col("v") == "2") & (pl.col("income") < 2500)
    found = bs.shadow(log.filter(~lost), roles=SPLIT, old_version="1")
    assert found.verdict is ShadowVerdict.INCONCLUSIVE
    assert [i.column for i in found.assignment.imbalances] == ["income"]


def test_a_class_that_only_one_model_knows_is_wrong_and_not_missing(months):
    log = months[1].with_columns(
        other=pl.when(pl.col("channel") == "web").then(pl.lit("maybe")).otherwise(pl.col("prediction"))
    )
    plain = ROLES.model_copy(update={"scores": {}})
    found = bs.shadow(log, roles=plain, new={"prediction": "other"})
    assert found.inputs.labelled == log.height
    assert found.metric.new == pytest.approx((log["label"] == log["other"]).mean())
    assert {flow.new for flow in found.flips.flows} == {"maybe"}
    with pytest.raises(LabelError, match="'maybe'"):
        bs.shadow(log.with_columns(p_other=pl.col("p_yes")), roles=ROLES, new=OTHER)


def test_odd_rows_are_left_out_and_counted(months):
    """Missing scores, decisions and labels, and rows without a time."""
    n = months[1].height
    hole = pl.int_range(0, n) % 10
    log = beside(months[1], worlds.with_model(months[1], worlds.Flatter())).with_columns(
        p_other=pl.when(hole == 0).then(None).when(hole == 1).then(float("nan")).otherwise(pl.col("p_other")),
        label=pl.when(hole == 2).then(None).otherwise(pl.col("label")),
        served_at=pl.when(hole == 3).then(None).otherwise(pl.col("served_at")),
    )
    found = bs.shadow(log, roles=ROLES, new=OTHER)
    assert found.inputs.labelled == pytest.approx(0.7 * n, abs=2)
    assert found.agreement.rows == pytest.approx(0.8 * n, abs=2)
    assert found.verdict is ShadowVerdict.OLD_BETTER


@pytest.mark.parametrize("rows", [1, 2, 40])
def test_few_rows_and_one_class_break_nothing(months, rows):
    log = beside(months[1], months[1]).filter(pl.col("label") == "yes").head(rows)
    turned = pl.when(pl.int_range(0, rows) % 3 == 0).then(pl.lit("no")).otherwise(pl.lit("yes"))
    found = bs.shadow(log.with_columns(other=turned), roles=ROLES, new=OTHER)
    assert Shadow.from_json(found.to_json()) == found
    assert found.to_html()
    assert found.to_text()


def test_regression_is_compared_too():
    made = worlds.regression(np.random.default_rng(3))
    log = made.scenario.current.with_columns(other=pl.col("predicted") * 1.05)
    roles = bs.Roles(label="rent", prediction="predicted", timestamp="at")
    found = bs.shadow(log, roles=roles, new={"prediction": "other"}, task="regression")
    assert found.verdict is ShadowVerdict.OLD_BETTER
    assert found.flips is None
    assert found.metric.metric == "mae"
    assert found.metric.new == pytest.approx((log["other"] - log["rent"]).abs().mean())


@pytest.mark.slow
def test_shadow_columns_are_no_features(worse):
    settings = Settings.from_dict({"model": ROLES.model_dump(exclude_none=True), "shadow": {"new": OTHER}})
    d = bs.diagnose(worse, worse, settings=settings)
    assert not {"other", "p_other"} & set(d.inputs.features)
    compared = next(o for o in d.checks if o.code == "SHD002")
    assert {"difference", "flips"} <= {f.subject for f in compared.findings}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, ConfigError, "nothing to compare"),
        ({"new": {"prediction": "othr", "scores": {"yes": "p_other"}}}, ColumnError, "did you mean 'other'"),
        ({"new": {"prediction": "other"}}, LabelError, "scores"),
        ({"new": {"predictions": "other"}}, ConfigError, "prediction"),
        ({"new_share": 1.5}, ConfigError, "new_share"),
        ({"mode": "ab"}, ConfigError, "two model versions"),
        ({"old": OTHER, "new": OTHER}, ConfigError, "same columns"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(worse, options, error, words):
    with pytest.raises(error, match=words) as caught:
        bs.shadow(worse, roles=ROLES, **options)
    assert "\n" not in str(caught.value)


def test_versions_must_be_two(months):
    log = months[1].with_columns(v=pl.Series(np.arange(months[1].height) % 3).cast(pl.String))
    with pytest.raises(ConfigError, match="more than two versions"):
        bs.shadow(log, roles=SPLIT)
    with pytest.raises(ConfigError, match="no rows of version '9'"):
        bs.shadow(log, roles=SPLIT, old_version="9")


@pytest.mark.slow
def test_equal_models_are_rarely_told_apart(months):
    """Two equally noisy versions of one model, forty times: the verdict's error is stated as about one in a hundred."""
    called = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noisy = [np.clip(months[1]["p_yes"] + rng.normal(0, 0.1, months[1].height), 0, 1) for _ in range(2)]
        log = months[1].with_columns(
            p_yes=pl.Series(noisy[0]),
            p_other=pl.Series(noisy[1]),
            prediction=pl.Series(np.where(noisy[0] >= 0.5, "yes", "no")),
            other=pl.Series(np.where(noisy[1] >= 0.5, "yes", "no")),
        )
        called += bs.shadow(log, roles=ROLES, new=OTHER).verdict in ("old_better", "new_better", "mixed")
    assert called <= 2


def test_as_an_assertion_it_fails_with_the_first_screen_or_returns_the_comparison(worse):
    with pytest.raises(AssertionError, match="old model is better") as caught:
        assert_not_worse(new=OTHER, data=worse, roles=ROLES)
    assert "Do now" in str(caught.value) or "do now" in str(caught.value)
    assert assert_not_worse(OTHER, None, worse, roles=ROLES).verdict is ShadowVerdict.NEW_BETTER
    few = worse.head(20)
    assert assert_not_worse(None, OTHER, few, roles=ROLES).verdict is ShadowVerdict.INCONCLUSIVE
    with pytest.raises(AssertionError, match=r"Inconclusive|could not be decided|too few"):
        assert_not_worse(None, OTHER, few, roles=ROLES, strict=True)
