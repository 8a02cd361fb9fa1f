"""The peers, each in an environment of its own, asked through a pipe."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START = 900.0
"""Seconds that a peer has to be imported."""
ADAPTERS = Path(__file__).resolve().parent / "peers"
QUIET = {
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "WHYLOGS_NO_ANALYTICS": "True",
    "DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY": "True",
    "DISABLE_LATEST_VERSION_CHECK": "True",
}
"""No peer reports its use to anybody from here."""


class UnavailableError(Exception):
    """Why a peer cannot be asked, in one line."""


@dataclass(frozen=True)
class Peer:
    """A peer, pinned, with what its release needs to run."""

    name: str
    version: str
    pythons: tuple[str, ...]
    """Fit for this release, best first."""
    requirements: tuple[str, ...]

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"

    @property
    def adapter(self) -> Path:
        """The script that runs inside its environment."""
        return ADAPTERS / f"{self.name.lower()}_peer.py"

    @property
    def fingerprint(self) -> str:
        """Changes when its answers may: with the release, and with how it is asked."""
        asked = self.adapter.read_bytes() + (ADAPTERS / "serve.py").read_bytes()
        return f"{self.version}+{hashlib.sha256(asked).hexdigest()[:8]}"

    def python(self, folder: Path) -> Path:
        """The interpreter of its environment below ``folder``, made when it is not there.

        Raises:
            UnavailableError: no fit Python, or the installation failed.
        """
        home = folder / f"{self.name.lower()}-{self.version}"
        python, done = home / "bin" / "python", home / ".installed"
        wanted = "\n".join(self.requirements)
        if done.exists() and done.read_text() == wanted:
            return python
        shutil.rmtree(home, ignore_errors=True)
        _run([str(find_python(self.pythons)), "-m", "venv", str(home)], "no environment could be made")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *self.requirements]
        _run(pip, "pip could not install it")
        done.write_text(wanted)
        return python


PEERS = (
    # 0.7.23 imports a name that pandas 3 no longer has.
    Peer("Evidently", "0.7.23", ("3.12", "3.11", "3.10"), ("evidently==0.7.23", "pandas<3", "pyarrow")),
    Peer("NannyML", "0.13.1", ("3.10", "3.11", "3.9", "3.12"), ("nannyml==0.13.1", "pyarrow")),
    # 0.19.1 uses names that NumPy 2 and later scikit-learns no longer have, and pkg_resources.
    Peer(
        "Deepchecks",
        "0.19.1",
        ("3.10", "3.9", "3.11"),
        (
            "deepchecks==0.19.1",
            "numpy<2",
            "scikit-learn<1.4",
            "category-encoders<2.7",
            "pandas<2.3",
            "setuptools<80",
            "pyarrow",
        ),
    ),
    # Its drift scores live beside its notebook pages.
    Peer("whylogs", "1.6.4", ("3.10", "3.9", "3.11"), ("whylogs[viz]==1.6.4", "pandas<2.3", "numpy<2", "pyarrow")),
)


def find_python(versions: tuple[str, ...]) -> Path:
    """The first interpreter of one of these versions that starts and can make environments.

    Raises:
        UnavailableError: there is none.
    """
    for version in versions:
        candidates = [sys.executable, shutil.which(f"python{version}") or ""]
        candidates += sorted(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{version}.*/bin/python")), reverse=True)
        for candidate in candidates:
            if candidate and _starts(candidate, version):
                return Path(candidate)
    raise UnavailableError(f"no Python {', '.join(versions)} with venv on this machine")


def _starts(python: str, version: str) -> bool:
    """A shim may be on the path and lead nowhere."""
    ask = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == version


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise UnavailableError(f"{failure}: {(said or ['?'])[-1][:200]}")


class Asked:
    """A running peer. It is started when first asked and again after it died or took too long."""

    def __init__(self, peer: Peer, python: Path, patience: float) -> None:
        self.peer, self.python, self.patience = peer, python, patience
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Its answer to a pair; ``{"error": ...}`` where it gave none, ``passing`` where that may be the machine's fault.

        Raises:
            UnavailableError: it does not start.
        """
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        try:
            line = self._lines.get(timeout=self.patience)
        except queue.Empty:
            self.stop()
            return {"error": f"no answer within {self.patience:g} s", "passing": True}
        if line is None:
            self.stop()
            return {"error": "the process died", "passing": True}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        environment = {**os.environ, **QUIET}
        environment.pop("PYTHONPATH", None)
        process = subprocess.Popen(
            [str(self.python), str(self.peer.adapter)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self._process, self._lines = process, queue.Queue()
        self._reader = threading.Thread(target=_pump, args=(process, self._lines), daemon=True)
        self._reader.start()
        try:
            first = self._lines.get(timeout=START)
        except queue.Empty:
            first = None
        if first is None or json.loads(first).get("version") != self.peer.version:
            self.stop()
            raise UnavailableError(
                f"it does not start, or is not {self.peer.version} (run {self.peer.adapter.name} by hand)"
            )
        return process

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._reader.join()  # it reads to the end; closing under it would be an error there
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None


def _pump(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)
