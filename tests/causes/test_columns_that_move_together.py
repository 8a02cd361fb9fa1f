"""Columns that hang together and move together are one group: what each of them costs cannot be told apart."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.cause import CauseKind
from backslide.playbook.base import Scenario


@pytest.mark.sample(1)
@pytest.mark.parametrize("tied", [True, False])
def test_a_covariate_shift_says_which_columns_are_one_group(tied):
    rng = np.random.default_rng(3)
    made = worlds.covariate_shift(rng)

    def with_wage(frame: pl.DataFrame) -> pl.DataFrame:
        near = frame["income"] if tied else frame["income"].shuffle(seed=1)
        return frame.with_columns(wage=near * pl.Series(np.exp(rng.normal(0, 0.02, frame.height))))

    model = {**made.model, "features": [*made.model["features"], "wage"]}
    diagnosis = worlds.causes_of(Scenario(with_wage(made.reference), with_wage(made.current), model))
    first = diagnosis.causes[0]
    assert first.kind is CauseKind.COVARIATE_SHIFT
    assert "income" in first.features
    assert ("wage" in first.features) == tied
    assert ("hang together and moved together" in first.summary) == tied
