"""Import ``module:function``, also from modules that lie beside the configuration."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backslide.contracts.errors import ModelError, did_you_mean
from backslide.models.failures import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator


def import_object(spec: str, *, base: Path | None) -> Any:
    """The object that ``module:function`` names; modules in ``base`` come first.

    Raises:
        ModelError: no such module, it fails when imported, or it has no such name.
    """
    module_name, attribute = spec.split(":")
    folder = (base or Path()).resolve()
    _forget_namesake(module_name.split(".")[0], folder)
    try:
        with on_path(folder):
            found = importlib.import_module(module_name)
    except Exception as error:
        raise ModelError(f"{spec}: importing {module_name!r} failed: {one_line(error)}") from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = [name for name in vars(found) if not name.startswith("_")] if hasattr(found, "__dict__") else []
            raise ModelError(f"{spec}: {module_name!r} has no {part!r}{did_you_mean(part, known)}")
        found = getattr(found, part)
    return found


@contextmanager
def on_path(folder: Path) -> Iterator[None]:
    """``folder`` first on the module search path for the time being."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _forget_namesake(top: str, folder: Path) -> None:
    """Drop an imported module of that name from another folder, so that each configuration gets its own."""
    here = [folder / f"{top}.py", folder / top / "__init__.py"]
    loaded = getattr(sys.modules.get(top), "__file__", None)
    if loaded is None or top in sys.stdlib_module_names or not any(path.exists() for path in here):
        return
    if Path(loaded).resolve() not in [path.resolve() for path in here]:
        for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
            del sys.modules[name]
