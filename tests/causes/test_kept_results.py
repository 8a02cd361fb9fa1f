"""What is kept over a repair is what would be computed anew, and only what the repair did not touch is kept."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.case import Case
from backslide.causes.columns.category_profiles import Company
from backslide.causes.faults.collect import collect
from backslide.engine.columns.cache import Kept
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario


@pytest.fixture(scope="module")
def case() -> Case:
    rng = np.random.default_rng(5)
    current = scenarios.next_month(rng)
    lost = pl.Series(rng.random(current.height) < 0.4)
    current = current.with_columns(
        income=pl.col("income") * 12, age=pl.when(lost).then(-1).otherwise(pl.col("age")),
        channel=pl.col("channel").replace("phone", "telephone"),
    )  # fmt: skip
    return worlds.case_of(Scenario(scenarios.served(rng), current, dict(scenarios.ROLES), None, ""))


def told(case: Case) -> list[tuple[str, tuple[str, ...], str]]:
    return [(str(h.kind), h.features, h.seen) for fault in collect(case) for h in fault.hypotheses]


def test_a_repaired_case_finds_what_a_new_one_finds(case):
    assert {kind for kind, _, _ in told(case)} >= {"unit_change", "default_value", "category_recode"}
    frame = case.current.sample.with_columns(pl.col("income") / 12)
    repaired, anew = case.repaired(frame), case.repaired(frame)
    anew.kept = Kept()
    found = told(repaired)
    assert found == told(anew)
    assert "unit_change" not in {kind for kind, _, _ in found}


def test_only_untouched_columns_are_kept(case):
    before = case.pairs
    after = case.repaired(case.current.sample.with_columns(pl.col("income") / 12)).pairs
    assert after["income"] is not before["income"]
    assert after["age"] is before["age"]
    some = case.part(np.ones(case.reference.sample.height, bool), np.arange(case.current.sample.height) % 2 == 0)
    assert some.pairs["age"] is not before["age"]


def test_a_result_is_computed_once_and_forgotten_with_its_columns():
    kept, calls = Kept(), []
    for _ in range(2):
        assert kept.get("sum", ("a", "b"), lambda: calls.append(1) or 3) == 3
    assert len(calls) == 1
    assert kept.without(["c"]).get("sum", ("a", "b"), lambda: 4) == 3
    assert kept.without(["b"]).get("sum", ("a", "b"), lambda: 4) == 4


def test_costs_of_profiles_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    texts = tuple(np.array(rng.choice(["a", "b", "c"], n), object) for n in (300, 400))
    others = tuple(rng.normal(size=(len(t), 4)) for t in texts)
    company = Company(texts, others, [0, 1, 3])
    others = tuple(columns[:, [0, 1, 3]] for columns in others)
    for window, level in ((0, "a"), (1, "c")):
        share, means, rows = company.of(window, level)
        hit = texts[window] == level
        assert (share, rows) == (hit.mean(), hit.sum())
        np.testing.assert_allclose(means, others[window][hit].mean(0), rtol=1e-12)
    assert company.of(1, "new")[0] == 0
    np.testing.assert_allclose(
        company.costs(["a", "b"], ["b", "c", "new"]),
        [[sum(company._squared(o, n)) for n in ("b", "c", "new")] for o in ("a", "b")],
    )
