"""The self-test: faults done to the user's own reference rows, each diagnosed as if it had happened.

The reference is split at random into two halves served by the saved model. One stays as it is, the other gets one fault after
another. What is caught there would be caught in production with as many rows; what is missed says how far to trust a silence.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.faults.damage import NOT_REHEARSED
from backslide.causes.faults.rehearsal import Rehearsal, rehearsals
from backslide.contracts.cause import Cause, CauseKind
from backslide.contracts.config import Settings
from backslide.contracts.countdown import Countdown, duration
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import BackslideError, ConfigError
from backslide.contracts.selftest import FaultTrial, SelfTest, TrialOutcome
from backslide.engine.columns import names
from backslide.engine.columns.segments import columns_of
from backslide.engine.roles.score_scale import as_probabilities
from backslide.engine.sources.columnar_copy import columnar_copies
from backslide.engine.window import open_windows
from backslide.jobs.diagnose import diagnose
from backslide.jobs.prelude import Progress, load_reference_model, silent, window_sources
from backslide.models.model import Model
from backslide.stats.threads import one_blas_thread

MIN_ROWS = 1000
IMPORTANCE_ROWS = 2000


@one_blas_thread()
@columnar_copies()
def selftest(
    settings: Settings,
    *,
    columns: int = 3,
    rows: int = 10_000,
    minutes: float = 10.0,
    faults: Sequence[str] = (),
    progress: Progress | None = None,
) -> SelfTest:
    """Rehearse the catalogue of faults, or the kinds in ``faults`` alone, on the ``columns`` features the model leans on most.

    Each half has at most ``rows`` rows. Stops early after ``minutes``, and says so.

    Raises:
        ConfigError: no reference window, no saved model, no labels, or a kind that is not rehearsed.
    """
    kinds = _kinds(faults)
    say = progress or silent
    say("serving both halves")
    stage = _Stage.of(settings, rows)
    quiet = stage.diagnosed(stage.other)
    every = [
        rehearsal
        for name in stage.important(columns)
        for rehearsal in rehearsals(stage.case.pairs[name], stage.partners(name))
        if rehearsal.kind in kinds
    ]
    tried: list[FaultTrial] = []
    notes: list[str] = []
    began, countdown = time.monotonic(), Countdown(len(every))
    for number, rehearsal in enumerate(every, 1):
        if time.monotonic() > began + 60 * minutes:
            notes.append(
                f"stopped after {minutes:g} minutes: {len(every) - number + 1} of {len(every)} faults were not tried"
            )
            break
        left, limit = countdown.seconds_left(number - 1), began + 60 * minutes - time.monotonic()
        remaining = "" if left is None else f", about {duration(min(left, limit))} left"
        say(f"{number} of {len(every)}{remaining}: {rehearsal.kind} of {', '.join(rehearsal.features)}")
        tried.append(stage.tried(rehearsal))
    return SelfTest(
        model=settings.model.name,
        metric=stage.case.metric.name,
        share=stage.case.metric.share,
        rows=stage.other.height,
        detectable=quiet.detectable.estimate,
        quiet=quiet.verdict.value,
        tried=tuple(tried),
        notes=tuple(notes),
    )


def _kinds(names: Sequence[str]) -> frozenset[CauseKind]:
    """The kinds that are asked for; every kind of data fault that is rehearsed where none is."""
    known = [kind for kind in CauseKind if kind.family == "data fault" and kind not in NOT_REHEARSED]
    strange = [name for name in names if name not in known]
    if strange:
        raise ConfigError(f"faults: expected some of {', '.join(known)}; got {strange[0]!r}")
    return frozenset(CauseKind(name) for name in names) or frozenset(known)


@dataclass(frozen=True)
class _Stage:
    """Both halves as raw logged rows, the model, and the quiet case of the two."""

    settings: Settings
    model: Model
    case: Case
    first: pl.DataFrame
    other: pl.DataFrame

    @classmethod
    def of(cls, settings: Settings, rows: int) -> _Stage:
        """Split the reference and serve both halves."""
        source = window_sources(settings)[0]
        if source is None:
            raise ConfigError("a self-test needs [windows] reference, the rows to rehearse on")
        model = load_reference_model(settings)
        if model is None:
            raise ConfigError("a self-test needs [artifacts] reference_model, the model that serves the broken rows")
        whole = Case(open_windows(source, source, settings), settings, model)
        if not whole.has_labels:
            raise ConfigError("a self-test needs labels in the reference: without them no harm can be measured")
        rng = whole.rng("self-test")
        labelled = whole.reference.window.sample(2 * rows, seed=settings.engine.seed).filter(
            pl.col(names.LABEL).is_not_null()
        )
        if labelled.height < 2 * MIN_ROWS:
            raise ConfigError(
                f"a self-test needs at least {2 * MIN_ROWS} labelled reference rows, found {labelled.height}; give more"
            )
        settings = as_probabilities(settings)  # which the scores of a prepared window are
        order = rng.permutation(labelled.height)
        halves = [labelled[np.sort(part)] for part in np.array_split(order, 2)]
        first, other = (_served(whole, model, half) for half in halves)
        return cls(settings, model, Case(open_windows(first, other, settings), settings, model), first, other)

    def important(self, most: int) -> list[str]:
        """Features whose shuffling changes the model's loss the most."""
        case, rng = self.case, self.case.rng("importance")
        frame = case.reference.sample.head(IMPORTANCE_ROWS)
        columns = []
        for name in case.pairs:
            shuffled = frame.with_columns(frame[name].gather(rng.permutation(frame.height)).alias(name))
            columns.append((self._value(frame) - self._value(shuffled), name))
        columns.sort(key=lambda item: -item[0] * case.metric.sign)
        return [name for _, name in columns[:most]]

    def partners(self, name: str) -> list[Any]:
        """Numeric columns it could be swapped with, the one of the most similar size first."""
        own = self.case.pairs[name]
        if not own.numeric:
            return []
        others = [p for p in self.case.pairs.values() if p.numeric and not p.discrete and p.name != name]
        return sorted(others, key=lambda p: abs(_size(p) - _size(own)))

    def tried(self, rehearsal: Rehearsal) -> FaultTrial:
        """One fault done and diagnosed."""
        broken = rehearsal.apply(self.other, self.case.rng(f"{rehearsal.kind} {rehearsal.features} {rehearsal.share}"))
        facts: dict[str, Any] = {
            "kind": rehearsal.kind,
            "features": rehearsal.features,
            "share_of_rows": rehearsal.share,
            "description": rehearsal.description,
        }
        try:
            faulty = _served(self.case, self.model, broken)
            harm = self.case.metric.harm(self._value(faulty) - self._value(self.other))
            diagnosis = self.diagnosed(faulty)
        except BackslideError as error:
            return FaultTrial(**facts, harm=0.0, outcome="failed", said=str(error))
        outcome, cause = _outcome(diagnosis, rehearsal)
        points = None if cause is None or cause.points is None else cause.points.estimate
        name = "" if cause is None else f"{cause.kind.value} of {', '.join(cause.features) or 'the model'}"
        return FaultTrial(**facts, harm=harm if np.isfinite(harm) else 0.0, outcome=outcome, said=name, points=points)

    def diagnosed(self, current: pl.DataFrame) -> Diagnosis:
        """Verdict and causes of the main job, the untouched half against ``current``; nobody reads its checks."""
        return diagnose(self.first, current, settings=self.settings, reference_model=self.model, quick=True)

    def _value(self, frame: pl.DataFrame) -> float:
        """The headline metric of what the model answers to these rows."""
        answered = self.case.answered(self.model, self.case.reference.window.prepare(_bare(frame).lazy()).collect())
        known = answered.outcomes.known()
        rows = answered.outcomes.take(known).statistics(self.case.metric, len(self.case.problem.classes))
        return float(self.case.metric.value(rows.sum(0)))


def _size(pair: Any) -> float:
    values = pair.finite[0]
    return float(np.log(np.abs(values).mean() + 1e-12)) if len(values) else 0.0


def _bare(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows as logged: without the columns that a prepared window adds."""
    return frame.select(c for c in frame.columns if not c.startswith(names.PREFIX))


def _served(case: Case, model: Model, frame: pl.DataFrame) -> pl.DataFrame:
    """Raw rows with the model's answers to them in place of the logged ones."""
    bare, roles = _bare(frame), case.problem.roles
    outcomes = case.answered(model, case.reference.window.prepare(bare.lazy()).collect()).outcomes
    if not case.problem.classification:
        return bare.with_columns(pl.Series(roles.prediction or "prediction", outcomes.predictions.astype(float)))
    classes = np.array([*case.problem.classes, None], object)
    if roles.prediction is not None:
        bare = bare.with_columns(pl.Series(roles.prediction, classes[outcomes.predictions.astype(int)].tolist()))
    if outcomes.scores is not None:
        place = {label: i for i, label in enumerate(case.problem.classes)}
        bare = bare.with_columns(
            pl.Series(column, outcomes.scores[:, place[label]]) for label, column in roles.scores.items()
        )
    return bare


def _outcome(diagnosis: Diagnosis, rehearsal: Rehearsal) -> tuple[TrialOutcome, Cause | None]:
    def right(cause: Cause) -> bool:
        subjects = {*cause.features, *(columns_of(cause.segment) if cause.segment else ())}
        return cause.kind == rehearsal.kind and not subjects.isdisjoint(rehearsal.features)

    if diagnosis.causes:
        first = diagnosis.causes[0]
        return ("named" if right(first) else "other name"), first
    hidden = next((cause for cause in diagnosis.harmless if right(cause)), None)
    if hidden is not None:
        return "harmless", hidden
    return "missed", None
