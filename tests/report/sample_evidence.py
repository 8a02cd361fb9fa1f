"""One piece of evidence of every kind, as checks hand it over."""

from __future__ import annotations

import math
from itertools import pairwise

from backslide.contracts.evidence import (
    Bars,
    Evidence,
    Histograms,
    Matrix,
    Ranked,
    RankedRow,
    Series,
    SeriesPoint,
    Table,
    Waterfall,
    WaterfallStep,
)


def _bell(middle: float, width: float, edges: tuple[float, ...]) -> tuple[float, ...]:
    def below(x: float) -> float:
        return 0.5 * (1 + math.erf((x - middle) / (width * math.sqrt(2))))

    return tuple(below(b) - below(a) for a, b in pairwise(edges))


def histograms(name: str = "income", factor: float = 12.0) -> Histograms:
    edges = tuple(1000.0 * i for i in range(131))
    return Histograms(
        title=f"{name} in both windows",
        reading=f"{name} is {factor:g} times as large in the current window: its median went from 4,100 to 49,200.",
        x=f"{name} (USD)",
        edges=edges,
        reference=_bell(4100, 1500, edges),
        current=_bell(4100 * factor, 1500 * factor, edges),
        marks={"median before": 4100.0, "median now": 4100.0 * factor},
    )


def bars(name: str = "employment") -> Bars:
    return Bars(
        title=f"Categories of {name}",
        reading="“EMP” became “employed”: 61 % of the rows before, none now.",
        x="share of rows",
        categories=("EMP", "employed", "SELF", "UNEMP", "(missing)"),
        reference=(0.61, 0.0, 0.2, 0.15, 0.04),
        current=(0.0, 0.6, 0.19, 0.17, 0.04),
    )


def series() -> Series:
    points = [
        SeriesPoint(
            at=f"2026-03-{day:02d}",
            value=0.842 + 0.006 * math.sin(day),
            low=0.826 + 0.006 * math.sin(day),
            high=0.858 + 0.006 * math.sin(day),
            window="reference",
            rows=640,
        )
        for day in range(1, 32)
    ]
    points += [
        SeriesPoint(
            at=f"2026-04-{day:02d}",
            value=(0.84 if day < 3 else 0.803) + 0.005 * math.cos(day),
            low=(0.824 if day < 3 else 0.787) + 0.005 * math.cos(day),
            high=(0.856 if day < 3 else 0.819) + 0.005 * math.cos(day),
            window="current",
            rows=655,
        )
        for day in range(1, 22)
    ]
    return Series(
        title="Accuracy by day",
        reading="Accuracy left its usual band on 3 April, 12 minutes after the deploy of v2.",
        y="accuracy",
        points=tuple(points),
        band=(0.828, 0.856),
        events={"deploy v2": "2026-04-03T09:48:00Z"},
        share=True,
    )


def ranked() -> Ranked:
    return Ranked(
        title="Segments by contribution",
        reading="Long terms carry most of the drop: −2.1 of −3.4 points.",
        x="contribution to the change",
        rows=(
            RankedRow(label="term_months > 48", value=-0.021, low=-0.028, high=-0.014, note="31 % of rows"),
            RankedRow(label="branch = north", value=-0.008, low=-0.013, high=-0.003),
            RankedRow(label="branch = south", value=0.002, low=-0.003, high=0.007),
        ),
        share=True,
    )


def matrix() -> Matrix:
    return Matrix(
        title="Change of the confusion matrix",
        reading="3.1 % more of the rows are defaults taken for paid.",
        rows=("default", "paid"),
        columns=("default", "paid"),
        row_title="label",
        column_title="prediction",
        values=((-0.031, 0.031), (0.003, None)),
    )


def waterfall() -> Waterfall:
    return Waterfall(
        title="From 84.2 % to 80.8 %",
        reading="Of −3.4 points, income explains −2.4, the new categories −0.6 and the class shares −0.3.",
        y="accuracy",
        steps=(
            WaterfallStep(label="reference", value=0.842, low=0.837, high=0.847, role="level"),
            WaterfallStep(label="Unit change: income", value=-0.024, low=-0.031, high=-0.017, role="cause"),
            WaterfallStep(label="Category recode: employment", value=-0.006, low=-0.009, high=-0.003, role="cause"),
            WaterfallStep(label="Label shift", value=-0.003, low=-0.006, high=0.0, role="cause"),
            WaterfallStep(label="unexplained", value=-0.001, low=-0.009, high=0.007, role="unexplained"),
            WaterfallStep(label="current", value=0.808, low=0.801, high=0.815, role="level"),
        ),
    )


def table() -> Table:
    return Table(
        title="Metrics in both windows",
        reading="Every usual metric fell; precision least.",
        columns=("metric", "reference", "current", "rows"),
        rows=(("accuracy", 0.842, 0.808, 20140), ("macro F1", 0.781, 0.735, None), ("log loss", 0.39, 0.47, 20140)),
    )


EVIDENCE: tuple[Evidence, ...] = (histograms(), bars(), series(), ranked(), matrix(), waterfall(), table())
