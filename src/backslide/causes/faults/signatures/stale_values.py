"""Values of an earlier row, moment, entity or period stand where those of the row belong.

**Recognised** row by row: what the other columns and the clock foretell of the *earlier* row fits the value better than what they
foretell of its own row, where in the reference its own row fits best. The earlier row is up to ten rows before, the last one of
a moment up to seven days before, or the last one with the same key: a category or whole number, of a feature or of a column that
the model never sees, as a customer's id. The difference must be far beyond what days differ by, and at least half of what the
reference's own values would lose by being so late: natural drift makes a column fit worse, and not better elsewhere. A column
that is late only from some day on is so from that day. One that runs through its values in an order of its own, as the half hours
of a day, has to prove itself by its price: where clocks were set, or the sun rises earlier, all the others come early in that
order, which looks the same.

Or by the **labels**, where no other column tells what the value should be (``faults/late_column``): put back to the rows that
they are of, the values make the model err less, though in the reference the same makes it err more, and there they tell at least
half of what values in their own rows told. On all rows, from a day on, or on those that a column marks.

Or by the **seam** of the delay, without any other column: at its beginning the last rows, the last days or the last value of each
key stand there a second time, in order and to the last digit, where the reference hardly ever agreed with itself so long before.
Certain is that where values follow each other from row to row, or keys begin on several days: a day on which nothing moved looks
the same, so that it has to prove itself by its price.

A column that holds the former window's values, row by row and in the same order, is told by the values alone. One that holds a
single value for a day is a `frozen_feature`.

**Not seen**: a column that neither another column nor the outcome tells anything about and whose delay began outside of both
windows, and delays under which it hardly changes: those cost little. In rows without any order, where neighbours have nothing in
common, a shift is a `broken_join`.

**Repair** moves the values back where the rows follow each other, and draws the others from the columns that are in place; the
price of what cannot be moved back is that of the **injection**: the same delay done to the reference. Of a delay that
the labels told, what cannot be moved back is left as it is, as no other column tells it; where nearly all can be moved back, the
repair is the price.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.columns.lags import (
    ColumnEstimate,
    Delay,
    DelayedRows,
    LinearExpectations,
    Rows,
    delayed_rows,
    delays_in_common,
    delays_of,
    linear_expectations,
    mean_and_error,
    rows_near,
    runs_by_itself,
    units_of,
)
from backslide.causes.columns.repeated_stretch import find_repeated_stretch
from backslide.causes.faults import damage
from backslide.causes.faults.base import Hypothesis, Signature, evidence_of
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import Pair, to_texts
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.clock import time_columns
from backslide.stats.arrays import Floats, Mask

EARLIER = 1.1
"""Times as much as a late column that one which comes early must mend to be it instead."""
MOST_COLUMNS = 4
"""Late columns looked for, one after the other."""
BY_LUCK = 1e-7
"""Chance of such a gain between days where nothing is late (Student's t, as a delay may be of few of them): of twenty columns
with thirty delays each and any day to begin on, none is so late by luck."""
USUAL_Z = 4.0
"""Standard errors by which the reference's own values must lose by the same delay: else it could not be seen."""
HALF = 0.5
"""Share of that loss that the current rows must gain."""
MOST_OFF = 2.0
"""Times the usual distance to what is foretold within which values must lie of what is foretold of the earlier rows."""
LEAST_LATE = 200
"""Rows with an earlier one that are compared."""
SAME_SEQUENCE = 0.98
"""Share of rows with the very value of the former window's row."""
MOST_LAG = 200
"""Rows by which two windows that agree are moved against each other: more than a week of hours."""
BY_CHANCE = 0.5
"""Share of rows that may have it by chance."""


class StaleValues(Signature):
    kind = CauseKind.STALE_VALUES
    title = "Stale values"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """One hypothesis per late column, of the delay that explains its rows best: the column that gains most first, and others
        once it is moved back, for beside a late column its partners look early."""
        if min(side.sample.height for side in case.sides) < LEAST_LATE or case.current.places is None:
            return
        again = [name for name, pair in case.pairs.items() if _of_the_former_window(case, pair)]
        yield from (self._of_another_window(case, case.pairs[name]) for name in again)
        case, taken = case.suspecting(again), set(again)
        for stretch in find_repeated_stretch(case, taken):
            late = self._late(case.pairs[stretch.column], stretch.delay, stretch.rows, at_once=True)
            yield replace(late, exact=stretch.certain)
            taken.add(stretch.column)
        for _ in range(MOST_COLUMNS):
            found = sorted(_late_columns(case, taken), key=lambda late: -late.gain)[:MOST_COLUMNS]
            tried = [self._of_other_rows(case, late) for late in found]
            moved = [case.repaired(self.repair(case, h, case.current.sample)) for h in tried]
            if not tried:
                return
            best = _most_mended(case, found, moved)
            if best is None:
                return
            yield tried[best]
            taken.add(found[best].column)
            case = moved[best]

    def _of_other_rows(self, case: Case, late: _LateByOthers) -> Hypothesis:
        """Certain, unless the column runs in an order of its own: then the others, which follow the season, may be early."""
        steps = [delay.sources(case, case.reference) for delay in (late.delay, Delay(rows=1))]
        pair = case.pairs[late.column]
        runs = any(source is not None and runs_by_itself(pair, source) for source in steps)
        return replace(self._late(pair, late.delay, late.rows), exact=not runs)

    def _late(self, pair: Pair, delay: Delay, rows: Mask, *, at_once: bool = False) -> Hypothesis:
        name = pair.name
        how = (
            "from a moment on they are those of before, in order and to the last digit"
            if at_once
            else "they fit what the other columns foretell of those rows, and not of their own"
        )
        back = f"move the values of {name} back to their rows"
        return Hypothesis(
            signature=self,
            features=(name,),
            seen=f"the values of {name} are {delay.words}: {how}",
            undo=back if delay.rows else f"{back}, where there are such, and draw the others from the other columns",
            evidence=(evidence_of(pair),),
            exact=True,
            reversible=bool(delay.rows),
            rows=rows,
            params={"delay": delay},
            mechanism=f"late {delay.words}" if delay.key else "",
        )

    def _of_another_window(self, case: Case, pair: Pair) -> Hypothesis:
        return Hypothesis(
            signature=self,
            features=(pair.name,),
            seen=f"{pair.name} holds the values of the reference again, row by row and in the same order",
            undo=f"draw {pair.name} from the other columns",
            evidence=(evidence_of(pair),),
            exact=True,
            reversible=False,
            rows=np.ones(len(pair.current), bool),
            params={"delay": None},
        )

    def repair(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Move back what stands in later rows, and draw the rest from the other columns."""
        (column,), delay, rows = hypothesis.features, hypothesis.params["delay"], hypothesis.rows
        if delay is None:
            return edit.impute(case, frame, column, rows)
        n = frame.height
        at = np.flatnonzero(rows) if len(rows) == n else np.arange(n)
        if delay.rows and case.current.complete:
            order = np.arange(n)
            order[at] = np.roll(at, -delay.rows)
            return frame.with_columns(frame[column][order].alias(column))
        sources = delay.sources(case, case.current)
        assert sources is not None
        later = np.full(n, -1)
        stale = at[sources[at] >= 0]
        later[sources[stale]] = stale
        moved = frame.with_columns(frame[column][np.where(later >= 0, later, np.arange(n))].alias(column))
        # What the others do not tell is no better drawn from them than left as it is.
        return moved if hypothesis.params.get("untold") else edit.impute(case, moved, column, rows & (later < 0))

    def inject(self, case: Case, hypothesis: Hypothesis, frame: pl.DataFrame) -> pl.DataFrame:
        """Do the same delay to as many of the reference's last rows; of the former window, half of its rows before."""
        (column,), delay, n = hypothesis.features, hypothesis.params["delay"], frame.height
        own = np.arange(n)
        if delay is None or (delay.rows and case.reference.complete):
            earlier = np.roll(own, n // 2 if delay is None else delay.rows)
        else:
            sources, places = delay.sources(case, case.reference), case.reference.places
            assert sources is not None
            if delay.rows and places is not None:  # of a sample: nearly as late is nearer to the truth than not at all
                sources = rows_near(places, delay.rows)
            earlier = np.where(sources >= 0, sources, own)
        late = own >= n - round(n * float(hypothesis.rows.mean()))
        return frame.with_columns(frame[column][np.where(late, earlier, own)].alias(column))

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """Incomes that change slowly from row to row come three rows late; what is spent goes with them."""
        frames = [_in_order(f, rng) for f in (scenarios.served(rng), scenarios.next_month(rng))]
        late = damage.misplace(["income"], 3)(frames[1], rng)
        first, second, sound = (scenarios.rescored(f) for f in (frames[0], late, frames[1]))
        return Scenario(first, second, dict(scenarios.ROLES), scenarios.TrueModel(), "income", sound=sound)


def _in_order(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The month with incomes that follow each other, labels that follow them, and what is spent of them."""
    steps, level = rng.standard_normal(frame.height), np.empty(frame.height)
    level[0] = steps[0]
    for i in range(1, frame.height):
        level[i] = 0.85 * level[i - 1] + np.sqrt(1 - 0.85**2) * steps[i]
    income = np.exp(8 + 0.5 * level)
    columns = (income, *(frame[c].to_numpy() for c in ("age", "channel")))
    chance = 1 / (1 + np.exp(-scenarios.probability_logit(*columns)))
    return frame.with_columns(
        pl.Series("income", income),
        pl.Series("spending", income**0.8 * np.exp(rng.normal(0, 0.1, frame.height))),
        pl.Series("label", np.where(rng.random(frame.height) < chance, "yes", "no")),
    )


def _of_the_former_window(case: Case, pair: Pair) -> bool:
    """Whether the current rows are those of the reference again, in order, where values differ from row to row."""
    n = min(len(pair.reference), len(pair.current))
    if n < LEAST_LATE or not all(side.complete for side in case.sides) or not _begins_alike(pair):
        return False
    ref, cur = _texts(pair, n)
    if (ref == cur).mean() < SAME_SEQUENCE:
        return False
    # Values that last for many rows, or come round as hours and weekdays do, agree with those of other rows as well.
    if pair.name in time_columns(case):
        return False
    if max((ref[lag:] == cur[:-lag]).mean() for lag in range(1, min(MOST_LAG, n // 2))) > BY_CHANCE:
        return False
    return max(pair.levels[0].values(), default=0) <= BY_CHANCE * len(pair.reference)


def _texts(pair: Pair, rows: int) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    return to_texts(pair.reference.head(rows)), to_texts(pair.current.head(rows))


@once
def _begins_alike(pair: Pair) -> bool:
    """Whether the first rows of both windows agree: they tell at once that most columns hold other values."""
    ref, cur = _texts(pair, LEAST_LATE)
    return bool((ref == cur).mean() >= SAME_SEQUENCE)


@dataclass(frozen=True)
class _LateByOthers:
    """A column, its delay, and the current rows that have it (n_cur,)."""

    column: str
    delay: Delay
    rows: Mask
    gain: float
    """Mean gain of all rows, in variances of the column."""


def _late_columns(case: Case, taken: Iterable[str]) -> list[_LateByOthers]:
    """Columns outside ``taken`` that gain by a delay, or by coming early (fewer than no rows late)."""
    delays = list(delays_of(case))
    looked_at = delayed_rows(delays, case.reference.sample.height)
    ordered = {
        name: _in_sequence(case, pair, delays, looked_at) for name, pair in case.pairs.items() if name not in taken
    }
    expectations = linear_expectations(case) if any(ordered.values()) else None
    if expectations is None:
        return []
    asked = {name: expectations.of(name) for name in expectations.pairs if ordered.get(name)}
    found = [_latest(case, expectations, est, name, ordered[name]) for name, est in asked.items() if est is not None]
    return [late for late in found if late is not None]


def _most_mended(case: Case, found: list[_LateByOthers], moved: list[Case]) -> int | None:
    """Of columns that go together the one is late, or the other early: the others say which. None where that is an early one.

    Where nothing else goes with them it is the late one, as hardly anything comes early.
    """
    late = [i for i, one in enumerate(found) if one.delay.rows >= 0]
    if len(found) == len(late) == 1:
        return 0
    before = _misfit(case)
    mended = np.array([before - _misfit(one) for one in moved])
    best = max(late, key=lambda i: mended[i], default=None)
    return None if best is None or mended.max() > EARLIER * mended[best] else best


def _misfit(case: Case) -> float:
    """How far all columns are off what the others foretell of the current rows, in variances of each."""
    expectations = linear_expectations(case)
    assert expectations is not None
    rows, total = np.arange(expectations.n_ref, len(expectations.x)), 0.0
    for name in expectations.pairs:
        estimate = expectations.of(name)
        if estimate is not None:
            spread = float(np.nanvar(estimate.values[: expectations.n_ref], axis=0).sum())
            total += float(np.nanmean(estimate.cost(rows, rows))) / max(spread, 1e-12)
    return total


def _latest(
    case: Case, expectations: LinearExpectations, estimate: ColumnEstimate, name: str, delays: list[tuple[Delay, Rows]]
) -> _LateByOthers | None:
    """The delay of a column under which most is gained; None where none explains the rows."""
    n_ref = expectations.n_ref
    held_out, current = np.flatnonzero(~expectations.learned), np.arange(n_ref, len(estimate.values))
    units = np.concatenate([units_of(side) for side in case.sides])
    spread = float(np.nanvar(estimate.values[:n_ref], axis=0).sum())
    best: _LateByOthers | None = None
    for delay, source in delays:
        rows, gain = _gain(estimate, current, source)
        if len(rows) < LEAST_LATE:
            continue
        begin = _begin(gain, units[rows])
        late = units[rows] >= begin
        gain_mean, gain_error = mean_and_error(gain[late], units[rows][late])
        days = len(np.unique(units[rows][late]))
        if days < 2 or gain_mean < stats.t.isf(BY_LUCK, days - 1) * gain_error:
            continue
        usual_rows, loss = _gain(estimate, held_out, source)
        if len(usual_rows) < LEAST_LATE:
            continue
        loss_mean, loss_error = mean_and_error(-loss, units[usual_rows])
        passes = loss_mean >= USUAL_Z * loss_error and gain_mean >= HALF * loss_mean
        passes &= _fits_there(estimate, rows[late], source, usual_rows)
        of_all = gain_mean * float(late.mean()) / spread
        if passes and late.sum() >= LEAST_LATE and (best is None or of_all > best.gain):
            best = _LateByOthers(name, delay, units[n_ref:] >= begin, of_all)
    return best


def _gain(estimate: ColumnEstimate, rows: Rows, source: Rows) -> tuple[Rows, Floats]:
    """Rows that have an earlier one (k,), and how much better their values fit what is foretold of that (k,)."""
    rows = rows[source[rows] >= 0]
    gain = estimate.cost(rows, rows) - estimate.cost(rows, source[rows])
    known = np.isfinite(gain)
    return rows[known], gain[known]


def _fits_there(estimate: ColumnEstimate, rows: Rows, source: Rows, usual: Rows) -> bool:
    """Whether values fit the earlier rows about as well as is usual: what was turned or scaled fits none well."""
    there, own = (float(np.nanmean(estimate.cost(part, at))) for part, at in ((rows, source[rows]), (usual, usual)))
    return there <= MOST_OFF * own


def _in_sequence(
    case: Case, pair: Pair, delays: list[tuple[Delay, Rows]], looked_at: DelayedRows
) -> list[tuple[Delay, Rows]]:
    """The delays under which reference values have something in common with the earlier ones, as where rows follow each other."""
    if pair.constant_before:
        return []
    # The reference stays while current rows are repaired.
    common = case.reference.cache.get(delays_in_common, (pair.name,), lambda: delays_in_common(pair, looked_at))
    return [(delay, source) for delay, source in delays if replace(delay, rows=abs(delay.rows)) in common]


def _begin(gain: Floats, unit: Rows) -> int:
    """The first day, or run of rows, of the delay: the one from which on all gains together are largest."""
    days, index = np.unique(unit, return_inverse=True)
    after = np.cumsum(np.bincount(index, gain)[::-1])[::-1]
    first = int(after.argmax())
    return int(days[0] if after[0] >= 0.9 * after[first] else days[first])
