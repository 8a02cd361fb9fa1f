"""The long run: ``make fuzz``, or ``python tests/fuzz/run.py --cases 2000 --seed 1 --into docs/reliability.md``.

Prints what broke with its seed, and the counts by command as a Markdown table. ``--only SEED`` plays one case again.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import tempfile
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import fuzz_stage as stage  # noqa: E402 - the path is set above
from fuzz_cases import CASES  # noqa: E402 - likewise
from fuzz_verdicts import play  # noqa: E402 - likewise

MARKS = ("<!-- fuzz -->", "<!-- /fuzz -->")
HANG = 900
"""Seconds after which a case that no processor time limit ends is shown where it hangs."""


def main() -> int:
    """Play the cases; 1 where something broke."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--into", type=Path)
    chosen = parser.parse_args()
    os.environ.pop("BACKSLIDE_DEBUG", None)
    warnings.simplefilter("ignore")  # hostile input makes libraries warn
    seeds = (
        [chosen.only]
        if chosen.only is not None
        else range(chosen.seed * 1_000_000, chosen.seed * 1_000_000 + chosen.cases)
    )
    counts: Counter[tuple[str, int]] = Counter()
    broken = 0
    with tempfile.TemporaryDirectory() as place:
        prepared = stage.build(Path(place))
        with ProcessPoolExecutor(chosen.jobs, mp_context=get_context("spawn")) as pool:
            for command, code, failure in pool.map(partial(_case, prepared), seeds):
                counts[" ".join(command), code] += 1
                if failure is not None:
                    broken += 1
                    print(
                        f"BROKEN {failure.seed} {' '.join(map(repr, failure.arguments))}\n    {failure.why}", flush=True
                    )
    table = _table(counts, broken)
    print(table)
    if chosen.into is not None:
        text = chosen.into.read_text(encoding="utf-8")
        before, _, rest = text.partition(MARKS[0])
        chosen.into.write_text(
            f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{rest.partition(MARKS[1])[2]}", encoding="utf-8"
        )
    return 1 if broken else 0


def _case(prepared: Path, seed: int) -> Any:
    warnings.simplefilter("ignore")  # hostile input makes libraries warn
    faulthandler.dump_traceback_later(HANG, exit=True)
    try:
        return play(seed, prepared)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _table(counts: Counter[tuple[str, int]], broken: int) -> str:
    lines = ["| command | cases | exit 0 | exit 1 | exit 2 |", "| --- | --- | --- | --- | --- |"]
    for name in (" ".join(command) for command in CASES):
        codes = [counts[name, code] for code in (0, 1, 2)]
        lines.append(
            f"| `{name}` | {sum(n for (one, _), n in counts.items() if one == name)} | "
            + " | ".join(map(str, codes))
            + " |"
        )
    return "\n".join([*lines, "", f"{sum(counts.values())} cases, {broken} broke a promise."])


if __name__ == "__main__":
    sys.exit(main())
