"""Values that were changed by what they are, or that show by themselves what was done, wherever the world took them."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.jitter import jitter_deviation
from backslide.causes.faults.recognition import find_all_faults
from backslide.causes.faults.value_maps import find_value_map
from backslide.contracts.cause import CauseKind
from backslide.playbook.base import Scenario

ROLES = {"label": "label", "prediction": "said", "timestamp": "at"}


def case_of(before: dict[str, np.ndarray], now: dict[str, np.ndarray]):
    """Two windows with these features and a random outcome."""
    frames = []
    for start, columns in ((0, before), (30, now)):
        rows = len(next(iter(columns.values())))
        rng = np.random.default_rng(rows + start)
        day = start + np.sort(rng.random(rows)) * 30
        label = rng.choice(["yes", "no"], rows)
        frames.append(
            pl.DataFrame(
                {
                    "at": [datetime(2026, 1, 1) + timedelta(days=float(d)) for d in day],
                    "label": label,
                    "said": np.where(rng.random(rows) < 0.8, label, "no"),
                    **columns,
                }
            )
        )
    return worlds.case_of(Scenario(frames[0], frames[1], {**ROLES, "features": list(before)}))


def heights(seed: int, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Heights in steps, and a speed that goes with them."""
    rng = np.random.default_rng(seed)
    height = np.round(rng.gamma(1.2, 1200, rows) / 50) * 50
    return height, 80 + height / 60 + 15 * rng.normal(size=rows)


def degrees(seed: int, middle: float, spread: float, rows: int = 3000) -> np.ndarray:
    return np.round(middle + spread * np.random.default_rng(seed).normal(size=rows), 1)


def test_thousands_read_as_decimals_take_the_large_values_alone():
    (before, speed), (now, faster) = heights(1), heights(2)
    case = case_of(
        {"height": before, "speed": speed}, {"height": np.where(now >= 1000, now / 1000, now), "speed": faster}
    )
    found = find_value_map(case, case.pairs["height"])
    assert found is not None
    assert found.kind == CauseKind.UNIT_CHANGE
    large = now >= 1000
    assert (found.rows == large).mean() > 0.97
    back = found.signature.repair(case, found, case.current.sample)["height"].to_numpy()
    assert (np.abs(back - now) < 1e-6).mean() > 0.97


@pytest.mark.parametrize(("limit", "signed"), [(2048, True), (4096, False), (1024, True)])
def test_an_integer_that_overflows_begins_again_from_below(limit, signed):
    (before, speed), (now, faster) = heights(3), heights(4)
    wrapped = (now + limit) % (2 * limit) - limit if signed else now % limit
    case = case_of({"height": before, "speed": speed}, {"height": wrapped, "speed": faster})
    found = find_value_map(case, case.pairs["height"])
    assert found is not None
    assert found.seen.startswith(f"height begins again from {'below' if signed else 'zero'} where it reaches {limit:,}")
    assert "overflows" in found.seen
    hit = now >= limit
    assert (found.rows & hit).sum() > 0.5 * hit.sum()


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (degrees(5, 12, 5), degrees(6, 2, 6)),  # a winter, with frosts where there were none
        (degrees(5, 12, 5), degrees(6, -4, 5)),
        (degrees(7, 20, 5), degrees(8, 9, 3)),
        (heights(9)[0], np.sort(heights(10)[0])[:2000]),  # the low ones alone
        (heights(11)[0], np.minimum(heights(12)[0], 1000.0)),  # a limit
    ],
)
def test_a_season_a_filter_and_a_limit_are_no_overflow(before, now):
    case = case_of({"x": before}, {"x": now})
    assert find_value_map(case, case.pairs["x"]) is None


def test_a_hot_month_in_too_few_bits_is_told_from_the_opposite_sign():
    now = degrees(14, 18, 6)
    case = case_of({"x": degrees(13, 12, 4)}, {"x": (now + 16) % 32 - 16})
    (fault,) = [f for f in find_all_faults(case) if f.exact]
    assert fault.kind == CauseKind.UNIT_CHANGE
    assert "overflows" in fault.hypotheses[0].seen


def series(seed: int, level: float, rows: int = 3000) -> np.ndarray:
    """A temperature in tenths that follows the one before."""
    slow = np.cumsum(np.random.default_rng(seed).normal(0, 0.12, rows))
    return np.round(level + slow - np.linspace(0, slow[-1], rows) + 4 * np.sin(np.arange(rows) / 8), 1)


@pytest.mark.parametrize("sigma", [4.0, 0.0])
def test_a_series_that_jumps_about_is_noisy_in_any_season(sigma):
    now = series(16, 22.0) + sigma * np.random.default_rng(17).normal(size=3000)
    case = case_of({"x": series(15, 12.0)}, {"x": now})
    found = jitter_deviation(case, case.pairs["x"])
    assert (found is None) if sigma == 0 else found == pytest.approx(sigma, rel=0.25)
    faults = [f for f in find_all_faults(case) if f.exact]
    assert (CauseKind.ADDED_NOISE in {f.kind for f in faults}) == (sigma > 0)
    assert not any("100.0%" in h.seen for f in faults for h in f.hypotheses)


def test_a_finer_thermometer_and_values_of_other_rows_are_no_noise():
    finer = series(19, 22.0) + np.random.default_rng(20).uniform(-0.05, 0.05, 3000)
    case = case_of({"x": series(18, 12.0)}, {"x": finer})
    assert CauseKind.ADDED_NOISE not in {f.kind for f in find_all_faults(case)}
    others = np.random.default_rng(21).permutation(series(19, 22.0))
    case = case_of({"x": series(18, 12.0)}, {"x": others})
    assert CauseKind.ADDED_NOISE not in {f.kind for f in find_all_faults(case)}


def test_counts_with_noise_come_below_zero():
    rng = np.random.default_rng(22)
    before, now = np.round(rng.gamma(1.0, 90, 3000)), np.round(rng.gamma(1.4, 110, 3000))
    case = case_of({"lead": before}, {"lead": now + rng.laplace(0, 60, 3000)})
    found = jitter_deviation(case, case.pairs["lead"])
    assert found == pytest.approx(60 * np.sqrt(2), rel=0.5)
    case = case_of({"lead": before}, {"lead": now})
    assert jitter_deviation(case, case.pairs["lead"]) is None


@pytest.mark.parametrize(("factor", "certain"), [(0.2248, True), (0.5, False)])
def test_steps_that_nobody_records_in_tell_a_factor_in_any_season(factor, certain):
    rng = np.random.default_rng(23)
    before, now = np.round(rng.gamma(1.0, 60, 3000)), np.round(rng.gamma(1.7, 65, 3000))
    case = case_of({"lead": before}, {"lead": now * factor})
    found = {(f.kind, f.exact) for f in find_all_faults(case) if f.features == ("lead",)}
    assert ((CauseKind.UNIT_CHANGE, True) in found) == certain


def test_a_few_counts_are_no_powers_of_each_other():
    """More children travel in summer: 0 became 1 as e to the power of 0 is 1, and so it is on the rows of a family."""
    rng = np.random.default_rng(24)
    before, now = (
        rng.choice([0.0, 1, 2, 3], 3000, p=p) for p in ([0.93, 0.04, 0.025, 0.005], [0.82, 0.14, 0.035, 0.005])
    )
    case = case_of({"children": before}, {"children": now})
    assert not [f for f in find_all_faults(case) if "logarithm" in f.hypotheses[0].seen]


def test_bins_among_whole_numbers_are_no_seventh_of_them():
    """Some rows in bins of 57/7, the others whole: all are multiples of a seventh, but none was divided by seven."""
    rng = np.random.default_rng(25)
    before, now = np.round(rng.gamma(1.0, 12, 3000)), np.round(rng.gamma(1.0, 12, 3000))
    binned = np.round(np.minimum(now, 57) / (57 / 7)) * 57 / 7
    case = case_of({"delay": before}, {"delay": np.where(np.arange(3000) > 1700, binned, now)})
    assert CauseKind.UNIT_CHANGE not in {f.kind for f in find_all_faults(case)}
