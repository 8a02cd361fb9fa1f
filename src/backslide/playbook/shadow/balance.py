"""A/B: were the groups dealt out as planned and alike, before anything is compared?"""

from __future__ import annotations

import numpy as np
import polars as pl

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts import shadow as contract
from backslide.contracts.finding import Estimate
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import to_numbers, to_texts, to_words
from backslide.playbook.shadow.arms import Arms
from backslide.stats.shift.sample_ratio import counts_differ, sample_ratio, values_differ
from backslide.stats.two_sample import holm

ALPHA = 0.001
"""Error rate of each of the three questions: a wrong alarm here throws a good test away."""
MIN_SIZE = 0.1
"""Cramer's V, or standard deviations of rank, from which groups are too unlike to be compared."""
MOST_LEVELS = 50
MOST_COLUMNS = 200


def assignment(case: Case, arms: Arms) -> contract.Assignment:
    """Ratio against plan, the same ratio on every day, and the same inputs in both groups."""
    counts = [arm.rows for arm in (arms.old, arms.new)]
    ratio = sample_ratio(counts[0], counts[1], case.settings.shadow.new_share)
    by_day = _by_day(arms)
    unlike = _imbalances(case, arms)
    trouble = []
    if ratio.p_value is not None and ratio.p_value < ALPHA:
        trouble.append(
            f"sample-ratio mismatch: {say.percent(ratio.share)} of the rows went to the new model, "
            f"{say.percent(ratio.planned or 0)} were planned"
        )
    if by_day is not None and by_day[1] < ALPHA and by_day[0] > MIN_SIZE:
        trouble.append("the share of the new model differs from day to day, so days and models are mixed up")
    if unlike:
        trouble.append(f"the groups differ in {say.listed([i.column for i in unlike])}")
    reading = "; ".join(trouble) or "the groups are alike" + (" and as large as planned" if ratio.planned else "")
    return contract.Assignment(
        old_rows=counts[0],
        new_rows=counts[1],
        share=Estimate(estimate=ratio.share, low=ratio.low, high=ratio.high),
        planned=ratio.planned,
        p_value=ratio.p_value,
        by_day_p_value=None if by_day is None else by_day[1],
        imbalances=unlike,
        balanced=not trouble,
        reading=reading[:1].upper() + reading[1:] + ".",
    )


def _by_day(arms: Arms) -> tuple[float, float] | None:
    if arms.old.days is None or arms.new.days is None:
        return None
    every = np.unique(np.concatenate([arms.old.days, arms.new.days]))
    if len(every) < 2:
        return None
    table = [np.bincount(np.searchsorted(every, arm), minlength=len(every)) for arm in (arms.old.days, arms.new.days)]
    return counts_differ(table[0], table[1])


def _imbalances(case: Case, arms: Arms) -> tuple[contract.Imbalance, ...]:
    """Feature columns in which the groups differ, significantly (Holm) and enough to matter, the largest first."""
    tested = []
    columns = case.features_of(ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.BOOLEAN)
    for column in columns[:MOST_COLUMNS]:
        sides = [arms.old.frame[column], arms.new.frame[column]]
        size, p_value = _numbers(sides) if case.kind(column) == ColumnKind.NUMERIC else _levels(sides)
        tested.append((column, size, p_value))
    adjusted = holm([p for _, _, p in tested])
    results = [
        contract.Imbalance(column=column, size=size, p_value=float(p))
        for (column, size, _), p in zip(tested, adjusted, strict=True)
        if p < ALPHA and abs(size) >= MIN_SIZE
    ]
    return tuple(sorted(results, key=lambda i: -abs(i.size)))


def _numbers(sides: list[pl.Series]) -> tuple[float, float]:
    values = [to_numbers(s) for s in sides]
    return values_differ(*(v[np.isfinite(v)] for v in values))


def _levels(sides: list[pl.Series]) -> tuple[float, float]:
    texts = [to_texts(s) for s in sides]
    levels, index = np.unique(to_words(np.concatenate(texts)), return_inverse=True)
    if len(levels) > MOST_LEVELS:
        return 0.0, 1.0
    one, other = index[: len(texts[0])], index[len(texts[0]) :]
    return counts_differ(np.bincount(one, minlength=len(levels)), np.bincount(other, minlength=len(levels)))
