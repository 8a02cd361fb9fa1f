"""What drift hides in the reference and the other rows of the same weeks show: marked rows, and what only looks like a fault."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import worlds
from backslide.causes.columns.seasonality import follows_calendar
from backslide.causes.faults.contrasts import find_contrasts
from backslide.causes.faults.recognition import find_faults
from backslide.causes.faults.row_evidence import _stands_apart
from backslide.causes.faults.signatures.category_recode import _moved_a_little
from backslide.causes.faults.signatures.default_value import _usual_range
from backslide.contracts.cause import CauseKind
from backslide.engine.columns.kinds import ColumnKind
from backslide.engine.columns.pair import Pair
from backslide.playbook.base import Scenario

HOSTS = np.array(["a", "b", "c", "d"])
ROWS = 3000


def meters(seed: int, level: float, first: date, broken: str = "", change: Any = None) -> pl.DataFrame:
    """Powers read by four hosts on thirty days; ``level`` moves all of them from month to month."""
    rng = np.random.default_rng(seed)
    host = rng.choice(HOSTS, ROWS, p=[0.3, 0.4, 0.2, 0.1])
    power = np.exp(rng.normal(level, 0.5, ROWS))
    noise = rng.normal(size=ROWS)
    answer = (np.log(power) - level + noise > 0).astype(int)
    if change is not None:
        power = np.where(host == broken, change(power), power)
    at = [datetime(first.year, first.month, first.day) + timedelta(minutes=14 * i) for i in range(ROWS)]
    return pl.DataFrame({"at": at, "host": host, "power": power, "noise": noise, "answer": answer, "said": answer})


ROLES = {"label": "answer", "prediction": "said", "timestamp": "at", "features": ("power", "noise")}


def faults(level: float, broken: str = "", change: Any = None) -> list[tuple[CauseKind, tuple[str, ...], str | None]]:
    rows = meters(1, 0.0, date(2026, 1, 1)), meters(2, level, date(2026, 1, 31), broken, change)
    found = find_faults(worlds.case_of(Scenario(*rows, ROLES, None)))
    return [(f.kind, f.features, f.segment) for f in found]


CHANGES = [
    (CauseKind.UNIT_CHANGE, lambda power: power * 4.4482216),
    (CauseKind.SIGN_FLIP, lambda power: -power),
    (CauseKind.CLIPPED_RANGE, lambda power: np.minimum(power, 3.0)),
]


@pytest.mark.parametrize(("kind", "change"), CHANGES)
def test_marked_rows_are_read_against_the_rows_beside_them(kind, change):
    """All powers are three times what they were; what was done to one host's alone is told by the other hosts."""
    assert (kind, ("power",), "host = 'b'") in faults(1.1, "b", change)


def test_codes_that_one_host_mixed_up_are_not_new_at_the_other_hosts():
    """Beside its rows the others hold codes that it does not send any more; all of them are known."""

    def month(seed: int, rows: int, first: date, mixed: bool) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        host = rng.choice(HOSTS, rows)
        code = np.minimum(rng.geometric(0.15, rows), 24)
        code = np.where((host == "a") & mixed, np.random.default_rng(9).permutation(25)[code], code)
        at = [datetime(first.year, first.month, first.day) + timedelta(minutes=14 * i) for i in range(rows)]
        noise = rng.normal(size=rows)
        answer = np.where(noise > 0, "up", "down")
        code = np.char.add("c", code.astype(str))
        return pl.DataFrame({"at": at, "host": host, "code": code, "noise": noise, "answer": answer, "said": answer})

    roles = {**ROLES, "features": ("code", "noise")}
    for seed in range(3):
        rows = month(1, 5000, date(2026, 1, 1), mixed=False), month(20 + seed, 1000, date(2026, 3, 1), mixed=True)
        case = worlds.case_of(Scenario(*rows, roles, None))
        assert any(marker.column == "host" for sides in find_contrasts(case) for marker in sides)
        assert all("host IN" not in (fault.segment or "") for fault in find_faults(case))


@pytest.mark.parametrize("level", [0.0, 0.4, 1.1])
def test_powers_that_all_move_alike_have_no_contrast(level):
    rows = meters(1, 0.0, date(2026, 1, 1)), meters(2, level, date(2026, 1, 31))
    assert find_contrasts(worlds.case_of(Scenario(*rows, ROLES, None))) == []


def test_hosts_that_always_lay_apart_have_no_contrast():
    rows = [meters(s, 0.0, day, "b", lambda p: p * 3) for s, day in ((1, date(2026, 1, 1)), (2, date(2026, 1, 31)))]
    assert find_contrasts(worlds.case_of(Scenario(*rows, ROLES, None))) == []


def test_what_is_made_of_the_features_is_no_control():
    """Answers follow what they are made of: three features tell them, and a fourth comes to tell them as well."""

    def month(seed: int, weight: float) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        a, b, c, power = rng.normal(size=(4, ROWS))
        answer = np.where(a + b + c + weight * power > 0, "up", "down")
        return pl.DataFrame({"a": a, "b": b, "c": c, "power": power, "answer": answer, "kept": answer, "said": answer})

    roles = {"label": "answer", "prediction": "said", "features": ("a", "b", "c", "power")}
    assert find_contrasts(worlds.case_of(Scenario(month(1, 0.0), month(2, 3.0), roles, None))) == []


def test_a_tail_that_drifts_off_is_no_factor():
    """Rows beyond a limit always lie at about one ratio: there are as many just before it. A factor leaves a valley."""
    rng = np.random.default_rng(3)
    drifted = rng.normal(0.5, 0.5, 5000)
    scaled = np.where(rng.random(5000) < 0.2, rng.normal(1.0, 0.15, 5000), rng.normal(0.0, 0.15, 5000))
    assert not _stands_apart(drifted)
    assert _stands_apart(scaled)


def pair(before: np.ndarray, now: np.ndarray, days: np.ndarray | None = None) -> Pair:
    kind = ColumnKind.NUMERIC if before.dtype.kind in "if" else ColumnKind.CATEGORICAL
    return Pair("x", kind, pl.Series(before), pl.Series(now), days=days)


def test_a_value_that_comes_and_goes_by_itself_has_a_range():
    """Half of the calls are first ones in some weeks and a tenth in others."""
    rng = np.random.default_rng(4)
    days = np.arange(5000) // 50
    share = np.where((days // 20) % 2 == 0, 0.1, 0.5)
    first = np.where(rng.random(5000) < share, 1, 2)
    steady = np.where(rng.random(5000) < 0.1, 1, 2)
    assert _usual_range(pair(first, first, days), "1") == pytest.approx(0.4, abs=0.06)
    assert _usual_range(pair(steady, steady, days), "1") < 0.03
    assert _usual_range(pair(steady, steady), "1") == 0.0


def test_ages_that_stand_in_for_the_next_ones_are_not_shuffled_codes():
    ages = [str(n) for n in range(20, 60)]
    beside = {ages[i]: ages[i + 1] for i in range(len(ages) - 1)}
    anywhere = dict(zip(ages, np.random.default_rng(5).permutation(ages).tolist(), strict=True))
    assert _moved_a_little(beside, ages)
    assert not _moved_a_little(anywhere, ages)
    assert not _moved_a_little({"1": "2", "2": "1"}, ["1", "2", "3"])


def calendar(before: np.ndarray, now: np.ndarray) -> bool:
    days = np.arange(len(before)) // 20
    case: Any = SimpleNamespace(
        pairs={"x": pair(before, now, days)},
        reference=SimpleNamespace(blocks=days),
        current=SimpleNamespace(blocks=days),
    )
    return follows_calendar(case, "x")


def test_a_rare_flag_does_not_follow_the_calendar():
    """It is the same on nearly all rows of every day, and on nearly all rows of any other day."""
    rng = np.random.default_rng(6)
    rare = np.where(rng.random(2000) < 0.015, "yes", "no")
    month = np.repeat(["may", "june"], 1000)
    assert not calendar(rare, np.char.add("ref.", rare))
    assert calendar(month, np.repeat(["july", "august"], 1000))
    assert calendar(np.full(2000, "may"), np.full(2000, "june"))
