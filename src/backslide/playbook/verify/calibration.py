"""Do the scores still mean what they say?

Reliability curves of both windows on the same bins (equal rows in the reference): the share of rows that are of the class against
their mean score. Binary tasks look at the positive class; others at the score of the predicted class against how often it is
right, and at every class. Three figures, each with the interval of its change by day: **level** (mean score minus observed share,
calibration in the large), **slope** (Cox's recalibration line; under 1 means scores too extreme) and **calibration error** (mean
distance of the curve from the diagonal, without the part that is sampling noise).

**Why it matters.** A threshold, a price or a queue built on the score breaks when scores stop meaning what they say, even where
the ranking and the accuracy hold.

**Stays quiet** when the level moved by less than 2 points, the slope by less than 0.2, the error by less than 2 points, or within
noise: 0.5 % over all figures together (Holm), so at most about 0.5 % of quiet reports. A change towards better calibration is a
note. Rests on the sample of labelled rows.

**What to do.** Recalibrate on recent labelled rows (a new level alone: shift the threshold), then look for why: changed class
shares move the level, lost signal flattens the slope.

**References.** Cox (1958), Two further applications of a model for binary regression; Kumar, Liang and Ma (2019), Verified
uncertainty calibration; Broecker and Smith (2007) on reliability diagrams.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Reliability, ReliabilityBin
from backslide.contracts.finding import Finding, Scalar, Severity, Step
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.findings import change_finding, change_over_rows, labelled_basis, labelled_sample, with_evidence
from backslide.stats.arrays import Floats
from backslide.stats.change.bootstrap import interval
from backslide.stats.change.metric_change import Change
from backslide.stats.change.units import two_sided
from backslide.stats.metrics import calibration
from backslide.stats.metrics.calibration import CalibrationCurve, RecalibrationLine
from backslide.stats.two_sample import holm

MIN_ROWS = 50
"""Labelled rows per window; of a class, rows labelled so."""
MIN_OUTCOMES = 10
"""Rows of either outcome per window that a curve must rest on."""
MOST_CLASSES = 20
WORST = 2
"""Classes that get a curve beside the predicted class's."""


@dataclass(frozen=True)
class CalibrationFloors:
    level: float = 0.02
    """Change of mean score minus observed share: two more in a hundred promised than kept."""
    slope: float = 0.2
    """Change of Cox's slope: a score of 0.9 is then worth about 0.86 or 0.93."""
    error: float = 0.02
    """Rise of the calibration error."""


@dataclass(frozen=True)
class _ScoredClass:
    """Scores of one class and whether the rows are of it, in both windows."""

    name: str
    scores: tuple[Floats, Floats]
    hits: tuple[Floats, Floats]

    @property
    def usable(self) -> bool:
        """Whether both windows have enough rows of either outcome."""
        return all(len(y) >= MIN_ROWS and MIN_OUTCOMES <= y.sum() <= len(y) - MIN_OUTCOMES for y in self.hits)


@dataclass(frozen=True)
class _CalibrationFigure:
    subject: str
    change: Change
    p_value: float
    floor: float
    perfect: float
    """Value of perfect calibration: distance from it is harm."""
    points: bool
    numbers: dict[str, Scalar]

    @property
    def away(self) -> bool:
        """Whether it moved away from perfect."""
        return abs(self.change.current - self.perfect) > abs(self.change.reference - self.perfect)


class Calibration(Check):
    code = "VER005"
    title = "Calibration of the scores"
    step = Step.VERIFY
    needs = (Need.CLASSIFICATION, Need.LABELS, Need.SCORES, Need.PREDICTIONS)
    thresholds = CalibrationFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding each for level, slope and error; one per class whose level moved; reliability curves."""
        scored = [one for one in _scored(case) if one.usable]
        if not scored:
            return []
        curves = [_curves(one) for one in scored]
        figures = self._figures(case, scored[0], curves[0])
        main = len(figures)
        figures += [_level(case, one, self.thresholds.level, f"level of {one.name}") for one in scored[1:]]
        adjusted = holm([figure.p_value for figure in figures])
        findings = [_finding(case, f, float(p), len(figures)) for f, p in zip(figures, adjusted, strict=True)]
        shown = findings[:main] + [f for f in findings[main:] if f.severity != Severity.OK]
        return with_evidence(sorted(shown, key=lambda f: -f.severity.rank), *_charts(scored, curves))

    def _figures(
        self, case: Case, one: _ScoredClass, curves: tuple[CalibrationCurve, CalibrationCurve]
    ) -> list[_CalibrationFigure]:
        figures = [_level(case, one, self.thresholds.level, "level"), _slope(case, one, self.thresholds.slope)]
        return [f for f in (*figures, _error(case, one, curves, self.thresholds.error)) if f is not None]

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Scores grow more extreme than the labels bear out, at the same decisions."""
        current = scenarios.next_month(rng, sharpness=3.0)
        return scenarios.against(rng, current, "slope")


def _scored(case: Case) -> list[_ScoredClass]:
    """The positive class of a binary task; else the predicted class first, then every class."""
    taken = [side.outcomes.take(case.labelled_rows(side)) for side in case.sides]
    labels = [o.labels.astype(np.int64) for o in taken]
    scores = [o.scores for o in taken if o.scores is not None]

    def of(code: int) -> _ScoredClass:
        hits = tuple((y == code).astype(float) for y in labels)
        return _ScoredClass(case.problem.classes[code], (scores[0][:, code], scores[1][:, code]), (hits[0], hits[1]))

    if len(scores) < 2:
        return []
    if case.problem.task == "binary" and case.problem.positive is not None:
        return [of(case.problem.classes.index(case.problem.positive))]
    decisions = [o.predictions.astype(np.int64) for o in taken]
    own = [s[np.arange(len(p)), p] for s, p in zip(scores, decisions, strict=True)]
    right = [(y == p).astype(float) for y, p in zip(labels, decisions, strict=True)]
    classes = sorted(range(len(case.problem.classes)), key=lambda k: -float((labels[0] == k).sum()))[:MOST_CLASSES]
    return [_ScoredClass("predicted class", (own[0], own[1]), (right[0], right[1])), *(of(k) for k in classes)]


def _mean_change(case: Case, values: Sequence[Floats]) -> Change:
    return change_over_rows(case.sides, [case.labelled_rows(side) for side in case.sides], values)


def _level(case: Case, one: _ScoredClass, floor: float, subject: str) -> _CalibrationFigure:
    change = _mean_change(case, (one.scores[0] - one.hits[0], one.scores[1] - one.hits[1]))
    return _CalibrationFigure(subject, change, two_sided(change), floor, 0.0, True, {"class": one.name})


def _slope(case: Case, one: _ScoredClass, floor: float) -> _CalibrationFigure | None:
    lines = [calibration.recalibrate(s, y) for s, y in zip(one.scores, one.hits, strict=True)]
    before, after = lines
    if before is None or after is None:
        return None
    change = _mean_change(case, (before.slope_rows, after.slope_rows))
    numbers: dict[str, Scalar] = {"class": one.name, **_intercepts(case, before, after)}
    return _CalibrationFigure("slope", change, two_sided(change), floor, 1.0, False, numbers)


def _intercepts(case: Case, before: RecalibrationLine, after: RecalibrationLine) -> dict[str, Scalar]:
    change = _mean_change(case, (before.intercept_rows, after.intercept_rows))
    return {
        "intercept_reference": before.intercept,
        "intercept_current": after.intercept,
        "intercept_change_low": change.low,
        "intercept_change_high": change.high,
    }


def _curves(one: _ScoredClass) -> tuple[CalibrationCurve, CalibrationCurve]:
    edges = calibration.bin_edges(one.scores[0])
    curves = [
        calibration.curve_of(calibration.bin_sums(s, y, edges).sum(0))
        for s, y in zip(one.scores, one.hits, strict=True)
    ]
    return curves[0], curves[1]


def _error(
    case: Case, one: _ScoredClass, curves: tuple[CalibrationCurve, CalibrationCurve], floor: float
) -> _CalibrationFigure:
    edges = calibration.bin_edges(one.scores[0])
    before, after = (curve.error for curve in curves)
    replicates = [
        calibration.plain_errors(case.draw(side).sums(calibration.bin_sums(s, y, edges)))
        for side, s, y in zip(case.sides, one.scores, one.hits, strict=True)
    ]
    spread = replicates[1] - replicates[0]
    level = _mean_change(case, (one.scores[0] - one.hits[0], one.scores[1] - one.hits[1]))
    estimate = after - before
    low, high = interval(estimate, estimate + spread - spread.mean(), level.df)
    se = float(spread.std(ddof=1))
    p = float(stats.t.sf(estimate / se, level.df)) if se > 0 else 1.0  # one-sided: less error is no warning
    change = Change(
        before, after, estimate, se, level.df, level.unit, max(low, -1.0), min(high, 1.0), p, estimate, span=1.0
    )
    return _CalibrationFigure("calibration error", change, p, floor, 0.0, True, {"class": one.name})


def _finding(case: Case, figure: _CalibrationFigure, p_value: float, tested: int) -> Finding:
    sample_rows = labelled_sample(case)
    return change_finding(
        Calibration,
        figure.subject,
        _sentence(figure),
        figure.change,
        floor=figure.floor,
        worse=figure.away,
        p_value=p_value,
        tested=tested,
        sample_rows=sample_rows,
        unit="points" if figure.points else "",
        basis=labelled_basis(sample_rows),
        numbers=figure.numbers,
    )


def _sentence(figure: _CalibrationFigure) -> str:
    change, of = figure.change, figure.numbers["class"]
    if figure.subject == "slope":
        reading = (
            "" if abs(change.current - 1) < 0.1 else f": scores too {'extreme' if change.current < 1 else 'cautious'}"
        )
        return (
            f"slope of the recalibration line {say.number(change.reference, 3)} → {say.number(change.current, 3)}, "
            f"1 is perfect{reading}"
        )
    if figure.subject == "calibration error":
        return f"calibration error {say.percent(change.reference)} → {say.percent(change.current)}"
    before, after = (say.fixed(100 * value, 1, sign=True) for value in (change.reference, change.current))
    return f"mean score of {of} minus how often it comes true: {before} → {after} points"


def _charts(
    scored: list[_ScoredClass], curves: list[tuple[CalibrationCurve, CalibrationCurve]]
) -> tuple[Reliability, ...]:
    """The first curve, and the classes whose error grew most."""
    growth = [after.error - before.error for before, after in curves]
    worst = sorted(range(1, len(scored)), key=lambda i: -growth[i])[:WORST]
    return tuple(_reliability(scored[i].name, *curves[i]) for i in (0, *worst))


def _reliability(name: str, reference: CalibrationCurve, current: CalibrationCurve) -> Reliability:
    bins = [
        ReliabilityBin(
            window=window,
            predicted=float(curve.predicted[i]),
            observed=float(curve.observed[i]),
            low=float(curve.low[i]),
            high=float(curve.high[i]),
            rows=int(curve.rows[i]),
        )
        for window, curve in (("reference", reference), ("current", current))
        for i in np.flatnonzero(curve.rows > 0)
    ]
    gap = np.where(current.rows > 0, np.abs(current.observed - current.predicted), -1.0)
    at = int(np.argmax(gap))
    return Reliability(
        title=f"Reliability of the score of {name}",
        reading=f"Farthest from the diagonal: scores around {say.number(float(current.predicted[at]), 2)} come true in "
        f"{say.percent(float(current.observed[at]))} of current rows. Calibration error {say.percent(reference.error)} → "
        f"{say.percent(current.error)}.",
        x=f"score of {name}",
        bins=tuple(bins),
    )
