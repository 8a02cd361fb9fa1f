"""The peers of this benchmark: those of the quiet pairs, and some that only describe, each in an environment of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from quiet.environments import PEERS as QUIET_PEERS
from quiet.environments import Peer

ADAPTERS = Path(__file__).resolve().parent / "adapters"
PYTHONS = ("3.11", "3.12", "3.10")


@dataclass(frozen=True)
class SpeedPeer(Peer):
    """A peer whose tasks are whole processes."""

    module: str = ""
    """What is imported of it."""

    @property
    def adapter(self) -> Path:
        """The script that does its tasks."""
        return ADAPTERS / f"{self.name.lower().replace('-', '_')}_adapter.py"


def _quiet(name: str) -> SpeedPeer:
    (peer,) = [peer for peer in QUIET_PEERS if peer.name == name]
    return SpeedPeer(peer.name, peer.version, peer.pythons, peer.requirements, module=name.lower())


PEERS = (
    _quiet("Evidently"),
    _quiet("NannyML"),
    _quiet("whylogs"),
    _quiet("Deepchecks"),
    SpeedPeer(
        "Alibi-Detect", "0.13.0", PYTHONS, ("alibi-detect==0.13.0", "pandas<3", "pyarrow<20"), module="alibi_detect.cd"
    ),
    SpeedPeer(
        "Frouros", "0.9.0", PYTHONS, ("frouros==0.9.0", "pandas<3", "pyarrow"), module="frouros.detectors.data_drift"
    ),
    SpeedPeer("popmon", "1.4.12", PYTHONS, ("popmon==1.4.12", "pandas<3", "pyarrow"), module="popmon"),
    SpeedPeer(
        "fg-data-profiling",
        "4.20.0",
        PYTHONS,
        ("fg-data-profiling==4.20.0", "pandas<3", "pyarrow"),
        module="data_profiling",
    ),
)


@dataclass(frozen=True)
class Footprint:
    """What an installation brings."""

    megabytes: float
    distributions: int


def footprint(python: Path) -> Footprint:
    """Size of the packages of an environment, and how many distributions they are (without pip and setuptools)."""
    ask = (
        "import sysconfig, importlib.metadata as m; print(sysconfig.get_paths()['purelib']);"
        "print(len({d.name.lower() for d in m.distributions()} - {'pip', 'setuptools', 'wheel'}))"
    )
    done = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True)
    folder, count = done.stdout.split()
    aside = ("pip", "setuptools", "__pycache__")
    files = (p for p in Path(folder).rglob("*") if p.is_file() and not p.is_symlink() and not set(p.parts) & set(aside))
    return Footprint(sum(p.stat().st_size for p in files) / 1e6, int(count))
