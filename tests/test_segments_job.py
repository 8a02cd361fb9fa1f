"""Which combination explains the change of a ratio: the function, the command, its files and its refusals."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import product

import jsonschema
import numpy as np
import polars as pl
import pytest

import backslide as bs
from backslide.contracts.errors import BackslideError
from backslide.contracts.segments import SegmentReport
from commands import backslide

ROLES = {"numerator": "errors", "denominator": "answers", "time": "day"}
OPTIONS = ("--numerator", "errors", "--denominator", "answers", "--time", "day")
GOOD, BAD = "2026-03-01..2026-03-20", "2026-03-21..2026-03-22"
START = datetime(2026, 3, 1)


def table(seed=0, broken=True, days=22, **more):
    """Errors of answers by day, app, country and version; on the last two days the old app fails in one country."""
    rng = np.random.default_rng(seed)
    rows = []
    for day, app, country, version in product(range(days), ("web", "ios", "android"), ("de", "fr", None), (1, 2)):
        n = int(rng.poisson(150))
        hit = broken and day >= days - 2 and app == "ios" and country == "fr"
        k = int(rng.binomial(n, 0.35 if hit else {"web": 0.04, "ios": 0.06, "android": 0.05}[app]))
        rows.append(
            {
                "day": START + timedelta(days=day),
                "app": app,
                "country": country,
                "version": version,
                "errors": k,
                "answers": n,
            }
        )
    return pl.DataFrame(rows).with_columns(**more)


def test_the_combination_is_named_with_what_it_adds():
    found = bs.segments(table(), **ROLES, good=GOOD, bad=BAD)
    first = found.segments[0]
    assert first.where == {"app": "ios", "country": "fr"}
    assert first.condition == "app = 'ios' and country = 'fr'"
    assert [one.rank for one in found.segments] == list(range(1, len(found.segments) + 1))
    assert len(found.explanation) == 1
    assert all(one.instead_of == 1 for one in found.segments[1:])
    assert first.share == pytest.approx(1 / 9, abs=0.02)
    assert first.points.low < 0.29 / 9 < first.points.high
    assert first.current == pytest.approx(0.35, abs=0.05)
    assert found.attributes == ("app", "country", "version")
    assert (found.reference.rows, found.current.rows, found.reference.times) == (360, 36, 20)
    parts = found.mix + found.rest + sum(one.points.estimate for one in found.explanation)
    assert parts == pytest.approx(found.change.estimate)
    assert found.change.estimate == pytest.approx(found.current.ratio - found.reference.ratio)
    assert found.summary.startswith("the ratio errors / answers rose by")
    assert "app = 'ios' and country = 'fr' takes it up by" in found.summary


def test_nothing_is_named_where_nothing_moved():
    found = bs.segments(table(broken=False), **ROLES, good=GOOD, bad=BAD)
    assert found.segments == ()
    assert "no combination of attributes stands out" in found.summary
    assert "No segment stands out" in found.to_text()


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("2026-03-01T00:00..2026-03-20T00:00", "2026-03-21T00:00Z..2026-03-22T00:00:00"),
        (f"{1772323200}..{1772323200 + 19 * 86400}", f"{1772323200 + 20 * 86400}..{1772323200 + 21 * 86400}"),
    ],
)
def test_times_are_iso_or_seconds_and_ends_are_included(good, bad):
    found = bs.segments(table(), **ROLES, good=good, bad=bad)
    assert (found.reference.times, found.current.times) == (20, 2)
    seconds = table().with_columns(pl.col("day").dt.epoch("s"))
    again = bs.segments(seconds, **ROLES, good=good, bad=bad)
    assert (again.segments, again.reference.rows) == (found.segments, found.reference.rows)


def test_times_may_be_numbers_that_only_order_the_rows():
    rows = table().with_columns(day=(pl.col("day") - START).dt.total_days() + 1)
    assert bs.segments(rows, **ROLES, good="1..20", bad="21..22").segments[0].where == {"app": "ios", "country": "fr"}


def test_attributes_of_every_kind():
    rng = np.random.default_rng(1)
    rows = table(
        price=pl.Series(rng.gamma(3, 20, 396)),
        flag=pl.Series(rng.random(396) < 0.5),
        id=pl.Series([f"r{i}" for i in range(396)]),
        constant=pl.lit("a"),
        tags=pl.Series([["x"]] * 396),
    )
    hit = (rows["day"] >= START + timedelta(days=20)) & (rows["price"] >= 80)
    rows = rows.with_columns(errors=pl.when(hit).then((pl.col("answers") * 0.5).cast(pl.Int64)).otherwise("errors"))
    found = bs.segments(rows, **ROLES, good=GOOD, bad=BAD)
    assert found.attributes == ("app", "country", "version", "price", "flag")
    assert any(one.where.get("price", "")[:1] in "789" for one in found.explanation)
    notes = " ".join(found.notes)
    assert "no plain values: tags" in notes
    assert "one value in these periods: constant" in notes
    assert "nearly every row has a value of its own: id" in notes


def test_a_missing_value_is_a_value():
    hit = (pl.col("day") >= START + timedelta(days=20)) & pl.col("country").is_null()
    rows = table(broken=False).with_columns(errors=pl.when(hit).then(pl.col("answers") // 3).otherwise("errors"))
    first = bs.segments(rows, **ROLES, good=GOOD, bad=BAD).segments[0]
    assert (first.where, first.condition) == ({"country": None}, "country is null")


def test_only_the_attributes_that_are_wanted():
    found = bs.segments(table(), **ROLES, good=GOOD, bad=BAD, attributes=["app"])
    assert (found.attributes, found.segments[0].where) == (("app",), {"app": "ios"})


def test_rows_without_counts_or_period_are_counted():
    rows = table(answers=pl.when(pl.int_range(pl.len()) < 7).then(None).otherwise("answers"))
    notes = bs.segments(rows, **ROLES, good="2026-03-01..2026-03-18", bad=BAD).notes
    assert "7 rows without numerator or denominator left out" in notes
    assert "36 rows in neither period" in notes


def test_a_ratio_that_is_no_share():
    rows = table().with_columns(errors=pl.col("errors") * 40.0)
    found = bs.segments(rows, **ROLES, good=GOOD, bad=BAD)
    assert not found.share
    assert found.segments[0].where == {"app": "ios", "country": "fr"}
    assert "points" not in found.to_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"numerator": "error"}, "no column 'error' (numerator); did you mean 'errors'?"),
        ({"attributes": ["ap"]}, "no column 'ap' (attribute 1); did you mean 'app'?"),
        ({"numerator": "app"}, "numerator 'app': expected counts or sums"),
        ({"numerator": "answers"}, "must be three columns"),
        ({"good": "2026-03-01"}, "--good: expected START..END"),
        ({"bad": "5..3"}, "--bad: expected a period that ends after it starts"),
        ({"bad": "2026-03-41..2026-03-42"}, "is not a date or time"),
        ({"bad": "2027-03-01..2027-03-02"}, "no rows of the current period"),
        ({"bad": "2026-03-20..2026-03-22"}, "the periods share 18 rows"),
        ({"attributes": ["day"]}, "no attribute to search"),
    ],
)
def test_what_cannot_be_done_is_one_line(change, words):
    with pytest.raises(BackslideError) as error:
        bs.segments(table(), **(ROLES | {"good": GOOD, "bad": BAD} | change))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_negative_counts_are_refused():
    with pytest.raises(BackslideError, match="'errors' holds −3"):
        bs.segments(table(errors=pl.lit(-3)), **ROLES, good=GOOD, bad=BAD)


def test_the_command_writes_every_form(tmp_path):
    table().write_csv(tmp_path / "counts.csv")
    ran = backslide(
        tmp_path,
        "segments",
        "counts.csv",
        *OPTIONS,
        "--good",
        GOOD,
        "--bad",
        BAD,
        "--json",
        "s.json",
        "--html",
        "s.html",
        "--md",
        "s.md",
    )
    assert ran.code == 0
    assert "app = 'ios' and country = 'fr'" in ran.out
    written = json.loads((tmp_path / "s.json").read_text())
    assert written["format"] == "backslide.segments/1"
    assert written["segments"][0]["where"] == {"app": "ios", "country": "fr"}
    jsonschema.validate(written, SegmentReport.json_schema())
    assert SegmentReport.from_dict(written) == bs.segments(
        tmp_path / "counts.csv", **ROLES, good=GOOD, bad=BAD
    ).model_copy(update={"source": "counts.csv"})
    assert "The change shared out" in (tmp_path / "s.html").read_text()
    assert "Segments that explain the change" in (tmp_path / "s.md").read_text()
    assert backslide(tmp_path, "report", "s.json").out == ran.out
    refused = backslide(tmp_path, "segments", "counts.csv", *OPTIONS, "--good", GOOD, "--bad", "2027-01-01..2027-01-02")
    assert refused.code == 2
    assert refused.err.count("\n") == 1


@pytest.mark.data
def test_real_incidents_name_what_experts_marked(real_data):
    rows = pl.read_parquet(real_data / "live_video_incidents.parquet")
    marks = pl.read_parquet(real_data / "live_video_incidents_causes.parquet").gather_every(6)
    exact = 0
    for incident, at, cause in marks.select("incident", "at", "cause").iter_rows():
        own = rows.filter(incident=incident).drop("incident")
        found = bs.segments(
            own,
            numerator="stalled",
            denominator="plays",
            time="time",
            good=f"{own['time'].min()}..{at - 1}",
            bad=f"{at}..{at}",
        )
        marked = json.loads(cause)
        marked = marked if isinstance(marked, list) else [marked]
        exact += bool(found.segments) and found.segments[0].where in [
            {k: str(v) for k, v in one.items()} for one in marked
        ]
    assert exact >= 10, f"{exact} of {len(marks)}"
