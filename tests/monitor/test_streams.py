"""From sums to streams: they add up, survive JSON, and say the metric that scikit-learn says."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from backslide.contracts.roles import Roles
from backslide.contracts.watch_settings import WatchSettings
from backslide.engine.columns import names
from backslide.engine.roles.problem import Problem
from backslide.monitor import collect
from backslide.monitor.collect import SumPlan, gather
from backslide.monitor.periods import PERIOD, PeriodGrid
from backslide.monitor.stream import Ledger, Subject
from backslide.monitor.streams import corrected_level, follow
from backslide.monitor.sums import Sums

CLASSES = ("default", "paid")


def subject(metric: str = "accuracy", **more) -> Subject:
    problem = Problem(
        "binary", CLASSES, Roles(label="y", prediction="p"), ("x",), "paid", 0.5, metric, 0.01, True, False
    )
    given = {"segments": (), "features": ("x",), "vocabularies": (), "leave_out": (), "corrections": False} | more
    return Subject(problem=problem, cycle=7, holidays=frozenset(), **given)


counts = st.integers(0, 50)
cells = st.dictionaries(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), counts, max_size=4)
sums = st.builds(
    lambda c, m, k: Sums(
        sum(c.values()),
        sum(c.values()),
        k,
        Counter(c),
        {"__confidence": (float(m), m / 2, m / 4)},
        {"branch = 'a'": Sums(1, 1, 0, Counter(c))},
        {"x": k},
        {"z": k},
    ),
    cells,
    counts,
    counts,
)


@settings(max_examples=60, deadline=None)
@given(sums, sums, sums)
def test_sums_are_a_monoid_that_survives_json(a: Sums, b: Sums, c: Sums):
    assert ((a + b) + c).to_dict() == (a + (b + c)).to_dict()
    assert (a + Sums()).to_dict() == a.to_dict()
    assert Sums.from_dict(json.loads(json.dumps(a.to_dict()))).to_dict() == a.to_dict()


def test_periods_are_summed_in_their_order_however_polars_groups(monkeypatch: pytest.MonkeyPatch):
    """Sums over periods differ in their last digits with the order, and what is kept would differ from run to run."""
    whole = pl.collect_all
    monkeypatch.setattr(pl, "collect_all", lambda *given, **how: [t.reverse() for t in whole(*given, **how)])
    frame = pl.LazyFrame({PERIOD: [3, 1, None, 2, 1], "value": [0.1, 0.2, 0.3, 0.4, 0.5]})
    sums = gather(
        frame, SumPlan(("value",), classification=False, segments=("value > 0.3",), features=(), vocabularies={})
    )
    assert list(sums) == [1, 2, 3]
    assert sums[1].moments["value"] == pytest.approx((2, 0.7, 0.29))
    assert {n: s.segments["value > 0.3"].rows for n, s in sums.items() if s.segments} == {1: 1, 2: 1}


def test_sums_do_not_depend_on_how_many_rows_are_in_memory(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(4)
    frame = pl.LazyFrame(
        {
            PERIOD: [None if p == 4 else p for p in rng.integers(0, 5, 400).tolist()],
            names.LABEL: rng.choice(["paid", "default", None], 400).tolist(),
            names.PREDICTION: rng.choice(["paid", "default"], 400),
            "value": np.where(rng.random(400) < 0.1, np.nan, rng.normal(0, 1, 400)),
            "branch": rng.choice(["north", "south", "west", None], 400).tolist(),
            "text": ["word"] * 400,
        }
    )
    plan = SumPlan(
        ("value",), True, ("branch = 'north'", "value > 0.5"), ("value", "branch"), {"branch": ("north", "south")}
    )
    whole = {n: one.to_dict() for n, one in gather(frame, plan).items()}
    monkeypatch.setattr(collect, "BATCH_ROWS", 60)
    parts = {n: one.to_dict() for n, one in gather(frame, plan).items()}
    assert list(parts) == [0, 1, 2, 3]
    assert parts == whole
    assert parts[0]["unknown"] == {
        "branch": frame.filter((pl.col(PERIOD) == 0) & (pl.col("branch") == "west")).collect().height
    }


def test_the_headline_is_scikit_learns_metric_near_the_reference():
    rng = np.random.default_rng(0)
    y = rng.choice(2, 30_000, p=[0.8, 0.2])
    said = np.where(rng.random(30_000) < 0.85, y, 1 - y)
    day = np.arange(30_000) // 1000
    days = {
        int(d): Sums(
            1000, 1000, 0, Counter((CLASSES[a], CLASSES[b]) for a, b in zip(y[day == d], said[day == d], strict=True))
        )
        for d in range(30)
    }
    ledger = Ledger((days, {}), (days, {}), None)
    streams = {s.name: s for s in follow(subject("macro_f1"), ledger)}
    head = streams["performance"].reference
    assert np.isclose(head.values.mean(), f1_score(y, said, average="macro"), atol=1e-3)
    own = [f1_score(y[day == d], said[day == d], average="macro") for d in range(30)]
    assert np.corrcoef(own, head.values)[0, 1] > 0.99
    assert np.isclose(streams["class:paid"].reference.values.mean(), f1_score(y, said), atol=2e-3)
    spread = np.std(own, ddof=1)
    assert 0.6 * spread < np.sqrt(streams["performance"].row_variance / 1000) < 1.6 * spread


def test_budgets_add_up_and_leaving_out_gives_the_rest_more():
    cells = Counter({("paid", "paid"): 60, ("default", "default"): 40})
    days = {d: Sums(100, 100, 0, cells, missing={"x": d % 2}) for d in range(20)}
    ledger = Ledger((days, {}), (days, {}), None)
    every = follow(subject(), ledger)
    some = follow(subject(leave_out=("class:*",)), ledger)
    assert {s.name for s in every} - {s.name for s in some} == {"class:paid", "class:default"}
    for streams in (every, some):
        assert np.isclose(sum(s.budget for s in streams), 1)
        assert next(s for s in streams if s.name == "performance").budget == 0.5


def test_each_label_weighs_one_over_its_chance_to_have_come():
    seen = Counter({("paid", "paid"): 30, ("paid", "default"): 20, ("default", "default"): 90, ("default", "paid"): 10})
    judged = {0: Sums(150, 150, 0, seen)}
    assert corrected_level(subject(), judged, {"paid": 0.5, "default": 1.0}, 7) == pytest.approx(0.75)
    assert corrected_level(subject(), judged, {}, 7) is None


@pytest.mark.parametrize(("period", "cycle"), [("hour", 24), ("day", 7), ("week", 0), ("5000 rows", 0)])
def test_periods_follow_each_other(period: str, cycle: int):
    grid = PeriodGrid.of(WatchSettings(period=period))
    assert grid.cycle == cycle
    if grid.timed:
        moment = datetime(2026, 3, 1, 13, 30)
        number = grid.number(moment)
        assert grid.start(number) <= moment < grid.end(number)
        assert grid.number(grid.end(number)) == number + 1
    if period == "day":
        assert number % 7 == moment.weekday()
        assert grid.label(number) == "2026-03-01"
    if grid.rows:
        assert grid.label(1) == "rows 5001 to 10000"
