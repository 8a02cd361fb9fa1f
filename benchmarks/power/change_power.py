"""How often the test of a metric's change is wrong, what it sees, and how wide its intervals are.

Simulates daily error counts: weekday season, day effects with memory, unequal days. For every world: share of quiet pairs with
p < 5 % and < 0.5 %, share of quiet pairs that the verdict would call degraded (0.5 % and a point beyond), power for a drop,
coverage of the 95 % interval, and its mean width over that of the oracle, who knows the true variance.

    python benchmarks/power/change_power.py                 windows with days enough
    python benchmarks/power/change_power.py --few           one to thirteen days
    python benchmarks/power/change_power.py --quick         a smoke run
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from backslide.stats.change.metric_change import VERDICT_ALPHA, Units, compare
from backslide.stats.metrics.metric import METRICS

Floats = NDArray[np.float64]
ERROR_RATE = METRICS["bias"]
"""Mean of 0/1 losses, as a metric of which less is better."""
SEASON = np.array([-0.010, -0.005, 0.0, 0.0, 0.005, 0.010, 0.015])
MIN_EFFECT = 0.01
HEAD = (
    "world",
    "runs",
    "p<5%",
    "p<.5%",
    "degraded",
    "drop",
    "seen 5%",
    "seen .5%",
    "degraded",
    "cover",
    "x oracle",
    "ms",
)


@dataclass(frozen=True)
class World:
    """What days are like. Rates are shares of rows."""

    reference: int = 28
    current: int = 7
    per_day: int = 1000
    tau: float = 0.008
    """Standard deviation of the day effect."""
    rho: float = 0.0
    season: float = 1.0
    weekend: float = 0.6
    """Rows of a weekend day over those of a weekday."""
    base: float = 0.12
    drop: float = 0.02

    def __str__(self) -> str:
        season = "" if self.season == 1 else f", season x{self.season:g}"
        days = f"{self.reference}/{self.current} days of {self.per_day}"
        return f"{days}, tau {100 * self.tau:g} pt, rho {self.rho:g}{season}"


@dataclass(frozen=True)
class Drawn:
    """Two windows, the true change of their expectation, and the true standard error of its estimate."""

    windows: tuple[Units, Units]
    truth: float
    se: float


def draw(rng: np.random.Generator, world: World, harm: float) -> Drawn:
    """One pair of windows, the current one following the reference; the first weekday is random."""
    days = np.arange(world.reference + world.current) + int(rng.integers(7))
    late = np.arange(len(days)) >= world.reference
    noise = signal.lfilter([1.0], [1.0, -world.rho], rng.normal(size=len(days) + 50))[50:] * np.sqrt(1 - world.rho**2)
    expected = np.clip(world.base + world.season * SEASON[days % 7] + harm * late, 0, 1)
    rows = rng.poisson(world.per_day * np.where(days % 7 >= 5, world.weekend, 1.0)) + 1
    wrong = rng.binomial(rows, np.clip(expected + world.tau * noise, 0, 1))
    weights = np.where(late, rows / rows[late].sum(), -rows / rows[~late].sum())
    memory = world.rho ** np.abs(days[:, None] - days)
    variance = world.tau**2 * weights @ memory @ weights + (weights**2 * expected * (1 - expected) / rows).sum()
    first, second = (units_of(days[part], rows[part], wrong[part]) for part in (~late, late))
    return Drawn((first, second), float(weights @ expected), float(np.sqrt(variance)))


def units_of(days: NDArray[np.int64], rows: NDArray[np.int64], wrong: NDArray[np.int64]) -> Units:
    """Daily sums of ``[1, wrong]`` rows."""
    sums = np.column_stack([rows, wrong]).astype(float)
    n, total = sums.sum(0)
    return Units(sums, sums[:, 0], np.array([[n, total], [total, total]]), days % 7, days)


def measure(world: World, runs: int, seed: int = 1) -> list[str]:
    """One line of the table."""
    rng = np.random.default_rng(seed)
    found, seen = [], []
    begun = time.process_time()
    for _ in range(runs):
        pair = draw(rng, world, 0.0)
        change = compare(*pair.windows, ERROR_RATE)
        width = (change.high - change.low) / (2 * 1.96 * pair.se)
        found.append((change.p_worse, change.estimate, change.low <= pair.truth <= change.high, width))
    spent = (time.process_time() - begun) / runs
    for _ in range(max(runs // 4, 1)):
        change = compare(*draw(rng, world, world.drop).windows, ERROR_RATE)
        seen.append((change.p_worse, change.estimate))
    p, estimate, covered, width = np.array(found, float).T
    q, size = np.array(seen, float).T
    shares = [np.mean(p < 0.05), np.mean(p < VERDICT_ALPHA), np.mean((p < VERDICT_ALPHA) & (estimate >= MIN_EFFECT))]
    power = [np.mean(q < 0.05), np.mean(q < VERDICT_ALPHA), np.mean((q < VERDICT_ALPHA) & (size >= MIN_EFFECT))]
    return [
        str(world),
        str(runs),
        *(f"{100 * share:.1f} %" for share in shares),
        f"{100 * world.drop:g} pt",
        *(f"{100 * share:.0f} %" for share in power),
        f"{100 * np.mean(covered):.1f} %",
        f"{width.mean():.2f}",
        f"{1000 * spent:.1f}",
    ]


NOISE = ((0.0, 0.0), (0.008, 0.0), (0.008, 0.3), (0.008, 0.6), (0.015, 0.0), (0.015, 0.3), (0.015, 0.6))
LONG = ((28, 7), (14, 4), (60, 60), (56, 28))
SHORT = ((1, 1), (2, 2), (3, 3), (7, 1), (7, 3), (7, 7), (10, 5), (28, 1), (28, 3), (60, 1))


def worlds(few: bool) -> list[World]:
    """Lines of the table."""
    if few:
        base = World(rho=0.3, drop=0.1)
        return [
            replace(base, reference=good, current=bad, per_day=rows, season=season)
            for rows, season, (good, bad) in itertools.product((300, 5_000, 50_000), (1.0, 1.8), SHORT)
        ]
    return [
        World(reference=good, current=bad, per_day=rows, tau=tau, rho=rho)
        for (good, bad), rows, (tau, rho) in itertools.product(LONG, (200, 1000, 10_000, 50_000), NOISE)
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", action="store_true", help="windows of a few days")
    parser.add_argument("--runs", type=int, default=2000, help="quiet pairs per line (a quarter as many with a drop)")
    parser.add_argument("--only", type=int, nargs="*", help="lines of the table, counted from 0")
    parser.add_argument("--quick", action="store_true", help="two lines, few runs")
    given = parser.parse_args()
    chosen = worlds(given.few)
    if given.only:
        chosen = [chosen[i] for i in given.only]
    runs = given.runs
    if given.quick:
        chosen, runs = [World(), World(reference=3, current=3, rho=0.3)], 20
    print("| " + " | ".join(HEAD) + " |")
    print("| --- " * len(HEAD) + "|")
    for world in chosen:
        print("| " + " | ".join(measure(world, runs)) + " |", flush=True)


if __name__ == "__main__":
    main()
