"""What holds the tree together: arrows one way, small files, a light door."""

from __future__ import annotations

import ast
import inspect
import os
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import backslide

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "backslide").rglob("*.py"))
HEAVY = ("numpy", "polars", "pandas", "scipy", "sklearn", "altair", "vl_convert", "joblib", "typer", "rich", "jinja2")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_arrows_run_one_way():
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [str(linter), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_most_files_are_short():
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES]
    assert len(lengths) > 50
    assert statistics.median(lengths) <= 150


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the package, parsed, by its path in it."""
    package = ROOT / "src" / "backslide"
    return {str(path.relative_to(package)): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}


def imports_the_root(node: ast.AST) -> bool:
    """``from backslide import something public`` would load the door from inside; modules import each other."""
    if isinstance(node, ast.ImportFrom) and node.module == "backslide":
        return bool({alias.name for alias in node.names} & set(backslide.__all__) - {"__version__"})
    return isinstance(node, ast.Import) and "backslide" in {alias.name for alias in node.names}


def test_nobody_inside_imports_the_root():
    found = [f"{path}:{n.lineno}" for path, tree in trees().items() for n in ast.walk(tree) if imports_the_root(n)]
    assert found == []


def test_the_contracts_import_nothing_but_contracts():
    """Not even inside a function: what shows a value is found by name, in one place."""
    inside = {path: tree for path, tree in trees().items() if path.startswith("contracts/")}
    modules = [
        (path, node.module or "")
        for path, tree in inside.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    ]
    assert len(inside) > 15
    assert [m for m in modules if m[1].startswith("backslide.") and not m[1].startswith("backslide.contracts")] == []
    assert [
        path for path in inside if "backslide.report" in (SOURCES[0].parent / path).read_text(encoding="utf-8")
    ] == ["contracts/rendering.py"]


def test_every_module_says_what_it_is():
    assert [path for path, tree in trees().items() if tree.body and not ast.get_docstring(tree)] == []


def test_the_door_is_light():
    loaded = python("import sys, backslide; print(*sys.modules)").split()
    assert [name for name in HEAVY if name in loaded] == []


def test_a_stored_diagnosis_renders_without_the_data_stack():
    """The report reads contracts only: neither tables nor models are loaded to print it."""
    loaded = python(
        "import sys, backslide.report.render.answer, backslide.report.render.text; print(*sys.modules)"
    ).split()
    assert [name for name in ("polars", "sklearn", "scipy", "joblib") if name in loaded] == []


def test_public_names_are_few_and_resolve():
    assert len(backslide.__all__) <= 18
    assert len(set(backslide.__all__)) == len(backslide.__all__)
    for name in backslide.__all__:
        assert getattr(backslide, name) is not None
        assert name in dir(backslide)
    assert callable(backslide.diagnose)


def test_the_door_stays_a_door_after_use():
    """No submodule may take the place of a public function of the same name."""
    code = "import backslide, importlib, pkgutil\n"
    code += "import backslide.jobs.diagnose, backslide.case, backslide.jobs.verdict, backslide.jobs.waterfall\n"
    code += "assert callable(backslide.diagnose), backslide.diagnose\n"
    python(code)
    shared = {p.stem for p in (ROOT / "src" / "backslide").iterdir()} & set(backslide.__all__)
    assert {name for name in shared if not inspect.ismodule(getattr(backslide, name))} == set()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'diagnoze'"):
        _ = backslide.diagnoze
