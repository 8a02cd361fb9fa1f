"""A column is stuck at one value for each host, device, shop or other entity.

**Recognised** where a column of many values now holds one value in nearly every level of another column, and varied within the
levels before, also within spans as long as the current window. The levels must be a handful of rows each, and the column must
still hold several values: one on every row is a frozen column, one a day is stuck by day.

**Natural drift** may narrow what a column holds; it does not leave one value to each of many entities.

**Repair** draws the values from the other columns; the price comes from the **injection**: the first value of each entity on all
of its rows of the reference.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis, Signature, scenario_with
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns import names
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.playbook.clock import time_columns
from backslide.stats.two_sample import distinct_of_sorted

FEWER = 0.5
"""Of its different values in the reference, how many a column may hold now to be asked about."""
LEAST_LEVELS, MOST_LEVELS = 3, 1_000
LEAST_ROWS = 5
"""Rows of a level from which it says whether the column varies in it."""
MOSTLY = 0.95
"""Share of those rows in levels with one value now, and in levels with several before."""
LEAST_KNOWN = 100


class StuckByEntity(Signature):
    kind = CauseKind.FROZEN_FEATURE
    title = "Feature stuck by entity"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """One hypothesis for each column that holds one value in each level of another."""
        sample, clocks = case.current.sample, time_columns(case)
        asked = [pair for name, pair in case.pairs.items() if name not in clocks and _is_narrower(pair)]
        if not asked:
            return
        before = set(case.reference.sample.columns)
        groups = [
            column
            for column in sample.columns
            if column in before
            and column in case.current.window.kinds
            and LEAST_LEVELS <= sample[column].n_unique() <= min(MOST_LEVELS, sample.height // LEAST_ROWS)
        ]
        for pair in asked:
            group = next((g for g in groups if g != pair.name and g not in clocks and _is_stuck(case, pair, g)), None)
            if group is not None:
                yield self._hypothesis(pair, group)

    def _hypothesis(self, pair: Pair, group: str) -> Hypothesis:
        values = len(set(pair.texts[1][~pair.missing[1]].tolist()))
        return self.hypothesis(
            pair,
            f"{pair.name} holds one value for each {group} ({say.count(values)} in all), it varied within each before",
            f"fill {pair.name} from the other columns",
            ~pair.missing[1],
            mechanism=f"stuck by {group}",
            group=group,
        )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Draw the values from the other columns."""
        (column,) = hypothesis.features
        return edit.impute(case, frame, column, hypothesis.rows)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """The first value of each level on all of its rows."""
        (column,) = hypothesis.features
        return frame.with_columns(pl.col(column).drop_nulls().first().over(hypothesis.params["group"]))

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """The income of the first customer of each age stands for all of that age."""
        return scenario_with(lambda frame: frame.with_columns(pl.col("income").first().over("age")), rng)


def _is_narrower(pair: Pair) -> bool:
    """Whether the column holds far fewer values than it did, and more than a few."""
    if pair.identifier or not (pair.numeric or pair.categorical):
        return False
    if pair.numeric and len(distinct_of_sorted(pair.finite[1])) > MOST_LEVELS:
        return False
    before, now = (series.n_unique() for series in (pair.reference, pair.current))
    scale = min(len(pair.current) / max(len(pair.reference), 1), 1.0)
    return LEAST_LEVELS <= now <= MOST_LEVELS and now <= FEWER * before * scale


def _is_stuck(case: Case, pair: Pair, group: str) -> bool:
    now, before = case.current.sample, case.reference.sample
    if names.TIME in now.columns and names.TIME in before.columns:
        # A price of the week stands still within a week, in the reference as well.
        seconds = now[names.TIME].drop_nulls().dt.epoch("s").to_numpy()
        span = max(int(np.ptp(seconds)), 1) if len(seconds) else 1
        slices = (before[names.TIME].dt.epoch("s") // span).cast(pl.String)
        groups = pl.select(pl.concat_str(slices, before[group].cast(pl.String), separator="|")).to_series()
    else:
        groups = before[group]
    one_now, one_before = _share_of_one(now[group], pair.current), _share_of_one(groups, pair.reference)
    return one_now >= MOSTLY and one_before <= 1 - MOSTLY


def _share_of_one(groups: pl.Series, values: pl.Series) -> float:
    """Share of the known rows, in levels of enough rows, whose level holds one value; NaN where there are too few."""
    known = pl.DataFrame({"group": groups, "value": values}).drop_nulls()
    table = known.group_by("group").agg(pl.len().alias("rows"), pl.col("value").n_unique().alias("values"))
    table = table.filter(pl.col("rows") >= LEAST_ROWS)
    rows = int(table["rows"].sum())
    if table.height < LEAST_LEVELS or rows < LEAST_KNOWN:
        return float("nan")
    return int(table.filter(pl.col("values") == 1)["rows"].sum()) / rows
