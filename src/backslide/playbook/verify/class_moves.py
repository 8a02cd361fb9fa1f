"""Which of many changes moved: of classes, or of pairs of them, each judged by itself and corrected for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backslide.contracts import say
from backslide.contracts.finding import Finding
from backslide.playbook.base import Check
from backslide.playbook.findings import change_finding, is_material, ranked_changes, two_sided_p, with_evidence
from backslide.stats.change.metric_change import Change
from backslide.stats.two_sample import holm

LISTED = 12


@dataclass(frozen=True)
class ClassMove:
    """How one class, or one pair, moved."""

    name: str
    change: Change
    numbers: dict[str, Any]
    p_value: float
    """Adjusted over all (Holm 1979)."""
    material: bool


def class_moves(
    changes: Sequence[tuple[str, Change, dict[str, Any]]], floor: float, *, untested: int = 0
) -> list[ClassMove]:
    """What moved surely first, by how far; ``untested`` more were passed over, and count in the correction."""
    adjusted = holm([*(two_sided_p(change) for _, change, _ in changes), *np.ones(untested)])
    moves = [
        ClassMove(name, change, numbers, float(p), is_material(change, float(p), floor))
        for (name, change, numbers), p in zip(changes, adjusted, strict=False)
    ]
    return sorted(moves, key=lambda one: (not one.material, -abs(one.change.estimate)))


def move_findings(
    check: Check,
    moves: Sequence[ClassMove],
    *,
    subject: str,
    tested: int,
    floor: float,
    worse: int,
    summary: Callable[[ClassMove], str],
    title: str,
    reading: str,
    x: str,
) -> list[Finding]:
    """One finding about all of them, told by the first, and one for each other that moved; none without any.

    Args:
        check: whose findings they are.
        moves: as ``class_moves`` orders them.
        subject: of the finding about all.
        tested: how many were tested together.
        floor: least change that matters.
        worse: +1 when a rise is the worse direction, -1 when a fall is.
        summary: one sentence on a move.
        title: of the chart.
        reading: what the chart shows, without a full stop.
        x: what its axis shows.
    """
    if not moves:
        return []
    shown = [(subject, moves[0]), *((one.name, one) for one in moves[1:] if one.material)][:LISTED]
    findings = [
        change_finding(
            check,
            name,
            summary(one),
            one.change,
            floor=floor,
            worse=one.change.estimate * worse > 0,
            p_value=one.p_value,
            tested=tested,
            basis="sampled rows with scores",
            numbers=one.numbers,
        )
        for name, one in shown
    ]
    first = moves[0].change
    more = f" {len(moves) - LISTED} more moved less, or within noise." if len(moves) > LISTED else ""
    ends = f"{say.percent(first.reference)} before, {say.percent(first.current)} now.{more}"
    rows = [(m.name, m.change, f"{say.percent(m.change.reference)} → {say.percent(m.change.current)}") for m in moves]
    return with_evidence(
        findings, ranked_changes(title, f"{reading}; most for {moves[0].name}: {ends}", x, rows[:LISTED])
    )
