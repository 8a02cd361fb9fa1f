"""Did a numeric feature move, which way, and by how much in its own unit?

Mean, median, spread, quantiles and range of both windows; Kolmogorov-Smirnov and Jensen-Shannon distance over all rows, exact
to the bin of the profile (at least 100 bins); signed changes in the feature's own unit and in reference standard deviations.
A column that was constant in the reference and varies now is reported as new variation.

**Why it matters.** A model answers for the inputs it was fitted on. Drift without a consequence is not an alarm, though: it is
a lead. The causes say what it costs.

**Stays quiet** when the KS distance is under 0.1, or not significant at a false-discovery rate of 1 % over all drift tests of
the report. With very many rows everything is significant; the distance decides.

**What to do.** Compare the change with what upstream teams shipped. Look at the causes for its price.

References: Smirnov (1948); Lin (1991); Benjamini and Hochberg (1995).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Evidence
from backslide.contracts.finding import Estimate, Finding, Scalar, Severity, Step
from backslide.engine.columns import ColumnKind
from backslide.engine.profile import ColumnProfile
from backslide.playbook import evidence, scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.stats.two_sample import jensen_shannon, ks_binned

MIN_ROWS = 30


@dataclass(frozen=True)
class Floors:
    ks: float = 0.1
    """Distance from which a shift is worth a look: about a quarter standard deviation of a normal."""
    large_ks: float = 0.25
    """Distance from which it fails rather than warns."""


class NumericDrift(Check):
    code = "DRF001"
    title = "Numeric features"
    step = Step.DRIFT
    needs = (Need.NUMERIC,)
    thresholds = Floors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per numeric feature with values in both windows."""
        for column in case.features_of(ColumnKind.NUMERIC):
            g, b = (side.profile.columns[column] for side in case.sides)
            if g.finite and b.finite:
                yield self._finding(column, g, b)

    def _finding(self, column: str, g: ColumnProfile, b: ColumnProfile) -> Finding:
        assert g.counts is not None
        assert b.counts is not None
        if g.minimum == g.maximum:
            return _constant(column, g, b)
        distance, p_value = ks_binned(g.counts, b.counts)
        severity = Severity.OK
        if distance >= self.thresholds.ks and min(g.finite, b.finite) >= MIN_ROWS:
            severity = Severity.FAIL if distance >= self.thresholds.large_ks else Severity.WARN
        summary = _sentence(column, g, b)
        return Finding(
            code=self.code,
            subject=column,
            severity=severity,
            summary=summary,
            estimate=_shift(g, b),
            unit="unit of the feature",
            p_value=p_value,
            numbers=_numbers(g, b) | {"ks": distance, "jensen_shannon": jensen_shannon(g.counts, b.counts)},
            evidence=_drawn(column, g, b, summary) if severity != Severity.OK else (),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes rise by half."""
        current = scenarios.next_month(rng)
        current = current.with_columns(current["income"] * 1.5)
        return Scenario(scenarios.served(rng), current, dict(scenarios.ROLES), None, "income")


def _shift(g: ColumnProfile, b: ColumnProfile) -> Estimate | None:
    """Change of the mean; without interval for a single value, or for values so large that their squares overflow."""
    shift = b.mean - g.mean
    if not np.isfinite(shift):
        return None
    half = 1.96 * float(np.sqrt(g.variance / g.finite + b.variance / b.finite))
    if min(g.finite, b.finite) < 2 or not np.isfinite((half, shift - half, shift + half)).all():
        return Estimate(estimate=shift)
    return Estimate(estimate=shift, low=shift - half, high=shift + half)


def _sentence(column: str, g: ColumnProfile, b: ColumnProfile) -> str:
    before, after = g.quantile(0.5), b.quantile(0.5)
    spread = (b.mean - g.mean) / g.std if g.std > 0 else 0.0
    return (
        f"{column}: median {say.number(before)} → {say.number(after)}, mean {say.number(g.mean)} → {say.number(b.mean)} "
        f"({say.signed(spread, 2)} standard deviations)"
    )


def _numbers(g: ColumnProfile, b: ColumnProfile) -> dict[str, Scalar]:
    found: dict[str, float] = {}
    for side, name in ((g, "reference"), (b, "current")):
        found |= {f"{name}_mean": side.mean, f"{name}_std": side.std}
        found |= {f"{name}_p{q:02d}": side.quantile(q / 100) for q in (1, 5, 25, 50, 75, 95, 99)}
        found |= {f"{name}_min": float(side.minimum or 0), f"{name}_max": float(side.maximum or 0)}
    return {key: value for key, value in found.items() if np.isfinite(value)}


def _drawn(column: str, g: ColumnProfile, b: ColumnProfile, reading: str) -> tuple[Evidence, ...]:
    drawn = evidence.histograms(g, b, title=column, reading=f"{reading}.", x=column)
    return (drawn,) if drawn else ()


def _constant(column: str, g: ColumnProfile, b: ColumnProfile) -> Finding:
    before = say.number(float(g.minimum or 0))
    varies = b.minimum != b.maximum or b.minimum != g.minimum
    summary = (
        f"{column}: constant before ({before}), varying now ({say.number(float(b.minimum or 0))} to "
        f"{say.number(float(b.maximum or 0))}); a model fitted on the reference cannot have learned from it"
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
