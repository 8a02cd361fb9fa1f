"""A column is stuck at one value.

**Recognised** when the current window holds a single value, the reference held several, and the chance of drawing that value
on every row by luck is below one in a billion. A column where a rare level merely vanished (the value made up more than 95 %
before) is not frozen.

**Repair** draws the values from the other columns; the price comes from the **injection**: the reference with the same value
on every row.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes import columns
from backslide.causes.hypothesis import Hypothesis
from backslide.causes.lost import LostValues
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.pair import Pair
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

MAX_LUCK = 1e-9
MAX_SHARE_BEFORE = 0.95


class FrozenFeature(LostValues):
    kind = CauseKind.FROZEN_FEATURE
    title = "Frozen feature"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """One hypothesis per column that became constant; all frozen columns share a mechanism."""
        for column, pair in case.pairs.items():
            value = _stuck_at(pair)
            if value is None:
                continue
            shown = repr(value) if isinstance(value, str) else say.number(float(value))  # type: ignore[arg-type]
            yield Hypothesis(
                signature=self,
                features=(column,),
                seen=f"{column} is {shown} on every row, it varied before",
                undo=f"fill {column} from the other columns",
                evidence=(f"{'DRF001' if pair.numeric else 'DRF002'}:{column}",),
                exact=True,
                reversible=False,
                rows=np.ones(len(pair.current), bool),
                params={"value": value},
                mechanism="frozen",
            )

    def lose(self, frame: pl.DataFrame, column: str, rows: columns.Mask, hypothesis: Hypothesis) -> pl.DataFrame:
        """Put the one value."""
        return columns.constant(frame, column, hypothesis.params["value"], rows)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Income stays at 3 000."""
        current = scenarios.rescored(scenarios.next_month(rng).with_columns(income=pl.lit(3000.0)))
        reference = scenarios.rescored(scenarios.served(rng))
        return Scenario(reference, current, dict(scenarios.ROLES), scenarios.TrueModel(), "income")


def _stuck_at(pair: Pair) -> object | None:
    known = pair.current.drop_nulls()
    if known.dtype.is_float():
        known = known.drop_nans()
    if len(known) < max(30, 0.5 * len(pair.current)) or known.n_unique() != 1:
        return None
    text = pair.texts[1][~pair.missing[1]][0]
    levels = pair.levels[0]
    total = sum(levels.values())
    before = levels.get(str(text), 0) / max(total, 1)
    if total < 30 or len(levels) < 2 or before > MAX_SHARE_BEFORE:
        return None
    # One pseudo-row keeps a value never seen before from being impossible.
    if max(before, 1 / total) ** len(known) > MAX_LUCK:
        return None
    value: object = known[0]
    return value
