"""In which unit scores are written: measured over all rows of a window, told apart by range and sum, and converted.

A unit is told from the rows, not from single values: a window is *percent* where scores reach beyond 1 and up to 100, *logit*
where some are negative. Values just outside 0 to 1 are rounding and are clipped; a few far outside are damage and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from backslide.engine.sources.errors import reading

Unit = Literal["probability", "percent", "logit", "unknown"]

HAIR = 1e-3
"""Distance from 0 to 1 that rounding explains: half-precision scores miss 1 by up to 5e-4."""
FEW = 0.01
"""Share of the rows with scores far outside up to which they are damage and not another unit."""
HUNDREDTH = 0.01
SUM = 0.02
"""Distance of a row's sum from 1 that still counts as 1."""
SPREAD = 20
"""Rows just beyond 1 from which scores that pass through 1 without a gap are no probabilities, however few."""
STEADY = 0.05
"""Relative spread of the sums of rows up to which they are one."""
MOST_MARKS = 3
"""Distinct values outside 0 to 1 that may stand for missing scores."""
SMOOTH = 3
"""Rows from 0.5 to 1 for each from 1 to 2, up to which scores pass through 1 without a step."""
PASSES = 0.3
"""Share of the rows beyond 1 that lie below 2 where scores pass through 1 without a gap."""


@dataclass(frozen=True)
class ScoreMeasures:
    """Scores of one model in one window: counts of rows with all scores finite, by their smallest and largest score."""

    rows: int
    missing: int
    """Rows with a score that is null, NaN or infinite."""
    infinite: int
    low: float
    high: float
    outside: int
    """Rows with a score farther outside 0 to 1 than rounding."""
    hair: int
    """Rows with a score outside 0 to 1 by rounding alone."""
    below: int
    """Rows with a score below 0 by more than rounding."""
    near: int
    """Rows with the largest score above 1 and up to 2."""
    upper: int
    """Rows with the largest score above 0.5 and up to 1."""
    inside: int
    """Rows with the largest score above 0 and up to 1."""
    hundredth: int
    """Rows with the largest score above 0.01."""
    extreme: int
    """Rows whose largest score, read as a probability, has a log odds outside 0 to 1."""
    middle: float
    tail: float
    """Median and 90th percentile of the largest score."""
    off_sum: int
    """Rows whose scores do not sum to 1; 0 where there is one score only."""
    sum: float
    """Median sum of a row's scores."""
    steady: bool
    """Several scores whose sum is the same on nearly every row."""
    marks: int
    """Distinct values farther outside 0 to 1 than rounding."""
    mirrored: bool
    """Two scores that are the negative of each other."""

    def share(self, rows: int) -> float:
        """Rows over all rows with scores."""
        return rows / self.rows if self.rows else 0.0


def are_plain(frame: pl.LazyFrame, columns: Sequence[str]) -> bool:
    """Whether nothing is odd about the scores of a window, by their ends and sums alone: none is missing, all are from 0 to 1."""
    values = [pl.col(c).cast(pl.Float64) for c in columns]
    ends = [value for i, v in enumerate(values) for value in (v.min().alias(f"a{i}"), v.max().alias(f"b{i}"))]
    finite = [v.is_finite().sum().alias(f"n{i}") for i, v in enumerate(values)]
    off = ((pl.sum_horizontal(values) - 1).abs() > SUM).sum() if len(values) > 1 else pl.lit(0)
    with reading():
        facts = frame.select(pl.len().alias("rows"), off.alias("off"), *ends, *finite)
        row = facts.collect(engine="streaming").row(0, named=True)
    k = range(len(values))
    if any(row[f"n{i}"] != row["rows"] for i in k) or row["off"] or not row["rows"]:
        return False
    low, high = min(row[f"a{i}"] for i in k), max(row[f"b{i}"] for i in k)
    return bool(low >= 0 and 2 * HUNDREDTH < high <= 1)


def measure(frame: pl.LazyFrame, columns: tuple[str, ...]) -> ScoreMeasures:
    """One pass over the score columns of one model."""
    many = len(columns) > 1
    finite = pl.col("finite")
    a, b, s, m = (pl.col(c).filter(finite) for c in ("low", "high", "sum", "mirrored"))
    far = (a < -HAIR) | (b > 1 + HAIR)
    counts = {
        "rows": finite.sum(),
        "missing": (~finite).sum(),
        "infinite": pl.col("infinite").sum(),
        "outside": far.sum(),
        "hair": (((a < 0) | (b > 1)) & ~far).sum(),
        "below": (a < -HAIR).sum(),
        "near": ((b > 1 + HAIR) & (b <= 2)).sum(),
        "upper": ((b > 0.5) & (b <= 1)).sum(),
        "inside": ((b > 0) & (b <= 1)).sum(),
        "hundredth": (b > HUNDREDTH).sum(),
        "extreme": ((b < 0.5) | (b > 0.731)).sum(),
        "off_sum": (((s - 1).abs() > SUM) & ~far).sum() if many else pl.lit(0),
        "marks": pl.when(a < -HAIR).then(a).otherwise(b).filter(far).n_unique(),
    }
    sizes = {"low": a.min(), "high": b.max(), "middle": b.median(), "tail": b.quantile(0.9), "sum": s.median()}
    others = {"mirrored": m.mean(), "first": s.quantile(0.1), "last": s.quantile(0.9)}
    with reading():
        row = _by_row(frame, columns).select(**counts, **sizes, **others).collect(engine="streaming").row(0, named=True)
    real = {name: float(row[name] or 0.0) for name in (*sizes, *others)}
    facts: dict[str, Any] = {name: int(row[name] or 0) for name in counts} | {name: real[name] for name in sizes}
    return ScoreMeasures(
        **facts,
        steady=many and real["last"] - real["first"] <= STEADY * abs(real["sum"]),
        mirrored=real["mirrored"] > 1 - FEW,
    )


def _by_row(frame: pl.LazyFrame, columns: tuple[str, ...]) -> pl.LazyFrame:
    """Of each row: its smallest and largest score and their sum, whether all are finite, and whether two mirror each other."""
    values = [pl.col(c).cast(pl.Float64) for c in columns]
    mirrored = pl.lit(False)
    if len(values) == 2:
        mirrored = (values[0] + values[1]).abs() <= 1e-6 * (1 + values[0].abs())
    return frame.select(
        finite=pl.all_horizontal(v.is_finite().fill_null(False) for v in values),
        infinite=pl.any_horizontal(v.is_infinite().fill_null(False) for v in values),
        low=pl.min_horizontal(values) if len(values) > 1 else values[0],
        high=pl.max_horizontal(values) if len(values) > 1 else values[0],
        sum=pl.sum_horizontal(values),
        mirrored=mirrored,
    )


def unit_of(measures: ScoreMeasures, columns: int) -> Unit:
    """The unit that a window's own scores speak for; see the module."""
    few = measures.share(measures.outside) <= FEW and not _through_one(measures)
    if measures.outside == 0 or few or marked(measures):
        return "probability"
    if measures.share(measures.below) > FEW or measures.below > 0.5 * measures.outside:
        return "logit"
    percent = (
        measures.high <= 100 * (1 + HAIR) if columns == 1 else measures.steady and abs(measures.sum - 100) <= 100 * SUM
    )
    return "percent" if percent else "unknown"


def marked(measures: ScoreMeasures) -> bool:
    """Whether what lies outside 0 to 1 is a mark for missing scores: one to three values such as -1 beside real scores."""
    return (
        0 < measures.marks <= MOST_MARKS
        and measures.share(measures.inside) > FEW
        and measures.outside >= measures.marks * 2
    )


def _through_one(measures: ScoreMeasures) -> bool:
    """Whether scores pass through 1 without a gap: the percents of a rare class, of which few reach 1 at all."""
    return measures.near >= SPREAD and measures.near >= PASSES * measures.outside and measures.below == 0


def whole(measures: ScoreMeasures, unit: Unit, other: ScoreMeasures) -> bool:
    """Whether all rows are in another unit rather than some, seen against a window of probabilities.

    Were all of them, about as many would lie outside as the other window's scores would, converted; or the scores moved besides,
    and then those just below 1 are as many as those just above, and not as many as probabilities would be.
    """
    expected = other.share(other.extreme if unit == "logit" else other.hundredth)
    outside = measures.share(measures.outside)
    if outside >= 0.7 * expected or measures.inside <= 3 * measures.near:
        return True
    inliers = (1 - outside / expected) * other.share(other.upper) * measures.rows
    return (
        unit == "percent"
        and measures.near >= SPREAD
        and measures.upper <= SMOOTH * measures.near
        and 3 * measures.upper < inliers
    )


SURELY = 10.0
"""What scores must reach to be called percents by their range alone."""
FACTORS = (10.0, 100.0, 255.0, 1000.0, 10_000.0, 1_000_000.0)
"""Numbers by which probabilities are multiplied to be written as percents, bytes or points."""


def factor_to(measures: ScoreMeasures, other: ScoreMeasures) -> float | None:
    """By what a window's scores are larger than the other window's probabilities; None where no factor fits.

    Several scores tell it by their sum; one score by its range and its tail, among the usual factors.
    """
    if measures.steady and other.steady and other.share(other.off_sum) <= FEW:
        return measures.sum if measures.high <= measures.sum * (1 + HAIR) else None
    if other.steady and other.share(other.off_sum) <= FEW:
        return None  # the columns are in different units
    if other.tail <= 0 or measures.tail <= 0:
        return None
    ratio = math.log(measures.tail / other.tail)
    fits = [k for k in FACTORS if measures.high <= k * (1 + HAIR) and abs(ratio - math.log(k)) <= math.log(2.5)]
    if fits:
        return min(fits, key=lambda k: abs(ratio - math.log(k)))
    return 100.0 if SURELY < measures.high <= 100 * (1 + HAIR) else None


def is_hundredth(measures: ScoreMeasures, other: ScoreMeasures) -> bool:
    """Whether probabilities were divided by 100: none is above 0.01 where the other window's reach far beyond, in like shape."""
    if not (0 < measures.high <= HUNDREDTH * (1 + HAIR) and other.high > 0.5 and min(measures.rows, other.rows) >= 100):
        return False
    pairs = ((100 * measures.middle, other.middle), (100 * measures.tail, other.tail))
    return all(0.4 <= (one + 0.01) / (two + 0.01) <= 2.5 for one, two in pairs)


def conversion(
    columns: Sequence[str], measures: ScoreMeasures, *, logit: bool = False, factor: float = 1.0, every_row: bool = True
) -> list[pl.Expr]:
    """The score columns as probabilities, from log odds or divided by ``factor``; what is not finite, or far outside 0 to 1
    after that, is null.

    Where not ``every_row`` is concerned, only rows with a score outside 0 to 1 are converted.
    """
    values = {c: pl.col(c).cast(pl.Float64) for c in columns}
    values = {c: pl.when(v.is_finite()).then(v) for c, v in values.items()}
    result = _from_logits(values, measures) if logit else {c: v / factor for c, v in values.items()}
    if not every_row:
        far = far_outside(columns)
        result = {c: pl.when(far).then(result[c]).otherwise(v) for c, v in values.items()}
    return [pl.when((v >= -HAIR) & (v <= 1 + HAIR)).then(v.clip(0.0, 1.0)).alias(c) for c, v in result.items()]


def far_outside(columns: Sequence[str]) -> pl.Expr:
    """Whether a row has a score farther outside 0 to 1 than rounding."""
    values = [pl.col(c).cast(pl.Float64) for c in columns]
    return pl.any_horizontal(v.is_finite() & ((v < -HAIR) | (v > 1 + HAIR)) for v in values).fill_null(False)


def _from_logits(values: Mapping[str, pl.Expr], measures: ScoreMeasures) -> dict[str, pl.Expr]:
    """Sigmoid for one score, and for two that mirror each other; softmax for more."""
    if len(values) == 1 or measures.mirrored:
        return {c: 1.0 / (1.0 + (-v).exp()) for c, v in values.items()}
    best = pl.max_horizontal(list(values.values()))
    raised = {c: (v - best).exp() for c, v in values.items()}
    total = pl.sum_horizontal(list(raised.values()))
    return {c: v / total for c, v in raised.items()}
