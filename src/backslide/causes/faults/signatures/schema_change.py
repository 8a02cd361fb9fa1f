"""Type or format of a column changed, or the column is gone.

**Recognised**

- *another format*: numbers come as text ("1,234.50", "1234,5", "12 kg"), truth values as other words, dates in another
  pattern or as seconds since 1970; the values, once read, are distributed as before (dates: they are dates; numbers that
  became text: about as before), on all rows or on some;
- *gone*: a feature of the reference is not among the current columns;
- *renamed*: it is gone, and a new column holds what it held.

**Not to be confused with** categories that were renamed, permuted or spelled in other letters ("yes" as "YES"), where the
type stays, or with values that went missing from a column that is still there.

**Repair** reads the values and writes them as the reference did, or takes the renamed column; a column that is gone is drawn
from the others. The **injection** writes the reference in the new format, or leaves the column out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit as columns
from backslide.causes.columns.format_changes import FormatChange, find_format_change, find_partial_format_change
from backslide.causes.columns.formats import Writing
from backslide.causes.faults.base import Hypothesis
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns import names
from backslide.engine.columns.kinds import ColumnKind, kind_of
from backslide.engine.columns.pair import Pair
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.arrays import Floats, Mask
from backslide.stats.two_sample import ks_limit

RENAMED = 0.05
"""Distance beyond noise up to which a new column holds what a lost one held."""


class SchemaChange(ColumnSignature):
    kind = CauseKind.SCHEMA_CHANGE
    title = "Changed type or format, or a lost column"

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis; columns that went missing together share a mechanism."""
        if pair.name in case.current.window.lost:
            yield self._lost(case, pair)
        elif (change := find_format_change(pair)) is not None:
            yield self._format(pair, change, pair.current.is_not_null().to_numpy(), 1.0)
        elif (some := find_partial_format_change(pair)) is not None:
            yield self._format(pair, *some, float(some[1].mean()))

    def _format(self, pair: Pair, change: FormatChange, rows: Mask, share: float) -> Hypothesis:
        column, (before, after) = pair.name, change
        where = f" on {say.percent(share)} of the rows" if share < 1 else ""
        hypothesis = self.hypothesis(
            pair,
            f"{column} comes as {after.words}{where}, it came as {before.words}",
            f"read {column} and write it as before",
            rows,
            evidence=(f"DRF006:{column} (type)", f"DRF006:{column}", f"DRF001:{column}", f"DRF002:{column}"),
            mechanism=f"from {before.words} to {after.words}{where}",
            before=before,
            after=after,
            share=share,
        )
        return replace(hypothesis, reversible=True)

    def _lost(self, case: Case, pair: Pair) -> Hypothesis:
        column, new = pair.name, _find_renamed(case, pair.name)
        seen = f"{column} is not among the current columns"
        return self.hypothesis(
            pair,
            seen if new is None else f"{seen}; {new} holds what it held",
            f"fill {column} from the other columns" if new is None else f"take {column} from {new}",
            evidence=(f"DRF003:{column}",),
            mechanism="lost" if new is None else f"renamed {column}",
            lost=True,
            source=new,
        )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Read and write back, take from the renamed column, or draw from the other columns."""
        (column,) = hypothesis.features
        if not hypothesis.params.get("lost"):
            before, after = hypothesis.params["before"], hypothesis.params["after"]
            if hypothesis.params["share"] < 1:
                return _read_where_so(frame, column, after, before)
            return _rewrite(frame, column, after, before)
        new = hypothesis.params["source"]
        if new is not None:
            return frame.with_columns(frame[new].cast(case.reference.sample[column].dtype, strict=False).alias(column))
        return super().repair(case, hypothesis, frame)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Write the reference in the new format, or blank the column."""
        (column,) = hypothesis.features
        if not hypothesis.params.get("lost"):
            before, after, share = (hypothesis.params[key] for key in ("before", "after", "share"))
            written = _rewrite(frame, column, before, after)
            if share < 1:  # beside them the other rows stand as text of the plain value
                rows = pl.Series(case.rng(f"format {column}").random(frame.height) < share)
                plain = frame[column].cast(pl.String)
                return frame.with_columns(written[column].zip_with(rows, plain).alias(column))
            return written
        return columns.blank(frame, column, np.ones(frame.height, bool))

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes come as text with a decimal comma; the model cannot read them and takes its median."""
        current = scenarios.next_month(rng)
        texts = [f"{value!r}".replace(".", ",") for value in current["income"].to_list()]
        current = scenarios.rescored(current.with_columns(income=pl.lit(None, pl.Float64)))
        current = current.with_columns(income=pl.Series(texts))
        reference = scenarios.rescored(scenarios.served(rng))
        return Scenario(reference, current, dict(scenarios.ROLES), _Lenient(), "income")


class _Lenient(scenarios.TrueModel):
    """The true model behind a pipeline that reads what it can and takes the rest for missing."""

    def predict_proba(self, frame: Any) -> Floats:
        """Scores (n, 2)."""
        columns = {name: np.asarray(frame[name]) for name in ("income", "age", "channel")}
        columns["income"] = np.array([_number(value) for value in columns["income"]])
        return super().predict_proba(columns)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _rewrite(frame: pl.DataFrame, column: str, source: Writing, target: Writing) -> pl.DataFrame:
    """The column read in one writing and written in the other; what cannot be read stays, as text where need be."""
    series = frame[column]
    read = source.read(series)
    written = target.write(read.alias(column)).alias(column)
    left = read.is_null() & series.is_not_null()
    if not left.any() or kind_of(written.dtype) != ColumnKind.CATEGORICAL:
        return frame.with_columns(written)
    kept = pl.when(left).then(series.cast(pl.String)).otherwise(written)
    return frame.with_columns(frame.select(kept.alias(column)).to_series())


def _read_where_so(frame: pl.DataFrame, column: str, source: Writing, target: Writing) -> pl.DataFrame:
    """The column read in whichever of both writings a value stands; a column of its own type again where every value reads."""
    texts = frame[column]
    plain = texts.str.strip_chars().cast(pl.Float64, strict=False)
    read = plain.zip_with(plain.is_not_null(), source.read(texts)).alias(column)
    return frame.with_columns(target.write(read).alias(column))


def _find_renamed(case: Case, column: str) -> str | None:
    """A column that is new in the current window and holds what the lost one held; None where none or several do."""
    old = case.reference.sample
    pair = case.pairs[column]
    found = []
    for name, kind in case.current.window.kinds.items():
        if name in old.columns or name.startswith(names.PREFIX) or name not in case.current.sample.columns:
            continue
        series = case.current.sample[name]
        if kind != pair.kind or series.null_count() == len(series):
            continue
        if _alike(Pair(column, pair.kind, pair.reference, series)):
            found.append(name)
    return found[0] if len(found) == 1 else None


def _alike(pair: Pair) -> bool:
    n_ref, n_cur = (max(int((~m).sum()), 1) for m in pair.missing)
    noise = ks_limit(n_ref, n_cur)
    if pair.numeric:
        return pair.moved <= RENAMED + noise
    if pair.identifier:
        return False
    ref, cur = pair.levels
    apart = sum(abs(ref.get(k, 0) / n_ref - cur.get(k, 0) / n_cur) for k in {*ref, *cur}) / 2
    return bool(apart <= RENAMED + noise * max(len(ref), 1) ** 0.5 / 2)
