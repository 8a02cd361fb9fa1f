"""Data faults before labels come: false alarms a year of quiet readings, and days until a planted fault is named.

    python benchmarks/fault_streams.py --simulated 40
    BACKSLIDE_DATA=... python benchmarks/fault_streams.py --quiet electricity census_employment_ma --draws 4
    BACKSLIDE_DATA=... python benchmarks/fault_streams.py --planted electricity census_employment_ma

Every number comes from readings as ``backslide watch`` makes and keeps them, one a day. ``--simulated`` makes quiet logs of
several sizes. ``--quiet`` cuts a real set, served by a model of some of its rows, into days in their order and shuffles blocks
of seven: the first are the reference, the readings of the others are drawn again in blocks to years. ``--planted`` breaks a
column on the rows of one host, a quarter of all, from the third day after the reference on; nothing is labelled after it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.faults.damage import on_rows
from backslide.contracts.config import Settings
from backslide.contracts.watch import Level
from backslide.models.load import load_model
from backslide.monitor.detect import Rules
from backslide.monitor.fault_readings import FaultReader, FaultReading
from backslide.monitor.fault_streams import FaultHistory, fault_histories
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.rows import open_both, open_rows
from faults import value_faults
from faults.fault import Scene
from faults.pipelines import PREDICTION, World, make_world
from faults.sets import SETS
from faults.truth import headline, higher_is_better, score

RULES = Rules(0.1, 1.0, 365.25, recover_after=7)
START = datetime(2026, 1, 5)
BLOCK, YEAR = 7, 365
DAYS = {
    "electricity": 400,
    "census_employment_ma": 1000,
    "bank_marketing": 500,
    "green_taxi_fares": 600,
    "noaa_weather": 250,
    "bike_sharing_hourly": 240,
    "reuters_news": 200,
}
"""Rows of a day."""
PLANTED = (
    "unit_change",
    "missing_values",
    "default_value",
    "sign_flip",
    "category_recode",
    "frozen_feature",
    "swapped_columns",
    "broken_join",
    "unseen_category",
)
FROM = 2
"""Day after the reference on which a planted fault begins."""
SEEN = 6
"""Days of a planted fault that are read."""
HOSTS = np.array(["a", "b", "c", "d"], object)
TRIES = 12
SIZES = (250, 500, 1000, 2000)


@dataclass(frozen=True)
class Story:
    """A log by day, and how it is configured."""

    frame: pl.DataFrame
    """With ``bench_day`` from 0 on."""
    reference: int
    """Days of it."""
    model: dict[str, Any]
    pipeline: Any = None


@dataclass(frozen=True)
class Outcome:
    """Readings of both sides, and what they raise."""

    reference: dict[int, FaultReading]
    later: dict[int, FaultReading]
    case: Case

    def histories(self, later: dict[int, FaultReading] | None = None) -> list[FaultHistory]:
        """Every fault through its detector, over other ``later`` readings where some are given."""
        problem = self.case.problem
        return fault_histories(
            self.reference, self.later if later is None else later, self.case.metric, problem.min_effect, RULES
        )


def read(story: Story) -> Outcome:
    """Read a story as a look would, one period after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = np.arange(story.frame.height) % 80_000
        served = [
            START + timedelta(days=int(d), seconds=int(s))
            for d, s in zip(story.frame["bench_day"].to_list(), seconds, strict=True)
        ]
        frame = story.frame.drop("bench_day").with_columns(pl.Series("served_at", served)).sort("served_at")
        frame.write_parquet(folder / "log.parquet")
        last = (START + timedelta(days=story.reference - 1)).date()
        settings = Settings.from_dict(
            {
                "model": {"name": "bench", "timestamp": "served_at", **story.model},
                "windows": {"reference": f"{START.date()}..{last}"},
                "data": {"source": "log.parquet"},
            },
            base=folder,
        )
        grid = PeriodGrid.of(settings.watch)
        rows = open_rows(settings, grid, START + timedelta(days=10_000))
        both = open_both(rows)
        model = None if story.pipeline is None else load_model(story.pipeline)
        reader = FaultReader(rows, settings, model)
        first = grid.number(START)
        held = dict(story.frame.group_by("bench_day").len().iter_rows())
        reference = reader.read_reference({first + d: n for d, n in held.items() if d < story.reference})
        after = {first + d: n for d, n in held.items() if d >= story.reference}
        later = {n: one for some in reader.read(after, sorted(after)) for n, one in some.items()}
        case = Case(both, settings, model)
        _ = case.metric
        return Outcome(reference, later, case)


def simulated(seed: int, days: int) -> Story:
    """A quiet lender: prices of two decimals, whole numbers, codes, some missing, and two columns that no model sees."""
    rng, rows = np.random.default_rng([seed, 23]), SIZES[seed % len(SIZES)]
    n = days * rows
    day = np.repeat(np.arange(days), rows)
    effect = rng.normal(0, 0.05, days)[day]  # days differ
    columns: dict[str, Any] = {
        "bench_day": day,
        "amount": np.round(np.exp(rng.normal(4 + effect, 0.7, n)), 2),
        "age": np.round(rng.normal(40, 10, n)),
        "visits": rng.poisson(np.exp(0.7 + effect), n),
        "rate": np.where(rng.random(n) < 0.05, np.nan, np.round(rng.gamma(4, 0.01, n), 4)),
        "branch": rng.choice(np.array(["a", "b", "c", "d"], object), n, p=[0.4, 0.3, 0.2, 0.1]),
        "channel": rng.choice(np.array(["web", "shop"], object), n),
        "client": rng.choice(HOSTS, n),
    }
    logit = 2 * (np.log(columns["amount"]) - 4) + (columns["age"] - 40) / 10 + 0.4 * (columns["visits"] - 2)
    logit = (
        logit + np.where(columns["branch"] == "a", 0.5, 0.0) - 20 * (np.nan_to_num(columns["rate"], nan=0.04) - 0.04)
    )
    chance = 1 / (1 + np.exp(-logit))
    columns["label"] = np.where(rng.random(n) < chance, "paid", "default")
    columns["p_paid"], columns["prediction"] = chance, np.where(chance >= 0.5, "paid", "default")
    model = {
        "label": "label",
        "prediction": "prediction",
        "scores": {"paid": "p_paid"},
        "features": ["amount", "age", "visits", "rate", "branch", "channel"],
    }
    return Story(pl.DataFrame(columns, strict=False), 42, model)


def real(world: World, rng: np.random.Generator, *, shuffled: bool) -> Story:
    """The rows that trained nothing, by day, served; blocks of days in another order where ``shuffled``."""
    data, rows = world.data, DAYS[world.data.name]
    days = world.rest.height // rows
    frame = world.rest.head(days * rows).select(*data.features(), data.label)
    place = np.arange(days)
    if shuffled:
        starts = rng.permutation(np.arange(0, days - BLOCK + 1, BLOCK))
        place = np.concatenate([np.arange(s, s + BLOCK) for s in starts])
    index = (place[:, None] * rows + np.arange(rows)).ravel()
    frame = frame[index].with_columns(
        pl.Series("bench_day", np.repeat(np.arange(len(place)), rows)),
        pl.Series("host", rng.choice(HOSTS, len(index)).tolist()),
    )
    model: dict[str, Any] = {"label": data.label, "prediction": PREDICTION, "features": data.features()}
    if data.regression:
        model["task"] = "regression"
    else:
        model["scores"] = {str(c): f"p_{c}" for c in world.pipeline.classes_}
    return Story(world.serve(frame), min(42, max(len(place) // 2 // BLOCK, 2) * BLOCK), model, world.pipeline)


def plant(world: World, story: Story, kind: str, rng: np.random.Generator) -> tuple[Story, Any, float] | None:
    """The story with a fault on one host's rows, the worst of some draws, and its harm."""
    data = world.data
    sound = story.frame.filter(
        pl.col("bench_day").is_between(story.reference + FROM, story.reference + FROM + SEEN - 1)
    )
    metric = headline(data, story.frame.filter(story.frame["bench_day"] < story.reference))
    sign = -1 if higher_is_better(metric) else 1
    scene = Scene(world, sound.filter(pl.col("host") == "a"), True, True, True)
    best = None
    for _ in range(TRIES):
        fault = getattr(value_faults, kind)(scene, rng)
        if fault is None or fault.apply is None:
            continue
        own = np.asarray((sound["host"] == "a").to_numpy())
        broken = world.serve(on_rows(sound, own, fault.apply, rng))
        harm = sign * (score(data, metric, broken) - score(data, metric, sound))
        if best is None or harm > best[1]:
            best = fault, harm, broken
    if best is None:
        return None
    fault, harm, broken = best
    frame = pl.concat(
        [story.frame.filter(story.frame["bench_day"] < story.reference + FROM), broken], how="vertical_relaxed"
    )
    return Story(frame, story.reference, story.model, story.pipeline), fault, harm


def alarms(histories: list[FaultHistory], level: Level) -> list[tuple[FaultHistory, int]]:
    """What was raised at a level, with the index of its period."""
    return [(one, raised.raised) for one in histories for raised in one.track.raised if raised.level == level]


def years_of(outcome: Outcome, rng: np.random.Generator, years: int) -> Iterator[dict[int, FaultReading]]:
    """Years drawn from the readings in blocks of seven."""
    kept = [outcome.later[n] for n in sorted(outcome.later)]
    first = max(outcome.reference) + 1
    for _ in range(years):
        starts = rng.integers(0, max(len(kept) - BLOCK + 1, 1), YEAR // BLOCK + 1)
        drawn = [one for s in starts for one in kept[s : s + BLOCK]][:YEAR]
        yield {first + i: one for i, one in enumerate(drawn)}


def line(*cells: object) -> None:
    """One row of a Markdown table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def report_quiet(name: str, outcomes: Iterator[Outcome], years: int) -> None:
    """Readings, what they named, and false alarms of the years drawn from them."""
    readings = named = harmful = false = early = drawn = 0
    begun, kinds = time.perf_counter(), set()
    rng = np.random.default_rng(0)
    for outcome in outcomes:
        found = [one for r in outcome.later.values() for one in r.faults]
        readings, named = readings + len(outcome.later), named + sum(bool(r.faults) for r in outcome.later.values())
        harmful += sum(any(f.harmful for f in r.faults) for r in outcome.later.values())
        kinds |= {f"{f.kind.value} of {'+'.join(f.features)}" for f in found if f.harmful}
        for later in years_of(outcome, rng, years):
            histories = outcome.histories(later)
            false, early = false + len(alarms(histories, Level.ALARM)), early + len(alarms(histories, Level.WATCH))
            drawn += 1
    seconds = (time.perf_counter() - begun) / max(readings, 1)
    line(
        name,
        readings,
        named,
        harmful,
        drawn,
        f"{false / max(drawn, 1):.3f}",
        f"{early / max(drawn, 1):.2f}",
        f"{seconds:.2f}",
        "; ".join(sorted(kinds)) or "none",
    )


def report_planted(name: str, model: str, cache: Path | None, *, shuffled: bool) -> None:
    """Each planted fault: the day of its alarm, and what the alarm named."""
    world = make_world(SETS[name], model, 0, cache)
    for place, kind in enumerate(PLANTED):
        rng = np.random.default_rng([place, 5])
        story = real(world, rng, shuffled=shuffled)
        planted = plant(world, story, kind, rng)
        if planted is None:
            continue
        broken, fault, harm = planted
        outcome = read(broken)
        histories = outcome.histories()
        raised = alarms(histories, Level.ALARM)
        right = [(one, at) for one, at in raised if set(one.latest.features) & set(fault.columns)]
        day = min((at - FROM + 1 for _, at in right), default=None)
        said = {
            f"{one.latest.kind.value} of {'+'.join(one.latest.features)} where {one.latest.segment}"
            for one, _ in raised
        }
        line(
            name,
            model,
            kind,
            "+".join(fault.columns),
            fault.variant,
            f"{harm / outcome.case.problem.min_effect:.1f}",
            "not raised" if day is None else day,
            "; ".join(sorted(said)),
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", type=int, default=0, help="quiet logs of 60 days")
    parser.add_argument("--quiet", nargs="*", default=[])
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--years", type=int, default=10, help="drawn from the readings of each log or draw")
    parser.add_argument("--planted", nargs="*", default=[])
    parser.add_argument("--in-order", action="store_true", help="days in their order, with the drift behind them")
    parser.add_argument("--model", default="boosting")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # only alarms count
    if options.simulated or options.quiet:
        columns = (
            "log",
            "readings",
            "with a fault",
            "harmful",
            "years",
            "false alarms a year",
            "early signs a year",
            "s a reading",
            "harmful ones",
        )
        line(*columns)
        line(*["---"] * len(columns))
    if options.simulated:
        report_quiet("simulated", (read(simulated(seed, 102)) for seed in range(options.simulated)), options.years)
    for name in options.quiet:
        world = make_world(SETS[name], options.model, 0, options.cache)
        draws = (
            read(real(world, np.random.default_rng([i, 9]), shuffled=not options.in_order))
            for i in range(options.draws)
        )
        report_quiet(name, draws, options.years)
    if options.planted:
        columns = ("set", "model", "kind", "columns", "what", "harm / min_effect", "day of the alarm", "named")
        line(*columns)
        line(*["---"] * len(columns))
    for name in options.planted:
        report_planted(name, options.model, options.cache, shuffled=not options.in_order)


if __name__ == "__main__":
    main()
