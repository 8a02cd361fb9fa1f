"""One case in a process of its own: forked off one that has everything imported, or, one in ten, begun anew.

A fork starts without the second of imports and still shares nothing with the cases before it. It is only safe while the process
has no thread that works: ``forks_safely`` says so, and where it does not hold every case begins anew.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import fuzz_faults
from fuzz_cases import CASES
from fuzz_verdicts import SECONDS, judge

from backslide.cli import main
from commands import Outcome

FRESH = 10
"""Every tenth case begins anew: what only the end of an interpreter or its first import shows is in these."""
HANG_SECONDS = 1800.0
"""By the clock, for a case that waits and takes no processor time. Machines that are busy are patient."""
PROCESSOR_SECONDS = 3 * int(SECONDS)
"""After which the system ends the case; what takes more than SECONDS has failed already."""
PAUSE_SECONDS = 0.01
WAITING_THREADS = ("jemalloc_bg_thd", "polars-ooc-clea")
"""Begun by imports: the allocator's, which takes care of forks itself, and one of Polars' that sweeps a folder now and then. The
pools that compute begin with the first computation, which the process that forks never does."""
_TASKS = Path("/proc/self/task")


@dataclass(frozen=True)
class Case:
    """A case that was played."""

    seed: int
    command: str
    code: int
    seconds: float
    """Processor time, with that of the processes it began."""
    fresh: bool
    arguments: list[str]
    why: str | None
    """What it broke."""
    faults: bool = False
    """Whether there were data faults to be recognised."""
    said: str = ""
    """The line of an error."""


def forks_safely() -> bool:
    """Whether this process may be forked: it has one thread beside those that only wait."""
    if not _TASKS.exists():
        return False
    names = [(task / "comm").read_text(encoding="utf-8").strip() for task in _TASKS.iterdir()]
    return sum(name not in WAITING_THREADS for name in names) == 1


def play_apart(seed: int, prepared: Path, *, fresh: bool, faults: bool = False) -> Case:
    """Spoil a copy of the folder and run the command, both in another process; judge what it left.

    ``faults``: a command that recognises data faults, with some there to be recognised.
    """
    chance = random.Random(seed)
    command = chance.choice([one for one in CASES if one in fuzz_faults.FAULTY or not faults])
    faults = faults or (command in fuzz_faults.FAULTY and chance.random() < fuzz_faults.SHARE)
    with tempfile.TemporaryDirectory() as place:
        folder, note = Path(place) / "case", Path(place) / "arguments.json"
        shutil.copytree(prepared, folder)

        def work() -> int:
            if faults:
                fuzz_faults.stage(folder, command, chance)
            arguments = CASES[command](folder, chance)
            note.write_text(json.dumps(arguments), encoding="utf-8")
            os.chdir(folder)
            if fresh:
                os.execv(sys.executable, [sys.executable, "-m", "backslide", *arguments])
            return main(arguments)

        outcome, seconds = run_apart(work, Path(place))
        arguments = json.loads(note.read_text(encoding="utf-8")) if note.exists() else []
        why = judge(folder, outcome, seconds) if note.exists() else f"was not spoilt: {outcome.err[-300:]}"
    return Case(seed, " ".join(command), outcome.code, round(seconds, 2), fresh, arguments, why, faults, _said(outcome))


def _said(outcome: Outcome) -> str:
    lines = [line for line in outcome.err.splitlines() if line.startswith("backslide: ")]
    return lines[0][:200] if lines and outcome.code == 2 else ""


def run_apart(work: Callable[[], int], place: Path) -> tuple[Outcome, float]:
    """Fork, and let ``work`` say the exit code; returns what it printed, and its processor seconds.

    The code of a process that a signal ended is the negative number of the signal.
    """
    out, err = place / "out", place / "err"
    child = os.fork()
    if child == 0:
        _become(work, out, err)
    end = time.monotonic() + HANG_SECONDS
    while True:
        ended, status, use = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            end = float("inf")
        time.sleep(PAUSE_SECONDS)
    texts = [path.read_bytes().decode("utf-8", "replace") if path.exists() else "" for path in (out, err)]
    return Outcome(os.waitstatus_to_exitcode(status), *texts), use.ru_utime + use.ru_stime


def _become(work: Callable[[], int], out: Path, err: Path) -> NoReturn:
    """Go on as the process of the case, with its own streams and bounds, and end with it."""
    leave, code = os._exit, 99
    try:
        os.setsid()
        for descriptor, path, flags in ((0, Path(os.devnull), os.O_RDONLY), (1, out, os.O_RDWR), (2, err, os.O_RDWR)):
            opened = os.open(path, flags | os.O_CREAT, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
        sys.stdin, sys.stdout, sys.stderr = (
            open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - open to the end
            for descriptor, mode in ((0, "r"), (1, "w"), (2, "w"))
        )
        sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 5))
        faulthandler.dump_traceback_later(HANG_SECONDS * 0.9, file=sys.stderr)
        code = work()
    except BaseException as error:
        os.write(2, f"Traceback: {type(error).__name__}: {error}\n".encode(errors="replace"))
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        leave(code)
    raise AssertionError


def line_of(case: Case, generator: str) -> str:
    """A line of the file of results."""
    return json.dumps(asdict(case) | {"generator": generator})


def case_of(line: str, generator: str) -> Case | None:
    """The case of a line; None for another generator's, or for half a line of a run that was killed."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    return Case(**data) if data.pop("generator", None) == generator else None
