"""Let the stored cells happen, diagnose each in a fresh call, and write what came out: one JSON line a cell.

    python benchmarks/wild/run.py --part looked-at --minutes 90 --cache models --out looked-at.jsonl
    python benchmarks/wild/run.py --part held-out --slice 1/3 ...      a third of the cells; the other two are 2/3 and 3/3
    python benchmarks/wild/run.py --only nothing                       natural periods (or the name of a story)
    python benchmarks/wild/run.py --cell ID --show                     one cell, with the whole diagnosis
    python benchmarks/wild/report.py looked-at.jsonl                   the tables

Needs BACKSLIDE_DATA. Cells already in the output file are not run again. A cell takes about 6 seconds of one core, on the sets of
texts some more: the looked-at part ends within 90 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
for _name, _value in {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}.items():
    os.environ.setdefault(_name, _value)  # one core; read when the libraries are loaded

from backslide.contracts.config import Settings
from backslide.contracts.diagnosis import Diagnosis
from backslide.jobs.diagnose import diagnose
from faults.pipelines import PREDICTION
from faults.play import TookTooLong, at_most
from faults.records import read
from wild.cells import NO_ARTEFACT, Cell, stored
from wild.rules import ranked
from wild.score import judged
from wild.sets import AT, PARTS
from wild.stage import Staged, stage


def main() -> None:
    """The command."""
    args = _arguments()
    if args.cell:
        _one(Cell.parse(args.cell), args)
        return
    cells = chosen(args)
    finished = {r["id"] for r in read(args.out)}
    todo = [c for c in cells if c.id not in finished]
    print(f"{len(cells)} cells, {len(cells) - len(todo)} of them run before", file=sys.stderr)
    begun = time.monotonic()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("a", encoding="utf-8") as out:
        for count, cell in enumerate(todo[: args.limit], 1):
            if args.minutes is not None and time.monotonic() - begun > 60 * args.minutes:
                break
            record = played(cell, args.cache, args.timeout)
            out.write(json.dumps(record) + "\n")
            out.flush()
            print(f"{count:5d}  {time.monotonic() - begun:6.0f} s  {in_one_line(record)}", file=sys.stderr)


def chosen(args: argparse.Namespace) -> list[Cell]:
    """Cells of the part and the slice, in stored order."""
    cells = [c for c in stored() if c.part == args.part and (not args.only or c.story in args.only)]
    nth, _, of = args.slice.partition("/")
    if not (nth.isdigit() and of.isdigit() and 1 <= int(nth) <= int(of)):
        raise SystemExit(f"expected --slice i/n with 1 <= i <= n, found {args.slice!r}")
    return cells[int(nth) - 1 :: int(of)]


def played(cell: Cell, cache: Path | None = None, timeout: float = 120.0) -> dict[str, Any]:
    """The record of a cell; ``error`` or ``not_possible`` in it where there is none to score."""
    record: dict[str, Any] = {"id": cell.id, "part": cell.part} | asdict(cell)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # only the answer counts
        try:
            staged = stage(cell, cache)
            begun = time.perf_counter()
            with at_most(timeout):
                diagnosis = diagnosed(staged)
            seconds = time.perf_counter() - begun
            return (
                record
                | {
                    "metric": staged.metric,
                    "rows": [staged.windows.reference.height, staged.current.height],
                    "share_hit": staged.share,
                    "marker": staged.marker,
                    "seconds": seconds,
                    "rules": ranked(staged) if staged.incidents else {},
                }
                | judged(staged, diagnosis)
            )
        except TookTooLong:
            return record | {"error": f"took longer than {timeout:g} s"}
        except LookupError as why:
            if type(why) is LookupError:
                return record | {"not_possible": str(why)}
            return record | {"error": _place(why)}
        except Exception as why:
            return record | {"error": _place(why)}


def _place(why: Exception) -> str:
    where = traceback.extract_tb(why.__traceback__)[-1]
    message = str(why).splitlines()[0] if str(why) else ""
    return f"{type(why).__name__}: {message} ({Path(where.filename).name}:{where.lineno})"[:300]


def diagnosed(staged: Staged) -> Diagnosis:
    """Verdict and causes from the two logs, with the saved model where it is at hand."""
    data = staged.world.data
    roles: dict[str, Any] = {
        "label": data.label,
        "prediction": PREDICTION,
        "features": data.features(),
        "task": data.task,
        "timestamp": AT,
    }
    if not data.regression:
        roles["scores"] = {str(c): f"p_{c}" for c in staged.world.pipeline.classes_}
    at_hand = staged.cell.at_hand != NO_ARTEFACT
    successors = [i.artefact for i in staged.incidents if i.artefact is not None]
    return diagnose(
        staged.windows.reference,
        staged.logged,
        settings=Settings.from_dict({"model": roles}),
        quick=True,
        reference_model=staged.world.pipeline if at_hand else None,
        current_model=successors[0] if successors and at_hand else None,
    )


def in_one_line(record: dict[str, Any]) -> str:
    """``id: verdict; what happened (effect) outcome; first cause``; of cells that are only scored, no more than that it ran."""
    if record["part"] == PARTS[1]:
        return f"{record['id'].split('/')[1]}: a cell that is only scored"
    if "error" in record or "not_possible" in record:
        return f"{record['id']}: {record.get('error') or record['not_possible']}"
    first = record["causes"][0] if record["causes"] else None
    said = f"{first['kind']}({', '.join(first['features'])})" if first else "no cause"
    held = "; ".join(
        f"{i['words']}({', '.join(i['columns'])}) harm {i['harm']:.3g} of {i['least']:.2g} {i.get('outcome', '')}"
        for i in record["incidents"]
    )
    return f"{record['id']}: {record['verdict']}; {held or 'nothing'}; said {said}; {record['seconds']:.1f} s"


def _one(cell: Cell, args: argparse.Namespace) -> None:
    if not args.show:
        print(json.dumps(played(cell, args.cache, args.timeout), indent=1))
        return
    staged = stage(cell, args.cache)
    for incident, effect in zip(staged.incidents, staged.effects, strict=True):
        print(f"{incident.words} of {', '.join(incident.columns) or '-'}: {effect}")
    print(f"on {staged.share:.0%} of the rows, told by {staged.marker}")
    print(diagnosed(staged).to_text())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, default=PARTS[0])
    parser.add_argument("--only", nargs="+", help="stories by name; nothing: natural periods")
    parser.add_argument("--slice", default="1/1", help="i/n: each n-th cell from the i-th on")
    parser.add_argument("--minutes", type=float, help="begin no cell after so long")
    parser.add_argument("--limit", type=int, help="at most so many cells")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one diagnosis")
    parser.add_argument("--cache", type=Path, help="folder for trained models")
    parser.add_argument("--out", type=Path, default=Path("wild.jsonl"))
    parser.add_argument("--cell", help="one cell by its id")
    parser.add_argument("--show", action="store_true", help="with --cell: the whole diagnosis")
    return parser.parse_args()


if __name__ == "__main__":
    main()
