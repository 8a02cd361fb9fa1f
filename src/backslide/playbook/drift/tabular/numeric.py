"""Did a numeric feature move, which way, and by how much in its own unit?

Mean, median, spread, quantiles, range, tails, distinct values and type of both windows; Kolmogorov-Smirnov, Jensen-Shannon and
Wasserstein distance over all rows, exact to the bin of the profile (at least 100 bins); signed changes in the feature's own
unit and in reference standard deviations. A column that was constant in the reference and varies now is reported as new
variation.

**Why it matters.** A model answers for the inputs it was fitted on. Drift without a consequence is not an alarm, though: it is
a lead. The causes say what it costs.

**Stays quiet** when no floor is passed: a shift of 0.1 standard deviations (of the normal scores, so that a heavy tail
neither hides nor feigns one), a KS distance of 0.05, or 2 points more or fewer rows beyond the reference's 1 % and 99 %
quantiles. And when the change is within noise at the false-discovery rate of the report (1 %). Noise is that of days, not of
rows, wherever rows have times: day-to-day variance beyond sampling, autocorrelation, weekdays that the windows do not share.
Error rate: of columns in which nothing happened, at most 1 % are flagged, at 200 to 500 000 rows and 1 to 60 days, with day
effects of 0.15 and weekday effects of 0.3 standard deviations. Every quiet column says which shift would have been seen.

**What to do.** Compare the change, and the day it began, with what upstream teams shipped. Look at the causes for its price.

References: van der Waerden (1952); Smirnov (1948); Lin (1991); Satterthwaite (1946); Benjamini and Hochberg (1995).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Evidence
from backslide.contracts.finding import Estimate, Finding, Scalar, Severity, Step
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.profile.profile import ColumnProfile
from backslide.playbook import evidence, scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.stored_days import DayMeans, Quantity, values_of
from backslide.playbook.drift.tabular.feature_reliance import leaning
from backslide.stats.drift.univariate import NumericMove
from backslide.stats.two_sample import Z95, jensen_shannon, wasserstein

DRAWN_QUIET = 10
"""Features that the model leans on most are drawn although they kept quiet."""


@dataclass(frozen=True)
class NumericDriftFloors:
    ks: float = 0.05
    """Distance from which a change of shape is worth a look: an eighth of a standard deviation of a normal."""
    large_ks: float = 0.25
    """Distance from which it fails rather than warns."""
    shift: float = 0.1
    """Shift in standard deviations that is worth a look: one row in twenty-five changes sides of the median."""
    tails: float = 0.02
    """Change of the share of rows beyond the reference's 1 % and 99 % quantiles: twice as many as there were."""


class NumericDrift(Check):
    code = "DRF001"
    effort = 6
    title = "Numeric features"
    step = Step.DRIFT
    needs = (Need.NUMERIC,)
    thresholds = NumericDriftFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per numeric feature with values in both windows."""
        columns = case.features_of(ColumnKind.NUMERIC)
        alpha = case.settings.engine.false_discovery_rate / max(len(columns), 1)
        leans = None if case.stored else leaning(case)
        important = set(leans.top(DRAWN_QUIET)) if leans else set()
        drawn = 0
        for column in columns:
            ref, cur = (side.profile.columns[column] for side in case.sides)
            if not (ref.finite and cur.finite):
                continue
            if ref.minimum == ref.maximum:
                yield _constant(column, ref, cur)
                continue
            finding = self._finding(case, column, alpha, draw=column in important)
            if finding.severity != Severity.OK:
                finding = _dated(case, finding, draw=drawn < change_of_column.DRAWN_SERIES)
                drawn += 1
            yield finding

    def _finding(self, case: Case, column: str, alpha: float, *, draw: bool) -> Finding:
        ref, cur = (side.profile.columns[column] for side in case.sides)
        assert ref.counts is not None
        assert cur.counts is not None
        move = change_of_column.numeric(case, column)
        summary = _sentence(column, ref, cur)
        numbers = (
            _numbers(ref, cur) | {"jensen_shannon": jensen_shannon(ref.counts, cur.counts)} | _distinct(case, column)
        )
        if move is None:  # one bin holds everything: neither shares nor quantiles move
            return Finding(code=self.code, subject=column, severity=Severity.OK, summary=summary, numbers=numbers)
        floors = self.thresholds
        p_value, passed = move.judge(floors.ks, floors.shift, floors.tails)
        severity = Severity.OK
        if passed and min(ref.finite, cur.finite) >= change_of_column.MIN_ROWS:
            severity = Severity.FAIL if move.ks_adjusted >= floors.large_ks else Severity.WARN
        seen = move.detectable(alpha, floors.shift)
        return Finding(
            code=self.code,
            subject=column,
            severity=severity,
            summary=summary,
            estimate=_shift(ref, cur, move),
            unit="unit of the feature",
            p_value=p_value,
            detectable=seen * ref.std if np.isfinite(seen * ref.std) else None,
            basis=_basis(case, ref),
            numbers=numbers
            | {
                "ks": move.ks,
                "ks_without_weekdays": move.ks_adjusted,
                "shift_sd": move.shift,
                "shift_sd_without_weekdays": move.shift_adjusted,
                "shift_sd_error": move.shift_se,
                "tails_change": move.tails,
                "flagged_by": ", ".join(passed),
                "detectable_sd": seen,
            },
            evidence=_drawn(column, ref, cur, summary) if draw or severity != Severity.OK else (),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes rise by half."""
        current = scenarios.next_month(rng)
        current = current.with_columns(current["income"] * 1.5)
        return scenarios.against(rng, current, "income")


def _shift(ref: ColumnProfile, cur: ColumnProfile, move: NumericMove) -> Estimate | None:
    """Change of the mean with day noise; without interval for a single value, or where squares overflow."""
    shift = cur.mean - ref.mean
    if not np.isfinite(shift):
        return None
    if min(ref.finite, cur.finite) < 2:
        return Estimate(estimate=shift)
    days = [float(own[0]) for own in move.location.window]
    with np.errstate(over="ignore", invalid="ignore"):
        variance = [np.float64(side.variance) * (1 / side.finite + d) for side, d in zip((ref, cur), days, strict=True)]
        half = Z95 * float(np.sqrt(variance[0] + variance[1]))
    if not np.isfinite((half, shift - half, shift + half)).all():
        return Estimate(estimate=shift)
    return Estimate(estimate=shift, low=shift - half, high=shift + half)


def _sentence(column: str, ref: ColumnProfile, cur: ColumnProfile) -> str:
    before, after = ref.quantile(0.5), cur.quantile(0.5)
    spread = (cur.mean - ref.mean) / ref.std if ref.std > 0 else 0.0
    text = (
        f"{column}: median {say.number(before)} → {say.number(after)}, mean {say.number(ref.mean)} → {say.number(cur.mean)} "
        f"({say.signed(spread, 2)} standard deviations)"
    )
    ratio = cur.std / ref.std if ref.std > 0 and np.isfinite(ref.std) and np.isfinite(cur.std) else 1.0
    return f"{text}, spread × {say.number(ratio, 2)}" if not 0.8 < ratio < 1.25 else text


def _numbers(ref: ColumnProfile, cur: ColumnProfile) -> dict[str, Scalar]:
    found: dict[str, float] = {}
    for side, name in ((ref, "reference"), (cur, "current")):
        found |= {f"{name}_mean": side.mean, f"{name}_std": side.std}
        found |= {f"{name}_p{q:02d}": side.quantile(q / 100) for q in (1, 5, 25, 50, 75, 95, 99)}
        found |= {f"{name}_min": float(side.minimum or 0), f"{name}_max": float(side.maximum or 0)}
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found["variance_ratio"] = float(np.float64(cur.variance) / ref.variance)
        distance = _wasserstein(ref, cur)
        found |= {"wasserstein": distance, "wasserstein_sd": float(np.float64(distance) / ref.std)}
    kept: dict[str, Scalar] = {key: value for key, value in found.items() if np.isfinite(value)}
    return kept | {"reference_integer": ref.integer, "current_integer": cur.integer}


def _wasserstein(ref: ColumnProfile, cur: ColumnProfile) -> float:
    ends = [float(end) for side in (ref, cur) for end in (side.minimum, side.maximum) if end is not None]
    after = np.nextafter(ends, np.inf)
    points = np.unique(np.concatenate([np.asarray(ref.edges), ends, after]))
    points = points[(points >= min(ends)) & (points <= max(after))]
    return wasserstein(points, ref.cdf_at(points), cur.cdf_at(points))


def _distinct(case: Case, column: str) -> dict[str, Scalar]:
    """Distinct values of both windows where the samples hold every row."""
    if not all(side.complete for side in case.sides):
        return {}
    pair = case.pairs[column]
    return {f"{n}_distinct": len(np.unique(v)) for n, v in zip(("reference", "current"), pair.finite, strict=True)}


def _basis(case: Case, ref: ColumnProfile) -> str:
    assert ref.counts is not None
    bins = int((ref.counts > 0).sum())
    exact = "exact" if (ref.counts > 0).all() or bins < 128 else f"exact to {say.number(1 / bins, 1)}"
    noise = change_of_column.noise(case)
    return f"all rows, KS {exact}; {noise}"


def _dated(case: Case, finding: Finding, *, draw: bool) -> Finding:
    values = tuple(values_of(side, finding.subject) for side in case.sides)
    pair = (values[0], values[1])
    if isinstance(pair[0], DayMeans):
        low, high = (case.reference.profile.columns[finding.subject].quantile(q) for q in (0.005, 0.995))
    else:
        low, high = np.nanquantile(np.where(np.isfinite(pair[0]), pair[0], np.nan), [0.005, 0.995])
    clipped = tuple(_clipped(v, low - (high - low), high + (high - low)) for v in pair)
    start = change_of_column.since(case, (clipped[0], clipped[1]))
    title = f"mean of {finding.subject}"
    shown = change_of_column.series(case, pair, title=title, y=finding.subject) if draw else ()
    return finding.model_copy(update={"since": start, "evidence": (*finding.evidence, *shown)})


def _clipped(values: Quantity, low: float, high: float) -> Quantity:
    """Rows within a range; means of days are as they are."""
    if isinstance(values, DayMeans):
        return values
    return np.where(np.isfinite(values), np.clip(values, low, high), np.nan)


def _drawn(column: str, ref: ColumnProfile, cur: ColumnProfile, reading: str) -> tuple[Evidence, ...]:
    drawn = evidence.histograms(ref, cur, title=column, reading=f"{reading}.", x=column)
    return (drawn,) if drawn else ()


def _constant(column: str, ref: ColumnProfile, cur: ColumnProfile) -> Finding:
    before = say.number(float(ref.minimum or 0))
    varies = cur.minimum != cur.maximum or cur.minimum != ref.minimum
    summary = (
        f"{column}: constant before ({before}), varying now ({say.number(float(cur.minimum or 0))} to "
        f"{say.number(float(cur.maximum or 0))}); a model fitted on the reference cannot have learned from it"
        if varies
        else f"{column}: constant in both windows ({before})"
    )
    return Finding(
        code=NumericDrift.code,
        subject=column,
        severity=Severity.NOTE if varies else Severity.OK,
        summary=summary,
        numbers={"constant_before": True, "new_variation": varies},
    )
