"""Prices of faults of new rows: expected ones where other rows are the control, those of the very days where none are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from backslide.case import Case
from backslide.causes import screening
from backslide.causes.faults.recognition import find_all_faults
from backslide.causes.screening import ScreenedFault, screen
from backslide.contracts.config import Settings
from backslide.engine.window import open_windows
from streams_of_logs import served

CLIENTS = np.array(["acme", "globex", "initech", "umbrella"], object)
MODEL = {
    "label": "label",
    "prediction": "prediction",
    "scores": {"paid": "p_paid"},
    "features": ["income", "age", "branch"],
}


def case_of(*, everyone: bool, rows: int = 600) -> Case:
    """A day after twelve, on which one client, or every one, sends cents in place of euros; it is not labelled."""

    def cents(columns):
        columns["client"] = columns["rng"].choice(CLIENTS, len(columns["day"]))
        hit = (columns["day"] >= 12) & (everyone | (columns["client"] == "globex"))
        columns["income"] = np.where(hit, columns["income"] * 100, columns["income"])

    frame = served(61, 13, rows=rows, change=cents).drop("label_at")
    reference, current = frame[: 12 * rows], frame[12 * rows :].with_columns(label=pl.lit(None, pl.String))
    settings = Settings.from_dict({"model": MODEL})
    return Case(open_windows(reference, current, settings), settings)


def only(case: Case) -> ScreenedFault:
    (fault,) = screen(case)
    assert fault.kind == "unit_change"
    return fault


@pytest.mark.parametrize("everyone", [False, True])
def test_a_marked_fault_is_priced_without_the_luck_of_its_own_rows(everyone, monkeypatch):
    case = case_of(everyone=everyone)
    found = only(case)
    assert found.marked == (not everyone)
    assert found.harm > 0.02
    monkeypatch.setattr(screening, "_expected", lambda bench, fault: fault)
    of_the_day = only(case_of(everyone=everyone))
    assert of_the_day.harm == pytest.approx(found.harm)
    widths = found.high - found.low, of_the_day.high - of_the_day.low
    if everyone:
        assert widths[0] == pytest.approx(widths[1])
    else:
        assert widths[0] < 0.5 * widths[1], "twelve days of labels beside the one that has none"


def test_what_was_not_injected_keeps_its_price():
    case = case_of(everyone=False)
    (fault,) = (one for one in find_all_faults(case) if one.exact)
    bare = replace(fault, injection_effect=None)
    assert screening._expected(None, bare) is bare
