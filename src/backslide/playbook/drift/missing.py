"""Do values go missing, or turn infinite?

Share of null, NaN and infinite values of every feature in both windows, over all rows, each counted apart.

**Why it matters.** Dropping missing values before a test hides the commonest fault of all. Imputers turn it into a number
that looks normal.

**Stays quiet** when the share moved by less than 2 points, or not significantly at a false-discovery rate of 1 % over all
drift tests of the report.

**What to do.** Find where the column is lost upstream.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Bars
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine.profile import ColumnProfile
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.stats.two_sample import newcombe, proportion_z

MIN_ROWS = 30


@dataclass(frozen=True)
class Floors:
    share: float = 0.02
    """Change of the share of missing or infinite values."""


class Missing(Check):
    code = "DRF003"
    title = "Missing and infinite values"
    step = Step.DRIFT
    needs = (Need.FEATURES,)
    thresholds = Floors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per feature that has missing or infinite values in either window."""
        for column in case.pairs:
            g, b = (side.profile.columns[column] for side in case.sides)
            if g.missing or b.missing:
                yield self._finding(column, "missing", g, b, (g.missing, b.missing))
            infinite = (g.pos_inf + g.neg_inf, b.pos_inf + b.neg_inf)
            if any(infinite):
                yield self._finding(column, "infinite", g, b, infinite)

    def _finding(self, column: str, what: str, g: ColumnProfile, b: ColumnProfile, hits: tuple[int, int]) -> Finding:
        before, after = hits[0] / g.rows, hits[1] / b.rows
        z = proportion_z(hits[0], g.rows, hits[1], b.rows)
        low, high = newcombe(hits[0], g.rows, hits[1], b.rows)
        moved = abs(after - before) >= self.thresholds.share and min(g.rows, b.rows) >= MIN_ROWS
        severity = Severity.OK
        if moved:
            severity = Severity.FAIL if after - before >= 5 * self.thresholds.share else Severity.WARN
            if after < before:
                severity = Severity.NOTE
        summary = f"{column}: {say.percent(after)} {what}, {say.percent(before)} before"
        chart = Bars(
            title=f"{column}: {what}", reading=f"{summary}.", x="", categories=(what,), reference=(before,), current=(after,),
        )  # fmt: skip
        return Finding(
            code=self.code,
            subject=column if what == "missing" else f"{column} ({what})",
            severity=severity,
            summary=summary,
            estimate=Estimate(estimate=after - before, low=low, high=high),
            unit="points",
            p_value=float(2 * stats.norm.sf(abs(z))),
            numbers={
                "reference_nulls": g.nulls, "reference_nans": g.nans, "current_nulls": b.nulls, "current_nans": b.nans,
                "reference_infinite": g.pos_inf + g.neg_inf, "current_infinite": b.pos_inf + b.neg_inf,
            },
            evidence=(chart,) if severity != Severity.OK else (),
        )  # fmt: skip

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """A tenth of the incomes is null."""
        current = scenarios.next_month(rng)
        income = current["income"].to_list()
        lost = rng.random(current.height) < 0.1
        values = [None if gone else value for gone, value in zip(lost, income, strict=True)]
        current = current.with_columns(pl.Series("income", values))
        return Scenario(scenarios.served(rng), current, dict(scenarios.ROLES), None, "income")
