"""Optional packages: imported where they are needed, and one line says how to get what is missing."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

import check_core
import pytest

from backslide.contracts.errors import MissingExtraError
from backslide.contracts.extras import install, needs

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "backslide"
SOURCES = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]
OWN_DEPENDENCIES = ("server/client.py", "server/__init__.py")
"""Modules of the server that need no extra."""
BEHIND_A_GUARD = {
    "store/tables.py",
    "store/aggregates.py",
    "jobs/pytest_plugin.py",
    *(name for name in SOURCES if name.startswith("store/migrations/")),
    *(name for name in SOURCES if name.startswith("server/") and name not in OWN_DEPENDENCIES),
}
"""Modules that hold an extra's objects at their top; only functions that the guard was passed for import them, and pytest."""
CALLS = {
    **dict.fromkeys(("to_pandas", "to_arrow", "from_arrow", "from_pandas"), "pyarrow"),
    **dict.fromkeys(("scan_delta", "read_delta", "write_delta"), "deltalake"),
    **dict.fromkeys(("read_database", "read_database_uri", "write_database", "read_excel", "write_excel"), "a driver"),
}
"""Methods and functions of Polars that import a package when they are called."""

SMALLER = {"xgboost": "xgboost-cpu"}
"""Distributions with the same module and without the libraries for graphics cards, which do for the tests."""

LARGE = {
    "pyspark": {"spark"},
    "torch": {"torch", "transformers"},
    "safetensors": {"torch", "transformers"},
    "transformers": {"transformers"},
    "keras": {"keras"},
}
"""Module -> extras that `all` leaves out, because each weighs more than everything else together."""


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the package, parsed."""
    return {name: ast.parse((PACKAGE / name).read_bytes()) for name in SOURCES}


def modules_of() -> dict[str, str]:
    """Top-level module -> normalised distribution, for everything that is installed here."""
    found = {
        module: check_core.distribution(names[0])
        for module, names in packages_distributions().items()
        if not module.startswith("_")
    }
    return {
        module: next((one for one, other in SMALLER.items() if name == other), name) for module, name in found.items()
    }


def extras() -> dict[str, set[str]]:
    """Distribution -> the extras that bring it."""
    found: dict[str, set[str]] = {}
    for extra in check_core.extras():
        for requirement in check_core.declared()[extra]:
            found.setdefault(check_core.distribution(requirement), set()).add(extra)
    return found


def offences(tree: ast.Module, optional: dict[str, set[str]], core: set[str]) -> Iterator[str]:
    """What is wrong with the imports of a module; ``optional``: module -> extras that bring it."""
    yield from _walk(tree, optional, core, lazy=False, guards=frozenset())


def _walk(
    node: ast.AST, optional: dict[str, set[str]], core: set[str], *, lazy: bool, guards: frozenset[str]
) -> Iterator[str]:
    """``guards``: names of the extras that a failed import is reported under here; ``*`` where it is handled."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    yield from _judged(node, optional, core, lazy, guards)
    inner = guards | _guard(node)
    function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    for name, value in ast.iter_fields(node):
        held = inner if name == "body" else guards  # an except or finally of a try is not guarded by it
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk(child, optional, core, lazy=lazy or (function and name == "body"), guards=held)


def _guard(node: ast.AST) -> frozenset[str]:
    if isinstance(node, ast.With):
        calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
        return frozenset(str(c.args[0].value) for c in calls if ast.unparse(c.func) == "needs")
    if isinstance(node, ast.Try):
        caught = [h for h in node.handlers if h.type is not None and "ImportError" in ast.unparse(h.type)]
        return frozenset({"*"} if caught else ())
    return frozenset()


def _judged(
    node: ast.AST, optional: dict[str, set[str]], core: set[str], lazy: bool, guards: frozenset[str]
) -> Iterator[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
        if not guards:
            yield f"line {node.lineno}: {ast.unparse(node.func)}() needs {CALLS[node.func.attr]}, without a guard"
        return
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and not node.level:
        names = [str(node.module)]
    else:
        return
    for top in {name.partition(".")[0] for name in names}:
        if top in sys.stdlib_module_names or top == "backslide" or top in core:
            continue
        if top not in optional:
            yield f"line {node.lineno}: {top} is declared nowhere"
        elif not lazy:
            yield f"line {node.lineno}: {top} at the top"
        elif not guards & {"*", *optional[top]}:
            yield f"line {node.lineno}: {top} without a guard that names one of {sorted(optional[top])}"


def known() -> tuple[dict[str, set[str]], set[str]]:
    """Optional modules with their extras, and those of the core, from ``pyproject.toml``."""
    by_extra, distributions = extras(), modules_of()
    core = {check_core.distribution(one) for one in check_core.declared()[""]}
    assert core.isdisjoint(by_extra)
    optional = {module: by_extra[name] for module, name in distributions.items() if name in by_extra}
    optional |= LARGE
    return optional, {module for module, name in distributions.items() if name in core}


def absent() -> list[str]:
    def here(name: str) -> bool:
        try:
            return bool(version(name))
        except PackageNotFoundError:
            return name in SMALLER and here(SMALLER[name])

    return sorted(name for name in extras() if not here(name))


@pytest.mark.skipif(bool(absent()), reason=f"needs every extra to know its modules; not installed: {absent()}")
def test_every_optional_package_is_imported_lazily_and_behind_a_guard():
    optional, core = known()
    assert {"pyarrow", "yaml", "mlflow", "prometheus_client", "sqlalchemy", "xgboost"} <= set(optional)
    assert {"polars", "pandas", "sklearn", "jinja2"} <= core
    found = {
        name: wrong
        for name, tree in trees().items()
        if name not in BEHIND_A_GUARD and (wrong := list(offences(tree, optional, core)))
    }
    assert found == {}


def test_what_stands_behind_a_guard_is_imported_inside_functions_only():
    names = {"backslide." + one.removesuffix(".py").replace("/", ".") for one in BEHIND_A_GUARD}
    for name, tree in trees().items():
        found = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module in names]
        assert name in BEHIND_A_GUARD or not found, name


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import pyarrow", "at the top"),
        ("import pyarrow.parquet as pq", "at the top"),
        ("from pyarrow import parquet", "at the top"),
        ("try:\n import pyarrow\nexcept ImportError:\n pyarrow = None", "at the top"),
        ("class A:\n import pyarrow", "at the top"),
        ("def f(a):\n import pyarrow", "without a guard"),
        ("def f(a):\n with needs('delta', 'it'):\n  import pyarrow", "names one of ['arrow']"),
        ("def f(a):\n try:\n  pass\n except ImportError:\n  import pyarrow", "without a guard"),
        ("def f(a):\n import requests_of_old", "declared nowhere"),
        ("def f(a):\n return a.select('x').to_pandas()", "to_pandas() needs pyarrow"),
        ("x = pl.from_arrow(y)", "from_arrow() needs pyarrow"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n import pyarrow", None),
        ("def f(a):\n with needs('arrow', 'it'):\n  import pyarrow as pa\n  return pl.from_arrow(a)", None),
        ("def f(a):\n try:\n  import pyarrow\n except ImportError:\n  return None", None),
        ("import os, polars\nfrom . import x\nto_pandas(frame)", None),
    ],
)
def test_what_is_not_lazy_or_not_guarded_is_found(source: str, words: str | None):
    found = list(offences(ast.parse(source), {"pyarrow": {"arrow"}}, {"polars"}))
    assert len(found) == (words is not None), found
    assert words is None or words in found[0]


def test_a_missing_package_is_one_line_with_what_brings_it():
    with pytest.raises(MissingExtraError) as caught, needs("onnx", "reading a.onnx"):
        import no_such_package.inside  # noqa: F401 - fails before anything could be used
    assert str(caught.value) == f"reading a.onnx needs the package no_such_package; {install('onnx')}"
    assert caught.value.__suppress_context__
    assert install("onnx") == "pip install 'backslide[onnx]'"


def test_a_package_that_cannot_be_imported_says_why_and_other_errors_pass():
    words = r"package a \(it cannot be imported: lib.so: no such file\); pip"
    with pytest.raises(MissingExtraError, match=words), needs("onnx", "it"):
        raise ImportError("lib.so:\n no such file", name="a.b")
    with pytest.raises(KeyError), needs("onnx", "it"):
        raise KeyError("x")


def test_every_extra_that_a_line_names_is_declared():
    calls = [
        node
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("needs", "install")
    ]
    named = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    assert len(named) > 6
    assert named <= set(check_core.declared())


def test_the_oldest_versions_are_those_that_are_declared():
    ours, _, theirs = check_core.OLDEST.read_text(encoding="utf-8").partition("\n\n")
    pinned = sorted(line for line in ours.splitlines() if not line.startswith("#"))
    assert pinned == sorted(one.replace(">=", "==") for one in check_core.declared()[""])
    assert "click==" in theirs
