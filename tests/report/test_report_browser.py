"""The page in a real browser: drawings show, nothing overflows, no complaint on the console."""

from __future__ import annotations

import pytest
import sample_diagnosis as samples
from browser_probe import chromium_on, opened

from backslide.report.charts import palette

pytestmark = pytest.mark.browser

PROBE = """
<script>
addEventListener("load", () => {
  const seen = [...document.querySelectorAll("figure svg")].filter(
    (s) => s.checkVisibility() && s.getBoundingClientRect().height > 40);
  const wide = [...document.querySelectorAll(".backslide *")].filter(
    (e) => !e.closest(".scroll") && !e.closest("svg") && e.getBoundingClientRect().right > innerWidth + 1);
  const [contents, verdict] = ["nav", ".verdict"].map((e) => document.querySelector(e)?.getBoundingClientRect());
  const beside = contents && contents.bottom > verdict.top && contents.top < verdict.bottom;
  const marks = [...document.querySelectorAll("figure svg path")].filter((p) => p.getAttribute("fill") === "CURRENT");
  document.title = JSON.stringify({
    covered: beside && contents.right > verdict.left,
    drawn: seen.length, width: innerWidth, page: document.documentElement.scrollWidth,
    wide: wide.map((e) => e.tagName + "." + e.className), mark: getComputedStyle(marks[0]).fill,
    ink: getComputedStyle(document.querySelector(".backslide")).color,
  });
});
</script>
""".replace("CURRENT", palette.CURRENT)


@pytest.mark.parametrize("width", [1280, 500])
def test_every_drawing_shows_and_nothing_overflows(tmp_path, width):
    seen, console = opened(samples.in_part().to_html(), PROBE, tmp_path, f"--window-size={width},2000")
    # Series, matrix, histogram, bars, one of the two waterfalls, and the columns of three cards; what is folded takes no room.
    assert seen["drawn"] == 8
    assert seen["page"] <= seen["width"]
    assert seen["wide"] == []
    assert console == []


@pytest.mark.parametrize("width", [1240, 1440, 1920])
def test_the_contents_cover_nothing_of_the_page(tmp_path, width):
    seen, _ = opened(samples.in_part().to_html(), PROBE, tmp_path, f"--window-size={width},900")
    assert seen["covered"] is False


def test_the_drawings_follow_the_theme_of_the_page(tmp_path):
    light, _ = opened(samples.binary().to_html(), PROBE, tmp_path)
    dark, _ = opened(samples.binary().to_html().replace("(prefers-color-scheme: dark)", "all"), PROBE, tmp_path)
    assert light["mark"] == "rgb(217, 115, 13)"
    assert dark["mark"] == "rgb(255, 178, 94)"
    assert light["ink"] != dark["ink"]


def test_the_page_as_written_raises_no_complaint(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(samples.binary().to_html())
    run = chromium_on(page, tmp_path)
    assert "Unit change: income" in run.stdout
    assert "CONSOLE" not in run.stderr


def test_a_fragment_draws_too(tmp_path):
    seen, console = opened(f"<!doctype html><title>x</title>{samples.binary()._repr_html_()}", PROBE, tmp_path)
    assert seen["drawn"] == 3  # one of the two waterfalls, and the columns of two cards
    assert console == []
