"""The search for segments: finds what changed, stays quiet when nothing did, and its intervals do not flatter."""

from dataclasses import dataclass

import numpy as np
import pytest

from backslide.stats.drift.slice_search import (
    LabelledRows,
    detectable_excess,
    find_slices,
    halves,
    inside_of,
    own_slices,
)

ALPHA = 0.01


@dataclass(frozen=True)
class ConditionCodes:
    codes: np.ndarray
    groups: int
    ranges: tuple[tuple[int, int], ...]

    def holds(self, index):
        low, high = self.ranges[index]
        return (self.codes >= low) & (self.codes <= high)


def levels(rng, rows, shares):
    codes = rng.choice(len(shares), rows, p=shares).astype(np.int16)
    return ConditionCodes(codes, len(shares) + 1, tuple((i, i) for i in range(len(shares))))


def world(seed, rows=800, rise=0.0, pair=False, days=0, luck=0.0):
    """Six columns over both windows; in the current one, errors rise where column 0 is 1 (and column 1 is 0)."""
    rng = np.random.default_rng(seed)
    columns = [levels(rng, 2 * rows, [0.6, 0.2, 0.2]) for _ in range(6)]
    current = np.repeat([False, True], rows)
    hit = current & (columns[0].codes == 1) & ((columns[1].codes == 0) | (not pair))
    day = np.repeat([0, days], rows) + np.tile(np.arange(rows) * max(days, 1) // rows, 2) + 1000
    common, own = rng.normal(0, luck, 2 * max(days, 1)), rng.normal(0, luck, (3, 2 * max(days, 1)))
    shift = common[day - 1000] + own[columns[0].codes, day - 1000]
    loss = (rng.random(2 * rows) < np.clip(0.15 + rise * hit + shift, 0, 1)).astype(float)
    known = day if days else None
    split = [halves(None if known is None else day[part], rng, rows) for part in (slice(rows), slice(rows, None))]
    return columns, LabelledRows(current, loss, known, np.concatenate(split))


def search(seed, **options):
    columns, rows = world(seed, **options)
    return columns, rows, find_slices(columns, rows, [rows.loss], (2,))


def test_at_most_one_in_a_hundred_quiet_runs_reports_any():
    runs = 150
    alarms = sum(bool(found and found[0].p_value < ALPHA) for _, _, found in (search(s) for s in range(runs)))
    assert alarms <= 5, "more than 5 of 150 has a probability of 0.4 % at a rate of 1 %"


@pytest.mark.slow
def test_days_with_luck_of_their_own_are_no_segment():
    runs = 20
    alarms = sum(
        bool(found and found[0].p_value < ALPHA)
        for _, _, found in (search(s, rows=1500, days=28, luck=0.05) for s in range(runs))
    )
    assert alarms <= 2, "more than 2 of 20 has a probability of 0.1 % at a rate of 1 %"


@pytest.mark.parametrize("pair", [False, True])
def test_what_changed_is_found_and_named_exactly(pair):
    exact = 0
    for seed in range(10):
        columns, rows, found = search(seed, rows=3000, rise=0.3, pair=pair)
        kept = own_slices(columns, rows, [one for one in found if one.p_value < ALPHA], 0.02)
        wanted = ((0, 1), (1, 0)) if pair else ((0, 1),)
        exact += [one.conditions for one in kept] == [wanted]
    assert exact >= 8


def test_intervals_of_what_was_found_cover_the_truth():
    """A search that tested on what it had searched would flatter itself by half a standard error or more."""
    covered, above, told = 0, 0, 0
    for seed in range(100):
        _, _, found = search(1000 + seed, rows=900, rise=0.12)
        for one in found:
            if one.conditions == ((0, 1),) and one.confirmed == 1:
                told += 1
                covered += one.change.low <= 0.12 <= one.change.high
                above += one.change.estimate > 0.12
    assert told > 25
    assert covered / told > 0.95 - 4 * np.sqrt(0.05 * 0.95 / told)
    assert abs(above / told - 0.5) < 4 * np.sqrt(0.25 / told)


def test_a_slice_that_was_always_hard_is_no_news():
    columns, rows = world(7, rows=3000)
    hard = columns[2].codes == 1
    loss = np.where(hard, (np.random.default_rng(0).random(len(hard)) < 0.6).astype(float), rows.loss)
    found = find_slices(columns, LabelledRows(rows.current, loss, None, rows.half), [loss], (2,))
    assert all(one.p_value > ALPHA for one in found)


def test_a_drop_everywhere_has_no_slice():
    columns, rows = world(8, rows=3000)
    loss = np.where(
        rows.current, np.maximum(rows.loss, np.random.default_rng(1).random(len(rows.loss)) < 0.2), rows.loss
    )
    found = find_slices(columns, LabelledRows(rows.current, loss, None, rows.half), [loss], (2,))
    assert all(one.p_value > ALPHA for one in found)


def test_an_echo_of_a_slice_is_left_out():
    columns, rows = world(9, rows=3000, rise=0.4)
    echo = ConditionCodes(
        np.where(np.random.default_rng(2).random(6000) < 0.8, columns[0].codes, 0).astype(np.int16), 4, ((1, 1),)
    )
    columns = [*columns, echo]
    found = [one for one in find_slices(columns, rows, [rows.loss], (3,)) if one.p_value < ALPHA]
    kept = own_slices(columns, rows, found, 0.02)
    assert len(kept) == 1
    assert inside_of(columns, kept[0].conditions).sum() > 0


def test_halves_keep_days_together_and_balance():
    days = np.repeat(np.arange(1000, 1028), 50)
    half = halves(days, np.random.default_rng(0), len(days))
    assert all(len(set(half[days == d].tolist())) == 1 for d in np.unique(days))
    assert half.mean() == pytest.approx(0.5)
    assert halves(None, np.random.default_rng(0), 101).mean() == pytest.approx(0.5, abs=0.01)


def test_what_is_called_detectable_is_mostly_seen():
    _, rows = world(0, rows=2500)
    size = detectable_excess(rows, 0.2, 4, ALPHA)
    seen = np.mean(
        [
            any(o.p_value < ALPHA and (0, 1) in o.conditions for o in search(50 + s, rows=2500, rise=size)[2])
            for s in range(25)
        ]
    )
    assert seen >= 0.55, "80 % less four binomial standard deviations would be 48 %"
