"""Rows to label: drawn with the probabilities that are written beside them, so that what they tell is true of all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backslide as bs
from backslide.contracts.errors import LogError
from backslide.log.label_sample import draw, inclusion, read_answers, share, systematic, take_back, uncertainty
from backslide.log.reading import open_log
from backslide.log.rollup import rollup
from commands import backslide

pytest.importorskip("deltalake")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 60), st.integers(0, 2**32))
def test_probabilities_sum_to_the_rows_and_the_draw_has_as_many(sizes, rows, seed):
    size = np.array(sizes)
    rows = min(rows, len(size))
    chance = inclusion(size, rows)
    assert chance.sum() == pytest.approx(rows)
    assert chance.min() >= min(0.5 * rows / len(size), 1) * (1 - 1e-9)
    assert chance.max() <= 1
    drawn = systematic(chance, np.random.default_rng(seed))
    assert len(drawn) == len(set(drawn)) == rows
    assert set(np.flatnonzero(chance >= 1)) <= set(drawn)


def test_rows_are_drawn_as_often_as_is_said():
    rng = np.random.default_rng(5)
    chance = inclusion(rng.random(40) ** 3, 10)
    draws = 4000
    times = np.bincount(np.concatenate([systematic(chance, rng) for _ in range(draws)]), minlength=40)
    spread = np.sqrt(chance * (1 - chance) / draws)
    assert np.all(np.abs(times / draws - chance) < 5 * spread + 1e-12)


def test_what_is_drawn_tells_of_all_rows_and_more_than_a_simple_draw():
    """Errors stand where scores are near one half: drawn rows alone say too many, weighted they do not."""
    rng = np.random.default_rng(6)
    score = rng.beta(0.5, 0.5, size=20_000)
    top = np.maximum(score, 1 - score)
    right = (rng.random(len(top)) < top).astype(float)
    truth = right.mean()
    chance = inclusion(uncertainty(np.column_stack([score, 1 - score])), 200)
    means, plain, simple, held = [], [], [], []
    for _ in range(600):
        drawn = systematic(chance, rng)
        mean, low, high = share(right[drawn], chance[drawn])
        means.append(mean)
        held.append(low <= truth <= high)
        plain.append(right[drawn].mean())
        simple.append(right[rng.choice(len(right), 200, replace=False)].mean())
    assert abs(np.mean(means) - truth) < 4 * np.std(means) / np.sqrt(600) + 0.001
    assert np.mean(plain) < truth - 0.02
    assert np.std(means) < np.std(simple)
    assert 0.92 <= np.mean(held) <= 0.99


def test_uncertainty_of_odd_scores():
    assert uncertainty(np.empty((3, 0))).tolist() == [1, 1, 1]
    one = uncertainty(np.array([[0.5], [0.0], [1.0], [np.nan]]))
    assert one.tolist() == [0.5, 0, 0, 0]
    many = uncertainty(np.array([[0.5, 0.5, 0], [1, 0, 0], [np.nan, np.nan, np.nan], [0.6, np.nan, 0.4]]))
    assert many[0] == 0.5
    assert many[1] == 0
    assert many[2] == np.median(many[[0, 1, 3]])


def filled(store: Path, rows: int = 300) -> None:
    rng = np.random.default_rng(7)
    with bs.Recorder("m", store=store) as recorder:
        for k in range(rows):
            score = float(rng.random())
            recorder.record(
                {"x": k, "v": [1.0, 2.0]},
                "a" if score > 0.5 else "b",
                {"a": score, "b": 1 - score},
                id=f"r-{k}",
                at=datetime(2026, 3, 1 + k // 20, tzinfo=UTC),
            )
            if k < 50:
                recorder.label(f"r-{k}", "a")
    rollup(store)


def test_labels_go_out_and_come_back(tmp_path: Path):
    filled(tmp_path)
    table = draw(open_log(tmp_path), 60, seed=3)
    assert table.columns[:6] == ["id", "at", "prediction", "label", "inclusion", "of_rows"]
    assert {"x", "v", "p_a"} <= set(table.columns)
    assert table["of_rows"].unique().to_list() == [250]
    assert not set(table["id"]) & {f"r-{k}" for k in range(50)}
    assert table.equals(draw(open_log(tmp_path), 60, seed=3))
    unsure = (table["p_a"] - 0.5).abs().mean()
    assert unsure is not None
    assert unsure < 0.25
    answers = table.select(
        "id", "inclusion", "of_rows", label=pl.when(pl.col("x") % 4 > 0).then("prediction").otherwise(None)
    )
    done = take_back(open_log(tmp_path), answers, by="Ada")
    assert done.labelled == done.added == answers["label"].count()
    assert done.right == (1.0, pytest.approx(0.9, abs=0.06), pytest.approx(1.0))
    again = take_back(open_log(tmp_path), answers, by="Ada")
    assert (again.labelled, again.added) == (done.labelled, 0)
    put_right = answers.drop_nulls().head(2).with_columns(label=pl.lit("b"))
    changed = take_back(open_log(tmp_path), put_right).added
    assert changed == int((answers.drop_nulls().head(2)["label"] == "a").sum())
    labels = open_log(tmp_path).labels().filter(pl.col("source") == "drawn").collect()
    assert labels.height == done.added + changed
    assert labels["inclusion"].null_count() == 0
    assert set(labels["by"].drop_nulls()) == {"Ada"}
    rows = open_log(tmp_path).predictions().collect()
    assert set(rows.filter(pl.col("id").is_in(put_right["id"].implode()))["label"]) == {"b"}
    late = draw(open_log(tmp_path), 1000, since=pl.col("at") >= datetime(2026, 3, 15, tzinfo=UTC))
    assert set(late["inclusion"]) == {1.0}


def test_late_labels_come_from_a_table_for_what_was_served(tmp_path: Path):
    filled(tmp_path / "log")
    outcomes = pl.DataFrame({"id": ["r-60", "r-61", "elsewhere"], "label": [True, None, False]})
    outcomes.write_parquet(tmp_path / "outcomes.parquet")
    name = open_log(tmp_path / "log").name
    for added in ("1 label", "0 labels"):
        done = backslide(tmp_path, "log", "label", "outcomes.parquet")
        assert done.code == 0, done.err
        assert done.out.startswith(f"{name}: {added} added; 1 of 2 rows")
        assert f"left out: 1 row of ids that are not in the log of {name!r}" in done.err
    found = open_log(tmp_path / "log").labels().filter(pl.col("source") == "table").collect()
    assert found.select("id", "value").rows() == [("r-60", "true")]
    outcomes.rename({"label": "outcome"}).write_parquet(tmp_path / "other.parquet")
    refused = backslide(tmp_path, "log", "label", "other.parquet")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "'label' is missing" in refused.err


def test_numbers_come_back_as_numbers(tmp_path: Path):
    with bs.Recorder("m", store=tmp_path) as recorder:
        for k in range(10):
            recorder.record({"x": k}, 1.5 * k, id=f"r-{k}")
    rollup(tmp_path)
    table = draw(open_log(tmp_path), 4)
    assert table["inclusion"].to_list() == pytest.approx([0.4] * 4)
    done = take_back(open_log(tmp_path), table.with_columns(label=pl.lit("2.0")))
    assert (done.added, done.right) == (4, None)
    assert open_log(tmp_path).predictions().collect()["label"].drop_nulls().to_list() == [2.0] * 4
    with pytest.raises(LogError, match="so labels must be; got 'two'"):
        take_back(open_log(tmp_path), table.with_columns(label=pl.lit("two")))
    with pytest.raises(LogError, match="at least 1 row"):
        draw(open_log(tmp_path), 0)
    with pytest.raises(LogError, match="waits for a label"):
        draw(open_log(tmp_path), 5, since=pl.lit(False))


def test_files_of_answers(tmp_path: Path):
    file = tmp_path / "answers.csv"
    file.write_text("\ufeffid;label;note\nr-1; a ;x\nr-2;;y\n", encoding="utf-8")
    assert read_answers(file).rows() == [("r-1", "a"), ("r-2", None)]
    file.write_text("id,answer\nr-1,a\n")
    with pytest.raises(LogError, match="'label' is missing"):
        read_answers(file)
    with pytest.raises(LogError, match="cannot be read"):
        read_answers(tmp_path / "none.csv")


def test_corrections_are_labels_and_feedback_of_their_own(tmp_path: Path):
    filled(tmp_path, rows=60)
    with bs.Recorder("m", store=tmp_path) as recorder:
        assert recorder.correct("r-55", "b", at=datetime(2027, 1, 1, tzinfo=UTC), by="Ada")
        assert recorder.correct("r-55", "a", at=datetime(2027, 1, 2, tzinfo=UTC))
        assert recorder.correct("unknown", "a")
        assert recorder.label("r-55", "late but older", at=datetime(2026, 6, 1, tzinfo=UTC))
    rollup(tmp_path)
    log = open_log(tmp_path)
    given = log.corrections().collect()
    mine = given.filter(pl.col("id") == "r-55")
    assert mine["value"].to_list() == ["b", "a"]
    assert mine["by"].to_list() == ["Ada", None]
    assert sorted(mine["changed"].to_list()) == [False, True]
    assert given.filter(pl.col("id") == "unknown")["prediction"].to_list() == [None]
    row = log.predictions().filter(pl.col("id") == "r-55").collect().to_dicts()[0]
    assert (row["label"], row["label_source"]) == ("a", "review")
    history = log.labels().filter(pl.col("id") == "r-55").collect()
    assert (history.height, history["recorded"].null_count()) == (3, 0)
