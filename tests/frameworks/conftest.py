"""Deep models need an environment of their own: ``make test-frameworks``. Without it these tests are skipped, with the reason."""

from __future__ import annotations

import importlib.util
import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
MISSING = [name for name in ("torch", "transformers", "safetensors", "keras") if importlib.util.find_spec(name) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot be imported here; this hook sees the items of all folders."""
    for item in items:
        if "frameworks" in item.path.parts and MISSING:
            item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(MISSING)}: make test-frameworks"))
