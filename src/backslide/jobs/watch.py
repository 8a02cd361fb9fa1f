"""One look at a deployed model: the composition root of watching.

Read it as a straight line: settings -> rows -> sums by period -> streams -> detectors -> incidents -> diagnoses -> messages ->
Watched. Everything between two steps is kept in a ``Book``; a look that dies is simply repeated, and ends in the same state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import InputError
from backslide.contracts.say import metric as say_metric
from backslide.contracts.watch import StreamKind, WatchReport
from backslide.engine.columns import names
from backslide.engine.columns.sample import sample
from backslide.engine.sources.columnar_copy import columnar_copies
from backslide.engine.window import WindowPair
from backslide.jobs.investigate import investigate
from backslide.jobs.origin import Witnesses
from backslide.jobs.prelude import Progress, silent
from backslide.models.user_code import limit_calls
from backslide.monitor import completeness, expectation, notify
from backslide.monitor.canary import CanaryWatch
from backslide.monitor.collect import SumPlan
from backslide.monitor.detect import Rules, Track, track
from backslide.monitor.events import events_of
from backslide.monitor.fault_watch import MOST_READ, MOST_REPLAYED, FaultWatch
from backslide.monitor.incidents import Group, group_signals, identity
from backslide.monitor.label_free import estimate_waiting
from backslide.monitor.labels import MOST_ROWS, Ages, ages_of, label_notes
from backslide.monitor.new_rows import count_periods, open_new, prepared_between, read_new_rows
from backslide.monitor.periods import PERIOD, PeriodGrid, now
from backslide.monitor.publish import Look, publish
from backslide.monitor.rows import PeriodRows, at_age, numbered_between, open_both, open_rows, with_periods
from backslide.monitor.series import series_of
from backslide.monitor.stored_reference import settings_without_rows, sums_of, with_known_classes
from backslide.monitor.stream import ESTIMATE, Ledger, Subject, summed_metric
from backslide.monitor.streams import follow
from backslide.monitor.subject import as_learned, subject_of
from backslide.monitor.sums import Sums, sums_of_reference, whole_periods, with_moments
from backslide.stats.change.sequential import MIN_REFERENCE
from backslide.stats.threads import one_blas_thread
from backslide.store.memory import Book, Json, Kind, damaged

OF_LABELS: tuple[StreamKind, ...] = ("performance", "class", "segment", "corrections")
LONGEST_WAIT = 60
"""Periods after which one whose labels do not come is judged no more."""


@one_blas_thread()
@columnar_copies()
def watch(
    settings: Settings,
    *,
    replay: bool = False,
    as_of: datetime | None = None,
    book: Book | None = None,
    progress: Progress | None = None,
    deliver: bool = True,
    reference: Any = None,
    later: Any = None,
    reference_model: Any = None,
) -> WatchReport:
    """Look once: read what is new, judge it, diagnose and tell what was raised.

    Args:
        settings: the whole configuration.
        replay: go through the history from the start, remember nothing, tell nobody.
        as_of: pretend that this is the present (naive UTC); rows and labels after it do not exist.
        book: what is remembered; default: nothing before and after.
        progress: called with what is being done.
        deliver: whether messages are sent; without it they wait.
        reference: table, path or time range of the reference; default: as configured.
        later: the same of what came after it.
        reference_model: the saved model; default: as configured.

    Raises:
        BackslideError: bad input, in one line; see ``contracts.errors`` for the tree.
    """
    say = progress or silent
    limit_calls(settings.engine.model_timeout)  # of metrics of the user's own: no model is loaded before an alarm
    memory = Book() if replay or book is None else book
    rows = open_rows(settings, PeriodGrid.of(settings.watch), as_of or now(), reference=reference, later=later)
    rows = read_new_rows(rows, memory)
    settings = settings_without_rows(rows)
    look = _Inspection.open(settings, rows, as_of or now(), memory)
    look.replay = replay
    say("reading new periods")
    look.read()
    look.read_faults(say, reference_model)
    look.ask_canary(say)
    say("judging every stream")
    tracks, groups = look.judge()
    if settings.watch.diagnose:
        saved = settings.artifacts.reference_model if reference_model is None else reference_model
        more = {"last": look.last, "recover_after": look.recover_after, "reference_model": reference_model}
        more["witnesses"] = Witnesses.of(settings, saved is not None, look.canary)
        investigate(settings, look.rows, memory, groups, look.grid, say, **more)
    memory.number(identity(group, look.grid) for group in groups)
    if not replay:
        notify.put(settings, memory, groups, look.grid, look.last)
        if deliver:
            notify.deliver(settings, memory)
    report = publish(settings, memory, look.published(), tracks, groups, replay=replay)
    memory.keep_report(report.to_dict(), series_of(tracks, look.ledger))
    if settings.watch.metrics_file is not None and not replay:
        notify.write_metrics(settings, report)
    return report


def settings_key(settings: Settings) -> Json:
    """The settings under which periods are comparable; with others, watching starts anew."""
    watch = settings.watch.model_dump(mode="json", include={"period", "label_share", "label_age", "estimate"})
    watch |= settings.watch.model_dump(mode="json", include={"features"}, exclude_defaults=True)
    model = settings.model.model_dump(mode="json")
    written = settings.data.model_dump(mode="json", exclude_defaults=True, exclude={"source"})
    written |= {key: value for key in ("timestamp_format", "timestamp_zone") if (value := model.pop(key)) is not None}
    key = {
        "model": model,
        "data": settings.data.source,
        "watch": watch,
        "windows": settings.windows.model_dump(mode="json"),
    }
    return key | ({"written": written} if written else {})


@dataclass
class _Inspection:
    """The state of one look."""

    settings: Settings
    rows: PeriodRows
    grid: PeriodGrid
    present: datetime
    book: Book
    both: WindowPair
    case: Case
    subject: Subject
    ages: Ages
    reference: dict[str, dict[int, Sums]]
    wanted: SumPlan
    replay: bool = False
    provisional: bool = False
    """Whether labels of the reference are still to come."""
    held: dict[int, int] = field(default_factory=dict)
    """Rows of each period after the reference, as they are now."""
    passing: dict[str, dict[int, Sums]] = field(default_factory=dict)
    """Sums that are not frozen yet."""
    expected: expectation.Expectation | None = None
    faults: FaultWatch | None = None
    canary: CanaryWatch | None = None
    last: int | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def open(cls, settings: Settings, rows: PeriodRows, present: datetime, book: Book) -> _Inspection:
        """Prepare the rows, and learn the reference unless that was done before."""
        rows, both = open_new(rows, book)
        grid = rows.grid
        if rows.stored is not None:
            both = with_known_classes(both, book)
        case = Case(both, settings)
        subject, wanted = subject_of(settings, both, case, grid)
        nothing = Ages(0, None, None, 0.0, known=False)
        inspection = cls(settings, rows, grid, present, book, both, case, subject, nothing, {}, wanted)
        inspection._learn()
        return inspection

    def _learn(self) -> None:
        """What the reference says, from the book or its rows."""
        if self.settings.watch.estimate:
            self.expected = expectation.learn_expectation(self.case, summed_metric(self.both.problem))
        data = self.book.reference()
        if data is None:
            data = self._learned()
            self.ages = Ages(**data["ages"])
            self.provisional = not self._settled(max(map(int, data["sums"]["inputs"])))
            if not self.provisional:
                with self.book.transaction():
                    self.book.keep_reference(data)
        try:
            self.ages, self.reference = Ages(**data["ages"]), sums_of_reference(data["sums"])
            self.subject, self.wanted = as_learned(self.subject, self.wanted, data)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise damaged("what was learned from the reference cannot be read") from None

    def _settled(self, last: int) -> bool:
        """Whether practically every label of the reference has come; before that nothing about labels is frozen."""
        if not self.ages.known or not self.grid.timed:
            return True
        return self._old_enough(last, 2 * (self.ages.mature or self.ages.first))

    def _learned(self) -> Json:
        inputs = whole_periods(sums_of(self.both.reference, self.grid, self.wanted, reference=True), self.grid)
        if len(inputs) < MIN_REFERENCE:
            raise InputError(
                f"watching needs a reference of at least {MIN_REFERENCE} periods ({self.grid.name}), got {len(inputs)}; "
                "give a longer [windows] reference or shorter [watch] period"
            )
        total = sum(s.rows for s in inputs.values())
        labelled = sum(s.labelled for s in inputs.values()) / max(total, 1)
        ages = ages_of(self.rows, labelled)
        sums: dict[str, dict[int, Sums]] = {"inputs": inputs, "labels": inputs}
        if ages.known:
            sums["labels"] = self._labels_of_reference(ages.first)
            rows = sum(s.rows for s in sums["labels"].values())
            ages = replace(ages, labelled=sum(s.labelled for s in sums["labels"].values()) / max(rows, 1))
            if ages.mature is not None:
                sums["mature"] = self._labels_of_reference(ages.mature)
        if self.expected is not None:
            sample = expectation.sample_periods(self.case, self.grid)
            if sample is not None:
                sums["inputs"] = with_moments(inputs, ESTIMATE, expectation.of_reference(self.expected, sample))
        values = {"values": self.wanted.values.to_dict()} if self.settings.watch.features else {}
        return values | {
            "ages": ages.to_dict(),
            "sums": {kind: {str(n): s.to_dict() for n, s in of.items()} for kind, of in sums.items()},
        }

    def _labels_of_reference(self, age: int) -> dict[int, Sums]:
        whole = whole_periods(self._gathered(age, reference=True), self.grid)
        return {n: s for n, s in whole.items() if self._old_enough(n, age)}

    def _gathered(self, age: int, *, reference: bool, numbers: Iterable[int] = ()) -> dict[int, Sums]:
        rows = at_age(self.rows, age)
        # Opening reads the label and the score of every row.
        both = self.both if rows is self.rows and rows.stored is None else open_both(rows)
        if reference:
            return sums_of(both.reference, self.grid, self.wanted, reference=True)
        return sums_of(both.current, self.grid, self.wanted, numbers, reference=False)

    def read(self) -> None:
        """Freeze what is new: inputs of complete periods, and labels of periods that are old enough."""
        frame = with_periods(self.both.current, self.grid, reference=False)
        self.held = dict(self.rows.held) if self.rows.held is not None else count_periods(frame)
        complete = sorted(n for n in self.held if self._complete(n, max(self.held)))
        self.last = complete[-1] if complete else None
        frozen = self.book.periods("inputs")
        fresh = [n for n in complete if n not in frozen]
        if fresh:
            sums = sums_of(self.both.current, self.grid, self.wanted, fresh, reference=False)
            if self.expected is not None:
                sums = with_moments(sums, ESTIMATE, expectation.of_later(self.expected, self.case, frame, fresh))
            self._freeze("inputs", sums)
        if self.both.problem.has_labels:
            self._read_labels("labels", self.ages.first, complete)
            if self.ages.mature is not None:
                self._read_labels("mature", self.ages.mature, complete)

    def _read_labels(self, kind: Kind, age: int, complete: list[int]) -> None:
        done = self.book.periods(kind)
        waiting = [n for n in complete if n not in done and self._old_enough(n, age)]
        if not waiting:
            return
        sums = self._gathered(age, reference=False, numbers=waiting)
        if not self.ages.known:
            newest = complete[-1]
            sums = {n: s for n, s in sums.items() if self._enough(s) or newest - n > LONGEST_WAIT}
        self._freeze(kind, sums)

    def _enough(self, sums: Sums) -> bool:
        share = self.settings.watch.label_share * self.ages.labelled
        return sums.labelled > 0 and sums.labelled / max(sums.rows, 1) >= share

    def _complete(self, number: int, newest: int) -> bool:
        """Over, and not the last one with rows unless a whole period has passed since: logs may come late."""
        if not self.grid.timed:
            return True
        end = self.grid.end(number)
        return end <= self.present and (number < newest or self.grid.end(number + 1) <= self.present)

    def _old_enough(self, number: int, age: int) -> bool:
        return not self.grid.timed or self.grid.end(number + age) <= self.present

    def read_faults(self, say: Progress, reference_model: Any) -> None:
        """Read the rows of new periods, and of the reference's last ones, for data faults."""
        if not self.settings.watch.faults:
            return
        of_reference = {n: s.rows for n, s in self.reference["inputs"].items()}
        held = {n: rows for n, rows in self.held.items() if self.last is not None and n <= self.last}
        saved = self.settings.artifacts.reference_model if reference_model is None else reference_model
        most = MOST_REPLAYED if self.replay else MOST_READ
        self.faults = FaultWatch.read(self.rows, self.settings, saved, self.book, of_reference, held, say, most=most)

    def ask_canary(self, say: Progress) -> None:
        """Ask the model about the canary rows; of the past nobody can be asked."""
        if self.settings.watch.canary is None or self.replay:
            return
        say("asking the model about the canary rows")
        self.canary = CanaryWatch.ask(self.case, self.book, self.last, self.grid)

    def _freeze(self, kind: Kind, sums: dict[int, Sums]) -> None:
        if self.provisional and kind != "inputs":
            self.passing[kind] = sums
            return
        with self.book.transaction():
            self.book.freeze(kind, {n: s.to_dict() for n, s in sorted(sums.items())})

    def later(self, kind: Kind) -> dict[int, Sums]:
        """Frozen periods after the reference."""
        kept = self.book.periods(kind)
        sums = {n: Sums.of_period(s, f"period {self.grid.label(n)} of {kind}") for n, s in kept.items()}
        return dict(sorted({**self.passing.get(kind, {}), **sums}.items()))

    def judge(self) -> tuple[list[Track], list[Group]]:
        """Every stream through its detectors, and what was raised together."""
        labels = {n: s for n, s in self.later("labels").items() if self._enough(s)}
        mature = (self.reference["mature"], self.later("mature")) if "mature" in self.reference else None
        self.ledger = Ledger(
            (self.reference["inputs"], self.later("inputs")), (self.reference["labels"], labels), mature
        )
        watch = self.settings.watch
        rules = Rules(
            watch.false_alarms_per_year,
            watch.false_watches_per_year,
            self.grid.a_year(),
            self.recover_after,
            watch.reference,
        )
        tracks = [track(followed, rules) for followed in follow(self.subject, self.ledger)]
        if self.faults is not None:
            self.faults.judge(self.case.metric, self.case.problem.min_effect, rules, watch.leave_out)
            tracks += self.faults.tracks
        if self.canary is not None:
            metric = self.case.metric
            tracks.append(self.canary.track(rules, say_metric(metric.name), share=metric.share))
        return tracks, group_signals(tracks, self.delay, watch.cooldown)

    @property
    def recover_after(self) -> int:
        """Periods back to normal that close an alarm."""
        return self.settings.watch.recover_after or (7 if self.grid.name in ("day", "hour") else 3)

    def delay(self, kind: StreamKind) -> int:
        """Periods after which a stream's period is known."""
        if kind == "mature":
            return self.ages.mature or 0
        return self.ages.first if kind in OF_LABELS and self.ages.known else 0

    def published(self) -> Look:
        """What goes into the answer beside streams and incidents."""
        return Look(
            self.grid,
            self.present,
            self.last,
            self.ages,
            self.ledger,
            self.subject,
            self._notes(),
            estimate_waiting(
                self.rows, self.settings, self.expected, self.subject, self.ledger, self.later("inputs"), self._broken()
            ),
            events_of(self.settings),
            [] if self.faults is None else self.faults.histories,
        )

    def _broken(self) -> str | None:
        """Why inputs cannot be trusted now, as far as the readings of new rows say so."""
        return None if self.faults is None else self.faults.broken

    def _notes(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """About labels, and about everything else."""
        mature = self.ages.mature or self.ages.first
        old = [n for n in self.later("inputs") if self.last is not None and n + mature <= self.last][-28:]
        later = None
        if old and self.both.problem.has_labels and self.rows.stored_later is None:
            frame = prepared_between(self.both, self.rows, old[0], old[-1]).filter(pl.col(PERIOD).is_in(old))
            wanted = [c for c in (names.LABEL, names.CONFIDENCE, names.PREDICTION) if c in frame.collect_schema()]
            later = sample(frame.select(wanted), MOST_ROWS, seed=self.settings.engine.seed)
        notes = [*self.both.warnings, *self.both.notes]
        metric = self.subject.headline.name
        if metric != self.both.problem.metric:
            notes.append(f"{self.both.problem.metric} is not a sum over rows; {metric} is monitored instead")
        notes += [*self.subject.values.notes, *self._completeness()]
        notes += [note for one in (self.faults, self.canary) if one is not None for note in one.notes]
        return tuple(label_notes(self.rows, self.ages, later, self.both.problem.classes)), tuple(notes)

    def _completeness(self) -> list[str]:
        """Periods without rows, rows that came again, and rows of periods that had been judged."""
        judged = {n: s.rows for n, s in self.later("inputs").items()}
        present = self.grid.number(self.present) if self.grid.timed and not self.replay else None
        notes = completeness.period_notes(
            self.grid, self.held, judged, self.reference["inputs"], self.subject.holidays, self.last, present
        )
        if self.last is None:
            return notes
        if self.rows.stored_later is not None or self.settings.model.id is None:
            return notes
        latest = sorted(self.held)[-completeness.RECENT :]
        frame = numbered_between(self.rows, latest[0], latest[-1])
        return notes + completeness.repeated_rows(frame, self.settings.model.id, self.held)
