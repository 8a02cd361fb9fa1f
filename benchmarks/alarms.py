"""False alarms a year and days until a drop is found: backslide's streams beside River's detectors and a daily z-test.

    python benchmarks/alarms.py --years 400
    BACKSLIDE_DATA=... python benchmarks/alarms.py --years 100 --real

A simulated model serves ``--rows`` predictions a day with a weekly season of 1.5 points, day effects of 0.8 points with memory
``--memory``, and accuracy 90 %. All its streams are on: the headline, two classes, five segments, confidence in both directions,
twelve columns' missing values. Then, from the first day after eight weeks of reference, accuracy drops. ``--real`` draws quiet
years from the real sets instead: the correctness of out-of-fold predictions in blocks of seven periods.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from backslide.contracts.watch import Level
from backslide.monitor.detect import Rules, track
from backslide.monitor.stream import MonitoredStream
from backslide.monitor.streams import HEADLINE_SHARE
from backslide.stats.change.sequential import Periods

REFERENCE, YEAR = 56, 365
RULES = Rules(0.1, 1.0, 365.25, recover_after=7)
SEGMENTS, MISSING = 5, 12


@dataclass(frozen=True)
class World:
    """How days are made."""

    rows: int = 1000
    level: float = 0.9
    season: float = 0.015
    tau: float = 0.008
    memory: float = 0.3


def chances(rng: np.random.Generator, world: World, days: int, drop: float) -> np.ndarray:
    """Chance of an error by day."""
    weekday = rng.normal(0, 1, 7)
    weekday = (weekday - weekday.mean()) / np.ptp(weekday) * world.season * 2
    shocks = rng.standard_normal(days)
    effects = lfilter([np.sqrt(1 - world.memory**2)], [1, -world.memory], shocks) * world.tau
    chance = 1 - world.level + weekday[np.arange(days) % 7] + effects
    chance[REFERENCE:] += drop
    return np.clip(chance, 0, 1)


def streams(rng: np.random.Generator, world: World, days: int, drop: float = 0.0) -> list[MonitoredStream]:
    """Every stream of one model over a reference and what comes after it."""
    chance, n = chances(rng, world, days, drop), world.rows
    part = n // SEGMENTS
    errors = np.array([rng.binomial(part, chance) for _ in range(SEGMENTS)])
    values = {"performance": errors.sum(axis=0) / (part * SEGMENTS)}
    values |= {f"segment {i}": errors[i] / part for i in range(SEGMENTS)}
    values |= {f"class {i}": rng.binomial(n // 2, chance) / (n // 2) for i in range(2)}
    values |= {f"missing {i}": rng.binomial(n, 0.02 * (i % 3), days) / n for i in range(MISSING)}
    confidence = 0.8 + 0.5 * (chance.mean() - chance) + rng.normal(0, 0.15 / np.sqrt(n), days)
    rows = {"segment": part, "class": n // 2}
    others = len(values)
    found = []
    for name, series in {**values, "confidence": confidence}.items():
        kind = name.split()[0]
        size = float(rows.get(kind, n))
        whole = Periods(series, np.full(days, size), np.arange(days))
        rate = float(series[:REFERENCE].mean())
        variance = 0.15**2 if kind == "confidence" else max(rate * (1 - rate), 0.5 / (size * REFERENCE))
        found.append(
            MonitoredStream(
                name,
                "performance",
                name,
                whole.take(slice(0, REFERENCE)),
                whole.take(slice(REFERENCE, None)),
                variance,
                share=True,
                signs=(1, -1) if kind == "confidence" else (1,),
                material=0.01,
                budget=HEADLINE_SHARE if kind == "performance" else (1 - HEADLINE_SHARE) / others,
            )
        )
    return found


@dataclass
class Tally:
    """Alarms and delays of one method."""

    years: float = 0.0
    alarms: int = 0
    headline: int = 0
    years_with: int = 0
    early: int = 0
    seconds: float = 0.0


def quiet(rng: np.random.Generator, world: World, years: int) -> Tally:
    """Alarms of all streams in quiet years."""
    tally, begun = Tally(), time.perf_counter()
    for _ in range(years):
        add(tally, streams(rng, world, REFERENCE + YEAR))
    tally.seconds = time.perf_counter() - begun
    return tally


def add(tally: Tally, followed: list[MonitoredStream]) -> None:
    """One quiet year more."""
    found = [(one.name, raised) for one in followed for raised in track(one, RULES).raised]
    alarms = [name for name, raised in found if raised.level == Level.ALARM]
    tally.years += len(followed[0].later) / YEAR
    tally.alarms += len(alarms)
    tally.headline += alarms.count("performance")
    tally.years_with += bool(alarms)
    tally.early += sum(raised.level == Level.WATCH or raised.seen is not None for _, raised in found)


def delays(rng: np.random.Generator, world: World, years: int, drop: float, level: Level) -> np.ndarray:
    """Days until the headline raises; infinite where it does not within 120 days."""
    out = np.full(years, np.inf)
    for i in range(years):
        raised = track(streams(rng, world, REFERENCE + 120, drop)[0], RULES).raised
        if raised:
            alarm = [r.raised for r in raised if r.level == Level.ALARM]
            early = [r.raised if r.seen is None else r.seen for r in raised]
            days = alarm if level == Level.ALARM else early
            out[i] = min(days) + 1 if days else np.inf
    return out


def z_test(values: np.ndarray, rows: int) -> Iterator[int]:
    """Days on which the error rate is three binomial standard errors above the reference's."""
    p = values[:REFERENCE].mean()
    z = (values[REFERENCE:] - p) / np.sqrt(p * (1 - p) / rows)
    yield from np.flatnonzero(z > 3)


def river_detector(name: str) -> Callable[[np.ndarray, int], Iterator[int]]:
    """A detector of River fed with every prediction, for worse only."""
    from river import drift

    def detect(values: np.ndarray, rows: int) -> Iterator[int]:
        rng = np.random.default_rng(0)
        detector = drift.ADWIN() if name == "ADWIN" else drift.PageHinkley(mode="up")
        for day, value in enumerate(values):
            hits = np.zeros(rows)
            hits[: round(value * rows)] = 1
            for hit in rng.permutation(hits):
                before = getattr(detector, "estimation", 0.0)
                detector.update(hit)
                if detector.drift_detected and (name != "ADWIN" or detector.estimation > before) and day >= REFERENCE:
                    yield day - REFERENCE
                    break

    return detect


def peers(rng: np.random.Generator, world: World, years: int) -> list[tuple[str, float, float, dict[float, float]]]:
    """Alarms a year (days with one count once), years with one, and median delays of each peer."""
    methods: dict[str, Callable[[np.ndarray, int], Iterator[int]]] = {"daily binomial z > 3": z_test}
    try:
        methods |= {f"River {name}, per prediction": river_detector(name) for name in ("ADWIN", "Page-Hinkley")}
    except ImportError:
        print("River is not installed: its detectors are left out")
    found = []
    for name, detect in methods.items():
        count, bad = 0, 0
        for _ in range(years):
            days = list(
                detect(rng.binomial(world.rows, chances(rng, world, REFERENCE + YEAR, 0.0)) / world.rows, world.rows)
            )
            count, bad = count + len(days), bad + bool(days)
        late = {}
        for drop in (0.02, 0.05):
            waits = [
                next(
                    detect(
                        rng.binomial(world.rows, chances(rng, world, REFERENCE + 60, drop)) / world.rows, world.rows
                    ),
                    None,
                )
                for _ in range(max(years, 5))
            ]
            late[drop] = float(np.median([np.inf if w is None else w + 1 for w in waits]))
        found.append((name, count / years, bad / years, late))
    return found


def real_years(name: str, rng: np.random.Generator, years: int, rows: int) -> Tally | None:
    """Quiet years drawn from a real set: days of ``rows`` rows in their order, in blocks of seven."""
    errors = real_errors(Path(os.environ["BACKSLIDE_DATA"]), name)
    days = errors[: len(errors) // rows * rows].reshape(-1, rows).mean(axis=1)
    if len(days) < 14:
        return None
    tally = Tally()
    for _ in range(years):
        starts = rng.integers(0, len(days) - 6, (REFERENCE + YEAR) // 7 + 1)
        series = np.concatenate([days[s : s + 7] for s in starts])[: REFERENCE + YEAR]
        whole = Periods(series, np.full(len(series), float(rows)), np.arange(len(series)))
        rate = float(series[:REFERENCE].mean())
        one = MonitoredStream(
            "performance",
            "performance",
            name,
            whole.take(slice(0, REFERENCE)),
            whole.take(slice(REFERENCE, None)),
            max(rate * (1 - rate), 0.5 / (rows * REFERENCE)),
            share=True,
            signs=(1,),
            material=0.01,
            budget=1.0,
        )
        add(tally, [one])
    return tally


def real_errors(folder: Path, name: str) -> np.ndarray:
    """Errors of out-of-fold predictions on the first third of a set, in order; folds are stretches of time."""
    import polars as pl
    from sklearn.ensemble import HistGradientBoostingClassifier

    target, leave = {
        "electricity": ("price_change", ("nsw_price", "timestamp")),
        "noaa_weather": ("rain", ("day_index",)),
        "census_employment_ma": ("employed", ("prediction", "predicted_probability", "id", "year", "period")),
        "bank_marketing": ("subscribed", ("call_duration_s", "contact_date")),
    }[name]
    frame = pl.read_parquet(folder / f"{name}.parquet")
    frame = frame.head(frame.height // 3)
    if "prediction" in frame.columns:
        return (frame["prediction"].cast(pl.Int64) != frame[target].cast(pl.Int64)).to_numpy().astype(float)
    x = frame.drop(target, *leave)
    table = np.column_stack(
        [
            x[c].to_physical().cast(pl.Float64, strict=False).to_numpy()
            if x[c].dtype.is_numeric()
            else x[c].cast(pl.Categorical).to_physical().cast(pl.Float64).to_numpy()
            for c in x.columns
        ]
    )
    y, fold = frame[target].cast(pl.String).to_numpy(), np.arange(frame.height) * 5 // frame.height
    said = np.empty(len(y), object)
    for k in range(5):
        model = HistGradientBoostingClassifier(max_iter=60).fit(table[fold != k], y[fold != k])
        said[fold == k] = model.predict(table[fold == k])
    return (said != y).astype(float)


def line(*cells: str) -> None:
    """One row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=int, default=400)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000])
    parser.add_argument("--memory", type=float, nargs="+", default=[0.3])
    parser.add_argument("--peer-years", type=int, default=6, help="River takes each prediction: a year costs seconds")
    parser.add_argument("--real", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # only alarms count
    if given.real:
        print(
            "| set | rows a period | quiet years | alarms a year | early signs a year | promised |\n|---|---|---|---|---|---|"
        )
        for name, rows in (
            ("electricity", 48),
            ("noaa_weather", 50),
            ("bank_marketing", 200),
            ("census_employment_ma", 1000),
        ):
            tally = real_years(name, np.random.default_rng(0), given.years, rows)
            if tally is not None:
                rates = (f"{tally.alarms / tally.years:.3f}", f"{tally.early / tally.years:.2f}")
                promised = f"{RULES.false_alarms} and {RULES.false_watches}"
                line(name, str(rows), f"{tally.years:.0f}", *rates, promised)
        return
    columns = (
        "method",
        "rows a day, memory",
        "false alarms a year",
        "of the headline",
        "years with one",
        "early signs a year",
        "1 pt",
        "2 pt",
        "5 pt",
        "early sign, 2 pt",
    )
    line(*columns)
    line(*["---"] * len(columns))
    for rows in given.rows:
        for memory in given.memory:
            world, rng = World(rows=rows, memory=memory), np.random.default_rng([rows, round(10 * memory)])
            tally = quiet(rng, world, given.years)
            runs = max(given.years // 2, 5)
            late = [np.median(delays(rng, world, runs, drop, Level.ALARM)) for drop in (0.01, 0.02, 0.05)]
            early = np.median(delays(rng, world, runs, 0.02, Level.WATCH))
            rates = (tally.alarms / tally.years, tally.headline / tally.years, tally.years_with / tally.years)
            line(
                f"backslide, {6 + 2 + MISSING + 1} streams",
                f"{rows}, {memory}",
                *(f"{r:.3f}" for r in rates),
                f"{tally.early / tally.years:.2f}",
                *(f"{v:.0f} d" for v in (*late, early)),
            )
            if given.peer_years:
                for name, rate, share, waits in peers(rng, world, given.peer_years):
                    seen = (f"{waits[drop]:.0f} d" for drop in (0.02, 0.05))
                    line(name, f"{rows}, {memory}", f"{rate:.1f}", "", f"{share:.2f}", "", "", *seen, "")
    print(
        f"\npromised: {RULES.false_alarms} false alarms and {RULES.false_watches} early signs a year, all streams together"
    )


if __name__ == "__main__":
    main()
