"""The saved model as a file: its digest, and the modules that a pickle names, read without being executed."""

from __future__ import annotations

import pickletools
from hashlib import sha256
from pathlib import Path

from backslide.contracts.snapshot import Artefact

PICKLES = (".joblib", ".pkl", ".pickle")


def artefact(name: str, path: Path | None, *, kind: str = "", notes: tuple[str, ...] = ()) -> Artefact:
    """A model by its name, and by its content where it is a file or folder."""
    if path is None or not path.exists():
        return Artefact(name=name, kind=kind, notes=notes)
    digest, size = content_digest(path)
    return Artefact(name=name, kind=kind, sha256=digest, bytes=size, notes=notes)


def content_digest(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file, or of every file of a folder with its relative name."""
    if path.is_file():
        with path.open("rb") as file:
            hasher = sha256()
            while block := file.read(2**20):
                hasher.update(block)
        return hasher.hexdigest(), path.stat().st_size
    whole, size = sha256(), 0
    for inner in sorted(p for p in path.rglob("*") if p.is_file()):
        digest, length = content_digest(inner)
        whole.update(f"{inner.relative_to(path).as_posix()} {digest}\n".encode())
        size += length
    return whole.hexdigest(), size


def pickled_modules(path: Path) -> tuple[str, ...]:
    """Modules that an uncompressed pickle would import, as far as its plain opcodes tell; empty where they do not."""
    if path.suffix.lower() not in PICKLES:
        return ()
    modules: set[str] = set()
    strings: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(path.read_bytes()):
            if opcode.name == "GLOBAL" and isinstance(argument, str):
                modules.add(argument.split(" ")[0])
            elif "UNICODE" in opcode.name and isinstance(argument, str):
                strings.append(argument)
            elif opcode.name == "STACK_GLOBAL" and len(strings) > 1:
                modules.add(strings[-2])
    except Exception:  # joblib puts the bytes of arrays between the opcodes
        pass
    return tuple(sorted({name for name in modules if name.replace(".", "").replace("_", "").isalnum()}))
