"""Do values go missing, turn infinite, or come as empty text?

Share of null, NaN, infinite and empty (blank) values of every feature in both windows, over all rows, each counted apart.

**Why it matters.** Dropping missing values before a test hides the commonest fault of all. Imputers turn it into a number
that looks normal.

**Stays quiet** when the share moved by less than 2 points, or within noise at the false-discovery rate of the report (1 %),
noise being that of days and weekdays wherever rows have times. Error rate: of columns in which nothing happened, at most 1 %
are flagged, at any number of rows. Fewer missing values than before are a note, as is NaN in place of null.

**What to do.** Find where the column is lost upstream.

References: Newcombe (1998); Benjamini and Hochberg (1995).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Evidence
from backslide.contracts.finding import Finding, Severity, Step
from backslide.engine.profile.profile import ColumnProfile
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Need, Scenario
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.stored_days import share_by_day
from backslide.playbook.findings import graded, share_finding, two_bars
from backslide.stats.arrays import Floats


@dataclass(frozen=True)
class MissingFloors:
    share: float = 0.02
    """Change of the share of missing, infinite or empty values."""


_SUFFIX = {"missing": "", "infinite": " (infinite)", "empty": " (empty)"}


class Missing(Check):
    code = "DRF003"
    title = "Missing, infinite and empty values"
    step = Step.DRIFT
    needs = (Need.FEATURES,)
    thresholds = MissingFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """One finding per feature and kind of absent value that either window holds."""
        alpha = case.settings.engine.false_discovery_rate / max(len(case.comparable), 1)
        drawn = 0
        for column in case.comparable:
            sides = [side.profile.columns[column] for side in case.sides]
            for what, count in _COUNTS.items():
                hits = count(sides[0]), count(sides[1])
                if any(hits) and all(side.rows for side in sides):
                    finding = self._finding(case, column, what, hits, alpha, draw=drawn < change_of_column.DRAWN_SERIES)
                    drawn += finding.severity != Severity.OK
                    yield finding
            yield from self._kind_changed(column, sides[0], sides[1])

    def _finding(
        self, case: Case, column: str, what: str, hits: tuple[int, int], alpha: float, *, draw: bool
    ) -> Finding:
        ref, cur = (side.profile.columns[column] for side in case.sides)
        marks = tuple(
            share_by_day(side, lambda p: (_COUNTS[what](p.columns[column]), p.columns[column].rows))
            or _where(side.sample[column], what).astype(float)
            for side in case.sides
        )
        move = change_of_column.indicator(case, (hits[0], ref.rows), (hits[1], cur.rows), (marks[0], marks[1]))
        change, floor = float(move.adjusted[1]), self.thresholds.share
        severity = graded(abs(change), floor, 5 * floor, min(ref.rows, cur.rows), change_of_column.MIN_ROWS)
        if severity != Severity.OK and change < 0:
            severity = Severity.NOTE
        shares = hits[0] / ref.rows, hits[1] / cur.rows
        summary = f"{column}: {say.percent(shares[1])} {what}, {say.percent(shares[0])} before"

        def evidence() -> tuple[Evidence, ...]:
            chart = two_bars(f"{column}: {what}", f"{summary}.", what, *shares)
            title = f"share of {column} {what}"
            by_day = change_of_column.series(case, (marks[0], marks[1]), title=title, y=f"share {what}", share=True)
            return (chart, *by_day) if draw else (chart,)

        return share_finding(
            self,
            case,
            column + _SUFFIX[what],
            summary,
            move,
            severity=severity,
            floor=floor,
            alpha=alpha,
            marks=(marks[0], marks[1]),
            basis=f"all rows; {change_of_column.noise(case)}",
            numbers={
                "reference_nulls": ref.nulls,
                "reference_nans": ref.nans,
                "current_nulls": cur.nulls,
                "current_nans": cur.nans,
                "reference_infinite": _infinite(ref),
                "current_infinite": _infinite(cur),
                "reference_empty": _empty(ref),
                "current_empty": _empty(cur),
            },
            evidence=evidence,
        )

    def _kind_changed(self, column: str, ref: ColumnProfile, cur: ColumnProfile) -> Iterable[Finding]:
        """As many missing as before, but NaN for null or null for NaN: another writer, and another path through imputers."""
        if min(ref.rows, cur.rows) < change_of_column.MIN_ROWS or not (ref.missing and cur.missing):
            return
        change = cur.nans / cur.missing - ref.nans / ref.missing
        enough = min(ref.missing_share, cur.missing_share) >= self.thresholds.share
        if abs(change) >= 0.5 and enough and min(ref.missing, cur.missing) >= change_of_column.MIN_ROWS:
            now, before = ("NaN", "null") if change > 0 else ("null", "NaN")
            yield Finding(
                code=self.code,
                subject=f"{column} (kind)",
                severity=Severity.NOTE,
                summary=f"{column}: missing values come as {now}, as {before} before",
                numbers={"reference_nans": ref.nans, "current_nans": cur.nans},
            )

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """A tenth of the incomes is null."""
        current = scenarios.next_month(rng)
        income = current["income"].to_list()
        lost = rng.random(current.height) < 0.1
        values = [None if gone else value for gone, value in zip(lost, income, strict=True)]
        current = current.with_columns(pl.Series("income", values))
        return scenarios.against(rng, current, "income")


def _infinite(column: ColumnProfile) -> int:
    return column.pos_inf + column.neg_inf


def _empty(column: ColumnProfile) -> int:
    """Rows that hold nothing but blanks."""
    return sum(rows for level, rows in column.levels.items() if not level.strip())


_COUNTS: dict[str, Callable[[ColumnProfile], int]] = {
    "missing": lambda column: column.missing,
    "infinite": _infinite,
    "empty": _empty,
}


def _where(values: pl.Series, what: str) -> Floats:
    if what == "missing":
        found = values.is_null() | values.is_nan() if values.dtype.is_float() else values.is_null()
    elif what == "infinite":
        found = values.is_infinite() if values.dtype.is_float() else values.is_null() & False
    else:
        found = values.cast(pl.String, strict=False).str.strip_chars() == ""
    return np.asarray(found.fill_null(what == "missing").to_numpy(), float)
