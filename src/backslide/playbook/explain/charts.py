"""What the explanations look like: shares of both windows side by side, and ranks with their intervals."""

from __future__ import annotations

import numpy as np
from scipy import stats

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import Bars, Table
from backslide.playbook.explain.attributions import AttributionRows, Explanations
from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.bootstrap import Resampler

SHOWN = 15
REPLICATES = 300


def share_bars(attributions: Explanations, reference: Floats, current: Floats) -> Bars:
    """Shares (p,) of what all features have together, the largest first."""
    order = np.argsort(-np.maximum(reference, current), kind="stable")[:SHOWN]
    leads = [attributions.columns[int(np.argmax(s))] for s in (reference, current)]
    reading = (
        f"In both windows the model leans most on {leads[0]}."
        if leads[0] == leads[1]
        else f"The model leaned most on {leads[0]}, and now on {leads[1]}."
    )
    return Bars(
        title="What the model leans on",
        reading=reading,
        x="share of the mean absolute values",
        categories=tuple(attributions.columns[j] for j in order),
        reference=tuple(float(reference[j]) for j in order),
        current=tuple(float(current[j]) for j in order),
    )


def ranks_table(case: Case, attributions: Explanations, after: AttributionRows) -> Table:
    """Mean absolute value and rank of each feature in both windows, ranks with 95 % intervals."""
    sides = [_rank_quantiles(case, part, name) for part, name in ((attributions.reference, "before"), (after, "now"))]
    order = np.argsort(sides[1][0], kind="stable")[:SHOWN]
    sizes = [part.size.mean(axis=0) for part in (attributions.reference, after)]
    rows = tuple(
        (attributions.columns[j], float(sizes[0][j]), _place(sides[0], j), float(sizes[1][j]), _place(sides[1], j))
        for j in order
    )
    columns = ("feature", "value before", "rank before", "value now", "rank now")
    features = [attributions.columns[j] for j in order if _apart(sides, int(j))]
    reading = f"{say.listed(features)} changed rank beyond its interval." if features else "No rank left its interval."
    return Table(
        title=f"Ranks, with 95% intervals (mean absolute value, {attributions.unit})",
        reading=reading,
        columns=columns,
        rows=rows,
    )


Ranking = tuple[Floats, Ints, Ints]


def replicated_means(case: Case, values: Floats, days: Ints | None, purpose: str) -> Floats:
    """Means (B, p) of row values (n, p), days drawn as blocks where there are days."""
    draw = Resampler(len(values), days, REPLICATES, case.rng(f"explain {purpose}"))
    rows = np.column_stack([np.ones(len(values)), values])
    sums = draw.sums(rows)
    return np.asarray(sums[:, 1:] / np.maximum(sums[:, :1], 1.0))


def _rank_quantiles(case: Case, part: AttributionRows, purpose: str) -> Ranking:
    """Rank of each feature, and its 2.5 % and 97.5 % quantiles over the bootstrap (p,) each."""
    replicates = stats.rankdata(-replicated_means(case, part.size, part.days, purpose), axis=1)
    low, high = np.quantile(replicates, [0.025, 0.975], axis=0)
    ranks = stats.rankdata(-part.size.mean(axis=0))
    return np.asarray(ranks), np.floor(low).astype(np.int64), np.ceil(high).astype(np.int64)


def _place(side: Ranking, j: int) -> str:
    rank, low, high = (side[i][j] for i in range(3))
    return f"{say.number(float(rank))} [{low} to {high}]"


def _apart(sides: list[Ranking], j: int) -> bool:
    return bool(sides[0][1][j] > sides[1][2][j] or sides[1][1][j] > sides[0][2][j])
