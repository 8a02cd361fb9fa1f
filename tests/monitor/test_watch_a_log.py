"""A recorder's log is watched like any table: labels with their times, corrections by reviewers as a stream of their own."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import backslide as bs
from backslide.contracts.config import Settings
from backslide.contracts.watch import Level
from backslide.jobs.watch import watch
from backslide.log.rollup import rollup

pytest.importorskip("deltalake")
START, DAYS, ROWS, BROKEN = datetime(2026, 1, 5), 70, 40, 56


@pytest.fixture(name="log", scope="module")
def _log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    rng = np.random.default_rng(3)
    with bs.Recorder("loans", store=folder / "log") as recorder:
        for day in range(DAYS):
            for i in range(ROWS):
                income = float(np.exp(rng.normal(3, 0.5)))
                paid = rng.random() < 1 / (1 + np.exp(-5 * (np.log(income) - 3)))
                seen = income / 12 if day >= BROKEN else income
                score = float(1 / (1 + np.exp(-5 * (np.log(seen) - 3))))
                said, at = ("paid" if score >= 0.5 else "default"), START + timedelta(days=day, minutes=30 * i)
                name = f"{day}-{i}"
                recorder.record(
                    {"income": seen}, said, {"paid": score, "default": 1 - score}, id=name, at=at, version="v1"
                )
                truth = "paid" if paid else "default"
                came = at + timedelta(hours=float(rng.exponential(20)))
                if rng.random() < 0.7:
                    recorder.correct(id=name, value=truth, at=came, by="ann")
                else:
                    recorder.label(id=name, value=truth, at=came)
        recorder.event("deploy v2", at=START + timedelta(days=BROKEN, hours=-1))
        recorder.event("holiday of the office", at=START + timedelta(days=10))
    rollup(folder / "log")
    return folder


def test_the_fault_is_raised_from_the_log(log: Path):
    last = (START + timedelta(days=41)).date()
    settings = Settings.from_dict(
        {
            "model": {
                "name": "loans",
                "label": "label",
                "prediction": "prediction",
                "timestamp": "at",
                "id": "id",
                "scores": {"paid": "p_paid", "default": "p_default"},
                "version": "version",
                "label_time": "label_at",
                "label_source": "label_source",
                "features": ["income"],
            },
            "data": {"source": "log"},
            "windows": {"reference": f"{START.date()}..{last}"},
            "watch": {"diagnose": False, "estimate": False, "faults": False},
        },
        base=log,
    )
    found = watch(settings, replay=True, as_of=START + timedelta(days=DAYS + 5))
    (alarm,) = [one for one in found.incidents if one.level == Level.ALARM]
    began = (datetime.fromisoformat(alarm.began) - START).days
    assert abs(began - BROKEN) <= 2  # forty rows a day do not tell the day
    raised = {m.stream for m in alarm.members}
    assert {"performance", "corrections"} <= raised
    assert found.labels.age >= 1
    assert found.labels.complete_through is not None
    assert alarm.events == (f"deploy v2 ({START + timedelta(days=BROKEN, hours=-1):%Y-%m-%d %H:%M})",)
    assert "at that time  deploy v2" in found.to_text()
