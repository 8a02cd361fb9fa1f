"""What heavy imports do to the garbage collector, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys


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
