"""Streams of features whose values are followed by name: the level and the spread of numbers, the shares of categories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from backslide.contracts import say
from backslide.monitor.feature_values import NumberScale, level_name, square_name, value_name
from backslide.monitor.stream import MonitoredStream, PeriodSums, Subject, periods_of, share_stream, total_of
from backslide.monitor.sums import Sums

MATERIAL_LEVEL, MATERIAL_SPREAD = 0.1, 0.1
"""Of a standard deviation in the reference: what an early sign of a level or a spread looks for."""
LEAST_KURTOSIS = 0.05
"""Of a number's rows less one, so that a spread has a noise where a number takes two values equally often."""


def feature_streams(subject: Subject, pair: PeriodSums) -> Iterator[MonitoredStream]:
    """Every stream of the values that are followed by name."""
    whole = total_of(pair[0])
    for column, scale in subject.values.numbers.items():
        if value_name(column) in whole.moments:
            yield from _of_number(subject, column, scale, pair, whole)
    for column, levels in subject.values.levels.items():
        for level in levels:
            name, words = f"share:{column}={level}", f"rows where {column} = {level!r}"
            found = share_stream(subject, name, "share", words, pair, partial(_holding, column, level))
            yield replace(found, signs=(1, -1))


def _holding(column: str, level: str, sums: Sums) -> tuple[int, int]:
    """Rows that hold a category, and those that hold any."""
    among, holding, _ = sums.moments.get(level_name(column, level), (0.0, 0.0, 0.0))
    return int(holding), int(among)


def _of_number(
    subject: Subject, column: str, scale: NumberScale, pair: PeriodSums, whole: Sums
) -> Iterator[MonitoredStream]:
    def level(sums: Sums) -> tuple[float, float]:
        n, total, _ = sums.moments.get(value_name(column), (0.0, 0.0, 0.0))
        return (scale.centre + scale.deviation * total / n if n else np.nan), n

    def spread(sums: Sums) -> tuple[float, float]:
        n, total, square = sums.moments.get(value_name(column), (0.0, 0.0, 0.0))
        variance = max(square / n - (total / n) ** 2, 0.0) if n else np.nan
        return scale.deviation * float(np.sqrt(variance)), n

    n, total, square = whole.moments[value_name(column)]
    fourth = whole.moments[square_name(column)][2] / n
    variance = max(square / n - (total / n) ** 2, 1e-12)
    # A standard deviation moves by half the relative move of its variance (delta method).
    of_spread = max(fourth / variance - variance, LEAST_KURTOSIS * variance) / 4
    cut = f"(values cut at {say.number(scale.low)} and {say.number(scale.high)})"
    for kind, words, value, row_variance, material in (
        ("level", "mean", level, variance, MATERIAL_LEVEL),
        ("spread", "standard deviation", spread, of_spread, MATERIAL_SPREAD),
    ):
        before, after = (periods_of(side, value, subject) for side in pair)
        yield MonitoredStream(
            f"{kind}:{column}",
            "level" if kind == "level" else "spread",
            f"{words} of {column} {cut}",
            before,
            after,
            row_variance * scale.deviation**2,
            share=False,
            signs=(1, -1),
            material=material * scale.deviation,
        )
