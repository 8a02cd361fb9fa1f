"""Retraining on real data in time order: what is recommended, and what the next, untouched stretch then brings."""

from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest

import backslide as bs
import retrain as benchmark
from backslide.contracts.config import Settings
from real import worlds
from scale import runs

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.rates]
WINDOWS = ("all", "recent", "balanced", "recency")


def setting(name: str, start: int):
    data = next(d for d in benchmark.SETS if d.name == name)
    table = worlds.table(name)
    if data.timestamp and table.schema[data.timestamp] == pl.Date:
        table = table.with_columns(pl.col(data.timestamp).cast(pl.Datetime("us")))
    return benchmark.run(data, table, start, lambda _: None, WINDOWS)


@pytest.mark.parametrize(
    ("name", "start"),
    [("green_taxi_fares", 42_500), ("scotus_case_facts", 0), ("bank_marketing", 18_711), ("electricity", 21_812)][
        : runs(1, 4)
    ],
)
def test_after_drift_a_candidate_is_recommended_and_keeps_its_promise(name, start):
    found = setting(name, start)
    assert found.promoted, found
    assert found.low > 0
    assert found.realised > 0
    assert found.inside, found


def test_where_hardly_anything_drifts_the_champion_stays():
    served = worlds.noaa()
    policy = {"diagnose": False, "features": False, "curve": False, "policies": False, "windows": WINDOWS}
    for cuts in ((0, 6000, 12_159), (4000, 8000, 12_159))[: runs(1, 2)]:
        reference, current = (served.log[a:b] for a, b in pairwise(cuts))
        found = bs.retrain(
            reference,
            current,
            roles=bs.Roles(**served.roles),
            reference_model=served.model,
            settings=Settings.from_dict({"retrain": policy}),
        )
        assert found.verdict == "hold", found.summary


def test_a_unit_fault_in_real_rows_is_refused_with_both_numbers():
    """Trip distances come in metres."""
    served = worlds.taxi()
    log = served.log.gather_every(6)
    half = log.height // 2
    broken = served.serve(log[half:].with_columns(pl.col("trip_distance") * 1609.344))
    roles = {k: v for k, v in served.roles.items() if k != "task"}
    policy = {"features": False, "curve": False, "policies": False, "windows": ("all", "recent")}
    found = bs.retrain(
        log[:half],
        broken,
        roles=bs.Roles(**roles),
        task="regression",
        reference_model=served.model,
        settings=Settings.from_dict({"retrain": policy}),
    )
    assert found.verdict == "refused", found.summary
    assert "trip_distance" in found.refusal.features
    assert found.refusal.repair_gain.low > 0
    assert found.refusal.retrain_gain is not None
