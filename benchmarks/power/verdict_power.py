"""What the verdict sees of a drop, by size and rows, and what control variates would add to it.

    python benchmarks/power/verdict_power.py                  simulated rows and days: drops of 1, 2, 5 points
    python benchmarks/power/verdict_power.py --data FOLDER    real days, with and without control variates

With ``--data``: boosted trees learn from the first quarter of real sets. The later days of a stretch are dealt at random to two
windows, so that nothing but the luck of days differs; outcomes of the current one are made wrong at random for a drop. The test
of the verdict is compared with one that takes out what was known before the labels, fitted on the reference alone: the
expected outcome by the model's own calibrated scores, or by the mix of segments (every column of few values), or both. ``split``
looks at the plain and at the adjusted change, at half the level each. ``new scale`` is a harmless change: the scores of the
current window are sharpened, and no answer and no label is another. ``milder mix`` takes away a fifth
of the less confident half of the rows and makes the others that much worse, so that the metric stands still.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import Ridge

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backslide.stats.change.metric_change import VERDICT_ALPHA, Change, Units, compare
from backslide.stats.change.units import row_units
from backslide.stats.metrics.metric import Metric
from label_request import SETS, served
from measure import machine, table

Floats = NDArray[np.float64]
MIN_EFFECT = 0.01
DROPS = (0.01, 0.02, 0.05)
ROWS = (500, 2_000, 10_000, 20_000, 100_000)
LEVEL, DAYS = 0.8, 90
DAY_EFFECTS = (0.0, 0.01, 0.03, 0.0595)
"""Standard deviations of a day: none, a point, three, and that of a real classifier whose days differ by .068 where .033 is
binomial."""
FEW_VALUES = 30
PENALTY = 50.0
TEMPERATURE = 0.6


def linear(weight: float) -> Metric:
    """Mean of ``y - weight * c`` over rows ``[1, y, c]``."""
    return Metric("hits", True, "absolute", lambda s: (s[..., 1] - weight * s[..., 2]) / s[..., 0], event=1.0)


def degraded(raw: Change, judged: Change, alpha: float = VERDICT_ALPHA) -> bool:
    """By the test of ``judged``; the headline that must be material is the raw change."""
    return judged.p_worse < alpha and -raw.estimate >= MIN_EFFECT


def simulated(runs: int) -> None:
    """Share of drops that the verdict sees, by rows of a window."""
    rng = np.random.default_rng(1)
    lines = []
    for what in ("independent rows", *DAY_EFFECTS):
        for drop in (0.0, *DROPS):
            cells = []
            for rows in ROWS:
                seen = [_seen(rng, rows, drop, None if isinstance(what, str) else what) for _ in range(runs)]
                cells.append(f"{100 * np.mean(seen):.1f}%" if drop == 0 else f"{100 * np.mean(seen):.0f}%")
            name = what if isinstance(what, str) else f"{DAYS} + {DAYS} days, day effect {100 * what:g} points"
            lines.append((name, f"{100 * drop:g} points", *cells))
    print(machine())
    print(table(("windows", "drop", *(f"{rows:,} rows" for rows in ROWS)), lines))


def _seen(rng: np.random.Generator, rows: int, drop: float, effect: float | None) -> bool:
    sides = []
    for late in (False, True):
        days = np.arange(1 if effect is None else DAYS) + DAYS * late
        sizes = rng.multinomial(rows, np.full(len(days), 1 / len(days)))
        days, sizes = days[sizes > 0], sizes[sizes > 0]
        luck = 0.0 if effect is None else effect * rng.normal(size=len(days))
        hits = rng.binomial(sizes, np.clip(LEVEL - drop * late + luck, 0, 1))
        sums = np.column_stack([sizes, hits, np.zeros(len(days))]).astype(float)
        n, right, _ = sums.sum(0)
        second = np.array([[n, right, 0], [right, right, 0], [0, 0, 0]])
        own = (None, None) if effect is None else (days % 7, days)
        sides.append(Units(sums, sums[:, 0], second, *own))
    change = compare(sides[0], sides[1], linear(0.0))
    return degraded(change, change)


@dataclass(frozen=True)
class Served:
    """Rows of one set: hits (n,), confidence (n,), one-hot columns of few values (n, d), days (n,)."""

    hits: Floats
    confidence: Floats
    mix: Floats
    days: NDArray[np.int64]


def real(folder: Path) -> Iterator[tuple[str, Served]]:
    """Classifiers with days, as served."""
    for name, (_, time, away) in SETS.items():
        rows, label, number = served(folder, name)
        if number or time is None:
            continue
        frame = pl.read_parquet(folder / f"{name}.parquet")[-rows.height :]
        known = frame.drop([c for c in (label, time, *away) if c in frame.columns])
        few = [c for c in known.columns if known[c].n_unique() <= FEW_VALUES]
        mix = known.select(few).cast(pl.String).to_dummies().to_numpy().astype(float)
        scores = rows.select([c for c in rows.columns if c.startswith("p_")]).to_numpy().max(1)
        hits = (rows["label"] == rows["prediction"]).to_numpy().astype(float)
        days = rows["at"].dt.date().cast(pl.Int32).to_numpy().astype(np.int64)
        yield name, Served(hits, scores, mix, days)


def sharpened(confidence: Floats) -> Floats:
    """Scores on another scale: the same answers, surer."""
    odds = np.log(np.clip(confidence, 1e-6, 1 - 1e-6) / np.clip(1 - confidence, 1e-6, 1)) / TEMPERATURE
    return np.asarray(1 / (1 + np.exp(-odds)))


def expected(ref: Served, way: str, *sides: Served) -> list[Floats]:
    """Expected hits of some rows, learned from the reference."""
    if way == "mix":
        model = Ridge(PENALTY).fit(ref.mix, ref.hits)
        return [model.predict(side.mix) for side in sides]
    scores = IsotonicRegression(out_of_bounds="clip", y_min=0.01, y_max=0.99).fit(ref.confidence, ref.hits)
    first = [scores.predict(side.confidence) for side in sides]
    if way == "scores":
        return first
    model = Ridge(PENALTY).fit(ref.mix, ref.hits - scores.predict(ref.confidence))
    return [one + model.predict(side.mix) for one, side in zip(first, sides, strict=True)]


def weight_of(y: Floats, c: Floats, days: NDArray[np.int64]) -> float:
    """Slope of daily hits on what was expected of them, over the reference's days (Lavenberg and Welch 1981)."""
    _, day = np.unique(days, return_inverse=True)
    n = np.bincount(day)
    a, b = np.bincount(day, c) / n - c.mean(), np.bincount(day, y) / n - y.mean()
    return float(np.clip((n @ (a * b)) / max(n @ (a * a), 1e-9), 0.0, 1.5))


def take(s: Served, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Served:
    """Some rows."""
    return Served(s.hits[rows], s.confidence[rows], s.mix[rows], s.days[rows])


WAYS = ("scores", "mix", "scores and mix")
WORLDS = ("quiet", *(f"{100 * d:g} points" for d in DROPS), "new scale", "milder mix")


def changed(world: str, cur: Served, rng: np.random.Generator) -> Served:
    """What happens to the current window."""
    if world == "new scale":
        return Served(cur.hits, sharpened(cur.confidence), cur.mix, cur.days)
    if world == "milder mix":
        hard = cur.confidence < np.quantile(cur.confidence, 0.5)
        kept = take(cur, ~(hard & (rng.random(len(hard)) < 0.2)))
        worse = max(kept.hits.mean() - cur.hits.mean(), 0.0) / kept.hits.mean()
        return Served(kept.hits * (rng.random(len(kept.hits)) >= worse), kept.confidence, kept.mix, kept.days)
    drop = float(world.split()[0]) / 100 if world.endswith("points") else 0.0
    keeps = rng.random(len(cur.hits)) >= drop / cur.hits.mean()
    return Served(cur.hits * keeps, cur.confidence, cur.mix, cur.days)


def pair(s: Served, days: int, rng: np.random.Generator) -> tuple[Served, Served]:
    """A stretch of days, dealt to two windows."""
    distinct = np.unique(s.days)
    start = int(rng.integers(max(len(distinct) - 2 * days, 1)))
    stretch = rng.permutation(distinct[start : start + 2 * days])
    return take(s, np.isin(s.days, stretch[: len(stretch) // 2])), take(
        s, np.isin(s.days, stretch[len(stretch) // 2 :])
    )


def measured(s: Served, days: int, runs: int) -> list[tuple[str, ...]]:
    """One line for each world: shares called degraded, plainly and each way."""
    lines = []
    for world in WORLDS:
        rng = np.random.default_rng(7)
        called: list[list[bool]] = []
        widths = []
        for _ in range(runs):
            ref, cur = pair(s, days, rng)
            cur = changed(world, cur, rng)
            one, width = [], []
            raw = None
            for way in WAYS:
                c_ref, c_cur = expected(ref, way, ref, cur)
                sides = [
                    row_units(np.column_stack([np.ones(len(o.hits)), o.hits, c]), o.days)
                    for o, c in ((ref, c_ref), (cur, c_cur))
                ]
                if raw is None:
                    raw = compare(sides[0], sides[1], linear(0.0))
                    one.append(degraded(raw, raw))
                adjusted = compare(sides[0], sides[1], linear(weight_of(ref.hits, c_ref, ref.days)))
                half = VERDICT_ALPHA / 2
                one += [degraded(raw, adjusted), degraded(raw, raw, half) or degraded(raw, adjusted, half)]
                width.append(adjusted.se / raw.se)
            called.append(one)
            widths.append(width)
        shares = [f"{100 * share:.1f}%" for share in np.mean(called, axis=0)]
        errors = [f"{value:.2f}" for value in np.median(widths, axis=0)]
        lines.append((world, *shares, *errors))
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the real data sets")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--days", type=int, default=60, help="days of a window of real rows")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")  # only verdicts count
    if chosen.data is None:
        simulated(chosen.runs)
        return
    head = ("world", "plain", *(f"{way}{'' if k == 0 else ', split'}" for way in WAYS for k in (0, 1)))
    print(machine())
    for name, s in real(chosen.data):
        print(f"\n{name}: {len(s.hits):,} rows, {len(np.unique(s.days))} days, {s.hits.mean():.3f} right\n")
        print(table((*head, *(f"error, {way}" for way in WAYS)), measured(s, chosen.days, chosen.runs)), flush=True)


if __name__ == "__main__":
    main()
