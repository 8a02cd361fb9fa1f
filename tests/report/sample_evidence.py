"""One piece of evidence of every kind, as checks hand it over."""

from __future__ import annotations

import math
from itertools import pairwise

from backslide.contracts.evidence import (
    Bars,
    Density,
    DensityCell,
    Evidence,
    Histograms,
    Matrix,
    RankedRow,
    Ranking,
    Reliability,
    ReliabilityBin,
    Scatter,
    ScatterPoint,
    SegmentRow,
    Segments,
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
        reading="“EMP” became “employed”: 61% of the rows before, none now.",
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


def ranked() -> Ranking:
    return Ranking(
        title="Segments by contribution",
        reading="Long terms carry most of the drop: −2.1 of −3.4 points.",
        x="contribution to the change",
        rows=(
            RankedRow(label="term_months > 48", value=-0.021, low=-0.028, high=-0.014, note="31% of rows"),
            RankedRow(label="branch = north", value=-0.008, low=-0.013, high=-0.003),
            RankedRow(label="branch = south", value=0.002, low=-0.003, high=0.007),
        ),
        share=True,
    )


def matrix() -> Matrix:
    return Matrix(
        title="Change of the confusion matrix",
        reading="3.1% more of the rows are defaults taken for paid.",
        rows=("default", "paid"),
        columns=("default", "paid"),
        row_title="label",
        column_title="prediction",
        values=((-0.031, 0.031), (0.003, None)),
    )


def waterfall() -> Waterfall:
    return Waterfall(
        title="From 84.2% to 80.8%",
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


def reliability() -> Reliability:
    def bins(window, bend):
        return tuple(
            ReliabilityBin(
                window=window,
                predicted=p / 10,
                observed=(p / 10) ** bend,
                low=max(0.0, (p / 10) ** bend - 0.04),
                high=min(1.0, (p / 10) ** bend + 0.04),
                rows=1400,
            )
            for p in range(1, 10)
        )

    return Reliability(
        title="Calibration of “default”",
        reading="Scores of 70% came true in 70% of the rows before, in 53% now.",
        x="mean score",
        bins=bins("reference", 1.0) + bins("current", 1.8),
    )


def scatter() -> Scatter:
    quiet = tuple(
        ScatterPoint(label=f"feature_{i}", x=0.01 + 0.002 * i, y=0.002 * ((7 * i) % 11), note="") for i in range(20)
    )
    return Scatter(
        title="Drift against importance",
        reading="income moved far and the model leans on it; no other feature does both.",
        x="distance (KS)",
        y="importance",
        points=(
            *quiet,
            ScatterPoint(label="income", x=0.93, y=0.061, flagged=True, note="median 12 times as large"),
            ScatterPoint(label="income_joint", x=0.92, y=0.060, flagged=True),
            ScatterPoint(label="employment", x=0.4, y=0.02, flagged=True),
        ),
        y_share=True,
    )


def density() -> Density:
    cells = tuple(
        DensityCell(x=0.1 * i, y=0.1 * j, reference=0.02 * (i == j) + 0.01, current=0.02 * (i == 4) + 0.01 * (j > 1))
        for i in range(5)
        for j in range(5)
    )
    return Density(
        title="Map of vector",
        reading="A quarter of the rows lie in other cells than before.",
        x="first axis",
        y="second axis",
        step=(0.1, 0.1),
        cells=cells,
    )


def segments() -> Segments:
    return Segments(
        title="Segments by contribution to the change",
        reading="Long terms fell by 6.8 points and carry 2.1 of the 3.4 points.",
        metric="accuracy",
        rows=(
            SegmentRow(
                segment="term_months > 48",
                reference_rows=6240,
                current_rows=4330,
                reference=0.831,
                current=0.763,
                change=-0.068,
                low=-0.086,
                high=-0.05,
                contribution=-0.021,
                flagged=True,
            ),
            SegmentRow(
                segment="branch = 'north'",
                reference_rows=2100,
                current_rows=1900,
                reference=0.85,
                current=0.84,
                change=-0.01,
                low=-0.03,
                high=0.01,
                contribution=-0.0014,
            ),
            SegmentRow(
                segment="branch = 'new'",
                reference_rows=0,
                current_rows=40,
                reference=None,
                current=0.8,
                change=None,
            ),
        ),
    )


EVIDENCE: tuple[Evidence, ...] = (
    histograms(),
    bars(),
    series(),
    ranked(),
    matrix(),
    waterfall(),
    table(),
    reliability(),
    scatter(),
    density(),
    segments(),
)
