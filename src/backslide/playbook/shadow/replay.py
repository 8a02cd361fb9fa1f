"""Is the saved model still the one that answers?

Runs the saved model again on logged rows of both windows and compares with what was served: scores to 1e-6 (1e-4 for models
that compute in single precision), or predicted classes where no scores were logged.

**Why it matters.** A silent swap of the artefact, a canary that never ended, or other preprocessing in production shows here
exactly: this is proof, not statistics.

**Stays quiet** when at least 99.5 % of the rows agree in both windows. Where the reference itself is not reproduced, the saved
model is not the one that was serving (or the logged features are not what it was given): nothing can be proven with it, and
repairs computed with it are approximate. A model that raises on most rows is not taken for another one: its error is told first
of all.

**What to do.** Find out which artefact answers since when; roll back, or compare both models class by class.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from backslide.case import Case, ModelAnswers, Outcomes, Side
from backslide.contracts import say
from backslide.contracts.finding import Finding, Severity, Step
from backslide.engine.columns.cache import once
from backslide.models.infer_reading import understand
from backslide.models.model import Model
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.shadow.column_order import put_in_order
from backslide.stats.arrays import Mask

AGREE = 0.995
MOSTLY = 0.5
"""Share of rows that a model fails on from which it was not really asked."""
MIN_COMPARABLE = 10
"""Comparable current rows under which a mismatch proves nothing."""
TOLERANCES = (1e-6, 1e-4)


@dataclass(frozen=True)
class ReplayResult:
    """What a model says to the rows of a window, and where that equals what was served."""

    answered: ModelAnswers
    equal: Mask
    comparable: Mask
    """Rows that were served completely and that the model answers; others prove nothing either way."""
    tolerance: float = TOLERANCES[0]
    """How near to what was served counts as equal."""

    @property
    def share(self) -> float:
        """Share of the comparable rows that agree."""
        return float(self.equal[self.comparable].mean()) if self.comparable.any() else 0.0

    @property
    def failed(self) -> int:
        """Rows that the model did not answer."""
        return int(self.answered.failed.sum())

    @property
    def unasked(self) -> bool:
        """Whether it answered too few rows to tell what it is: it failed, which says nothing about another model."""
        return self.failed > MOSTLY * max(len(self.answered.failed), 1)

    def on(self, rows: Mask) -> ReplayResult:
        """The same replay, judged on some rows only."""
        return replace(self, comparable=self.comparable & rows)

    @property
    def agrees(self) -> bool:
        """Whether the model is the one that answered."""
        return self.share >= AGREE


@dataclass(frozen=True)
class Replay:
    """The reference model on both windows, and the current model, where one was given, on its own."""

    reference: ReplayResult
    current: ReplayResult
    successor: ReplayResult | None = None

    @property
    def faithful(self) -> bool:
        """Whether the saved model reproduces the reference."""
        return self.reference.agrees

    @property
    def swapped(self) -> bool:
        """Whether another model answered in the current window than in the reference."""
        return self.faithful and not self.current.agrees and int(self.current.comparable.sum()) >= MIN_COMPARABLE


ASK_AS_SERVED = (
    "call it with the logged columns to see why, then log them as the model received them, or name a "
    "function that prepares them as "
    "serving does (reference_model = 'module:function')"
)


def failures(case: Case) -> tuple[str, ...]:
    """What is to be said first where a given model failed on most rows of a window: its error, and what to do."""
    if case.reference_model is None or not case.inputs_known:
        return ()
    done = replay(case)
    sentences = [
        ("reference_model", done.reference, "reference", case.reference),
        ("reference_model", done.current, "current", case.current),
        *([("current_model", done.successor, "current", case.current)] if done.successor is not None else []),
    ]
    reasons: dict[str, str] = {}
    for role, result, window, side in sentences:
        if result.unasked and role not in reasons:
            rows = "all" if result.failed == side.sample.height else f"{result.failed} of"
            reasons[role] = (
                f"the saved model ({role}) fails on {rows} {side.sample.height} {window} rows: {result.answered.error}; whether "
                f"it is the one that served them is not known; {ASK_AS_SERVED}"
            )
    return tuple(reasons.values())


@once
def replay(case: Case) -> Replay:
    """Replay of the reference model, computed once per case."""
    model, successor = case.reference_model, case.current_model
    assert model is not None
    if successor is not None:  # it is told by what it served itself
        understand(successor, case.problem, case.current.sample, case.current.outcomes)
    reference = in_order(case, model, case.reference)
    return Replay(
        reference,
        replay_rows(case, model, case.current, tolerance=reference.tolerance),
        None if successor is None else in_order(case, successor, case.current),
    )


def in_order(case: Case, model: Model, side: Side) -> ReplayResult:
    """A model on the sampled rows of a window, with the columns in the order that it needs where it knows none by name."""
    done = replay_rows(case, model, side)
    if done.agrees or model.features is not None:
        return done
    first = (model.reading, model.read_as)
    for reading, words in (first, *model.otherwise):
        model.reading, model.read_as = reading, words
        if put_in_order(case, model, side, _served(side.outcomes)):
            return replay_rows(case, model, side)
    model.reading, model.read_as = first
    return done


def replay_rows(
    case: Case, model: Model, side: Side, frame: pl.DataFrame | None = None, *, tolerance: float = TOLERANCES[0]
) -> ReplayResult:
    """A model on the sampled rows of a window, or on a version of them.

    Scores that agree only to the wider tolerance were computed or logged with fewer digits; ``tolerance`` says what the model
    needed where it is known to have answered, so that the rows of another model are told from those.
    """
    answered = case.answered(model, side.sample if frame is None else frame)
    served = side.outcomes
    comparable = ~answered.failed & _served(served)
    equal = equal_answers(answered.outcomes, served, tolerance)
    if comparable.any() and equal[comparable].mean() < AGREE:
        loose = equal_answers(answered.outcomes, served, TOLERANCES[1])
        if loose[comparable].mean() >= AGREE:
            equal, tolerance = loose, TOLERANCES[1]
    return ReplayResult(answered, equal & comparable, comparable, tolerance)


def _served(served: Outcomes) -> Mask:
    """Rows with everything that a replay is compared with."""
    if served.scores is not None:
        return np.asarray(np.isfinite(served.scores).all(axis=1))
    if served.predictions.dtype.kind == "f":
        return np.asarray(np.isfinite(served.predictions.astype(float)))
    return np.asarray(served.predictions.astype(np.int64) >= 0)


def equal_answers(answered: Outcomes, served: Outcomes, tolerance: float) -> Mask:
    """Rows (n,) on which two answers are the same: scores to the tolerance, numbers relative to it, classes exactly."""
    if served.scores is not None and answered.scores is not None:
        return np.asarray((np.abs(answered.scores - served.scores) <= tolerance).all(axis=1))
    if served.predictions.dtype.kind == "f":
        a, b = answered.predictions.astype(float), served.predictions.astype(float)
        return np.asarray(np.abs(a - b) <= tolerance * np.maximum(1.0, np.abs(b)))
    return np.asarray(answered.predictions == served.predictions)


class ModelReplay(Check):
    code = "SHD001"
    title = "The saved model on the logged rows"
    step = Step.SHADOW
    needs = (Need.MODEL, Need.INPUTS, Need.PREDICTIONS)

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per window."""
        done = replay(case)
        for side, result, window in zip(
            case.sides, (done.reference, done.current), ("reference", "current"), strict=True
        ):
            yield self._finding(side, result, window, done.faithful)
        if done.successor is not None:
            share = say.percent(done.successor.share)
            yield Finding(
                code=self.code,
                subject="current model",
                severity=Severity.OK if done.successor.agrees else Severity.WARN,
                summary=f"the model given as current_model reproduces {share} of the current predictions",
                numbers={"equal": done.successor.share},
            )

    def _finding(self, side: Side, result: ReplayResult, window: str, faithful: bool) -> Finding:
        failed = int(result.answered.failed.sum())
        share = say.percent(result.share)
        summary = f"the saved model reproduces {share} of the {window} predictions"
        if result.unasked:
            summary = (
                f"the saved model fails on {failed} of {side.sample.height} {window} rows: {result.answered.error}"
            )
            answered = int(result.comparable.sum())
            summary += f"; of the {answered} others it reproduces {share}" if answered else ""
        elif failed:
            summary += f"; it fails on {failed} of {side.sample.height} rows: {result.answered.error}"
        if result.agrees:
            severity = Severity.WARN if failed else Severity.OK
        else:
            severity = Severity.FAIL if window == "current" and faithful and not result.unasked else Severity.WARN
        if result.unasked:
            summary += f"; whether it is the model that served them is not known: {ASK_AS_SERVED}"
        elif window == "reference" and not result.agrees:
            summary += "; it is not the model that served them, or was given other inputs, so it proves nothing"
        return Finding(
            code=self.code,
            subject=window,
            severity=severity,
            summary=summary,
            numbers={"equal": result.share, "failed_rows": failed, "rows": side.sample.height},
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Another model, with flatter scores, answers in the current window."""
        reference = scenarios.rescored(scenarios.served(rng))
        current = scenarios.next_month(rng, sharpness=0.7)
        return Scenario(reference, current, dict(scenarios.ROLES), scenarios.TrueModel(), "current")
