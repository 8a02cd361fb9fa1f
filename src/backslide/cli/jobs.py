"""The commands that run one job: refuse what cannot be done, run it, print and write the answer, and exit with what it says."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from backslide.cli.memory import bounded_memory
from backslide.cli.output import Files, note, progress, publish
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.imports import heavy_imports, undocumented
from backslide.playbook.workers.pool import workers


@dataclass(frozen=True)
class Job:
    """What the command line must know of the answer of a job."""

    bad: Callable[[Any], bool]
    """Whether the answer is bad news: exit code 1."""
    remarks: Callable[[Any], Sequence[str]] = lambda _: ()
    """Lines beside the answer, on standard error."""


JOBS = {
    "diagnose": Job(lambda answer: answer.verdict.bad),
    "shadow": Job(lambda answer: answer.verdict.held),
    "gate": Job(lambda answer: answer.verdict.held),
    "retrain": Job(
        lambda answer: answer.verdict.held,
        lambda answer: [
            f"{done} {what}"
            for done, what in (("wrote", answer.version), ("registered", answer.registered))
            if what is not None
        ],
    ),
    "selftest": Job(lambda _: False),  # a fault that is missed is an answer, not a failure
}


def run(name: str, config: Path, files: Files, *, quiet: bool, paths: Sequence[str] = (), **options: Any) -> int:
    """Run a job of ``backslide.jobs`` as a configuration describes it.

    ``options`` go to the job; those named in ``paths`` may be paths typed at the prompt.
    """
    files.check()
    settings = Settings.load(config)
    options |= {key: _from_base(options[key], settings.base) for key in paths}
    with bounded_memory(settings.engine.max_memory), _workers(name, settings, options):
        with heavy_imports(), undocumented():  # after the quick refusals
            job = getattr(import_module(f"backslide.jobs.{name}"), name)
        with progress(quiet=quiet) as report_progress:
            answer = job(settings=settings, progress=report_progress, **options)
    if isinstance(answer, Diagnosis):
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        answer = answer.model_copy(update={"inputs": answer.inputs.model_copy(update={"made": moment})})
    for line in JOBS[name].remarks(answer):
        note(line)
    publish(answer, files)
    return 1 if JOBS[name].bad(answer) else 0


def _workers(name: str, settings: Settings, options: dict[str, Any]) -> AbstractContextManager[None]:
    """Workers of a diagnosis, which import what they need while this process does."""
    if name != "diagnose":
        return nullcontext()
    windows = [options.get(window) or getattr(settings.windows, window) for window in ("reference", "current")]
    model = settings.artifacts.reference_model is not None
    return workers(settings, *windows, model=model, quick=bool(options.get("quick")))


def integrity(first: str, second: str, files: Files, *, quiet: bool, **options: Any) -> int:
    """Compare two snapshots; returns 1 when something differs that could hurt."""
    files.check()
    with heavy_imports():  # after the quick refusals
        from backslide.stack.compare import integrity as compare

    with progress(quiet=quiet) as report_progress:
        if report_progress:
            report_progress("comparing the snapshots")
        answer = compare(first, second, **options)
    publish(answer, files)
    return 1 if answer.hurts else 0


def segments(table: str, files: Files, *, quiet: bool, **options: Any) -> int:
    """Search a table of counts; an explanation is no bad news, so that every answer returns 0."""
    files.check()
    with heavy_imports():  # after the quick refusals
        from backslide.jobs.segments import segments as search

    with progress(quiet=quiet) as report_progress:
        answer = search(table, progress=report_progress, **options)
    publish(answer, files)
    return 0


def _from_base(source: str | None, base: Path) -> str | None:
    """A path typed at the prompt starts from the working directory, paths of the configuration from its folder."""
    if source is None or "://" in source or re.match(r"\d{4}-\d\d.*\.\.", source) or Path(source).is_absolute():
        return source
    try:
        return os.path.relpath(source, base)
    except ValueError:  # another drive
        return str(Path(source).resolve())
