"""Categories are read as another one: a lookup that knows fewer of them, or a fallback for what it does not know.

**Recognised** where categories that were frequent no longer come at all, one other came to be as frequent as it and they were
together, and the rest stay as frequent as they were. Rows that no longer come would leave all the others more frequent alike.

**Natural drift** moves customers from one product to another in the same way, so one category that no longer comes is named only
where doing the same to the reference costs about what was lost; several that end at once in the same one are a fallback.

**Repair** draws the merged category from the other columns; the price comes from the **injection**: the same merger in the
reference.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import ColumnSignature
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario

MAX_LUCK = 1e-9
"""Chance that a category of its former share does not come once."""
LEAST_GONE = 0.02
"""Share of the reference that the lost categories must hold together."""
MATCH_Z = 4.0
"""Standard errors within which the new share of the one must be the former share of all."""
MATCH = 0.15
"""And the relative difference by which it may drift besides."""
REST = 0.1
"""Distance (total variation) that the other categories may have moved among themselves, beyond noise."""
MOST_LEVELS = 200


class MergedLevels(ColumnSignature):
    kind = CauseKind.CATEGORY_RECODE
    title = "Categories read as another one"

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis."""
        if not pair.categorical or pair.identifier or not 3 <= len(pair.levels[0]) <= MOST_LEVELS:
            return
        found = _merger(pair.levels[0], pair.levels[1])
        if found is None:
            return
        into, gone = found
        rows = pair.texts[1] == into
        hypothesis = self.hypothesis(
            pair,
            f"{say.listed([repr(level) for level in gone])} of {pair.name} no longer come, and {into!r} is as frequent as all of "
            "them were together: they seem to be read as it",
            f"map the categories of {pair.name} as before",
            np.asarray(rows, bool),
            exact=len(gone) > 1,
            into=into,
            gone=gone,
        )
        yield hypothesis

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Read the same categories as the one."""
        (column,), into = hypothesis.features, hypothesis.params["into"]
        merged = frame[column].cast(pl.String).is_in(list(hypothesis.params["gone"]))
        return edit.constant(frame, column, into, merged.fill_null(False).to_numpy())

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Customers of the phone and of partners are read as of the web."""
        known = {"phone": "web", "partner": "web"}
        return scenario_with(lambda frame: frame.with_columns(pl.col("channel").replace(known)), rng, "channel")


def _merger(before: dict[str, int], after: dict[str, int]) -> tuple[str, tuple[str, ...]] | None:
    """The category that others are read as, and those; None where none is."""
    n, m = sum(before.values()), sum(after.values())
    if min(n, m) < edit.MIN_ROWS or len(after) < 2 or not set(after) <= set(before):
        return None  # one value on every row is a frozen column
    gone = tuple(
        level for level, count in before.items() if level not in after and m * np.log1p(-count / n) < np.log(MAX_LUCK)
    )
    lost = sum(before[level] for level in gone) / n
    if not gone or lost < LEAST_GONE:
        return None
    into = max(after, key=lambda level: after[level] / m - before[level] / n)
    wanted, seen = before[into] / n + lost, after[into] / m
    noise = MATCH_Z * float(np.sqrt(wanted * (1 - wanted) * (1 / n + 1 / m)))
    if abs(seen - wanted) > noise + MATCH * lost:
        return None
    rest = [level for level in before if level not in gone and level != into]
    ref, cur = (np.array([counts.get(level, 0) for level in rest], float) for counts in (before, after))
    if not ref.sum() or not cur.sum():
        return (into, gone) if not rest else None
    apart = 0.5 * float(np.abs(ref / ref.sum() - cur / cur.sum()).sum())
    chance = float(np.sqrt(len(rest) * (1 / ref.sum() + 1 / cur.sum())))
    return (into, gone) if apart <= REST + chance else None
