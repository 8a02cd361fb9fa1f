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
