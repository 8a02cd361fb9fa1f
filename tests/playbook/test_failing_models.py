"""A model that fails is not another model: its error comes first, in every view, with what to do."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import backslide as bs
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import ModelError

ROLES = bs.Roles(label="label", prediction="prediction", scores={"paid": "score"})


def window(seed: int, scale: float = 1.0, n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, group = rng.normal(1, 1, n), rng.choice(list("abcde"), n)
    chance = 1 / (1 + np.exp(-3 * (x - 1)))
    score = 1 / (1 + np.exp(-3 * (x * scale - 1)))
    label = np.where(rng.random(n) < chance, "paid", "default")
    return pd.DataFrame(
        {
            "x": x * scale,
            "group": group,
            "score": score,
            "prediction": np.where(score >= 0.5, "paid", "default"),
            "label": label,
        }
    )


def refusing(groups: str):
    """The model that served, which refuses rows of some groups, and so a batch that holds one."""

    def model(frame):
        if frame["group"].isin(list(groups)).any():
            raise RuntimeError("no connection\nto the feature store")
        return 1 / (1 + np.exp(-3 * (frame["x"].to_numpy() - 1)))

    return model


@cache
def diagnosed(groups: str) -> Diagnosis:
    return bs.diagnose(window(1), window(2, 0.1), roles=ROLES, reference_model=refusing(groups))


ERROR = "RuntimeError: no connection to the feature store"


@pytest.mark.parametrize(
    ("groups", "share"), [("abcde", "all 400"), pytest.param("abcd", "of 400", marks=pytest.mark.slow)]
)
def test_the_error_is_the_first_warning_and_says_what_to_do(groups, share):
    diagnosis = diagnosed(groups)
    first = diagnosis.warnings[0]
    assert f"fails on {'all 400' if share == 'all 400' else ''}" in first
    assert share in first
    assert ERROR in first
    assert "module:function" in first
    said = [*diagnosis.inputs.notes, *diagnosis.warnings, *(f.summary for o in diagnosis.checks for f in o.findings)]
    assert not any("does not reproduce" in text or "it is not the model" in text for text in said)
    assert any("fails on" in note and ERROR in note for note in diagnosis.inputs.notes) == (groups == "abcde")


def test_it_is_the_first_warning_of_every_view():
    diagnosis = diagnosed("abcde")
    others = [warning[:30] for warning in diagnosis.warnings[1:]]
    for text in (diagnosis.to_text(), diagnosis.to_markdown(), diagnosis.to_html()):
        words = " ".join(text.split())
        assert words.index(ERROR) < min(words.index(other) for other in others if other in words)
        assert words.index(ERROR) < words.lower().index("not checked, and why")
    assert ERROR in diagnosis.to_dict()["warnings"][0]


@pytest.mark.slow
def test_rows_that_fail_are_counted_where_they_are_few():
    diagnosis = diagnosed("a")
    finding = next(f for o in diagnosis.checks if o.code == "SHD001" for f in o.findings if f.subject == "reference")
    failed = int((window(1)["group"] == "a").sum())
    assert f"it fails on {failed} of 400 rows: {ERROR}" in finding.summary
    assert not any(ERROR in warning for warning in diagnosis.warnings)
    assert diagnosis.causes[0].confidence.value == "verified"


@pytest.mark.parametrize(("groups", "rows"), [("abcde", "none of the"), ("abcd", r"only \d+ of 400")])
def test_a_model_that_answers_few_rows_is_not_compared(groups, rows):
    with pytest.raises(ModelError, match=f"model answers {rows} current rows: {ERROR}; call it with"):
        bs.shadow(window(1), roles=ROLES, old_model=refusing(groups))
