"""Labels that cannot carry a verdict, and what the first lines say about classes that are new, gone or no longer labelled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.diagnosis import Diagnosis, Verdict
from backslide.contracts.finding import Outcome, Status
from backslide.jobs.verdict import judge
from backslide.playbook.base import Scenario
from backslide.playbook.verify.label_coverage import sentences, undecided
from backslide.playbook.verify.label_values import LabelValues

BARE = {k: v for k, v in worlds.BARE.items() if k != "scores"}
Change = Callable[[pl.DataFrame], pl.DataFrame]


@cache
def months() -> tuple[pl.DataFrame, pl.DataFrame]:
    return worlds.two_months(np.random.default_rng(4), 1500)


def only(column: str, value: str) -> Change:
    """Labels for the rows with one value alone."""
    return lambda f: f.with_columns(label=pl.when(pl.col(column) == value).then("label"))


def some(share: float, label: str | None) -> Change:
    """Another label (or none) on a share of the rows."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        hit = pl.Series(np.random.default_rng(7).random(frame.height) < share)
        return frame.with_columns(label=pl.when(hit).then(pl.lit(label)).otherwise("label"))

    return change


def as_is(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def case(before: Change, after: Change, **roles: object):
    return worlds.case_of(Scenario(before(months()[0]), after(months()[1]), BARE | roles))


PARTIAL = [
    (as_is, only("label", "yes"), "every label of the current window is 'yes'"),
    (as_is, only("label", "no"), "every label of the current window is 'no'"),
    (only("label", "yes"), as_is, "every label of the reference window is 'yes'"),
    (only("label", "yes"), only("label", "yes"), "every label of both windows is 'yes'"),
    (as_is, only("prediction", "yes"), "only rows predicted 'yes' are labelled"),
]


@pytest.mark.parametrize(("before", "after", "words"), PARTIAL)
def test_labels_of_one_kind_carry_no_verdict(before, after, words):
    found = case(before, after)
    judged = judge(found)
    assert judged.verdict == Verdict.INCONCLUSIVE
    assert judged.needs_proof
    assert judged.change is None
    assert judged.caveats[0].startswith(words)


SOUND = [
    (as_is, as_is),
    (as_is, some(0.8, None)),
    (only("prediction", "yes"), only("prediction", "yes")),
    (as_is, lambda f: f.filter(pl.col("label") == f["label"][0]).head(3)),
]


@pytest.mark.parametrize(("before", "after"), SOUND)
def test_other_labels_do(before, after):
    assert undecided(case(before, after)) == ""


SAID = [
    (as_is, some(0.1, "disputed"), "Label 'disputed' is new"),
    (some(0.1, "disputed"), as_is, "Label 'disputed' is gone"),
    (
        as_is,
        lambda f: some(0.1, "disputed")(f).with_columns(served_at=pl.col("served_at").max()),
        "Label 'disputed' is new",
    ),
    (as_is, some(0.8, None), "Labels are missing or still to come"),
    (as_is, lambda f: f.with_columns(label=pl.when(pl.int_range(pl.len()) < 500).then("label")), ", none after "),
]


@pytest.mark.parametrize(("before", "after", "words"), SAID)
def test_what_happened_to_the_labels_is_said(before, after, words):
    after_all = after(months()[1].sort("served_at"))
    found = worlds.case_of(Scenario(before(months()[0]), after_all, BARE | {"task": "multiclass"}))
    check = LabelValues(None)
    asked = Outcome(
        code=check.code, title=check.title, step=check.step, status=Status.RAN, findings=tuple(check.run(found))
    )
    told = sentences(found, (asked,))
    assert len(told) == 1
    assert words in told[0]


def diagnosed(after: Change, **options: object) -> Diagnosis:
    return worlds.diagnosis_of(Scenario(months()[0], after(months()[1]), BARE), **options)


def test_one_class_stands_in_the_headline_and_nothing_is_confident():
    found = diagnosed(only("label", "yes"))
    assert found.verdict == Verdict.INCONCLUSIVE
    assert found.metric.change is None
    assert found.summary.startswith("Inconclusive: every label of the current window is 'yes'")
    assert found.causes == ()


def test_a_new_class_stands_in_the_summary_and_first_among_the_warnings():
    found = diagnosed(some(0.1, "disputed"), task="multiclass")
    assert "Label 'disputed' is new" in found.summary
    assert found.warnings[0].startswith("Label 'disputed' is new")
    assert sum("disputed" in warning for warning in found.warnings) == 1


@pytest.mark.slow
def test_quiet_months_say_nothing_of_labels():
    rng = np.random.default_rng(11)
    for _ in range(30):
        first, second = worlds.two_months(rng, 400)
        found = worlds.case_of(Scenario(first, second, BARE))
        assert undecided(found) == ""
        assert sentences(found, ()) == ()
