"""Fixed rows asked again: quiet while the same model answers, an alarm that says that the model moved and not the world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.watch import Level, WatchReport
from backslide.jobs.watch import watch
from backslide.monitor.canary import CanaryWatch
from backslide.monitor.detect import Rules
from backslide.store.memory import Book
from streams_of_logs import REFERENCE, config, moment, served

MODEL = """
import json, pathlib
import numpy as np
import pandas as pd
def score(frame):  # what answers behind the address may change at any time
    slope, noise = json.loads((pathlib.Path(__file__).parent / "deployed.json").read_text())
    z = slope * (np.log(frame["income"].to_numpy()) - 3) + (frame["age"].to_numpy() - 40) / 10
    z = z + np.random.default_rng().normal(0, noise, len(z))
    p = 1 / (1 + np.exp(-z))
    return pd.DataFrame({"default": 1 - p, "paid": p})
"""
RULES = Rules(0.1, 1.0, 365.25, recover_after=3)


def deployed(folder: Path, slope: float = 2.4, noise: float = 0.0) -> None:
    (folder / "serving.py").write_text(MODEL, encoding="utf-8")
    (folder / "deployed.json").write_text(f"[{slope}, {noise}]", encoding="utf-8")


def settings_for(folder: Path) -> Settings:
    canary = {"canary": {"model": "serving.py:score"}}
    return config(folder, served(81, REFERENCE + 12, rows=60), watch=canary, artifacts={"trusted": True})


def looks(folder: Path, settings: Settings, days: tuple[int, ...], book: Book) -> WatchReport:
    return [watch(settings, as_of=moment(day, 6), book=book) for day in days][-1]


def test_another_model_behind_the_same_address_is_told_at_the_next_look(tmp_path: Path):
    deployed(tmp_path)
    settings, book = settings_for(tmp_path), Book()
    quiet = looks(tmp_path, settings, (5, 6), book)
    assert quiet.status == Level.QUIET
    canary = next(one for one in quiet.streams if one.name == "canary")
    assert (canary.periods, canary.latest.value if canary.latest else None) == (2, 0.0)
    assert np.isclose(sum(one.share_of_budget for one in quiet.streams), 1.0)
    deployed(tmp_path, slope=1.2)
    found = looks(tmp_path, settings, (7,), book)
    assert found.alarmed
    (one,) = found.incidents
    assert one.members[0].kind == "canary"
    assert "the model moved, not the world" in one.sentence
    assert "accuracy on them" in one.sentence
    assert not any(member.kind == "performance" for member in one.members)


def test_a_model_that_never_says_the_same_twice_has_its_own_noise(tmp_path: Path):
    deployed(tmp_path, noise=0.3)
    settings, book = settings_for(tmp_path), Book()
    assert looks(tmp_path, settings, (5, 6, 7, 8), book).status == Level.QUIET
    deployed(tmp_path, slope=-2.4, noise=0.3)
    assert looks(tmp_path, settings, (9,), book).alarmed


def test_the_canary_needs_a_model(tmp_path: Path):
    settings = config(tmp_path, served(81, REFERENCE + 12, rows=60), watch={"canary": {}})
    with pytest.raises(ConfigError, match="needs a model"):
        watch(settings, as_of=moment(5, 6), book=Book())


@pytest.mark.parametrize("years", [10, pytest.param(300, marks=pytest.mark.slow)])
def test_false_alarms_of_the_canary_keep_its_share(years: int):
    """Years of answers of a model with its own noise: 0.005 a year are promised."""
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(years):
        q = rng.uniform(0, 0.2)
        first = {"rows": 200, "noise": int(rng.binomial(200, q)), "level": None, "asked": "then", "answers": {}}
        later = {n: {"moved": int(m), "answered": 200, "level": None} for n, m in enumerate(rng.binomial(200, q, 365))}
        alarms += len(CanaryWatch(first, later).track(RULES, "accuracy", share=True).raised)
    assert alarms <= max(1, 0.015 * years)
