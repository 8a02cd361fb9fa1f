"""How often the gate calls an equally good challenger superior, on real answers of two models.

Each day a coin decides which of two real models is called the champion, so neither is better.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from backslide.contracts.config import Settings
from backslide.jobs.gate import gate
from backslide.models.frame import to_pandas
from real import test_shadow_null_pairs as pairs
from real import worlds
from scale import AT_FULL_SIZE, runs

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.rates]
RESAMPLINGS = runs(40, 300)
HIGHEST = 0.08 if AT_FULL_SIZE else 0.15
DAYS = 20


def settings_for(pair: pairs.Pair) -> Settings:
    """The gate between columns ``old`` and ``new``, without materiality: any gain that is shown counts."""
    rows = {"y": pair.labels, "old": pair.answers[0], "new": pair.answers[1], "day": pair.days}
    table = pl.DataFrame({k: v.astype(float) if v.dtype.kind == "f" else v for k, v in rows.items()})
    at = pl.col("day").cast(pl.Int64) * 86_400_000_000
    classes = pair.scores is not None
    if classes:
        table = table.with_columns(pl.col("y", "old", "new").cast(pl.String))
    table = table.with_columns(at=at.cast(pl.Datetime("us")), prediction=pl.col("old"), x=pl.lit(1.0))
    model = {"label": "y", "prediction": "prediction", "timestamp": "at", "features": ["x"]}
    model |= {"metric": "accuracy"} if classes else {"task": "regression"}
    settings = Settings.from_dict(
        {
            "model": model,
            "gate": {"margin": 0.0, "class_margin": 0.0},
            "shadow": {"old": {"prediction": "old"}, "new": {"prediction": "new"}},
        }
    )
    return settings.model_copy(update={"windows": settings.windows.model_copy(update={"current": table})})


@pytest.mark.parametrize("make", [pairs.electricity, pairs.taxi])
def test_an_equal_challenger_is_seldom_called_superior(make):
    whole, rng = make(), np.random.default_rng(23)
    every = np.unique(whole.days)
    superior = held = 0
    for _ in range(RESAMPLINGS):
        start = int(rng.integers(0, len(every) - DAYS))
        pair = whole.take(np.flatnonzero(np.isin(whole.days, every[start : start + DAYS])))
        coin = rng.random(DAYS)[np.unique(pair.days, return_inverse=True)[1]] < 0.5
        found = gate(settings=settings_for(pair.exchanged(coin)))
        superior += bool(found.lines[0].passed)
        held += any(line.kind == "class" and line.passed is False for line in found.lines)
    upper = float(stats.beta.ppf(0.95, superior + 1, RESAMPLINGS - superior))
    print(
        f"{make.__name__}: superior in {superior} of {RESAMPLINGS}, upper 95 % bound {upper:.3f}; class held in {held}"
    )
    assert upper <= HIGHEST, f"{superior} of {RESAMPLINGS}"
    assert held <= stats.binom.ppf(0.995, RESAMPLINGS, 0.05), f"held for a class in {held} of {RESAMPLINGS}"


def test_a_better_model_that_forgot_a_topic_is_held_and_names_it():
    """The challenger learned from all articles, but from hardly any of one rare topic."""
    rows = worlds.table("reuters_news").with_columns(pl.col("published_at").cast(pl.Datetime("us")))
    early, late = rows[:2600], rows[2600:6600]
    rare = early["topic"].value_counts().sort("count")["topic"][1]
    champion, challenger = worlds.TextModel("body"), worlds.TextModel("body")
    champion.fit(to_pandas(early[:900].select("body")), early[:900]["topic"].to_numpy())
    kept = early.filter((pl.col("topic") != rare) | (pl.int_range(pl.len()) % 40 == 0))
    challenger.fit(to_pandas(kept.select("body")), kept["topic"].to_numpy())
    texts = to_pandas(late.select("body"))
    log = late.select("topic", "body", "published_at").with_columns(
        old=pl.Series(champion.predict(texts).astype(str)), new=pl.Series(challenger.predict(texts).astype(str))
    )
    log = log.with_columns(prediction=pl.col("old"))
    model = {
        "label": "topic",
        "prediction": "prediction",
        "timestamp": "published_at",
        "features": ["body"],
        "metric": "accuracy",
    }
    settings = Settings.from_dict(
        {"model": model, "shadow": {"old": {"prediction": "old"}, "new": {"prediction": "new"}}}
    )
    windows = settings.windows.model_copy(update={"current": log})
    found = gate(settings=settings.model_copy(update={"windows": windows}))
    print(rare, found.summary)
    assert found.lines[0].passed, found.summary
    assert found.verdict == "hold"
    assert rare in [line.name for line in found.failed]
    assert rare in found.summary or len(found.failed) > 1
