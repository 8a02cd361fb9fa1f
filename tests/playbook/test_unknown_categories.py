"""Categories that an encoder does not know: told with their share in both windows, whether or not anything changed."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import worlds
from backslide.contracts.finding import Finding, Severity
from backslide.models.frame import to_pandas
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.integrity.unknown_categories import UnknownCategories

SILENT = {
    "ignored": OneHotEncoder(handle_unknown="ignore"),
    "taken for infrequent ones": OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.25),
    "mapped to -1": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
}


def found(shares: tuple[float, float], encoder: OneHotEncoder | OrdinalEncoder, rows: int = 3000) -> Finding | None:
    """What is told of the channel where so many rows of each window hold one that training did not."""
    rng = np.random.default_rng(5)
    train, *windows = (scenarios.served(rng, rows), scenarios.served(rng, rows), scenarios.next_month(rng, rows=rows))
    steps = make_column_transformer((encoder, ["channel"]), (StandardScaler(), ["income"]))
    model = make_pipeline(steps, LogisticRegression())
    model.fit(to_pandas(train.select("income", "channel")), train["label"].to_numpy())
    windows = [
        frame.with_columns(
            pl.when(pl.Series(rng.random(rows) < share)).then(pl.lit("kiosk")).otherwise("channel").alias("channel")
        )
        for frame, share in zip(windows, shares, strict=True)
    ]
    case = worlds.case_of(Scenario(*windows, dict(scenarios.ROLES), model, "channel"))
    return next(iter(UnknownCategories().run(case)), None)


@pytest.mark.parametrize("instead", SILENT)
def test_what_both_windows_lose_alike_is_a_note_with_both_shares(instead):
    finding = found((0.08, 0.08), SILENT[instead])
    assert finding.severity is Severity.NOTE
    assert finding.numbers["share before"] == pytest.approx(0.08, abs=0.02)
    assert finding.numbers["share now"] == pytest.approx(0.08, abs=0.02)
    assert "'kiosk'" in finding.summary
    assert instead in finding.summary


@pytest.mark.parametrize("instead", SILENT)
def test_a_share_that_grew_is_a_warning(instead):
    finding = found((0.02, 0.12), SILENT[instead])
    assert finding.severity is Severity.WARN
    assert finding.p_value < 1e-6
    assert finding.estimate.low < 0.1 < finding.estimate.high


def test_few_of_them_are_in_order_and_none_are_no_finding():
    assert found((0.003, 0.003), SILENT["ignored"]).severity is Severity.OK
    assert found((0.0, 0.0), SILENT["ignored"]) is None


def test_an_encoder_that_refuses_is_left_alone():
    assert found((0.08, 0.08), OneHotEncoder()) is None
