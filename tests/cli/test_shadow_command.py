"""``backslide shadow``: exit codes, files, and what it says when it cannot compare."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.shadow import Shadow

CONFIG = """
[model]
label = "label"
prediction = "prediction"
scores = {{ yes = "p_yes" }}
timestamp = "served_at"
[windows]
current = "log.parquet"
[shadow]
{shadow}
"""
NEW = 'new = { prediction = "other", scores = { yes = "p_other" } }'
OLD = 'old = { prediction = "other", scores = { yes = "p_other" } }'


@pytest.fixture(scope="module")
def log():
    current = worlds.two_months(np.random.default_rng(0), 1200)[1]
    other = worlds.with_model(current, worlds.Flatter())
    return current.with_columns(other=other["prediction"], p_other=other["p_yes"])


@pytest.fixture
def written(backslide, log, tmp_path):
    """A log and a configuration in the working folder; returns the function that runs the command."""

    def run(shadow: str, *arguments: str, rows: pl.DataFrame = log):
        rows.write_parquet(tmp_path / "log.parquet")
        (tmp_path / "backslide.toml").write_text(CONFIG.format(shadow=shadow), encoding="utf-8")
        return backslide("shadow", "backslide.toml", "-q", *arguments)

    return run


def test_worse_exits_with_one_and_better_with_zero(written):
    assert written(NEW).code == 1
    assert written(OLD).code == 0


def test_no_difference_exits_with_zero(written, log):
    same = log.with_columns(other=pl.col("prediction"), p_other=pl.col("p_yes"))
    ran = written(NEW, rows=same)
    assert ran.code == 0
    assert "No difference that matters" in ran.out


def test_every_surface_says_the_same(written, tmp_path):
    ran = written(NEW, "--json", "s.json", "--html", "s.html", "--md", "s.md")
    found = Shadow.from_dict(json.loads((tmp_path / "s.json").read_text(encoding="utf-8")))
    assert found.verdict == "old_better"
    page, markdown = ((tmp_path / name).read_text(encoding="utf-8") for name in ("s.html", "s.md"))
    for said in (" ".join(ran.out.split()), page, markdown):
        assert found.summary[:40] in said
    assert "src=" not in page
    assert "<script" not in page
    assert len(page.encode()) < 2_000_000


def test_json_alone_goes_to_standard_output(written):
    ran = written(NEW, "--json", "-")
    assert json.loads(ran.out)["format"] == "backslide.shadow/1"


def test_nothing_to_compare_is_one_line(written):
    written("").fails("nothing to compare", "[shadow]")
    written('neww = "x"').fails("neww", "did you mean 'new'")
    written('new = { prediction = "othe", scores = { yes = "p_other" } }').fails("'othe'", "did you mean 'other'")


def test_settings_of_another_type_are_refused(written):
    written("new_share = 2").fails("new_share")
    written('mode = "live"').fails("mode")


def test_a_stored_comparison_is_rendered_again(written, backslide, tmp_path):
    assert written(NEW, "--json", "shadow.json").code == 1
    found = Shadow.from_dict(json.loads((tmp_path / "shadow.json").read_text(encoding="utf-8")))
    jsonschema.validate(found.to_dict(), Shadow.json_schema())
    ran = backslide("report", "shadow.json")
    assert ran.code == 0
    assert ran.out.strip() == found.to_text().strip()
    ran = backslide("report", "shadow.json", "--html", "shadow.html", "--md", "shadow.md")
    assert (ran.code, ran.out) == (0, "")
    assert (tmp_path / "shadow.html").read_text(encoding="utf-8").strip() == found.to_html().strip()
    assert (tmp_path / "shadow.md").read_text(encoding="utf-8").strip() == found.to_markdown().strip()
    assert Shadow.from_dict(json.loads(backslide("report", "shadow.json", "--json").out)) == found


def test_a_comparison_of_another_version_is_refused_in_one_line(backslide, tmp_path):
    (tmp_path / "shadow.json").write_text('{"format": "backslide.shadow/9"}', encoding="utf-8")
    ran = backslide("report", "shadow.json")
    assert ran.code == 2
    assert "expected a comparison of format" in ran.err
