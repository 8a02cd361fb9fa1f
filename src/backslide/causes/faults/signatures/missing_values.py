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
from backslide.causes.faults.base import Hypothesis, scenario_with
from backslide.causes.faults.column_signature import LostValues
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario
from backslide.stats.two_sample import proportion_z

MIN_RISE = 0.02
MIN_Z = 5.0


class MissingValues(LostValues):
    kind = CauseKind.MISSING_VALUES
    title = "Missing values"

    def recognise_column(self, case: Case, pair: Pair) -> Iterable[Hypothesis]:
        """At most one hypothesis; columns that lost the same rows share a mechanism."""
        before, after = (float(missing.mean()) for missing in pair.missing)
        if not _rises(pair):
            return
        chance = edit.expected(case, pair.missing[0], leave_out=_columns_with_a_rise(case))
        if chance.mean() - before > 0.5 * (after - before):
            return
        infinite = " or infinite" if pair.numeric and np.isinf(pair.numbers[1]).any() else ""
        rows = pair.missing[1]
        yield self.hypothesis(
            pair,
            f"{say.percent(after)} of {pair.name} is missing{infinite}, {say.percent(before)} before",
            f"fill {pair.name} from the other columns",
            rows,
            evidence=(f"DRF003:{pair.name}",),
            mechanism=blake2b(np.packbits(rows).tobytes(), digest_size=8).hexdigest(),
            rate=(after - before) / max(1 - before, 1e-9),
        )

    def lose(self, frame: pl.DataFrame, column: str, rows: edit.Mask, hypothesis: Hypothesis) -> pl.DataFrame:
        """Blank the values."""
        return edit.blank(frame, column, rows)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Half of the incomes go missing."""
        return scenario_with(
            lambda frame: frame.with_columns(
                income=pl.when(pl.Series(rng.random(frame.height) < 0.5)).then(None).otherwise("income")
            ),
            rng,
        )


@once
def _rises(pair: Pair) -> bool:
    reference, current = pair.missing
    z = proportion_z(float(reference.sum()), len(reference), float(current.sum()), len(current))
    return bool(current.mean() - reference.mean() >= MIN_RISE) and z >= MIN_Z


@once
def _columns_with_a_rise(case: Case) -> list[str]:
    return [column for column, pair in case.pairs.items() if _rises(pair)]
