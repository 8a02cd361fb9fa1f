"""The prepared folder, made once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Sound files for every command."""
    import fuzz_stage as stage

    return stage.build(tmp_path_factory.mktemp("prepared"))
