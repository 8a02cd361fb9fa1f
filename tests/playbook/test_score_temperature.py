"""Temperature of the scores: right where it is known, with intervals that hold, and quiet where nothing moved."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.finding import Finding, Severity
from backslide.playbook.base import Scenario
from backslide.playbook.scenarios import START
from backslide.playbook.verify.temperature import ScoreTemperature
from backslide.stats.metrics.temperature import temperature, worth

KINDS = ("claim", "contract", "invoice", "lease", "memo")
LATER = START + timedelta(days=28)


def drawn(rng: np.random.Generator, rows: int, hot: float, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Labels as likely as scores say, then the scores sharpened ``hot`` times."""
    logits = rng.normal(0, 1.5, (rows, classes))
    chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (chance.cumsum(1) > rng.random((rows, 1))).argmax(1)
    sharp = chance**hot
    return sharp / sharp.sum(1, keepdims=True), labels


def window(rng: np.random.Generator, start: object, rows: int = 1500, hot: float = 1.0) -> pl.DataFrame:
    scores, labels = drawn(rng, rows, hot)
    kinds = np.array(KINDS, object)
    return pl.DataFrame(
        {
            "label": kinds[labels],
            "prediction": kinds[scores.argmax(1)],
            "at": [start + timedelta(seconds=float(s)) for s in np.sort(rng.random(rows)) * 28 * 86400],
            **{f"p_{kind}": scores[:, k] for k, kind in enumerate(KINDS)},
        }
    )


def told(reference: pl.DataFrame, current: pl.DataFrame) -> Finding:
    roles = {"label": "label", "prediction": "prediction", "timestamp": "at", "scores": {k: f"p_{k}" for k in KINDS}}
    return next(
        iter(ScoreTemperature(ScoreTemperature.thresholds).run(worlds.case_of(Scenario(reference, current, roles))))
    )


@pytest.mark.parametrize("hot", [0.6, 1.0, 1.7])
def test_the_temperature_is_the_one_by_which_scores_were_sharpened(hot: float):
    scores, labels = drawn(np.random.default_rng(1), 40_000, hot)
    fitted = temperature(scores, labels)
    assert fitted is not None
    assert fitted.value == pytest.approx(hot, rel=0.03)
    assert fitted.log_rows.mean() == pytest.approx(np.log(fitted.value), abs=1e-6)


def test_what_scores_tell_nothing_of_or_everything_has_no_temperature():
    labels = np.arange(300) % 3
    assert temperature(np.full((300, 3), 1 / 3), labels) is None
    assert temperature(np.eye(3)[labels] * 0.9 + 0.05, labels) is None
    assert temperature(np.empty((0, 3)), np.empty(0, np.int64)) is None


def test_a_score_is_worth_less_at_a_higher_temperature():
    assert worth(0.9, 1.0) == pytest.approx(0.9)
    assert worth(0.9, 1.4) == pytest.approx(0.828, abs=0.001)


def test_overconfidence_is_a_warning_and_its_end_a_note():
    rng = np.random.default_rng(2)
    found = told(window(rng, START), window(rng, LATER, hot=1.6))
    assert found.severity is Severity.WARN
    assert "overconfident" in found.summary
    assert found.numbers["current_low"] <= 1.6 <= found.numbers["current_high"]
    assert told(window(rng, START, hot=1.6), window(rng, LATER)).severity is Severity.NOTE


def test_labels_that_have_no_score_do_not_count():
    rng = np.random.default_rng(3)
    current = window(rng, LATER)
    fresh = pl.Series(rng.random(current.height) < 0.2)
    current = current.with_columns(label=pl.when(fresh).then(pl.lit("new")).otherwise("label"))
    assert told(window(rng, START), current).severity is Severity.OK


@pytest.mark.slow
def test_quiet_pairs_stay_quiet_and_intervals_hold():
    rng = np.random.default_rng(4)
    said = inside = 0
    for _ in range(80):
        found = told(window(rng, START, 600), window(rng, LATER, 600))
        said += found.severity is not Severity.OK
        inside += found.numbers["current_low"] <= 1 <= found.numbers["current_high"]
    assert said <= 2, f"{said} of 80; 0.5 % are stated, and more than 2 have a chance of 0.8 %"
    assert inside >= 69, f"{inside} of 80 intervals of 95 % hold; fewer than 69 have a chance of 0.3 %"
