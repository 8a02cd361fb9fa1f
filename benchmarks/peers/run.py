"""The peers and backslide at the same tasks, on the same two files, one after the other in the same run.

Every task is a whole process: it starts, imports, reads the files, and writes what it has to say. Tasks are the univariate
drift of all features (``drift``), the same with a page of HTML (``report``), a report about performance (``performance``), and
what made the metric fall (``causes``, of backslide alone: no peer has it). Each is stopped after ``--patience`` seconds. Beside
them stands a bare scan of the features by Polars. Each peer runs in an environment of its own below ``--envs``, made when it is
not there.

    python benchmarks/peers/run.py --rows 500000 --into docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure import machine, table
from peers.environments import PEERS, SpeedPeer, footprint
from peers.process import Measurement, measure
from quiet.environments import UnavailableError

HERE = Path(__file__).resolve().parent
SCAN = HERE.parent / "profile_scan.py"
TASKS = ("drift", "report", "performance", "causes")
MARK = "peers"
ROLES = {
    "drift": 'prediction = "prediction"\n',
    "performance": 'prediction = "prediction"\nlabel = "label"\nscores = { yes = "p_yes" }\ntimestamp = "served_at"\n',
}
ROLES |= {"report": ROLES["drift"], "causes": ROLES["performance"]}
OUTCOMES = ("served_at", "label", "prediction", "p_yes")


@dataclass(frozen=True)
class Tool:
    """A tool that was found: how to ask it, and what it brings."""

    title: str
    python: Path
    module: str
    adapter: Path | None


def tools(folder: Path, wanted: Sequence[str]) -> list[Tool]:
    """backslide from a wheel of this checkout, and every peer that installs; for the others a line on standard error."""
    own = SpeedPeer(
        "backslide", _version(), ("3.11", "3.12"), (str(HERE.parents[1]),), module="backslide.jobs.diagnose"
    )
    found = []
    for peer in (own, *PEERS):
        if wanted and peer.name not in wanted:
            continue
        try:
            python = peer.python(folder)
        except UnavailableError as error:
            print(f"{peer.title} is left out: {error}", file=sys.stderr)
            continue
        found.append(Tool(peer.title, python, peer.module, None if peer is own else peer.adapter))
    return found


def _version() -> str:
    text = (HERE.parents[1] / "src" / "backslide" / "__init__.py").read_text(encoding="utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


def command(tool: Tool, task: str, files: Sequence[Path], folder: Path) -> list[str]:
    """The command line of one task; backslide's is its own, with a configuration."""
    if tool.adapter is not None:
        return [str(tool.python), str(tool.adapter), task, *map(str, files), str(folder / "report.html")]
    config = folder / "backslide.toml"
    features = json.dumps([name for name in _columns(tool.python, files[0]) if name not in OUTCOMES])
    windows = f'[windows]\nreference = "{files[0]}"\ncurrent = "{files[1]}"\n'
    config.write_text(f"[model]\nfeatures = {features}\n{ROLES[task]}{windows}", encoding="utf-8")
    pages = [] if task in ("drift", "causes") else ["--html", str(folder / "report.html")]
    json_file = ["--json", str(folder / "answer.json")]
    return [str(tool.python), "-m", "backslide", "diagnose", str(config), "--quiet", *json_file, *pages]


def _columns(python: Path, path: Path) -> list[str]:
    import polars as pl

    return pl.scan_parquet(path).collect_schema().names()


def compare(found: list[Tool], files: Sequence[Path], repeats: int, patience: float) -> dict[str, list[Measurement]]:
    """Every task of every tool in turns, so that all meet the same machine."""
    runs: dict[str, list[Measurement]] = {}
    for _ in range(repeats):
        scan = [sys.executable, str(SCAN), "--task", "bare", "features", *map(str, files)]
        runs.setdefault("bare scan", []).append(measure(scan, patience))
        for task in TASKS:
            for tool in found:
                if task == "causes" and tool.adapter is not None:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    done = measure(command(tool, task, files, Path(folder)), patience, Path(folder) / "report.html")
                if done.missing:
                    continue
                runs.setdefault(f"{tool.title}: {task}", []).append(done)
                print(f"{tool.title}: {task}: {done.words}", file=sys.stderr)
    return runs


def footprints(found: list[Tool]) -> str:
    """What each installation brings, and what its import takes (median of three after one that fills caches)."""
    lines = []
    for tool in found:
        size = footprint(tool.python)
        imports = [measure([str(tool.python), "-c", f"import {tool.module}"], 120.0) for _ in range(4)][1:]
        taken = statistics.median(run.processor for run in imports)
        lines.append([tool.title, f"{size.megabytes:.0f}", str(size.distributions), f"{taken:.1f}"])
    return table(("tool", "installed MB", "distributions", "import, processor s"), lines)


def times(runs: dict[str, list[Measurement]]) -> str:
    """Medians of the repeats, and ratios to backslide's same task."""
    lines = []
    for name, repeats in runs.items():
        tool, _, task = name.partition(": ")
        own = next((runs[key] for key in runs if key.startswith("backslide") and key.endswith(f": {task}")), None)
        seconds, processor = (
            statistics.median(values) for values in zip(*((r.seconds, r.processor) for r in repeats), strict=True)
        )
        ratio = "" if own is None else f"{processor / statistics.median(r.processor for r in own):.2f}"
        page = max(run.page for run in repeats)
        word = repeats[-1].failure
        cells = [
            f"{seconds:.1f}",
            f"{processor:.1f}",
            ratio,
            f"{max(r.peak_mb for r in repeats):.0f}",
            f"{page / 1000:.0f}" if page else "",
        ]
        lines.append([task or "scan", tool, *(cells if not word else [word, "", "", "", ""])])
    lines.sort(key=lambda line: ("scan", *TASKS).index(line[0]))
    return table(("task", "tool", "seconds", "processor s", "x backslide", "peak MB", "HTML kB"), lines)


def write(text: str, into: Path) -> None:
    """Put the tables between their marks."""
    begin, end = f"<!-- {MARK} -->\n", f"<!-- end of {MARK} -->"
    whole = into.read_text(encoding="utf-8")
    head, _, rest = whole.partition(begin)
    into.write_text(f"{head}{begin}{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000, help="rows per window")
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--patience", type=float, default=300.0, help="seconds after which a task is stopped")
    parser.add_argument("--envs", type=Path, default=HERE.parents[1] / "build" / "peers")
    parser.add_argument("--only", nargs="*", default=[], help="names of tools")
    parser.add_argument("--into", type=Path, help="Markdown file with the marks of the tables")
    options = parser.parse_args()
    found = tools(options.envs, options.only)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "reference.parquet", Path(folder) / "current.parquet"]
        for seed, path in enumerate(files):
            measure(
                [sys.executable, str(SCAN), "--task", "write", *map(str, (path, options.rows, options.columns, seed))],
                3600.0,
            )
        begun, load = time.monotonic(), os.getloadavg()[0]
        runs = compare(found, files, options.repeats, options.patience)
    quiet = max(load, os.getloadavg()[0]) < 1.5
    lines = [
        f"2 windows of {options.rows:,} rows, {options.columns} features; {options.repeats} run(s) of each, {date.today()}.",
        f"{machine()}; {'nothing else ran' if quiet else 'a machine with other work: compare processor seconds'}.",
        f"All of it took {time.monotonic() - begun:.0f} s.",
        "",
        times(runs),
        "",
        footprints(found),
    ]
    print("\n".join(lines))
    if options.into:
        write("\n".join(lines), options.into)


if __name__ == "__main__":
    main()
