"""Watched rows are read as a diagnosis reads them, and what was read is said."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.contracts.watch_settings import WatchSettings
from backslide.jobs.watch import settings_key
from backslide.monitor.periods import PeriodGrid
from backslide.monitor.rows import SERVED, open_both, open_rows

DAYS = [datetime(2026, 3, 1, 12) + timedelta(hours=6 * k) for k in range(4 * 61)]


def settings(folder, reference, **model):
    told = {"label": "label", "prediction": "prediction", "timestamp": "at"} | model
    sections = {"model": told, "data": {"source": "log.csv"}, "windows": {"reference": reference}}
    return Settings.from_dict(sections, base=folder)


@pytest.mark.parametrize("reference", ["2026-03-01..2026-03-31", "march.csv"])
def test_times_with_the_month_first_are_watched_as_what_they_are(reference, tmp_path):
    table = pl.DataFrame(
        {
            "at": [t.strftime("%m/%d/%Y %H:%M") for t in DAYS],
            "x": range(len(DAYS)),
            "label": ["a", "b"] * 122,
            "prediction": ["a", "b"] * 122,
        }
    )
    table.write_csv(tmp_path / "log.csv", separator=";")
    march = sum(t.month == 3 for t in DAYS)
    table[:march].write_csv(tmp_path / "march.csv", separator=";")
    grid = PeriodGrid.of(WatchSettings())
    rows = open_rows(settings(tmp_path, reference), grid, datetime(2026, 4, 20))
    assert rows.later.select(SERVED).collect()[SERVED].to_list() == [
        t for t in DAYS[march:] if t < datetime(2026, 4, 20)
    ]
    notes = open_both(rows).notes
    assert any("read month first" in note for note in notes)
    assert any("separated by semicolons" in note for note in notes)


def test_how_files_are_written_is_part_of_what_makes_periods_comparable(tmp_path):
    plain = settings_key(settings(tmp_path, "march.csv"))
    assert "written" not in plain
    assert not {"timestamp_format", "timestamp_zone"} & set(plain["model"])
    assert settings_key(settings(tmp_path, "march.csv", timestamp_format="mdy"))["written"] == {
        "timestamp_format": "mdy"
    }
