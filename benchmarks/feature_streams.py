"""Features that are followed by name: false alarms in quiet years, and days until a change of one is found.

    python benchmarks/feature_streams.py --years 400
    BACKSLIDE_DATA=... python benchmarks/feature_streams.py --years 200 --real

``--rows`` rows a day with a normal, a skewed and a mostly empty number and a category of six values. Each day has a level, a
width, shares and missing values of its own, with a weekly season and a memory of ``--memory``. Rows are summed as ``watch`` sums
them, every stream of the values has the share of the budget that ``watch`` gives it, and nothing is labelled. ``--real`` draws
years in blocks of seven days from the first thirds of real sets, with the odd weeks that they hold.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.signal import lfilter

from backslide.contracts.roles import Roles
from backslide.contracts.watch import Level
from backslide.engine.roles.problem import Problem
from backslide.monitor.collect import SumPlan, gather
from backslide.monitor.detect import Rules, Track, track
from backslide.monitor.feature_values import MOST_LEVELS, FeatureValues, NumberScale
from backslide.monitor.periods import PERIOD
from backslide.monitor.stream import Ledger, Subject
from backslide.monitor.streams import follow
from backslide.monitor.sums import Sums

REFERENCE, YEAR, HORIZON = 56, 365, 120
RULES = Rules(0.1, 1.0, 365.25, recover_after=7)
LEVELS = ("web", "app", "shop", "phone", "mail", "fair")
SHARES = np.array([0.4, 0.25, 0.15, 0.1, 0.07, 0.03])
NUMBERS = ("normal", "skewed", "counts")
TAU, SEASON, WIDTH = 0.05, 0.1, 0.02
"""Standard deviation of a day's level, half the range of its weekdays, in standard deviations of a row, and that of its width."""
EMPTY = 0.02
REAL = {"electricity": 48, "bank_marketing": 200, "green_taxi_fares": 600, "census_employment_ma": 1000}
KINDS = ("level", "spread", "share", "missing", "unknown")
UNIT = 16
Rng = np.random.Generator


@dataclass(frozen=True)
class Change:
    """Of one column, from the end of the reference on."""

    kind: str
    size: float

    @property
    def words(self) -> str:
        """As the table says it."""
        unit = {"level": "standard deviations", "spread": "% wider"}.get(self.kind, "points")
        return f"{self.kind}, {self.size if self.kind == 'level' else 100 * self.size:g} {unit}"


CHANGES = [
    *(Change("level", size) for size in (0.1, 0.25, 0.5)),
    *(Change("spread", size) for size in (0.1, 0.25, 0.5)),
    *(Change("share", size) for size in (0.02, 0.05, 0.1)),
    *(Change(kind, size) for kind in ("missing", "unknown") for size in (0.01, 0.02, 0.05)),
]


def _effects(rng: Rng, days: int, memory: float, tau: float, season: float = 0.0) -> np.ndarray:
    """Of each day: weekdays, and shocks that remember the day before."""
    weekday = rng.normal(size=7)
    weekday = (weekday - weekday.mean()) / np.ptp(weekday) * 2 * season
    return weekday[np.arange(days) % 7] + lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.normal(size=days)) * tau


def rows_of(rng: Rng, rows: int, days: int, memory: float, change: Change | None = None) -> pl.DataFrame:
    """A log; the change, if any, is done to ``normal`` or to ``channel``."""
    late = np.arange(days) >= REFERENCE

    def size(kind: str) -> np.ndarray:
        return late * (change.size if change is not None and change.kind == kind else 0.0)

    columns: dict[str, np.ndarray] = {PERIOD: np.repeat(np.arange(days), rows)}
    for name in NUMBERS:
        level, width = _effects(rng, days, memory, TAU, SEASON), np.exp(_effects(rng, days, memory, WIDTH))
        if name == "normal":
            level, width = level + size("level"), width * (1 + size("spread"))
        z = (rng.normal(size=(days, rows)) * width[:, None] + level[:, None]).ravel()
        columns[name] = z if name == "normal" else np.exp(z) if name == "skewed" else np.floor(np.exp(z - 1))
    empty = EMPTY * np.exp(_effects(rng, days, memory, 0.15)) + size("missing")
    columns["normal"][rng.random(days * rows) < np.repeat(empty, rows)] = np.nan
    odds = SHARES * np.exp(np.column_stack([_effects(rng, days, memory, TAU, SEASON) for _ in LEVELS]))
    shares = odds / odds.sum(axis=1, keepdims=True)
    shares[:, 1:] *= ((1 - shares[:, 0] - size("share")) / (1 - shares[:, 0]))[:, None]
    shares[:, 0] += size("share")
    codes = (rng.random((days, rows))[:, :, None] > shares.cumsum(axis=1)[:, None, :]).sum(axis=2)
    channel = np.array([*LEVELS, LEVELS[-1]], object)[codes.ravel()]
    channel[rng.random(days * rows) < np.repeat(size("unknown"), rows)] = "kiosk"
    return pl.DataFrame({**columns, "channel": pl.Series(channel.tolist(), dtype=pl.String)}).with_columns(
        pl.col("normal").fill_nan(None)
    )


def values_of(reference: pl.DataFrame) -> FeatureValues:
    """How the columns are read, as the reference suggests."""
    numbers: dict[str, NumberScale] = {}
    levels: dict[str, tuple[str, ...]] = {}
    for name in reference.columns:
        if name == PERIOD:
            continue
        values = reference[name].drop_nulls()
        if values.dtype.is_numeric():
            scale = NumberScale.of(values.cast(pl.Float64).to_numpy())
            numbers |= {} if scale is None else {name: scale}
        else:
            common = values.cast(pl.String).value_counts(sort=True).filter(pl.col("count") >= 0.01 * len(values))
            levels[name] = tuple(common[name].to_list()[:MOST_LEVELS])
    return FeatureValues(numbers, levels)


def subject_of(values: FeatureValues) -> Subject:
    """A model without labels, whose features are all followed by name."""
    features = (*values.numbers, *values.levels)
    problem = Problem("binary", ("0", "1"), Roles(label="y"), features, "1", 0.5, "accuracy", 0.01, False, False)
    return Subject(problem, (), features, tuple(values.levels), 7, frozenset(), (), False, faults=True, values=values)


def sums_of(frame: pl.DataFrame, values: FeatureValues, known: Mapping[str, tuple[str, ...]]) -> dict[int, Sums]:
    """By period."""
    plan = SumPlan((), True, (), (*values.numbers, *values.levels), known, None, values)
    return gather(frame.lazy(), plan)


def tracks(sums: dict[int, Sums], values: FeatureValues) -> list[Track]:
    """Every stream of periods whose first ``REFERENCE`` are the reference, through its detectors."""
    before = {n: s for n, s in sums.items() if n < REFERENCE}
    after = {n: s for n, s in sums.items() if n >= REFERENCE}
    nothing: tuple[dict[int, Sums], dict[int, Sums]] = ({}, {})
    return [track(one, RULES) for one in follow(subject_of(values), Ledger((before, after), nothing, None))]


def simulated(rng: Rng, rows: int, days: int, memory: float, change: Change | None = None) -> list[Track]:
    """All streams of one simulated log."""
    frame = rows_of(rng, rows, days, memory, change)
    reference = frame.filter(pl.col(PERIOD) < REFERENCE)
    values = values_of(reference)
    return tracks(sums_of(frame, values, {"channel": tuple(reference["channel"].unique().to_list())}), values)


def raised(found: list[Track], level: Level) -> Iterator[tuple[str, int]]:
    """Name of the stream and day on which it reached ``level``."""
    for one in found:
        for signal in one.raised:
            if level == Level.ALARM and signal.level == Level.ALARM:
                yield one.followed.name, signal.raised + 1
            if level == Level.WATCH and (signal.level == Level.WATCH or signal.seen is not None):
                yield one.followed.name, (signal.raised if signal.seen is None else signal.seen) + 1


@dataclass
class QuietYears:
    """What was raised in quiet years."""

    years: int = 0
    streams: int = 0
    alarms: int = 0
    early: int = 0
    years_with: int = 0

    def add(self, found: list[Track]) -> None:
        """One year more."""
        alarms = len(list(raised(found, Level.ALARM)))
        self.years, self.streams, self.alarms = self.years + 1, len(found), self.alarms + alarms
        self.early += len(list(raised(found, Level.WATCH)))
        self.years_with += alarms > 0


def quiet(rng: Rng, rows: int, years: int, memory: float) -> QuietYears:
    """Simulated years in which nothing happens."""
    tally = QuietYears()
    for _ in range(years):
        tally.add(simulated(rng, rows, REFERENCE + YEAR, memory))
    return tally


def delay(rng: Rng, rows: int, memory: float, change: Change) -> float:
    """Days until an alarm of the kind that the change is of; infinite where none comes."""
    names = {
        "level": "level:normal",
        "spread": "spread:normal",
        "share": "share:channel=web",
        "missing": "missing:normal",
    }
    wanted = names.get(change.kind, "unknown:channel")
    days = [
        at
        for name, at in raised(simulated(rng, rows, REFERENCE + HORIZON, memory, change), Level.ALARM)
        if name == wanted
    ]
    return min(days, default=np.inf)


def _tells_the_time(values: pl.Series) -> bool:
    """Whether a column is a function of the order of rows, such as a date."""
    rank = values.rank().fill_null(0).to_numpy()
    return rank.std() > 0 and abs(np.corrcoef(rank, np.arange(len(rank)))[0, 1]) > 0.95


def real_years(rng: Rng, name: str, rows: int, years: int) -> QuietYears:
    """Years drawn in blocks of seven from the days of the first third of a real set, whose fences are those of all these rows."""
    frame = pl.read_parquet(Path(os.environ["BACKSLIDE_DATA"]) / f"{name}.parquet")
    plain = [c for c, dtype in frame.schema.items() if dtype.is_numeric() or dtype in (pl.String, pl.Categorical)]
    days = frame.height // rows // 21 * 7
    frame = frame.select(plain).head(days * rows).with_columns(pl.Series(PERIOD, np.arange(days * rows) // rows))
    clock = [c for c in plain if _tells_the_time(frame[c])]
    values = values_of(frame.drop(clock))
    known = {c: tuple(frame[c].cast(pl.String).drop_nulls().unique().to_list()) for c in values.levels}
    sums, tally = sums_of(frame, values, known), QuietYears()
    for _ in range(years):
        starts = rng.integers(0, days // 7, (REFERENCE + YEAR) // 7 + 1) * 7
        order_of_days = (starts[:, None] + np.arange(7)).ravel()[: REFERENCE + YEAR]
        tally.add(tracks({n: sums[int(day)] for n, day in enumerate(order_of_days)}, values))
    return tally


def line(*cells: str) -> None:
    """One row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=int, default=400)
    parser.add_argument("--runs", type=int, default=40, help="of each change")
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--memory", type=float, default=0.3)
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    head = ("streams", "quiet years", "alarms a year", "years with one", "early signs a year", "promised")
    promised = f"{RULES.false_alarms} and {RULES.false_watches}"

    def tell(name: str, tally: QuietYears) -> None:
        rates = (f"{tally.alarms / tally.years:.3f}", str(tally.years_with), f"{tally.early / tally.years:.2f}")
        line(name, str(tally.streams), str(tally.years), *rates, promised)

    line("log", *head)
    line(*["---"] * (1 + len(head)))
    if options.real:
        for name, rows in REAL.items():
            tell(f"{name}, {rows} rows a day", real_years(np.random.default_rng(0), name, rows, options.years))
        return
    for rows in options.rows:
        tell(
            f"simulated, {rows} rows a day",
            quiet(np.random.default_rng([rows, 1]), rows, options.years, options.memory),
        )
    print()
    line("change", *(f"{rows} rows a day: median, in {HORIZON} days" for rows in options.rows))
    line(*["---"] * (1 + len(options.rows)))
    for change in CHANGES:
        cells = []
        for rows in options.rows:
            waits = [
                delay(np.random.default_rng([rows, 2, run]), rows, options.memory, change)
                for run in range(options.runs)
            ]
            middle = np.median(waits)
            cells.append(
                f"{middle:.0f} d, {np.mean(np.isfinite(waits)):.0%}"
                if np.isfinite(middle)
                else f"-, {np.mean(np.isfinite(waits)):.0%}"
            )
        line(change.words, *cells)


if __name__ == "__main__":
    main()
