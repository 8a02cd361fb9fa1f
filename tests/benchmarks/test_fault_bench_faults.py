"""The faults of the bench do what they are called, to the rows and columns they are meant for."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from toy_bench import install, scene, world

from backslide.causes.faults.damage import on_rows
from backslide.contracts.cause import CauseKind
from faults.catalogue import DATA_FAULTS, KINDS, OWN_CHANGES, THE_WORLD, applies
from faults.fault import Fault, changed
from faults.sets import SETS

SEEDS = range(12)


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    install(monkeypatch)


def drawn(
    kind: str, *, partial: bool = False, marked: bool = False, name: str = "toy"
) -> list[tuple[Fault, pl.DataFrame]]:
    """Faults of a dozen seeds, with the rows as they are afterwards."""
    made = []
    for seed in SEEDS:
        where, rng = scene(partial=partial, marked=marked, name=name), np.random.default_rng(seed)
        fault = KINDS[kind](where, rng)
        if fault is not None:
            made.append((fault, on_rows(where.rows, hit_rows(where.rows, partial), fault.apply, rng)))
    assert made, "no seed drew a fault"
    return made


def hit_rows(rows: pl.DataFrame, partial: bool) -> np.ndarray:
    return (rows["host"] == "b").to_numpy() if partial else np.ones(rows.height, bool)


def test_kinds_are_those_of_the_contract():
    known = {kind.value: kind.family for kind in CauseKind}
    elsewhere = {"library_change", "config_change", "code_change", "output_change", "unrecognised_fault"}
    # Of the order and the number of rows: in the benchmark of the wild.
    elsewhere |= {"stale_values", "duplicated_rows", "lost_rows"}
    assert set(KINDS) == set(known) - elsewhere
    for kinds, family in ((DATA_FAULTS, "data fault"), (OWN_CHANGES, "our own change"), (THE_WORLD, "the world")):
        assert {known[kind] for kind in kinds} == {family}


@pytest.mark.parametrize("kind", DATA_FAULTS)
def test_only_its_columns_change(kind):
    before = scene().rows
    seen = 0.0
    for fault, after in drawn(kind):
        others = [c for c in before.columns if c not in fault.columns]
        assert_frame_equal(after.select(others), before.select(others))
        assert fault.kind == kind
        seen = max(seen, changed(before, after, fault.columns))
    assert seen > 0.2


@pytest.mark.parametrize("kind", DATA_FAULTS)
def test_only_the_rows_hit_change(kind):
    before = scene().rows
    left = ~hit_rows(before, True)
    for fault, after in drawn(kind, partial=True, marked=True):
        assert after.columns == before.columns
        assert changed(before, after, fault.columns) <= hit_rows(before, True).mean() + 1e-9
        for column in fault.columns:
            one, other = before[column].filter(pl.Series(left)), after[column].filter(pl.Series(left))
            assert changed(one.to_frame(), other.to_frame(), (column,)) == 0 or other.cast(one.dtype).equals(one)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fault_is_a_matter_of_its_seed(seed):
    for kind in DATA_FAULTS:
        one, other = (KINDS[kind](scene(), np.random.default_rng(seed)) for _ in range(2))
        assert (one and (one.columns, one.variant)) == (other and (other.columns, other.variant))


def test_unit_change_is_a_map_of_one_value_to_one():
    before = scene().rows
    for fault, after in drawn("unit_change"):
        pairs = pl.DataFrame({"a": before[fault.columns[0]], "b": after[fault.columns[0]].round(9)}).unique()
        assert pairs["a"].n_unique() == pairs.height == pairs["b"].n_unique()


def test_shuffled_joins_keep_the_values_and_what_belongs_together():
    before = scene().rows
    for fault, after in drawn("broken_join"):
        columns = list(fault.columns)
        assert_frame_equal(before.select(columns).sort(columns), after.select(columns).sort(columns))
        assert fault.some_suffice


def test_values_lost_are_null_and_no_other_is():
    for fault, after in drawn("missing_values"):
        share = after[fault.columns[0]].null_count() / after.height
        assert 0.05 < share <= 1


def test_stuck_columns_have_one_value_or_one_a_day():
    for fault, after in drawn("frozen_feature"):
        values = after[fault.columns[0]].n_unique()
        assert values == 1 or (
            "day" in fault.variant
            and after.group_by(pl.col("served_at").dt.date())
            .agg(pl.col(fault.columns[0]).n_unique() == 1)[fault.columns[0]]
            .all()
        )


def test_unmarked_rows_cannot_be_stuck():
    assert all(KINDS["frozen_feature"](scene(partial=True), np.random.default_rng(s)) is None for s in SEEDS)


def test_caps_stay_within_the_range_and_pile_up_at_an_end():
    before = scene().rows
    for fault, after in drawn("clipped_range"):
        a, b = before[fault.columns[0]], after[fault.columns[0]]
        assert a.min() <= b.min() <= b.max() <= a.max()
        assert max((b == b.max()).mean(), (b == b.min()).mean()) > 0.05


def test_rounding_leaves_fewer_values_near_the_old_ones():
    before = scene().rows
    for fault, after in drawn("rounded_values"):
        a, b = (f[fault.columns[0]].cast(pl.Float64).to_numpy() for f in (before, after))
        assert 5 <= len(np.unique(b)) < len(np.unique(a))
        assert np.abs(a - b).max() <= max(a.std(), 0.5 * np.abs(a).max())


def test_noise_is_unbiased_and_widens():
    before = scene().rows
    for fault, after in drawn("added_noise"):
        a, b = (f[fault.columns[0]].cast(pl.Float64).to_numpy() for f in (before, after))
        assert abs((b - a).mean()) < 5 * (b - a).std() / np.sqrt(len(a))
        assert b.std() > 1.03 * a.std()
        assert abs(np.corrcoef(a, b - a)[0, 1]) < 0.1


def test_recoded_categories_are_renamed_one_to_one():
    before = scene().rows
    for fault, after in drawn("category_recode"):
        pairs = pl.DataFrame({"a": before[fault.columns[0]], "b": after[fault.columns[0]]}).unique()
        assert pairs["a"].n_unique() == pairs.height == pairs["b"].n_unique()


def test_unseen_categories_are_new_and_defaults_of_codes_are_not():
    known = {c: set(world().train[c].unique()) for c in ("grade", "channel")}
    for fault, after in drawn("unseen_category"):
        assert len(set(after[fault.columns[0]]) - known[fault.columns[0]]) == 1
    for fault, after in drawn("default_value"):
        if fault.columns[0] in known:
            assert set(after[fault.columns[0]]) <= known[fault.columns[0]]


def test_texts_change_and_stay_texts():
    for fault, after in drawn("text_change"):
        assert fault.columns == ("note",)
        assert after["note"].dtype == pl.String
        assert after["note"].null_count() == 0


def test_columns_come_as_text_or_not_at_all():
    for fault, after in drawn("schema_change"):
        gone = fault.columns[0] not in after.columns
        assert gone == (fault.variant == "column gone")
        assert gone or after[fault.columns[0]].dtype == pl.String


def test_another_threshold_changes_decisions_and_no_score():
    before = scene().rows
    for _, after in drawn("threshold_change"):
        assert after["p_yes"].equals(before["p_yes"])
        assert after["served_prediction"].ne(before["served_prediction"]).any()


@pytest.mark.parametrize("kind", ["scaler_refit", "preprocessing_change", "model_change"])
def test_another_artefact_answers_and_the_old_one_is_left_alone(kind):
    where = scene()
    fault = next(f for s in SEEDS if (f := KINDS[kind](where, np.random.default_rng(s))) is not None)
    after = fault.apply(where.rows, np.random.default_rng(0))
    assert after["p_yes"].ne(where.rows["p_yes"]).any()
    assert world().serve(where.rows)["p_yes"].equals(where.rows["p_yes"])


def test_label_shift_moves_a_class_and_nothing_within_it():
    where = scene()
    fault = KINDS["label_shift"](where, np.random.default_rng(3))
    taken = where.rows[fault.choose(where.rows, 700, np.random.default_rng(0))]
    shares = [(f["label"] == fault.classes[0]).mean() for f in (where.rows, taken)]
    assert abs(shares[1] - shares[0]) > 0.05
    for label in ("yes", "no"):
        a, b = (f.filter(pl.col("label") == label)["income"].log() for f in (where.rows, taken))
        assert abs(a.mean() - b.mean()) < 4 * a.std() / np.sqrt(b.len())


def test_covariate_shift_moves_its_feature():
    where = scene()
    for seed in SEEDS:
        fault = KINDS["covariate_shift"](where, np.random.default_rng(seed))
        taken = where.rows[fault.choose(where.rows, 700, np.random.default_rng(0))]
        assert taken["id"].n_unique() == 700
        a, b = (f[fault.columns[0]] for f in (where.rows, taken))
        if a.dtype == pl.String:
            assert max(abs((a == v).mean() - (b == v).mean()) for v in a.unique()) > 0.1
        else:
            assert abs(a.rank().mean() / a.len() - 0.5) < 1e-3
            assert abs(np.searchsorted(np.sort(a.to_numpy()), b.to_numpy()).mean() / a.len() - 0.5) > 0.1


@pytest.mark.parametrize("name", ["toy", "toy_count"])
def test_concept_drift_changes_labels_and_no_input(name):
    before = scene(name=name).rows
    label = SETS[name].label
    touched = 0
    for _, after in drawn("concept_drift", name=name):
        others = [c for c in before.columns if c != label]
        assert_frame_equal(after.select(others), before.select(others))
        touched += bool(after[label].ne(before[label]).any())
    assert touched >= len(SEEDS) - 1


def test_kinds_without_a_column_are_not_asked_for():
    assert not applies("text_change", SETS["bike_sharing_hourly"], "linear") or SETS["bike_sharing_hourly"].texts
    assert not applies("scaler_refit", SETS["toy"], "boosting")
    assert not applies("label_shift", SETS["toy_count"], "linear")
    assert all(applies(kind, SETS["toy"], "linear") for kind in KINDS)
