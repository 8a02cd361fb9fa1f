"""Stored days of a log, judged again: they raise what the whole of ``watch`` raised, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import promise
import watched_logs


def test_years_drawn_from_stored_days_keep_weekdays_and_length():
    known = dict.fromkeys(range(100, 130), None)
    days = promise.Days("x", None, "accuracy", 0.01, {}, known, {}, {}, {})
    year = days.year(np.random.default_rng(0))
    assert [n % 7 for n in year] == [(100 + i) % 7 for i in range(365)]
    assert set(year) <= set(known)


@pytest.mark.slow
@pytest.mark.parametrize("look", [28, 2])
def test_stored_days_raise_what_the_whole_look_raised(monkeypatch: pytest.MonkeyPatch, look: int):
    """Also where several looks kept them, the later ones first."""
    monkeypatch.setattr(watched_logs, "SIZES", (400,))
    monkeypatch.setattr(promise, "LOOK", look)
    broken = watched_logs.REFERENCE + 3

    def cents(columns: dict[str, Any], rng: np.random.Generator) -> None:
        late = columns[watched_logs.DAY] >= broken
        columns["amount"] = np.where(late, 100 * columns["amount"], columns["amount"])

    days = promise.gather("cents", watched_logs.simulated(0, watched_logs.REFERENCE + 6, cents))
    assert ("fault:amount", "alarm") in {(stream, level) for stream, level, _ in days.raised}
    assert promise.raised_by(days.judge()) == days.raised
    assert promise.raised_by(days.judge(sorted(days.inputs)[:3])) == []
