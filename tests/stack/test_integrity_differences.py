"""What differs between two stacks: each kind by its own name, ranked, and nothing where nothing differs."""

from __future__ import annotations

import json
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, RobustScaler, StandardScaler
from stacks import scaler_of, unfitted

import backslide
from backslide.contracts.errors import InputError
from backslide.contracts.integrity import Integrity
from backslide.contracts.moments import parse_moment
from backslide.stack.compare_environment import distance
from backslide.stack.compare_settings import weight
from backslide.stack.history import pull_of


@pytest.fixture(scope="module")
def good(trained, tmp_path_factory):
    return backslide.snapshot(trained.pipeline, trained.rows, name="v1", base=tmp_path_factory.mktemp("good"))


def with_refit(trained, factor=1.3):
    other = deepcopy(trained.pipeline)
    scaler_of(other).fit(trained.rows[["income", "age"]].fillna(40).to_numpy() * [factor, 1.0])
    return other


def test_nothing_differs_between_two_snapshots_of_one_stack(trained, good):
    for other in (
        trained.pipeline,
        deepcopy(trained.pipeline),
        clone(trained.pipeline).fit(trained.rows, trained.labels),
    ):
        found = backslide.integrity(good, backslide.snapshot(other, trained.rows))
        assert found.differences == ()
        assert not found.hurts
        assert found.replay.equal == found.replay.rows == 24
        assert found.summary.startswith("Nothing differs")


def test_a_refitted_scaler_is_named_by_column_and_proven(trained, good):
    found = backslide.integrity(good, backslide.snapshot(with_refit(trained), trained.rows))
    first = found.differences[0]
    assert (first.kind, first.subject, first.risk, first.proven) == (
        "scaler_refit",
        "columns/numbers/scale",
        "likely",
        True,
    )
    assert first.features[0] == "income"
    before, after = (f"{m:,.0f}" for m in (trained.scaler.mean_[0], trained.scaler.mean_[0] * 1.3))
    assert f"mean of income {before} → {after}" in first.meaning
    assert len(found.differences) == 1
    assert found.replay.moved == ("numbers__income",) or "numbers__income" in found.replay.moved
    assert found.hurts


@pytest.mark.parametrize(("factor", "risk"), [(1.3, "likely"), (1.0000001, "unlikely")])
def test_the_size_of_a_refit_decides(trained, good, factor, risk):
    other = deepcopy(trained.pipeline)
    scaler_of(other).mean_ = scaler_of(other).mean_ * factor
    found = backslide.integrity(good.model_copy(update={"golden": None}), backslide.snapshot(other))
    assert [(d.kind, d.risk) for d in found.differences] == [("scaler_refit", risk)]


class Passing(BaseEstimator, RegressorMixin):
    """Fits what it is given, and keeps nothing beside it."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, x, y):
        self.estimator_ = clone(self.estimator).fit(x, y)
        return self

    def predict(self, x):
        return self.estimator_.predict(x)


def test_what_holds_nothing_beside_its_parts_is_told_by_them():
    rows = pd.DataFrame({"x": np.arange(20.0)})
    one, other = (Passing(LinearRegression()).fit(rows, rows["x"] * k) for k in (1, 2))
    found = backslide.integrity(backslide.snapshot(one), backslide.snapshot(other))
    assert [d.subject for d in found.differences] == ["estimator_"]


def test_a_whole_retraining_is_a_model_change_first(trained, good):
    half = trained.rows.iloc[:400]
    other = unfitted(C=0.2).fit(half, trained.labels[:400])
    found = backslide.integrity(good, backslide.snapshot(other, trained.rows))
    assert found.differences[0].kind == "model_change"
    assert "parameter C" in found.differences[0].meaning
    others = {d.kind for d in found.differences[1:]}
    assert others == {"scaler_refit", "preprocessing_change"}
    assert not any(d.proven for d in found.differences if d.kind != "model_change")


def encoder_pipeline(order=None):
    rows = pd.DataFrame({"kind": ["a", "b", "c"] * 40, "x": np.arange(120.0)})
    categories = "auto" if order is None else [order]
    step = make_pipeline(OrdinalEncoder(categories=categories), StandardScaler(), LogisticRegression())
    return rows[["kind"]], step.fit(rows[["kind"]], rows["kind"] == "a")


def test_a_permuted_encoder_is_a_preprocessing_change():
    rows, model = encoder_pipeline()
    other = deepcopy(model)
    other[0].categories_ = [np.array(["c", "a", "b"], dtype=object)]
    found = backslide.integrity(backslide.snapshot(model, rows), backslide.snapshot(other, rows))
    first = found.differences[0]
    assert (first.kind, first.features, first.proven) == ("preprocessing_change", ("kind",), True)
    assert "another order" in first.meaning


def test_a_category_that_went_is_named(trained, good):
    other = deepcopy(trained.pipeline)
    encoder = other["columns"].named_transformers_["levels"]
    encoder.categories_ = [np.array(["branch", "phone", "fax"], dtype=object)]
    found = backslide.integrity(good, backslide.snapshot(other, trained.rows))
    first = found.differences[0]
    assert (first.kind, first.features) == ("preprocessing_change", ("channel",))
    assert "with web → with fax" in first.meaning


def test_column_order_is_a_preprocessing_change(trained, good):
    other = deepcopy(trained.pipeline)
    columns = other["columns"]
    columns.transformers_ = [(n, t, list(reversed(c)) if n == "numbers" else c) for n, t, c in columns.transformers_]
    found = backslide.integrity(good.model_copy(update={"golden": None}), backslide.snapshot(other))
    assert {d.kind for d in found.differences} == {"preprocessing_change"}
    assert {"income", "age"} <= set(found.differences[0].features) | {f for d in found.differences for f in d.features}


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (
            lambda p: setattr(
                p["columns"].named_transformers_["numbers"]["impute"], "statistics_", np.array([1.0, 2.0])
            ),
            "preprocessing_change",
            "imputed value of",
        ),
        (lambda p: scaler_of(p).set_params(with_mean=False), "preprocessing_change", "with_mean|with mean"),
        (lambda p: setattr(p["model"], "coef_", p["model"].coef_ * 1.5), "model_change", "coefficient of"),
        (lambda p: p["columns"].named_transformers_["numbers"].steps.pop(1), "preprocessing_change", "is gone"),
    ],
)
def test_other_changes_by_their_kind(trained, good, change, kind, words):
    import re

    other = deepcopy(trained.pipeline)
    change(other)
    found = backslide.integrity(good, backslide.snapshot(other))
    assert found.differences[0].kind == kind
    assert re.search(words, found.differences[0].meaning)


def test_another_class_of_scaler_is_a_preprocessing_change():
    rows = pd.DataFrame({"a": np.arange(50.0), "b": np.arange(50.0) ** 2})
    one, two = (
        make_pipeline(s, LogisticRegression()).fit(rows, rows["a"] > 25) for s in (StandardScaler(), RobustScaler())
    )
    found = backslide.integrity(backslide.snapshot(one, rows), backslide.snapshot(two, rows))
    assert {"preprocessing_change"} <= {d.kind for d in found.differences}


def with_libraries(snapshot, **versions):
    environment = snapshot.environment
    held = {**environment.distributions, **{k.replace("_", "-"): v for k, v in versions.items()}}
    return snapshot.model_copy(update={"environment": environment.model_copy(update={"distributions": held})})


@pytest.mark.parametrize(
    ("before", "after", "far"),
    [
        ("1.2.3", "2.0", "major"),
        ("1.2.3", "1.3.0", "minor"),
        ("1.2.3", "1.2.4", "patch"),
        ("1.2.3", "1.2.3rc1", "patch"),
        ("0.4", "0.5", "minor"),
        ("1!1.0", "2!1.0", "major"),
        ("local", "1.0", "other"),
    ],
)
def test_distance_of_versions(before, after, far):
    assert distance(before, after) == far


def test_libraries_that_the_model_imports_come_first_and_others_do_not_hurt(good):
    bare = good.model_copy(update={"golden": None})
    found = backslide.integrity(bare, with_libraries(bare, scikit_learn="99.0", pytest="99.0", numpy="99.0"))
    assert [d.subject for d in found.differences] == ["scikit-learn", "numpy", "pytest"]
    assert [d.risk for d in found.differences] == ["likely", "possible", "unlikely"]
    assert not backslide.integrity(bare, with_libraries(bare, pytest="99.0")).hurts


def test_equal_golden_rows_settle_a_library_and_other_answers_prove_it(good):
    settled = backslide.integrity(good, with_libraries(good, scikit_learn="99.0"))
    assert not settled.hurts
    scores = tuple((b, a) for a, b in good.golden.scores)
    moved = good.model_copy(update={"golden": good.golden.model_copy(update={"scores": scores})})
    proven = backslide.integrity(good, with_libraries(moved, scikit_learn="99.0"))
    assert (proven.differences[0].kind, proven.differences[0].proven) == ("library_change", True)
    both = backslide.integrity(good, with_libraries(moved, scikit_learn="99.0", numpy="99.0"))
    assert not any(d.proven for d in both.differences), "one of two is not proven"
    assert all(d.risk == "likely" for d in both.differences)


def test_answers_that_nothing_explains_are_said(good):
    scores = tuple((b, a) for a, b in good.golden.scores)
    moved = good.model_copy(update={"golden": good.golden.model_copy(update={"scores": scores})})
    found = backslide.integrity(good, moved)
    assert "nothing that the snapshots hold differs" in found.differences[0].meaning


def test_variables_and_files_are_compared_key_by_key(trained, tmp_path, monkeypatch):
    taken = []
    for threshold, limit in ((0.5, "10"), (0.6, "20")):
        (tmp_path / "app.toml").write_text(f"[decision]\nthreshold = {threshold}\nname = 'x'\n")
        (tmp_path / "app.yaml").write_text(f"pool: {{workers: {limit}}}\n")
        (tmp_path / ".env").write_text(f"# comment\nexport LIMIT={limit}\n")
        (tmp_path / "raw.dat").write_bytes(b"\x00" + limit.encode())
        monkeypatch.setenv("FEATURE_VERSION", limit)
        taken.append(
            backslide.snapshot(
                trained.pipeline,
                files=["app.toml", "app.yaml", ".env", "raw.dat", "gone.ini"],
                base=tmp_path,
                show=["decision.*"],
            )
        )
    found = {d.subject: d for d in backslide.integrity(*taken).differences}
    assert set(found) == {"FEATURE_VERSION", "app.toml", "app.yaml", ".env", "raw.dat"}
    assert {d.kind for d in found.values()} == {"config_change"}
    assert found["app.toml"].meaning == "app.toml changed: decision.threshold changed, 0.5 → 0.6."
    assert found["app.yaml"].details[0].name == "pool.workers"
    assert found["FEATURE_VERSION"].before == "(hidden)"
    assert found["app.toml"].score > found["app.yaml"].score


def test_snapshots_of_different_salts_say_that_settings_were_not_compared(trained):
    one, two = (backslide.snapshot(trained.pipeline, salt=salt) for salt in ("a", "b"))
    found = backslide.integrity(one, two)
    assert found.differences == ()
    assert "BACKSLIDE_SALT" in " ".join(found.notes)
    assert one.variables != two.variables


@pytest.mark.parametrize(
    ("name", "least", "most"), [("DECISION_THRESHOLD", 0.5, 1), ("OMP_NUM_THREADS", 0, 0.3), ("TZ", 0.3, 1)]
)
def test_settings_weigh_by_their_name(name, least, most):
    assert least <= weight(name, False)[0] <= most
    assert weight(name, True)[0] < 0.3


def test_training_rows_that_differ_are_noted(trained, good):
    moved = trained.rows.assign(income=trained.rows["income"] * 3)
    found = backslide.integrity(good, backslide.snapshot(trained.pipeline, moved))
    assert any("mean of income" in note for note in found.notes)


def test_the_report_is_json_text_and_markdown(trained, good):
    found = backslide.integrity(good, backslide.snapshot(with_refit(trained), trained.rows))
    assert Integrity.from_dict(json.loads(found.to_json())) == found
    assert "1. scaler refit: columns/numbers/scale  likely to hurt (proven)" in found.to_text()
    assert "1. **scaler refit" in found.to_markdown()
    assert "<h3" in found.to_html()
    with pytest.raises(InputError, match=r"backslide\.integrity/1"):
        Integrity.from_dict({"format": "x"})


def test_foreign_names_cannot_steer_the_terminal(trained, good):
    odd = good.model_copy(update={"name": "v1\x1b[2J\u202e"})
    text = backslide.integrity(
        odd, with_libraries(odd.model_copy(update={"golden": None}), scikit_learn="9\x1b[2J")
    ).to_text()
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_times_and_pull_requests():
    assert parse_moment("2026-04-03").hour == 0
    assert parse_moment("2026-04-03T12:00:00+02:00").hour == 10
    with pytest.raises(InputError, match="ISO"):
        parse_moment("yesterday")
    for message, number in (
        ("Fix (#12)", "#12"),
        ("Merge pull request #7 from a/b", "#7"),
        ("See merge request g/p!9", "!9"),
        ("Fix", None),
    ):
        assert pull_of(message) == number
