"""Streams by period as pages draw them: those of the reference, those after it, and how many rows and labels came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backslide.monitor.detect import Track
from backslide.monitor.stream import Ledger
from backslide.monitor.sums import Sums
from backslide.store.memory import Json

ROWS, ARRIVAL = "rows", "labels"
"""Names of the two that are no streams of their own: rows of each period, and the share of them that has a label."""


def series_of(tracks: Sequence[Track], ledger: Ledger) -> list[Json]:
    """Every stream with the periods of its reference, and rows and labels by period."""
    return [*map(_of_track, tracks), *_of_rows(ledger)]


def _of_track(track: Track) -> Json:
    ref, later = track.followed.reference, track.followed.later
    half = 1.96 * track.noise  # nineteen of twenty quiet periods lie inside
    blank: list[float | None] = [None] * len(ref)
    return {
        "stream": track.followed.name,
        "kind": track.followed.kind,
        "number": _whole(ref.ordinals) + _whole(later.ordinals),
        "value": [*map(float, ref.values), *map(float, later.values)],
        "expected": blank + [float(v) for v in track.expected],
        "low": blank + [float(v) for v in track.expected - half],
        "high": blank + [float(v) for v in track.expected + half],
        "rows": _whole(ref.rows) + _whole(later.rows),
    }


def _of_rows(ledger: Ledger) -> list[Json]:
    inputs = {**ledger.inputs[0], **ledger.inputs[1]}
    if not inputs:
        return []
    known: dict[int, Sums] = {**inputs, **ledger.labels[0], **ledger.labels[1]}
    if ledger.mature is not None:
        known |= {**ledger.mature[0], **ledger.mature[1]}
    numbers = sorted(inputs)
    rows = [inputs[n].rows for n in numbers]
    share = [known[n].labelled / max(known[n].rows, 1) for n in numbers]
    return [_plain(ROWS, numbers, rows, rows), _plain(ARRIVAL, numbers, share, rows)]


def _plain(name: str, numbers: list[int], values: Sequence[float], rows: list[int]) -> Json:
    blank = [None] * len(numbers)
    plain = {"expected": blank, "low": blank, "high": blank, "rows": rows}
    return {"stream": name, "kind": name, "number": numbers, "value": [float(v) for v in values], **plain}


def _whole(values: Any) -> list[int]:
    return [int(value) for value in values]
