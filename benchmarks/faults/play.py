"""One case from draw to record: stage it, diagnose it, hold the answer against the truth."""

from __future__ import annotations

import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from backslide import diagnose
from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis
from faults.baselines import blamed
from faults.cells import Case
from faults.pipelines import PREDICTION
from faults.score import judged
from faults.stage import Staged, stage


class TookTooLong(BaseException):
    """Not an Exception: what is contained inside a diagnosis must not contain this."""


def play(case: Case, *, cache: Path | None = None, timeout: float = 300.0) -> dict[str, Any]:
    """The record of a case; ``error`` in it where it could not be done."""
    record: dict[str, Any] = {"id": case.id} | asdict(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # only the answer counts
        try:
            with at_most(timeout):
                return record | _played(case, cache)
        except TookTooLong:
            return record | {"error": f"took longer than {timeout:g} s"}
        except LookupError as why:
            return record | {"not_possible": str(why)}
        except Exception as why:
            where = traceback.extract_tb(why.__traceback__)[-1]
            message = str(why).splitlines()[0] if str(why) else ""
            place = f"{Path(where.filename).name}:{where.lineno}"
            return record | {"error": f"{type(why).__name__}: {message} ({place})"[:300]}


def _played(case: Case, cache: Path | None) -> dict[str, Any]:
    begun = time.perf_counter()
    staged = stage(case, cache)
    prepared = time.perf_counter() - begun
    begun = time.perf_counter()
    diagnosis = diagnosed(staged)
    seconds = time.perf_counter() - begun
    return (
        setting(staged)
        | judged(staged, diagnosis)
        | {
            "seconds": seconds,
            "seconds_to_stage": prepared,
            "blamed": blamed(staged) if staged.faults else {},
        }
    )


def setting(staged: Staged) -> dict[str, Any]:
    """What the case turned out to be."""
    return {
        "windows": [staged.pair.reference.height, staged.current.height],
        "timed": staged.pair.timed,
        "moved": staged.pair.background,
        "marked_by": staged.marked_by,
        "share_hit": staged.share,
        "true_metric": staged.metric,
        "bar": staged.bar,
    }


def roles(staged: Staged) -> dict[str, Any]:
    """[model] of the configuration."""
    data = staged.world.data
    named: dict[str, Any] = {
        "label": data.label,
        "prediction": PREDICTION,
        "features": data.features(),
        "task": data.task,
    }
    if not data.regression:
        named["scores"] = {str(c): f"p_{c}" for c in staged.world.pipeline.classes_}
    if staged.pair.timed:
        named["timestamp"] = "served_at"
    return named


def diagnosed(staged: Staged) -> Diagnosis:
    """Verdict and causes, with the saved model and, where the user has it, the one that answers now."""
    successors = [fault.successor for fault in staged.faults if fault.successor is not None]
    return diagnose(
        staged.pair.reference,
        staged.current_logged,
        settings=Settings.from_dict({"model": roles(staged)}),
        reference_model=staged.world.pipeline,
        current_model=successors[0] if successors else None,
        quick=True,
    )


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def ring(signum: int, frame: FrameType | None) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
