"""Windows of a few rows, and labels in one window only: nothing impossible is said, and what is known is not left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest

import backslide as bs
from backslide.contracts.config import Settings
from backslide.playbook import scenarios
from backslide.stats.metrics.metric import METRICS


def diagnosed(reference: pl.DataFrame, current: pl.DataFrame, *, quick: bool = False, **model: object) -> bs.Diagnosis:
    settings = Settings.from_dict({"model": {**scenarios.ROLES, **model}})
    return bs.diagnose(reference, current, settings=settings, quick=quick)


@pytest.fixture(scope="module")
def months() -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(1)
    return scenarios.served(rng), scenarios.next_month(rng)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


def largest(subject: str) -> float:
    return 2.0 if subject == "matthews" else 1.0


@pytest.mark.sample(4)
@pytest.mark.parametrize("rows", [(1, 1), (2, 2), (3, 40), (5, 5), (8, 8), (30, 30)], ids=str)
@pytest.mark.parametrize("timed", [True, False])
def test_no_interval_leaves_what_the_metric_can_do(months, rows, timed):
    reference, current = (month.sample(n, seed=3) for month, n in zip(months, rows, strict=True))
    diagnosis = diagnosed(reference, current, **({} if timed else {"timestamp": None}))
    change = diagnosis.metric.change
    assert change is not None
    assert -1 <= change.low <= change.estimate <= change.high <= 1
    for outcome in diagnosis.checks:
        for finding in outcome.findings:
            if finding.unit not in ("points", "share") or finding.estimate is None:
                continue
            held = [finding.estimate.low, finding.estimate.high, finding.detectable]
            assert all(abs(v) <= largest(finding.subject) for v in held if v is not None), finding.key
    assert diagnosis.detectable.estimate is None or diagnosis.detectable.estimate < 1
    texts = [diagnosis.to_text(), *strings(json.loads(diagnosis.to_json()))]
    assert not [t for t in texts if re.search(r"\b(nan|inf)\b", t, re.I)]


def test_where_nothing_could_be_seen_it_is_said(months):
    diagnosis = diagnosed(months[0][:2], months[1][:2])
    assert diagnosis.detectable.estimate is None
    assert diagnosis.detectable.note.startswith("with these rows no change of accuracy would have been seen")


@pytest.mark.sample(1)
@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss", "matthews"])
@pytest.mark.parametrize("labelled", ["reference", "current"])
def test_the_metric_of_the_labelled_window_is_known(months, metric, labelled):
    both = diagnosed(*months, metric=metric, quick=True).metric
    sides = [
        month if name == labelled else month.with_columns(label=pl.lit(None, pl.String))
        for name, month in zip(("reference", "current"), months, strict=True)
    ]
    diagnosis = diagnosed(*sides, metric=metric, quick=True)
    found = {"reference": diagnosis.metric.reference, "current": diagnosis.metric.current}
    assert found.pop(labelled) == pytest.approx(getattr(both, labelled), rel=1e-12)
    assert list(found.values()) == [None]
    assert diagnosis.metric.change is None
    assert diagnosis.verdict == "inconclusive"


def test_no_cause_is_said_to_have_failed_where_none_was_looked_for(months):
    reference, current = (month[:150] for month in months)
    wrong = pl.when(pl.col("label") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    diagnosis = diagnosed(reference, current.with_columns(label=wrong))
    assert diagnosis.verdict == "degraded"
    assert not diagnosis.causes
    said = "No cause was looked for: that takes 200 rows in each window, and the reference window has 150 and the current window"
    assert said in diagnosis.summary
    assert (
        said in diagnosis.to_text().replace("\n", " ").replace("  ", "")
        or "No cause was looked for" in diagnosis.to_text()
    )
    assert "stood up" not in diagnosis.decision.reason


@pytest.mark.parametrize(
    "metric", ["log_loss", *(pytest.param(m, marks=pytest.mark.slow) for m in ("macro_f1", "balanced_accuracy"))]
)
def test_no_sentence_calls_a_metric_by_its_key(months, metric):
    reference, current = months
    worse = scenarios.rescored(current.with_columns(pl.col("income") * 12))
    diagnosis = diagnosed(reference, worse, metric=metric)
    said = [diagnosis.summary, diagnosis.decision.reason, diagnosis.detectable.note, *diagnosis.warnings]
    said += [cause.summary for cause in (*diagnosis.causes, *diagnosis.harmless)]
    for outcome in diagnosis.checks:
        for finding in outcome.findings:
            said.append(finding.summary)
            said += [text for e in finding.evidence for text in (e.title, e.reading)]
    keys = [name for name in (*METRICS, "expected_cost") if "_" in name]
    assert not [text for text in said if any(key in text for key in keys)]
