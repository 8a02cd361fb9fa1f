"""Labels that one window alone has: told when beyond chance, with the days as units."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.finding import Severity
from backslide.playbook.base import Scenario
from backslide.playbook.verify.label_values import SHOWN, LabelValues

ROLES = {"label": "label", "prediction": "prediction", "timestamp": "at", "task": "multiclass"}


def month(
    rng: np.random.Generator, labels: list[str], shares: np.ndarray, rows: int, first: datetime, days: int = 28
) -> pl.DataFrame:
    when = [first + timedelta(days=float(d)) for d in rng.uniform(0, days, rows)]
    label = rng.choice(labels, rows, p=shares / shares.sum()).tolist()
    return pl.DataFrame(
        {"at": when, "x": rng.normal(size=rows), "label": label, "prediction": rng.permutation(label).tolist()}
    )


def findings(reference: pl.DataFrame, current: pl.DataFrame):
    return list(LabelValues(None).run(worlds.case_of(Scenario(reference, current, ROLES))))


def both(rng: np.random.Generator, labels: list[str], shares: np.ndarray, rows: int = 1500):
    return (month(rng, labels, shares, rows, datetime(2026, m, 1)) for m in (3, 4))


@pytest.mark.slow
def test_rare_labels_come_and_go_without_a_word_in_two_hundred_quiet_pairs():
    rng = np.random.default_rng(1)
    labels = [f"c{k:02d}" for k in range(60)]
    shares = 1 / (1 + np.arange(60.0)) ** 2
    said = 0
    for _ in range(200):
        reference, current = both(rng, labels, shares, 600)
        said += any(f.severity is not Severity.OK for f in findings(reference, current))
    assert said <= 5, f"{said} of 200; 0.5 % are stated, more than 5 have a chance of 0.1 %"


def test_a_label_of_one_busy_day_is_no_new_label():
    rng = np.random.default_rng(2)
    reference, current = both(rng, ["a", "b", "c"], np.ones(3))
    one_day = (pl.col("at").dt.date() == datetime(2026, 4, 9).date()) & (pl.col("label") == "a")
    current = current.with_columns(label=pl.when(one_day).then(pl.lit("odd")).otherwise("label"))
    assert "odd" in current["label"].to_list()
    assert [f.severity for f in findings(reference, current)] == [Severity.OK]


def test_new_and_gone_are_told_with_rows_and_days():
    rng = np.random.default_rng(3)
    reference, current = both(rng, ["a", "b", "c"], np.array([5.0, 4, 1]))
    late = pl.col("at") > datetime(2026, 4, 11)
    current = current.with_columns(
        label=pl.when(pl.col("label") == "c")
        .then(pl.lit("a"))
        .when(late & (pl.col("x") > 1))
        .then(pl.lit("fresh"))
        .otherwise("label")
    )
    told = {f.subject: f for f in findings(reference, current)}
    assert set(told) == {"c", "fresh"}
    assert told["fresh"].severity is Severity.WARN
    assert told["fresh"].since == "2026-04-11"
    assert "is new since 2026-04-11" in told["fresh"].summary
    assert "never predicted" in told["fresh"].summary
    assert "is gone: none now" in told["c"].summary
    assert "rows are still predicted so" in told["c"].summary


def test_many_of_them_are_folded():
    rng = np.random.default_rng(4)
    reference, current = both(rng, [f"c{k:02d}" for k in range(30)], np.ones(30), 3000)
    renamed = pl.when(pl.col("label") < "c20").then("n" + pl.col("label")).otherwise("label")
    told = findings(reference, current.with_columns(label=renamed))
    assert len(told) == SHOWN + 1
    assert told[-1].subject == "other labels"
    assert told[-1].numbers["labels"] == 40 - SHOWN


def test_without_days_rows_decide():
    rng = np.random.default_rng(5)
    reference, current = (frame.drop("at") for frame in both(rng, ["a", "b", "c"], np.ones(3)))
    current = current.with_columns(
        label=pl.when((pl.col("label") == "a") & (pl.col("x") > 1)).then(pl.lit("n")).otherwise("label")
    )
    roles = {k: v for k, v in ROLES.items() if k != "timestamp"}
    told = list(LabelValues(None).run(worlds.case_of(Scenario(reference, current, roles))))
    assert [f.subject for f in told] == ["n"]
