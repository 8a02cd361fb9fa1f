"""Every data fault has a rehearsal and a fault of the bench, and signatures recognise damage that is not their own injection."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.faults.damage import NOT_REHEARSED, map_values, on_rows
from backslide.causes.faults.recognition import find_faults
from backslide.causes.faults.registry import all_signatures
from backslide.causes.faults.rehearsal import Rehearsal, rehearsals
from backslide.contracts.cause import CauseKind
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

OF_NO_SIGNATURE = {CauseKind.UNRECOGNISED_FAULT, CauseKind.DUPLICATED_ROWS, CauseKind.LOST_ROWS}
"""Told by columns that fit no others, or by counting rows."""
DATA_FAULTS = [kind for kind in CauseKind if kind.family == "data fault"]


def with_spending(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """A column that hangs together with income, which a misplaced income no longer does."""
    noise = rng.normal(0, 0.2, frame.height)
    return frame.with_columns(spending=pl.Series(np.exp(0.8 * np.log(frame["income"].to_numpy()) + noise)))


@pytest.fixture(scope="module")
def months() -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(3)
    first, second = with_spending(scenarios.served(rng), rng), with_spending(scenarios.next_month(rng), rng)
    return first, second


def found(months: tuple[pl.DataFrame, pl.DataFrame], rehearsal: Rehearsal) -> bool:
    damaged = rehearsal.apply(months[1], np.random.default_rng(0))
    if rehearsal.kind in (CauseKind.DUPLICATED_ROWS, CauseKind.LOST_ROWS):
        diagnosis = worlds.causes_of(Scenario(months[0], damaged, dict(scenarios.ROLES), None))
        return any(
            cause.kind == rehearsal.kind and rehearsal.features[0] in (cause.segment or "")
            for cause in (*diagnosis.causes, *diagnosis.suspects, *diagnosis.harmless)
        )
    case = worlds.case_of(Scenario(months[0], damaged, dict(scenarios.ROLES), None))
    return any(f.kind == rehearsal.kind and set(f.features) & set(rehearsal.features) for f in find_faults(case))


@pytest.fixture(scope="module")
def catalogue(months) -> dict[CauseKind, list[Rehearsal]]:
    pairs = worlds.case_of(Scenario(*months, dict(scenarios.ROLES), None)).pairs
    made = defaultdict(list)
    for column, other in (("income", "age"), ("channel", "premium")):
        for rehearsal in rehearsals(pairs[column], [pairs[other]]):
            made[rehearsal.kind].append(rehearsal)
    return made


@pytest.mark.parametrize("kind", DATA_FAULTS)
def test_every_data_fault_is_rehearsed_or_says_why_not(kind, catalogue):
    assert (kind in catalogue) != (kind in NOT_REHEARSED)
    assert all(len(reason) > 20 for reason in NOT_REHEARSED.values())


@pytest.mark.parametrize("kind", DATA_FAULTS)
def test_every_data_fault_is_one_of_the_bench(kind):
    from faults.catalogue import DATA_FAULTS as BENCH

    # What has no kind of its own, what needs rows in their order, and which rows come, happens in the benchmark of the wild.
    elsewhere = {CauseKind.STALE_VALUES, *OF_NO_SIGNATURE}
    assert (kind.value in BENCH) == (kind not in elsewhere)


def test_every_signature_of_the_data_is_of_a_known_kind(catalogue):
    kinds = {s.kind for s in all_signatures() if s.kind.family == "data fault"}
    assert kinds | OF_NO_SIGNATURE == set(catalogue) | set(NOT_REHEARSED)


@pytest.mark.parametrize("kind", [kind for kind in DATA_FAULTS if kind not in NOT_REHEARSED])
def test_damage_by_its_plain_description_is_recognised(kind, catalogue, months):
    assert any(found(months, rehearsal) for rehearsal in catalogue[kind])


def test_damage_hits_its_rows_alone():
    frame = pl.DataFrame({"a": [1, 2, 3, 4], "b": ["w", "x", "y", "z"]})
    hit = on_rows(
        frame, np.array([False, True, False, True]), map_values("a", pl.col("a") * 10), np.random.default_rng(0)
    )
    assert hit["a"].to_list() == [1, 20, 3, 40]
    assert hit["b"].equals(frame["b"])
    text = on_rows(
        frame, np.array([True, False, False, False]), map_values("a", pl.lit("n/a")), np.random.default_rng(0)
    )
    assert text["a"].to_list() == ["n/a", "2", "3", "4"]
