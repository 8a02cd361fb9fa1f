"""A made-up data set for the fault bench, so that it can be tested where the real ones are not at hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from faults import sets
from faults.fault import Scene
from faults.pipelines import World, make_world

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
ROWS = 3_000
WORDS = (
    "court",
    "ruling",
    "appeal",
    "statute",
    "damages",
    "contract",
    "liable",
    "tenant",
    "breach",
    "evidence",
    "witness",
    "lease",
    "patent",
    "tax",
    "custody",
    "warrant",
    "charter",
    "tariff",
    "will",
    "trust",
    "fraud",
    "labor",
    "cargo",
    "harbor",
    "permit",
    "zoning",
    "merger",
    "bond",
    "audit",
    "escrow",
    "estate",
    "felony",
    "bail",
    "remedy",
)
TOY = sets.DataSet("toy", "label", "binary", ("id",), 800, ("note",))
COUNT = sets.DataSet("toy_count", "count", "regression", ("id", "label"), 800, ("note",))


@cache
def rows(name: str = "toy") -> pl.DataFrame:
    """Numbers, a clock, codes and running text; the label follows from most of them."""
    rng = np.random.default_rng(7)
    income, debt = rng.lognormal(8, 0.5, ROWS), rng.lognormal(7, 0.6, ROWS)
    hour, grade = (
        rng.integers(0, 24, ROWS),
        rng.choice(["gold", "plain", "silver", "bronze"], ROWS, p=[0.2, 0.4, 0.25, 0.15]),
    )
    channel = rng.choice(["web", "phone", "branch"], ROWS)
    notes = [" ".join(rng.choice(WORDS, 12)) for _ in range(ROWS)]
    logit = 2.5 * np.log(debt / income) + 2 + 1.2 * (grade == "gold") - 0.9 * (grade == "bronze") + 0.08 * (hour - 12)
    made = {
        "id": np.arange(ROWS),
        "income": income.round(2),
        "debt": debt.round(2),
        "hour": hour,
        "age": rng.integers(18, 80, ROWS),
        "grade": grade.tolist(),
        "channel": channel.tolist(),
        "note": notes,
        "label": np.where(rng.random(ROWS) < 1 / (1 + np.exp(-logit)), "yes", "no").tolist(),
    }
    frame = pl.DataFrame(made)
    if name == "toy":
        return frame
    return frame.with_columns(pl.Series("count", 50 + 8 * logit + rng.normal(0, 2, ROWS)))


def install(monkeypatch) -> None:
    """Make the bench know the toy sets."""
    monkeypatch.setattr(sets, "_table", rows)
    for data in (TOY, COUNT):
        monkeypatch.setitem(sets.SETS, data.name, data)


@cache
def world(model: str = "linear", name: str = "toy") -> World:
    """Trained once for all tests; the toy sets must be installed."""
    return make_world(sets.SETS[name], model, 0, None)


def scene(*, partial: bool = False, marked: bool = False, timed: bool = True, name: str = "toy") -> Scene:
    """What faults are drawn from."""
    return Scene(world("linear", name), logged(name), partial, marked, timed)


@cache
def logged(name: str) -> pl.DataFrame:
    """Sound rows as served, with the context columns of a log."""
    made = world("linear", name)
    served = made.serve(made.rest.sort("id"))
    hosts = pl.Series("host", np.random.default_rng(1).choice(["a", "b"], served.height, p=[0.6, 0.4]).tolist())
    times = pl.datetime_range(pl.datetime(2026, 4, 1), pl.datetime(2026, 4, 28), "10m", eager=True)[: served.height]
    return served.with_columns(hosts, times.alias("served_at"))
