"""The sample of rows that an incident is about."""

from __future__ import annotations

from types import SimpleNamespace

import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.monitor.rows import SERVED
from backslide.server.pages import incident


@pytest.mark.parametrize("total", [7, 119, 1000])
def test_rows_spread_over_the_whole_stretch_in_order_of_time(monkeypatch, total):
    day = pl.datetime_range(pl.datetime(2026, 3, 1), pl.datetime(2026, 3, 30), interval="1m", eager=True)[:total]
    frame = pl.LazyFrame({"at": day, SERVED: day}).reverse()
    monkeypatch.setattr(incident, "open_rows", lambda *_: SimpleNamespace(later=frame))
    monkeypatch.setattr(incident, "between", lambda opened, *_: opened)
    settings = Settings.from_dict({"model": {"timestamp": "at"}})
    sample = incident.rows_concerned(settings, {"began": "2026-03-01", "closed": None}, None)
    assert (sample.trouble, sample.total) == ("", total)
    moments = [line[0] for line in sample.lines]
    assert moments == sorted(moments)
    assert min(total, 30) <= len(moments) <= incident.MOST_ROWS
    assert moments[-1] == f"{day[-1]:%Y-%m-%d %H:%M}"


def test_one_page_reads_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(incident, "PATIENCE_SECONDS", 0.0)
    with incident.READING:
        assert (
            "another page" in incident.rows_concerned(Settings(), {"began": "2026-03-01", "closed": None}, None).trouble
        )
