"""Charts of pages are drawn without JavaScript, as the whole of Vega-Lite would place them."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from statistics import median

import pytest
import sample_evidence as samples
import vl_convert

from backslide.report.charts.drawing.limits import UnsupportedError
from backslide.report.charts.drawing.scales import Linear, Logarithmic, Time, nice
from backslide.report.charts.drawing.words import shortened, written
from backslide.report.charts.rows import table
from backslide.report.charts.spec import chart_spec
from backslide.report.charts.svg import draw

pytestmark = pytest.mark.core

DRAWN = [e for e in samples.EVIDENCE if e.kind != "table"]
NEAR = 4.0
"""Pixels within which words stand where Vega-Lite would write them."""


def words(svg: str) -> dict[str, tuple[float, float]]:
    """Where texts stand: the translations of all groups around them added up; those that stand once."""
    found: dict[str, list[tuple[float, float]]] = {}

    def walk(element: ElementTree.Element, x: float, y: float) -> None:
        moves = re.findall(r"translate\(([-\d.]+),([-\d.]+)\)", element.get("transform", ""))
        if "rotate" not in element.get("transform", ""):
            x, y = x + sum(float(m[0]) for m in moves), y + sum(float(m[1]) for m in moves)
            if element.text and element.tag.endswith("text"):
                found.setdefault(element.text, []).append((x, y))
        for child in element:
            walk(child, x, y)

    walk(ElementTree.fromstring(svg), 0.0, 0.0)
    return {text: places[0] for text, places in found.items() if len(places) == 1}


@pytest.mark.parametrize("evidence", DRAWN, ids=lambda e: e.kind)
def test_pages_need_no_javascript(evidence, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert draw(chart_spec(evidence), evidence.reading).startswith("<svg")


@pytest.mark.parametrize("evidence", DRAWN, ids=lambda e: e.kind)
def test_words_stand_where_vega_lite_writes_them(evidence):
    spec = chart_spec(evidence)
    untitled = {key: value for key, value in spec.items() if key not in ("title", "description")}
    ours, theirs = words(draw(spec, "")), words(vl_convert.vegalite_to_svg(untitled))
    common = ours.keys() & theirs.keys()
    assert len(common) >= 0.8 * len(ours)
    # The plots may begin a few pixels apart, as widths of letters are estimated.
    aside = [median(ours[t][i] - theirs[t][i] for t in common) for i in (0, 1)]
    off = {t: max(abs(ours[t][i] - theirs[t][i] - aside[i]) for i in (0, 1)) for t in common}
    legend = set() if evidence.kind == "waterfall" else {"reference", "current"}
    assert {t: d for t, d in off.items() if d > NEAR and t not in legend} == {}


def test_what_is_not_drawn_here_is_compiled():
    spec = {
        "data": {"values": [{"a": 1}]},
        "mark": "arc",
        "encoding": {"theta": {"field": "a"}},
        "width": 50,
        "height": 50,
    }
    assert "<path" in draw(spec, "a pie")
    assert "<path" in draw({"vconcat": [chart_spec(samples.bars())]}, "two charts")
    assert "<text" in draw(table(samples.table(), 380), "a table")


def test_ticks_are_round_numbers():
    assert Linear((0, 0.61), (0, 100)).ticks(5) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert nice(0.8063, 0.8437) == (0.805, 0.845)
    assert Logarithmic((50, 20_000), (0, 100)).at(1000) == pytest.approx(50)
    with pytest.raises(UnsupportedError):
        Linear((0, 5e-324), (0, 1)).ticks(5)


@pytest.mark.parametrize(
    ("days", "first", "pattern", "expected"),
    [
        (2, 0, "%H:%M", "00:00 12:00"),
        (45, 0, "%b %d", "Mar 01 Mar 15"),
        (400, 0, "%b %Y", "Apr 2026 Jul 2026"),
        (4000, 0, "%Y", "2028 2030"),
    ],
)
def test_ticks_of_time_are_beginnings(days, first, pattern, expected):
    begin = 1_772_323_200_000.0 + first  # 1 March 2026, a Sunday
    ticks = Time((begin, begin + days * 86_400_000), (0, 100)).ticks(5)
    shown = " ".join(written(tick, pattern) for tick in ticks)
    assert all(word in shown for word in expected.split())
    assert 3 <= len(ticks) <= 10


@pytest.mark.parametrize(
    ("value", "pattern", "text"),
    [
        (0.1234, ".3~p", "12.3%"),
        (0.5, "+.3~p", "+50%"),
        (-0.005, "+.3~p", "−0.5%"),
        (1234567.0, ",.12~g", "1,234,567"),
        (0.00025, ",.12~g", "0.00025"),
        (2e-9, ",.12~g", "2e−9"),
        (3e15, ",.12~g", "3e+15"),
        (0, ",.12~g", "0"),
        (-1500.5, None, "−1,500.5"),
    ],
)
def test_numbers_are_written_as_vega_writes_them(value, pattern, text):
    assert written(value, pattern) == text


def test_long_words_are_cut_to_their_room():
    assert shortened("short", 100) == "short"
    assert shortened("a" * 100, 110).endswith("…")
    assert len(shortened("a" * 100, 110)) <= 20
