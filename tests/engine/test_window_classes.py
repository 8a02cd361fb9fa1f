"""The classes of a problem are those of all rows, wherever in the file they stand."""

from __future__ import annotations

import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.engine.roles.resolve_problem import HEAD
from backslide.engine.window import open_windows

pytestmark = pytest.mark.core


def test_a_class_that_first_appears_late_is_a_class():
    common = pl.DataFrame({"x": [0.0] * (HEAD + 5), "y": ["a"] * HEAD + ["b"] * 5, "p": ["a"] * (HEAD + 5)})
    late = pl.DataFrame({"x": [1.0] * 3, "y": ["c"] * 3, "p": ["a"] * 3})
    settings = Settings.from_dict({"model": {"label": "y", "prediction": "p"}})
    opened = open_windows(pl.concat([common, late]), common, settings)
    assert opened.problem.classes == ("a", "b", "c")
    assert opened.problem.task == "multiclass"
    assert opened.reference.label_counts == {"a": HEAD, "b": 5, "c": 3}
    assert opened.problem.metric == "macro_f1"
