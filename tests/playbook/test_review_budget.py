"""What a review budget catches: counted by hand, at its error rate, and without labels."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

import worlds
from backslide.contracts.finding import Severity
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.verify.review_budget import BUDGET, Queue, ReviewBudget
from scale import runs


def found(reference: pl.DataFrame, current: pl.DataFrame, roles=scenarios.ROLES):
    case = worlds.case_of(Scenario(reference, current, dict(roles)))
    return {f.subject: f for f in ReviewBudget().run(case)}


@pytest.mark.parametrize("distinct", [7, 100_000])
@pytest.mark.parametrize("budget", [0.0, 0.05, 0.1, 0.37, 1.0])
def test_what_passes_is_what_is_left_when_the_least_sure_are_taken_out(distinct, budget):
    rng = np.random.default_rng(3)
    confidence = 0.5 + rng.integers(0, distinct, 1000) / (2 * distinct)
    wrong = (rng.random(1000) > confidence).astype(float)
    queue = Queue(confidence, wrong, None)
    assert queue.accepted(budget).mean() == pytest.approx(1 - budget)
    # By hand: rows at the threshold are taken out at random, so their errors count with the share that stays.
    left, take = 0.0, round(budget * 1000)
    for value in np.unique(confidence):
        rows = confidence == value
        out = min(take, int(rows.sum()))
        take -= out
        left += wrong[rows].sum() * (1 - out / rows.sum())
    assert queue.missed(budget) == pytest.approx(left / 1000, abs=1e-12)
    assert queue.missed_rows(budget).mean() == pytest.approx(queue.missed(budget), abs=1e-12)


def test_the_error_of_what_passes_counts_the_threshold_in():
    """Standard deviation over many samples against the one that the row values foretell."""
    rng = np.random.default_rng(4)
    values, foretold = [], []
    for _ in range(600):
        confidence = 0.5 + 0.5 * rng.beta(2, 1, 1000)
        queue = Queue(confidence, (rng.random(1000) > confidence).astype(float), None)
        values.append(queue.missed(BUDGET))
        foretold.append(queue.missed_rows(BUDGET).std() / np.sqrt(1000))
    assert np.mean(foretold) == pytest.approx(np.std(values), rel=0.1)


def test_more_errors_pass_and_the_budget_that_holds_the_old_rate_is_told():
    rng = np.random.default_rng(5)
    findings = found(scenarios.served(rng, 6000), scenarios.next_month(rng, rows=6000, flip=0.1))
    missed = findings["missed errors"]
    assert missed.severity is Severity.WARN
    assert missed.numbers["times"] > 1.3
    assert missed.numbers["budget_needed_low"] > BUDGET
    assert "to hold the old rate review" in missed.summary
    needed = missed.numbers["budget_needed"]
    assert missed.numbers["budget_needed_low"] < needed < missed.numbers["budget_needed_high"]
    assert findings["under the old threshold"].severity is Severity.OK


def test_a_less_confident_model_fills_the_queue_without_labels():
    rng = np.random.default_rng(6)
    current = scenarios.next_month(rng, rows=4000, sharpness=0.6).with_columns(label=pl.lit(None, pl.String))
    findings = found(scenarios.served(rng, 4000), current)
    assert set(findings) == {"under the old threshold"}
    below = findings["under the old threshold"]
    assert below.severity is Severity.WARN
    assert below.estimate.low > 0.03


@pytest.mark.slow
@pytest.mark.rates
def test_quiet_reports_show_it_at_most_once_in_a_hundred():
    shown, reports = 0, runs(80, 200)
    for seed in range(reports):
        rng = np.random.default_rng(1000 + seed)
        findings = found(scenarios.served(rng, 1500), scenarios.next_month(rng, rows=1500))
        shown += any(f.severity is not Severity.OK for f in findings.values())
    assert shown <= binom.ppf(0.999, reports, 0.01)
