"""Causes, labels, errors, roles and the numbers in sentences."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from backslide.contracts import errors, say
from backslide.contracts.cause import CauseKind, Confidence
from backslide.contracts.errors import BackslideError, ConfigError, did_you_mean
from backslide.contracts.finding import Finding, Severity, Step
from backslide.contracts.labels import label_text
from backslide.contracts.roles import Roles
from backslide.engine.roles.derive import label_expression

pytestmark = pytest.mark.core

KINDS = [
    "unit_change",
    "sign_flip",
    "missing_values",
    "default_value",
    "frozen_feature",
    "clipped_range",
    "rounded_values",
    "added_noise",
    "stale_values",
    "broken_join",
    "swapped_columns",
    "duplicated_rows",
    "lost_rows",
    "category_recode",
    "unseen_category",
    "text_change",
    "schema_change",
    "unrecognised_fault",
    "scaler_refit",
    "preprocessing_change",
    "model_change",
    "threshold_change",
    "output_change",
    "library_change",
    "code_change",
    "config_change",
    "covariate_shift",
    "label_shift",
    "concept_drift",
]


def test_the_kinds_of_cause_are_those_of_the_format():
    assert sorted(CauseKind) == sorted(KINDS)


@pytest.mark.parametrize("kind", CauseKind)
def test_every_kind_has_a_meaning_and_a_remedy(kind):
    assert 10 < len(kind.meaning) < 100
    assert kind.meaning[0].islower()
    assert not kind.meaning.endswith(".")
    assert 10 < len(kind.remedy) < 120
    assert kind.remedy[0].isupper()
    assert kind.remedy.endswith(".")


def test_meanings_and_remedies_are_distinct_where_the_kinds_are():
    assert len({kind.meaning for kind in CauseKind}) == len(CauseKind)


@pytest.mark.parametrize(
    "order",
    [
        ("scaler_refit", "preprocessing_change", "library_change", "model_change"),
        ("unit_change", "label_shift", "covariate_shift", "concept_drift"),
        ("default_value", "label_shift"),
        ("output_change", "model_change", "unit_change"),
    ],
)
def test_the_more_specific_kind_comes_first(order):
    ranks = [CauseKind(kind).precedence for kind in order]
    assert ranks == sorted(ranks)


def test_families():
    families = {kind: kind.family for kind in CauseKind}
    assert {k for k, f in families.items() if f == "the world"} == {"label_shift", "covariate_shift", "concept_drift"}
    ours = {
        "scaler_refit",
        "preprocessing_change",
        "library_change",
        "config_change",
        "code_change",
        "threshold_change",
        "output_change",
        "model_change",
    }
    assert {k for k, f in families.items() if f == "our own change"} == ours


def test_ranks_grow_with_worry_and_with_certainty():
    assert [s.rank for s in (Severity.OK, Severity.NOTE, Severity.WARN, Severity.FAIL)] == [0, 1, 2, 3]
    names = ("suspected", "supported", "verified", "proven")
    assert [Confidence(n).rank for n in names] == [0, 1, 2, 3]
    assert all(step.question.endswith("?") for step in Step)


def test_a_finding_is_referred_to_by_code_and_subject():
    assert Finding(code="DRF001", subject="income", severity="ok", summary="").key == "DRF001:income"


@given(st.integers(-(2**53), 2**53))
def test_the_same_number_is_the_same_label_however_it_comes(n):
    ways = [n, float(n), str(n), np.int64(n), np.float64(n), str(n).encode()]
    assert {label_text(way) for way in ways} == {str(n)}


@given(st.text())
def test_text_stays_as_it_is(text):
    assert label_text(text) == text
    assert label_text(label_text(text)) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_that_differ_are_labels_that_differ(x):
    assert float(label_text(x)) == x
    assert (label_text(x) == label_text(x + 1)) == (x == x + 1)


@pytest.mark.parametrize("value", [True, np.True_])
def test_booleans_are_words(value):
    assert label_text(value) == "true"
    assert label_text(not value) == "false"


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([0, 1, -7, 2**40]),
        pl.Series([0.0, 1.0, -2.5, 3e6, 0.1]),
        pl.Series([True, False]),
        pl.Series(["a", "1", "1.0", ""]),
        pl.Series([1, 2], dtype=pl.Int8),
        pl.Series(["x", "y"], dtype=pl.Categorical),
    ],
    ids=lambda s: str(s.dtype),
)
def test_the_engine_writes_labels_the_same_way(series):
    frame = pl.DataFrame({"y": series})
    written = frame.select(label_expression("y", series.dtype)).to_series().to_list()
    assert written == [label_text(value) for value in series.to_list()]


def _tree() -> dict[str, str]:
    """Name -> parent of the tree drawn in the docstring."""
    parents: dict[int, str] = {}
    found = {}
    for line in str(errors.__doc__).splitlines():
        match = re.match(r"([│├└─ ]*)([A-Z]\w+Error)\b", line)
        if match:
            depth = len(match[1]) // 4
            parents[depth] = match[2]
            found[match[2]] = parents.get(depth - 1, "Exception")
    return found


def test_the_tree_of_errors_is_the_one_drawn():
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BackslideError)
    }
    assert {name: cls.__bases__[0].__name__ for name, cls in classes.items()} == _tree()
    assert all(cls.__doc__ for cls in classes.values())


@pytest.mark.parametrize(
    ("word", "known", "answer"),
    [
        ("incme", ["income", "age"], "; did you mean 'income'?"),
        ("INCOME", ["income"], "; did you mean 'income'?"),
        ("zzz", ["income", "age"], "; there is 'income', 'age'"),
        ("zzz", [], ""),
        ("zzz", [f"c{i}" for i in range(10)], " and 2 more"),
    ],
)
def test_did_you_mean(word, known, answer):
    assert did_you_mean(word, known).endswith(answer)


def test_roles_keep_labels_as_text():
    roles = Roles(scores={1: "p1", 0.0: "p0"}, positive=1.0)
    assert Roles(scores={True: "pt"}).scores == {"true": "pt"}
    assert roles.scores == {"1": "p1", "0": "p0"}
    assert roles.positive == "1"
    assert Roles(label="y", id="i").columns() == {"label": "y", "id": "i"}
    assert roles.columns()["score of '1'"] == "p1"


def test_roles_refuse_unknown_keys_and_changes():
    with pytest.raises(ConfigError, match=r"^roles: unknown key 'lable'; did you mean 'label'\?$"):
        Roles(lable="x")
    with pytest.raises(ConfigError, match=r"^roles: threshold: [^\n]*found 'high'$"):
        Roles(threshold="high")
    with pytest.raises(ValidationError, match="frozen"):
        Roles().label = "y"


@given(st.floats(-1e14, 1e14))
def test_a_written_number_is_near_the_number(x):
    text = say.number(x).replace(say.MINUS, "-").replace(",", "")
    assert float(text) == pytest.approx(x, rel=5.1e-3, abs=1e-300)
    assert "e" not in text or abs(x) < 1e-4


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.041, "4.1%"), (0.0, "0.0%"), (0.0012, "0.12%"), (1.0, "100.0%"), (-0.05, "−5.0%")],
)
def test_percentages(share, text):
    assert say.percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1,234"),
        (0.12346, "0.1235"),
        (-3.0, "−3"),
        (2e-6, "2.00e−6"),
        (0, "0"),
        (-5.25e51, "−5.25e51"),
        (9e15, "9,000,000,000,000,000"),
    ],
)
def test_numbers(value, text):
    assert say.number(value) == text


def test_levels_are_told_apart():
    assert say.levels(0.842, 0.808, share=True) == "84.2% → 80.8%"
    assert say.levels(0.84201, 0.84236, share=True) == "84.20% → 84.24%"
    assert say.levels(2.41, 3.64, share=False) == "2.41 → 3.64"
    assert say.levels(0.5, 0.5, share=True) == "50.0% → 50.0%"


def test_days_are_said_as_people_say_them():
    assert say.day("2026-02-10") == "10 February"
    assert say.day("2026-02-10T09:30:00Z") == "10 February 09:30 UTC"
    assert say.day("block 3 of the rows") == "block 3 of the rows"


def test_changes_and_lists():
    assert say.signed(0.5) == "+0.5"
    assert say.signed(-0.5) == "−0.5"
    assert say.change(-0.034, share=True) == "3.4 points"
    assert say.change(-12.0, share=False, unit="EUR") == "12 EUR"
    assert say.listed([]) == ""
    assert say.listed(["a"]) == "a"
    assert say.listed(["a", "b", "c"]) == "a, b and c"
    assert say.listed(list("abcdef")) == "a, b, c and 3 more"
