"""Shares of the rows in groups that the data made themselves: clusters of vectors, topics of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backslide.case import Case
from backslide.contracts import say
from backslide.contracts.evidence import RankedRow, Ranking
from backslide.contracts.finding import Finding, Severity
from backslide.playbook.base import Check
from backslide.playbook.drift import change_of_column
from backslide.playbook.drift.change_of_column import Days
from backslide.playbook.findings import share_finding
from backslide.stats.arrays import Floats, Ints
from backslide.stats.change.day_noise import DayCounts
from backslide.stats.drift.univariate import ShareMove, share_move
from backslide.stats.two_sample import holm

CLEAR = 0.05
"""Adjusted p-value under which a group is told beside the clearest one."""
TOLD = 3


@dataclass(frozen=True)
class GroupShift:
    """How the share of one group's rows changed."""

    group: int
    move: ShareMove
    p_value: float
    """Adjusted over all groups (Holm 1979)."""

    @property
    def reference(self) -> float:
        """Share of the reference rows."""
        return float(self.move.before[-1])

    @property
    def current(self) -> float:
        """Share of the current rows."""
        return float(self.move.after[-1])

    @property
    def change(self) -> float:
        """Without the effect of other weekdays."""
        return float(self.move.adjusted[-1])

    @property
    def raised(self) -> float:
        """Current less reference."""
        return self.current - self.reference

    @property
    def arrow(self) -> str:
        """``3.1 % → 9.7 %``."""
        return f"{say.percent(self.reference)} → {say.percent(self.current)}"


def group_shifts(codes: Sequence[Ints], days: Sequence[Days], groups: int) -> list[GroupShift]:
    """Every group against all others; ``codes`` (n,) are the groups of the rows of either window."""
    moves = []
    for group in range(groups):
        counted = [DayCounts.of((c == group).astype(np.int64), 2, d) for c, d in zip(codes, days, strict=True)]
        move = share_move(counted[0].counts.sum(axis=0), counted[1].counts.sum(axis=0), (counted[0], counted[1]))
        assert move is not None
        moves.append(move)
    corrected = holm([m.p_value for m in moves])
    return [GroupShift(k, move, float(p)) for k, (move, p) in enumerate(zip(moves, corrected, strict=True))]


def group_finding(
    check: Check,
    case: Case,
    name: str,
    shifts: Sequence[GroupShift],
    *,
    floor_of: Callable[[GroupShift], float],
    floor: float,
    large: float,
    words: Callable[[GroupShift, bool], str],
    marks: Callable[[GroupShift], tuple[Floats, Floats]],
    evidence: Callable[[str], tuple[Any, ...]],
    numbers: Callable[[GroupShift], dict[str, Any]],
    **more: Any,
) -> Finding:
    """The groups of one column, told by the clearest of those that pass their floor.

    Args:
        check: whose finding it is; ``thresholds`` are the caller's.
        case: both windows.
        name: of the column.
        shifts: of all groups.
        floor_of: least change of a group that matters.
        floor: the usual one.
        large: change from which it fails.
        words: sentence about a group, and whether the finding is loud.
        marks: 1 for sampled rows of the group.
        evidence: made of the summary.
        numbers: for programs.
        more: other fields of the finding.
    """
    over = [s for s in shifts if abs(s.change) >= floor_of(s)]
    top = min(over or shifts, key=lambda s: (s.p_value, -abs(s.change), s.group))
    severity = Severity.OK
    if over:
        severity = Severity.FAIL if max(abs(s.change) for s in over) >= large else Severity.WARN
    told = [s for s in sorted(over, key=lambda s: -abs(s.change)) if s.p_value < CLEAR][:TOLD] or [top]
    summary = f"{name}: " + "; ".join(words(s, bool(over)) for s in told)
    return share_finding(
        check,
        case,
        name,
        summary,
        top.move,
        severity=severity,
        floor=floor,
        alpha=case.settings.engine.false_discovery_rate / len(shifts),
        marks=marks(top),
        evidence=lambda: evidence(summary),
        p_value=top.p_value,
        numbers=numbers(top),
        **more,
    )


def group_chart(
    title: str, reading: str, x: str, shifts: Sequence[GroupShift], label: Callable[[GroupShift], str]
) -> Ranking:
    """The change of every group's share with its interval, the largest rise first."""
    rows = []
    for s in sorted(shifts, key=lambda s: -s.raised):
        low, high = change_of_column.newcombe_by_days(s.move)
        rows.append(RankedRow(label=label(s), value=s.raised, low=low, high=high, note=s.arrow))
    return Ranking(title=title, reading=reading, x=x, rows=tuple(rows), share=True)
