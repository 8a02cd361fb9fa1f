"""Rows that stopped coming: told from a shift by the others, which come as before; priced by the reference without them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.cause import CauseKind, Confidence
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

ROLES = dict(scenarios.ROLES) | {"features": worlds.FEATURES}
EASY = (pl.col("channel") == "web") | (pl.col("income") > 4500)


def months(seed: int, rows: int = 6000) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two months in which a quarter of the rows decides otherwise than the model expects, outside of what is easy."""
    rng = np.random.default_rng(seed)
    return hard(scenarios.served(rng, rows), rng), hard(scenarios.next_month(rng, rows=rows), rng)


def hard(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    other = ~EASY & pl.Series(rng.random(frame.height) < 0.25)
    turned = pl.when(pl.col("label") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    return frame.with_columns(label=pl.when(other).then(turned).otherwise(pl.col("label")))


def diagnosed(reference: pl.DataFrame, current: pl.DataFrame, **roles: object):
    return worlds.causes_of(Scenario(reference, current, ROLES | roles, None))


def losses_in(diagnosis):
    return [c for c in (*diagnosis.causes, *diagnosis.harmless) if c.kind == CauseKind.LOST_ROWS]


LOST = [
    (pl.col("channel") == "web", ("channel",), "channel = 'web'"),
    (pl.col("income") >= 3000, ("income",), "income >= "),
]


@pytest.mark.parametrize(("lost", "features", "segment"), LOST)
def test_a_segment_that_no_longer_comes_is_named_with_what_it_costs(lost, features, segment):
    reference, current = months(1)
    left = current.filter(~lost)
    diagnosis = diagnosed(reference, left)
    first = diagnosis.causes[0]
    assert (first.kind, first.features) == (CauseKind.LOST_ROWS, features)
    assert first.segment.startswith(segment)
    truth = worlds.accuracy(left) - worlds.accuracy(current)
    assert first.points.low <= truth <= first.points.high
    assert first.confidence == Confidence.VERIFIED
    assert first.share_of_rows == pytest.approx(reference.filter(lost).height / reference.height, abs=0.02)
    assert [c.kind for c in diagnosis.causes] == [CauseKind.LOST_ROWS], "the same points are no shift of inputs"


def test_hours_that_no_longer_come():
    reference, current = months(2)
    (loss,) = losses_in(diagnosed(reference, current.filter(pl.col("served_at").dt.hour() >= 6)))
    assert loss.features == ()
    assert loss.segment == "EXTRACT(HOUR FROM served_at) IN (0, 1, 2, 3, 4, 5)"


def test_a_host_that_no_model_sees():
    rng = np.random.default_rng(3)
    reference, current = (m.with_columns(host=pl.Series(rng.choice(["a", "b", "c"], m.height))) for m in months(3))
    (loss,) = losses_in(diagnosed(reference, current.filter(pl.col("host") != "b")))
    assert (loss.features, loss.segment) == ((), "host = 'b'")


def test_a_column_that_held_no_number_hides_no_loss():
    months_of = (m.with_columns(logged=pl.lit(None, pl.Float64)) for m in months(3))
    reference, current = months_of
    current = current.with_columns(logged=pl.lit(1.0))
    (loss,) = losses_in(diagnosed(reference, current.filter(~LOST[0][0]), features=[*worlds.FEATURES, "logged"]))
    assert loss.features == ("channel",)


def test_it_is_priced_before_labels_come():
    reference, current = months(4)
    left = current.filter(pl.col("channel") != "web").with_columns(label=pl.lit(None, pl.String))
    first = diagnosed(reference, left).causes[0]
    assert (first.kind, first.confidence) == (CauseKind.LOST_ROWS, Confidence.SUPPORTED)
    assert first.points.high < 0


def test_what_the_others_take_the_place_of_is_a_shift():
    reference, current = months(5)
    rng = np.random.default_rng(5)
    rest = current.filter(pl.col("income") < 3000)
    shifted = rest[np.sort(rng.choice(rest.height, current.height))]
    times = current["served_at"].sort()
    assert losses_in(diagnosed(reference, shifted.with_columns(served_at=times))) == []


@pytest.mark.slow
def test_what_died_out_within_the_reference_is_no_loss():
    reference, current = months(6)
    late = pl.col("served_at") > reference["served_at"].sort()[int(0.6 * reference.height)]
    dying = reference.filter(~((pl.col("channel") == "web") & late))
    assert losses_in(diagnosed(dying, current.filter(pl.col("channel") != "web"))) == []


@pytest.mark.slow
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_nothing_is_lost_where_only_traffic_changes(share):
    for seed in range(3):
        reference, current = months(seed)
        assert losses_in(diagnosed(reference, current.sample(fraction=share, seed=seed))) == []


@pytest.mark.slow
def test_without_times_nothing_is_said():
    reference, current = months(7)
    assert losses_in(diagnosed(reference, current.filter(pl.col("channel") != "web"), timestamp=None)) == []


def test_a_column_that_is_one_value_because_the_other_rows_are_lost_is_not_frozen():
    """The phone is the only channel left, with as many rows a day as ever: the rows of the others are lost."""
    reference, current = months(3)
    left = current.filter(pl.col("channel") == "phone")
    found = diagnosed(reference, left)
    kinds = [c.kind for c in (*found.causes, *found.harmless)]
    assert CauseKind.LOST_ROWS in kinds
    assert CauseKind.FROZEN_FEATURE not in kinds
    frozen = diagnosed(reference, current.with_columns(channel=pl.lit("phone")))
    assert CauseKind.FROZEN_FEATURE in [c.kind for c in (*frozen.causes, *frozen.harmless, *frozen.suspects)]


def uneven(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Days of which some have many times as many rows as others."""
    rng = np.random.default_rng(seed)
    days = rows["served_at"].dt.date()
    weight = dict(zip(days.unique().sort(), np.exp(rng.normal(0, 0.7, days.n_unique())), strict=True))
    kept = rng.random(rows.height) < np.array([min(weight[d] / 4, 1.0) for d in days])
    return rows.filter(pl.Series(kept))


@pytest.mark.parametrize("thinning", [False, True])
def test_a_range_that_ends_at_once_is_lost_though_days_differ_and_one_that_thins_out_is_not(thinning):
    reference, current = (uneven(m, seed) for seed, m in zip((7, 11), months(7, rows=20_000), strict=True))
    income = current["income"].to_numpy()
    # Towards the end the rows become fewer and fewer, as the days on which it is hot.
    chance = np.clip((3200 - income) / 1600, 0, 1) if thinning else (income < 3200).astype(float)
    left = current.filter(pl.Series(np.random.default_rng(9).random(current.height) < chance))
    found = losses_in(diagnosed(reference, left))
    assert [loss.features for loss in found] == ([] if thinning else [("income",)])
    if not thinning:
        assert float(found[0].segment.split()[-1]) == pytest.approx(3200, rel=0.01)


def test_more_missing_values_are_a_trace_of_the_rows_that_were_lost():
    rng = np.random.default_rng(10)
    gaps = [
        m.with_columns(income=pl.when(pl.Series(rng.random(m.height) < 0.3)).then(None).otherwise("income"))
        for m in months(10)
    ]
    left = gaps[1].filter((pl.col("income") < 3000) | pl.col("income").is_null())
    diagnosis = diagnosed(gaps[0], left)
    (loss,) = losses_in(diagnosis)
    assert loss.features == ("income",)
    assert CauseKind.MISSING_VALUES not in {c.kind for c in (*diagnosis.causes, *diagnosis.harmless)}
