"""False alarms a year of every stream together, data faults of new rows and canary rows among them.

    python benchmarks/promise.py collect DIR --simulated 0 24 1
    BACKSLIDE_DATA=... python benchmarks/promise.py collect DIR --real electricity census_employment_ma --draws 0 4
    python benchmarks/promise.py replay DIR --years 400

``collect`` takes quiet logs through the whole of ``watch``, row by row, and stores what it keeps of each day: sums, and what was
read for data faults. ``replay`` first judges the stored days in their order, which must raise what ``watch`` raised, then draws
years from them in blocks of seven days, weekdays in their places, adds a year of canary answers of a model with some noise, and
counts what is raised. Both may be run again: what is stored is not collected twice.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.contracts.watch import Level
from backslide.jobs.watch import watch
from backslide.monitor.canary import CanaryWatch
from backslide.monitor.detect import Rules, Track, track
from backslide.monitor.fault_readings import FaultReading
from backslide.monitor.fault_streams import Precedents, fault_histories
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.rows import open_both, open_rows
from backslide.monitor.stream import Ledger, Subject
from backslide.monitor.streams import follow
from backslide.monitor.subject import subject_of
from backslide.monitor.sums import Sums, sums_of_reference
from backslide.stats.metrics.metric import METRICS, Metric
from backslide.store.memory import Book
from faults.pipelines import make_world
from faults.sets import SETS
from watched_logs import BLOCK, DAY, REFERENCE, YEAR, Story, real, simulated

RULES = Rules(0.1, 1.0, 365.25, recover_after=7)
LOOK = 28
"""Days between two looks."""
CANARY_ROWS = 200
CANARY_NOISE = (0.0, 0.005, 0.02, 0.1)
"""Mean share of rows that a model answers otherwise when asked twice."""
Raised = tuple[str, str, int]
"""Stream, level and period."""


@dataclass
class Days:
    """What ``watch`` keeps of one log, by day, and what it raised."""

    name: str
    subject: Subject
    metric: str
    min_effect: float
    reference: dict[str, dict[int, Sums]]
    inputs: dict[int, Sums]
    labels: dict[int, Sums]
    read_reference: dict[int, FaultReading]
    read: dict[int, FaultReading]
    raised: list[Raised] = field(default_factory=list)
    seconds: float = 0.0

    def judge(self, days: Sequence[int] | None = None) -> list[Track]:
        """Every stream but the canary's through its detectors, over ``days`` in place of the days that came."""
        first = min(self.inputs)
        order = sorted(self.inputs) if days is None else list(days)
        ledger = Ledger(
            (self.reference["inputs"], _renumbered(self.inputs, order, first)),
            (self.reference["labels"], _renumbered(self.labels, order, first)),
            None,
        )
        histories = fault_histories(
            self.read_reference, _renumbered(self.read, order, first), self.headline, self.min_effect, RULES
        )
        return [*(track(one, RULES) for one in follow(self.subject, ledger)), *(one.track for one in histories)]

    @property
    def headline(self) -> Metric:
        """The metric by its name."""
        return METRICS[self.metric]

    def year(self, rng: np.random.Generator) -> list[int]:
        """Days of a year in blocks of seven, each weekday in its place."""
        known = sorted(self.inputs)
        starts = range(0, len(known) - BLOCK + 1, BLOCK)
        drawn = rng.choice(starts, YEAR // BLOCK + 1)
        return [n for s in drawn for n in known[s : s + BLOCK]][:YEAR]


def _renumbered(kept: dict[int, Any], order: Sequence[int], first: int) -> dict[int, Any]:
    return {first + i: kept[n] for i, n in enumerate(order) if n in kept}


def gather(name: str, story: Story) -> Days:
    """Take a log through the whole of ``watch``, and keep what it kept."""
    begun, days = time.process_time(), int(story.frame[DAY].n_unique()) - story.reference
    with tempfile.TemporaryDirectory() as temporary:
        settings, book = story.write(Path(temporary)), Book()
        for day in [*range(LOOK, days, LOOK), days + 1]:  # the last day is over once the next one is
            answer = watch(
                settings, book=book, as_of=story.moment(day, 6), deliver=False, reference_model=story.pipeline
            )
        seconds = time.process_time() - begun
        grid = PeriodGrid.of(settings.watch)
        both = open_both(open_rows(settings, grid, story.moment(days + 1, 6)))
        case = Case(both, settings)
        subject, _ = subject_of(settings, both, case, grid)
        metric, min_effect = case.metric.name, case.problem.min_effect
    kept = book.reference()
    assert kept is not None
    first = min(book.periods("inputs"))
    read = {n: FaultReading.from_dict(one) for n, one in book.periods("faults").items()}
    later = {kind: {n: Sums.of_period(s, "") for n, s in book.periods(kind).items()} for kind in ("inputs", "labels")}  # type: ignore[arg-type]
    raised = [(m.stream, m.level.value, m.raised) for one in answer.incidents for m in one.members]
    return Days(
        name,
        subject,
        metric,
        min_effect,
        sums_of_reference(kept["sums"]),
        later["inputs"],
        later["labels"],
        {n: one for n, one in read.items() if n < first},
        {n: one for n, one in read.items() if n >= first},
        sorted((stream, level, grid.number(datetime.fromisoformat(at))) for stream, level, at in raised),
        seconds,
    )


def raised_by(tracks: Sequence[Track]) -> list[Raised]:
    """What was raised, by stream, with its period."""
    return sorted(
        (one.followed.name, raised.level.value, int(one.followed.later.ordinals[raised.raised]))
        for one in tracks
        for raised in one.raised
    )


def canary_year(rng: np.random.Generator, noise: float) -> Track:
    """A year of answers of a model that changes nothing; rows differ in how often they are answered otherwise."""
    chance = rng.beta(0.2, 0.2 * (1 - noise) / noise, CANARY_ROWS) / 2 if noise else np.zeros(CANARY_ROWS)
    first, *others = (rng.random(CANARY_ROWS) < chance for _ in range(YEAR + 2))
    moved = [int((first != one).sum()) for one in others]
    answers = {"rows": CANARY_ROWS, "noise": moved[0], "level": None, "answers": {}, "scores": False, "asked": ""}
    later = {n: {"moved": m, "answered": CANARY_ROWS, "level": None} for n, m in enumerate(moved[1:])}
    return CanaryWatch(answers, later).track(RULES, "accuracy", share=True)


@dataclass
class Tally:
    """What years raised."""

    years: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    early: int = 0
    with_one: int = 0

    def add(self, tracks: Sequence[Track]) -> None:
        """One year more."""
        signals = [(one.followed.kind, raised.level) for one in tracks for raised in one.raised]
        alarms = [kind for kind, level in signals if level == Level.ALARM]
        self.years += 1
        self.alarms.update(alarms)
        self.early += len(signals) - len(alarms)
        self.with_one += bool(alarms)

    def line(self) -> list[str]:
        """Cells of a table; the bound is of a Poisson count, 95 % on one side."""
        count = sum(self.alarms.values())
        bound = stats.chi2.ppf(0.95, 2 * count + 2) / 2 / max(self.years, 1)
        kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(self.alarms.items())) or "none"
        rate = count / max(self.years, 1)
        return [
            str(self.years),
            str(count),
            kinds,
            f"{rate:.3f}",
            f"{bound:.3f}",
            f"{self.early / max(self.years, 1):.2f}",
        ]


def stories(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Story]]]:
    """Names of logs and how each is made."""
    for seed in range(*options.simulated):
        yield f"simulated-{seed}", lambda seed=seed: simulated(seed, REFERENCE + options.days)
    for name in options.real:
        for draw in range(*options.draws):
            yield (
                f"{name}-{draw}",
                lambda name=name, draw=draw: real(
                    make_world(SETS[name], options.model, 0, options.folder / "models"),
                    np.random.default_rng([draw, 9]),
                ),
            )


def collect(options: argparse.Namespace) -> None:
    """Store the days of each log that is not stored yet."""
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, make in stories(options):
        path = options.folder / f"{name}.days"
        if path.exists():
            continue
        days = gather(name, make())
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(pickle.dumps(days))
        unfinished.replace(path)
        print(f"{name}: {len(days.read)} readings, {days.seconds:.0f} s, raised {days.raised}", flush=True)


def line(*cells: object) -> None:
    """One row of a Markdown table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def replay(options: argparse.Namespace) -> None:
    """Judge the stored days in their order, then years drawn from them."""
    logs = [pickle.loads(path.read_bytes()) for path in sorted(options.folder.glob("*.days"))]
    for title, chosen, years in (
        ("simulated", [one for one in logs if one.name.startswith("simulated")], options.years),
        ("real", [one for one in logs if not one.name.startswith("simulated")], options.real_years),
    ):
        if chosen:
            report(title, chosen, years)


def report(title: str, logs: list[Days], years: int) -> None:
    """Readings, faithfulness, and the rates of drawn years."""
    for one in logs:
        if raised_by(one.judge()) != one.raised:
            print(f"{one.name} is replayed otherwise: {one.raised} against {raised_by(one.judge())}")
    same = sum(raised_by(one.judge()) == one.raised for one in logs)
    readings, whole = sum(len(one.read) for one in logs), sum(len(one.inputs) for one in logs) / YEAR
    faults = [(one, fault) for one in logs for r in one.read.values() for fault in r.faults]
    harmful = [(one, fault) for one, fault in faults if fault.harmful]
    new = Counter(
        f"{fault.kind.value} of {'+'.join(fault.features)} ({one.name.rpartition('-')[0]})"
        for one, fault in harmful
        if not Precedents.of(one.read_reference).count(fault)
    )
    bound = stats.beta.ppf(0.95, sum(new.values()) + 1, max(readings - sum(new.values()), 1)) * YEAR
    print(
        f"{title}: {len(logs)} logs, {whole:.1f} years row by row, {same} of {len(logs)} replayed alike; alarms in them:"
    )
    print(
        f"  {Counter(s.partition(':')[0] for one in logs for s, level, _ in one.raised if level == 'alarm') or 'none'}"
    )
    print(
        f"  {readings} readings, {len(faults)} faults in them, {len(harmful)} harmful, new ones: {dict(new) or 'none'}"
    )
    print(f"  readings with a new harmful fault a year of looks, 95 % upper bound: {bound:.3f}")
    tally, rng = Tally(), np.random.default_rng(0)
    for i in range(years):
        log = logs[i % len(logs)]
        tally.add([*log.judge(log.year(rng)), canary_year(rng, CANARY_NOISE[i % len(CANARY_NOISE)])])
    line("years", "alarms", "of", "alarms a year", "upper bound", "early signs a year")
    line(*["---"] * 6)
    line(*tally.line())


def main() -> None:
    """Collect or replay."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("collect", "replay"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--simulated", type=int, nargs=3, default=(0, 0, 1), metavar=("FIRST", "END", "STEP"))
    parser.add_argument("--days", type=int, default=YEAR, help="of a simulated log, after its reference")
    parser.add_argument("--real", nargs="*", default=[])
    parser.add_argument("--draws", type=int, nargs=2, default=(0, 4), metavar=("FIRST", "END"))
    parser.add_argument("--model", default="boosting")
    parser.add_argument("--years", type=int, default=400)
    parser.add_argument("--real-years", type=int, default=200)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    collect(options) if options.step == "collect" else replay(options)


if __name__ == "__main__":
    main()
