"""The simulated streams do what they say: quiet between windows, alive between days, and changed by exactly what is asked."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from quiet import streams


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def accuracy(frame: pl.DataFrame) -> float:
    return float((frame["label"] == frame["prediction"]).mean())


def test_a_seed_makes_the_same_rows():
    first, second, other = (streams.windows(rng(seed), 300, streams.Days(3, 2)) for seed in (1, 1, 2))
    assert first[0].equals(second[0])
    assert first[1].equals(second[1])
    assert not first[0].equals(other[0])


def test_windows_follow_each_other_and_have_their_days():
    reference, current = streams.windows(rng(), 5_000, streams.Days(28, 7))
    assert reference["served_at"].dt.date().n_unique() == 28
    assert current["served_at"].dt.date().n_unique() == 7
    assert reference["served_at"].max() < current["served_at"].min()
    assert reference["served_at"].is_sorted()


def test_without_days_there_are_no_times():
    reference, current = streams.windows(rng(), 100)
    assert reference.columns == current.columns
    assert "served_at" not in reference.columns


def test_scores_are_calibrated_where_nothing_moves():
    frame = pl.concat(streams.windows(rng(), 100_000))
    bins = frame.group_by((pl.col("p_yes") * 10).floor().alias("bin")).agg(
        pl.col("p_yes").mean(), (pl.col("label") == "yes").mean().alias("share"), pl.len()
    )
    se = (bins["share"] * (1 - bins["share"]) / bins["len"]).sqrt()
    assert ((bins["share"] - bins["p_yes"]).abs() / se).max() < 4.5


def test_days_differ_by_more_than_their_rows_allow():
    """Day effects of 0.8 points and 0.15 standard deviations, and weekday effects, beside what chance does."""
    frame, _ = streams.windows(rng(), 150_000, streams.Days(150, 1))
    frame = frame.with_columns(day=pl.col("served_at").dt.date(), weekday=pl.col("served_at").dt.weekday())
    # Beyond what the features explain: they have effects by weekday as well.
    right = (pl.col("label") == pl.col("prediction")).cast(pl.Float64) - pl.max_horizontal("p_yes", 1 - pl.col("p_yes"))
    days = frame.group_by("day", "weekday").agg(right.mean().alias("accuracy"), pl.col("balance").mean(), pl.len())
    within = days.with_columns(pl.col("accuracy", "balance") - pl.col("accuracy", "balance").mean().over("weekday"))
    chance = frame.select(right.var()).item() / days["len"].mean()
    assert 0.005 < float(np.sqrt(within["accuracy"].var() - chance)) < 0.012
    assert 0.11 < float(within["balance"].std()) / 300 < 0.19
    by_weekday = days.group_by("weekday").agg(pl.col("accuracy").mean()).sort("weekday")["accuracy"]
    assert by_weekday[0] - by_weekday[6] == pytest.approx(0.03, abs=0.008)


def test_neighbouring_days_are_alike():
    values = streams._autoregressive(rng(), 20_000)
    assert values.std() == pytest.approx(1, abs=0.03)
    assert np.corrcoef(values[1:], values[:-1])[0, 1] == pytest.approx(0.3, abs=0.03)


def test_a_change_moves_what_it_names_and_nothing_else():
    quiet = streams.windows(rng(3), 80_000)[1]
    moved = streams.windows(rng(3), 80_000, None, streams.Change(shift=0.2, points=0.03, drop=0.02))[1]
    assert (moved["balance"].mean() - quiet["balance"].mean()) / 300 == pytest.approx(0.2, abs=1e-9)
    logs = moved["amount"].log().mean() - quiet["amount"].log().mean()
    assert logs == pytest.approx(0.2, abs=1e-9)
    region = [(f["region"] == "region_00").mean() for f in (quiet, moved)]
    assert region[0] - region[1] == pytest.approx(0.03, abs=0.01)
    assert accuracy(quiet) - accuracy(moved) == pytest.approx(0.02, abs=0.01)
    same = [c for c in streams.FEATURES if c not in ("balance", "amount", "region")]
    assert quiet.select(*same, "p_yes", "prediction").equals(moved.select(*same, "p_yes", "prediction"))


def test_the_model_answers_with_the_logged_scores():
    frame = streams.windows(rng(), 500)[0]
    shown = streams.TrueModel().predict_proba(frame.to_pandas())[:, 1]
    assert shown == pytest.approx(frame["p_yes"].to_numpy(), abs=1e-12)
