"""A step of the search that fails is noted, and the others go on: no guess about odd rows is the end of a diagnosis."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NoReturn

import numpy as np
import polars as pl
import pytest

import backslide as bs
from backslide.causes import search
from backslide.causes.faults import recognition
from backslide.causes.replay import model_or_threshold
from backslide.causes.shift import shifts
from backslide.contracts.config import Settings
from backslide.playbook import scenarios

pytestmark = pytest.mark.usefixtures("contained")
WITHOUT_A_MODEL = [
    (model_or_threshold, "recover_model"),
    (model_or_threshold, "find_exchanged_classes"),
    (recognition, "recognise_within"),
    (recognition, "recognise_mixtures"),
    (search, "find_label_lag"),
    (shifts, "find_shifts"),
]


@pytest.mark.parametrize(
    ("steps", "model"),
    [(WITHOUT_A_MODEL, None), ([(model_or_threshold, "find_answer_change")], scenarios.TrueModel())],
    ids=["without a model", "with the model"],
)
def test_steps_that_fail_are_noted_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[ModuleType, str]], model: Any
):
    def failing(name: str) -> Any:
        def fail(*_: Any, **__: Any) -> NoReturn:
            raise ZeroDivisionError(f"{name} met an odd row")

        return fail

    for place, name in steps:
        monkeypatch.setattr(place, name, failing(name))
    rng = np.random.default_rng(3)
    reference, current = (scenarios.rescored(scenarios.served(rng, 900)) for _ in range(2))
    third = pl.int_range(pl.len()) % 3 == 0  # is answered the other way round
    current = current.with_columns(pl.when(third).then(1 - pl.col("p_yes")).otherwise("p_yes").alias("p_yes"))
    answers = pl.when(pl.col("p_yes") >= 0.5).then(pl.lit("yes")).otherwise(pl.lit("no"))
    settings = Settings.from_dict({"model": scenarios.ROLES, "engine": {"bootstrap": 50}})
    current = current.with_columns(answers.alias("prediction"))
    diagnosis = bs.diagnose(reference, current, settings=settings, reference_model=model, quick=True)
    assert diagnosis.verdict == "degraded"
    notes = "\n".join(diagnosis.inputs.notes)
    for _, name in steps:
        assert f"could not be tried out: ZeroDivisionError: {name} met an odd row" in notes
