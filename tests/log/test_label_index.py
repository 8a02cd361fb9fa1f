"""Labels that came on later days, read day by day: the same as read at once, whether they are kept in memory or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from backslide.contracts.roles import Roles
from backslide.log import label_index
from backslide.log.ingest import ingest
from backslide.log.reading import open_log

BEGUN = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 6


@pytest.fixture(name="log")
def _log(tmp_path: Path):
    rng = np.random.default_rng(0)
    roles = Roles(id="id", timestamp="at", prediction="said", label="label", label_time="label_at", features=("x",))
    rows = 200
    at = [BEGUN + timedelta(days=int(d), seconds=k) for k, d in enumerate(np.sort(rng.integers(0, DAYS, rows)))]
    for turn in range(2):  # half of the labels are told a second time, and may be others
        frame = pl.DataFrame(
            {
                "id": [f"r-{k}" for k in range(rows)],
                "at": at,
                "x": np.arange(rows) * 1.0,
                "said": rng.choice(["yes", "no"], rows),
                "label": rng.choice(["yes", "no", None], rows),
                "label_at": [t + timedelta(days=float(d)) for t, d in zip(at, rng.exponential(2, rows), strict=True)],
            }
        )
        ingest(frame[:: turn + 1].lazy(), tmp_path / "log", "m", roles)
    return open_log(tmp_path / "log")


@pytest.mark.parametrize("kept", [0, 10_000])
def test_day_by_day_as_at_once(log, kept: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(label_index, "KEPT", kept)
    days = [BEGUN + timedelta(days=k) for k in range(DAYS)]
    parts = [log.predictions(since=day, until=day + timedelta(days=1)).collect() for day in days]
    whole = log.predictions().sort("id").collect()
    assert whole["label"].null_count() < whole.height
    assert_frame_equal(pl.concat(parts).sort("id"), whole)
    assert (log._index._labels is not None) == (kept > 0)


def test_labels_are_kept_from_the_second_question_on_or_where_the_first_needs_most_of_them(log, tmp_path: Path):
    last = BEGUN + timedelta(days=DAYS - 1)
    answers = []
    for kept in (False, True):
        answers.append(log.predictions(since=last).collect().sort("id"))
        assert (log._index._labels is not None) == kept
    assert_frame_equal(*answers)
    other = open_log(tmp_path / "log")
    assert other.predictions(since=BEGUN).collect().height > answers[0].height
    assert other._index._labels is not None


def once(folder: Path, order: np.ndarray) -> None:
    """Half of the predictions with a label each, which came in that order."""
    roles = Roles(id="id", timestamp="at", prediction="said", label="label", label_time="label_at", features=("x",))
    at = [BEGUN + timedelta(days=int(k) * DAYS // len(order), seconds=int(k)) for k in order]
    frame = pl.DataFrame({"id": [f"r-{k}" for k in order], "at": at, "x": order * 1.0})
    frame = frame.with_columns(
        said=pl.lit("yes"),
        label=pl.when(pl.col("x") % 2 == 0).then(pl.format("is {}", pl.col("x").cast(pl.Int64))),
        label_at=pl.col("at") + pl.duration(hours=pl.col("x") % 70),
    )
    for part in (frame[::3], frame[1::3], frame[2::3]):
        ingest(part.lazy(), folder, "m", roles)


def test_single_labels_stand_beside_their_rows_without_a_join(tmp_path: Path):
    once(tmp_path / "log", np.random.default_rng(1).permutation(300))
    log = open_log(tmp_path / "log")
    days = [BEGUN + timedelta(days=k) for k in range(DAYS)]
    lazy = [log.predictions(since=day, until=day + timedelta(days=1)) for day in days]
    assert not any("JOIN" in part.explain() for part in lazy[1:])
    parts = pl.concat([part.collect() for part in lazy])
    assert_frame_equal(parts.sort("id"), log.predictions().collect().sort("id"))
    even = parts["x"] % 2 == 0
    assert (parts["label"].is_not_null() == even).all()
    told = parts.filter(even).select(pl.format("is {}", pl.col("x").cast(pl.Int64)) == pl.col("label")).to_series()
    assert told.all()
    some = lazy[2].filter(pl.col("label") == parts.filter(even)["label"][-1]).select("id", "label")
    assert some.collect().height == 0
    streamed = pl.concat(lazy[2].collect_batches(chunk_size=7, maintain_order=True, engine="streaming"))
    assert_frame_equal(streamed, lazy[2].collect())


def test_ids_of_equal_digests_are_told_apart(tmp_path: Path):
    once(tmp_path / "log", np.arange(60))
    log = open_log(tmp_path / "log")
    day = (BEGUN, BEGUN + timedelta(days=1))
    asked = log.predictions(since=day[0], until=day[1]).collect()
    index = log._index
    assert index.aligned(asked["id"]) is not None or index.of(asked["id"]) is not None
    labelled = index.aligned(asked["id"])
    assert labelled is not None
    index._labels = index._labels.with_columns(id=pl.col("id") + "?")
    assert index.aligned(asked["id"]) is None, "a label of another id is not taken for theirs"


def test_an_id_with_several_labels_is_left_to_the_join(log):
    day = log.predictions(since=BEGUN, until=BEGUN + timedelta(days=DAYS)).collect()
    assert log._index.aligned(day["id"]) is None
    assert day["id"].n_unique() == day.height
