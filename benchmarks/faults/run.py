"""Do faults to real data, diagnose them, and write what came out: one JSON line a case.

    python benchmarks/faults/run.py --minutes 10 --out results.jsonl      a fair sample of all cells of the sets looked at
    python benchmarks/faults/run.py --sets held-out --workers 2           the sets that nobody tuned for
    python benchmarks/faults/run.py --case ID --show                      one case, with the whole diagnosis
    python benchmarks/faults/report.py results.jsonl                      the tables

Needs BACKSLIDE_DATA. Cases already in the output file are not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
for _name, _value in {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}.items():
    os.environ.setdefault(_name, _value)  # one core a worker; read when the libraries are loaded

from faults.cells import ROWS, SEEDS, Case, every_case
from faults.play import diagnosed, play
from faults.records import in_one_line, read
from faults.score import judged
from faults.sets import HELD_OUT, LOOKED_AT, SETS
from faults.stage import stage

GROUPS = {"looked-at": LOOKED_AT, "held-out": HELD_OUT, "all": (*LOOKED_AT, *HELD_OUT)}


def main() -> None:
    """The command."""
    args = _arguments()
    if args.case:
        _one(Case.of(args.case), args.cache, show=args.show)
        return
    cases = chosen(args)
    finished = {r["id"] for r in read(args.out) if "error" not in r or not args.retry}
    todo = [case for case in cases if case.id not in finished]
    print(f"{len(cases)} cases, {len(cases) - len(todo)} of them done before", file=sys.stderr)
    if args.list:
        print("\n".join(case.id for case in todo[: args.limit]))
        return
    begun = time.monotonic()
    count = 0
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("a", encoding="utf-8") as out:
        for record in played(todo[: args.limit], args):
            out.write(json.dumps(record) + "\n")
            out.flush()
            count += 1
            print(f"{count:5d}  {time.monotonic() - begun:6.0f} s  {in_one_line(record)}", file=sys.stderr)


def chosen(args: argparse.Namespace) -> list[Case]:
    """Every case that the arguments ask for, in fair order."""
    sets = [n for name in args.sets for n in GROUPS.get(name, (name,))]
    unknown = [n for n in sets if n not in SETS]
    if unknown:
        raise SystemExit(f"expected looked-at, held-out, all or a set of {', '.join(SETS)}; found {unknown[0]!r}")
    rows, seeds = (args.rows, args.seeds) if not args.quick else ([1_000], [0])
    return every_case(sets, kinds=args.kinds, rows=rows, seeds=seeds, conditions=args.conditions)


def played(cases: list[Case], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Records as they come, until the time is up."""
    until = time.monotonic() + 60 * args.minutes if args.minutes else float("inf")
    options = {"cache": args.cache, "timeout": args.timeout}
    if args.workers == 1:
        for case in cases:
            if time.monotonic() >= until:
                return
            yield play(case, **options)
        return
    left = iter(cases)
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        running: set[Future[dict[str, Any]]] = {pool.submit(play, c, **options) for c in islice(left, args.workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                if time.monotonic() < until:
                    running |= {pool.submit(play, c, **options) for c in islice(left, 1)}


def _one(case: Case, cache: Path | None, *, show: bool) -> None:
    if not show:
        print(json.dumps(play(case, cache=cache), indent=1))
        return
    staged = stage(case, cache)
    for fault, effect in zip(staged.faults, staged.effects, strict=True):
        print(f"done: {fault.kind} of {', '.join(fault.columns) or '-'}: {fault.variant}")
        print(f"  {staged.metric} {effect:+.4g} on {staged.share:.0%} of the rows; large from {staged.bar:.4g}")
    print(f"background: {staged.pair.background}; rows {staged.pair.reference.height} and {staged.current.height}\n")
    diagnosis = diagnosed(staged)
    print(diagnosis.to_text())
    print(json.dumps(judged(staged, diagnosis), indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["looked-at"], help="looked-at, held-out, all, or names of sets")
    parser.add_argument("--kinds", nargs="+", help="kinds of causes, quiet, two_faults; default: all")
    parser.add_argument("--conditions", nargs="+", help="all, marked, unmarked, unlabelled; default: each")
    parser.add_argument("--rows", nargs="+", type=int, default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--quick", action="store_true", help="1,000 rows and one seed")
    parser.add_argument("--minutes", type=float, help="begin no case after so long")
    parser.add_argument("--limit", type=int, help="at most so many cases")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one case")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder for trained models")
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"))
    parser.add_argument("--retry", action="store_true", help="do cases again that ended with an error")
    parser.add_argument("--list", action="store_true", help="print the cases and do none")
    parser.add_argument("--case", help="one case by its id")
    parser.add_argument("--show", action="store_true", help="with --case: the whole diagnosis")
    return parser.parse_args()


if __name__ == "__main__":
    main()
