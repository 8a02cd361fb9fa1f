"""What heavy imports do to the garbage collector, and what short ones leave out, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from backslide.contracts.imports import NEWEST_SCIPY


def outcome(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


BLOCK = """
import gc, sys, types
from backslide.contracts.imports import MANY_MODULES, heavy_imports
with heavy_imports():
    print(gc.isenabled(), end=" ")
    for number in range({modules}):
        sys.modules[f"module_{{number}}"] = types.ModuleType("module")
print(gc.isenabled(), gc.get_freeze_count() > 1_000)
"""


def test_nothing_is_collected_meanwhile_and_many_modules_are_set_aside():
    assert outcome(BLOCK.format(modules="MANY_MODULES")) == "False True True"


def test_few_modules_are_not_set_aside():
    assert outcome(BLOCK.format(modules="MANY_MODULES - 1")) == "False True False"


def test_a_collector_that_was_off_stays_off():
    assert outcome("import gc; gc.disable()" + BLOCK.format(modules="MANY_MODULES")) == "False False False"


SHORT = """
import sys
from backslide.contracts.imports import claim_process, without
sys.path.insert(0, {folder!r})
{claim}
with without("drawing"):
    import library
print(library.draws, "drawing" in sys.modules, end=" ")
import drawing
print(drawing.__name__)
"""


def short_import(folder: Path, claim: str) -> str:
    (folder / "drawing.py").write_text("")
    (folder / "library.py").write_text(
        "try:\n    import drawing\n    draws = True\nexcept ImportError:\n    draws = False\n"
    )
    return outcome(SHORT.format(folder=str(folder), claim=claim))


def test_a_process_of_ours_imports_a_library_without_what_it_draws_with(tmp_path):
    assert short_import(tmp_path, "claim_process()") == "False False drawing"


def test_a_process_of_somebody_else_imports_the_whole_library(tmp_path):
    assert short_import(tmp_path, "") == "True True drawing"


def test_what_is_imported_already_stays(tmp_path):
    assert short_import(tmp_path, "claim_process(); import drawing") == "True True drawing"


def test_commands_import_shap_without_what_it_draws_with():
    pytest.importorskip("shap")
    script = "from backslide.contracts.imports import claim_process; claim_process()\n"
    script += "from backslide.playbook.explain.shap_values import import_shap\n"
    script += "import sys; import_shap().TreeExplainer; print('matplotlib' in sys.modules)"
    assert outcome(script) == "False"


DOCUMENTED = """
from backslide.contracts.imports import claim_process, undocumented
{claim}
with undocumented():
    from scipy import stats
print("Kolmogorov" in (stats.ks_2samp.__doc__ or ""), end=" ")
from scipy import signal
print("Parameters" in (signal.coherence.__doc__ or ""), round(float(stats.ks_2samp([1, 2], [3, 4]).statistic), 1))
"""


def test_a_process_of_ours_imports_scipy_without_docstrings_and_only_in_the_block():
    assert outcome(DOCUMENTED.format(claim="claim_process()")) == "False True 1.0"


def test_a_process_of_somebody_else_imports_scipy_with_docstrings():
    assert outcome(DOCUMENTED.format(claim="")) == "True True 1.0"


def test_the_version_of_scipy_that_is_tested_is_one_that_was_tried():
    assert tuple(map(int, version("scipy").split(".")[:2])) <= NEWEST_SCIPY


def test_scipy_that_is_newer_than_what_was_tried_is_imported_as_it_comes():
    newer = DOCUMENTED.format(
        claim="claim_process(); from backslide.contracts import imports; imports.NEWEST_SCIPY = (1, 0)"
    )
    assert outcome(newer) == "True True 1.0"
