"""Rows that came again: counted beyond what the reference repeats, priced by counting each once, named with their segment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.faults import damage
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.config import Settings
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

DRAW = np.random.default_rng(0)
ROLES = dict(scenarios.ROLES) | {"features": worlds.FEATURES}
PHONE = pl.col("channel") == "phone"
SMALL = Settings.from_dict({"engine": {"sample_rows": 2500}})
RETRIED = pl.int_range(pl.len()).hash(3) % 10 < 3


def months(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two months in which a third of those who phone decide otherwise than the model expects, now as then."""
    rng = np.random.default_rng(seed)
    return weak(scenarios.served(rng, 4000), rng), weak(scenarios.next_month(rng, rows=4000), rng)


def weak(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    other = PHONE & pl.Series(rng.random(frame.height) < 0.35)
    turned = pl.when(pl.col("label") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    return frame.with_columns(label=pl.when(other).then(turned).otherwise(pl.col("label")), id=pl.int_range(pl.len()))


def again(frame: pl.DataFrame, rows: pl.Expr, times: int) -> pl.DataFrame:
    return damage.send_again(rows, times)(frame, DRAW)


def scenario(reference: pl.DataFrame, current: pl.DataFrame, **roles: object) -> Scenario:
    return Scenario(reference, current, ROLES | roles, None)


def copies_in(diagnosis):
    return [c for c in (*diagnosis.causes, *diagnosis.harmless) if c.kind == CauseKind.DUPLICATED_ROWS]


@pytest.mark.sample(1)
@pytest.mark.parametrize("roles", [{}, {"id": "id"}, {"timestamp": None}])
def test_a_segment_that_is_sent_again_is_named_with_what_it_costs(roles):
    reference, current = months(1)
    broken = again(current, PHONE, 4)
    diagnosis = worlds.causes_of(scenario(reference, broken, **roles))
    first = diagnosis.causes[0]
    assert (first.kind, first.features, first.segment) == (
        CauseKind.DUPLICATED_ROWS,
        ("channel",),
        "channel = 'phone'",
    )
    assert first.points.estimate == pytest.approx(worlds.accuracy(broken) - worlds.accuracy(current), abs=1e-9)
    assert first.confidence == Confidence.VERIFIED
    assert first.injection.points.estimate == pytest.approx(first.points.estimate, abs=0.02)
    assert [c.kind for c in diagnosis.causes] == [CauseKind.DUPLICATED_ROWS], "the same points are no shift of inputs"
    assert "4 times each" in first.summary


@pytest.mark.slow
def test_all_rows_are_counted_where_the_sample_holds_a_part_of_them():
    reference, current = months(2)
    broken = again(current, PHONE, 4)
    diagnosis = worlds.causes_of(scenario(reference, broken), settings=SMALL)
    assert diagnosis.causes[0].kind == CauseKind.DUPLICATED_ROWS
    assert "4 times each" in diagnosis.causes[0].summary
    assert diagnosis.causes[0].points.estimate == pytest.approx(
        worlds.accuracy(broken) - worlds.accuracy(current), abs=0.02
    )


def test_they_are_priced_before_labels_come():
    reference, current = months(3)
    diagnosis = worlds.causes_of(worlds.unlabelled(scenario(reference, again(current, PHONE, 4))))
    first = diagnosis.causes[0]
    assert (first.kind, first.confidence) == (CauseKind.DUPLICATED_ROWS, Confidence.SUPPORTED)
    assert first.repair.points_back is None
    assert first.points.high < 0


@pytest.mark.slow
def test_what_the_reference_repeats_as_well_is_not_accused():
    for seed in range(4):
        reference, current = (again(month, RETRIED, 2) for month in months(seed))
        assert copies_in(worlds.causes_of(scenario(reference, current, id="id"))) == []


def test_copies_of_any_rows_cost_nothing():
    reference, current = months(5)
    broken = again(current, RETRIED, 3)
    by_id = worlds.causes_of(scenario(reference, broken, id="id"))
    assert by_id.causes == ()
    assert [c.segment for c in copies_in(by_id)] == [None]
    assert copies_in(worlds.causes_of(scenario(reference, broken))) == []


@pytest.mark.parametrize("more", [1.0, 8.0])
def test_rows_drawn_again_by_chance_are_not_sent_again(more):
    reference, current = months(8)
    weight = np.where(current["channel"] == "phone", more, 1.0)
    drawn = np.sort(DRAW.choice(current.height, 2 * current.height, p=weight / weight.sum()))
    assert copies_in(worlds.causes_of(scenario(reference, current[drawn]))) == []


@pytest.mark.slow
def test_rows_sent_again_from_some_day_on():
    reference, current = months(9)
    day = current["served_at"].sort()[current.height // 2].date()
    late = pl.col("served_at").dt.date() >= day
    (copies,) = copies_in(worlds.causes_of(scenario(reference, again(current, late, 3))))
    assert copies.segment.startswith("served_at >= ")
    assert copies.since == str(day)


def test_rows_of_few_values_are_like_each_other_by_themselves():
    reference, current = (
        month.with_columns(income=pl.lit(3000.0), age=pl.col("age") // 20 * 20, p_yes=pl.lit(0.4))
        for month in months(6)
    )
    assert copies_in(worlds.causes_of(scenario(reference, current, timestamp=None))) == []


def test_a_stuck_column_makes_no_copies():
    reference, current = months(7)
    coarse = [
        m.with_columns(p_yes=pl.col("p_yes").round(1), age=pl.col("age") // 10 * 10) for m in (reference, current)
    ]
    stuck = coarse[1].with_columns(income=pl.lit(3000.0))
    diagnosis = worlds.causes_of(replace(scenario(coarse[0], stuck, timestamp=None), artefact=None))
    assert copies_in(diagnosis) == []
    assert "income" in {f for c in (*diagnosis.causes, *diagnosis.harmless, *diagnosis.suspects) for f in c.features}
