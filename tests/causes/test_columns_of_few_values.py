"""Columns of few values: spelled otherwise in part, recoded by a formula or a shuffle, mapped onto other values on some rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

import tables
import worlds
from backslide.case import Case
from backslide.causes.columns.conversions import CONVERSIONS
from backslide.causes.columns.monotone_transforms import find_curve, find_offset
from backslide.causes.columns.resolution import levels_of, on_levels, same_levels
from backslide.causes.faults.base import Fault
from backslide.causes.faults.recognition import find_faults
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.stats.arrays import Floats


def case(current: Callable[[pl.DataFrame], pl.DataFrame], seed: int = 0, rows: int = 3000) -> tuple[Case, pl.DataFrame]:
    first, second = tables.months(seed, rows)
    return worlds.case_of(tables.scenario(first, current(second))), second


def exact(found: list[Fault]) -> list[tuple[CauseKind, tuple[str, ...]]]:
    return [(f.kind, f.features) for f in found if f.exact]


def pair_of(before: Floats, after: Floats) -> Pair:
    return Pair("x", ColumnKind.NUMERIC, pl.Series("x", before), pl.Series("x", after))


# --- respelled in part -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_values_spelled_otherwise_take_the_renamed_ones_with_them(seed):
    """Two cities in capitals and two under other names: one recoding of the column."""
    names = {"north": "NORTH", "south": "South ", "east": "Levante", "west": "Poniente"}
    made, sound = case(lambda f: f.with_columns(pl.col("city").replace(names)), seed)
    found = find_faults(made)
    assert exact(found) == [(CauseKind.CATEGORY_RECODE, ("city",))]
    assert found[0].repair(made, made.current.sample)["city"].equals(sound["city"])


def test_a_new_value_that_is_none_of_the_lost_ones_is_left_as_it_is():
    """Nothing vanished beside the value respelled, so the unseen one is new and no other spelling."""

    def grown(frame: pl.DataFrame) -> pl.DataFrame:
        new = pl.Series(tables.at_random(frame, 0.06))
        named = pl.col("city").replace({"north": "NORTH"})
        return frame.with_columns(city=pl.when(new).then(pl.lit("moon")).otherwise(named))

    made, sound = case(grown)
    (fault,) = [f for f in find_faults(made) if f.kind == CauseKind.CATEGORY_RECODE]
    repaired = fault.repair(made, made.current.sample)["city"]
    assert set(repaired.unique()) == {"moon", *sound["city"].unique()}


# --- numbers that are codes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda v: v * 2.5, CauseKind.UNIT_CHANGE),
        (lambda v: v - 250, CauseKind.UNIT_CHANGE),
        (np.log, CauseKind.UNIT_CHANGE),
        (np.sqrt, CauseKind.UNIT_CHANGE),
        (np.negative, CauseKind.SIGN_FLIP),
    ],
    ids=["factor", "offset", "logarithm", "root", "sign"],
)
def test_a_formula_of_few_values_is_no_recoding(change, kind):
    made, sound = case(lambda f: tables.put(f, "grade", change(f["grade"].to_numpy().astype(float))))
    found = find_faults(made)
    assert exact(found) == [(kind, ("grade",))]
    assert np.allclose(found[0].repair(made, made.current.sample)["grade"], sound["grade"])


def test_a_shuffle_of_many_codes_is_a_recoding():
    """Grades numbered in another order: each stands where another stood, and keeps its company."""
    old = tables.GRADES
    new = old[[3, 7, 0, 9, 1, 8, 2, 5, 4, 6]]
    made, sound = case(
        lambda f: f.with_columns(pl.col("grade").replace_strict(dict(zip(old.tolist(), new.tolist(), strict=True))))
    )
    found = find_faults(made)
    assert exact(found) == [(CauseKind.CATEGORY_RECODE, ("grade",))]
    assert (found[0].repair(made, made.current.sample)["grade"] == sound["grade"]).mean() > 0.95


def test_two_codes_that_change_places_need_a_price():
    made, _ = case(lambda f: f.with_columns(pl.col("grade").replace({300: 850, 850: 300})))
    assert exact(find_faults(made)) == []


# --- the very values -----------------------------------------------------------------------------------------------------


def drawn(seed: int, levels: list[float], rows: int = 1000) -> Floats:
    return np.sort(np.random.default_rng(seed).choice(levels, rows))


ODD = [0.7, 1.3, 2.9, 4.1, 7.7, 9.2]


def test_levels_are_known_where_values_come_again():
    assert levels_of(drawn(0, ODD)).tolist() == ODD
    assert levels_of(np.sort(np.random.default_rng(0).normal(size=1000))) is None
    assert levels_of(drawn(0, [0.0, 1.0])) is None, "two values fit anything"


def test_equal_values_are_equal_but_for_the_last_digits():
    levels = np.array([0.7, 1300.0])
    values = np.array([0.7, 0.7 * (1 + 1e-9), 0.71, 1300.0001, 1301, -0.7, np.nan])
    assert on_levels(values, levels).tolist() == [True, True, False, True, False, False, False]


def test_the_same_levels_are_taken_back_and_were_not_there_before():
    g, b = drawn(0, ODD), drawn(1, ODD)
    assert same_levels(lambda v: v / 2.5, g, b * 2.5)
    assert not same_levels(lambda v: v / 2.4, g, b * 2.5)
    assert not same_levels(lambda v: v, g, b), "nothing moved"
    whole = drawn(0, list(range(1, 30)))
    assert not same_levels(lambda v: v - 1, whole, whole + 1), "whole numbers are whole numbers a step further"


@pytest.mark.parametrize("key", ["log", "log1p", "log10", "log2", "sqrt", "square", "exp", "expm1", "exp10"])
def test_every_curve_is_told_by_the_values_it_leaves(key):
    from backslide.causes.columns.monotone_transforms import MonotoneMap

    after = np.sort(MonotoneMap(key).apply(drawn(1, ODD)))
    found = find_curve(pair_of(drawn(0, ODD), after))
    assert found is not None
    assert found.key == key


def test_an_offset_is_told_by_the_values_it_leaves():
    found = find_offset(pair_of(drawn(0, ODD), drawn(1, ODD) + 12.5))
    assert found.exact
    assert found.by == pytest.approx(12.5)


@pytest.mark.parametrize("seed", range(30))
def test_other_shares_of_the_same_values_are_neither_curve_nor_offset(seed):
    rng = np.random.default_rng(seed)
    levels = np.round(rng.lognormal(1, 1, int(rng.integers(3, 19))), 2)
    before, after = (np.sort(rng.choice(levels, 2000, p=rng.dirichlet(np.ones(len(levels))))) for _ in range(2))
    pair = pair_of(before, after)
    assert find_curve(pair) is None
    found = find_offset(pair)
    assert found is None or not found.exact


# --- on some rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("undone", "words"),
    [(lambda v: v * 1.21, "1.21 times"), (lambda v: v + 37.35, "more by 37.35")],
    ids=["no known unit", "offset"],
)
def test_a_map_of_few_values_on_unmarked_rows(undone, words):
    rows = tables.at_random(tables.months(0)[1], 0.4)
    made, sound = case(lambda f: tables.put(f, "price", undone(f["price"].to_numpy()), rows))
    found = find_faults(made)
    assert exact(found) == [(CauseKind.UNIT_CHANGE, ("price",))]
    assert words in found[0].hypotheses[0].seen
    assert (found[0].rows == rows).all(), "values that were never there are the ones mapped"
    assert np.allclose(found[0].repair(made, made.current.sample)["price"], sound["price"])


def test_a_map_of_few_values_on_a_host():
    _, current = tables.months(0)
    made, sound = case(lambda f: tables.put(f, "price", f["price"].to_numpy() * 1.21, tables.on(current, "b")))
    found = find_faults(made)
    assert [(f.kind, f.features, f.segment) for f in found] == [(CauseKind.UNIT_CHANGE, ("price",), "host = 'b'")]
    assert np.allclose(found[0].repair(made, made.current.sample)["price"], sound["price"])


def test_new_prices_of_some_goods_are_no_change_of_unit():
    """Three of eight prices are raised, each by its own factor."""
    new = {9.99: 11.49, 24.0: 25.5, 79.5: 89.0}
    made, _ = case(lambda f: f.with_columns(pl.col("price").replace(new)))
    assert [f for f in exact(find_faults(made)) if f[0] == CauseKind.UNIT_CHANGE] == []


# --- degrees -----------------------------------------------------------------------------------------------------------------


def degrees(words: str, size: float, part: float = 1.0) -> list[tuple[CauseKind, bool]]:
    """What is found where a column of this spread is converted so on a part of the rows."""
    (conversion,) = [c for c in CONVERSIONS if c.words == words]
    rng = np.random.default_rng(77)  # not the seed of the table: the column is to be unrelated to the others
    first, second = (tables.put(f, "hour", size * (2 + rng.normal(0, 1, f.height))) for f in tables.months(9))
    moved = conversion.apply(second["hour"].to_numpy())
    current = tables.put(second, "hour", moved, tables.at_random(second, part))
    found = find_faults(worlds.case_of(tables.scenario(first, current)))
    return [(f.kind, f.exact) for f in found if f.features == ("hour",)]


@pytest.mark.sample(2)
@pytest.mark.parametrize("part", [1.0, 0.4])
@pytest.mark.parametrize("words", ["converted from Celsius to Kelvin", "converted from Celsius to Fahrenheit"])
def test_degrees_on_another_scale_are_certain(words, part):
    assert degrees(words, 8.0, part) == [(CauseKind.UNIT_CHANGE, True)]


@pytest.mark.sample(2)
@pytest.mark.parametrize("part", [1.0, 0.4])
@pytest.mark.parametrize("size", [300.0, 600.0, 1200.0])
def test_a_mean_that_drifts_by_as_much_is_not(size, part):
    """Any column that is wide beside 273 may have moved by that."""
    assert all(not exact for _, exact in degrees("converted from Celsius to Kelvin", size, part))


# --- what the calendar does ----------------------------------------------------------------------------------------------------


def test_months_that_moved_on_are_no_change_of_unit():
    found = find_offset(pair_of(drawn(0, [1, 2, 3, 4]), drawn(1, [5, 6, 7, 8])))
    assert found is None or not found.exact


def test_half_a_step_is():
    found = find_offset(pair_of(drawn(0, [1, 2, 3, 4]), drawn(1, [1.5, 2.5, 3.5, 4.5])))
    assert found is not None
    assert found.exact


@pytest.mark.parametrize("slow", [True, False])
def test_a_value_that_keeps_for_long_is_not_frozen_and_one_that_changed_from_row_to_row_is(slow):
    """Seasons without a column that tells the time: the order of the rows shows how long each lasts."""

    def seasons(f: pl.DataFrame) -> pl.DataFrame:
        values = np.repeat([1, 2], [f.height // 3, f.height - f.height // 3])
        return tables.put(f, "hour", values if slow else np.random.default_rng(3).permutation(values))

    first, second = (f.drop("time", strict=False) for f in tables.months(9))
    made = worlds.case_of(tables.scenario(seasons(first), tables.put(second, "hour", np.full(second.height, 2))))
    told = [f.kind for f in find_faults(made) if f.features == ("hour",) and f.exact]
    assert told == ([] if slow else [CauseKind.FROZEN_FEATURE])


def test_a_table_sorted_by_the_column_hides_nothing_where_times_are_logged():
    """Rows of an export come in any order; how long a value keeps is told by their times."""
    first, second = tables.months(9)
    made = tables.scenario(first.sort("plan"), tables.put(second, "plan", ["gold"] * second.height))
    told = [f.kind for f in find_faults(worlds.case_of(made)) if f.features == ("plan",) and f.exact]
    assert told == [CauseKind.FROZEN_FEATURE]


def test_values_brought_back_from_elsewhere_but_distributed_otherwise_need_a_price():
    rng = np.random.default_rng(78)
    first, second = tables.months(9)
    first = tables.put(first, "hour", rng.random(first.height))
    moved = (rng.beta(2, 1, second.height) - 32) / 1.8
    found = find_faults(worlds.case_of(tables.scenario(first, tables.put(second, "hour", moved))))
    assert [(f.kind, f.exact) for f in found if f.features == ("hour",)] == [(CauseKind.UNIT_CHANGE, False)]


def test_every_second_whole_number_gone_is_rounding_and_no_limit():
    first, second = tables.months(9)
    rng = np.random.default_rng(79)
    first = tables.put(first, "hour", rng.integers(0, 24, first.height))
    found = find_faults(
        worlds.case_of(tables.scenario(first, tables.put(second, "hour", rng.integers(0, 24, second.height) // 2 * 2)))
    )
    assert [(f.kind, f.exact) for f in found if f.features == ("hour",)] == [(CauseKind.ROUNDED_VALUES, True)]


def shares_of(rng: np.random.Generator, a: float, b: float, rows: int) -> np.ndarray:
    """Transfers in steps of 1/1140, written with six decimals."""
    return np.round(np.round(rng.beta(a, b, rows) * 1140) / 1140, 6)


def curve_of(ref: np.ndarray, cur: np.ndarray) -> str | None:
    found = find_curve(pair_of(ref, cur))
    return None if found is None else found.key if found.exact else f"perhaps {found.key}"


@pytest.mark.parametrize("seed", range(3))
def test_values_that_came_before_are_on_no_curve_though_higher_ones_come_more_often(seed):
    """Roots of a beta variable are nearly beta distributed: their shape tells nothing, their digits do."""
    rng = np.random.default_rng(seed)
    ref, higher = shares_of(rng, 2, 3, 5000), np.sqrt(rng.beta(2, 3, 400))
    season = np.round(np.round(higher * 1140) / 1140, 6)
    assert curve_of(ref, season) is None
    assert curve_of(ref, higher) == "sqrt"
    assert curve_of(ref, np.round(higher, 6)) == "perhaps sqrt"


def test_a_curve_that_a_season_may_take_values_along_has_to_prove_itself_by_its_price():
    """Few roots of shares, written with as many digits, look like higher shares; roots of large numbers lie elsewhere."""
    rng = np.random.default_rng(4)
    ref, root = np.round(rng.beta(2, 3, 5000), 2), np.sqrt(np.round(rng.beta(2, 3, 240), 2))
    assert curve_of(ref, np.round(root, 2)) == "perhaps sqrt"
    assert curve_of(ref, root) == "sqrt"
    assert curve_of(rng.beta(2, 3, 5000), np.sqrt(rng.beta(2, 3, 240))) == "perhaps sqrt"
    assert curve_of(rng.beta(2, 3, 5000), np.sqrt(rng.beta(2, 3, 5000))) == "sqrt"
    visits = [rng.negative_binomial(0.5, 0.1, rows).astype(float) for rows in (5000, 1000)]
    assert curve_of(visits[0], np.log1p(visits[1])) == "log1p", "a third of them are zeros, as they were"
    assert curve_of(rng.normal(3000, 300, 5000), np.sqrt(rng.normal(3000, 300, 400))) == "sqrt"


# --- an offset of many values ---------------------------------------------------------------------------------------------------


def balances(rng: np.random.Generator, scale: float = 900) -> np.ndarray:
    """Whole numbers, one of fourteen of them zero."""
    return np.where(rng.random(3_000) < 0.07, 0, np.round(rng.lognormal(0, 1.2, 3_000) * scale))


@pytest.mark.parametrize("drift", [1.0, 0.9, 0.8])
def test_values_between_the_steps_of_the_reference_were_offset(drift):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found = find_offset(pair_of(balances(rng), balances(rng, 900 * drift) + 3_454.523))
        assert found is not None
        assert found.exact
        assert found.by == pytest.approx(3_454.523, abs=1e-6)


def test_values_of_finer_steps_or_between_them_for_other_reasons_were_not():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        pairs = [(balances(rng), after) for after in (balances(rng, 1_500), balances(rng) + rng.random(3_000))]
        pairs += [(balances(rng), after) for after in (balances(rng) / 2 + 700, balances(rng) + 700)]
        ages = np.round(rng.normal(50, 12, 3_000))
        pairs += [(balances(rng), balances(rng) + 0.99), (1e3 * ages, np.round(rng.normal(6e4, 1e4, 3_000)) + 0.523)]
        for before, after in pairs:
            found = find_offset(pair_of(before, after))
            assert found is None or not found.exact
