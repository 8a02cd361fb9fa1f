"""Tables of very many columns: what the decomposition looks at is chosen, and said."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.concept.decomposition import headline_split
from backslide.playbook.concept.screen import WIDE, left_by_screen

NOISE = 90


def widened(frame: pl.DataFrame, rng: np.random.Generator, moved: float = 0.0) -> pl.DataFrame:
    """With columns that say nothing; the last of them is shifted by ``moved``."""
    more = {f"n{i:02}": rng.normal(moved if i == NOISE - 1 else 0.0, 1, frame.height) for i in range(NOISE)}
    return frame.with_columns(**{name: pl.Series(values) for name, values in more.items()})


@pytest.fixture(scope="module")
def wide() -> Scenario:
    rng = np.random.default_rng(3)
    reference, current = worlds.two_months(rng, 1500)
    roles = {k: v for k, v in scenarios.ROLES.items() if k != "features"}
    return Scenario(widened(reference, rng), widened(current, rng, moved=1.0), roles, None)


def test_a_table_of_few_columns_is_looked_at_whole():
    case = worlds.case_of(scenarios.quiet(np.random.default_rng(1)))
    assert left_by_screen(case) == ()
    assert not [note for note in case.notes if "features:" in note]


def test_what_moved_and_what_goes_with_errors_is_kept_and_the_choice_is_said(wide):
    case = worlds.case_of(wide)
    left = left_by_screen(case)
    assert len(case.pairs) - len(left) == WIDE
    assert f"n{NOISE - 1}" not in left, "it moved by a standard deviation"
    assert "income" not in left, "errors are made where the income is middling"
    assert [note for note in case.notes if f"{len(case.pairs)} features" in note and str(WIDE) in note]
    again = worlds.case_of(wide)
    assert left_by_screen(again) == left


@pytest.mark.slow
def test_the_split_of_a_wide_table_adds_up(wide):
    case = worlds.case_of(wide)
    parts = headline_split(case)
    change = case.change(case.metric).estimate
    assert parts is not None
    assert parts.inputs.value + parts.relation.value == pytest.approx(change, abs=1e-9)
