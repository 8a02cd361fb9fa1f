"""Data faults told before labels come: on which day a planted fault raises its alarm, and what the alarm says.

    python benchmarks/fault_streams.py --stories 10
    BACKSLIDE_DATA=... python benchmarks/fault_streams.py --planted electricity census_employment_ma

Each case goes through the whole of ``watch``: a reference, quiet days, then a column that is broken on the rows of one host or
client, a quarter of all. Nothing is labelled after the reference. ``watch`` looks on the morning after the first and after the
second broken day. An alarm counts as told if it came by then, and as right if its sentence names the kind, a broken column and
the rows. Anything raised on the quiet days is counted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backslide.contracts.watch import Incident, Level, WatchReport
from backslide.jobs import investigate
from backslide.jobs.diagnose import diagnose
from backslide.jobs.watch import watch
from backslide.store.memory import Book
from faults.pipelines import make_world
from faults.sets import SETS
from watched_logs import DAY, REFERENCE, Story, plant, real, simulated, unlabelled

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
QUIET = 7
"""Days between the reference and a planted fault, where the set has as many."""
QUIET_OF_STORIES = 60
BY = 2
"""Broken days by whose end the alarm is wanted."""
ALIKE = {
    "default_value": {"missing_values", "frozen_feature"},
    "frozen_feature": {"default_value"},
    "category_recode": {"unseen_category"},
    "unseen_category": {"category_recode"},
}
"""Kinds that say the same of some faults: a code that nothing else had is a recode, one value on all rows a default."""


@dataclass(frozen=True)
class Case:
    """A log with a fault on its last days."""

    name: str
    story: Story
    kind: str
    columns: tuple[str, ...]
    mark: str
    """Value that marks the rows."""
    variant: str
    harm: float | None
    quiet: int
    book: Book
    """What ``watch`` kept of the time before the fault."""


@dataclass(frozen=True)
class Outcome:
    """What the looks after the first and the second broken day said."""

    day: int | None
    """Broken day after which the alarm stood; None without one."""
    sentence: str
    right: bool
    before: int
    """Alarms and early signs of the quiet days."""
    seconds: float


def look(case: Case) -> Outcome:
    """Take a case through ``watch``."""
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        settings, book = case.story.write(Path(name), diagnose=True), deepcopy(case.book)
        first = case.story.moment(case.quiet)
        for day in range(1, BY + 1):
            answer = watch(
                settings,
                book=book,
                as_of=case.story.moment(case.quiet + day, 6),
                deliver=False,
                reference_model=case.story.pipeline,
            )
            alarm = _alarm(answer, first)
            if alarm is not None:
                break
    before = sum(datetime.fromisoformat(m.raised) < first for one in answer.incidents for m in one.members)
    seconds = time.process_time() - begun
    if alarm is None:
        return Outcome(None, "", False, before, seconds)
    sentence = alarm.diagnosis.sentence if alarm.diagnosis is not None else alarm.sentence
    return Outcome(day, sentence, _right(case, answer, alarm, sentence), before, seconds)


def quiet_time(story: Story, quiet: int) -> Book:
    """What ``watch`` keeps of a log until a fault begins: the same for every fault that follows."""
    before = replace(story, frame=story.frame.filter(pl.col(DAY) < story.reference + quiet))
    with tempfile.TemporaryDirectory() as name:
        settings, book = before.write(Path(name), diagnose=True), Book()
        watch(settings, book=book, as_of=story.moment(quiet + 1, 6), deliver=False, reference_model=story.pipeline)
    return book


def _alarm(answer: WatchReport, first: datetime) -> Incident | None:
    """The alarm of the broken days."""
    found = (one for one in answer.incidents if one.level == Level.ALARM and one.open)
    return next((one for one in found if datetime.fromisoformat(one.raised) >= first), None)


def _right(case: Case, answer: WatchReport, alarm: Incident, sentence: str) -> bool:
    """Whether the first sentence names a broken column and the rows, and the fault that it speaks of is of the kind."""
    named = any(column.lower() in sentence.lower() for column in case.columns)
    spoken = [(one.kind, one.features) for one in answer.faults if one.words[1:] in sentence]
    if not spoken and alarm.diagnosis is not None:
        spoken = [(str(alarm.diagnosis.kind), alarm.diagnosis.features)]
    kinds = {case.kind, *ALIKE.get(case.kind, ())}
    kind = any(one in kinds and set(features) & set(case.columns) for one, features in spoken)
    return named and kind and f"'{case.mark}'" in sentence


def stories(seeds: range) -> Iterator[Case]:
    """One client begins to send cents in place of euros."""
    for seed in seeds:
        first = REFERENCE + QUIET_OF_STORIES

        def cents(columns: dict[str, Any], rng: np.random.Generator, first: int = first) -> None:
            own = (columns[DAY] >= first) & (columns["client"] == "b")
            columns["amount"] = np.where(own, np.round(columns["amount"] * 100), columns["amount"])

        story = unlabelled(simulated(seed, first + BY + 1, cents))
        book = quiet_time(story, QUIET_OF_STORIES)
        yield Case("cents", story, "unit_change", ("amount",), "b", f"seed {seed}", None, QUIET_OF_STORIES, book)


def planted(name: str, options: argparse.Namespace) -> Iterator[Case]:
    """Each kind of fault that the set has columns for."""
    world = make_world(SETS[name], options.model, 0, options.cache)
    story = real(world, np.random.default_rng(options.seed), shuffled=not options.in_order, rows=options.rows)
    days = int(story.frame[DAY].n_unique()) - story.reference
    quiet = min(QUIET, days - BY - 1)  # a day is over once rows of the next one are there
    book = quiet_time(unlabelled(story), quiet)
    for kind in options.kinds:
        made = plant(world, story, kind, np.random.default_rng([PLANTED.index(kind), options.seed]), quiet, BY + 1)
        if made is not None:
            broken, fault, harm = made
            yield Case(name, broken, kind, fault.columns, "a", fault.variant, harm, quiet, book)


def line(*cells: object) -> None:
    """One row of a Markdown table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stories", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="of the stories, where some were run before")
    parser.add_argument("--planted", nargs="*", default=[])
    parser.add_argument("--in-order", action="store_true", help="days in their order, with the drift behind them")
    parser.add_argument("--model", default="boosting")
    parser.add_argument("--rows", type=int, help="of a day")
    parser.add_argument("--seed", type=int, default=5, help="of the order of days, of the hosts and of the faults")
    parser.add_argument("--kinds", nargs="*", default=PLANTED)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    investigate.diagnose = partial(diagnose, quick=True)  # the checks that describe are read by nobody here
    columns = (
        "log",
        "kind",
        "columns",
        "what",
        "harm",
        "day of the alarm",
        "sentence right",
        "raised before",
        "s",
        "sentence",
    )
    line(*columns)
    line(*["---"] * len(columns))
    cases = [lambda: stories(range(options.first, options.stories))]
    cases += [lambda name=name: planted(name, options) for name in options.planted]
    for make in cases:
        for case in make():
            found = look(case)
            harm = "" if case.harm is None else f"{case.harm:.3f}"
            line(
                case.name,
                case.kind,
                "+".join(case.columns),
                case.variant,
                harm,
                found.day or "none",
                "yes" if found.right else "no",
                found.before,
                f"{found.seconds:.0f}",
                found.sentence,
            )


if __name__ == "__main__":
    main()
