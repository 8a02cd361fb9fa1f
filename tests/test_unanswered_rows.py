"""Rows that the model gives no answer to: a metric of the others does not fall, and the model got worse all the same."""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

import backslide as bs
from backslide.contracts.cause import CauseKind
from backslide.contracts.diagnosis import Verdict

ROWS = 800


def rows(rng: np.random.Generator) -> pl.DataFrame:
    x = rng.normal(size=(ROWS, 2))
    return pl.DataFrame(
        {"income": x[:, 0], "age": x[:, 1], "label": (x.sum(1) + rng.normal(size=ROWS) > 0).astype(int)}
    )


def served(frame: pl.DataFrame, model: LogisticRegression) -> pl.DataFrame:
    """With its answers, none to rows without an income."""
    known = frame["income"].is_not_null()
    answers = model.predict(frame.select("income", "age").fill_null(0).to_numpy())
    return frame.with_columns(prediction=pl.when(known).then(pl.Series(answers)).otherwise(None))


def test_lost_values_that_leave_rows_without_an_answer_make_the_model_worse():
    rng = np.random.default_rng(0)
    model = LogisticRegression()
    training = rows(rng)
    model.fit(training.select("income", "age").to_numpy(), training["label"].to_numpy())
    reference, current = served(rows(rng), model), rows(rng)
    lost = current.with_columns(income=pl.when(pl.Series(rng.random(ROWS) < 0.3)).then(None).otherwise("income"))
    diagnosis = bs.diagnose(
        reference,
        served(lost, model),
        roles=bs.Roles(label="label", prediction="prediction", features=["income", "age"]),
        reference_model=model,
        quick=True,
    )
    assert diagnosis.verdict == Verdict.DEGRADED
    first = diagnosis.causes[0]
    assert (first.kind, first.features) == (CauseKind.MISSING_VALUES, ("income",))
    assert first.points is not None
    assert first.points.estimate < -0.15, "as many points as rows that nobody answers"
    assert "no answer to" in diagnosis.summary
    quiet = bs.diagnose(
        reference,
        served(current, model),
        roles=bs.Roles(label="label", prediction="prediction", features=["income", "age"]),
        reference_model=model,
        quick=True,
    )
    assert not quiet.verdict.bad
    assert "no answer to" not in quiet.summary
