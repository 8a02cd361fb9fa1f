"""The script of the page: it filters, counts, listens to the keyboard, and hides nothing for good."""

from __future__ import annotations

import pytest
import sample_pages
from browser_probe import opened

pytestmark = pytest.mark.browser

PROBE = """
<script>
addEventListener("load", async () => {
  const pause = () => new Promise((done) => setTimeout(done, 400));
  const query = document.querySelector("input[type=search]");
  const said = () => document.querySelector("output").textContent;
  const level = (name) => document.querySelector(`input[value=${name}]`);
  const shown = () => [...document.querySelectorAll("[data-level]")].filter((item) => !item.hidden);
  const key = (where, name) => where.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true, cancelable: true}));
  const type = async (text) => { query.value = text; query.dispatchEvent(new Event("input")); await pause(); };
  const seen = {all: shown().length, first: said()};
  key(document.body, "/");
  seen.focused = document.activeElement === query;
  await type("INCOME  median");
  seen.found = shown().map((item) => item.id || item.className);
  seen.said = said();
  seen.checks = [...document.querySelectorAll(".check")].filter((c) => c.checkVisibility()).length;
  await type("term_months 45");
  seen.unfolded = shown().map((item) => [item.tagName, item.checkVisibility(), item.dataset.level]);
  key(query, "Escape");
  seen.cleared = [shown().length, query.value, document.querySelectorAll(".in-order[open]").length];
  level("fail").click();
  seen.levels = [...new Set(shown().map((item) => item.dataset.level))];
  level("warn").click();
  seen.both = [...new Set(shown().map((item) => item.dataset.level))].sort();
  await type("no such thing");
  seen.none = [shown().length, said()];
  location.hash = document.querySelector("tr[id]").id;
  await pause();
  seen.target = [shown().length, document.querySelector("tr:target").checkVisibility()];
  seen.wordsOfCharts = (await type("120,000"), shown().length);
  document.title = JSON.stringify(seen);
});
</script>
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    found, console = opened(
        sample_pages.page("binary"), PROBE, tmp_path_factory.mktemp("filter"), "--virtual-time-budget=20000"
    )
    assert console == []
    return found


def test_a_slash_leads_to_the_search(seen):
    assert seen["focused"]


def test_words_find_what_holds_them_all_whatever_the_case(seen):
    assert len(seen["found"]) == 1
    assert seen["found"][0].startswith("finding-")
    assert seen["checks"] == 1


def test_the_count_is_announced(seen):
    assert seen["first"] == f"{seen['all']} entries"
    assert seen["said"] == f"1 of {seen['all']} shown"
    assert seen["none"] == [0, f"0 of {seen['all']} shown"]


def test_what_is_folded_unfolds_when_found_and_folds_again(seen):
    assert ["TR", True, "ok"] in seen["unfolded"]
    assert seen["cleared"] == [seen["all"], "", 0]


def test_severities_add_up(seen):
    assert seen["levels"] == ["fail"]
    assert seen["both"] == ["fail", "warn"]


def test_a_link_to_what_is_filtered_away_clears_the_filter(seen):
    assert seen["target"] == [seen["all"], True]


def test_numbers_on_axes_are_not_searched(seen):
    assert seen["wordsOfCharts"] == 0


def test_without_the_script_nothing_is_missing_but_the_search():
    html = sample_pages.page("binary")
    assert html.count(" hidden>") == 1  # the tools themselves
    assert 'role="search" aria-label="Filter the report" hidden>' in html
