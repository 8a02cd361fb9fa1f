"""Discovery of fault signatures: every class in ``causes/faults/signatures``."""

from __future__ import annotations

import inspect
import pkgutil
from functools import cache
from importlib import import_module

from backslide.causes.faults import signatures
from backslide.causes.faults.base import Signature


@cache
def all_signatures() -> tuple[Signature, ...]:
    """One of each, the most specific kind first."""
    found: list[Signature] = []
    for info in pkgutil.iter_modules(signatures.__path__, signatures.__name__ + "."):
        module = import_module(info.name)
        found += [
            value()
            for value in vars(module).values()
            if inspect.isclass(value)
            and value.__module__ == module.__name__
            and issubclass(value, Signature)
            and not inspect.isabstract(value)
        ]
    return tuple(sorted(found, key=lambda signature: (signature.kind.precedence, signature.title)))
