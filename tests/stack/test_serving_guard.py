"""The serving guard: it answers like the original, refuses to be fitted, and counts what comes in."""

from __future__ import annotations

import pickle
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from stacks import scaler_of

import backslide
from backslide.contracts.errors import BackslideError, FrozenError, InputError
from backslide.stack.guard import FrozenPipeline
from backslide.stack.guard_inputs import FIXED, NAMES, SHARE, InputGuard, TimeBudget


@pytest.fixture(scope="module")
def snapshot(trained, tmp_path_factory):
    return backslide.snapshot(trained.pipeline, trained.rows, name="loans", base=tmp_path_factory.mktemp("guard"))


@pytest.fixture
def frozen(trained, snapshot):
    return backslide.freeze(trained.pipeline, snapshot)


def test_it_answers_like_the_original(trained, frozen):
    assert np.array_equal(frozen.predict_proba(trained.rows), trained.pipeline.predict_proba(trained.rows))
    assert np.array_equal(frozen.predict(trained.rows), trained.pipeline.predict(trained.rows))
    assert list(frozen.classes_) == list(trained.pipeline.classes_)
    assert not hasattr(frozen, "transform"), "the model at the end does not transform"
    assert frozen.seen.calls == 2
    assert frozen.seen.rows == 1600


@pytest.mark.parametrize(
    "attempt",
    [
        lambda f, t: f.fit(t.rows, t.labels),
        lambda f, t: f.fit_transform(t.rows),
        lambda f, t: f.fit_predict(t.rows, t.labels),
        lambda f, t: f.model.fit(t.rows, t.labels),
        lambda f, t: f["columns"].fit(t.rows),
        lambda f, t: f[0].fit_transform(t.rows),
        lambda f, t: f.named_steps["columns"].fit(t.rows),
        lambda f, t: scaler_of(f).fit(t.rows[["income", "age"]]),
        lambda f, t: scaler_of(f).partial_fit(t.rows[["income", "age"]]),
        lambda f, t: f.steps[-1][1].fit([[1.0]], [1]),
    ],
)
def test_fitting_is_refused_at_every_depth_and_says_why(trained, frozen, attempt):
    before = frozen.predict_proba(trained.rows)
    with pytest.raises(FrozenError, match=r"frozen.*production rows") as raised:
        attempt(frozen, trained)
    assert isinstance(raised.value, BackslideError)
    assert "\n" not in str(raised.value)
    assert np.array_equal(frozen.predict_proba(trained.rows), before)


def test_the_original_can_still_be_fitted_and_does_not_reach_the_frozen_one(trained, snapshot):
    own = deepcopy(trained.pipeline)
    frozen = backslide.freeze(own, snapshot)
    before = frozen.predict_proba(trained.rows)
    scaler_of(own).fit(trained.rows[["income", "age"]].to_numpy() * 5)
    assert np.array_equal(frozen.predict_proba(trained.rows), before)
    clone(frozen.model).fit(trained.rows, trained.labels)


def test_another_fitted_state_is_refused(trained, snapshot):
    other = deepcopy(trained.pipeline)
    scaler_of(other).fit(trained.rows[["income", "age"]].fillna(0).to_numpy() * [2, 1])
    with pytest.raises(FrozenError, match="mean of income") as raised:
        backslide.freeze(other, snapshot)
    assert "loans" in str(raised.value)


def test_another_environment_is_told_or_refused(trained, snapshot):
    held = snapshot.environment.distributions | {"scikit-learn": "0.1"}
    old = snapshot.model_copy(
        update={"golden": None, "environment": snapshot.environment.model_copy(update={"distributions": held})}
    )
    with pytest.warns(UserWarning, match=r"scikit-learn 0\.1"):
        frozen = backslide.freeze(trained.pipeline, old)
    assert frozen.integrity.differences[0].subject == "scikit-learn"
    with pytest.raises(FrozenError, match="scikit-learn"):
        backslide.freeze(trained.pipeline, old, libraries="raise")
    backslide.freeze(trained.pipeline, old, libraries="ignore")


def test_names_and_order_are_checked_on_every_call(trained, frozen):
    expected = trained.pipeline.predict_proba(trained.rows)
    for _ in range(3):
        shuffled = trained.rows.assign(extra=1)[["extra", "channel", "age", "income"]]
        assert np.array_equal(frozen.predict_proba(shuffled), expected)
    assert frozen.seen.reordered == 3
    with pytest.raises(InputError, match="did you mean 'incom'"):
        frozen.predict(trained.rows.rename(columns={"income": "incom"}))
    with pytest.raises(InputError, match="expected 3 columns"):
        frozen.predict(np.zeros((2, 2)))


def test_values_beyond_training_are_counted_or_refused(trained, snapshot):
    odd = trained.rows.iloc[:10].assign(income=1e9)
    counting = backslide.freeze(trained.pipeline, snapshot)
    counting.predict(odd)
    assert counting.seen.out_of_range == {"income": 10}
    strict = backslide.freeze(trained.pipeline, snapshot, ranges="raise")
    strict.predict(trained.rows)
    with pytest.raises(InputError, match="expected 'income' between"):
        strict.predict(odd)


def test_texts_where_numbers_were_are_refused(trained, frozen):
    with pytest.raises(InputError, match=r"expected numbers in column 'age'.*'many'"):
        frozen.predict(trained.rows.iloc[:3].assign(age=np.array(["many", 1, None], dtype=object)))


def test_odd_values_of_categories_are_told_in_one_line(trained, snapshot):
    """Lists cannot be looked up and pandas' own missing value cannot be compared; neither may break serving in the guard."""
    strict = backslide.freeze(trained.pipeline, snapshot, unknown="raise")
    with pytest.raises(InputError, match="column 'channel' holds") as raised:
        strict.predict(trained.rows.head(12).assign(channel=[["web"]] * 12))
    assert "\n" not in str(raised.value)
    gone = trained.rows.head(12).assign(channel=pd.array([pd.NA] * 12, dtype="string"))
    loose = backslide.freeze(trained.pipeline, snapshot)
    loose.predict(gone)
    assert not loose.seen.unknown


def test_unknown_categories_are_counted_refused_or_mapped(trained, snapshot):
    odd = trained.rows.iloc[:10].assign(channel="fax")
    counting = backslide.freeze(trained.pipeline, snapshot)
    counting.predict(odd)
    assert counting.seen.unknown == {"channel": {"fax": 10}}
    strict = backslide.freeze(trained.pipeline, snapshot, unknown="raise")
    with pytest.raises(InputError, match="'fax', which was not in the training rows"):
        strict.predict(odd)
    mapped = backslide.freeze(trained.pipeline, snapshot, unknown={"channel": "web"})
    expected = trained.pipeline.predict_proba(odd.assign(channel="web"))
    assert np.array_equal(mapped.predict_proba(odd), expected)
    assert mapped.seen.mapped == {"channel": 10}
    with pytest.raises(InputError, match="did you mean 'channel'"):
        backslide.freeze(trained.pipeline, snapshot, unknown={"chanel": "web"})


def test_a_call_looks_at_as_many_columns_as_the_model_pays_for():
    """In seconds that are given, so that the machine has no part in it."""
    budget = TimeBudget()
    quick, spent, looked = 100e-6, 0.0, 0
    for _ in range(1000):
        budget.of_a_call(few=True)
        in_this_call = 0
        while budget.pays(few=True):
            budget.took(4e-6, few=True)
            spent, looked, in_this_call = spent + 4e-6, looked + 1, in_this_call + 1
        assert in_this_call * 4e-6 <= 20e-6 + 0.02 * quick
        budget.answered(quick)
    assert spent <= 1000 * (FIXED + SHARE * quick) + 4e-6
    assert looked >= 1000


def test_names_that_took_long_leave_less_for_values():
    budget = TimeBudget()
    budget.answered(1e-3)
    for _ in range(50):
        budget.of_a_call(few=True, names=NAMES + FIXED + SHARE * 1e-3)
        assert not budget.pays(few=True)
    budget.of_a_call(few=True, names=NAMES)
    assert budget.pays(few=True)


def test_a_call_that_waited_pays_for_no_more_columns():
    budget = TimeBudget()
    for seconds in (5e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 0.5, 1e-3):
        budget.answered(seconds)
    budget.of_a_call(few=False)
    assert budget.saved <= max(0.02 * 1e-3 + 20e-6, 10 * FIXED)


@pytest.mark.slow
def test_every_column_has_its_turn(trained, frozen):
    for i in range(300):
        frozen.predict(trained.rows.iloc[[i]])
    counts = frozen.seen.looked_at
    assert set(counts) == {"income", "age", "channel"}
    assert max(counts.values()) - min(counts.values()) <= 1
    assert 300 >= max(counts.values()) > 1


@pytest.mark.parametrize("rule", ["raise", "count"])
def test_rows_of_every_make_are_looked_at(trained, rule):
    """Dictionaries and frames of other makes, one row and many, as a function answers them."""
    import polars as pl

    def score(rows):
        return len(rows)

    held = backslide.snapshot(trained.pipeline, trained.rows).model_copy(
        update={"fitted": (), "golden": None, "artefact": None}
    )
    first = {"income": 1e9, "age": 30.0, "channel": "fax"}
    order = list(trained.rows.columns)
    for rows, count in (
        (first, 1),
        ([first] * 3, 3),
        ({name: [value] * 20 for name, value in first.items()}, 20),
        ([first] * 20, 20),
        (pd.DataFrame([first])[order], 1),
        (pl.DataFrame([first] * 20).select(order), 20),
        (np.array([[first[name] for name in order]] * 2, dtype=object), 2),
    ):
        gate = InputGuard(held, tuple(order), ranges=rule, unknown=rule)
        if rule == "raise":
            with pytest.raises(
                InputError, match=r"expected 'income' between|'fax', which was not in the training rows"
            ):
                gate.enter(rows)
            continue
        frozen = FrozenPipeline(score, held, gate, backslide.freeze(score).integrity)
        frozen(rows)
        assert frozen.seen.rows == count
        assert frozen.seen.out_of_range == {"income": count}
        assert frozen.seen.unknown == {"channel": {"fax": count}}
    with pytest.raises(InputError, match="did you mean 'incom'"):
        InputGuard(held, tuple(order), ranges=rule, unknown=rule).enter({"incom": 1, "age": 1, "channel": "web"})


def test_unknown_categories_are_mapped_in_rows_of_every_make(trained, snapshot):
    import polars as pl

    first = {"income": 1.0, "age": 30.0, "channel": "fax"}
    order = list(trained.rows.columns)
    for rows, channel in (
        (first, lambda r: r["channel"]),
        ([first], lambda r: r[0]["channel"]),
        (pd.DataFrame([first])[order], lambda r: r["channel"].iloc[0]),
        (pl.DataFrame([first]).select(order), lambda r: r["channel"][0]),
        (np.array([[first[name] for name in order]], dtype=object), lambda r: r[0, order.index("channel")]),
    ):
        gate = InputGuard(snapshot, tuple(order), ranges="count", unknown={"channel": "web"})
        assert channel(gate.enter(rows)) == "web"
        assert channel(rows) == "fax", "what was given stays as it is"
        assert gate.seen.mapped == {"channel": 1}


def test_writing_into_the_fitted_state_is_noticed(trained, frozen):
    frozen.verify()
    scaler_of(frozen).mean_[0] += 1
    with pytest.raises(FrozenError, match=r"StandardScaler .*changed since it was frozen"):
        frozen.verify()
    with pytest.raises(FrozenError, match="refused"):
        frozen.fit(trained.rows, trained.labels)


def test_it_can_be_pickled_and_stays_frozen(trained, frozen):
    again = pickle.loads(pickle.dumps(frozen))
    assert np.array_equal(again.predict(trained.rows), frozen.predict(trained.rows))
    with pytest.raises(FrozenError):
        scaler_of(again).fit(trained.rows[["income", "age"]])


def test_from_files(trained, snapshot, tmp_path):
    import joblib

    joblib.dump(trained.pipeline, tmp_path / "m.joblib")
    taken = backslide.snapshot("m.joblib", trained.rows, trusted=True)
    taken.to_json(tmp_path / "v1.json")
    frozen = backslide.freeze("m.joblib", "v1.json", trusted=True)
    assert np.array_equal(frozen.predict(trained.rows), trained.pipeline.predict(trained.rows))
    assert "loans" not in repr(frozen)
    assert "v1" not in repr(backslide.freeze(trained.pipeline))


def test_functions_can_be_frozen(trained, tmp_path):
    def score(rows):
        return trained.pipeline.predict(rows)

    frozen = backslide.freeze(score)
    assert np.array_equal(frozen(trained.rows), trained.pipeline.predict(trained.rows))
    with pytest.raises(FrozenError):
        frozen.fit(trained.rows)


def test_functions_whose_answers_have_no_names_can_be_frozen_at_a_snapshot(trained):
    """Scores that no classes name cannot be told apart as golden rows; that is no difference."""

    def score(rows):
        return trained.pipeline.predict_proba(rows)

    frozen = backslide.freeze(score, backslide.snapshot(score, trained.rows))
    assert np.array_equal(frozen(trained.rows), score(trained.rows))
    assert not frozen.integrity.differences
    assert set(frozen.seen.looked_at) == {"income", "age", "channel"}
