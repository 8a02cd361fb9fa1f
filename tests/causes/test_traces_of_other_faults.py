"""What looks like a fault because another column is broken, and what a gap, a zero or a day hid before."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.new_atoms import new_atoms
from backslide.causes.faults.recognition import find_all_faults
from backslide.causes.faults.signatures.category_recode import _plain
from backslide.causes.faults.signatures.default_value import DefaultValue
from backslide.causes.pricing.materiality import Scale, _costs_what_was_lost
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.stats.change.effect import Effect
from backslide.stats.metrics.metric import METRICS

ROLES = {"label": "label", "prediction": "said", "timestamp": "at"}
Found = list[tuple[CauseKind, set[str], float]]


def table(seed: int, start: int, rows: int = 3000, **columns: object) -> pl.DataFrame:
    """Rows of thirty days with an outcome, and ``columns`` as features."""
    rng = np.random.default_rng(seed)
    day = start + np.sort(rng.random(rows)) * 30
    label = rng.choice(["yes", "no"], rows)
    return pl.DataFrame(
        {
            "at": [datetime(2026, 1, 1) + timedelta(days=float(d)) for d in day],
            "label": label,
            "said": np.where(rng.random(rows) < 0.8, label, "no"),
            **columns,
        }
    )


def faults_of(reference: pl.DataFrame, current: pl.DataFrame) -> Found:
    features = [c for c in reference.columns if c not in ROLES.values()]
    case = worlds.case_of(Scenario(reference, current, {**ROLES, "features": features}))
    return [(f.kind, set(f.features), float(f.rows.mean())) for f in find_all_faults(case) if f.exact]


def kinds(found: Found, column: str) -> set[CauseKind]:
    return {kind for kind, features, _ in found if column in features}


def noise(seed: int, rows: int = 3000) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=rows)


def counts(seed: int, rows: int = 3000) -> np.ndarray:
    """Zero on most rows, small counts on the others."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < 0.93, 0, rng.geometric(0.15, rows)).astype(float)


@pytest.mark.parametrize("factor", [100.0, 1.0])
def test_another_unit_of_a_column_that_is_mostly_zero(factor):
    reference = table(1, 0, visits=counts(2), x=noise(3))
    current = table(4, 30, visits=counts(5) * factor, x=noise(6))
    assert kinds(faults_of(reference, current), "visits") == ({CauseKind.UNIT_CHANGE} if factor > 1 else set())


def test_codes_renamed_on_some_rows_are_unseen_on_all_of_these_and_not_on_one_weekday():
    rng = np.random.default_rng(7)
    levels, shares = np.array(["full", "half", "none", "breakfast"]), [0.1, 0.2, 0.08, 0.62]
    weekday = [rng.integers(1, 8, 3000).astype(float) for _ in range(2)]
    meals = [rng.choice(levels, 3000, p=shares) for _ in range(2)]
    dates = np.where(meals[1] == "none", "2-Mar", np.where(meals[1] == "breakfast", "1-Mar", meals[1]))
    hit = rng.random(3000) < 0.4
    reference = table(8, 0, meal=meals[0], weekday=weekday[0], x=noise(9))
    current = table(10, 30, meal=np.where(hit, dates, meals[1]), weekday=weekday[1], x=noise(11))
    found = [(kind, rows) for kind, features, rows in faults_of(reference, current) if "meal" in features]
    assert [kind for kind, _ in found] == [CauseKind.UNSEEN_CATEGORY]
    assert found[0][1] == pytest.approx(0.28, abs=0.03)


def test_an_error_code_in_a_column_that_the_day_told():
    rng = np.random.default_rng(12)
    rate = np.round(100 + 20 * np.sin(np.arange(60) / 9) + rng.normal(0, 3, 60), 2)
    frames = [table(13, 0), table(14, 30)]
    days = [((f["at"] - datetime(2026, 1, 1)).dt.total_days()).to_numpy() for f in frames]
    reference, current = (
        f.with_columns(rate=rate[d], x=noise(15 + i)) for i, (f, d) in enumerate(zip(frames, days, strict=True))
    )
    assert faults_of(reference, current) == []
    broken = current.with_columns(
        rate=pl.when(pl.Series(rng.random(current.height) < 0.3)).then(-1.0).otherwise("rate")
    )
    assert kinds(faults_of(reference, broken), "rate") == {CauseKind.DEFAULT_VALUE}


def smooth(seed: int, rows: int = 3000) -> np.ndarray:
    """A series whose neighbours are alike: a day's course and a little noise."""
    return 5 + 2 * np.sin(np.arange(rows) * 2 * np.pi / 100) + 0.1 * noise(seed, rows)


def test_a_smooth_series_in_a_few_bins_is_rounded_and_does_not_repeat_the_row_before():
    current = smooth(17)
    bins = np.linspace(3.5, 6.5, 4)
    current[1500:] = bins[np.abs(current[1500:, None] - bins).argmin(1)]
    found = faults_of(table(18, 0, load=smooth(16), x=noise(19)), table(20, 30, load=current, x=noise(21)))
    assert kinds(found, "load") == {CauseKind.ROUNDED_VALUES}
    assert found[0][2] == pytest.approx(0.5, abs=0.05)


def test_values_that_stand_still_are_no_bins():
    held = np.repeat(smooth(22)[::300], 300)
    pair = Pair("load", ColumnKind.NUMERIC, pl.Series(smooth(23)), pl.Series(held))
    assert new_atoms(pair) is None


def test_a_scale_of_thirty_steps_that_keeps_four_lost_its_precision():
    rng = np.random.default_rng(24)
    winds = [5.0 * rng.integers(2, 32, 3000) for _ in range(2)]
    coarse = np.array([15.0, 60.0, 105.0, 150.0])[np.abs(winds[1][:, None] - [15, 60, 105, 150]).argmin(1)]
    found = faults_of(table(25, 0, wind=winds[0], x=noise(26)), table(27, 30, wind=coarse, x=noise(28)))
    assert kinds(found, "wind") == {CauseKind.ROUNDED_VALUES}


@pytest.mark.parametrize("filled", [0.9, 0.0])
def test_a_value_that_takes_the_place_of_missing_ones(filled):
    rng = np.random.default_rng(29)

    def effects(rows: int = 3000, filled: float = 0.0) -> list[str | None]:
        named = rng.choice(["stopped", "landed", "returned"], rows, p=[0.4, 0.35, 0.25])
        rare = np.where(rng.random(rows) < 0.91, None, named)
        return np.where(rng.random(rows) < filled, "landed", rare).tolist()

    later = effects(filled=filled)
    found = faults_of(table(30, 0, effect=effects(), x=noise(31)), table(32, 30, effect=later, x=noise(33)))
    assert kinds(found, "effect") == ({CauseKind.DEFAULT_VALUE} if filled else set())


def test_a_group_that_grows_while_its_witness_holds_the_values_of_another_month():
    """Where the one column that tells of the group holds last month's values, it speaks against the growth by itself."""

    def rows(seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        lead = rng.gamma(2.0, 20.0, 3000) * np.where(rng.random(3000) < share, 4, 1)
        meal = np.where(lead > 90, "half", np.where(rng.random(3000) < 0.6, "breakfast", "none"))
        return lead, meal

    (lead, meal), (_, grown) = rows(34, 0.1), rows(35, 0.5)
    found = faults_of(table(36, 0, lead=lead, meal=meal), table(37, 30, lead=lead, meal=grown))
    assert kinds(found, "lead") == {CauseKind.STALE_VALUES}
    assert kinds(found, "meal") == set()


def test_a_default_of_few_rows_leaves_its_column_as_a_witness_for_late_values():
    rng = np.random.default_rng(38)

    def rows() -> tuple[np.ndarray, np.ndarray]:
        wind = 60 + 25 * np.sin(np.arange(3000) / 6) + 6 * rng.normal(size=3000)
        return wind, np.array(["calm", "breeze", "storm"])[np.searchsorted([50, 75], wind)]

    (wind, status), (later, state) = rows(), rows()
    late = np.roll(later, 4)
    found = faults_of(table(39, 0, wind=wind, status=status), table(40, 30, wind=late, status=state))
    assert (CauseKind.STALE_VALUES, {"wind"}) in [(kind, features) for kind, features, _ in found]
    assert CauseKind.DEFAULT_VALUE not in kinds(found, "status")


def test_a_default_is_read_of_all_rows_where_many_have_no_value():
    before = pl.Series(["a"] * 40 + ["b"] * 40 + ["c"] * 20 + [None] * 900)
    after = pl.Series(["a"] * 520 + ["b"] * 20 + ["c"] * 10 + [None] * 450)
    pair = Pair("effect", ColumnKind.CATEGORICAL, before, after)
    reference, current = table(41, 0, 1000, effect=before), table(42, 30, 1000, effect=after)
    case = worlds.case_of(Scenario(reference, current, {**ROLES, "features": ["effect"]}))
    (found,) = DefaultValue().recognise_column(case, pair)
    assert found.params["rate"] == pytest.approx((0.52 - 0.04) / 0.96)


@pytest.mark.parametrize(("cost", "error", "may_be_it"), [(0.07, 0.005, True), (0.1, 0.02, True), (0.1, 0.003, False)])
def test_what_was_lost_is_compared_within_the_errors_of_both(cost, error, may_be_it):
    def effect(value: float, error: float) -> Effect:
        return Effect(value, value + error * np.random.default_rng(1).standard_normal(400))

    fault: Any = SimpleNamespace(injection_effect=effect(-cost, error))
    scale = Scale(METRICS["accuracy"], effect(-0.07, 0.012), 0.01)
    assert _costs_what_was_lost(fault, scale) == may_be_it


def test_two_columns_are_zero_together_though_one_of_them_often_is_by_nature():
    rng = np.random.default_rng(43)

    def flights() -> dict[str, np.ndarray]:
        on_ground = rng.random(3000) < 0.4
        height = np.where(on_ground, 0, np.round(rng.gamma(2, 900, 3000), -1))
        phase = np.where(on_ground & (rng.random(3000) < 0.9), "runway", "air")
        return {"height": height, "speed": np.round(rng.normal(160, 25, 3000)), "phase": phase}

    reference, now = table(44, 0, **flights()), flights()
    hit = rng.random(3000) < 0.45
    lost = {name: np.where(hit, 0, now[name]) for name in ("height", "speed")}
    found = [(kind, features) for kind, features, _ in faults_of(reference, table(46, 30, **(now | lost)))]
    assert (CauseKind.DEFAULT_VALUE, {"height", "speed"}) in found


def test_a_column_that_holds_one_value_a_day_has_no_new_names():
    """Rare values never come first in a day, so that none of them is seen any more."""
    rng = np.random.default_rng(48)
    shares = [0.35, 0.3, 0.25, 0.05, 0.05]
    before, now = (rng.choice(["a", "b", "c", "rare", "rarer"], 3000, p=shares) for _ in range(2))
    reference, current = table(49, 0, race=before, x=noise(50)), table(51, 30, race=now, x=noise(52))
    day = current["at"].dt.date()
    often = current.with_columns(day=day).filter(~pl.col("race").is_in(["rare", "rarer"]))
    held = dict(often.group_by("day").agg(pl.col("race").first()).iter_rows())
    stuck = current.with_columns(race=pl.Series([held[d] for d in day]))
    assert kinds(faults_of(reference, stuck), "race") == {CauseKind.FROZEN_FEATURE}


def test_a_campaign_that_grows_among_those_without_one_is_no_default():
    rng = np.random.default_rng(53)

    def codes(summer: float) -> list[str | None]:
        some = rng.choice(["gift", "friend", "winter"], 3000, p=[0.5, 0.3, 0.2])
        rest = np.where(rng.random(3000) < 0.6, None, some)
        return np.where((rest == None) & (rng.random(3000) < summer), "summer", rest).tolist()  # noqa: E711

    reference, current = table(54, 0, promo=codes(0.1), x=noise(55)), table(56, 30, promo=codes(0.5), x=noise(57))
    assert kinds(faults_of(reference, current), "promo") == set()


def test_letters_of_full_width_are_the_same_letters_whatever_became_of_their_shares():
    rng = np.random.default_rng(58)
    before, now = (
        rng.choice(["DM", "RM", "DO", "pp"], 3000, p=p) for p in ([0.4, 0.3, 0.2, 0.1], [0.1, 0.1, 0.3, 0.5])
    )
    wide = ["".join(chr(ord(c) + 0xFEE0) for c in level) for level in now]
    assert {_plain(level) for level in wide} == {_plain(level) for level in now}
    found = faults_of(table(59, 0, species=before, x=noise(60)), table(61, 30, species=wide, x=noise(62)))
    assert kinds(found, "species") == {CauseKind.CATEGORY_RECODE}
