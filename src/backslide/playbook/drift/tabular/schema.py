"""Do columns still have the type and the format they had?

Types of both windows (a number that comes as text), columns that are gone or new, columns that were constant and vary or the
other way round, and the format of values: whether text looks like a number or a date, its length, case, surrounding blanks and
characters beyond ASCII; whether floats hold whole numbers only. Types over all rows, formats on the sample. What texts *say* is
not looked at here.

**Why it matters.** Every exporter, parser and locale leaves its own format. A comma for a point turns a number into a
category, and a padded code into an unknown one, without anything going missing.

**Stays quiet** when no format fact moves by 10 points of the rows (or the length by 0.5 standard deviations), or within noise
at the false-discovery rate of the report (1 %), noise being that of days and weekdays where rows have times, Bonferroni over
the facts of a column. Error rate: at most 1 % of columns in which nothing happened. Types are facts and have no noise.

**What to do.** Restore the schema upstream and check it on arrival.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from backslide.case import Case, Side
from backslide.contracts import say
from backslide.contracts.evidence import Evidence, Table
from backslide.contracts.finding import Estimate, Finding, Severity, Step
from backslide.engine.columns import names
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair, to_numbers
from backslide.playbook import scenarios
from backslide.playbook.base import Check, Scenario
from backslide.playbook.drift import change_of_column
from backslide.stats.arrays import Floats

TEXT_FACTS: dict[str, str] = {
    "look like numbers": r"^\s*[+-]?(\d+([.]\d*)?|[.]\d+)([eE][+-]?\d+)?\s*$",
    "hold a decimal comma": r"^\s*[+-]?\d+,\d+\s*$",
    "look like ISO dates": r"^\s*\d{4}-\d{1,2}-\d{1,2}",
    "look like dates with slashes": r"^\s*\d{1,4}/\d{1,2}/\d{1,4}",
    "look like dates with points": r"^\s*\d{1,2}[.]\d{1,2}[.]\d{2,4}",
    "are in upper case": r"^[^\p{Ll}]*\p{Lu}[^\p{Ll}]*$",
    "are in lower case": r"^[^\p{Lu}]*\p{Ll}[^\p{Lu}]*$",
    "have blanks around": r"^\s+\S|\S\s+$",
    "hold characters beyond ASCII": r"[^\x00-\x7F]",
    "are in quotes": r"^\s*['\"].*['\"]\s*$",
}
"""Sentence about values -> pattern that they match."""
LENGTH = "length"


@dataclass(frozen=True)
class SchemaFloors:
    share: float = 0.1
    """Change of the share of values of a format: formats change by exporters, not by traffic."""
    length: float = 0.5
    """Shift of the length of texts, in standard deviations."""


@dataclass(frozen=True)
class FormatFact:
    """One format fact of a column in both windows, for the sentence and the table."""

    words: str
    before: float
    after: float
    size: float
    """Change over its floor: 1 and more is worth a look."""
    p_value: float
    share: bool
    values: tuple[Floats, Floats]

    @property
    def text(self) -> str:
        """What changed."""
        if self.share:
            return f"{say.percent(self.after)} of values {self.words}, {say.percent(self.before)} before"
        return f"median {self.words} {say.number(self.before)} → {say.number(self.after)} characters"


class Schema(Check):
    code = "DRF006"
    title = "Types and formats"
    step = Step.DRIFT
    thresholds = SchemaFloors()

    def run(self, case: Case) -> Iterable[Finding]:
        """A finding per column whose type, presence, constancy or format could be compared."""
        yield from _presence(case)
        before, after = (side.window.frame.collect_schema() for side in case.sides)  # of all columns: once
        for column in case.problem.features:
            changed = self._type(case, column, before[column], after[column])
            if changed is not None:
                yield changed
                if changed.severity == Severity.FAIL:
                    continue
            yield from _constancy(case, column)
            found = self._format(case, column)
            if found is not None:
                yield found

    def _type(self, case: Case, column: str, before: pl.DataType, after: pl.DataType) -> Finding | None:
        if before == after or pl.Null in (before, after):
            return None
        kinds = [side.window.kinds[column] for side in case.sides]
        loud = kinds[0] != kinds[1] and min(side.window.rows for side in case.sides) >= change_of_column.MIN_ROWS
        summary = f"{column}: type {before} → {after}"
        return Finding(
            code=self.code,
            subject=f"{column} (type)",
            severity=Severity.FAIL if loud else Severity.NOTE,
            summary=summary,
            numbers={"reference_type": str(before), "current_type": str(after)},
            basis="all rows",
            evidence=(_table(f"{column}: type", summary, (("type", str(before), str(after)),)),) if loud else (),
        )

    def _format(self, case: Case, column: str) -> Finding | None:
        facts = self._facts(case, column)
        if not facts:
            return None
        over = [f for f in facts if f.size >= 1]
        asked = over or facts
        worst = min(asked, key=lambda f: (f.p_value, -f.size))
        rows = min(side.sample.height for side in case.sides)
        severity = Severity.OK
        if over and rows >= change_of_column.MIN_ROWS:
            severity = Severity.FAIL if worst.share and worst.size >= 5 else Severity.WARN
        summary = f"{column}: {worst.text}"
        shown: tuple[Evidence, ...] = ()
        if severity != Severity.OK:
            shown = (_table(f"{column}: format", summary, tuple((f.words, f.before, f.after) for f in over)),)
        change = worst.after - worst.before
        return Finding(
            code=self.code,
            subject=column,
            severity=severity,
            summary=summary,
            estimate=Estimate(estimate=change, basis="sample", n=rows),
            unit="points" if worst.share else "characters",
            p_value=min(worst.p_value * len(facts), 1.0),
            detectable=self.thresholds.share if worst.share else None,
            basis=f"sample of {rows} rows a window",
            since=change_of_column.since(case, worst.values) if severity != Severity.OK else None,
            evidence=shown,
        )

    def _facts(self, case: Case, column: str) -> list[FormatFact]:
        """Facts that hold for some value in either window."""
        series = [side.sample[column] for side in case.sides]
        if all(s.dtype.is_float() for s in series):
            whole = [
                np.where(np.isfinite(v), (v == np.round(v)).astype(float), np.nan) for v in map(to_numbers, series)
            ]
            fact = self._share(case, "are whole numbers", (whole[0], whole[1]))
            return [fact] if fact else []
        if case.kind(column) != ColumnKind.CATEGORICAL or not all(s.dtype == pl.String for s in series):
            return []
        pair = case.pairs[column]
        found = [
            self._share(
                case,
                words,
                _both(case, pl.col(column).str.contains(pattern)) if pair.identifier else _of_levels(pair, pattern),
            )
            for words, pattern in TEXT_FACTS.items()
        ]
        facts = [fact for fact in found if fact is not None]
        if pair.identifier:  # of categories, other shares already tell
            facts += self._length(case, _both(case, pl.col(column).str.len_chars()))
        return facts

    def _share(self, case: Case, words: str, which: tuple[Floats, Floats]) -> FormatFact | None:
        known = [w[np.isfinite(w)] for w in which]
        hits = [(int(k.sum()), len(k)) for k in known]
        if not all(n for _, n in hits) or all(h == 0 for h, _ in hits) or all(h == n for h, n in hits):
            return None
        move = change_of_column.indicator(case, hits[0], hits[1], which)
        size = abs(float(move.adjusted[1])) / self.thresholds.share
        return FormatFact(words, float(move.before[1]), float(move.after[1]), size, move.p_value, True, which)

    def _length(self, case: Case, values: tuple[Floats, Floats]) -> list[FormatFact]:
        sampled = change_of_column.sampled(case, values)
        if sampled is None:
            return []
        move = sampled.move
        middle = [float(np.nanmedian(v)) for v in values]
        size = abs(move.shift_adjusted) / self.thresholds.length
        return [FormatFact(LENGTH, middle[0], middle[1], size, move.p_location, False, values)]

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Codes come padded with blanks."""
        current = scenarios.next_month(rng)
        current = current.with_columns(channel=" " + pl.col("channel"))
        return scenarios.against(rng, current, "channel")


def _both(case: Case, fact: pl.Expr) -> tuple[Floats, Floats]:
    found = [
        side.sample.select(fact.cast(pl.Float64).fill_null(np.nan).alias("x"))["x"].to_numpy().astype(float)
        for side in case.sides
    ]
    return found[0], found[1]


def _of_levels(pair: Pair, pattern: str) -> tuple[Floats, Floats]:
    """Whether each text of both windows matches, NaN where missing: asked of each level once."""
    levels, codes = pair.codes
    matches = pl.Series(levels, dtype=pl.String).str.contains(pattern).to_numpy().astype(float)
    ref, cur = (np.where(m, np.nan, matches[c]) for c, m in zip(codes, pair.missing, strict=True))
    return ref, cur


def _presence(case: Case) -> Iterable[Finding]:
    """Columns of one window only: features that are lost, and columns that nothing is known about."""
    lost = case.current.window.lost
    for column in lost:
        summary = f"{column}: the current window has no such column; every value counts as missing"
        yield Finding(
            code=Schema.code,
            subject=f"{column} (gone)",
            severity=Severity.FAIL,
            summary=summary,
            basis="all rows",
            evidence=(
                _table(f"{column}: presence", summary, (("rows with the column", case.reference.window.rows, 0),)),
            ),
        )
    columns = [[c for c in _own(side) if c not in lost] for side in case.sides]
    for side, other, word, where in ((0, 1, "gone", "in the reference"), (1, 0, "new", "in the current window")):
        for column in columns[side]:
            if column not in columns[other]:
                yield Finding(
                    code=Schema.code,
                    subject=f"{column} ({word})",
                    severity=Severity.NOTE,
                    summary=f"{column}: {where} only, so it is not compared",
                    basis="all rows",
                )


def _own(side: Side) -> list[str]:
    """The user's columns."""
    return [c for c in side.window.raw.collect_schema().names() if not c.startswith(names.PREFIX)]


def _constancy(case: Case, column: str) -> Iterable[Finding]:
    """A column that varied and stands still now, or the other way round; missing values do not count."""
    if case.kind(column) not in (ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN):
        return
    ref, cur = (side.profile.columns[column] for side in case.sides)
    if ref.counts is not None:
        varied = [side.minimum != side.maximum for side in (ref, cur)]
        rows = [side.finite for side in (ref, cur)]
        value = say.number(float((cur if varied[0] else ref).minimum or 0))
    else:
        varied = [side.distinct_levels > 1 for side in (ref, cur)]
        rows = [sum(side.levels.values()) + side.rest_rows for side in (ref, cur)]
        value = repr(next(iter((cur if varied[0] else ref).levels), ""))
    if varied[0] == varied[1] or min(rows) < change_of_column.MIN_ROWS:
        return
    now = (
        f"one value in every row now ({value})"
        if varied[0]
        else f"one value in every row before ({value}), varying now"
    )
    yield Finding(
        code=Schema.code,
        subject=f"{column} (constant)",
        severity=Severity.NOTE,
        summary=f"{column}: {now}",
        basis="all rows",
    )


def _table(title: str, reading: str, rows: tuple[tuple[str | float, ...], ...]) -> Table:
    return Table(title=title, reading=f"{reading}.", columns=("fact", "reference", "current"), rows=rows)
