"""New rows read for data faults: those of each period against a sample of the reference, once, and what was read is kept.

A period is read alone, and where it has few rows also together with one and, every other time, with three before it. Some
periods of the reference are read, each against the others: what the reference shows is nothing new. Labels of the rows that are
read are left out, so that a look before they come and one after read the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import polars as pl

from backslide.case import Case
from backslide.causes.columns.edit import MIN_ROWS
from backslide.causes.screening import ScreenedFault, screen
from backslide.contracts.cause import CauseKind
from backslide.contracts.config import Settings
from backslide.contracts.errors import BackslideError
from backslide.engine.columns.sample import positions, sample_groups
from backslide.engine.sources.errors import reading
from backslide.engine.window import open_windows
from backslide.models.model import Model
from backslide.monitor.periods import PERIOD
from backslide.monitor.rows import PeriodRows, number_periods, numbered_between, plain
from backslide.store.memory import damaged

REFERENCE_ROWS = 5000
"""Rows of the reference that new ones are read against: more tell little more, and every reading pays for them."""
PERIOD_ROWS = 5000
"""Rows of a period that are read."""
REFERENCE_PERIODS = 14
"""Periods, spread over the reference, that are read to learn what it shows itself."""
TOGETHER = (1, 2, 4)
"""Periods that are read together: a fault of few rows shows in several days of them, one of many on the first."""
ENOUGH = 2000
"""Rows from which on no more periods are read together: a quarter of them is enough to read any fault."""
CHUNK = 28
"""Periods whose rows are in memory at a time."""
PLACE = "__bs_place"
"""Column of the place of a row among all of them: what has an order is not held against rows that are no neighbours."""
Json = dict[str, Any]


@dataclass(frozen=True)
class FaultReading:
    """What one period's rows told; harm is of the headline over all rows of the period."""

    rows: int = 0
    faults: tuple[ScreenedFault, ...] = ()
    error: str | None = None
    """Why they could not be read."""

    def to_dict(self) -> Json:
        """JSON-safe; what is empty is left out."""
        document = {"rows": self.rows, "faults": [asdict(one) for one in self.faults], "error": self.error}
        return {key: value for key, value in document.items() if value}

    @classmethod
    def from_dict(cls, data: Json) -> FaultReading:
        """What ``to_dict`` wrote.

        Raises:
            StoreError: it is something else.
        """
        try:
            faults = tuple(
                ScreenedFault(**{**one, "kind": CauseKind(one["kind"]), "features": tuple(one["features"])})
                for one in data.get("faults", [])
            )
            return cls(data.get("rows", 0), faults, data.get("error"))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise damaged("the faults read in a period cannot be read") from None


@dataclass
class FaultReader:
    """Reads periods for faults; opens the reference once."""

    rows: PeriodRows
    settings: Settings
    model: Model | None
    """The saved model; a stand-in answers where there is none."""
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        engine = self.settings.engine
        self._settings = self.settings.model_copy(
            update={"engine": engine.model_copy(update={"sample_rows": min(engine.sample_rows, REFERENCE_ROWS)})}
        )
        self._reference: pl.DataFrame | None = None

    def read(self, held: Mapping[int, int], wanted: Sequence[int]) -> Iterator[dict[int, FaultReading]]:
        """Readings of the ``wanted`` periods after the reference, some at a time; ``held``: rows of every such period."""
        reference = self._sampled()
        for at in range(0, len(wanted), CHUNK):
            runs = {n: _runs(n, held) for n in wanted[at : at + CHUNK]}
            frames = self._frames({m for own in runs.values() for run in own for m in run}, reference=False)
            yield {n: self._readings(reference, frames, own) for n, own in runs.items()}

    def read_reference(self, held: Mapping[int, int]) -> dict[int, FaultReading]:
        """Readings of some of the reference's periods, each against the half of the reference that it is not in."""
        every = sorted(held)
        wanted = every[:: max(len(every) // REFERENCE_PERIODS, 1)][:REFERENCE_PERIODS]
        runs = {n: [_first(_runs(n, held), held)] for n in wanted}
        frames = self._frames({m for own in runs.values() for run in own for m in run}, reference=True)
        late, sampled = pl.col(PERIOD) >= every[len(every) // 2], self._sampled()
        halves = sampled.filter(late), sampled.filter(~late)
        return {n: self._readings(halves[n >= every[len(every) // 2]], frames, own) for n, own in runs.items()}

    def _sampled(self) -> pl.DataFrame:
        """Raw rows of the reference with the number of their period."""
        if self._reference is None:
            frame = number_periods(self.rows, reference=True).with_row_index(PLACE)
            with reading():
                total = int(frame.select(pl.len()).collect(engine="streaming").item())
                rows = self._settings.engine.sample_rows
                if total > rows:
                    at = positions(total, rows, self.settings.engine.seed).tolist()
                    frame = frame.filter(pl.col(PLACE).is_in(at))
                self._reference = frame.collect(engine="streaming")
        return self._reference

    def _frames(self, numbers: set[int], *, reference: bool) -> dict[int, pl.DataFrame]:
        """Raw rows of some periods, at most ``PERIOD_ROWS`` of each."""
        if reference:
            frame = number_periods(self.rows, reference=True)
        else:
            frame = numbered_between(self.rows, min(numbers), max(numbers))
        frame = frame.filter(pl.col(PERIOD).is_in(sorted(numbers))).with_row_index(PLACE)
        return {int(key): part for key, part in sample_groups(frame, PERIOD, PERIOD_ROWS, seed=0).items()}

    def _readings(
        self, reference: pl.DataFrame, frames: Mapping[int, pl.DataFrame], runs: Sequence[Sequence[int]]
    ) -> FaultReading:
        """What the runs of periods tell together: of each fault what the shortest says, and of its columns nothing else."""
        found: dict[tuple[str, ...], ScreenedFault] = {}
        rows, error = 0, None
        for run in runs:
            parts = [frames[n] for n in run if n in frames]
            if sum(part.height for part in parts) < MIN_ROWS or reference.height < MIN_ROWS:
                continue
            current = pl.concat(parts)
            rows = rows or current.height
            try:
                read = [replace(one, periods=len(run)) for one in self._screened(reference, current)]
            except BackslideError as refused:
                error = str(refused).splitlines()[0]
                continue
            # With rows of before the fault it looks like another one of fewer columns.
            known = [set(columns) for columns in found]
            for one in read:
                if not any(set(one.features) <= columns for columns in known):
                    found.setdefault(tuple(sorted(one.features)), one)
        return FaultReading(rows, tuple(found.values()), error)

    def _screened(self, reference: pl.DataFrame, current: pl.DataFrame) -> list[ScreenedFault]:
        model = self.settings.model
        hidden = [c for c in (model.label, model.label_time) if c is not None and c in current.columns]
        # Periods of a log that is in no order of time lie in each other.
        current = current.sort(PLACE).with_columns(pl.lit(None, current.schema[c]).alias(c) for c in hidden)
        before, after = (plain(side.lazy()).drop(PERIOD, PLACE) for side in (reference, current))
        opened = open_windows(before, after, self._settings)
        places = [side[PLACE].cast(pl.Int64).to_numpy() for side in (reference, current)]
        opened = replace(
            opened,
            reference=opened.reference.drawn_from(places[0]),
            current=opened.current.drawn_from(places[1]),
        )
        case = Case(opened, self._settings, self.model)
        faults = screen(case)
        failed = (note for note in case.notes if "could not be" in note)
        self.notes += [note for note in failed if note not in self.notes]
        return faults


def _runs(number: int, held: Mapping[int, int]) -> list[list[int]]:
    """Runs of periods that end with one: itself, and longer ones as long as the shorter has few rows."""
    runs: list[list[int]] = []
    for length in TOGETHER:
        if runs and (_rows(runs[-1], held) >= ENOUGH or number - length + 1 < min(held)):
            break
        if length < TOGETHER[-1] or number % 2 or _rows(runs[-1], held) < MIN_ROWS:
            runs.append(list(range(number - length + 1, number + 1)))
    return runs


def _first(runs: list[list[int]], held: Mapping[int, int]) -> list[int]:
    """The shortest run that has enough rows to be read."""
    return next((run for run in runs if _rows(run, held) >= MIN_ROWS), runs[-1])


def _rows(run: Sequence[int], held: Mapping[int, int]) -> int:
    return sum(held.get(n, 0) for n in run)
