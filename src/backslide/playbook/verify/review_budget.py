"""What does the same review budget still catch?

Where predictions below a confidence go to a human, two things may move in silence: how many fall below the old threshold, and how
many errors stay above it. The first needs no labels. For the second the check plays through every budget: the least sure share
of the predictions is reviewed, the rest is accepted, and **missed** are the errors among the accepted, as a share of all
predictions. It says what the budget of the reference still catches, how many times as many errors are missed, and which budget
would hold the old rate.

**Why it matters.** A model that is as good overall and sure of other things lets more errors through at the same price. This is
the number that a desk with a review queue lives by; accuracy does not show it.

**Stays quiet** when the share below the old threshold rose by less than 3 points, or the missed errors by less than 1 point of
all predictions, or either within noise (two-sided 0.5 % each, by day where timestamps allow): at most 1 % of quiet reports show
one of the two.

**What to do.** Set the threshold again from the table, until the cause is mended. Where more is missed at any budget, the model
is sure of what it gets wrong: look at calibration and at the classes.

The share of a budget is estimated in each window by itself, its error carried by the linear terms of a quantile (Bahadur, "A note
on quantiles in large samples", 1966); risk against coverage as in Geifman and El-Yaniv, "Selective classification for deep neural
networks", 2017.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.evidence import Bars, Table
from backslide.contracts.finding import Finding, Scalar, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import change_finding, days_at
from backslide.stats.arrays import Floats
from backslide.stats.change.bootstrap import interval
from backslide.stats.change.metric_change import Change
from backslide.stats.change.units import mean_change

BUDGET = 0.1
"""Share of the predictions that is reviewed, where nobody said another."""
BUDGETS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
GRID = np.linspace(0.0, 1.0, 101)
"""Budgets among which the one that holds the old rate is looked for."""
MIN_ROWS = 200
NEAR = 0.02
"""Share of the rows on either side of the threshold whose errors tell how many the next row reviewed would catch."""


@dataclass(frozen=True)
class ReviewBudgetFloors:
    below: float = 0.03
    """Rise of the share under the old threshold that a review queue would feel."""
    missed: float = 0.01
    """Rise of the errors that pass, as a share of all predictions."""


@dataclass(frozen=True)
class Queue:
    """Rows of one window in the order in which they would be reviewed."""

    confidence: Floats
    """Score of the predicted class (n,)."""
    wrong: Floats
    """1 where the prediction is not the label (n,)."""
    days: np.ndarray | None

    def threshold(self, budget: float) -> float:
        """Confidence below which the budget's share of the rows lies."""
        if budget <= 0:
            return -np.inf
        return float(
            self._ordered[max(int(np.ceil(len(self._ordered) * budget - 1)), 0)]
        )  # the inverted distribution function

    @cached_property
    def _ordered(self) -> Floats:
        return np.sort(self.confidence)

    def accepted(self, budget: float) -> Floats:
        """Share of each row that is accepted (n,): of rows at the threshold itself as many as the budget leaves."""
        at = self.threshold(budget)
        below, level = self.confidence < at, self.confidence == at
        rest = budget - below.mean()
        tied = float(np.clip(1 - rest / max(level.mean(), 1e-300), 0.0, 1.0))
        return np.where(below, 0.0, np.where(level, tied, 1.0))

    def missed(self, budget: float) -> float:
        """Errors among the accepted, as a share of all rows."""
        return float((self.wrong * self.accepted(budget)).mean())

    def missed_rows(self, budget: float) -> Floats:
        """Row values (n,) whose mean is ``missed`` and whose spread is its error, that of the threshold included."""
        accepted = self.accepted(budget)
        near = np.abs(np.argsort(np.argsort(self.confidence, kind="stable")) / len(accepted) - budget) <= NEAR
        errors = float(self.wrong[near].mean()) if near.any() else 0.0
        return np.asarray(self.wrong * accepted + errors * ((1 - accepted) - budget))


class ReviewBudget(Check):
    code = "VER008"
    title = "What a review budget catches"
    step = Step.VERIFY
    needs = (Need.CLASSIFICATION, Need.SCORES, Need.PREDICTIONS)
    thresholds = ReviewBudgetFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """The share under the old threshold; with labels in both windows, the errors missed at the same budget."""
        every = [_queue(case, side, labelled=False) for side in case.sides]
        if min(len(q.confidence) for q in every) < MIN_ROWS:
            return []
        findings = [self._below(every[0], every[1])]
        labelled = [_queue(case, side, labelled=True) for side in case.sides] if case.has_labels else []
        if labelled and min(len(q.confidence) for q in labelled) >= MIN_ROWS:
            findings.insert(0, self._missed(case, labelled[0], labelled[1]))
        return findings

    def _below(self, before: Queue, after: Queue) -> Finding:
        at = before.threshold(BUDGET)
        change = _change(before, after, *(1 - _over(q, at, before.accepted(BUDGET)) for q in (before, after)))
        return change_finding(
            self,
            "under the old threshold",
            f"with the threshold under which {say.percent(BUDGET)} of the predictions fell, "
            f"{say.percent(change.current)} would be reviewed now",
            change,
            floor=self.thresholds.below,
            worse=change.estimate > 0,
            basis="sampled rows with scores",
            numbers={"budget": BUDGET, "threshold": at},
        )

    def _missed(self, case: Case, before: Queue, after: Queue) -> Finding:
        change = _change(before, after, before.missed_rows(BUDGET), after.missed_rows(BUDGET))
        needed = _budget_for(case, before, after)
        return change_finding(
            self,
            "missed errors",
            _sentence(change, needed),
            change,
            floor=self.thresholds.missed,
            worse=change.estimate > 0,
            basis="sampled rows with labels and scores",
            numbers=_numbers(change, needed),
            evidence=(_curves(before, after), _table(before, after)),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """A sixth of the labels turns, whatever the confidence."""
        current = scenarios.next_month(rng, flip=0.15)
        return scenarios.against(rng, current, "missed errors")


def _queue(case: Case, side: Side, *, labelled: bool) -> Queue:
    """The rows with scores and predictions, and labels where they are asked for."""
    outcomes = side.outcomes
    assert outcomes.scores is not None
    if labelled:
        rows = case.labelled_rows(side)
    else:
        rows = np.flatnonzero((outcomes.predictions.astype(np.int64) >= 0) & np.isfinite(outcomes.scores).all(axis=1))
    taken = outcomes.take(rows)
    decisions = taken.predictions.astype(np.int64)
    assert taken.scores is not None
    return Queue(
        taken.scores[np.arange(len(decisions)), decisions],
        (taken.labels.astype(np.int64) != decisions).astype(float),
        days_at(side, rows),
    )


def _over(queue: Queue, threshold: float, accepted: Floats) -> Floats:
    """Share of each row accepted at a threshold (n,); rows at it as they were in the reference, whose shares ``accepted`` are."""
    tied = accepted[(accepted > 0) & (accepted < 1)]
    return np.where(
        queue.confidence == threshold, tied[0] if len(tied) else 0.0, (queue.confidence > threshold).astype(float)
    )


def _change(before: Queue, after: Queue, first: Floats, second: Floats) -> Change:
    return mean_change(first, second, before.days, after.days)


def _budget_for(case: Case, before: Queue, after: Queue) -> tuple[float, float, float] | None:
    """The budget under which no more errors are missed now than before, with its interval; None where there is none."""
    target = before.missed(BUDGET)
    curve = np.array([after.missed(b) for b in GRID])
    rows = np.stack([after.wrong * after.accepted(b) for b in GRID[::5]], axis=1)
    counts = case.draw(case.current).sums(np.column_stack([np.ones(len(rows)), rows]))
    curves = counts[:, 1:] / np.maximum(counts[:, :1], 1e-300)
    old = case.draw(case.reference).sums(np.column_stack([np.ones(len(before.wrong)), before.missed_rows(BUDGET)]))
    targets = old[:, 1] / np.maximum(old[:, 0], 1e-300)
    needed = _first_under(GRID, curve, target)
    if needed is None:
        return None
    budgets = [_first_under(GRID[::5], line, aim) for line, aim in zip(curves, targets, strict=True)]
    low, high = interval(needed, np.array([np.nan if f is None else f for f in budgets]))
    return needed, float(np.clip(low, 0.0, 1.0)), float(np.clip(high, 0.0, 1.0))


def _first_under(budgets: Floats, curve: Floats, target: float) -> float | None:
    """Where a falling curve comes down to the target, between its points; None where it never does before its end."""
    under = np.flatnonzero(curve <= target + 1e-12)
    if not len(under):
        return None
    k = int(under[0])
    if k == 0:
        return float(budgets[0])
    drop = curve[k - 1] - curve[k]
    return float(budgets[k - 1] + (budgets[k] - budgets[k - 1]) * (curve[k - 1] - target) / max(drop, 1e-300))


def _sentence(change: Change, needed: tuple[float, float, float] | None) -> str:
    times = f" ({say.number(change.current / change.reference, 2)} times as many)" if change.reference > 0 else ""
    text = (
        f"with the least sure {say.percent(BUDGET)} reviewed, {say.percent(change.current)} of all predictions are wrong "
        f"and pass, {say.percent(change.reference)} before{times}"
    )
    if needed is None or abs(needed[0] - BUDGET) < 0.005:
        return text
    return f"{text}; to hold the old rate review {say.percent(needed[0])} ({say.percent(needed[1])} to {say.percent(needed[2])})"


def _numbers(change: Change, needed: tuple[float, float, float] | None) -> dict[str, Scalar]:
    numbers: dict[str, Scalar] = {"budget": BUDGET}
    if change.reference > 0:
        numbers["times"] = change.current / change.reference
    if needed is not None:
        numbers |= {"budget_needed": needed[0], "budget_needed_low": needed[1], "budget_needed_high": needed[2]}
    return numbers


def _curves(before: Queue, after: Queue) -> Bars:
    first, second = (tuple(q.missed(b) for b in BUDGETS) for q in (before, after))
    return Bars(
        title="Errors that pass, by how much is reviewed",
        reading=f"With the least sure {say.percent(BUDGET)} reviewed, {say.percent(first[2])} of the predictions were wrong and "
        f"passed in the reference, {say.percent(second[2])} do now.",
        x="share of the predictions reviewed, least sure first",
        categories=tuple(say.percent(b) for b in BUDGETS),
        reference=first,
        current=second,
    )


def _table(before: Queue, after: Queue) -> Table:
    return Table(
        title="Review budgets",
        reading="Threshold of the confidence and errors that pass at each budget, in both windows.",
        columns=("reviewed", "threshold before", "threshold now", "errors that pass before", "errors that pass now"),
        rows=tuple(
            (
                say.percent(b),
                before.threshold(b),
                after.threshold(b),
                say.percent(before.missed(b)),
                say.percent(after.missed(b)),
            )
            for b in BUDGETS[1:]
        ),
    )
