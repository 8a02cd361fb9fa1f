"""Did the features come apart, or together, without any of them moving by itself?

Two questions on the sample. *Who goes with whom*: changes of Spearman's rank correlation between every pair of features whose
own distribution did not move (ranks have no unit). *Can the windows be told apart*: a regularised domain classifier,
cross-fitted over stretches of days, with its AUC, the interval of it, and the columns it used. Left out of the classifier: ids
and other texts that are mostly unique, columns that only tell the time, and columns constant in the reference.

**Why it matters.** A broken join leaves every marginal as it was. Values belong to other rows, and no univariate test sees it.

**Stays quiet** when no pair of features changes its rank correlation by 0.15, Holm-corrected over all pairs; when the
classifier's AUC stays under 0.55 or its interval holds 0.5. Both against the noise of days where rows have times: a pair by
day variance, autocorrelation and weekdays, the AUC with the day as unit and at least five days on either side. Error rate: at
most 1 % of quiet reports; 95 % of the intervals hold 0.5 when nothing happened. With fewer days the AUC is shown and not
judged.

**What to do.** For a pair: look for a join or an index that shifted between the two sources. For the classifier: start with the
columns it used.

References: Spearman (1904); Holm (1979); DeLong, DeLong and Clarke-Pearson (1988); Obuchowski (1997); Rabanser, Guennemann and
Lipton (2019).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import RankedRow, Ranking, Table
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine.columns.design_matrix import make_design
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import to_numbers
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.clock import time_columns
from backslide.playbook.drift import change_of_column
from backslide.playbook.findings import enough_days, separation_finding, separation_severity
from backslide.stats.arrays import Ints
from backslide.stats.drift.domain_classifier import Separation, separation
from backslide.stats.drift.rank_correlation import PairChange, correlation_changes, standard_ranks
from backslide.stats.two_sample import Z95

MOST_COLUMNS = 60
MOST_ROWS = 4000
"""Rows per window that the classifier sees."""
MIN_ROWS = 200
SHOWN = 10


@dataclass(frozen=True)
class MultivariateFloors:
    correlation: float = 0.15
    """Change of a rank correlation: sampling moves it by 0.03 at 2 000 rows."""
    auc: float = 0.55
    """Telling windows apart in eleven of twenty pairs of rows: under a fifth of a standard deviation on one feature."""
    large_auc: float = 0.75


class Multivariate(Check):
    code = "DRF007"
    effort = 5
    title = "Features together"
    step = Step.DRIFT
    needs = (Need.FEATURES,)
    thresholds = MultivariateFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding for the pairs of features, one for the domain classifier."""
        if min(side.sample.height for side in case.sides) < MIN_ROWS:
            return
        yield from self._pairs(case)
        yield from self._domain(case)

    def _pairs(self, case: Case) -> Iterable[Finding]:
        columns = _steady(case)
        if len(columns) < 2:
            return
        days = change_of_column.both_days(case)
        x = [np.column_stack([to_numbers(side.sample[c]) for c in columns]) for side in case.sides]
        x = [np.where(np.isfinite(v), v, np.nan) for v in x]
        changes = correlation_changes(x[0], x[1], days)
        if not changes:
            return
        over = [c for c in changes if abs(c.adjusted) >= self.thresholds.correlation]
        top = over[0] if over else changes[0]
        names = f"{columns[top.first]} and {columns[top.second]}"
        summary = f"rank correlation of {names}: {_r(top.before)} → {_r(top.after)}"
        yield Finding(
            code=self.code,
            subject="rank correlations",
            severity=Severity.WARN if over else Severity.OK,
            summary=summary,
            estimate=_estimate(top, min(side.sample.height for side in case.sides)),
            p_value=top.p_value,
            basis=_basis(case, min(side.sample.height for side in case.sides)),
            numbers={"pairs": len(changes), "first": columns[top.first], "second": columns[top.second]},
            evidence=(_ranked(columns, changes, summary),) if over else (),
        )

    def _domain(self, case: Case) -> Iterable[Finding]:
        columns = _for_classifier(case)
        design = make_design(case.pairs[c] for c in columns)
        if not design.columns:
            return
        days = change_of_column.both_days(case)
        rng = case.rng("domain")
        picks = _alike_weekdays(case, design.columns, rng)
        frames = [side.sample[p] for side, p in zip(case.sides, picks, strict=True)]
        used = [None if d is None else d[p] for d, p in zip(days, picks, strict=True)]
        if min(frame.height for frame in frames) < MIN_ROWS:
            return
        x = [design.matrix(frame) for frame in frames]
        found = separation(x[0], x[1], design.categorical, (used[0], used[1]), rng, looked_from=self.thresholds.auc)
        yield self._separation(case, found, design.columns, judged=enough_days(used), rows=min(map(len, x)))

    def _separation(
        self, case: Case, result: Separation, columns: tuple[str, ...], *, judged: bool, rows: int
    ) -> Finding:
        floors = self.thresholds
        severity = separation_severity(result, floors.auc, floors.large_auc, judged=judged)
        order = [int(i) for i in np.argsort(-result.importance, kind="stable") if result.importance[i] > 0.002]
        by = f", by {say.listed([columns[i] for i in order])}" if order else ""
        summary = f"a classifier tells the windows apart with AUC {say.number(result.auc, 3)} (0.5 is not at all){by}"
        loud = severity != Severity.OK
        return separation_finding(
            self,
            "domain classifier",
            summary,
            result,
            severity=severity,
            floor=floors.auc,
            judged=judged,
            rows=rows,
            basis=_basis(case, rows),
            numbers={"columns": len(columns), "used": ", ".join(columns[i] for i in order[:5])},
            evidence=(_used(columns, result, order[:SHOWN], summary),) if loud else (),
        )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Spending goes with income; then it is joined to other rows."""
        frames = []
        for make, joined in ((scenarios.served, True), (scenarios.next_month, False)):
            frame = make(rng)
            spent = frame["income"].to_numpy() * rng.lognormal(-1, 0.3, frame.height)
            frames.append(frame.with_columns(spent=pl.Series(spent if joined else rng.permutation(spent))))
        return Scenario(frames[0], frames[1], dict(scenarios.ROLES), None, "rank correlations")


def _steady(case: Case) -> list[str]:
    """Numbers and booleans that did not move by themselves, at most 60, those that hang together most first."""
    alpha = case.settings.engine.false_discovery_rate
    found = []
    for column in case.features_of(ColumnKind.NUMERIC, ColumnKind.BOOLEAN):
        pair = case.pairs[column]
        if pair.constant_before or pair.current.n_unique() < 2 or column in time_columns(case):
            continue
        if pair.numeric:
            move = change_of_column.numeric(case, column)
            if move is None or (move.judge(0.05, 0.1, 0.02)[1] and move.judge(0.05, 0.1, 0.02)[0] < alpha):
                continue
        found.append(column)
    if len(found) <= MOST_COLUMNS:
        return found
    z = standard_ranks(np.column_stack([to_numbers(case.reference.sample[c]) for c in found]))
    together = np.abs(z.T @ z / len(z) - np.eye(len(found))).max(axis=0)
    return [found[i] for i in sorted(np.argsort(-together, kind="stable")[:MOST_COLUMNS])]


def _for_classifier(case: Case) -> list[str]:
    """At most 60 columns, the most moved first, without those that only tell the time."""
    columns = [c for c in case.pairs if c not in time_columns(case)]
    if len(columns) <= MOST_COLUMNS:
        return columns

    def p_value(column: str) -> float:
        move = change_of_column.numeric(case, column) if case.pairs[column].numeric else None
        return move.judge(0.0, 0.0, 0.0)[0] if move else 0.5

    return sorted(columns, key=p_value)[:MOST_COLUMNS]


def _alike_weekdays(case: Case, columns: tuple[str, ...], rng: np.random.Generator) -> list[Ints]:
    """Rows of both samples, at most ``MOST_ROWS``, the reference's thinned to the current window's weekdays.

    Drawn in an order that the content decides, so that the order of rows decides nothing.
    """
    weights = change_of_column.weekday_weights(change_of_column.both_days(case)), None
    picks = []
    for side, weight in zip(case.sides, weights, strict=True):
        order = change_of_column.canonical(side, columns)
        kept = order[rng.random(len(order)) < (1.0 if weight is None else weight[order])]
        picks.append(kept[np.sort(rng.choice(len(kept), min(len(kept), MOST_ROWS), replace=False))])
    return picks


def _r(value: float) -> str:
    return say.number(round(value, 2), 2)


def _estimate(pair: PairChange, rows: int) -> Estimate:
    change = pair.after - pair.before
    return Estimate(estimate=change, low=change - Z95 * pair.se, high=change + Z95 * pair.se, basis="sample", n=rows)


def _basis(case: Case, rows: int) -> str:
    days = change_of_column.noise(case)
    return f"sample of {rows} rows a window; {days}"


def _ranked(columns: list[str], changes: list[PairChange], reading: str) -> Ranking:
    shown = sorted(changes[:SHOWN], key=lambda c: -abs(c.adjusted))
    rows = tuple(
        RankedRow(
            label=f"{columns[c.first]} ~ {columns[c.second]}",
            value=c.after - c.before,
            low=c.after - c.before - Z95 * c.se,
            high=c.after - c.before + Z95 * c.se,
            note=f"{_r(c.before)} → {_r(c.after)}",
        )
        for c in shown
    )
    return Ranking(
        title="Changes of rank correlation", reading=f"{reading}.", x="change of rank correlation", rows=rows
    )


def _used(columns: tuple[str, ...], found: Separation, order: list[int], reading: str) -> Ranking | Table:
    rows = tuple(RankedRow(label=columns[i], value=float(found.importance[i])) for i in order)
    if not rows:
        return Table(title="Domain classifier", reading=f"{reading}.", columns=("AUC",), rows=((found.auc,),))
    return Ranking(
        title="What tells the windows apart",
        reading=f"{reading}.",
        x="loss of AUC when the column is shuffled",
        rows=rows,
    )
