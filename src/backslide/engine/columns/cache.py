"""Results that several readers share, computed once for the object that they are about."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class Cache:
    """Results by the function that made them and its other arguments."""

    def __init__(self) -> None:
        self._results: dict[tuple[Hashable, ...], object] = {}

    def get(
        self, function: Callable[..., Result], arguments: tuple[Hashable, ...], compute: Callable[[], Result]
    ) -> Result:
        """The result of ``function`` for these arguments, from ``compute`` on first use."""
        key = (function, *arguments)
        if key not in self._results:
            self._results[key] = compute()
        return self._results[key]  # type: ignore[return-value]  # what the key names


class HasCache(Protocol):
    """An object that keeps results about itself."""

    cache: Cache


Owner = TypeVar("Owner", bound=HasCache)


def once(function: Callable[Concatenate[Owner, Arguments], Result]) -> Callable[Concatenate[Owner, Arguments], Result]:
    """Computed once per first argument, which keeps it, and the other arguments, which must be hashable.

    Everybody gets the same object, so nobody may change it. A case forgets when its rows change; a pair of columns outlives
    repairs of other columns, so a function of a pair looks at nothing else.
    """

    @wraps(function)
    def cached(owner: Owner, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        arguments = (*args, *sorted(kwargs.items()))
        return owner.cache.get(cached, arguments, lambda: function(owner, *args, **kwargs))

    return cached
