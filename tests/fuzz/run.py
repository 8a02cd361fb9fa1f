"""The long run: ``make fuzz``, or ``python tests/fuzz/run.py --cases 2000 --seed 1 --into docs/reliability.md``.

Prints what broke with its seed, and the counts by command as a Markdown table. A run that was ended goes on where it stopped, as
long as the generator is the same; ``--again`` plays those that broke once more. ``--only SEED`` plays one case. With ``--faults``
every case has data faults to be recognised, otherwise a share of the cases of the commands that do.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(variable, "1")  # a process with more than one thread cannot be forked
os.environ.pop("BACKSLIDE_DEBUG", None)
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import fuzz_stage as stage  # noqa: E402 - the path is set above
from fuzz_cases import CASES  # noqa: E402 - likewise
from fuzz_processes import FRESH, Case, case_of, forks_safely, line_of, play_apart, run_apart  # noqa: E402 - likewise

MARKS = ("<!-- fuzz -->", "<!-- /fuzz -->")
RESULTS = HERE.parents[1] / "build" / "fuzz"


def main() -> int:
    """Play the cases; 1 where something broke."""
    chosen = _options()
    warnings.simplefilter("ignore")  # hostile input makes libraries warn
    first = chosen.seed * 1_000_000
    seeds = range(first, first + chosen.cases) if chosen.only is None else range(chosen.only, chosen.only + 1)
    results: Path = chosen.results or RESULTS / f"seed-{chosen.seed}{'-faults' * chosen.faults}.jsonl"
    known = {} if chosen.only is not None else _known(results, again=chosen.again)
    cases = [known[seed] for seed in seeds if seed in known]
    if cases:
        print(f"{len(cases):,} cases of {results} are kept", flush=True)
    with tempfile.TemporaryDirectory() as place:
        prepared = Path(place) / "prepared"
        prepared.mkdir()
        done, _ = run_apart(lambda: 0 if stage.build(prepared) else 1, Path(place))
        if done.code != 0:
            raise SystemExit(f"the folder could not be prepared: {done.err}")
        for case in _play([seed for seed in seeds if seed not in known], prepared, chosen.jobs, chosen.faults):
            cases.append(case)
            if chosen.only is None:
                _append(results, case)
            if case.why is not None:
                print(f"BROKEN {case.seed} {' '.join(map(repr, case.arguments))}\n    {case.why}", flush=True)
    table = _table(cases)
    print(table)
    if chosen.into is not None:
        text = chosen.into.read_text(encoding="utf-8")
        before, _, rest = text.partition(MARKS[0])
        chosen.into.write_text(
            f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{rest.partition(MARKS[1])[2]}", encoding="utf-8"
        )
    return 1 if any(case.why is not None for case in cases) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, metavar="SEED")
    parser.add_argument("--faults", action="store_true", help="only cases with data faults")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--results", type=Path, help="one line a case; default: build/fuzz/seed-SEED.jsonl")
    parser.add_argument("--again", action="store_true", help="play what broke once more")
    parser.add_argument("--into", type=Path, help="write the table between its marks in this page")
    return parser.parse_args()


def _play(seeds: Sequence[int], prepared: Path, jobs: int, faults: bool) -> Iterator[Case]:
    """Every case by a process that waits for it and judges it, ``jobs`` at once; in the order in which they end."""
    running: dict[int, tuple[int, Path]] = {}
    with tempfile.TemporaryDirectory() as place:
        for seed in [*seeds, *[None] * jobs]:
            while running and (seed is None or len(running) >= jobs):
                ended, status = os.wait()
                if ended not in running:
                    continue
                one, answer = running.pop(ended)
                yield _answer(one, answer, status)
                if seed is None:
                    break
            if seed is not None:
                answer = Path(place) / str(seed)
                running[_begin(seed, prepared, answer, faults)] = seed, answer


def _begin(seed: int, prepared: Path, answer: Path, faults: bool) -> int:
    fresh = seed % FRESH == 0 or not forks_safely()
    process = os.fork()
    if process:
        return process
    try:
        answer.write_text(line_of(play_apart(seed, prepared, fresh=fresh, faults=faults), ""), encoding="utf-8")
    except BaseException as error:
        print(f"case {seed} could not be judged: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def _answer(seed: int, answer: Path, status: int) -> Case:
    case = case_of(answer.read_text(encoding="utf-8"), "") if status == 0 else None
    return case or Case(seed, "", -1, 0.0, False, [], f"could not be judged, status {status}")


def _generator() -> str:
    """Digest of what makes a case from its seed."""
    files = sorted(HERE.glob("fuzz_*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]


def _known(results: Path, *, again: bool) -> dict[int, Case]:
    """Cases of a run that was ended; the last of each seed counts."""
    if not results.exists():
        return {}
    lines = results.read_text(encoding="utf-8").splitlines()
    cases = [case for line in lines if (case := case_of(line, _generator())) is not None]
    if len(cases) < len(lines):
        print(f"{len(lines) - len(cases):,} lines of {results} are half, or of another generator, and do not count")
    return {case.seed: case for case in cases if not (again and case.why is not None)}


def _append(results: Path, case: Case) -> None:
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("a", encoding="utf-8") as file:
        file.write(line_of(case, _generator()) + "\n")


def _table(cases: Sequence[Case]) -> str:
    counts = Counter((case.command, case.code) for case in cases)
    lines = ["| command | cases | exit 0 | exit 1 | exit 2 |", "| --- | --- | --- | --- | --- |"]
    for name in (" ".join(command) for command in CASES):
        codes = [counts[name, code] for code in (0, 1, 2)]
        total = sum(case.command == name for case in cases)
        if not total:
            continue
        lines.append(f"| `{name}` | {total} | " + " | ".join(map(str, codes)) + " |")
    broken = sum(case.why is not None for case in cases)
    fresh = sum(case.fresh for case in cases)
    faults = sum(case.faults for case in cases)
    mean = sum(case.seconds for case in cases) / max(len(cases), 1)
    return "\n".join(
        [
            *lines,
            "",
            f"{len(cases):,} cases, {broken} broke a promise. {faults:,} had data faults to be recognised. "
            f"{fresh:,} began as a new interpreter, the others as a fork; "
            f"{mean:.1f} processor seconds each.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
