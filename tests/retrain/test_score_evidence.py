"""A gain that the Brier score shows: found where few labels hide it, and no more often than stated where there is none."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.contracts.gate import Gate
from backslide.jobs import gate as job
from backslide.retraining.gate import judge
from backslide.retraining.score_evidence import SHARE
from backslide.stats.simultaneous import TestFamily
from scale import most, runs

LEVEL, DAYS = 0.05, 20
MODEL = {
    "label": "label",
    "prediction": "prediction",
    "scores": {"yes": "p_yes"},
    "timestamp": "at",
    "features": ["x"],
    "metric": "accuracy",
}
SIDES = {side: {"prediction": side, "scores": {"yes": f"p_{side}"}} for side in ("old", "new")}


def answers(rng: np.random.Generator, chance: np.ndarray, sure: float, noise: float) -> np.ndarray:
    """Scores of a model that knows the chance up to ``noise`` and says it ``sure`` times as firmly."""
    logit = np.log(chance / (1 - chance)) * sure + rng.normal(0, noise, len(chance))
    return 1 / (1 + np.exp(-logit))


def rows_of(rng: np.random.Generator, rows: int, *, better: bool) -> pl.DataFrame:
    """What two models say on some days; where none is better, a coin decides each day which of them is the new one."""
    chance = np.clip(rng.beta(1.2, 1.2, rows), 0.02, 0.98)
    scores = [answers(rng, chance, 4.0, 3.0), answers(rng, chance, 1.0, 0.5)]
    day = np.arange(rows) * DAYS // rows
    turned = np.zeros(rows, bool) if better else (rng.random(DAYS) < 0.5)[day]
    old, new = np.where(turned, scores[::-1], scores)
    said = {side: np.where(p > 0.5, "yes", "no") for side, p in (("old", old), ("new", new))}
    return pl.DataFrame(
        {
            "label": np.where(rng.random(rows) < chance, "yes", "no"),
            **said,
            "p_old": old,
            "p_new": new,
            "prediction": said["old"],
            "p_yes": old,
            "x": np.ones(rows),
            "at": pl.Series(day * 86_400_000_000).cast(pl.Datetime("us")),
        }
    )


def gates(monkeypatch: pytest.MonkeyPatch, rows: pl.DataFrame, margin: float = 0.01) -> tuple[Gate, Gate]:
    """By the headline with what is left to it of the error rate, and by scores."""
    settings = Settings.from_dict({"model": MODEL, "shadow": SIDES, "gate": {"margin": margin, "class_margin": 1.0}})
    settings = settings.model_copy(update={"windows": settings.windows.model_copy(update={"current": rows})})
    found = []
    for how in ({"family": TestFamily(share=1 - SHARE)}, {"by_scores": SHARE * LEVEL}):
        monkeypatch.setattr(job, "judge", partial(judge, **how))
        found.append(job.gate(settings=settings))
    return found[0], found[1]


def test_scores_show_what_few_labels_hide_and_only_where_it_matters(monkeypatch: pytest.MonkeyPatch):
    by_headline = by_scores = 0
    for seed in range(8):
        rows = rows_of(np.random.default_rng(seed), 250, better=True)
        head, scored = gates(monkeypatch, rows)
        by_headline += bool(head.lines[0].passed)
        by_scores += bool(scored.lines[0].passed)
        gain = scored.lines[0].difference.estimate
        assert not scored.lines[0].passed or (gain >= 0.01 and "shown by the Brier score, 0." in scored.summary)
    assert gates(monkeypatch, rows, margin=0.5)[1].lines[0].passed is False
    assert by_scores >= by_headline + 2


@pytest.mark.rates
def test_of_equal_models_either_way_passes_as_seldom_as_stated(monkeypatch: pytest.MonkeyPatch):
    times = runs(8, 400)
    passed = 0
    for seed in range(times):
        both = gates(monkeypatch, rows_of(np.random.default_rng([seed, 1]), 400, better=False), margin=0.0)
        passed += any(found.lines[0].passed for found in both)
    print(f"either way passes in {passed} of {times}")
    assert passed <= most(times, LEVEL)
