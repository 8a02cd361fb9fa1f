"""Columns distributed as before whose values stand in other rows, or the other way round, on one host: told by their ties."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import tables
import worlds
from backslide.causes.columns.broken_associations import tie_products
from backslide.causes.faults.base import Fault
from backslide.causes.faults.markers import describe, levels_of_columns
from backslide.causes.faults.recognition import find_faults
from backslide.causes.faults.subset_rules import find_markers
from backslide.causes.faults.subsets import recognise_within
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.segments import holds
from scale import runs


def faults(reference: pl.DataFrame, current: pl.DataFrame) -> list[Fault]:
    return find_faults(worlds.case_of(tables.scenario(reference, current)))


def test_ties_are_the_correlations_row_by_row():
    case = worlds.case_of(tables.scenario(*tables.months(0)))
    ties = tie_products(case)
    assert len(ties.owners) == len(ties.before) == ties.current.shape[1] > 3
    assert np.allclose(ties.reference.mean(0), ties.before, atol=1e-6)
    assert all("hour" not in pair for pair in ties.owners), "what hangs together with nothing is not followed"


@pytest.mark.rates
@pytest.mark.parametrize("seed", range(runs(1, 3)))
@pytest.mark.parametrize("column", ["income", "savings"])
@pytest.mark.parametrize("host", ["a", "c"])
def test_a_column_shuffled_on_one_host_is_found_with_the_host(column, host, seed):
    reference, current = tables.months(seed)
    broken = tables.shuffled(current, column, tables.on(current, host))
    (fault,) = faults(reference, broken)
    assert (fault.kind, fault.features, fault.segment) == (CauseKind.BROKEN_JOIN, (column,), f"host = '{host}'")
    assert fault.exact
    assert (fault.rows == tables.on(current, host)).all()


@pytest.mark.rates
@pytest.mark.parametrize("seed", range(runs(1, 3)))
def test_a_column_turned_around_its_middle_on_one_host(seed):
    """A sign that turns on a column which is symmetric around zero leaves its distribution as it was."""
    reference, current = (f.with_columns(pl.col("savings") - 800) for f in tables.months(seed))
    rows = tables.on(current, "b")
    broken = tables.put(current, "savings", -current["savings"].to_numpy(), rows)
    (fault,) = faults(reference, broken)
    assert (fault.kind, fault.features, fault.segment) == (CauseKind.SIGN_FLIP, ("savings",), "host = 'b'")
    repaired = fault.repair(worlds.case_of(tables.scenario(reference, broken)), broken)
    assert np.allclose(repaired["savings"], current["savings"])


def test_a_column_shuffled_since_a_day():
    reference, current = tables.months(4)
    rows = np.arange(current.height) >= current.height // 2
    (fault,) = faults(reference, tables.shuffled(current, "income", rows))
    assert (fault.kind, fault.features) == (CauseKind.BROKEN_JOIN, ("income",))
    assert fault.segment.startswith("at >= DATE ")
    assert (holds(current, fault.segment).to_numpy() == rows).mean() > 0.96


@pytest.mark.sample(1)
@pytest.mark.rates
@pytest.mark.parametrize("seed", range(runs(2, 4)))
def test_a_join_broken_on_all_rows_is_one_broken_join(seed):
    """Within any values of its former partner the column moved: it is no default there, nor cut off, nor any other fault."""
    reference, current = tables.months(seed)
    for column in ("income", "grade"):
        found = faults(reference, tables.shuffled(current, column, np.ones(current.height, bool)))
        assert [(f.kind, f.features, f.segment) for f in found if f.exact] == [(CauseKind.BROKEN_JOIN, (column,), None)]


def test_the_repair_of_a_shuffle_on_one_host_leaves_the_others():
    reference, current = tables.months(1)
    rows = tables.on(current, "a")
    broken = tables.shuffled(current, "income", rows)
    case = worlds.case_of(tables.scenario(reference, broken))
    (fault,) = find_faults(case)
    repaired = fault.repair(case, case.current.sample)
    assert repaired["income"].filter(pl.Series(~rows)).equals(current["income"].filter(pl.Series(~rows)))

    def tie(frame: pl.DataFrame) -> float:
        inside = frame.filter(pl.Series(rows)).select(pl.corr("income", "spending", method="spearman"))
        return float(inside.item())

    assert abs(tie(broken)) < 0.1
    assert tie(repaired) > 0.5 * tie(current)
    assert not fault.reversible
    done = fault.inject(case, case.reference.sample)
    moved = (done["income"] != reference["income"]).to_numpy()
    assert (moved <= tables.on(reference, "a")).all()
    assert sorted(done["income"].to_list()) == sorted(reference["income"].to_list())


@pytest.mark.slow
@pytest.mark.rates
@pytest.mark.parametrize("drift", [0.0, 0.15])
def test_quiet_pairs_have_no_marked_faults(drift):
    """Under a drift of the world some value may move more than others; nothing recognises a fault there."""
    for seed in range(runs(8, 20)):
        case = worlds.case_of(tables.scenario(*tables.months(seed + 100, 1500, drift)))
        assert recognise_within(case) == []
        assert drift or find_markers(case) == []


def test_a_tie_that_only_one_host_had_is_not_lost_there():
    """A host whose rows never hung together: compared with what the tie was on that host."""
    frames = [tables.shuffled(f, "income", tables.on(f, "c"), seed=k) for k, f in enumerate(tables.months(6))]
    assert faults(*frames) == []


def test_rows_are_described_among_those_that_could_have_been_hit():
    reference, current = tables.months(7)
    case = worlds.case_of(tables.scenario(reference, current))
    among = (current["score"] >= 0.6).to_numpy()
    host = tables.on(current, "b")
    assert describe(case, host & among, among=among).expression == "host = 'b'"
    assert describe(case, tables.at_random(current, 0.4) & among, among=among) is None
    late = np.arange(current.height) >= 1800
    found = describe(case, late & among, among=among)
    assert found.expression.startswith("at >= DATE ")
    assert (found.current == late).mean() > 0.96
    assert describe(case, np.zeros(current.height, bool), among=among) is None


def test_a_column_that_was_not_logged_in_the_reference_marks_rows_of_now():
    reference, current = tables.months(0)
    case = worlds.case_of(tables.scenario(reference.with_columns(host=pl.lit(None, dtype=pl.String)), current))
    host = next(levels for levels in levels_of_columns(case) if levels.column == "host")
    assert (host.reference == -1).all()
    assert set(host.current) == set(range(len(host.texts)))
