"""Compiled templates kept beside their sources, as Python keeps its modules: compiling them takes half of what a page takes."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import jinja2
from jinja2 import BytecodeCache

if TYPE_CHECKING:
    from jinja2.bccache import Bucket


class CompiledTemplates(BytecodeCache):
    """A folder ``__pycache__`` that is used where it can be: without it, templates are compiled by each process."""

    def __init__(self, templates: Path, environment: Path) -> None:
        """``templates`` is their folder, ``environment`` the module that sets them up, whose settings are compiled in."""
        self.folder = Path(cache_from_source(str(templates / "template.py"))).parent
        self._environment = environment.read_bytes() + jinja2.__version__.encode()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read what was compiled of the same source, settings, and versions of Python and Jinja."""
        with suppress(OSError), self._file(bucket).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write it, whole or not at all."""
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):
            self.folder.mkdir(exist_ok=True)
            with NamedTemporaryFile("wb", dir=self.folder, delete=False) as file:
                bucket.write_bytecode(file)
            os.chmod(file.name, 0o644)
            os.replace(file.name, self._file(bucket))

    def _file(self, bucket: Bucket) -> Path:
        digest = hashlib.sha256(self._environment + bucket.key.encode()).hexdigest()[:16]
        return self.folder / f"{digest}.{sys.implementation.cache_tag}.jinja"


def compiled_templates(templates: Path, environment: Path) -> CompiledTemplates | None:
    """The cache; None where the package is no folder of files."""
    with suppress(OSError, NotImplementedError):
        return CompiledTemplates(templates, environment)
    return None
