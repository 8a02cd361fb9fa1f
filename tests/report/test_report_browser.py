"""The page in a real browser: drawings show, nothing overflows, no complaint on the console."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import sample_diagnosis as samples

from backslide.report.html import render_fragment, render_html

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

PROBE = """
<script>
addEventListener("load", () => {
  const seen = [...document.querySelectorAll("figure svg")].filter(
    (s) => s.checkVisibility() && s.getBoundingClientRect().height > 40);
  const wide = [...document.querySelectorAll(".backslide *")].filter(
    (e) => !e.closest(".scroll") && !e.closest("svg") && e.getBoundingClientRect().right > innerWidth + 1);
  const marks = [...document.querySelectorAll("figure svg path")].filter((p) => p.getAttribute("fill") === "#c2570c");
  document.title = JSON.stringify({
    drawn: seen.length, width: innerWidth, page: document.documentElement.scrollWidth,
    wide: wide.map((e) => e.tagName + "." + e.className), mark: getComputedStyle(marks[0]).fill,
    ink: getComputedStyle(document.querySelector(".backslide")).color,
  });
});
</script>
"""


def opened(html, tmp_path, *arguments):
    """What the probe saw, and what the console said. The policy of the page is lifted for the probe alone."""
    page = tmp_path / "page.html"
    page.write_text(html.replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';") + PROBE)
    run = _chromium(page, tmp_path, *arguments)
    title = re.search(r"<title>(\{.*?\})</title>", run.stdout)
    assert title, run.stderr[-2000:]
    console = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(title[1].replace("&quot;", '"').replace("&lt;", "<")), console


def _chromium(page, tmp_path, *arguments):
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0", *arguments]
    command += ["--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.parametrize("width", [1280, 500])
def test_every_drawing_shows_and_nothing_overflows(tmp_path, width):
    seen, console = opened(render_html(samples.in_part()), tmp_path, f"--window-size={width},2000")
    # Series, matrix, histogram, bars and one of the two waterfalls; what is folded takes no room.
    assert seen["drawn"] == 5
    assert seen["page"] <= seen["width"]
    assert seen["wide"] == []
    assert console == []


def test_the_drawings_follow_the_theme_of_the_page(tmp_path):
    light, _ = opened(render_html(samples.binary()), tmp_path)
    dark, _ = opened(render_html(samples.binary()).replace("(prefers-color-scheme: dark)", "all"), tmp_path)
    assert light["mark"] == "rgb(185, 80, 10)"
    assert dark["mark"] == "rgb(240, 154, 85)"
    assert light["ink"] != dark["ink"]


def test_the_page_as_written_raises_no_complaint(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(render_html(samples.binary()))
    run = _chromium(page, tmp_path)
    assert "Unit change: income" in run.stdout
    assert "CONSOLE" not in run.stderr


def test_a_fragment_draws_too(tmp_path):
    seen, console = opened(f"<!doctype html><title>x</title>{render_fragment(samples.binary())}", tmp_path)
    assert seen["drawn"] == 1
    assert console == []
