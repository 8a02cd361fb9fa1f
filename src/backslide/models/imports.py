"""Import ``module:function`` or ``file.py:function``, also from modules that lie beside the configuration."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backslide.contracts.errors import ConfigError, ModelError, ModelTimeoutError, UntrustedError, did_you_mean
from backslide.contracts.trust import require_trust
from backslide.models.failures import explain_failure
from backslide.models.user_code import contained

if TYPE_CHECKING:
    from collections.abc import Iterator


SPEC = re.compile(r"(?:[A-Za-z_][\w.]*|.+\.py):[A-Za-z_][\w.]*")
"""``serving:score``, ``package.serving:Model.score`` or ``code/serving.py:score``."""


def is_spec(text: str, base: Path | None) -> bool:
    """Whether a text names an object of a module, and not a file that happens to be called so."""
    return SPEC.fullmatch(text) is not None and not ((base or Path()) / text).exists()


def module_file(spec: str, base: Path | None) -> Path:
    """The file of the module that a spec names, were it beside the configuration."""
    module = spec.rsplit(":", 1)[0]
    return (base or Path()) / (module if module.endswith(".py") else module.replace(".", "/") + ".py")


def import_object(spec: str, *, base: Path | None, trusted: bool, role: str = "") -> Any:
    """The object that ``module:function`` or ``file.py:function`` names; modules in ``base`` come first.

    ``role`` is how the setting is called in errors.

    Raises:
        UntrustedError: nobody vouched for the code.
        ModelError: no such module or file, it fails when imported, or it has no such name.
    """
    require_trust(f"{role}: {spec}" if role else spec, "names a function", trusted=trusted)
    module_name, attribute = spec.rsplit(":", 1)
    folder = (base or Path()).resolve()
    with explain_failure(f"{spec}: importing {module_name!r} failed"):
        module = _import(module_name, folder, spec)
    for part in attribute.split("."):
        if not hasattr(module, part):
            known = [name for name in vars(module) if not name.startswith("_")] if hasattr(module, "__dict__") else []
            raise ModelError(f"{spec}: {module_name!r} has no {part!r}{did_you_mean(part, known)}")
        module = getattr(module, part)
    return module


def import_function(spec: str, *, base: Path, role: str, trusted: bool, expected: str = "'module:function'") -> Any:
    """A function that a setting names; ``role`` is how the setting is called in errors.

    Raises:
        UntrustedError: nobody vouched for the code.
        ConfigError: it cannot be imported or called.
    """
    if not SPEC.fullmatch(spec):
        raise ConfigError(f"{role}: expected {expected}, got {spec!r}")
    try:
        function = import_object(spec, base=base, trusted=trusted, role=role)
    except (UntrustedError, ModelTimeoutError):
        raise
    except ModelError as error:
        raise ConfigError(f"{role}: {error}") from None
    if not callable(function):
        raise ConfigError(f"{role}: expected a function, got {type(function).__name__}")
    return function


def _import(module_name: str, folder: Path, spec: str) -> Any:
    """The module, from its file or by its name; what it runs while it is imported is the user's own."""
    if module_name.endswith(".py"):
        with contained(f"importing {spec}"):
            return _import_file(folder / module_name, module_name, folder)
    _forget_namesake(module_name.split(".")[0], folder)
    with contained(f"importing {spec}"), on_path(folder):
        return importlib.import_module(module_name)


def _import_file(path: Path, shown: str, folder: Path) -> Any:
    """A module from its file, which may import what lies beside it or beside the configuration."""
    if not path.is_file():
        beside = sorted(entry.name for entry in path.parent.glob("*.py")) if path.parent.is_dir() else []
        raise ModelError(f"no file at {shown}{did_you_mean(path.name, beside)}")
    name = path.stem if path.stem.isidentifier() else re.sub(r"\W", "_", path.stem)
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path.resolve()):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    taken = name in sys.stdlib_module_names
    _forget_namesake(name, path.parent.resolve())
    if name not in sys.modules and not taken:
        sys.modules[name] = module  # so that what it defines can be pickled by name
    try:
        with on_path(folder), on_path(path.parent):
            spec.loader.exec_module(module)
    except BaseException:
        if sys.modules.get(name) is module:
            del sys.modules[name]
        raise
    return module


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
