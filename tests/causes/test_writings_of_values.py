"""What is read from a writing and written back is the same; damage of texts that can be undone is undone exactly."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import worlds
from backslide.causes.columns.formats import DateText, NumberText, TruthText, Writing, writings
from backslide.causes.columns.monotone_transforms import find_offset
from backslide.causes.columns.resolution import Rounding, step_of
from backslide.causes.columns.text_corruption import (
    CODECS,
    Boilerplate,
    EntityEncoding,
    EscapeEncoding,
    WrongEncoding,
    common_end,
)
from backslide.causes.columns.time_of_day import turn_of
from backslide.causes.faults.recognition import find_faults
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

NUMBERS = [
    NumberText(),
    NumberText(decimal=","),
    NumberText(thousands=",", suffix=" kg"),
    NumberText("$", "", ".", ","),
]


@pytest.mark.sample(2)
@pytest.mark.parametrize("writing", NUMBERS, ids=lambda w: w.words)
@given(st.lists(st.floats(-1e9, 1e9, allow_subnormal=False), min_size=1, max_size=8))
def test_numbers_come_back_to_the_last_bit(writing: Writing, values: list[float]):
    written = writing.write(pl.Series("x", values))
    assert [math.isclose(a, b, rel_tol=1e-15) for a, b in zip(writing.read(written), values, strict=True)]
    assert writing.read(written).to_list() == pytest.approx(values, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1,234.5", "2,000", "12"] * 20, NumberText(thousands=",")),
        (["12 kg", "3.5 kg"] * 20, NumberText(suffix=" kg")),
        (["0012", "0345"] * 20, NumberText(width=4)),
        (["Yes", "No"] * 20, TruthText("Yes", "No")),
        (["31.12.2025", "01.02.2024"] * 20, DateText("%d.%m.%Y")),
    ],
)
def test_a_writing_is_told_from_its_texts(texts, expected):
    assert writings(pl.Series("x", texts))[0] == expected


@pytest.mark.parametrize("texts", [["north", "south"], ["A1", "west"], ["12 kg of flour", "some"], [""], [None]])
def test_plain_words_have_no_writing(texts):
    assert writings(pl.Series("x", texts * 30, dtype=pl.String)) == []


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "damage",
    [*(WrongEncoding(c) for c in CODECS), EntityEncoding(), EscapeEncoding(), Boilerplate("[EXT] ", " --")],
    ids=str,
)
@given(st.text(max_size=60))
def test_what_can_be_undone_is_undone_exactly(damage, text):
    assert damage.undo(damage.do(text)) == text


def test_a_common_end_stops_at_a_word():
    assert (
        common_end([f"Dear customer, {name} wrote" for name in ("Tom", "Tim", "Tina", "Ted")] * 10, 0.9)
        == "Dear customer, "
    )
    assert common_end(["one", "two"] * 10, 0.9) == ""


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    st.sampled_from([0.01, 0.1, 1.0, 25.0]),
    st.sampled_from(["nearest", "down", "up"]),
)
def test_rounding_twice_is_rounding_once(values, step, how):
    grid = Rounding("", step=step, how=how)
    once = grid.round(np.array(values))
    assert np.allclose(grid.round(once), once, rtol=1e-12, atol=1e-12)
    assert float(np.abs(once - np.array(values)).max()) <= step * (1 + 1e-6)


def test_the_coarsest_step_is_found():
    assert step_of(np.sort(np.random.default_rng(0).integers(1, 90, 500) * 25.0)) == 25.0
    assert step_of(np.sort(np.random.default_rng(0).random(500))) is None


def pair(before: np.ndarray, after: np.ndarray) -> Pair:
    return Pair("x", ColumnKind.NUMERIC, pl.Series("x", before), pl.Series("x", after))


def test_an_offset_needs_the_steps_to_move_or_a_price():
    rng = np.random.default_rng(1)
    whole = [np.round(rng.normal(100, 15, 3000)) for _ in range(2)]
    assert find_offset(pair(whole[0], whole[1] + 20.37)).exact
    assert not find_offset(pair(whole[0], whole[1] + 20)).exact
    assert find_offset(pair(whole[0], whole[1])) is None


def clock_case(shift: int, rng: np.random.Generator, zone: int = 0):
    frames = []
    for k, off in enumerate((zone, zone + shift)):
        frame = scenarios.rescored(scenarios.served(rng, start=datetime(2026, 3, 2) + timedelta(days=28 * k)))
        frames.append(frame.with_columns(hour=(pl.col("served_at").dt.hour().cast(pl.Int64) + off) % 24))
    return worlds.case_of(Scenario(*frames, dict(scenarios.ROLES)))


@pytest.mark.parametrize(("shift", "exact"), [(2, True), (-7, True), (1, False)])
def test_another_time_zone_is_read_off_the_clock_of_the_rows(shift, exact):
    """Rows come evenly around the clock, so that the hours' distribution tells nothing."""
    case = clock_case(shift, np.random.default_rng(5), zone=3)
    turn = turn_of(case, case.pairs["hour"])
    assert (turn.by, turn.exact) == (shift, exact)
    hours = case.pairs["hour"].numbers[0]
    assert np.array_equal(turn.undo(turn.apply(hours)), hours)


def test_no_shift_is_no_time_zone():
    case = clock_case(0, np.random.default_rng(6), zone=3)
    assert turn_of(case, case.pairs["hour"]) is None


@pytest.mark.parametrize("explicit", [True, False])
def test_a_lost_column_is_named_and_a_renamed_one_taken_back(explicit):
    rng = np.random.default_rng(8)
    reference, current = worlds.two_months(rng)
    roles = worlds.BARE if explicit else dict(scenarios.ROLES)
    for change, mechanism in (
        (lambda f: f.drop("income"), None),
        (lambda f: f.rename({"income": "earnings"}), "earnings"),
    ):
        case = worlds.case_of(Scenario(reference, change(current), roles))
        (fault,) = find_faults(case)
        assert (str(fault.kind), fault.features) == ("schema_change", ("income",))
        restored = fault.repair(case, case.current.sample)["income"]
        assert restored.null_count() == 0
        if mechanism is not None:
            assert restored.to_list() == current["income"].to_list()


def codes(rng, months):
    """Whole numbers as text, on which the outcome depends."""
    return [
        f.with_columns(pl.Series("code", rng.choice(["1", "2", "3", "7"], f.height, p=[0.4, 0.3, 0.2, 0.1])))
        for f in months
    ]


@pytest.mark.parametrize("spell", [lambda v: f"0{v}", lambda v: f"{v}.0", lambda v: f"code_{v}"])
def test_codes_written_otherwise_are_renamed_categories(spell):
    rng = np.random.default_rng(5)
    before, after = codes(rng, (scenarios.served(rng), scenarios.next_month(rng)))
    after = after.with_columns(pl.Series("code", [spell(v) for v in after["code"]]))
    found = find_faults(worlds.case_of(Scenario(before, after, dict(scenarios.ROLES), scenarios.TrueModel())))
    assert [h.kind for fault in found for h in fault.hypotheses if "code" in h.features] == [CauseKind.CATEGORY_RECODE]


def test_many_numbers_written_otherwise_are_another_format():
    rng = np.random.default_rng(5)
    before, after = scenarios.served(rng), scenarios.next_month(rng)
    before = before.with_columns(pl.Series("paid", [f"{v:.2f}" for v in rng.lognormal(8, 1, before.height)]))
    after = after.with_columns(pl.Series("paid", [f"{v:,.2f}" for v in rng.lognormal(8, 1, after.height)]))
    found = find_faults(worlds.case_of(Scenario(before, after, dict(scenarios.ROLES), scenarios.TrueModel())))
    assert [h.kind for fault in found for h in fault.hypotheses if "paid" in h.features] == [CauseKind.SCHEMA_CHANGE]
