"""One task as a whole process: what it took by the clock, of the processors, of memory, and what it wrote."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from quiet.environments import QUIET

NO_SUCH_TASK = 3
FINDINGS = (0, 1, 2)
"""Exit codes of ``backslide diagnose``: all three are answers where a file was written."""


@dataclass(frozen=True)
class Measurement:
    """A task once; children count with their parent."""

    seconds: float
    processor: float
    peak_mb: float
    page: int
    """Bytes of HTML."""
    failure: str = ""
    missing: bool = False
    """Whether the tool has no such task."""

    @property
    def words(self) -> str:
        """For the progress."""
        return self.failure or f"{self.seconds:.1f} s, {self.processor:.1f} of processors, {self.peak_mb:.0f} MB"


def measure(command: list[str], patience: float, page: Path | None = None) -> Measurement:
    """Run a command to its end, or for ``patience`` seconds.

    The peak is of the largest process of the command; ``wait4`` counts from the size of whoever starts it, which is small here.
    """
    environment = {**os.environ, **QUIET, "OMP_WAIT_POLICY": "PASSIVE"}
    environment.pop("PYTHONPATH", None)
    begun = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    stopped = threading.Event()
    timer = threading.Timer(patience, lambda: (stopped.set(), os.killpg(process.pid, 9)))
    timer.start()
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.stderr.close()
    process.returncode = code = os.waitstatus_to_exitcode(status)
    size = page.stat().st_size if page is not None and page.exists() else 0
    failure = ""
    if stopped.is_set():
        failure = f"stopped after {patience:g} s"
    elif code not in (FINDINGS if "backslide" in command else (0,)):
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        errors = [
            line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)
        ]  # below may stand a bar of progress
        failure = f"failed: {(errors or lines or ['?'])[-1][:80]}"
    peak = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    return Measurement(
        time.monotonic() - begun, usage.ru_utime + usage.ru_stime, peak, size, failure, code == NO_SUCH_TASK
    )
