"""Input that is odd and not wrong: every run ends in a diagnosis, and no oddity is mistaken for a proof."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import backslide as bs
from backslide.causes.columns.monotone_transforms import find_offset
from backslide.contracts.config import Settings
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.playbook import scenarios
from backslide.playbook.registry import all_checks

MODEL = scenarios.TrueModel()


def diagnosed(reference: pl.DataFrame, current: pl.DataFrame, *, quick: bool = False, **model: object) -> bs.Diagnosis:
    """``quick`` where a test reads verdict and causes alone."""
    settings = Settings.from_dict({"model": {**scenarios.ROLES, **model}})
    diagnosis = bs.diagnose(reference, current, settings=settings, reference_model=MODEL, quick=quick)
    assert bs.Diagnosis.from_json(diagnosis.to_json()) == diagnosis
    assert not [o for o in diagnosis.checks if o.status == "failed"]
    return diagnosis


def kinds(diagnosis: bs.Diagnosis) -> set[str]:
    return {str(cause.kind) for cause in (*diagnosis.causes, *diagnosis.harmless)}


def without(frame: pl.DataFrame, column: str, rng: np.random.Generator, share: float) -> pl.DataFrame:
    lost = pl.Series(rng.random(frame.height) < share)
    return frame.with_columns(pl.when(lost).then(None).otherwise(pl.col(column)).alias(column))


@pytest.fixture(scope="module")
def months() -> tuple[pl.DataFrame, pl.DataFrame]:
    """A quiet month, and one in which income comes per year."""
    rng = np.random.default_rng(11)
    reference = scenarios.rescored(scenarios.served(rng))
    current = scenarios.next_month(rng)
    return reference, scenarios.rescored(current.with_columns(pl.col("income") * 12))


def test_rows_without_scores_prove_no_other_model(months):
    reference, current = months
    current = without(current, "p_yes", np.random.default_rng(1), 0.1)
    diagnosis = diagnosed(reference, current, metric="log_loss", quick=True)
    assert str(diagnosis.causes[0].kind) == "unit_change"
    assert "model_change" not in kinds(diagnosis)


def test_values_lost_from_the_log_alone_prove_no_other_model(months):
    reference, _ = months
    sound = scenarios.rescored(scenarios.next_month(np.random.default_rng(2)))
    diagnosis = diagnosed(reference, sound.with_columns(income=pl.lit(None, dtype=pl.Float64)), quick=True)
    assert "model_change" not in kinds(diagnosis)


@pytest.mark.parametrize("kept", [pytest.param(pl.Float64, marks=pytest.mark.slow), pl.Null])
def test_a_column_without_any_value(months, kept):
    reference, current = months
    diagnosis = diagnosed(reference, current.with_columns(income=pl.lit(None, dtype=kept)))
    assert "missing_values" in kinds(diagnosis)


@pytest.mark.sample(2)
def test_a_column_of_nothing_but_infinity_is_lost_and_not_frozen(months):
    reference, current = months
    diagnosis = diagnosed(reference, current.with_columns(income=pl.lit(float("inf"))), quick=True)
    assert "missing_values" in kinds(diagnosis)
    assert "frozen_feature" not in kinds(diagnosis)


def test_a_column_of_lists_before_and_of_codes_now(months):
    """It is no feature that is compared, and may still mark the rows of a fault."""
    reference, current = months
    lists = reference.with_columns(host=pl.concat_list(pl.lit("a"), "channel"))
    assert "unit_change" in kinds(
        diagnosed(lists, current.with_columns(host=pl.lit("a")), quick=True, features=["income", "age"])
    )


def test_no_step_is_counted_between_the_smallest_numbers():
    steps = np.random.default_rng(1).integers(0, 5, 900) * 5e-324
    pair = Pair(
        "x", ColumnKind.NUMERIC, pl.Series(steps), pl.Series(np.random.default_rng(2).integers(3, 9, 900) * 1.5)
    )
    assert find_offset(pair) is None


@pytest.mark.parametrize("metric", ["log_loss", "brier", "balanced_accuracy", "weighted_f1", "macro_precision"])
def test_every_headline_names_the_same_cause(months, metric):
    diagnosis = diagnosed(*months, metric=metric, quick=True)
    first = diagnosis.causes[0]
    assert (str(first.kind), first.features) == ("unit_change", ("income",))
    assert first.repair is not None
    assert first.repair.points_back.estimate > 0
    assert (first.points.estimate < 0) == diagnosis.metric.higher_is_better


@pytest.mark.parametrize(
    "dtype", [pl.Categorical, pytest.param(pl.Enum(["web", "phone", "branch", "partner"]), marks=pytest.mark.slow)]
)
def test_dictionary_columns(months, dtype):
    reference, current = (frame.with_columns(pl.col("channel").cast(dtype)) for frame in months)
    assert str(diagnosed(reference, current).causes[0].kind) == "unit_change"


def test_labels_of_part_of_the_rows(months):
    reference, current = months
    partly = without(current, "label", np.random.default_rng(3), 0.5)
    diagnosis = diagnosed(reference, partly, quick=True)
    assert diagnosis.inputs.labelled.current == partly["label"].count()
    assert str(diagnosis.causes[0].kind) == "unit_change"


def test_one_row(months):
    reference, current = months
    assert diagnosed(reference, current[:1]).verdict == "inconclusive"
    assert diagnosed(reference[:1], current[:1]).verdict == "inconclusive"


def test_defaults_in_the_log_alone_are_harmless(months):
    reference, _ = months
    sound = scenarios.rescored(scenarios.next_month(np.random.default_rng(4)))
    hit = pl.Series(np.random.default_rng(5).random(sound.height) < 0.5)
    logged = sound.with_columns(pl.when(hit).then(-1.0).otherwise(pl.col("income")).alias("income"))
    diagnosis = diagnosed(reference, logged, quick=True)
    assert not diagnosis.verdict.bad
    assert not diagnosis.causes
    assert {str(c.kind) for c in diagnosis.harmless} == {"default_value"}
    assert "only in the log" in diagnosis.harmless[0].summary


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda f: f.with_columns(age=pl.lit("not available")), id="numbers become one text", marks=pytest.mark.slow
        ),
        pytest.param(lambda f: f.with_columns(premium=pl.col("premium").cast(pl.String)), id="booleans become texts"),
        pytest.param(
            lambda f: f.with_columns(channel=pl.col("channel").replace_strict({"web": 1, "phone": 2}, default=3)),
            id="texts become codes",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            lambda f: f.with_columns(
                age=pl.when(pl.int_range(pl.len()) % 5 == 0)
                .then(pl.lit("unknown"))
                .otherwise(pl.col("age").cast(pl.String))
            ),
            id="numbers become texts with a default",
        ),
    ],
)
def test_a_column_of_another_type(months, change):
    reference, _ = months
    sound = scenarios.rescored(scenarios.next_month(np.random.default_rng(6)))
    diagnosed(reference, change(sound))


@pytest.mark.parametrize(("metric", "message"), [("log_loss", "needs [model] scores"), ("bias", "no better direction")])
def test_a_headline_that_cannot_be_is_refused(months, metric, message):
    reference, current = months
    regression = metric == "bias"
    model = (
        {"label": "income", "prediction": "p_yes", "task": "regression"}
        if regression
        else {"label": "label", "prediction": "prediction"}
    )
    settings = Settings.from_dict({"model": {**model, "metric": metric}})
    with pytest.raises(bs.BackslideError) as caught:
        bs.diagnose(reference, current, settings=settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_one_row_without_a_time_leaves_the_day_as_unit(months):
    reference, current = months
    undated = current.with_columns(
        served_at=pl.when(pl.int_range(pl.len()) == 0).then(None).otherwise(pl.col("served_at"))
    )
    muted = {check.code: {"mute": True} for check in all_checks() if check.code != "VER001"}
    settings = Settings.from_dict({"model": scenarios.ROLES, "checks": muted})
    whole, holed = (
        bs.diagnose(reference, frame, settings=settings).checks[0].findings[0] for frame in (current, undated)
    )
    assert whole.numbers["unit_of_noise"] == holed.numbers["unit_of_noise"] == "day"
