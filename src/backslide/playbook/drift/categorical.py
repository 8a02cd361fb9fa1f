"""Did the categories move, did new ones appear, did old ones vanish?

Shares of every category in both windows, over all rows: chi-squared with Cramer's V and Jensen-Shannon distance, the
categories that moved most in percentage points, the share of rows whose category the reference never held, and the categories
that vanished. Booleans count as two categories.

**Why it matters.** Encoders silently drop or mis-map what they have not seen; a renamed code is an unknown one.

**Stays quiet** when no share moved by 5 points in sum (total variation), unseen categories make up less than 1 % of the rows,
or the test is not significant at a false-discovery rate of 1 % over all drift tests of the report. Columns that are mostly
unique (ids, free text) are left alone.

**What to do.** For unseen categories: look at the cause named, map or retrain. For moved shares: ask what changed in the
traffic.

References: Cramer (1946); Lin (1991); Benjamini and Hochberg (1995).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Bars
from backslide.contracts.finding import Finding, Severity, Step
from backslide.engine.columns import ColumnKind
from backslide.engine.profile import ColumnProfile
from backslide.playbook import evidence, scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.stats.metrics import Floats
from backslide.stats.two_sample import chi_squared, jensen_shannon

MIN_ROWS = 30


@dataclass(frozen=True)
class Floors:
    total_variation: float = 0.05
    """Share of rows that would have to change category."""
    large_total_variation: float = 0.15
    unseen: float = 0.01
    """Share of rows in categories that the reference never held."""


class CategoricalDrift(Check):
    code = "DRF002"
    title = "Categorical features"
    step = Step.DRIFT
    needs = (Need.CATEGORICAL,)
    thresholds = Floors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per categorical or boolean feature with values in both windows."""
        for column in case.features_of(ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN):
            g, b = (side.profile.columns[column] for side in case.sides)
            if g.levels and b.levels and not case.pairs[column].identifier:
                yield self._finding(column, g, b)

    def _finding(self, column: str, g: ColumnProfile, b: ColumnProfile) -> Finding:
        names = list(dict.fromkeys([*g.levels, *b.levels]))
        count_g = np.array([*(g.levels.get(n, 0) for n in names), g.rest_rows], float)
        count_b = np.array([*(b.levels.get(n, 0) for n in names), b.rest_rows], float)
        v, p_value, _ = chi_squared(count_g, count_b)
        share_g, share_b = count_g / count_g.sum(), count_b / count_b.sum()
        variation = float(np.abs(share_b - share_g).sum() / 2)
        # Where the reference kept only its most frequent levels, an unknown one may be a rare one: not called unseen.
        unseen = {n: b.levels[n] / count_b.sum() for n in b.levels if n not in g.levels} if not g.rest_rows else {}
        vanished = {n: g.levels[n] / count_g.sum() for n in g.levels if n not in b.levels} if not b.rest_rows else {}
        severity = self._severity(variation, sum(unseen.values()), min(count_g.sum(), count_b.sum()))
        summary = _sentence(column, names, share_g, share_b, unseen, vanished)
        return Finding(
            code=self.code,
            subject=column,
            severity=severity,
            summary=summary,
            p_value=p_value,
            numbers={
                "cramers_v": v,
                "jensen_shannon": jensen_shannon(count_g, count_b),
                "total_variation": variation,
                "unseen_share": float(sum(unseen.values())),
                "unseen": ", ".join(sorted(unseen, key=lambda n: -unseen[n])[:5]),
                "vanished_share": float(sum(vanished.values())),
                "vanished": ", ".join(sorted(vanished, key=lambda n: -vanished[n])[:5]),
            },
            evidence=(_bars(column, g, b, summary),) if severity != Severity.OK else (),
        )

    def _severity(self, variation: float, unseen: float, rows: float) -> Severity:
        floors = self.thresholds
        if rows < MIN_ROWS:
            return Severity.OK
        if variation >= floors.large_total_variation:
            return Severity.FAIL
        return Severity.WARN if variation >= floors.total_variation or unseen >= floors.unseen else Severity.OK

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """A channel is renamed."""
        current = scenarios.next_month(rng)
        current = current.with_columns(current["channel"].replace("phone", "telephone"))
        return Scenario(scenarios.served(rng), current, dict(scenarios.ROLES), None, "channel")


def _bars(column: str, g: ColumnProfile, b: ColumnProfile, reading: str) -> Bars:
    counts = [{k: float(v) for k, v in side.levels.items()} for side in (g, b)]
    return evidence.bars(counts[0], counts[1], title=column, reading=f"{reading}.", x=column)


def _sentence(
    column: str, names: list[str], share_g: Floats, share_b: Floats,
    unseen: dict[str, float], vanished: dict[str, float],
) -> str:  # fmt: skip
    moved = int(np.argmax(np.abs(share_b - share_g)[: len(names)]))
    text = f"{column}: {names[moved]!r} {say.percent(float(share_g[moved]))} → {say.percent(float(share_b[moved]))}"
    if unseen:
        most = sorted(unseen, key=lambda n: -unseen[n])
        text += (
            f"; never seen before: {say.listed([repr(n) for n in most])} ({say.percent(sum(unseen.values()))} of rows)"
        )
    if vanished and sum(vanished.values()) >= 0.005:
        most = sorted(vanished, key=lambda n: -vanished[n])
        text += f"; gone: {say.listed([repr(n) for n in most])} ({say.percent(sum(vanished.values()))} before)"
    return text
