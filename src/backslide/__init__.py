"""backslide finds out why a deployed model quietly got worse, and proves it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_PUBLIC = {
    "BackslideError": "contracts.errors",
    "Cause": "contracts.cause",
    "Diagnosis": "contracts.diagnosis",
    "Finding": "contracts.finding",
    "Recorder": "log.recorder",
    "Roles": "contracts.roles",
    "Settings": "contracts.config",
    "Shadow": "contracts.shadow",
    "diagnose": "jobs.diagnose",
    "freeze": "stack.guard",
    "gate": "jobs.gate",
    "integrity": "stack.compare",
    "retrain": "jobs.retrain",
    "segments": "jobs.segments",
    "snapshot": "stack.snapshot",
    "shadow": "jobs.shadow",
    "watch": "jobs.watch_tables",
}
_MODULES = ("plot",)

__all__ = [*_PUBLIC, *_MODULES]

if TYPE_CHECKING:
    from backslide.contracts.cause import Cause as Cause
    from backslide.contracts.config import Settings as Settings
    from backslide.contracts.diagnosis import Diagnosis as Diagnosis
    from backslide.contracts.errors import BackslideError as BackslideError
    from backslide.contracts.finding import Finding as Finding
    from backslide.contracts.roles import Roles as Roles
    from backslide.contracts.shadow import Shadow as Shadow
    from backslide.jobs.diagnose import diagnose as diagnose
    from backslide.jobs.gate import gate as gate
    from backslide.jobs.retrain import retrain as retrain
    from backslide.jobs.segments import segments as segments
    from backslide.jobs.shadow import shadow as shadow
    from backslide.jobs.watch_tables import watch as watch
    from backslide.log.recorder import Recorder as Recorder
    from backslide.stack.compare import integrity as integrity
    from backslide.stack.guard import freeze as freeze
    from backslide.stack.snapshot import snapshot as snapshot

    from . import plot as plot


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"backslide.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'backslide' has no attribute {name!r}")
    return getattr(import_module(f"backslide.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
