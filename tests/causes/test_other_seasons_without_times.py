"""Windows of other months without a time of their rows: month and season go on together, and neither broke."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.expectation import expectation, stray_rows
from backslide.causes.faults.misfits import misfits
from backslide.causes.faults.recognition import find_faults
from backslide.playbook.base import Scenario

ROWS = 2500


def months(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """February to October, and October to May; warm in summer, and the outcome goes with warmth."""
    rng = np.random.default_rng(seed)
    spans = np.sort(rng.choice(np.arange(2, 11), ROWS)), rng.choice([10, 11, 12, 1, 2, 3, 4, 5], ROWS)
    reference, current = (of_months(np.sort(span), rng) for span in spans)
    return reference, current


def of_months(month: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    warmth = -10 * np.cos((month - 1) * np.pi / 6) + rng.normal(size=len(month)) * 3
    hour = rng.integers(0, 24, len(month))
    yes = rng.random(len(month)) < 1 / (1 + np.exp(-(warmth / 5 + (hour > 12) - 0.5)))
    return pl.DataFrame(
        {
            "month": month,
            "season": (month % 12) // 3 + 1,
            "warmth": warmth,
            "hour": hour,
            "label": np.where(yes, "yes", "no"),
            "prediction": np.where(warmth > 0, "yes", "no"),
        }
    )


ROLES = {"label": "label", "prediction": "prediction", "features": ["month", "season", "warmth", "hour"]}


@pytest.mark.parametrize("seed", range(2))
def test_neither_month_nor_season_is_accused(seed):
    reference, current = months(seed)
    case = worlds.case_of(Scenario(reference, current, ROLES))
    assert stray_rows(case).keys() == {"month"}, "months of which the reference knows nothing"
    assert "month" not in {name for fault in find_faults(case) for name in fault.features}
    assert "season" not in {one.column for one in misfits(case)}


def test_a_month_counted_from_elsewhere_is_told_by_its_company():
    """All months in both windows, and the others say which month it is."""
    rng = np.random.default_rng(3)
    reference, current = (of_months(rng.integers(1, 13, ROWS), rng) for _ in range(2))
    current = current.filter(pl.Series(rng.random(ROWS) < np.where(current["month"] < 5, 1.0, 0.4)))
    reference = reference.filter(pl.Series(rng.random(ROWS) < np.where(reference["month"] < 5, 1.0, 0.4)))
    turned = current.with_columns(month=(pl.col("month") + 3) % 12 + 1)
    sound, broken = (worlds.case_of(Scenario(reference, c, ROLES)) for c in (current, turned))
    assert not find_faults(sound)
    (fault,) = (f for f in find_faults(broken) if "month" in f.features)
    assert (fault.kind, fault.features) == ("unit_change", ("month",))


def test_a_column_that_left_the_reference_is_no_witness():
    reference, current = months(0)
    case = worlds.case_of(Scenario(reference, current, ROLES))
    alone, beside = (expectation(case, "season", frozenset(), with_strays=w) for w in (False, True))
    assert alone is not None
    assert beside is not None
    home = ~stray_rows(case)["month"]
    assert beside.current[home].mean() < alone.current[home].mean(), "month tells the season where both were seen"
