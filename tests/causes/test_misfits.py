"""A column that no longer fits the others is named with its price, whatever was done to it; the world that moves is not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from backslide.case import Case
from backslide.causes.faults.misfits import stirred_columns
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.config import Settings
from backslide.engine.window import open_windows
from causes.related_columns import Change, flats, weeks
from scale import most, runs
from worlds import causes_of


def on(share: float, change: pl.Expr) -> Change:
    """``change`` of a column on a share of the rows that nothing marks."""

    def done(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        name = change.meta.output_name()
        hit = pl.Series(rng.random(rows.height) < share)
        return rows.with_columns(pl.when(hit).then(change).otherwise(pl.col(name)).alias(name))

    return done


def relation_turned(rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """What sold in one city does not sell any more."""
    hit = (rows["city"] == "c") & pl.Series(rng.random(rows.height) < 0.6)
    return rows.with_columns(pl.when(hit).then(1 - pl.col("sold")).otherwise(pl.col("sold")).alias("sold"))


def test_a_counter_that_runs_over_is_named_with_its_column_and_points():
    scenario = weeks(3, on(1.0, pl.col("tax") % 100))
    diagnosis = causes_of(scenario)
    first = diagnosis.causes[0]
    assert (first.kind, first.features) == (CauseKind.UNRECOGNISED_FAULT, ("tax",))
    assert first.confidence == Confidence.SUPPORTED
    assert "where about" in first.summary
    drop = diagnosis.metric.reference - diagnosis.metric.current
    assert first.points.estimate == pytest.approx(-drop, rel=0.25)
    assert first.injection is None


@pytest.mark.sample(1)
@pytest.mark.parametrize("share", [0.4, 0.2])
def test_rows_tell_that_a_decimal_mark_was_lost(share):
    """Whole numbers many times too large, on rows that nothing marks: the ratio to what the others foretell says which."""
    first = causes_of(weeks(4, on(share, pl.col("size") * 100))).causes[0]
    assert (first.kind, first.features) == (CauseKind.UNIT_CHANGE, ("size",))
    assert first.confidence == Confidence.VERIFIED
    assert first.share_of_rows == pytest.approx(share, abs=0.06)


@pytest.mark.slow
def test_a_price_without_a_model_at_hand_comes_from_a_stand_in():
    scenario = weeks(3, on(1.0, pl.col("tax") % 100))
    diagnosis = causes_of(scenario, reference_model=None)
    assert (diagnosis.causes[0].kind, diagnosis.causes[0].features) == (CauseKind.UNRECOGNISED_FAULT, ("tax",))


@pytest.mark.slow
def test_another_relation_is_no_fault_of_a_column():
    kinds = {cause.kind for cause in causes_of(weeks(5, relation_turned)).causes}
    assert CauseKind.CONCEPT_DRIFT in kinds
    assert CauseKind.UNRECOGNISED_FAULT not in kinds


@pytest.mark.slow
@pytest.mark.rates
def test_weeks_in_which_only_the_world_moves_accuse_no_column():
    """Stated rate: a column without a fault is named in at most 2 % of natural periods."""
    accused = []
    trials = runs(4, 100)
    for seed in range(trials):
        diagnosis = causes_of(weeks(100 + seed, drift=0.1 * (seed % 5), rows=2000))
        accused += [(seed, str(c)) for c in (*diagnosis.causes, *diagnosis.harmless) if c.kind.family == "data fault"]
    assert len(accused) <= most(trials, 0.02), accused


@pytest.mark.slow
def test_a_week_number_is_never_accused_and_no_witness():
    diagnosis = causes_of(weeks(3, on(1.0, pl.col("tax") % 100)))
    assert "week" not in {f for c in (*diagnosis.causes, *diagnosis.harmless) for f in c.features}


def test_flats_of_one_seed_are_the_same():
    one, other = (flats(np.random.default_rng(0), 200, 0, 7) for _ in range(2))
    assert one.equals(other)


def test_columns_at_rest_are_not_asked_about_without_labels():
    """What moved by little, or lost a tie on some rows, is; a column at rest is not."""
    rng = np.random.default_rng(5)
    n = 20_000
    common = rng.normal(size=(2, n))
    frames = [
        pl.DataFrame(
            {
                "rest": rng.normal(size=n),
                "letter": rng.choice(list("abcdefghij"), n),
                "one": side + rng.normal(size=n),
                "other": side + rng.normal(size=n),
                "factor": rng.lognormal(size=n),
                "said": rng.choice(["yes", "no"], n),
            }
        )
        for side in common
    ]
    some = pl.Series(rng.random(n) < 0.04)
    joined = frames[1]["other"].to_numpy().copy()
    moved = np.flatnonzero(rng.random(n) < 0.15)
    joined[moved] = joined[rng.permutation(moved)]
    frames[1] = frames[1].with_columns(
        pl.when(some).then(100 * pl.col("factor")).otherwise(pl.col("factor")).alias("factor"),
        pl.Series("other", joined),
    )
    settings = Settings.from_dict({"model": {"prediction": "said"}})
    case = Case(open_windows(*frames, settings), settings)
    assert stirred_columns(case) == {"one", "other", "factor"}
