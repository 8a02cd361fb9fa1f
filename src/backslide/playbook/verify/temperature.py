"""Are the scores too sure of themselves, by one factor for all of them?

The temperature of each window: the number by which the logarithms of all scores would have to be divided to fit the labels best,
with its interval. 1 is perfect; at 1.4 the scores are as if somebody had sharpened them 1.4 times, and 90 % against one other
class is worth 83 %. Looks at the scores of all classes at once, where VER005 looks at the one predicted.

**Why it matters.** Fine-tuned models become overconfident while their accuracy holds. Thresholds for automatic acceptance then
let more errors through, and one number, refitted on recent labels, sets that right.

**Stays quiet** when the temperature moved by less than a fifth, or within noise (two-sided 0.5 %, by day where timestamps allow):
at most 0.5 % of quiet reports show it. A move towards 1 is a note. Windows with fewer than 50 labelled rows, or 10 that the
model got wrong, are left out, and so are labels that have no score. Rests on the sample of labelled rows.

**What to do.** Divide the logarithms of the scores by the temperature (temperature scaling), or set the thresholds again. If the
model was trained anew, look at how long and on how clean labels; if not, at the inputs that came to be told apart less well.

**References.** Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.evidence import RankedRow, Ranking
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import change_over_rows, is_material, labelled_basis, labelled_sample, two_sided_p
from backslide.stats.arrays import Floats, Ints, Mask
from backslide.stats.change.bootstrap import interval
from backslide.stats.change.metric_change import VERDICT_ALPHA, Change
from backslide.stats.change.units import detectable
from backslide.stats.metrics.temperature import Temperature, temperature, worth

MIN_ROWS = 50
MIN_WRONG = 10
"""Labelled rows that the largest score got wrong: without errors nothing tells how sure one may be."""
SURE = 0.9
NEAR_ONE = 0.1


@dataclass(frozen=True)
class ScoreTemperatureFloors:
    factor: float = 1.2
    """Change of the temperature as a factor: 90 % is then worth 86 %."""


@dataclass(frozen=True)
class _TemperatureOfWindow:
    """Temperature of one window with the ends of its interval."""

    fitted: Temperature
    low: float
    high: float
    rows: Ints
    """Of the sample, those it rests on."""

    def worded(self) -> str:
        low, high = (say.number(end, 3) for end in (self.low, self.high))
        return f"{say.number(self.fitted.value, 3)} [{low} to {high}]"


class ScoreTemperature(Check):
    code = "VER012"
    title = "Temperature of the scores"
    step = Step.VERIFY
    needs = (Need.CLASSIFICATION, Need.LABELS, Need.SCORES)
    thresholds = ScoreTemperatureFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding on the change of the temperature."""
        windows = [_window(case, side) for side in case.sides]
        before, after = windows
        if before is None or after is None:
            return
        log_rows = (before.fitted.log_rows, after.fitted.log_rows)
        change = change_over_rows(case.sides, (before.rows, after.rows), log_rows)
        yield self._finding(case, before, after, change)

    def _finding(
        self, case: Case, before: _TemperatureOfWindow, after: _TemperatureOfWindow, change: Change
    ) -> Finding:
        was, now = before.fitted.value, after.fitted.value
        p_value = two_sided_p(change)
        floor = float(np.log(self.thresholds.factor))
        material = is_material(change, p_value, floor)
        away = abs(np.log(now)) > abs(np.log(was))
        sample_rows = None if labelled_sample(case) is None else len(before.rows) + len(after.rows)
        least = detectable(change, floor, VERDICT_ALPHA, sided=2)
        return Finding(
            code=self.code,
            subject="scores",
            severity=Severity.OK if not material else Severity.WARN if away else Severity.NOTE,
            summary=f"temperature of the scores {before.worded()} → {after.worded()}, 1 is perfect{_meaning(now)}",
            estimate=Estimate(
                estimate=now - was,
                low=was * float(np.expm1(change.low)),
                high=was * float(np.expm1(change.high)),
                basis="all" if sample_rows is None else "sample",
                n=sample_rows,
            ),
            p_value=p_value,
            detectable=None if least is None else was * float(np.expm1(least)),
            basis=labelled_basis(sample_rows),
            numbers={
                "reference": was,
                "reference_low": before.low,
                "reference_high": before.high,
                "current": now,
                "current_low": after.low,
                "current_high": after.high,
                "factor": now / was,
                "worth_of_90_percent": worth(SURE, now),
            },
            evidence=(_chart(before, after),),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Scores grow more extreme than the labels bear out, at the same decisions."""
        current = scenarios.next_month(rng, sharpness=3.0)
        return scenarios.against(rng, current, "scores")


def _window(case: Case, side: Side) -> _TemperatureOfWindow | None:
    """None where there are too few rows or errors, or no temperature fits."""
    scores = side.outcomes.scores
    if scores is None or scores.shape[1] < 2:
        return None
    known = case.labelled_rows(side)
    labels = side.outcomes.labels[known].astype(np.int64)
    scored = scores[known]
    # A label that the model never knew has a score of 0 everywhere: no temperature makes that right.
    heard: Mask = np.asarray(np.nan_to_num(scores).max(axis=0, initial=0.0) > 0)
    used: Mask = np.isfinite(scored).all(axis=1) & (scored >= 0).all(axis=1) & heard[labels]
    wrong = np.asarray(scored[used].argmax(axis=1) != labels[used])
    if used.sum() < MIN_ROWS or wrong.sum() < MIN_WRONG:
        return None
    fitted = temperature(scored[used], labels[used])
    if fitted is None:
        return None
    return _TemperatureOfWindow(fitted, *_bounds(case, side, used, fitted), known[used])


def _bounds(case: Case, side: Side, used: Mask, fitted: Temperature) -> tuple[float, float]:
    """95 % interval, from the resampled days (or rows)."""
    values: Floats = np.zeros((len(used), 2))
    values[used] = np.column_stack([np.ones(int(used.sum())), fitted.log_rows])
    sums = case.draw(side).sums(values)
    middle = float(np.log(fitted.value))
    low, high = interval(middle, sums[:, 1] / np.maximum(sums[:, 0], 1.0))
    return float(np.exp(low)), float(np.exp(high))


def _meaning(now: float) -> str:
    if abs(now - 1) < NEAR_ONE:
        return ""
    word = "overconfident" if now > 1 else "underconfident"
    return f": {word}, {say.percent(SURE)} against one other class means {say.percent(worth(SURE, now))}"


def _chart(before: _TemperatureOfWindow, after: _TemperatureOfWindow) -> Ranking:
    return Ranking(
        title="Temperature of the scores",
        reading=f"Dividing the logarithms of the scores by {say.number(after.fitted.value, 3)} would put those of now right; "
        f"it was {say.number(before.fitted.value, 3)} in the reference.",
        x="temperature, 1 is perfect",
        rows=tuple(
            RankedRow(label=name, value=one.fitted.value, low=one.low, high=one.high)
            for name, one in (("reference", before), ("current", after))
        ),
    )
