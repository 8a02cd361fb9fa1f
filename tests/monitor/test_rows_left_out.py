"""What has an order is read among rows that were neighbours, though fault readings look at a sample of the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backslide.case import Case
from backslide.causes.columns.lags import Delay
from backslide.contracts.config import Settings
from backslide.jobs.watch import watch
from backslide.monitor import fault_readings
from backslide.store.memory import Book
from streams_of_logs import REFERENCE, config, moment, served

FEATURES = {"features": ["income", "age", "branch", "number"]}
DAYS = 3


def numbered(columns: dict[str, Any]) -> None:
    """Rows count through, for the test alone."""
    columns["client"] = np.arange(len(columns["day"]))


def log(folder: Path, rows: int) -> Settings:
    frame = served(3, REFERENCE + DAYS, rows=rows, change=numbered).rename({"client": "number"})
    return config(folder, frame, watch={"faults": True}, model=FEATURES)


@pytest.mark.parametrize(("reference_rows", "period_rows"), [(5000, 5000), (100_000, 150), (5000, 150)])
def test_the_row_before_is_the_one_that_came_before(tmp_path, monkeypatch, reference_rows, period_rows):
    """Of 8,400 rows of the reference 5,000 are sampled, and of the 200 of a day all, or 150."""
    monkeypatch.setattr(fault_readings, "REFERENCE_ROWS", reference_rows)
    monkeypatch.setattr(fault_readings, "PERIOD_ROWS", period_rows)
    cases: list[Case] = []
    monkeypatch.setattr(fault_readings, "screen", lambda case: cases.append(case) or [])
    watch(log(tmp_path, 200), as_of=moment(DAYS, 6), book=Book(), deliver=False)
    looked_at = [0, 0]
    for case in cases:
        for i, side in enumerate(case.sides):
            number = side.sample["number"].to_numpy()
            assert side.complete == (len(number) == number[-1] - number[0] + 1)
            for lag in (1, 3):
                source = Delay(rows=lag).sources(case, side)
                assert source is not None
                there = source >= 0
                assert (number[there] - number[source[there]] == lag).all()
                looked_at[i] += int(there.sum())
    assert min(looked_at) > 400


def test_rows_of_a_part_keep_their_places(tmp_path, monkeypatch):
    cases: list[Case] = []
    monkeypatch.setattr(fault_readings, "screen", lambda case: cases.append(case) or [])
    watch(log(tmp_path, 200), as_of=moment(1, 6), book=Book(), deliver=False)
    window, problem = cases[-1].reference.window, cases[-1].problem
    part = window.where(pl.col("branch") == "a", problem)
    assert window.places is not None
    assert part.places is not None
    chosen = window.raw.collect()["branch"] == "a"
    assert part.places.tolist() == window.places[chosen.to_numpy()].tolist()
    assert part.rows == len(part.places)


def cached(columns: dict[str, Any]) -> None:
    """After the reference a third of the incomes are those of the row before."""
    numbered(columns)
    hit = (columns["day"] >= REFERENCE) & (columns["rng"].random(len(columns["day"])) < 1 / 3)
    columns["income"] = np.where(hit, np.roll(columns["income"], 1), columns["income"])


def customers(columns: dict[str, Any]) -> None:
    """Each income comes in a fifth of the cases once more, before the reference and after."""
    numbered(columns)
    hit = columns["rng"].random(len(columns["day"])) < 0.2
    columns["income"] = np.where(hit, np.roll(columns["income"], 1), columns["income"])


@pytest.mark.parametrize(("change", "names"), [(cached, {"income"}), (customers, set())])
def test_values_of_the_row_before_are_held_against_neighbours(tmp_path, change, names):
    """Of 16,800 rows of the reference 5,000 are sampled, of which three in ten have their row before."""
    frame = served(5, REFERENCE + DAYS, rows=400, change=change).drop("client")
    settings = config(tmp_path, frame, watch={"faults": True}, model={"features": ["income", "age", "branch"]})
    book = Book()
    watch(settings, as_of=moment(DAYS, 6), book=book, deliver=False)
    after = {n: one for n, one in book.periods("faults").items() if n >= min(book.periods("inputs"))}
    found = {(f["kind"], *f["features"]) for one in after.values() for f in one.get("faults", [])}
    assert len(after) == DAYS - 1
    assert found == {("stale_values", name) for name in names}
