"""One call of a server: its request and its response, which often come as two records with one id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Exchange:
    """A call, or one half of it."""

    id: str
    at: Any = None
    """When it was answered, in any form that a log reads."""
    request: Any = None
    """Decoded body."""
    response: Any = None
    version: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    label: Any = None
    """The true outcome, where the server keeps it too; what a response calls a label is its answer."""


UNREADABLE = object()
"""Stands among records where a line is no JSON."""


class UnreadableRecordError(Exception):
    """A record that tells no prediction; the text is the reason under which it is counted."""


def pair(halves: Iterable[Exchange], reasons: Counter[str]) -> Iterator[Exchange]:
    """Whole calls, in the order in which their second half came.

    Args:
        halves: calls and halves of calls in any order.
        reasons: halves whose other half never came, and those that came again, are counted.
    """
    waiting: dict[str, Exchange] = {}
    for half in halves:
        if half.request is not None and half.response is not None:
            yield half
            continue
        other = waiting.pop(half.id, None)
        if other is None or (other.request is None) == (half.request is None):  # sent again, the later one counts
            waiting[half.id] = half
            if other is not None:
                reasons["halves of calls that came again; the last one counts"] += 1
        else:
            yield _join(other, half)
    alone = Counter(
        "requests without a response" if half.response is None else "responses without a request"
        for half in waiting.values()
    )
    reasons.update(alone)


def _join(one: Exchange, other: Exchange) -> Exchange:
    request, response = (one, other) if one.response is None else (other, one)
    return Exchange(
        request.id,
        request.at if response.at is None else response.at,
        request.request,
        response.response,
        response.version or request.version,
        request.extra | response.extra,
        request.label if response.label is None else response.label,
    )
