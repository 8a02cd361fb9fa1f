"""Whether the two models were trained on other rows: the training profiles of two snapshots, column by column."""

from __future__ import annotations

import math

from backslide.contracts import say
from backslide.contracts.errors import InputError
from backslide.contracts.snapshot import Snapshot
from backslide.engine.profile.column import ColumnProfile
from backslide.stack.training import profile_of

SHIFT = 0.1
"""Standard deviations by which a mean must have moved to be told."""
SHARE = 0.05
"""Change of a share (missing values, a category) that is told."""
MOST = 5


def training_notes(a: Snapshot, b: Snapshot) -> list[str]:
    """One sentence about what differs between the training rows; none where nothing does or nothing is known."""
    try:
        old, new = profile_of(a), profile_of(b)
    except InputError as error:
        return [str(error)]
    if old is None or new is None:
        return []
    sentences: list[tuple[float, str]] = []
    for name, before in old.columns.items():
        if name in new.columns:
            sentences += _changes(name, before, new.columns[name])
    lost = [name for name in old.columns if name not in new.columns]
    sentences += [(9.0, f"{name} is no longer among them") for name in lost]
    if not sentences:
        return []
    sentences.sort(key=lambda item: -item[0])
    rows = f" ({say.number(old.rows)} → {say.number(new.rows)} rows)" if old.rows != new.rows else ""
    return [f"the training rows differ{rows}: {say.listed([words for _, words in sentences], MOST)}"]


def _changes(name: str, before: ColumnProfile, after: ColumnProfile) -> list[tuple[float, str]]:
    changes = []
    if before.edges is not None and after.edges is not None and before.finite > 1 and after.finite:
        spread = before.std
        shift = abs(after.mean - before.mean) / spread if spread > 0 and math.isfinite(spread) else 0.0
        if shift > SHIFT:
            changes.append((shift, f"mean of {name} {say.number(before.mean)} → {say.number(after.mean)}"))
    gap = after.missing_share - before.missing_share
    if abs(gap) > SHARE:
        shares = f"{say.percent(before.missing_share)} → {say.percent(after.missing_share)}"
        changes.append((abs(gap) * 10, f"missing values of {name} {shares}"))
    come = [level for level in after.levels if level not in before.levels and after.levels[level] > SHARE * after.rows]
    if come and not before.rest_rows:
        changes.append((1.0, f"{name} holds {say.listed(come, 3)}, which it did not"))
    return changes
