"""A default stands in for real values on part of the rows.

**Recognised** when one value's share rises by 2 points and six standard errors while the other values keep their proportions
to each other, and the rows that carry it do not look like rows that would have it. A value that was there before must also
appear where the other columns speak against it: natural growth of a group leaves those rows alone. Where other values rose as
well it is a rounding, other codes or other rows, and no default.

**Repair** draws the replaced values from the other columns; the price comes from the **injection**: the value put on the same
share of reference rows.

**Not to be confused with** natural atoms (zeros, ages at a bound, a growing category) or values cut off at a limit.

The classic case is a service that answers -1 when it fails (Breck and others, "Data Validation for Machine Learning", 2019).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.causes.columns import edit
from backslide.causes.faults.base import Hypothesis
from backslide.causes.faults.value_loss import LostValues
from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.cache import once
from backslide.engine.columns.pair import MISSING, Pair
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.stats.metrics.metric import Floats
from backslide.stats.two_sample import chi_squared, ks, ks_p_value, proportion_z

MIN_RISE = 0.02
MIN_Z = 6.0
ALSO, ALSO_Z = 0.3, 4.0
"""Share of the rise, and standard errors, by which no other value may have risen."""
NEW_SHARE = 0.002
"""A value under this share before counts as new."""
FEW = 30
"""Reference rows with the value from which on they tell where it belongs."""
UNNATURAL = 0.6
"""Share of the filled-in rate that must also appear where the other columns speak against the value."""

NOTHING = frozenset(
    {
        "",
        "-",
        "?",
        "n/a",
        "na",
        "nan",
        "null",
        "nil",
        "none",
        "unknown",
        "unk",
        "undefined",
        "missing",
        "default",
        "other",
        "0",
        "-1",
        "empty",
        "not available",
        "not specified",
        "unspecified",
        "tbd",
        "xxx",
        "999",
        "9999",
    }
)
"""Categories that stand for the absence of one, compared without regard to case."""


class DefaultValue(LostValues):
    kind = CauseKind.DEFAULT_VALUE
    title = "Default in place of values"

    def recognise(self, case: Case) -> Iterable[Hypothesis]:
        """At most one hypothesis per column: the value that rose the most."""
        for column, pair in case.pairs.items():
            text = _risen(pair)
            if text is None:
                continue
            before, after = _shares(pair, text)
            rate = (after - before) / max(1 - before, 1e-9)
            if not _rest_unchanged(pair, text, rate) or not _unnatural(case, pair, text, rate):
                continue
            rows = pair.texts[1] == text
            yield Hypothesis(
                signature=self,
                features=(column,),
                seen=f"{column} is {_shown(pair, text)} on {say.percent(after)} of the rows, {say.percent(before)} before",
                undo=f"fill {column} from the other columns where it is {_shown(pair, text)}",
                evidence=(f"{'DRF001' if pair.numeric else 'DRF002'}:{column}",),
                exact=True,
                reversible=False,
                rows=rows,
                params={"value": pair.current.filter(pl.Series(rows))[0], "rate": rate},
            )

    def lose(self, frame: pl.DataFrame, column: str, rows: edit.Mask, hypothesis: Hypothesis) -> pl.DataFrame:
        """Put the default."""
        return edit.constant(frame, column, hypothesis.params["value"], rows)

    @staticmethod
    def scenario(rng: np.random.Generator) -> Scenario:
        """-1 stands for half of the incomes."""
        current = scenarios.next_month(rng)
        lost = pl.Series(rng.random(current.height) < 0.5)
        current = current.with_columns(pl.when(lost).then(-1.0).otherwise(pl.col("income")).alias("income"))
        reference = scenarios.rescored(scenarios.served(rng))
        return Scenario(reference, scenarios.rescored(current), dict(scenarios.ROLES), scenarios.TrueModel(), "income")


def _shown(pair: Pair, text: str) -> str:
    return text if pair.numeric else repr(text)


def _shares(pair: Pair, text: str) -> tuple[float, float]:
    return tuple(float(np.mean(t[t != MISSING] == text)) for t in pair.texts)  # type: ignore[return-value]


@once
def _risen(pair: Pair) -> str | None:
    """The value whose share rose most, if it rose materially and several other values remain."""
    if pair.identifier or (pair.numeric and pair.largest_share < MIN_RISE):
        return None
    g, b = pair.levels
    n_g, n_b = sum(g.values()), sum(b.values())
    if min(n_g, n_b) < edit.MIN_ROWS:
        return None
    text = max(b, key=lambda level: b[level] / n_b - g.get(level, 0) / n_g)
    rise = b[text] / n_b - g.get(text, 0) / n_g
    others = sum(1 for level in b if level != text)
    if rise < MIN_RISE or proportion_z(g.get(text, 0), n_g, b[text], n_b) < MIN_Z or others < 2:
        return None
    # What stands in for values leaves every other one rarer. Several that rise are a rounding, other codes, or other rows.
    rose = (k for k in b if k != text and b[k] / n_b - g.get(k, 0) / n_g >= ALSO * rise)
    return None if any(proportion_z(g.get(k, 0), n_g, b[k], n_b) >= ALSO_Z for k in rose) else text


def _rest_unchanged(pair: Pair, text: str, rate: float) -> bool:
    """Whether the other values keep their proportions: their distance is within noise or far below the fault's own size."""
    if pair.numeric:
        rest = [n[np.isfinite(n) & (t != text)] for n, t in zip(pair.numbers, pair.texts, strict=True)]
        if min(len(r) for r in rest) < 30:
            return False
        distance = ks(*rest)
        return ks_p_value(distance, len(rest[0]), len(rest[1])) > 1e-4 or distance < 0.15 * rate
    levels = [level for level in pair.levels[0] if level != text]
    counts = [np.array([side.get(level, 0) for level in levels], float) for side in pair.levels]
    if min(c.sum() for c in counts) < 30:
        return False
    variation = float(np.abs(counts[0] / counts[0].sum() - counts[1] / counts[1].sum()).sum() / 2)
    return chi_squared(*counts)[1] > 1e-4 or variation < 0.15 * rate


def _unnatural(case: Case, pair: Pair, text: str, rate: float) -> bool:
    """Whether the value appears where the other columns speak against it: a filled-in value must, a growing group must not."""
    hit = pair.texts[0] == text
    if hit.mean() < NEW_SHARE:
        return _unnatural_place(pair, text)
    if hit.sum() < FEW and edit.of_a_kind(case, pair.texts[1] == text, leave_out=[pair.name]):
        return False  # too few to know where it belongs, and now on rows of a kind
    chance = edit.expected(case, hit, leave_out=[pair.name])
    order = np.argsort(chance)
    unlikely = order[: max(len(order) // 2, 1)]
    if chance[unlikely].mean() > 0.5 * hit.mean():
        return False  # nothing speaks against the value anywhere: natural growth and a default look the same
    seen = float((pair.texts[1][unlikely] == text).mean())
    return seen > UNNATURAL * rate + float(chance[unlikely].mean())


def _unnatural_place(pair: Pair, text: str) -> bool:
    """A value that is new: a new category, a sentinel outside the range, or an atom where its neighbourhood did not grow."""
    if not pair.numeric:
        # A new word is an unseen category unless it is one that people write for "nothing here".
        return text.strip().casefold() in NOTHING
    value = float(text)
    g, b = pair.finite
    low, high = g[0], g[-1]
    if value < low or value > high:
        return not _moved_bound(g, b, value, low if value < low else high)
    # A shifted density raises the neighbours too; a default raises one value alone.
    width = 0.02 * float(np.quantile(g, 0.98) - np.quantile(g, 0.02))
    near = [float(((v >= value - width) & (v <= value + width) & (v != value)).mean()) for v in (g, b)]
    atom = float((b == value).mean() - (g == value).mean())
    return atom > 3 * max(near[1] - near[0], 0.0)


def _moved_bound(g: Floats, b: Floats, value: float, bound: float) -> bool:
    """Whether the values that were gathered at the reference's bound are now gathered at the new one: a top code that moved."""
    before, left, after = (float((v == at).mean()) for v, at in ((g, bound), (b, bound), (b, value)))
    return before > 0.5 * after and left < 0.5 * before
