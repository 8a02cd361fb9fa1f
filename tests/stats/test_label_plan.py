"""Sizes of draws: few labels for a chance to decide, and an end where they would hardly decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backslide.stats.change.label_design import FEWEST, RowExpectation, design_error
from backslide.stats.change.label_plan import GROWTH, DrawPlanner
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change, change_of
from backslide.stats.metrics.metric import METRICS

ACCURACY, FLOOR, SPREAD, ROWS = METRICS["accuracy"], 0.01, 0.4, 6000
IDEAL = Change(0.8, 0.8, 0.0, 0.004, 1e6, "row", -0.008, 0.008, 0.5, 0.0)


def planner(rows=ROWS, ideal=IDEAL, spread=SPREAD):
    return DrawPlanner(RowExpectation(np.full((rows, 1), 0.8), np.full(rows, spread), SPREAD), ACCURACY, ideal, FLOOR)


def shown(one, harm, rows):
    """A change that a draw of so many rows may show."""
    error = float(np.hypot(one.ideal.se, design_error(one.expectation, rows)))
    return change_of(one.ideal, ACCURACY, 0.8 - harm, error, 1e6)


def test_the_first_draw_is_to_show_a_large_change_and_none_is_asked_for_where_days_hide_it():
    first = planner().first()
    assert first is not None
    assert FEWEST <= first.rows < 400
    assert first.error == pytest.approx(design_error(planner().expectation, first.rows))
    assert planner(ideal=replace(IDEAL, se=0.05)).first() is None


@pytest.mark.parametrize("harm", [0.0, 0.02, 0.04, 0.07])
def test_draws_grow_until_they_decide_and_the_clearer_the_change_the_fewer_labels(harm):
    one = planner(40_000, replace(IDEAL, se=0.003))
    rows = [one.first().rows]
    while (wanted := one.further(shown(one, harm, rows[-1]), rows[-1])) is not None and len(rows) < 30:
        assert wanted.rows >= GROWTH * rows[-1]
        assert wanted.rows <= 40_000
        rows.append(wanted.rows)
        change = one.over_looks(shown(one, harm, rows[-1]))
        if change.p_worse < one.alpha or -change.low < FLOOR:
            break
    assert change.p_worse < one.alpha if harm > FLOOR else -change.low < FLOOR
    assert rows[-1] < {0.0: 30_000, 0.02: 9000, 0.04: 1800, 0.07: 700}[harm]


def test_no_more_labels_are_asked_for_where_they_would_hardly_decide():
    one = planner(ideal=replace(IDEAL, se=0.012))
    assert one.further(shown(one, 0.08, 200), 200) is not None
    assert one.further(shown(one, 0.02, 2000), 2000) is None, "between what matters and what luck can be"
    assert one.further(shown(one, 0.08, 5000), 5000) is None, "there are no more rows"


def test_rows_of_which_none_is_in_doubt_are_planned_for_as_well():
    one = planner(spread=0.0)
    assert one.first().rows == FEWEST
    assert one.further(shown(one, 0.03, FEWEST), FEWEST) is None or one.alpha > VERDICT_ALPHA / 2


def test_the_interval_holds_over_all_looks():
    one = planner()
    change = shown(one, 0.02, 300)
    wide = one.over_looks(change)
    assert wide.low < change.low
    assert wide.high > change.high
    assert (wide.estimate, wide.p_worse, wide.se) == (change.estimate, change.p_worse, change.se)
    assert VERDICT_ALPHA / 20 < one.alpha < VERDICT_ALPHA
    assert one.alpha < one.held_alpha < 0.025


@pytest.mark.sample(1)
def test_pairs_that_differ_by_luck_alone_are_called_worse_as_rarely_as_promised():
    rng, one, luck, called, unsaid = np.random.default_rng(0), planner(), 0.4 * np.sqrt(2 / ROWS), 0, 0
    one = planner(ideal=replace(IDEAL, se=luck))
    pairs = 200
    for _ in range(pairs):
        surprise = rng.normal(0, SPREAD, ROWS)
        surprise += rng.normal(0, luck) - surprise.mean()
        wanted, held = one.first(), False
        while wanted is not None and not held:
            few = surprise[: wanted.rows]
            error = few.std(ddof=1) * np.sqrt((1 - len(few) / ROWS) / len(few))
            se = float(np.hypot(luck, error))
            change = one.over_looks(change_of(one.ideal, ACCURACY, 0.8 + float(few.mean()), se, len(few) - 1))
            called += change.p_worse < one.alpha and -change.estimate >= FLOOR
            held = -change.low < FLOOR
            wanted = one.further(change, wanted.rows)
        unsaid += not (change.low <= 0 <= change.high)
    assert called <= 5, "0.5 % of them"
    assert unsaid <= 0.08 * pairs, "5 % of them"
