"""A scale turned round, told from drift, from other units and from a reversed sign."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.faults.signatures.turned_scale import TurnedScale
from backslide.playbook.base import Scenario


def recognised(before: np.ndarray, now: np.ndarray, beside: tuple[np.ndarray, np.ndarray] | None = None):
    """Hypotheses about ``a``, beside two columns that go with it where ``beside`` says what they follow."""
    rng = np.random.default_rng(1)
    frames = []
    for values, follows in zip((before, now), beside or (before, now), strict=True):
        others = {}
        if beside is not None:
            others = {name: follows + rng.normal(0, follows.std(), len(follows)) for name in ("b", "c")}
        labels = ["yes", "no"] * (len(values) // 2)
        frames.append(pl.DataFrame({"a": values, **others, "label": labels, "prediction": labels}))
    features = [name for name in frames[0].columns if name not in ("label", "prediction")]
    roles = {"label": "label", "prediction": "prediction", "features": features}
    case = worlds.case_of(Scenario(frames[0], frames[1], roles, None, ""))
    return case, [h for h in TurnedScale().recognise(case) if h.features == ("a",)]


def skewed(rng: np.random.Generator, count: int = 2_000) -> np.ndarray:
    return np.round(100 * rng.beta(1.2, 6, count), 1)


@pytest.mark.parametrize("centre", [100.0, 1.0])
def test_the_share_of_the_rest_in_place_of_a_share(centre: float) -> None:
    rng = np.random.default_rng(2)
    scale = centre / 100
    case, found = recognised(scale * skewed(rng), centre - scale * skewed(rng))
    (one,) = found
    assert one.exact
    assert one.params["centre"] == pytest.approx(centre, rel=0.02)
    back = TurnedScale().repair(case, one, case.current.sample)["a"].to_numpy()
    assert np.median(back) == pytest.approx(scale * 13.7, rel=0.1)
    again = TurnedScale().inject(case, one, case.reference.sample)["a"].to_numpy()
    assert np.median(again) == pytest.approx(centre - scale * 13.7, rel=0.1)


def test_a_column_of_even_shape_is_told_by_the_columns_beside_it() -> None:
    rng = np.random.default_rng(3)
    before, now = rng.uniform(16, 94, 2_000), rng.uniform(16, 94, 2_000)
    _, found = recognised(before, 110 - now, beside=(before, now))
    assert [h.exact for h in found] == [True]
    _, alone = recognised(before, 110 - now)
    assert alone == []


DRIFT = {
    "as it was": lambda x, rng: x,
    "shifted": lambda x, rng: x + 20,
    "another unit": lambda x, rng: 2.54 * x,
    "a reversed sign": lambda x, rng: -x,
    "noise": lambda x, rng: x + rng.normal(0, 15, len(x)),
    "clipped": lambda x, rng: np.minimum(x, 25),
    "uniform": lambda x, rng: rng.uniform(0, 100, len(x)),
    "the other skew, otherwise": lambda x, rng: 100 * rng.beta(5, 2, len(x)),
    "ranks": lambda x, rng: np.argsort(np.argsort(x)).astype(float),
}


@pytest.mark.parametrize("how", DRIFT)
def test_what_is_no_turned_scale(how: str) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        _, found = recognised(skewed(rng), DRIFT[how](skewed(rng), rng))
        assert [h for h in found if h.exact] == []


def test_days_of_other_parts_of_a_month_are_not_turned() -> None:
    rng = np.random.default_rng(5)
    early = np.round(rng.triangular(1, 3, 31, 2_000))
    _, found = recognised(early, 32 - np.round(rng.triangular(1, 3, 31, 2_000)))
    assert [h for h in found if h.exact] == []


def test_a_season_that_turns_relations_is_no_turned_scale() -> None:
    """Heating becomes cooling: with warmer days more is used, where it was less."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        frames = []
        for mean in (5, 25):
            temp = rng.normal(mean, 5, 2_000)
            use = 2 * np.abs(temp - 15) + rng.normal(0, 2, 2_000)
            cost = 0.8 * use + rng.normal(0, 2, 2_000)
            labels = ["yes", "no"] * 1_000
            frames.append(pl.DataFrame({"temp": temp, "use": use, "cost": cost, "label": labels, "prediction": labels}))
        roles = {"label": "label", "prediction": "prediction", "features": ["temp", "use", "cost"]}
        case = worlds.case_of(Scenario(frames[0], frames[1], roles, None, ""))
        assert list(TurnedScale().recognise(case)) == []


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
def test_another_mix_of_two_modes_is_no_turned_scale(share: float) -> None:
    rng = np.random.default_rng(6)

    def load(high: float) -> np.ndarray:
        return np.where(rng.random(2_000) < high, rng.normal(80, 4, 2_000), rng.normal(20, 4, 2_000)).clip(0, 100)

    _, found = recognised(load(share), load(1 - share))
    assert [h for h in found if h.exact] == []
    before, now = load(share), load(1 - share)
    _, found = recognised(before, now, beside=(before, now))
    assert [h for h in found if h.exact] == []


def test_a_reversed_sign_beside_drift_is_left_to_the_sign() -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        _, found = recognised(rng.gamma(2, 10, 2_000) + 2, -(rng.gamma(2, 10, 2_000) + 10))
        assert [h for h in found if h.exact] == []


def test_one_far_value_hides_no_turned_scale() -> None:
    rng = np.random.default_rng(7)
    before = skewed(rng)
    before[5] = 9_999.0
    _, (found,) = recognised(before, 120 - skewed(rng))
    assert found.params["centre"] == pytest.approx(120, rel=0.02)
