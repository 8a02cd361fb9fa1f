"""Every kind of evidence has a specification that compiles, shows its numbers, and survives odd values."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from importlib.resources import files
from itertools import pairwise
from typing import get_args

import pytest
import sample_evidence as samples
from hypothesis import given
from hypothesis import strategies as st

from backslide.contracts import evidence as kinds
from backslide.report.charts import kde, label_placement, palette
from backslide.report.charts.binning import BINS, drawable, rebin
from backslide.report.charts.spec import WIDTH, chart_spec
from backslide.report.charts.svg import draw
from backslide.report.render.html import figure

pytestmark = pytest.mark.core

HOSTILE = '</script><script>alert(1)</script>" onload="alert(2)\' & \\ {{7*7}} datum["x"] ]]>'


def drawn(evidence, **options):
    return draw(chart_spec(evidence, **options), evidence.reading)


def texts(svg):
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_the_samples_hold_every_kind():
    every = get_args(get_args(kinds.Evidence)[0])
    assert {type(e) for e in samples.EVIDENCE} == set(every)


@pytest.mark.parametrize("evidence", samples.EVIDENCE, ids=lambda e: e.kind)
def test_every_kind_compiles(evidence):
    root = ElementTree.fromstring(drawn(evidence))
    assert root.get("role") == "img"
    assert root.get("aria-label") == evidence.reading
    assert len(list(root.iter())) > 10


@pytest.mark.parametrize("evidence", samples.EVIDENCE, ids=lambda e: e.kind)
def test_a_chart_fits_the_width_of_a_phone(evidence):
    assert float(ElementTree.fromstring(drawn(evidence)).get("width", "inf")) <= WIDTH + 12


@pytest.mark.parametrize("evidence", samples.EVIDENCE, ids=lambda e: e.kind)
def test_every_colour_follows_the_page(evidence):
    found = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', drawn(evidence)))
    assert found
    assert found <= set(palette.VARIABLES)


def test_the_rules_cover_every_colour():
    rules = palette.rules()
    assert all(f'fill="{colour}"' in rules and f'stroke="{colour}"' in rules for colour in palette.VARIABLES)


def test_windows_differ_in_line_style_as_well_as_colour():
    svg = drawn(samples.histograms())
    assert 'stroke-dasharray="5,3"' in svg
    assert {"reference", "current"} <= set(texts(svg))


def test_a_waterfall_says_its_numbers():
    assert {"84.2%", "−2.4 pt [−3.1 to −1.7]", "80.8%"} <= set(texts(drawn(samples.waterfall(), width=860)))
    assert {"84.2%", "−2.4 pt", "80.8%"} <= set(texts(drawn(samples.waterfall())))


def test_a_waterfall_runs_from_level_to_level():
    data = chart_spec(samples.waterfall())["data"]["values"]
    for before, after in pairwise(data[:-1]):
        assert after["start"] == before["end"]
    assert data[-2]["end"] == pytest.approx(data[-1]["end"])


def test_bars_say_their_shares():
    assert {"61.0%", "60.0%", "0.0%"} <= set(texts(drawn(samples.bars())))


def test_a_matrix_leaves_out_what_is_not_estimable():
    assert sorted(t for t in texts(drawn(samples.matrix())) if t.startswith(("+", "−"))) == ["+0.3", "+3.1", "−3.1"]


def test_a_large_matrix_keeps_what_moved():
    names = tuple(f"class {i}" for i in range(40))
    values = tuple(tuple(0.2 if (i, j) == (33, 7) else 0.0001 * (i == j) for j in range(40)) for i in range(40))
    large = samples.matrix().model_copy(update={"rows": names, "columns": names, "values": values})
    shown = texts(drawn(large))
    assert {"class 33", "class 7", "+20.0"} <= set(shown)
    assert any("12 of 40" in text for text in shown)


def test_many_categories_keep_those_that_moved_and_say_what_is_left_out():
    names = tuple(f"level {i}" for i in range(100))
    shares = [0.01] * 100
    moved = [*shares]
    moved[77] = 0.3
    many = samples.bars().model_copy(update={"categories": names, "reference": shares, "current": moved})
    shown = texts(drawn(many))
    assert "level 77" in shown
    assert any("76 more not drawn" in text for text in shown)


def test_equal_names_stay_apart():
    twice = samples.bars().model_copy(update={"categories": ("a", "a"), "reference": (0.4, 0.6), "current": (0.5, 0.5)})
    assert {"a", "a (2)"} <= set(texts(drawn(twice)))


def test_events_far_from_the_series_do_not_squeeze_it():
    far = samples.series().model_copy(update={"events": {"old": "1999-01-01", "deploy": "2026-04-03T10:00:00Z"}})
    shown = texts(drawn(far))
    assert "deploy" in shown
    assert "old" not in shown


def test_a_series_without_dates_is_drawn_by_block():
    points = tuple(p.model_copy(update={"at": f"block {i}"}) for i, p in enumerate(samples.series().points[:5]))
    assert "block" in texts(drawn(samples.series().model_copy(update={"points": points, "events": {}})))


def with_hostile_names(evidence):
    """The same evidence with every string of foreign origin replaced."""
    changes = {"title": HOSTILE, "reading": HOSTILE}
    changes |= {name: HOSTILE for name in ("x", "y", "row_title", "column_title") if hasattr(evidence, name)}
    match evidence:
        case kinds.Histograms():
            changes["marks"] = {HOSTILE: 20_000.0}
        case kinds.Bars():
            changes["categories"] = tuple(f"{HOSTILE}{i}" for i in range(5))
        case kinds.Series():
            changes["events"] = {HOSTILE: "2026-04-03"}
        case kinds.Ranking():
            changes["rows"] = tuple(r.model_copy(update={"label": HOSTILE, "note": HOSTILE}) for r in evidence.rows)
        case kinds.Matrix():
            changes |= {"rows": (HOSTILE, "b"), "columns": (HOSTILE, "b")}
        case kinds.Waterfall():
            changes["steps"] = tuple(s.model_copy(update={"label": HOSTILE}) for s in evidence.steps)
        case kinds.Table():
            changes |= {"columns": (HOSTILE,), "rows": ((HOSTILE,),)}
        case kinds.Scatter():
            changes["points"] = tuple(p.model_copy(update={"label": HOSTILE, "note": HOSTILE}) for p in evidence.points)
        case kinds.Segments():
            changes["rows"] = tuple(r.model_copy(update={"segment": HOSTILE}) for r in evidence.rows)
            changes["metric"] = HOSTILE
    return evidence.model_copy(update=changes)


@pytest.mark.parametrize("evidence", samples.EVIDENCE, ids=lambda e: e.kind)
def test_hostile_names_are_text(evidence):
    root = ElementTree.fromstring(drawn(with_hostile_names(evidence)))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "path", "line", "text", "rect", "title", "defs", "clipPath"}
    assert not {name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name}
    assert root.get("aria-label") == HOSTILE


def test_a_hostile_category_keeps_its_bars():
    plain, hostile = (drawn(e).count("<path") for e in (samples.bars(), with_hostile_names(samples.bars())))
    assert plain == hostile


ODD = {
    "one value": {"edges": (5.0, 5.0), "reference": (1.0,), "current": (1.0,)},
    "no rows": {"edges": (0.0, 1.0), "reference": (0.0,), "current": (0.0,)},
    "huge": {"edges": (-1e300, 0.0, 1e300), "reference": (0.5, 0.5), "current": (0.0, 1.0)},
    "tiny": {"edges": (0.0, 5e-324), "reference": (1.0,), "current": (1.0,)},
    "narrow atom": {"edges": (0.0, 1.0, 1.0000000000000002, 2.0), "reference": (0.1, 0.8, 0.1), "current": (0.3,) * 3},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_histograms_are_drawn(name):
    assert "<path" in drawn(samples.histograms().model_copy(update={"marks": {}, **ODD[name]}))


@pytest.mark.parametrize(
    "broken",
    [
        samples.histograms().model_copy(update={"reference": (0.5, 0.5)}),
        samples.bars().model_copy(update={"current": ()}),
        samples.series().model_copy(update={"points": ()}),
        samples.ranked().model_copy(update={"rows": ()}),
        samples.matrix().model_copy(update={"values": ((1.0,), (1.0, 2.0))}),
        samples.waterfall().model_copy(update={"steps": ()}),
        samples.reliability().model_copy(update={"bins": ()}),
        samples.scatter().model_copy(update={"points": ()}),
        samples.segments().model_copy(update={"rows": ()}),
    ],
    ids=lambda e: e.kind,
)
def test_evidence_that_does_not_fit_together_is_refused_and_costs_only_its_drawing(broken):
    with pytest.raises(ValueError, match="expected"):
        chart_spec(broken)
    shown = figure(broken)
    assert (shown.svg, shown.rows, shown.reading) == ("", (), broken.reading)


def test_fine_bins_are_drawn_coarser_with_the_same_mass():
    fine = samples.histograms()
    coarse = drawable(fine)
    assert len(coarse.edges) == BINS + 1
    assert sum(coarse.reference) == pytest.approx(sum(fine.reference))


def test_unequal_bins_become_equal():
    shape = drawable(
        samples.histograms().model_copy(
            update={"edges": (0.0, 1.0, 10.0), "reference": (0.5, 0.5), "current": (0.6, 0.4)}
        )
    )
    assert shape.reference[0] > 5 * shape.reference[-1]


def test_thin_tails_are_cut_and_said():
    edges = (*(float(i) for i in range(41)), 5000.0)
    shares = (*([0.998 / 40] * 40), 0.002)
    long = samples.histograms().model_copy(update={"edges": edges, "reference": shares, "current": shares, "marks": {}})
    shape = drawable(long)
    assert shape.edges[-1] == 40.0
    assert shape.outside == pytest.approx(0.002)
    assert any("0.2% of rows beyond" in text for text in texts(drawn(long)))


@given(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0, 1)), min_size=1, max_size=30), st.integers(1, 20))
def test_rebinning_keeps_mass_and_order(bins, count):
    edges = [0.0]
    for width, _ in bins:
        edges.append(edges[-1] + width)
    shares = [share for _, share in bins]
    grid = [edges[-1] * i / count for i in range(count)] + [edges[-1]]
    counted = rebin(edges, shares, grid)
    assert sum(counted) == pytest.approx(sum(shares), abs=1e-9)
    assert min(counted) >= 0


def luminance(colour):
    """Relative luminance after WCAG 2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_windows_differ_in_luminance_and_stand_out_on_either_page():
    style = files("backslide.report").joinpath("templates", "style.css").read_text(encoding="utf-8")
    themes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in style.split("@media", 2)[:2]]
    light, dark = themes[0], themes[0] | themes[1]
    assert (light["reference"], light["current"]) == (palette.REFERENCE, palette.CURRENT)
    for theme in (light, dark):
        assert contrast(theme["reference"], theme["current"]) > 1.7
        assert min(contrast(theme[name], theme["paper"]) for name in ("reference", "current")) > 3
        assert min(contrast(theme[name], theme["paper"]) for name in ("ink", "soft", "faint", "link", "bad")) > 4.5


def bell(middle, width, edges):
    def below(x):
        return 0.5 * (1 + math.erf((x - middle) / (width * math.sqrt(2))))

    return tuple(below(b) - below(a) for a, b in pairwise(edges))


EDGES = tuple(i / 4 for i in range(41))


@pytest.mark.parametrize(("middle", "width"), [(5.0, 1.0), (0.0, 1.5), (10.0, 2.0), (3.0, 2.5)])
def test_a_density_keeps_the_mass_and_follows_the_curve(middle, width):
    shares = bell(middle, width, EDGES)
    found = kde.line(EDGES, shares)
    step = found.x[1] - found.x[0]
    area = sum((a + b) / 2 * step for a, b in pairwise(found.y)) / 0.25
    assert area == pytest.approx(sum(shares), abs=0.005)
    truth = [0.25 * math.exp(-0.5 * ((x - middle) / width) ** 2) / (width * math.sqrt(2 * math.pi)) for x in found.x]
    assert max(abs(a - b) for a, b in zip(found.y, truth, strict=True)) < 0.12 * max(truth)


def test_a_density_lies_within_the_range():
    found = kde.line(EDGES, bell(0.0, 1.5, EDGES))
    assert (found.x[0], found.x[-1]) == (EDGES[0], EDGES[-1])
    assert found.y[0] == pytest.approx(max(found.y), rel=0.05)  # not halved at the end of the range


COMB = tuple(0.1 if i % 4 == 0 else 0.0 for i in range(40))
ATOM = (*bell(5.0, 1.0, EDGES[:40]), 2.0)


@pytest.mark.parametrize("shares", [COMB, ATOM, (0.0,) * 40, (1.0, *(0.0,) * 39)], ids=["comb", "atom", "none", "one"])
def test_what_comes_in_steps_has_no_density(shares):
    assert kde.line(EDGES, shares) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_a_density_is_finite_and_never_negative(shares, start, width):
    edges = [start + width * i for i in range(len(shares) + 1)]
    if edges[-1] > edges[0]:
        found = kde.line(edges, shares)
        assert found is None or (min(found.y) >= 0 and all(map(math.isfinite, found.y)))


def test_a_histogram_has_a_line_for_each_window():
    smooth = samples.histograms().model_copy(
        update={"edges": EDGES, "reference": bell(4.0, 1.0, EDGES), "current": bell(6.0, 1.0, EDGES), "marks": {}}
    )
    layers = chart_spec(smooth)["layer"]
    assert {v["window"] for v in layers[1]["data"]["values"]} == {"reference", "current"}
    assert len(layers[1]["data"]["values"]) == 2 * kde.POINTS
    stepped = smooth.model_copy(update={"current": COMB})
    assert len(chart_spec(stepped)["layer"]) == 1


@given(
    st.lists(
        st.tuples(st.text("abcdefgh", min_size=1, max_size=40), st.tuples(st.floats(0, 300), st.floats(0, 200))),
        max_size=25,
    )
)
def test_names_of_points_cover_neither_each_other_nor_points(points):
    placed = label_placement.place(points, 300, 200)
    boxes = [label_placement._box(p) for p in placed]
    for i, a in enumerate(boxes):
        assert not any(label_placement._overlap(a, b) for b in boxes[i + 1 :])
        assert not any(a[0] < x < a[2] and a[1] < y < a[3] for _, (x, y) in points)
        assert label_placement._inside(a, 300, 200)


def test_a_name_with_room_is_written():
    assert [p.text for p in label_placement.place([("income", (100.0, 100.0))], 300, 200)] == ["income"]
    assert {"income", "employment"} <= set(texts(drawn(samples.scatter())))
    assert "feature_3" not in texts(drawn(samples.scatter()))


def test_a_label_far_right_stands_left_of_its_line():
    late = samples.histograms().model_copy(update={"marks": {"threshold": 129_000.0}})
    label = next(e for e in ElementTree.fromstring(drawn(late)).iter() if e.text == "threshold")
    assert label.get("text-anchor") == "end"


def test_reliability_shows_the_diagonal_and_both_windows():
    svg = drawn(samples.reliability())
    assert "reference: scores of 70.0% came true in 70.0% [66.0% to 74.0%], 1,400 rows" in svg
    assert 'stroke-dasharray="2,3"' in svg
    assert 'stroke-dasharray="5,3"' in svg


def test_segments_without_an_estimate_say_so():
    assert {"−6.8 pt", "no estimate"} <= set(texts(drawn(samples.segments())))
    shown = figure(samples.segments())
    assert shown.columns[0] == "segment"
    assert shown.rows[0][1:] == ("6,240 → 4,330", "83.1%", "76.3%", "−6.8 pt −8.6 to −5.0", "−2.1 pt")
    assert [line.flagged for line in shown.segments] == [True, False, False]


def test_a_long_series_is_a_line_without_dots():
    points = samples.series().points
    long = samples.series().model_copy(update={"points": points * 4})
    assert drawn(long).count("<title>") < len(points) < drawn(samples.series()).count("<title>") + 1
