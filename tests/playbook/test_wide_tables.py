"""Tables of very many columns: what the decomposition looks at is chosen, and said."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.association import tied_columns
from backslide.causes.faults.markers import levels_of_columns
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario
from backslide.playbook.concept.decomposition import headline_split
from backslide.playbook.concept.screen import WIDE, left_by_screen
from backslide.playbook.explain import shap_values
from backslide.playbook.explain.methods import Methods
from backslide.playbook.explain.shap_values import Inside, owners

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


def test_marks_are_read_of_columns_that_are_no_features_and_of_those_kept(wide, monkeypatch):
    rows = wide.reference.height
    codes = [pl.Series(name, np.arange(rows) % 7) for name in ("host", *(f"n{i:02}" for i in range(NOISE - 1)))]
    frames = [frame.with_columns(codes) for frame in (wide.reference, wide.current)]
    features = [column for column in wide.current.columns if column.startswith("n")] + list(worlds.FEATURES)
    case = worlds.case_of(Scenario(*frames, wide.model | {"features": features}))
    left = set(left_by_screen(case))
    assert left & {levels.column for levels in levels_of_columns(case)}, "as far as columns are not very many"
    monkeypatch.setattr("backslide.causes.faults.markers.VERY_WIDE", 50)
    read = {levels.column for levels in levels_of_columns(case)}
    assert "host" in read
    assert not left & read
    assert [note for note in case.notes if "marks of faulty rows" in note]


def test_columns_that_go_with_no_other_are_told_from_those_that_do():
    rng = np.random.default_rng(8)
    frames = []
    for frame in worlds.two_months(rng, 1200):
        echo = pl.Series("echo", np.log(frame["income"].to_numpy()) + rng.normal(0, 0.2, frame.height))
        frames.append(widened(frame, rng).with_columns(echo))
    roles = {k: v for k, v in scenarios.ROLES.items() if k != "features"}
    case = worlds.case_of(Scenario(*frames, roles, None))
    assert tied_columns(case, ["income", "echo", "n01", "n02"]) == {"income", "echo"}


def _sums_of_pairs(frame: pl.DataFrame) -> np.ndarray:
    """Each column, one that is nothing, and the sum of the first and the last."""
    values = frame.to_numpy()
    return np.column_stack([values, np.zeros(len(values)), values[:, 0] + values[:, -1]])


@pytest.mark.parametrize("width", [61, 130])
def test_inputs_are_traced_to_their_columns_in_groups(width, monkeypatch):
    rng = np.random.default_rng(2)
    frame = pl.DataFrame({f"c{i}": rng.normal(size=100) for i in range(width)})
    trials = []

    def transform(rows: pl.DataFrame) -> np.ndarray:
        trials.append(rows.height)
        return _sums_of_pairs(rows)[:, :-1]

    assert owners(Inside(None, transform), frame, rng).tolist() == [*range(width), -1]
    assert trials == [100 * (2 * (width - 1).bit_length() + 1)], "and not one for each column"
    assert owners(Inside(None, _sums_of_pairs), frame, rng) is None, "the last is made of two columns"
    monkeypatch.setattr(shap_values, "WIDE", 1000)
    assert owners(Inside(None, transform), frame, rng).tolist() == [*range(width), -1]


def test_explanations_are_compared_on_the_features_that_the_model_leans_on(monkeypatch):
    monkeypatch.setattr("backslide.playbook.explain.attributions.WIDE", 3)
    scenario = Methods.scenario(np.random.default_rng(4))
    case = worlds.case_of(scenario)
    findings = {finding.subject: finding for finding in Methods().run(case)}
    assert "the 3 of 4 features that the model leans on most" in findings["agreement of the methods"].basis
    assert "income" in findings
