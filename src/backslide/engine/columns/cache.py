"""Results that rest on a few columns of both samples, so that they outlive a repair of other columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Result = TypeVar("Result")


class Kept:
    """Results by name and columns, computed on first use."""

    def __init__(self, held: dict[tuple[str, tuple[str, ...]], object] | None = None) -> None:
        self._held = held or {}

    def get(self, key: str, columns: tuple[str, ...], compute: Callable[[], Result]) -> Result:
        """The result ``key`` of these columns; ``compute`` must look at nothing else."""
        place = (key, columns)
        if place not in self._held:
            self._held[place] = compute()
        return self._held[place]  # type: ignore[return-value]

    def without(self, touched: Iterable[str]) -> Kept:
        """What is left when the values of some columns are others."""
        gone = set(touched)
        return Kept({place: result for place, result in self._held.items() if not gone & set(place[1])})
