"""False alarms and power, of backslide and of its peers on the same pairs of windows.

Quiet pairs: simulated streams (``streams.py``) of 200 to 500 000 rows per window, as independent rows and with days that have
effects of their own, and random windows of one quiet period of every real table (environment variable BACKSLIDE_DATA). Counted
are verdicts ``degraded``, features flagged as drifted, and data faults named. Pairs with a change: shifts, moved category
shares and drops of accuracy; counted is who sees them. Every tool runs with its defaults.

    python benchmarks/quiet/run.py --quick                      a minute, small windows
    python benchmarks/quiet/run.py --minutes 60 --peers --out results.json

Answers are kept as they come (``--log``): a run that is stopped, or whose time is up, goes on where it was, and only what
changed is asked again. Pairs depend on ``--seed`` alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when OpenMP is loaded

from quiet import ours, real_worlds, render, tables
from quiet.answers import Log
from quiet.environments import PEERS, Asked, UnavailableError
from quiet.pairs import SIZES, Pair, Windows, in_turns, power_pairs, quiet_streams, quiet_tables, whole_pairs

CACHE = Path("~/.cache/backslide-bench").expanduser()
WHOLE_EVERY = 25
"""One whole diagnosis for so many other pairs: it takes as long as all of them."""
QUICK_LARGEST = 5_000
Tool = Callable[[Pair, Windows], dict[str, Any]]


def plan(seeds: range, largest: int, *, real: bool) -> list[Pair]:
    """All pairs, in an order in which any beginning holds some of everything."""
    tables_of = [quiet_tables(seeds, largest)] if real else []
    base = in_turns(quiet_streams(seeds, largest), *tables_of, power_pairs(seeds, largest))
    wholes = iter(list(whole_pairs(seeds, real=real)))
    planned: list[Pair] = []
    for place, pair in enumerate(base, 1):
        planned.append(pair)
        if place % WHOLE_EVERY == 0:
            planned += [whole for whole in [next(wholes, None)] if whole is not None]
    return planned


def backslide(pair: Pair, windows: Windows) -> dict[str, Any]:
    """Our own answer; what goes wrong is an answer as well."""
    try:
        return ours.whole(windows) if pair.whole else ours.rates(windows)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def question(pair: Pair, windows: Windows, folder: Path) -> dict[str, Any]:
    """What a peer is asked; writes both windows, with labels and predicted classes as text."""
    roles, paths = windows.roles, {}
    used = [*roles["features"], *(roles[r] for r in ("label", "prediction", "timestamp") if r in roles)]
    texts = [] if roles.get("task") == "regression" else [roles["label"], roles["prediction"]]
    for side in ("reference", "current"):
        paths[side] = str(folder / f"{side}.parquet")
        frame: pl.DataFrame = getattr(windows, side)
        frame = frame.select(*dict.fromkeys([*used, *roles.get("scores", {}).values()]))
        frame.with_columns(pl.col(c).cast(pl.String) for c in texts).write_parquet(paths[side])
    scores = roles.get("scores") or {}
    labels = sorted(scores)
    positive = labels[-1] if labels else None
    return paths | {
        "numeric": list(windows.numeric),
        "categorical": list(windows.categorical),
        "task": roles.get("task", "binary"),
        "label": roles["label"],
        "prediction": roles["prediction"],
        "score": scores.get(positive),
        "positive": positive,
        "timestamp": roles.get("timestamp"),
        "metric": roles.get("metric") or ("mae" if roles.get("task") == "regression" else "accuracy"),
    }


class Bench:
    """Asks every tool about every pair, as long as the time lasts."""

    def __init__(self, log: Log, peers: dict[str, Asked], unavailable: dict[str, str], minutes: float) -> None:
        self.log, self.peers, self.unavailable = log, peers, unavailable
        self.end = time.monotonic() + 60 * minutes

    def run(self, planned: list[Pair]) -> None:
        """In the planned order; what the log knows is not asked again."""
        for place, pair in enumerate(planned, 1):
            if time.monotonic() > self.end:
                _say(f"time is up at pair {place} of {len(planned)}; the next run goes on here")
                return
            missing = [tool for tool in ("backslide", *self.peers) if not self.log.knows(pair, tool)]
            if pair.whole:
                missing = [tool for tool in missing if tool == "backslide"]
            if missing:
                begun = time.monotonic()
                self._ask(pair, missing)
                _say(f"{place}/{len(planned)} {pair.name}: {', '.join(missing)}, {time.monotonic() - begun:.1f} s")

    def _ask(self, pair: Pair, missing: list[str]) -> None:
        windows = pair.make()
        if "backslide" in missing:
            self._keep(pair, "backslide", backslide(pair, windows), windows)
        with tempfile.TemporaryDirectory() as folder:
            asked = question(pair, windows, Path(folder)) if set(missing) - {"backslide"} else {}
            for name in missing:
                if name in self.peers:
                    self._ask_peer(pair, name, asked, windows)

    def _keep(self, pair: Pair, tool: str, said: dict[str, Any], windows: Windows) -> None:
        self.log.add(pair, tool, said | {"columns": len(windows.roles["features"])})

    def _ask_peer(self, pair: Pair, name: str, asked: dict[str, Any], windows: Windows) -> None:
        try:
            self._keep(pair, name, self.peers[name].ask(asked), windows)
        except UnavailableError as reason:
            self.unavailable[name] = str(reason)
            del self.peers[name]
            _say(f"{name}: {reason}")


def open_peers(folder: Path, patience: float) -> tuple[dict[str, Asked], dict[str, str]]:
    """Peers ready to be asked, and why others are not."""
    peers, unavailable = {}, {}
    for peer in PEERS:
        try:
            _say(f"{peer.title}: environment below {folder}")
            peers[peer.name] = Asked(peer, peer.python(folder), patience)
        except UnavailableError as reason:
            unavailable[peer.name] = str(reason)
            _say(f"{peer.title}: {reason}")
    return peers, unavailable


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"2 seeds, windows of at most {QUICK_LARGEST:,} rows")
    parser.add_argument("--peers", action="store_true", help="install and ask the peers as well")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop asking after so long")
    parser.add_argument("--seeds", type=int, default=40, help="pairs of each kind")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="rows per window at most")
    parser.add_argument("--envs", type=Path, default=CACHE, help="folder of the peers' environments")
    parser.add_argument("--log", type=Path, help="answers so far; default: answers.jsonl in --envs")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds that a peer has for a pair")
    parser.add_argument("--out", type=Path, help="write every counted rate as JSON")
    options = parser.parse_args()
    count = 2 if options.quick else options.seeds
    largest = min(options.largest, QUICK_LARGEST) if options.quick else options.largest
    seeds = range(options.seed, options.seed + count)
    planned = plan(seeds, largest, real=real_worlds.available())
    if not real_worlds.available():
        _say("no real data sets (set BACKSLIDE_DATA to their folder): simulated streams alone")
    prints = {"backslide": ours.fingerprint()} | {peer.name: peer.fingerprint for peer in PEERS}
    log = Log(options.log or options.envs / "answers.jsonl", prints)
    asked, unavailable = ({}, {}) if not options.peers else open_peers(options.envs, options.patience)
    bench = Bench(log, asked, unavailable, options.minutes)
    try:
        bench.run(planned)
    finally:
        for peer in asked.values():
            peer.stop()
    counted = tables.count(planned, log)
    print(render.markdown(counted, prints, unavailable, seeds))
    if options.out:
        found = render.as_json(counted, prints, unavailable, seeds)
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
