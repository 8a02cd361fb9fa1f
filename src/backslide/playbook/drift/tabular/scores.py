"""Did the predictions and scores themselves move?

Shares of each predicted class and the distribution of each class's score in both windows; for regression the distribution of
the predictions. Needs no labels.

**Why it matters.** The model's own output is the one-number summary of all inputs at once: univariate tests on it are among
the most sensitive there are (Rabanser and others 2019).

**Stays quiet** when no floor is passed (a shift of 0.1 standard deviations of the normal scores, a KS distance of 0.05, 2
points more rows in the tails; 3 points in the share of a predicted class), or when the change is within noise at the
false-discovery rate of the report (1 %), noise being that of days and weekdays wherever rows have times. Error rate: of
outputs to which nothing happened, at most 1 % are flagged, at any number of rows.

**What to do.** Moved scores with unmoved inputs point to the model, its preprocessing or its threshold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine.columns import names
from backslide.engine.profile.daily_sums import predicted_rows
from backslide.engine.profile.profile import Profile
from backslide.playbook import evidence, scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.stored_days import Quantity, share_by_day, values_of
from backslide.playbook.findings import graded, share_finding
from backslide.stats.two_sample import jensen_shannon

MAX_SCORES = 30


@dataclass(frozen=True)
class ScoresFloors:
    ks: float = 0.05
    shift: float = 0.1
    """Standard deviations."""
    tails: float = 0.02
    share: float = 0.03
    """Change of the share of a predicted class."""


class Scores(Check):
    code = "DRF004"
    title = "Predictions and scores"
    step = Step.DRIFT
    needs = (Need.PREDICTIONS,)
    thresholds = ScoresFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding for the predictions, and one per score."""
        if case.problem.classification:
            yield from self._classes(case)
            columns = {names.score(label): f"score of {label}" for label in case.problem.classes[:MAX_SCORES]}
            if case.problem.task == "binary" and case.problem.positive is not None:
                columns = {names.score(case.problem.positive): f"score of {case.problem.positive}"}
        else:
            columns = {names.PREDICTION: "prediction"}
        present = {c: t for c, t in columns.items() if all(c in side.profile.columns for side in case.sides)}
        alpha = case.settings.engine.false_discovery_rate / max(len(present) + 1, 1)
        for column, title in present.items():
            yield from self._distribution(case, column, title, alpha)

    def _classes(self, case: Case) -> Iterable[Finding]:
        counts = [predicted_rows(side.profile) for side in case.sides]
        rows = min(sum(c.values()) for c in counts)
        if not rows:
            return
        levels = change_of_column.levels_of(counts[0], counts[1], (0, 0))
        move = change_of_column.shares(case, names.PREDICTION, levels, lambda profile: (predicted_rows(profile), 0))
        assert move is not None
        most = int(np.argmax(np.abs(move.adjusted)[: len(levels.names)]))
        ref, cur = (say.percent(float(side[most])) for side in (move.before, move.after))
        summary = f"predicted {levels.names[most]!r}: {ref} → {cur} of rows"
        marks = [_marks(side, levels.names, most) for side in case.sides]
        bars = evidence.bars(
            {k: float(x) for k, x in counts[0].items()},
            {k: float(x) for k, x in counts[1].items()},
            title="Predicted classes",
            reading=f"{summary}.",
            x="predicted class",
        )
        worst, floor = float(np.abs(move.adjusted).max()), self.thresholds.share
        finding = share_finding(
            self,
            case,
            "prediction",
            summary,
            move,
            severity=graded(worst, floor, np.inf, rows, change_of_column.MIN_ROWS),
            floor=floor,
            marks=(marks[0], marks[1]),
            place=most,
            basis="all rows",
            numbers={
                "cramers_v": move.cramers_v,
                "total_variation": move.total_variation,
                "jensen_shannon": jensen_shannon(levels.reference, levels.current),
            },
            evidence=lambda: change_of_column.series(
                case,
                (marks[0], marks[1]),
                title=f"share predicted {levels.names[most]!r}",
                y="share of rows",
                share=True,
            ),
        )
        yield finding.model_copy(update={"evidence": (bars, *finding.evidence)})

    def _distribution(self, case: Case, column: str, title: str, alpha: float) -> Iterable[Finding]:
        ref, cur = (side.profile.columns[column] for side in case.sides)
        if not (ref.finite and cur.finite) or ref.counts is None or cur.counts is None:
            return
        move = change_of_column.numeric(case, column)
        summary = f"{title}: median {say.number(ref.quantile(0.5), 3)} → {say.number(cur.quantile(0.5), 3)}"
        marks = {"threshold": case.problem.threshold} if case.problem.task == "binary" else {}
        drawn = evidence.histograms(ref, cur, title=title, reading=f"{summary}.", x=title, marks=marks)
        floors = self.thresholds
        p_value, passed = move.judge(floors.ks, floors.shift, floors.tails) if move else (1.0, ())
        severity = Severity.WARN if passed and min(ref.finite, cur.finite) >= change_of_column.MIN_ROWS else Severity.OK
        loud = severity != Severity.OK
        values = tuple(values_of(side, column) for side in case.sides)
        seen = move.detectable(alpha, floors.shift) if move else None
        numbers = {"ks": move.ks, "shift_sd": move.shift, "detectable_sd": seen} if move else {}
        by_day = change_of_column.series(case, (values[0], values[1]), title=f"mean {title}", y=title) if loud else ()
        yield Finding(
            code=self.code,
            subject=title,
            severity=severity,
            summary=summary,
            p_value=p_value,
            estimate=(Estimate(estimate=cur.mean - ref.mean) if np.isfinite(cur.mean - ref.mean) else None),
            unit="unit of the score",
            detectable=seen * ref.std if seen is not None and np.isfinite(seen * ref.std) else None,
            basis="all rows, exact to the bin",
            since=change_of_column.since(case, (values[0], values[1])) if loud else None,
            numbers=numbers | {"jensen_shannon": jensen_shannon(ref.counts, cur.counts)},
            evidence=(*((drawn,) if drawn else ()), *by_day),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes double, so that more rows are predicted "yes"."""
        current = scenarios.next_month(rng)
        current = scenarios.rescored(current.with_columns(current["income"] * 2))
        return scenarios.against(rng, current, "prediction")


def _marks(side: Side, levels: tuple[str, ...], most: int) -> Quantity:
    """1 for rows predicted as the class that moved most, 0 for others, NaN without a prediction."""

    def hits(profile: Profile) -> tuple[int, int]:
        counts = predicted_rows(profile)
        return counts.get(levels[most], 0), sum(counts.values())

    stored = share_by_day(side, hits)
    if stored is not None:
        return stored
    codes = change_of_column.codes_of(side.sample[names.PREDICTION], levels)
    return np.where(codes < 0, np.nan, (codes == most).astype(float))
