"""Data faults in one look: what is not read yet is read and kept, then judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backslide.contracts import say
from backslide.contracts.config import Settings
from backslide.contracts.countdown import Countdown
from backslide.contracts.errors import BackslideError
from backslide.contracts.watch import Level
from backslide.models.load import load_model
from backslide.models.model import Model
from backslide.monitor.detect import Rules, Track
from backslide.monitor.fault_readings import FaultReader, FaultReading
from backslide.monitor.fault_streams import FaultHistory, fault_histories, total_track
from backslide.monitor.rows import PeriodRows
from backslide.stats.metrics.metric import Metric
from backslide.store.memory import Book

MOST_READ = 60
"""New periods, the latest, that one look reads: a first look at years of history need not wait for hours."""
MOST_REPLAYED = 400
"""The same of a replay, which is about the history."""


@dataclass
class FaultWatch:
    """The readings of the reference's last periods and of later ones, and what they raised."""

    reference: dict[int, FaultReading]
    later: dict[int, FaultReading]
    notes: list[str] = field(default_factory=list)
    histories: list[FaultHistory] = field(default_factory=list)
    total: Track | None = None

    @classmethod
    def read(
        cls,
        rows: PeriodRows,
        settings: Settings,
        saved: Any,
        book: Book,
        of_reference: Mapping[int, int],
        held: Mapping[int, int],
        progress: Callable[[str], None],
        *,
        most: int = MOST_READ,
    ) -> FaultWatch:
        """Read what is new, and keep it.

        ``saved`` is the saved model, None where there is none; ``of_reference`` and ``held`` are rows by period, of the reference
        and after it; at most ``most`` periods, the latest, are read.
        """
        kept = {n: FaultReading.from_dict(data) for n, data in book.periods("faults").items()}
        reader: FaultReader | None = None
        notes: list[str] = []
        first = min(held, default=max(of_reference) + 1)
        if not any(n < first for n in kept):
            reader, notes = _reader(rows, settings, saved)
            progress("reading the reference for data faults")
            kept |= _keep(book, reader.read_reference(of_reference))
        wanted = sorted(set(held) - set(kept))
        if wanted:
            if reader is None:
                reader, notes = _reader(rows, settings, saved)
            skipped, wanted = wanted[:-most], wanted[-most:]
            kept |= _keep(book, {n: FaultReading(error=f"more than {most} new periods at once") for n in skipped})
            countdown, done = Countdown(len(wanted)), 0
            progress(f"reading new rows for data faults: period {countdown.words(0)}")
            for readings in reader.read(held, wanted):
                kept |= _keep(book, readings)
                done += len(readings)
                progress(f"reading new rows for data faults: period {countdown.words(done)}")
        notes += reader.notes if reader is not None else []
        refused = {n: one.error for n, one in kept.items() if one.error is not None}
        if refused:
            last = max(refused)
            notes.append(
                f"{say.counted(len(refused), 'period')} could not be read for data faults, the last {rows.grid.label(last)}: "
                f"{refused[last]}"
            )
        return cls({n: r for n, r in kept.items() if n < first}, {n: r for n, r in kept.items() if n >= first}, notes)

    def judge(self, metric: Metric, min_effect: float, rules: Rules, leave_out: Sequence[str]) -> None:
        """Every fault through its detector."""
        self.histories = fault_histories(self.reference, self.later, metric, min_effect, rules, leave_out)
        self.total = total_track(self.reference, self.later, metric, min_effect)

    @property
    def tracks(self) -> list[Track]:
        """The stream of their joint harm, and one of each fault."""
        return [*([self.total] if self.total is not None else []), *(one.track for one in self.histories)]

    @property
    def broken(self) -> str | None:
        """Why inputs cannot be trusted now; None while no alarm about them is open."""
        alarmed = [one for one in self.histories if one.track.level == Level.ALARM]
        if not alarmed:
            return None
        first = alarmed[0].latest
        return f"inputs are not intact ({say.listed(first.features)}: {first.kind.words}); run the diagnosis"


def _reader(rows: PeriodRows, settings: Settings, saved: Any) -> tuple[FaultReader, list[str]]:
    """The reader, with the saved model where there is one that loads."""
    model: Model | None = None
    notes = []
    if saved is not None:
        try:
            model = load_model(saved, trusted=settings.artifacts.trusted, base=settings.base, task=settings.model.task)
        except BackslideError as error:
            notes.append(f"data faults are priced with a stand-in: {error}")
    return FaultReader(rows, settings, model), notes


def _keep(book: Book, readings: Mapping[int, FaultReading]) -> dict[int, FaultReading]:
    with book.transaction():
        book.freeze("faults", {n: one.to_dict() for n, one in readings.items()})
    return dict(readings)
