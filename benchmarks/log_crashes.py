"""Nothing acknowledged is lost and nothing is doubled, whoever is killed when: counted and summed.

    python benchmarks/log_crashes.py --writers 4 --records 50000 --kills 200

Writers record in bursts, and write down each id after it was acknowledged; a rollup and a compaction run without a pause. At
random moments one of them is killed with signal 9 and begun again. In the end every acknowledged id must be in the table once
with its values, every acknowledged label once, no row twice, and no line left over.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from backslide.log.reading import open_log
from backslide.log.retention import compact
from backslide.log.rollup import rollup
from backslide.log.tables import LogTable
from measure import machine

WRITER = """
import os, sys, time, zlib
from backslide.log.recorder import Recorder
store, name, path, first, last, pause = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6])
recorder = Recorder("m", store=store)
said = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for i in range(first, last):
    own = f"{name}-{i}"
    x = zlib.crc32(own.encode())
    late = {"late": 0.5} if i % 1000 > 500 else {}
    if recorder.record({"x": x, "y": "z" * (i % 50), **late}, "a", {"a": 0.5, "b": 0.5}, id=own):
        os.write(said, f"p {own} {x}\\n".encode())
    if i % 10 == 0 and recorder.label(own, "b"):
        os.write(said, f"l {own}\\n".encode())
    if i % 100 == 0:
        time.sleep(pause)
recorder.close()
"""
KEEPER = """
import sys, time
from backslide.contracts.errors import LogError
from backslide.log.rollup import rollup
from backslide.log.retention import compact
do = {"rollup": lambda: rollup(sys.argv[1]), "compact": lambda: compact(sys.argv[1], grace=0)}[sys.argv[2]]
while True:
    try:
        do()
    except LogError:  # the other one is at work
        pass
    time.sleep(0.02)
"""


@dataclass
class Proof:
    """What was found in the end."""

    acknowledged: int = 0
    labels: int = 0
    kept: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    """Rows with other values than were recorded."""
    left_over: int = 0
    sums: tuple[int, int] = (0, 0)
    """Of the values of the acknowledged rows, as recorded and as read."""
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing is lost, doubled, changed or left over."""
        return not (self.lost or self.doubled or self.wrong or self.left_over) and self.sums[0] == self.sums[1]


class Campaign:
    """Processes that are killed and begun again."""

    def __init__(self, folder: Path, writers: int, records: int, pause: float) -> None:
        self.store = folder / "log"
        self.store.mkdir()
        self.folder, self.records, self.pause = folder, records, pause
        self.lives = 0
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for name in [*(f"w{k}" for k in range(writers)), "rollup", "compact"]:
            self.begin(name)

    def begin(self, name: str, *, pause: float | None = None) -> None:
        """Start a process; a writer goes on behind the last record that it may have begun."""
        self.lives += 1
        if name in ("rollup", "compact"):
            command = [sys.executable, "-c", KEEPER, str(self.store), name]
        else:
            said = self.said(name)
            first = int(said[-1].split()[1].split("-")[-1]) + 2 if said else 0
            own, path = f"{name}.{self.lives}", self.folder / f"said-{name}-{self.lives:06d}"
            begun = [str(first), str(self.records), str(self.pause if pause is None else pause)]
            command = [sys.executable, "-c", WRITER, str(self.store), own, str(path), *begun]
        self.running[name] = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def said(self, name: str) -> list[str]:
        """What a writer has acknowledged in all its lives, in whole lines."""
        files = sorted(self.folder.glob(f"said-{name}-*"))
        return [line for file in files for line in file.read_text().split("\n")[:-1]]

    def kill(self, name: str) -> bool:
        """Kill a process and begin it again; whether it was still at work."""
        process = self.running[name]
        alive = process.poll() is None
        process.kill()
        process.wait()
        if alive:
            self.begin(name)
        return alive

    def end(self) -> None:
        """Let writers finish; the others are killed once more."""
        for name, process in self.running.items():
            if name in ("rollup", "compact"):
                process.kill()
            process.wait()


def prove(folder: Path, *, writers: int, records: int, kills: int, seconds: float, seed: int = 1) -> Proof:
    """Run a campaign.

    Args:
        folder: an empty one.
        writers: processes that record.
        records: of each, over all its lives.
        kills: in all.
        seconds: over which they are spread, about; writers pause so that they are at work for so long.
        seed: of who is killed when.
    """
    rng, proof, begun = random.Random(seed), Proof(), time.perf_counter()
    campaign = Campaign(folder, writers, records, pause=seconds * 100 / records)
    chances = {**{f"w{k}": 1.0 for k in range(writers)}, "rollup": writers / 2, "compact": writers / 2}
    while proof.kills.total() < kills:
        time.sleep(rng.uniform(0, 2 * seconds / kills))
        who = rng.choices(list(chances), weights=list(chances.values()))[0]
        if campaign.kill(who):
            proof.kills["recorder" if who[0] == "w" else who] += 1
        else:
            del chances[who]  # it has recorded all; what is left to kill goes on
    campaign.end()
    rollup(campaign.store)
    compact(campaign.store, grace=0)
    rollup(campaign.store)
    _count(campaign, proof)
    proof.seconds = time.perf_counter() - begun
    return proof


def _count(campaign: Campaign, proof: Proof) -> None:
    lines = [line.split() for name in campaign.running if name[0] == "w" for line in campaign.said(name)]
    said = {line[1]: int(line[2]) for line in lines if line[0] == "p"}
    labelled = {line[1] for line in lines if line[0] == "l"}
    place = str(campaign.store / "tables" / "m" / "predictions")
    kept = LogTable(place, "predictions").scan().select("id", pl.col("f_x").alias("x")).collect()
    labels = open_log(campaign.store).labels().select("id").collect()["id"]
    values = dict(kept.rows())
    proof.acknowledged, proof.labels, proof.kept = len(said), len(labelled), kept.height
    proof.lost = len(said.keys() - values.keys()) + len(labelled - set(labels))
    proof.doubled = kept.height - len(values) + len(labels) - labels.n_unique()
    proof.wrong = sum(1 for name, x in said.items() if name in values and values[name] != x)
    proof.sums = (sum(said.values()), sum(values[name] for name in said if name in values))
    proof.left_over = len(list(campaign.store.rglob("*.jsonl")))


def main() -> None:
    """Prove it and print what was found; exit with 1 where it does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        proof = prove(
            Path(name),
            writers=given.writers,
            records=given.records,
            kills=given.kills,
            seconds=given.seconds,
            seed=given.seed,
        )
    kills = ", ".join(f"{n} {who}" for who, n in sorted(proof.kills.items()))
    print(f"{proof.kills.total()} kills in {proof.seconds:.0f} s: {kills}")
    print(f"{proof.acknowledged:,} records and {proof.labels:,} labels acknowledged, {proof.kept:,} rows in the table")
    print(f"lost {proof.lost}, doubled {proof.doubled}, other values {proof.wrong}, lines left over {proof.left_over}")
    print(f"sum recorded {proof.sums[0]:,}, sum read {proof.sums[1]:,}; load {os.getloadavg()[0]:.1f}")
    sys.exit(0 if proof.holds else 1)


if __name__ == "__main__":
    main()
