"""Values of a column go missing.

**Recognised** when the share of null, NaN or infinite values rises by 2 points and five standard errors, and the other columns
do not foresee it: had missingness followed the other columns as in the reference, less than half of the rise would have come.

**Lost by their own value**: where what is left ends abruptly, with about as many reference values beyond as were lost, it is the
values beyond that limit that are lost (a column too narrow for them, a validation upstream), and no others are drawn or blanked.

**Repair** draws the missing values from their reference distribution given the other columns. What was lost stays lost, so
the price comes from the **injection**: the same share of reference rows (of the same kind of rows, where the other columns
tell which) loses its values.

**Not to be confused with** more rows from a part of the traffic where the column was always empty: that is covariate shift.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
from backslide.stats.arrays import Floats, Mask
from backslide.stats.two_sample import proportion_z

MIN_RISE = 0.02
MIN_Z = 5.0
BEYOND = (0.2, 2.0)
"""Share of reference values beyond the limit over the share of lost ones: the world moves too."""
EDGE = 0.1
"""Share of the reference values within the limit, next to it, and"""
EDGE_LEFT = 0.5
"""how many of as many current values must still lie there: values that thin out end by themselves."""


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
        cut = _limit(pair, after - before)
        beyond = f": every value {cut.side} {say.number(cut.value)}" if cut is not None else ""
        found = self.hypothesis(
            pair,
            f"{say.percent(after)} of {pair.name} is missing{infinite}, {say.percent(before)} before{beyond}",
            f"fill {pair.name} from the other columns",
            rows,
            evidence=(f"DRF003:{pair.name}",),
            mechanism=blake2b(np.packbits(rows).tobytes(), digest_size=8).hexdigest(),
            rate=(after - before) / max(1 - before, 1e-9),
            cut=cut,
        )
        yield replace(found, near=cut is not None)

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Draw the values from the other columns, beyond the limit where they were lost there."""
        (column,), cut = hypothesis.features, hypothesis.params["cut"]
        among = None if cut is None else cut.beyond(case.pairs[column].numbers[0])
        return edit.impute(case, frame, column, hypothesis.rows, among)

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Blank as many, the largest or smallest where those were lost: the reference may lie elsewhere than the limit."""
        (column,), cut = hypothesis.features, hypothesis.params["cut"]
        if cut is None:
            return super().inject(case, hypothesis, frame)
        rate, values = hypothesis.params["rate"], edit.numbers_of(frame, column)
        limit = np.quantile(case.pairs[column].finite[0], 1 - rate if cut.side == "above" else rate)
        return edit.blank(frame, column, replace(cut, value=float(limit)).beyond(values))

    def lose(self, frame: pl.DataFrame, column: str, rows: Mask, hypothesis: Hypothesis) -> pl.DataFrame:
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


@dataclass(frozen=True)
class _Limit:
    """Values that are lost by their own size."""

    side: str
    value: float

    def beyond(self, values: Floats) -> Mask:
        """Which values it takes (n,)."""
        return np.asarray(values > self.value if self.side == "above" else values < self.value)


def _limit(pair: Pair, rate: float) -> _Limit | None:
    """The limit beyond which numbers are lost; None where those that are left do not end in one."""
    if not pair.numeric or pair.discrete or min(map(len, pair.finite)) < edit.MIN_ROWS:
        return None
    ref, cur = pair.finite
    for side, sign in (("above", 1), ("below", -1)):
        limit = _Limit(side, float(cur[-1 if sign > 0 else 0]))
        beyond = limit.beyond(ref)
        within = np.sort(sign * ref[~beyond])
        if not BEYOND[0] * rate <= beyond.mean() <= BEYOND[1] * rate or not len(within):
            continue
        edge = float(np.quantile(within, 1 - EDGE))
        if float((sign * cur >= edge).mean()) >= EDGE_LEFT * EDGE:
            return limit
    return None


@once
def _rises(pair: Pair) -> bool:
    reference, current = pair.missing
    z = proportion_z(float(reference.sum()), len(reference), float(current.sum()), len(current))
    return bool(current.mean() - reference.mean() >= MIN_RISE) and z >= MIN_Z


@once
def _columns_with_a_rise(case: Case) -> list[str]:
    return [column for column, pair in case.pairs.items() if _rises(pair)]
