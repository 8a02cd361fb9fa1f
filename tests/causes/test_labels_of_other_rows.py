"""A text, or the labels, stand some places away from their rows, and no other column tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

import worlds
from backslide.causes.faults.row_lag import find_label_lag
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.diagnosis import Diagnosis
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

ROWS = 1600
ROLES = {
    "label": "topic",
    "prediction": "said",
    "scores": {"pay": "p_pay", "post": "p_post"},
    "timestamp": "at",
    "features": ["note"],
}
FILLERS = ["please", "today", "again", "my", "the", "order", "since", "about", "with", "it", "still", "not"]
WORDS = {"pay": ["invoice", "card", "charge", "refund"], "post": ["parcel", "courier", "address", "label"]}
Change = Callable[[pl.DataFrame], pl.DataFrame]


def notes(seed: int, first_day: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    topics = rng.choice(["pay", "post"], ROWS)
    # Of five words that speak of a topic one speaks of the other.
    texts = [
        " ".join(
            rng.permutation(
                [
                    *rng.choice(FILLERS, 7),
                    *(
                        str(rng.choice(WORDS[t if rng.random() < 0.8 else {"pay": "post", "post": "pay"}[t]]))
                        for _ in range(3)
                    ),
                ]
            )
        ).capitalize()
        + "."
        for t in topics
    ]
    days = np.sort(rng.random(ROWS)) * 20 + first_day
    at = [datetime(2026, 1, 1) + timedelta(days=float(d)) for d in days]
    return pl.DataFrame({"note": texts, "topic": topics, "at": at, "desk": rng.choice(["a", "b", "c"], ROWS)})


@cache
def model() -> Pipeline:
    past = notes(1, -30)
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(past["note"].to_list(), past["topic"].to_list())


def served(frame: pl.DataFrame) -> pl.DataFrame:
    p = model().predict_proba(frame["note"].to_list())
    said = model().classes_[p.argmax(axis=1)]
    return frame.with_columns(p_pay=pl.Series(p[:, 0]), p_post=pl.Series(p[:, 1]), said=pl.Series(said))


def found(change: Change, *, artefact: bool = True, after: Change = lambda frame: frame) -> Diagnosis:
    reference, current = served(notes(2, 0)), after(served(change(notes(3, 20))))
    return worlds.causes_of(Scenario(reference, current, ROLES, model() if artefact else None))


def shifted(column: str, places: int, where: pl.Expr | None = None) -> Change:
    moved = pl.col(column).shift(places).fill_null(strategy="backward").fill_null(strategy="forward")
    return lambda f: f.with_columns(
        (moved if where is None else pl.when(where).then(moved).otherwise(column)).alias(column)
    )


@pytest.mark.parametrize("artefact", [True, False])
def test_a_text_of_the_row_before(artefact: bool) -> None:
    cause = found(shifted("note", 2), artefact=artefact).causes[0]
    assert (cause.kind, cause.features) == (CauseKind.BROKEN_JOIN, ("note",))
    assert "2 places before" in cause.summary
    assert cause.points is not None
    assert cause.points.estimate == pytest.approx(-0.35, abs=0.08)


def test_labels_that_slipped_by_one_row_are_told_from_texts_that_did() -> None:
    cause = found(lambda f: f, after=shifted("topic", -1)).causes[0]
    assert cause.kind == CauseKind.BROKEN_JOIN
    assert cause.points is not None
    assert cause.points.estimate == pytest.approx(-0.35, abs=0.08)


def test_one_column_of_a_table_moved_on_all_rows_though_some_show_it_best() -> None:
    """Of customers through a branch the income says most, so their rows alone look wrong."""
    rng = np.random.default_rng(5)
    reference, current = scenarios.served(rng), scenarios.next_month(rng)
    shifted_income = current.with_columns(income=pl.col("income").shift(7).backward_fill())
    roles = dict(scenarios.ROLES) | {"features": ["income", "age", "channel", "premium"]}
    scenario = Scenario(reference, scenarios.rescored(shifted_income), roles, scenarios.TrueModel())
    cause = worlds.causes_of(scenario).causes[0]
    assert (cause.kind, cause.features, cause.segment) == (CauseKind.BROKEN_JOIN, ("income",), None)
    assert cause.share_of_rows == 1.0


def test_rows_of_one_desk_alone() -> None:
    cause = found(shifted("note", 2, pl.col("desk") == "b")).causes[0]
    assert (cause.kind, cause.features, cause.segment) == (CauseKind.BROKEN_JOIN, ("note",), "desk = 'b'")


def test_texts_of_any_rows_are_suspected() -> None:
    any_row = np.random.default_rng(4).permutation(ROWS)
    cause = found(lambda f: f.with_columns(f["note"][any_row])).causes[0]
    assert (cause.kind, cause.features, cause.confidence) == (CauseKind.BROKEN_JOIN, ("note",), Confidence.SUSPECTED)
    assert "or labels" in cause.summary


def test_texts_of_another_kind_and_labels_of_one_class_are_no_lost_relation() -> None:
    reference, current = served(notes(2, 0)), notes(3, 20)
    strange = pl.Series([f"Zupo rilka {i % 37} venta morsi kalu {i % 11} dreno" for i in range(ROWS)])
    any_row = np.random.default_rng(4).permutation(ROWS)
    shuffled = current.with_columns(current["note"][any_row])
    one_class = served(current).with_columns(topic=pl.lit("pay"))
    for frame, asked in (
        (served(shuffled), True),
        (served(shuffled.with_columns(pl.col("note") + " " + strange)), False),
        (one_class, False),
    ):
        case = worlds.case_of(Scenario(reference, frame, ROLES, model()))
        assert (find_label_lag(case) is not None) is asked


def test_texts_of_another_kind_are_no_join() -> None:
    other = pl.Series([f"Zupo rilka {i % 37} venta morsi kalu {i % 11} dreno." for i in range(ROWS)])
    diagnosis = found(
        lambda f: f.with_columns(pl.when(pl.col("desk") != "a").then(other).otherwise("note").alias("note"))
    )
    assert CauseKind.BROKEN_JOIN not in {c.kind for c in (*diagnosis.causes, *diagnosis.suspects)}


@pytest.mark.parametrize("turned", [0.3, 0.6])
def test_a_relation_that_turned_is_no_join(turned: float) -> None:
    def relabelled(frame: pl.DataFrame) -> pl.DataFrame:
        rows = pl.Series(np.random.default_rng(5).random(frame.height) < turned)
        other = pl.col("topic").replace({"pay": "post", "post": "pay"})
        return frame.with_columns(pl.when(rows).then(other).otherwise("topic").alias("topic"))

    diagnosis = found(relabelled)
    assert diagnosis.verdict == "degraded"
    assert CauseKind.BROKEN_JOIN not in {c.kind for c in diagnosis.causes}


def test_quiet_weeks_of_labels_that_follow_each_other_name_nothing() -> None:
    reference, current = (
        frame.sort(pl.col("topic").rle_id() % 2, maintain_order=True) for frame in (notes(2, 0), notes(3, 20))
    )
    blocks = [f.with_columns(pl.Series("at", sorted(f["at"]))) for f in (reference, current)]
    diagnosis = worlds.causes_of(Scenario(served(blocks[0]), served(blocks[1]), ROLES, model()))
    assert diagnosis.causes == ()
