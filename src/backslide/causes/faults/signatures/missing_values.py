"""Values of a column go missing.

**Recognised** when the share of null, NaN or infinite values rises by 2 points and five standard errors, and the other columns
do not foresee it: had missingness followed the other columns as in the reference, less than half of the rise would have come.

**Repair** draws the missing values from their reference distribution given the other columns. What was lost stays lost, so
the price comes from the **injection**: the same share of reference rows (of the same kind of rows, where the other columns
tell which) loses its values.

**Not to be confused with** more rows from a part of the traffic where the column was always empty: that is covariate shift.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis
from backslide.causes.faults.value_loss import LostValues
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import Pair
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.two_sample import proportion_z

MIN_RISE = 0.02
MIN_Z = 5.0


class MissingValues(LostValues):
    kind = CauseKind.MISSING_VALUES
    title = "Missing values"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """One hypothesis per column; columns that lost the same rows share a mechanism."""
        risen = [c for c, pair in case.pairs.items() if _rise(pair.missing) is not None]
        for column in risen:
            pair = case.pairs[column]
            before, after = (float(m.mean()) for m in pair.missing)
            chance = edit.expected(case, pair.missing[0], leave_out=risen)
            if chance.mean() - before > 0.5 * (after - before):
                continue
            yield Hypothesis(
                signature=self,
                features=(column,),
                seen=f"{say.percent(after)} of {column} is missing{_or_infinite(pair)}, {say.percent(before)} before",
                undo=f"fill {column} from the other columns",
                evidence=(f"DRF003:{column}",),
                exact=True,
                reversible=False,
                rows=pair.missing[1],
                params={"rate": (after - before) / max(1 - before, 1e-9)},
                mechanism=_rows_key(pair.missing[1]),
            )

    def lose(self, frame: pl.DataFrame, column: str, rows: edit.Mask, hypothesis: Hypothesis) -> pl.DataFrame:
        """Blank the values."""
        return edit.blank(frame, column, rows)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Half of the incomes go missing."""
        current = scenarios.next_month(rng)
        lost = pl.Series(rng.random(current.height) < 0.5)
        current = current.with_columns(pl.when(lost).then(None).otherwise(pl.col("income")).alias("income"))
        current = scenarios.rescored(current)
        reference = scenarios.rescored(scenarios.served(rng))
        return Scenario(reference, current, dict(scenarios.ROLES), scenarios.TrueModel(), "income")


def _rise(missing: tuple[edit.Mask, edit.Mask]) -> float | None:
    g, b = missing
    z = proportion_z(float(g.sum()), len(g), float(b.sum()), len(b))
    rise = float(b.mean() - g.mean())
    return rise if rise >= MIN_RISE and z >= MIN_Z else None


def _or_infinite(pair: Pair) -> str:
    return " or infinite" if pair.numeric and bool(np.isinf(pair.numbers[1]).any()) else ""


def _rows_key(rows: edit.Mask) -> str:
    """Same for columns that are missing on the same rows."""
    return blake2b(np.packbits(rows).tobytes(), digest_size=8).hexdigest()
