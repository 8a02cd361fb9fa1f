"""Cases of the fault bench: which there are, how they are set up, what is true of them, and one played to its record."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import toy_bench
from sklearn.metrics import f1_score

from faults import baselines, play, stage, truth, windows
from faults.catalogue import DATA_FAULTS, KINDS
from faults.cells import QUIET, TWO, Case, circumstances, in_fair_order, sizes
from faults.sets import HELD_OUT, LOOKED_AT, SETS


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy_bench.install(monkeypatch)
    stage.world_of.cache_clear()
    monkeypatch.setattr(stage, "make_world", lambda data, model, seed, cache: toy_bench.world(model, data.name))


def case(kind: str, condition: str = "all", background: str = "still", rows: int = 1_000, seed: int = 0) -> Case:
    return Case(kind, "toy", "linear", condition, background, rows, seed)


def all_cells() -> list[Case]:
    made = [
        Case(kind, "toy", "linear", condition, background, rows, seed)
        for kind in (*KINDS, TWO, QUIET)
        for condition, background in circumstances(kind)
        for rows in (1_000, 5_000)
        for seed in range(3)
    ]
    return in_fair_order(made)


def test_sets_are_split():
    assert not set(LOOKED_AT) & set(HELD_OUT)
    assert {*LOOKED_AT, *HELD_OUT} == {name for name in SETS if not name.startswith("toy")}


def test_a_prefix_holds_every_kind_under_every_condition():
    cells = all_cells()
    strata = {(c.kind, c.condition) for c in cells}
    weights = sum(4 if k in (QUIET, TWO) else 2 if c == "all" else 1 for k, c in strata)
    assert {(c.kind, c.condition) for c in cells[:weights]} == strata
    assert len({c.id for c in cells}) == len(cells)
    assert {c.background for c in cells} == {"still", "drift", "natural"}


def test_an_id_is_a_case():
    assert all(Case.of(c.id) == c for c in all_cells())
    with pytest.raises(SystemExit, match="expected kind/set/model"):
        Case.of("unit_change")
    with pytest.raises(SystemExit, match="known kind"):
        Case.of("unit_chance/toy/linear/all/still/1000/0")


def test_sizes_that_a_set_cannot_fill_are_not_asked_for():
    assert sizes(SETS["toy"], (20_000, 5_000, 1_000)) == [1_000]
    assert sizes(SETS["toy"], (1_000, 200)) == [1_000, 200]


def test_the_same_case_is_set_up_the_same_twice():
    one, other = (stage.stage(case("unit_change", "marked")) for _ in range(2))
    assert one.current.equals(other.current)
    assert one.pair.reference.equals(other.pair.reference)
    assert one.effects == other.effects
    assert not stage.stage(case("unit_change", "marked", seed=1)).current.equals(one.current)


@pytest.mark.parametrize("kind", ["missing_values", "threshold_change", "concept_drift", "label_shift"])
def test_the_effect_is_that_of_the_fault_alone(kind):
    staged = stage.stage(case(kind))
    before = staged.world.serve(staged.pair.pool) if kind == "label_shift" else staged.pair.current
    right = [(f["label"] == f["served_prediction"]).mean() for f in (before, staged.current)]
    assert staged.metric == "accuracy"
    assert staged.effects[0] == pytest.approx(right[1] - right[0])
    assert staged.harm(-0.1) == 0.1


def test_forty_percent_of_the_rows_are_hit_and_can_be_told():
    pair = replace(stage.stage(case(QUIET)).pair, timed=True)
    seen = set()
    for seed in range(20):
        hit, by = stage._rows_hit(case("missing_values", "marked", seed=seed), pair)
        assert hit.mean() == pytest.approx(0.4, abs=0.06)
        if by == "time":
            assert np.all(np.diff(hit.astype(int)) >= 0)  # from some moment on
        else:
            assert set(pair.current.filter(pl.Series(hit))[by]) == {windows.MARKED}
            assert windows.MARKED not in set(pair.current.filter(pl.Series(~hit))[by])
        seen.add(by)
    assert seen == {"time", pair.marker}


def test_rows_not_hit_are_served_as_before():
    staged = stage.stage(case("missing_values", "marked"))
    hit, _ = stage._rows_hit(staged.case, staged.pair)
    (column,) = staged.faults[0].columns
    left = pl.Series(~hit)
    assert staged.current[column].filter(~left).null_count() == hit.sum()
    assert (
        staged.current.filter(left)
        .select("p_yes", column)
        .equals(staged.pair.current.filter(left).select("p_yes", column))
    )


def test_labels_that_have_not_come_are_null_and_the_truth_knows_them():
    staged = stage.stage(case("missing_values", "unlabelled"))
    assert staged.current_logged["label"].null_count() == staged.current.height
    assert staged.current["label"].null_count() == 0


def test_effects_of_two_faults_add_up():
    staged = stage.stage(case(TWO))
    one, other = staged.faults
    assert one.kind != other.kind
    assert not set(one.columns) & set(other.columns)
    both = truth.score(staged.world.data, staged.metric, staged.current)
    none = truth.score(staged.world.data, staged.metric, staged.pair.current)
    assert sum(staged.effects) == pytest.approx(both - none)


def test_harmless_drift_moves_inputs_and_costs_next_to_nothing():
    staged = stage.stage(case(QUIET, background="drift"))
    assert staged.pair.background != "none"
    scores = [truth.score(staged.world.data, "accuracy", rows) for rows in (staged.pair.reference, staged.current)]
    assert abs(scores[1] - scores[0]) < 0.04
    assert not staged.faults


@pytest.mark.parametrize(("kind", "background"), [(QUIET, "still"), (QUIET, "natural"), ("label_shift", "still")])
def test_windows_share_no_row(kind, background):
    staged = stage.stage(case(kind, background=background))
    windows_and_training = (staged.pair.reference, staged.current, staged.world.train)
    ids = [set(rows.select("income", "debt").iter_rows()) for rows in windows_and_training]
    assert "id" not in staged.current.columns  # no feature: not in the log either
    assert not ids[0] & ids[1]
    assert not ids[2] & (ids[0] | ids[1])


def test_noise_is_that_of_a_share():
    rows = stage.stage(case(QUIET)).pair.reference
    right = float((rows["label"] == rows["served_prediction"]).mean())
    expected = np.sqrt(right * (1 - right) / rows.height)
    assert truth.noise(SETS["toy"], "accuracy", rows) == pytest.approx(expected, rel=0.4)


def test_quick_f1_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    said, true = rng.integers(0, 4, 300), rng.integers(0, 3, 300)
    expected = f1_score(true, said, average="macro", labels=[0, 1, 2], zero_division=0)
    assert truth._macro_f1(true, said, 4) == pytest.approx(expected)


def test_psi_is_that_of_the_textbook():
    before, after = (pl.DataFrame({"x": ["a"] * n + ["b"] * (100 - n)}) for n in (50, 80))
    assert baselines.psi(before, after, "x") == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5))
    numbers = pl.DataFrame({"x": np.arange(1000.0)})
    assert baselines.psi(numbers, numbers, "x") == 0
    assert baselines.psi(numbers, numbers.with_columns(x=None), "x") > 5
    assert baselines.psi(numbers, numbers.drop("x"), "x") > 5


def test_rules_of_thumb_blame_what_moved():
    staged = stage.stage(case(QUIET))
    moved = replace(staged, current=staged.current.with_columns(pl.col("debt") * 12, pl.col("age") + 100))
    assert (
        baselines.blamed(moved) == {"psi": "age", "psi_importance": "debt"}
        or baselines.blamed(moved)["psi_importance"] == "debt"
    )


def test_a_case_is_played_to_its_record():
    record = play.play(case("unit_change"))
    assert "error" not in record
    assert json.loads(json.dumps(record)) == record
    (held,) = record["faults"]
    assert held["kind"] == "unit_change"
    assert record["verdict"]
    assert record["seconds"] > 0
    assert set(record["blamed"]) == {"psi", "psi_importance"}
    assert held["rank"] is None or record["causes"][held["rank"] - 1]["kind"] == "unit_change"


def test_what_takes_too_long_or_fails_is_a_record(monkeypatch):
    def forever(*_):
        while True:
            try:
                while True:
                    pass
            except Exception:
                continue

    monkeypatch.setattr(play, "_played", forever)
    assert "longer than 0.05 s" in play.play(case(QUIET), timeout=0.05)["error"]

    def fails(*_):
        raise ValueError("no such thing")

    monkeypatch.setattr(play, "_played", fails)
    assert "ValueError: no such thing (test_fault_bench_stage.py:" in play.play(case(QUIET))["error"]


def test_a_set_without_a_column_for_the_fault_is_no_error(monkeypatch):
    monkeypatch.setitem(KINDS, "sign_flip", lambda *_: None)
    assert "no column" in play.play(case("sign_flip"))["not_possible"]
    assert "sign_flip" in DATA_FAULTS
