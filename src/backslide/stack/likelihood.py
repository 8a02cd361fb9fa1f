"""How likely a difference hurts, as a number between 0 and 1, and what nearness to the onset makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from backslide.contracts import say
from backslide.contracts.cause import CauseKind
from backslide.contracts.integrity import Risk, StackDifference, Where
from backslide.contracts.moments import parse_moment

LIKELY, POSSIBLE = 0.7, 0.3
"""Scores from which a difference likely or possibly hurts."""
CLOCKS_APART = 24.0
"""Hours after the onset within which a change may still be its reason: clocks, zones and the onset's own vagueness."""
FAR = 60 * 24.0
"""Hours before the onset from which nearness speaks no longer."""


def risk(score: float) -> Risk:
    """The score in a word."""
    return "likely" if score >= LIKELY else "possible" if score >= POSSIBLE else "unlikely"


def difference(
    kind: CauseKind, where: Where, subject: str, meaning: str, score: float, reason: str, **facts: Any
) -> StackDifference:
    """A difference that is not ranked yet; its risk follows from the score."""
    return StackDifference(
        rank=0,
        kind=kind,
        where=where,
        subject=subject,
        meaning=meaning,
        risk=risk(score),
        score=round(score, 3),
        reason=reason,
        **facts,
    )


def reweigh(one: StackDifference, score: float, reason: str = "", **changed: object) -> StackDifference:
    """The difference with another score; ``reason`` is added to its own."""
    bounded = round(min(max(score, 0.0), 0.99), 3)
    reasons = "; ".join(part for part in (one.reason, reason) if part)
    return one.model_copy(update={"score": bounded, "risk": risk(bounded), "reason": reasons, **changed})


def weigh_by_onset(one: StackDifference, onset: datetime) -> StackDifference:
    """A dated one, judged by how shortly before the onset it was made."""
    if one.at is None:
        return one
    hours = (onset - parse_moment(one.at, "time of a change")).total_seconds() / 3600
    facts = {"hours_before_onset": round(hours, 1)}
    if hours < -CLOCKS_APART:
        return reweigh(one, one.score * 0.3, f"made {_long(-hours)} after it began", **facts)
    if hours <= 48:
        words = f"made {_long(abs(hours))} {'before' if hours >= 0 else 'after'} it began"
        return reweigh(one, one.score * 1.15, words, **facts)
    faded = max(0.6, 1 - 0.4 * hours / FAR)
    return reweigh(one, one.score * faded, f"made {_long(hours)} before it began", **facts)


def rank_differences(differences: Iterable[StackDifference]) -> tuple[StackDifference, ...]:
    """The most harmful first; of equals the more specific kind."""
    ordered = sorted(differences, key=lambda d: (-d.score, d.kind.precedence, d.subject))
    return tuple(d.model_copy(update={"rank": rank}) for rank, d in enumerate(ordered, 1))


def _long(hours: float) -> str:
    if hours < 2:
        return f"{say.fixed(hours * 60, 0)} minutes"
    return f"{say.fixed(hours, 0)} hours" if hours < 72 else f"{say.fixed(hours / 24, 0)} days"
