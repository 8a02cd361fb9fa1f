"""A simulated history to look around in: a legal desk's model that got worse twice, another that did not, and a newcomer.

Nothing here is real. The days are those of :mod:`backslide.demo.simulate`, moved by whole weeks so that the last one is today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from backslide.contracts.config import Settings
from backslide.contracts.files import write_whole
from backslide.contracts.watch import Level
from backslide.demo.desk import serve, train
from backslide.demo.simulate import CLASSES, FEATURES, SimulatedPeriod, documents
from backslide.demo.story import SEED, TRAINING
from backslide.jobs.watch import settings_key, watch
from backslide.log.recorder import Recorder
from backslide.log.rollup import roll_up_each
from backslide.server.looks import LookQueries
from backslide.server.pages.reports import body_of
from backslide.store.accounts import Accounts
from backslide.store.database import Database, open_database
from backslide.store.desk import Desk

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

DESK, NORTH, NEWCOMER = "legal-desk", "legal-desk-north", "letters-priority"
FIRST = date(2026, 1, 5)
"""Monday on which the simulated days begin."""
REFERENCE_DAYS = 35
WEEKS = 14
"""Whole weeks of history before the one of today."""
FIRST_FAULT = (49, 60)
"""Days of the first fault, counted from the first day: an update of the reader that was taken back."""
SECOND_FAULT = 84
"""First day of the second one, which goes on: the update came again with another release."""
LABEL_DAYS = 2.2
"""Median delay of the reviewers' word."""
NORTH_DAYS = (28, 18)
"""Days of the reference and after it of the model that stays as good as it was: the last ones."""
SAMPLE = 2500
"""Rows that the demo's diagnoses look at one by one: nobody waits for a demo."""
NEWCOMER_DAYS = 5
VERSION = "triage-4.2"
ANALYST, VISITOR = "Mara", "visitor"


@dataclass(frozen=True)
class SimulatedHistory:
    """Where the simulated days lie."""

    now: datetime
    """Naive UTC."""

    @property
    def shift(self) -> timedelta:
        """From the simulated days to those of the calendar: whole weeks, so that Mondays stay Mondays."""
        monday = self.now.date() - timedelta(days=self.now.weekday())
        return monday - timedelta(weeks=WEEKS) - FIRST

    def day(self, number: int) -> date:
        """A day of the calendar by its number in the history."""
        return FIRST + timedelta(days=number) + self.shift

    def moment(self, number: int, hour: int, minute: int = 0) -> datetime:
        """A moment of such a day, in UTC."""
        day = self.day(number)
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)

    @property
    def days(self) -> int:
        """Days from the first to today."""
        return (self.now.date() - self.day(0)).days + 1


def prepare_demo(folder: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Write logs, configurations and the state of a first look into a folder; returns the configuration of the server.

    What an earlier call left there is used again.
    """
    say = progress or (lambda _: None)
    config = folder / "backslide.toml"
    if config.exists():
        return config
    folder.mkdir(parents=True, exist_ok=True)
    history = SimulatedHistory(datetime.now(UTC).replace(tzinfo=None))
    _record(folder, history, say)
    models = folder / "models"
    models.mkdir(exist_ok=True)
    for name in (DESK, NORTH):
        write_whole(models / f"{name}.toml", model_configuration(name, history))
    _look(folder, history, say)
    write_whole(config, SERVER)
    return config


def demo_token(config: Path) -> str:
    """The secret of a token for whoever started the demo; the one of the start before opens nothing any more."""
    settings = Settings.load(config)
    with open_database(settings.store.url, settings.base) as database:
        accounts = Accounts(database)
        accounts.revoke(VISITOR, VISITOR)
        return accounts.create_token(VISITOR, ("admin",), VISITOR)[1]


SERVER = """\
# Simulated data of `backslide serve --demo`: no document, client or court in it is real.
[server]
models = ["models/*.toml"]
every = "never"
"""


def model_configuration(name: str, history: SimulatedHistory) -> str:
    """The configuration of a model, as its owner would have written it."""
    scores = ", ".join(f'"{label}" = "p_{label}"' for label in CLASSES)
    features = ", ".join(f'"{feature}"' for feature in FEATURES)
    first, last = 0, REFERENCE_DAYS - 1
    if name == NORTH:
        first = history.days - sum(NORTH_DAYS)
        last = first + NORTH_DAYS[0] - 1
    trusted = '\n[artifacts]\nreference_model = "../triage.joblib"\ntrusted = true   # written by the demo itself\n'
    return f"""\
# Simulated data of `backslide serve --demo`: no document, client or court in it is real.
[model]
name = "{name}"
task = "multiclass"
label = "label"                 # the reviewers' word; it comes days later
label_time = "label_at"
prediction = "prediction"
scores = {{ {scores} }}
timestamp = "at"
id = "id"
version = "version"
metric = "accuracy"
features = [{features}]

[data]
source = "../log/tables/{name}"

[windows]
reference = "{history.day(first)}..{history.day(last)}"
{trusted}
[engine]
sample_rows = {SAMPLE}          # a demo is looked at, not waited for

[watch]
faults = false                  # nor for every day of its history to be read

[checks]
EXP001.mute = "left out of the demo, which nobody should wait for"
EXP002.mute = "left out of the demo, which nobody should wait for"
EXP003.mute = "left out of the demo, which nobody should wait for"

[store]
url = "sqlite:///../backslide.db"
"""


def _record(folder: Path, history: SimulatedHistory, say: Callable[[str], None]) -> None:
    """Train the desk's model, let it answer day by day, and put all of it into the log."""
    import joblib

    say("simulating earlier months and training the desk's model")
    model = train(documents(TRAINING, SEED))
    joblib.dump(model, folder / "triage.joblib")
    log = folder / "log"
    periods = [(0, FIRST_FAULT[0], False), (*FIRST_FAULT, True), (FIRST_FAULT[1], SECOND_FAULT, False)]
    periods.append((SECOND_FAULT, history.days, True))
    say(f"simulating {history.days} days of predictions")
    with Recorder(DESK, log) as recorder:
        for first, until, broken in periods:
            _serve(recorder, model, history, first, until - first, SEED, ocr_as_fraction=broken)
        for text, at in _events(history):
            recorder.event(text, at=at)
    with Recorder(NORTH, log) as recorder:
        _serve(recorder, model, history, history.days - sum(NORTH_DAYS), sum(NORTH_DAYS), SEED + 1)
    with Recorder(NEWCOMER, log) as recorder:
        _serve(recorder, model, history, history.days - NEWCOMER_DAYS, NEWCOMER_DAYS, SEED + 3, labels=False)
    say("making tables of the log")
    roll_up_each(log)


def _events(history: SimulatedHistory) -> Iterator[tuple[str, datetime]]:
    yield "deploy triage-4.2", history.moment(REFERENCE_DAYS + 4, 9, 20)
    yield "deploy reader 7.0", history.moment(FIRST_FAULT[0], 0, 5)
    yield "roll back reader to 6.4", history.moment(FIRST_FAULT[1] - 1, 22, 40)
    yield "mail server moved", history.moment(FIRST_FAULT[1] + 12, 6)
    yield "deploy reader 7.1", history.moment(SECOND_FAULT, 0, 10)


def _serve(
    recorder: Recorder,
    model: Pipeline,
    history: SimulatedHistory,
    first: int,
    days: int,
    seed: int,
    *,
    ocr_as_fraction: bool = False,
    labels: bool = True,
) -> None:
    """Days of documents as the service records them, and labels as the reviewers give them."""
    start = FIRST + timedelta(days=first)
    period = SimulatedPeriod(start, days, ocr_as_fraction=ocr_as_fraction)
    shift = pl.lit(history.shift).cast(pl.Duration("us"))
    served = serve(model, documents(period, seed)).with_columns(pl.col("received_at") + shift)
    served = served.filter(pl.col("received_at") <= history.now.replace(tzinfo=UTC))
    rng = np.random.default_rng([seed, first])
    known = (
        served["received_at"].dt.epoch("s").to_numpy() + rng.lognormal(np.log(LABEL_DAYS), 0.5, served.height) * 86400
    )
    present = history.now.replace(tzinfo=UTC).timestamp()
    rows = zip(served.iter_rows(named=True), known.tolist(), strict=True)
    for row, at in rows:
        name = f"{recorder.name}-{row['document_id']}"
        features = {feature: row[feature] for feature in FEATURES}
        scores = {label: row[f"p_{label}"] for label in CLASSES}
        recorder.record(features, row["predicted"], scores, id=name, at=row["received_at"], version=VERSION)
        if labels and row["category"] is not None and at <= present:
            recorder.label(name, row["category"], at=at, source="review desk")


def _look(folder: Path, history: SimulatedHistory, say: Callable[[str], None]) -> None:
    """Look at both models, and say of the first incident what became of it."""
    every = {name: Settings.load(folder / "models" / f"{name}.toml") for name in (DESK, NORTH)}
    with open_database(every[DESK].store.url, every[DESK].base) as database:
        for name, settings in every.items():
            say(f"looking at {name}")
            watch(settings, as_of=history.now, book=database.book(name, settings_key(settings)), deliver=False)
        _remember(database, history, say)


def _remember(database: Database, history: SimulatedHistory, say: Callable[[str], None]) -> None:
    """What the desk said of the first incident, and the report of the open one, laid out."""
    ask, desk = LookQueries(database), Desk(database)
    past = history.day(FIRST_FAULT[1]).isoformat()
    for data in ask.incidents_of(DESK):
        if data["level"] == Level.ALARM and data["began"] < past:
            covers = [(m["stream"], m["level"], m["raised"]) for m in data["members"]]
            desk.acknowledge(DESK, data["id"], ANALYST)
            note = "reader 7.0 sent its confidence from 0 to 1 instead of percent; rolled back to 6.4"
            database.mark(DESK, data["id"], "fixed", note, covers)
            desk.annotate(
                DESK, data["id"], ANALYST, "The vendor says that 7.1 sends percent again. Watch the first day after it."
            )
        elif data["open"]:
            say("drawing the report")
            found = ask.diagnosis(DESK, data["id"])
            if found is not None:
                key = ("incident", DESK, data["id"], found[1].isoformat())
                body_of(ask, key, partial(ask.whole_diagnosis, DESK, data["id"]))
