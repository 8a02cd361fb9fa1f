"""Watching a deployed model's own log: the dormitory months raise, the rest of three years does not."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.contracts.watch import Level
from backslide.jobs.watch import watch

pytestmark = [pytest.mark.data, pytest.mark.slow]
DORMITORIES = {"rows 135001 to 140000", "rows 140001 to 145000"}


@pytest.fixture(name="settings", scope="module")
def _settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("census")
    frame = pl.read_parquet(Path(os.environ["BACKSLIDE_DATA"]) / "census_employment_ma.parquet")
    for name in ("reference", "analysis"):
        frame.filter(pl.col("period") == name).write_parquet(folder / f"{name}.parquet")
    aside = ("id", "employed", "prediction", "predicted_probability", "period", "year")
    return Settings.from_dict(
        {
            "model": {
                "name": "employment",
                "label": "employed",
                "prediction": "prediction",
                "id": "id",
                "scores": {"1": "predicted_probability"},
                "features": [c for c in frame.columns if c not in aside],
            },
            "windows": {"reference": "reference.parquet", "current": "analysis.parquet"},
            "watch": {"period": "5000 rows", "faults": False},  # data faults of new rows have tests of their own
        },
        base=folder,
    )


def test_the_dormitories_raise_and_the_rest_does_not(settings: Settings):
    found = watch(settings, replay=True)
    (alarm,) = [one for one in found.incidents if one.level == Level.ALARM]
    assert alarm.raised in DORMITORIES
    assert alarm.began in DORMITORIES
    assert not alarm.open
    raised = {m.raised for m in alarm.members if m.level == Level.ALARM}
    assert raised <= DORMITORIES
    assert any(m.kind == "performance" for m in alarm.members)
    assert alarm.diagnosis is not None
    assert {"relp", "agep"} <= set(alarm.diagnosis.features)
    first = alarm.sentence.split(". ")
    assert "relp" in " ".join(first[:2])
    assert found.status == Level.QUIET
