"""What a certain fault of some rows keeps to: hosts, sources, clients, though they hold too few rows to be read alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backslide.case import Case
from backslide.causes.faults.base import Hypothesis
from backslide.causes.faults.markers import MarkerLevels, levels_of_columns, marker_of, selects_its_rows
from backslide.causes.faults.mixtures import UNMARKED
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.pair import to_words
from backslide.stats.arrays import Mask

LEAST = 30
"""Rows that the fault hits, and of each level that is hit."""
HIT = 0.3
"""Share of a level's rows that are hit, beyond what is usual."""
BESIDE = 0.02
"""Share of the rows hit that may lie elsewhere, beyond what is usual there."""
WIDEST = 0.5
"""Share of all rows up to which levels tell where a fault is: by chance they hold ``LEAST`` rows less often than once in 1e9."""
ALL_ROWS = 0.95
SLACK = 2.0
"""Standard errors of what is usual elsewhere."""


def confine(case: Case, hypothesis: Hypothesis) -> Hypothesis:
    """The hypothesis with the levels that hold its rows, where a column beside the features has such; else as it is."""
    rows = hypothesis.rows
    if not hypothesis.exact or hypothesis.segment is not None or not LEAST <= rows.sum() < ALL_ROWS * len(rows):
        return hypothesis
    usual = usual_share(case, hypothesis)
    best: tuple[float, MarkerLevels, tuple[int, ...]] | None = None
    for levels in levels_of_columns(case):
        if levels.ordered or levels.unit == "hour" or levels.column in case.pairs:
            continue
        chosen, rate = _levels_hit(levels, rows, usual)
        if chosen and (best is None or rate > best[0]):
            best = rate, levels, chosen
    marker = None if best is None else marker_of(best[1], best[2], ())
    if marker is None or not selects_its_rows(case, marker):
        return hypothesis
    where = f", all where {marker.expression}"
    return replace(
        hypothesis,
        seen=hypothesis.seen.removesuffix(UNMARKED) + where,
        mechanism=f"{hypothesis.mechanism or '+'.join(hypothesis.features)}|{marker.expression}",
        segment=marker.expression,
    )


def usual_share(case: Case, hypothesis: Hypothesis) -> float:
    """Share of sound rows that hold what the fault writes: a default occurs by itself as often as in the reference."""
    if hypothesis.kind != CauseKind.DEFAULT_VALUE:
        return 0.0
    ref, cur = case.pairs[hypothesis.features[0]].texts
    return float(np.isin(to_words(ref), np.unique(to_words(cur[hypothesis.rows]))).mean())


def _levels_hit(levels: MarkerLevels, rows: Mask, usual: float) -> tuple[tuple[int, ...], float]:
    """Levels that hold the rows, and the share of theirs that are hit; none where the rows are elsewhere too."""
    known = levels.current >= 0
    total = np.bincount(levels.current[known], minlength=len(levels.texts))
    hit = np.bincount(levels.current[known], weights=rows[known], minlength=len(levels.texts))
    chosen = (hit >= LEAST) & (hit >= (usual + HIT) * total)
    mark = np.isin(levels.current, np.flatnonzero(chosen))
    if not 0 < mark.mean() <= WIDEST:
        return (), 0.0
    others = float((~mark).sum())
    expected = others * usual + SLACK * float(np.sqrt(others * usual * (1 - usual)))
    if rows[~mark].sum() - expected > BESIDE * rows.sum():
        return (), 0.0
    return tuple(int(i) for i in np.flatnonzero(chosen)), float(rows[mark].mean())
