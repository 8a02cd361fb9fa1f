"""Numbers of which some come in another format: told with their rows, read back to the last digit, and not taken for dirt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

import tables
import worlds
from backslide.case import Case
from backslide.causes.faults.base import Fault
from backslide.causes.faults.recognition import find_faults
from backslide.contracts.cause import CauseKind
from backslide.playbook import scenarios
from backslide.playbook.base import Scenario

FORMATS: dict[str, Callable[[float], str]] = {
    "decimal comma": lambda v: repr(v).replace(".", ","),
    "unit": lambda v: f"{v!r} EUR",
    "sign in front": lambda v: f"$ {v!r}",
    "thousands": lambda v: f"{v:,.2f}",
    "european": lambda v: f"{v:,.2f}".translate({44: ".", 46: ","}),
}
ROUNDED = ("thousands", "european")


def written(column: str, write: Callable[[float], str], rows: np.ndarray, frame: pl.DataFrame) -> pl.DataFrame:
    """The column as text, some of its rows in another format."""
    values = frame[column].to_list()
    texts = [None if v is None else write(v) if r else repr(v) for v, r in zip(values, rows, strict=True)]
    return frame.with_columns(pl.Series(column, texts, dtype=pl.String))


def case(column: str, write: Callable[[float], str], rows: np.ndarray, seed: int = 0) -> tuple[Case, pl.DataFrame]:
    reference, current = tables.months(seed)
    frame = written(column, write, rows, current)
    return worlds.case_of(tables.scenario(reference, frame)), current


def only(found: list[Fault]) -> Fault:
    (fault,) = found
    return fault


def rows_of(share: float | str) -> np.ndarray:
    _, current = tables.months(0)
    return tables.on(current, share) if isinstance(share, str) else tables.at_random(current, share)


@pytest.mark.sample(4)
@pytest.mark.parametrize("share", [pytest.param(0.05, marks=pytest.mark.slow), 0.4, "a"], ids=str)
@pytest.mark.parametrize("kind", FORMATS)
def test_another_format_on_some_rows_is_one_change_of_format(kind, share):
    rows = rows_of(share)
    made, current = case("income", FORMATS[kind], rows)
    fault = only(find_faults(made))
    assert (fault.kind, fault.features, fault.exact, fault.reversible) == (
        CauseKind.SCHEMA_CHANGE,
        ("income",),
        True,
        True,
    )
    # Numbers under a thousand have no separator of thousands, and are written alike in both formats.
    assert fault.rows.mean() == pytest.approx(rows.mean(), abs=0.02)
    repaired = fault.repair(made, made.current.sample)["income"]
    assert repaired.dtype == pl.Float64
    exact = 0.005 if kind in ROUNDED else 0
    assert np.abs(repaired.to_numpy() - current["income"].to_numpy()).max() <= exact


@pytest.mark.parametrize("kind", ["decimal comma", "unit"])
def test_injection_writes_as_many_reference_rows_so(kind):
    made, _ = case("income", FORMATS[kind], rows_of(0.4))
    fault = only(find_faults(made))
    before = made.reference.sample
    done = fault.inject(made, before)["income"]
    assert done.dtype == pl.String
    read = done.cast(pl.Float64, strict=False)
    assert read.is_null().mean() == pytest.approx(0.4, abs=0.05)
    back = fault.repair(made, before.with_columns(done))["income"]
    assert back.equals(before["income"])


def test_missing_values_stay_missing():
    reference, current = tables.months(0)
    gaps = tables.at_random(current, 0.1, seed=8)
    current = current.with_columns(pl.when(pl.Series(gaps)).then(None).otherwise("income").alias("income"))
    frame = written("income", FORMATS["decimal comma"], tables.at_random(current, 0.4), current)
    made = worlds.case_of(tables.scenario(reference, frame))
    fault = next(f for f in find_faults(made) if f.kind == CauseKind.SCHEMA_CHANGE)
    repaired = fault.repair(made, made.current.sample)["income"]
    assert (repaired.is_null().to_numpy() == gaps).all()


@pytest.mark.sample(4)
@pytest.mark.parametrize("dirt", ["n/a", "unknown", "-", "", "#REF!", "12 or 13"])
@pytest.mark.parametrize("share", [0.03, 0.4])
def test_text_that_is_simply_dirty_is_no_format(dirt, share):
    reference, current = tables.months(0)
    frame = written("income", lambda _: dirt, tables.at_random(current, share), current)
    found = find_faults(worlds.case_of(tables.scenario(reference, frame)))
    assert [f.kind for f in found if f.kind == CauseKind.SCHEMA_CHANGE] == []


def test_a_handful_of_odd_texts_is_no_format():
    reference, current = tables.months(0)
    rows = np.zeros(current.height, bool)
    rows[:12] = True
    frame = written("income", FORMATS["decimal comma"], rows, current)
    found = find_faults(worlds.case_of(tables.scenario(reference, frame)))
    assert [f for f in found if f.segment is not None or f.rows.sum() == 12] == []


def test_some_numbers_in_text_that_are_other_numbers_are_no_format():
    """Values a hundred times too large with a comma: the same writing, not the same column."""
    reference, current = tables.months(0)
    frame = written("income", lambda v: repr(v * 1e6).replace(".", ","), tables.at_random(current, 0.4), current)
    found = find_faults(worlds.case_of(tables.scenario(reference, frame)))
    assert [f.kind for f in found if f.kind == CauseKind.SCHEMA_CHANGE] == []


class _Lenient(scenarios.TrueModel):
    """Reads what it can and takes the rest for missing."""

    def predict_proba(self, frame):
        columns = {name: np.asarray(frame[name]) for name in ("income", "age", "channel")}
        read = pl.Series([str(v) for v in columns["income"]]).cast(pl.Float64, strict=False).fill_null(float("nan"))
        return super().predict_proba(columns | {"income": read.to_numpy()})


@pytest.mark.slow
def test_the_diagnosis_brings_the_points_of_the_unread_rows_back():
    rng = np.random.default_rng(3)
    reference, sound = worlds.two_months(rng)
    rows = rng.random(sound.height) < 0.4
    lost = sound.with_columns(pl.when(pl.Series(rows)).then(None).otherwise("income").alias("income"))
    served = scenarios.rescored(lost).with_columns(written("income", FORMATS["decimal comma"], rows, sound)["income"])
    d = worlds.causes_of(Scenario(reference, served, worlds.BARE, _Lenient()), metric="accuracy")
    first = d.causes[0]
    assert (first.kind, first.features) == (CauseKind.SCHEMA_CHANGE, ("income",))
    true = worlds.accuracy(served) - worlds.accuracy(sound)
    assert true < -0.02
    assert first.points.estimate == pytest.approx(true, abs=1e-9)
    assert first.share_of_rows == pytest.approx(rows.mean(), abs=0.01)
