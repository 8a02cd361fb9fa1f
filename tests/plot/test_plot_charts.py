"""Quick looks as charts: real, saved, silent, small, and safe in a page; and errors that say what to do."""

from __future__ import annotations

import json
import subprocess
import sys

import altair
import numpy as np
import polars as pl
import pytest

from backslide import plot
from backslide.contracts.errors import BackslideError
from backslide.playbook import scenarios

HOSTILE = "</script><script>alert(1)</script>\u202e<!-- & {{7*7}}"
LOOKS = {
    "categorical": lambda good, bad: plot.categorical(good, bad, "channel"),
    "numeric": lambda good, bad: plot.numeric(good, bad, "income"),
    "confidence": lambda good, bad: plot.confidence(good, bad),
    "confusion": lambda good, bad: plot.confusion(good, bad),
    "over_time": lambda good, bad: plot.over_time(good, bad, "income"),
}


@pytest.fixture(scope="module")
def months():
    rng = np.random.default_rng(11)
    return scenarios.served(rng, 1500), scenarios.next_month(rng, rows=1500, flip=0.1)


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", LOOKS)
def test_every_look_is_a_chart_that_displays_and_saves(name, months, tmp_path):
    chart = LOOKS[name](*months)
    assert isinstance(chart, altair.TopLevelMixin)
    spec = chart.to_dict()
    assert spec["description"].endswith(".")
    assert spec["title"]["text"]
    assert " ".join(spec["title"]["subtitle"]) == spec["description"]
    shown = chart._repr_mimebundle_()["image/svg+xml"]
    assert shown.startswith("<svg")
    assert "http" not in shown.replace("http://www.w3.org/", "")
    assert "mine" in chart.properties(title="mine")._repr_mimebundle_()["image/svg+xml"]
    chart.properties(title="mine").save(tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_any_two_sources_draw_the_same(months, tmp_path):
    good, bad = months
    good.write_parquet(tmp_path / "good-1.parquet")
    bad.write_csv(tmp_path / "bad.csv")
    wanted = plot.categorical(good, bad, "channel").to_dict()
    for one, other in (
        (good.to_pandas(), bad.to_arrow()),
        (tmp_path / "good-1.parquet", tmp_path / "bad.csv"),
        (str(tmp_path / "good-*.parquet"), bad.lazy()),
    ):
        assert plot.categorical(one, other, "channel").to_dict() == wanted


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["numeric", "confusion", "over_time"])
def test_a_chart_holds_aggregates_however_many_rows(name, months):
    size = len(json.dumps(LOOKS[name](*months).to_dict()))
    many = [pl.concat([frame] * 40) for frame in months]
    assert len(json.dumps(LOOKS[name](*many).to_dict())) < 1.2 * size
    assert size < 60_000


def test_foreign_text_cannot_leave_the_script_it_is_written_into(months):
    rename = {"channel": HOSTILE, "label": f"label {HOSTILE}"}
    good, bad = (
        frame.with_columns(
            pl.col("channel").replace("web", HOSTILE), pl.col("label", "prediction").replace("yes", HOSTILE)
        ).rename(rename)
        for frame in months
    )
    charts = [
        plot.categorical(good, bad, HOSTILE),
        plot.confusion(good, bad, label=f"label {HOSTILE}", prediction="prediction"),
        plot.over_time(good.rename({"income": "<b>x"}), bad.rename({"income": "<b>x"}), "<b>x"),
    ]
    for chart in charts:
        page = chart.to_html()
        assert page.count("</script>") == altair.Chart().mark_point().to_html().count("</script>")
        page += chart._repr_mimebundle_()["image/svg+xml"]
        for words in ("<script>alert", "<!-- &", "\u202e", "<b>x"):
            assert words not in page
            assert words not in json.dumps(chart.to_dict(), ensure_ascii=False)


WRONG = {
    "unknown column": (
        lambda g, b: plot.categorical(g, b, "chanel"),
        "good has no column 'chanel'; did you mean 'channel'?",
    ),
    "only in one": (lambda g, b: plot.numeric(g, b.drop("age"), "age"), "bad has no column 'age'"),
    "text as numbers": (lambda g, b: plot.numeric(g, b, "channel"), "plot.categorical(good, bad, 'channel')"),
    "numbers as categories": (lambda g, b: plot.categorical(g, b, "income"), "plot.numeric(good, bad, 'income')"),
    "times as categories": (lambda g, b: plot.categorical(g, b, "served_at"), "plot.over_time"),
    "text over time": (lambda g, b: plot.over_time(g, b, "channel"), "plot.categorical(good, bad, 'channel')"),
    "not a name": (lambda g, b: plot.numeric(g, b, ["age"]), "expected the name of a column, got list"),
    "neither column nor metric": (lambda g, b: plot.over_time(g, b, "acuracy"), "did you mean 'accuracy'?"),
    "metric of another task": (lambda g, b: plot.over_time(g, b, "mae"), "does not fit the labels of a binary task"),
    "no such class": (lambda g, b: plot.over_time(g, b, "recall[maybe]"), "no label is 'maybe'"),
    "no such block": (lambda g, b: plot.over_time(g, b, "age", every="hour"), "expected 'day', 'week' or 'month'"),
    "no time": (lambda g, b: plot.over_time(g.drop("served_at"), b, "age"), "no timestamp was recognised"),
    "no times in it": (lambda g, b: plot.over_time(g, b, "age", "channel"), "cannot be read as times"),
    "no labels to find": (lambda g, b: plot.confusion(g.select("age"), b.select("age")), "no label was recognised"),
    "numbers as labels": (lambda g, b: plot.confusion(g, b, "income", "prediction"), "expected classes"),
    "no label in it": (
        lambda g, b: plot.confusion(g, b.with_columns(label=pl.lit(None, pl.String)), "label", "prediction"),
        "no row of bad has a label",
    ),
    "metric without labels": (
        lambda g, b: plot.over_time(g, b.with_columns(label=pl.lit(None, pl.String)), "accuracy"),
        "no row of bad has a label",
    ),
    "no scores to find": (lambda g, b: plot.confidence(g.drop("p_yes"), b), "no score was recognised"),
    "no score given": (lambda g, b: plot.confidence(g, b, scores=[]), "at least one column"),
    "text as score": (lambda g, b: plot.confidence(g, b, scores="channel"), "expected scores in 'channel'"),
    "no rows": (lambda g, b: plot.numeric(g, b.head(0), "age"), "expected rows in bad, found none"),
    "no file": (lambda g, b: plot.numeric("nowhere.parquet", b, "age"), "nowhere.parquet"),
    "no table": (lambda g, b: plot.numeric(3, b, "age"), "got int"),
    "no number at all": (
        lambda g, b: plot.numeric(*(f.with_columns(age=pl.lit(float("nan"))) for f in (g, b)), "age"),
        "no finite number",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_one_line_that_helps(case, months):
    call, words = WRONG[case]
    with pytest.raises(BackslideError) as caught:
        call(*months)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_plot_hangs_at_the_door_and_costs_nothing_until_used():
    code = (
        "import sys, backslide as bs\nassert 'polars' not in sys.modules\n"
        "from backslide import plot\nassert bs.plot is plot\nassert callable(bs.plot.categorical)\n"
        "assert 'altair' not in sys.modules and 'sklearn' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
