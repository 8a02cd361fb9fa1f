"""Tables of counts: ``[model] weight`` reads them as the rows that they were; segments are those of ``backslide segments``."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import backslide as bs
import worlds
from backslide.case import Case
from backslide.contracts.config import Settings
from backslide.contracts.errors import BackslideError
from backslide.contracts.finding import Severity
from backslide.engine.sources.weighted_rows import open_weighted
from backslide.engine.window import open_windows
from backslide.playbook.verify.slices import AutomaticSegments, telling_slice
from test_segments_job import BAD, GOOD, ROLES, table

MODEL = {"label": "label", "prediction": "answer", "timestamp": "day", "metric": "accuracy"}
BROKEN_FROM = pl.datetime(2026, 3, 21)


def counted(counts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both windows of a table of errors and answers, as outcomes with their number of rows."""
    right = pl.col("answers") - pl.col("errors")
    parts = [counts.with_columns(n=n, label=pl.lit(label)) for n, label in ((pl.col("errors"), "no"), (right, "yes"))]
    rows = pl.concat(parts).drop("errors", "answers").with_columns(answer=pl.lit("yes"))
    return rows.filter(pl.col("day") < BROKEN_FROM), rows.filter(pl.col("day") >= BROKEN_FROM)


def repeated(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that a table of counts stands for."""
    return rows[np.repeat(np.arange(rows.height), rows["n"].to_numpy())].drop("n")


def case_of(windows, **model):
    settings = Settings.from_dict({"model": MODEL | {"weight": "n"} | model})
    return Case(open_windows(*windows, settings), settings)


def searched(windows):
    return list(AutomaticSegments().run(case_of(windows)))


def test_counts_are_the_rows_that_they_stand_for():
    windows = counted(table())
    by_counts = case_of(windows)
    by_rows = case_of(map(repeated, windows), weight=None)
    for side, other in zip(by_counts.sides, by_rows.sides, strict=True):
        assert (side.window.rows, side.window.labelled) == (other.window.rows, other.window.labelled)
        assert side.sample.drop("n").equals(other.sample)
    assert by_counts.change(by_counts.metric) == by_rows.change(by_rows.metric)
    assert "n" not in by_counts.problem.features
    assert any("rows of Polars DataFrame stand for 54,105 predictions, by 'n'" in note for note in by_counts.notes)


def test_the_segment_is_that_of_the_segment_search():
    first = bs.segments(table(), **ROLES, good=GOOD, bad=BAD).segments[0]
    case = case_of(counted(table()))
    (found,) = AutomaticSegments().run(case)
    assert found.subject == first.condition == "app = 'ios' and country = 'fr'"
    assert found.severity == Severity.WARN
    assert found.numbers["contribution"] == pytest.approx(-first.points.estimate)
    assert found.numbers["rows_current"] == first.denominators[1]
    assert found.estimate.low < -0.29 < found.estimate.high
    assert "as counts" in found.basis
    assert telling_slice(case) == (first.condition, ("app", "country"))


@pytest.mark.parametrize("seed", range(3))
def test_quiet_counts_and_a_drop_that_is_the_same_everywhere_have_no_segment(seed):
    quiet = table(seed, broken=False)
    (found,) = searched(counted(quiet))
    assert found.severity == Severity.OK
    more = (pl.col("answers") * 0.08).cast(pl.Int64) * (pl.col("day") >= BROKEN_FROM)
    (found,) = searched(counted(quiet.with_columns(errors=pl.col("errors") + more)))
    assert found.severity == Severity.OK


def test_a_log_of_few_combinations_is_searched_by_counts_and_one_of_numbers_is_not():
    windows = [repeated(rows) for rows in counted(table())]
    assert "as counts" in searched_rows(windows)[0].basis
    rng = np.random.default_rng(0)
    free = [rows.with_columns(amount=pl.Series(rng.normal(size=rows.height))) for rows in windows]
    assert "as counts" not in searched_rows(free)[0].basis


def searched_rows(windows):
    return list(AutomaticSegments().run(case_of(windows, weight=None)))


def test_a_table_of_counts_is_diagnosed():
    windows = counted(table())
    settings = Settings.from_dict({"model": MODEL | {"weight": "n"}})
    found = bs.diagnose(*windows, settings=settings, quick=True)
    assert worlds.failures(found) == []
    assert found.verdict == "degraded"
    assert (found.inputs.rows.reference, found.inputs.rows.current) == (54_105, 5_355)
    assert not [c for c in (*found.causes, *found.harmless) if c.kind == "duplicated_rows"]  # equal rows were added up


def test_rows_are_repeated_in_order_whatever_is_asked_of_them():
    rows = pl.DataFrame({"x": list(range(6)), "n": [2, 0, 70_000, 1, 0, 140_001], "t": list("abcdef")})
    expected = rows[np.repeat(np.arange(6), rows["n"])]
    notes = []
    frame = open_weighted(rows, Settings.from_dict({"model": {"weight": "n"}}), notes)
    assert notes == ["6 rows of Polars DataFrame stand for 210,004 predictions, by 'n'"]
    for engine in ("streaming", "in-memory"):
        assert frame.collect(engine=engine).equals(expected)
        assert frame.select("x").collect(engine=engine).equals(expected.select("x"))
        assert frame.head(70_003).collect(engine=engine).equals(expected.head(70_003))
        assert frame.filter(pl.col("t") == "d").collect(engine=engine).equals(expected.filter(pl.col("t") == "d"))
        assert frame.select(pl.len()).collect(engine=engine).item() == 210_004
    empty = open_weighted(rows.with_columns(n=0), Settings.from_dict({"model": {"weight": "n"}}))
    assert empty.collect().equals(rows.clear())


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ([1, 2.5], "expected whole numbers from 0 on in each row of Polars DataFrame, found 2.5 (1 such row)"),
        ([1, -3], "found \u22123 (1 such row)"),
        ([None, 1], "found no value (1 such row)"),
        (["1", "2"], "expected counts of rows, found String"),
        ([10**9, 1], "stands for 1,000,000,001 predictions by its column 'n', more than the 500,000,000"),
    ],
)
def test_weights_that_are_no_counts_are_refused(weight, said):
    rows = pl.DataFrame({"label": ["a", "b"], "answer": ["a", "a"], "x": [1, 2], "n": weight}, strict=False)
    settings = Settings.from_dict({"model": {"label": "label", "prediction": "answer", "weight": "n"}})
    with pytest.raises(BackslideError) as refusal:
        open_windows(rows, rows, settings)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_column_of_weights_that_is_not_there_names_the_nearest():
    rows = pl.DataFrame({"label": ["a"], "answer": ["a"], "counts": [1]})
    settings = Settings.from_dict({"model": {"label": "label", "prediction": "answer", "weight": "count"}})
    with pytest.raises(BackslideError, match=r"has no column 'count' .*did you mean 'counts'"):
        open_windows(rows, rows, settings)
