"""Labels that come late, by class at their own pace."""

from __future__ import annotations

import numpy as np

from backslide.stats.shift import label_delay


def test_a_change_of_arrival_is_seen_and_chance_is_not():
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(200):
        same = label_delay.compare_arrival(rng.exponential(3, 800), rng.exponential(3, 800), np.full(800, 60.0))
        assert same is not None
        found += same.changed
    assert found == 0  # stated: one in ten thousand
    late = label_delay.compare_arrival(rng.exponential(3, 800), rng.exponential(5, 800), np.full(800, 60.0))
    assert late is not None
    assert late.changed
    assert late.difference < -0.1


def test_too_few_labels_say_nothing():
    assert label_delay.compare_arrival(np.ones(10), np.ones(100), np.full(100, 9.0)) is None


def test_selective_labels():
    rng = np.random.default_rng(2)
    score = rng.random(5000)
    found = sum(
        bool((one := label_delay.selective_labels(score, rng.random(5000) < 0.5)) and one.found) for _ in range(100)
    )
    assert found == 0
    chosen = label_delay.selective_labels(score, rng.random(5000) < 0.3 + 0.5 * score)
    assert chosen is not None
    assert chosen.found
    assert chosen.lowest < 0.4 < 0.7 < chosen.highest


def test_the_curve_says_when_enough_is_there():
    curve = label_delay.ArrivalCurve(np.sort(np.arange(100.0)))
    assert curve.age(0.6) == 59.0
    assert curve.at(59.0) == 0.6
    assert label_delay.ArrivalCurve(np.empty(0)).age(0.5) == 0.0
