"""The tables of the fault bench as Markdown, from the results of ``run.py``.

python benchmarks/faults/report.py results.jsonl [more.jsonl ...] [--failing 40] > tables.md
python benchmarks/faults/report.py results.jsonl --into docs/benchmarks.md --part looked-at
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults import tables
from faults.catalogue import DATA_FAULTS, KINDS
from faults.cells import QUIET, TWO
from faults.records import Record, read
from faults.tables import Held, accused, grouped, middle, named, percent, said, share, table

T = TypeVar("T")
PARTS = {"looked-at": "Sets looked at", "held-out": "Sets scored only"}
ORDER = list(KINDS)


def render(records: Sequence[Record], listed: int) -> str:
    """The whole page."""
    done = [r for r in records if "error" not in r and "not_possible" not in r]
    single = [(r, r["faults"][0]) for r in done if r["kind"] not in (QUIET, TWO)]
    large = [h for h in single if h[1]["large"]]
    full = [h for h in large if _under(h, "all")]
    missed = [h for h in large if not named(h) or accused(h)]
    parts = [
        ("What it must show", _goals(done, single)),
        ("Single faults on all rows, with labels, effect large", grouped(full, _kind, ORDER)),
        ("... by data set", grouped(full, lambda h: h[0]["data"])),
        ("... by model", grouped(full, lambda h: h[0]["model"])),
        ("... by rows wanted per window", grouped(full, lambda h: f"{h[0]['rows']:,}", ["20,000", "5,000", "1,000"])),
        ("... by background", grouped(full, lambda h: h[0]["background"])),
        ("Single faults on all rows, with labels, effect small", _small(single)),
        (
            "40 % of rows, marked by another column or by time, effect large",
            grouped(_of(large, "marked"), _kind, ORDER),
        ),
        ("40 % of rows, unmarked, effect large", grouped(_of(large, "unmarked"), _kind, ORDER)),
        (
            "Rows that are hit, where the fault is among the causes and they are marked",
            tables.whose_rows(_known(_of(large, "marked"))),
        ),
        ("No labels in the current window, effect large", grouped(_of(large, "unlabelled"), _kind, ORDER)),
        ("Two faults", _two([r for r in done if r["kind"] == TWO])),
        ("Nothing done", _quiet([r for r in done if r["kind"] == QUIET])),
        (f"Failing cells, effect large: the dearest of {len(missed)}", tables.failing(missed, listed)),
        ("Quiet pairs with a data fault named", _accused_in_quiet(done)),
        ("Could not be done", _errors(records)),
    ]
    return "\n\n".join(f"## {title}\n\n{body}" for title, body in parts if body) + "\n"


def _kind(held: Held) -> str:
    return str(held[1]["kind"])


def _under(held: Held, condition: str) -> bool:
    return bool(held[0]["condition"] == condition)


def _of(held: Sequence[Held], condition: str) -> list[Held]:
    return [h for h in held if _under(h, condition)]


def _known(held: Sequence[Held]) -> list[Held]:
    return [h for h in held if h[1]["rank"] is not None]


def _goals(done: Sequence[Record], single: Sequence[Held]) -> str:
    large = [h for h in single if h[1]["large"]]
    full = _of(large, "all")
    priced = [f["error"] for _, f in full if f.get("error") is not None]
    covered = [f["covered"] for _, f in full if "covered" in f]
    partial = _of(large, "marked") + _of(large, "unmarked")
    unlabelled = [h for h in _of(large, "unlabelled") if _kind(h) in DATA_FAULTS]
    both = _both_large([r for r in done if r["kind"] == TWO])
    quiet = [r for r in done if r["kind"] == QUIET]
    small = [h for h in _of(single, "all") if not h[1]["large"]]
    rows: list[tuple[str, str, str, bool | None]] = [
        ("full faults, large: named", "≥ 95 %", share(full, named), _at_least(full, named, 0.95)),
        (
            "their points: median error",
            "≤ 10 %",
            middle(priced, as_percent=True),
            median(priced) <= 0.1 if priced else None,
        ),
        (
            "their intervals cover the truth",
            "≥ 90 %",
            percent(sum(covered), len(covered)),
            _at_least(covered, bool, 0.9),
        ),
        (
            "full faults, small: something wrong said",
            "0 %",
            share(small, _wrong),
            not any(map(_wrong, small)) if small else None,
        ),
        ("40 % of rows, large: named", "≥ 85 %", share(partial, named), _at_least(partial, named, 0.85)),
        ("two faults, both large: both in the first three", "≥ 85 %", share(both, _both), _at_least(both, _both, 0.85)),
        (
            "no labels, data faults, large: named",
            "≥ 85 %",
            share(unlabelled, named),
            _at_least(unlabelled, named, 0.85),
        ),
        (
            "nothing done: a data fault among the causes",
            "≤ 1 %",
            share(quiet, _as_cause),
            _at_most(quiet, _as_cause, 0.01),
        ),
        ("nothing done: a data fault named at all", "≤ 1 %", share(quiet, _at_all), _at_most(quiet, _at_all, 0.01)),
    ]
    return table(
        ("", "goal", "measured", ""), ((a, b, c, {True: "met", False: "missed", None: "–"}[ok]) for a, b, c, ok in rows)
    )


def _at_least(items: Sequence[T], holds: Callable[[T], bool], goal: float) -> bool | None:
    return sum(map(holds, items)) >= goal * len(items) if items else None


def _at_most(items: Sequence[T], holds: Callable[[T], bool], goal: float) -> bool | None:
    return sum(map(holds, items)) <= goal * len(items) if items else None


def _as_cause(record: Record) -> bool:
    return bool(record["false_causes"])


def _at_all(record: Record) -> bool:
    return bool(record["false_causes"] or record["false_harmless"])


def _wrong(held: Held) -> bool:
    """A data fault that was not done, or something else first while nothing else moved."""
    record = held[0]
    return accused(held) or (record["first_is_wrong"] and record["background"] == "still")


def _small(single: Sequence[Held]) -> str:
    small = [h for h in _of(single, "all") if not h[1]["large"]]
    groups = {k: [h for h in small if _kind(h) == k] for k in ORDER}
    return table(
        (
            "",
            "n",
            "right name first",
            "no cause at all",
            "something wrong",
            "under harmless",
            "below the detectable size and among the causes",
        ),
        [_small_line(k, g) for k, g in groups.items() if g] + [_small_line("all", small)],
    )


def _small_line(name: str, held: Sequence[Held]) -> list[str]:
    below = [h for h in held if h[0]["detectable"] is not None and abs(h[1]["harm"]) < h[0]["detectable"]]
    return [
        name,
        str(len(held)),
        share(held, named),
        share(held, lambda h: not h[0]["causes"]),
        share(held, _wrong),
        share(held, lambda h: h[1]["under_harmless"]),
        share(below, lambda h: h[1]["rank"] is not None),
    ]


def _both_large(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if all(f["large"] for f in r["faults"])]


def _both(record: Record) -> bool:
    return all(f["rank"] is not None and f["rank"] <= 3 for f in record["faults"])


def _two(records: Sequence[Record]) -> str:
    one = [r for r in records if sum(f["large"] for f in r["faults"]) == 1]
    groups = {"both large": _both_large(records), "one large": one}
    return table(
        (
            "",
            "n",
            "both in the first three",
            "each large one in the first three",
            "false accusations",
            "error of points",
            "seconds",
        ),
        (
            (
                name,
                str(len(rs)),
                share(rs, _both),
                share(
                    [f for r in rs for f in r["faults"] if f["large"]],
                    lambda f: f["rank"] is not None and f["rank"] <= 3,
                ),
                share(rs, _as_cause),
                middle((f.get("error") for r in rs for f in r["faults"] if f["large"]), as_percent=True),
                middle(r["seconds"] for r in rs),
            )
            for name, rs in groups.items()
        ),
    )


def _quiet(records: Sequence[Record]) -> str:
    groups = {b: [r for r in records if r["background"] == b] for b in ("still", "drift", "natural")}
    return table(
        ("", "n", "data fault among the causes", "data fault named at all", "called degraded", "seconds"),
        (
            (
                name,
                str(len(rs)),
                share(rs, _as_cause),
                share(rs, _at_all),
                share(rs, _degraded),
                middle(r["seconds"] for r in rs),
            )
            for name, rs in (*groups.items(), ("all", records))
        ),
    )


def _degraded(record: Record) -> bool:
    return bool(record["verdict"].startswith("degraded"))


def _accused_in_quiet(done: Sequence[Record]) -> str:
    seen = [r for r in done if r["kind"] == QUIET and _at_all(r)]
    rows = ((f"`{r['id']}`", r["moved"], r["verdict"], said(r)) for r in seen)
    return table(("case", "what moved", "verdict", "said"), rows) if seen else ""


def _errors(records: Sequence[Record]) -> str:
    bad = [r for r in records if "error" in r]
    no_column = sum("not_possible" in r for r in records)
    text = f"{no_column} of {len(records)} cases had no column for the fault; {len(bad)} ended with an error."
    rows = [(f"`{r['id']}`", r["error"].replace("|", "/")) for r in bad]
    return text + ("\n\n" + table(("case", "error"), rows) if rows else "")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--failing", type=int, default=40, help="how many failing cells to list")
    parser.add_argument("--into", type=Path, help="page whose tables are to be replaced")
    parser.add_argument("--part", choices=list(PARTS), default="looked-at", help="which of the page's two parts")
    args = parser.parse_args()
    text = render([record for path in args.results for record in read(path)], args.failing)
    if args.into is None:
        print(text)
    else:
        page = args.into.read_text(encoding="utf-8")
        args.into.write_text(with_part(page, args.part, text), encoding="utf-8")


def with_part(page: str, part: str, text: str) -> str:
    """The page with the tables of one part replaced, their headings two levels deeper and told apart by the part."""
    begin, end = f"<!-- faults, {part}: written by benchmarks/faults/report.py -->", f"<!-- end of faults, {part} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"the page needs the lines {begin!r} and {end!r} once each; add them where the tables belong")
    deeper = re.sub(r"^## ", f"#### {PARTS[part]}: ", text.strip(), flags=re.MULTILINE)
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{deeper}\n\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    main()
