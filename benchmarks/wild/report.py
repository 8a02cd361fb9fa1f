"""The tables of the benchmark of the wild as Markdown, from the results of ``run.py``.

    python benchmarks/wild/report.py looked-at.jsonl --failing 60
    python benchmarks/wild/report.py held-out.jsonl                   totals alone: single cells of this part are never shown
    python benchmarks/wild/report.py looked-at.jsonl --into docs/benchmarks.md

A file that holds cells of both parts is refused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.records import Record, read
from faults.tables import middle, percent, share, table
from wild.catalogue import NOTHING
from wild.cells import BOTH, NO_ARTEFACT, NO_LABELS
from wild.incident import ALL, STORIES
from wild.rules import RULES
from wild.score import OUTCOMES, column_is_right, family_of
from wild.sets import PARTS

Case = tuple[Record, dict[str, Any]]
"""A record with one of its incidents."""
HEAD = (
    "",
    "n",
    "kind and column first",
    "column first",
    "column in first three",
    "named and verified",
    "right column, other kind",
    "wrongly accused",
    "world blamed",
    "silent",
    "a data fault that did not happen, at any rank",
    "proposed",
    "column proposed",
    "`unrecognised_fault` first",
    "error of points",
    "seconds",
)


def render(records: Sequence[Record], failing: int) -> str:
    """The whole page."""
    done = [r for r in records if "error" not in r and "not_possible" not in r]
    single = [(r, r["incidents"][0]) for r in done if len(r["incidents"]) == 1 and r["incidents"][0]["kinds"]]
    material = [c for c in single if c[1]["material"]]
    plain = [c for c in material if c[0]["portion"] == ALL and c[0]["at_hand"] == BOTH]
    hidden = any(r["part"] == PARTS[1] for r in records)
    parts = [
        ("What it must show", goals(done, material)),
        ("Material single faults, all rows, labels and artefact: by family", grouped(plain, lambda c: c[1]["family"])),
        ("All material single faults: by family", grouped(material, lambda c: c[1]["family"])),
        ("... by portion", grouped(material, lambda c: c[0]["portion"])),
        ("... by what is at hand", grouped(material, lambda c: c[0]["at_hand"])),
        ("... by model", grouped(material, lambda c: c[0]["model"])),
        ("Beside chance and two rules", rules(material)),
        ("Faults that cost less", small(single)),
        ("Nothing done, or nothing that costs anything", quiet(done)),
        ("Could not be run", counts(records)),
    ]
    if not hidden:
        missed = [c for c in material if c[1]["outcome"] != "named"]
        parts[4:4] = [
            ("... by story", grouped(material, lambda c: c[1]["story"])),
            ("... by set", grouped(material, lambda c: c[0]["data"])),
        ]
        parts += [
            (f"Material and not named: the dearest of {len(missed)}", failures(missed, failing)),
            ("Two faults, not both in the first three", two_failures(done)),
            ("Nothing done, and a data fault among the causes", accusations(done)),
        ]
    return "\n\n".join(f"## {title}\n\n{body}" for title, body in parts if body) + "\n"


def goals(done: Sequence[Record], material: Sequence[Case]) -> str:
    """Each goal with what was measured."""
    both = [c for c in material if c[0]["at_hand"] == BOTH]
    plain = [c for c in both if c[0]["portion"] == ALL]
    columns = [c for c in plain if c[1]["columns"]]
    blind = [c for c in material if c[0]["at_hand"] == NO_LABELS and c[1]["in_rows"]]
    bare = [c for c in material if c[0]["at_hand"] == NO_ARTEFACT and c[0]["portion"] == ALL]
    pairs = [r for r in done if len(r["incidents"]) == 2 and all(i["material"] for i in r["incidents"])]
    still = [r for r in done if nothing_costs(r)]
    rows: list[tuple[str, str, Sequence[Any], Callable[[Any], bool]]] = [
        ("all rows, labels and artefact: kind and column first", "≥ 85 %", plain, named),
        ("... column right among the first three", "≥ 93 %", columns, in_three),
        ("... wrong accusation at rank 1", "≤ 4 %", plain, lambda c: c[1]["outcome"] == "accused"),
        (
            "40 % of the rows: kind and column first",
            "≥ 75 %",
            [c for c in both if c[0]["portion"].startswith("40")],
            named,
        ),
        ("10 % of the rows", "≥ 50 %", [c for c in both if c[0]["portion"].startswith("10")], named),
        ("without labels, data faults", "≥ 75 %", [c for c in blind if c[0]["portion"] == ALL], named),
        ("without artefact", "≥ 75 %", bare, named),
        ("... data faults and the world alone", "≥ 75 %", [c for c in bare if c[1]["family"] != "answers"], named),
        ("two faults: both among the first three", "≥ 75 %", pairs, both_in_three),
        ("natural periods and harmless changes: a data fault accused", "≤ 2 %", still, lambda r: bool(r["accused"])),
        ("... a calendar column accused", "0", still, lambda r: r["calendar_accused"]),
    ]
    return table(("", "goal", "measured"), ((what, goal, share(items, holds)) for what, goal, items, holds in rows))


def named(case: Case) -> bool:
    """Kind and column of the first cause."""
    return bool(case[1]["outcome"] == "named")


def in_three(case: Case) -> bool:
    """Whether one of the first three causes has the column."""
    return case[1]["column_rank"] is not None and case[1]["column_rank"] <= 3


def falsely_accused(case: Case) -> bool:
    """Whether any cause is a data fault of a column to which nothing happened."""
    causes = (c for c in case[0]["causes"] if family_of(c["kind"]) == "data")
    return any(not column_is_right(c, case[1]) for c in causes)


def both_in_three(record: Record) -> bool:
    """Kind and column of both."""
    return all(i["rank"] is not None and i["rank"] <= 3 for i in record["incidents"])


def nothing_costs(record: Record) -> bool:
    """A natural period, or a harmless change that truly was."""
    if record["story"] == NOTHING:
        return True
    return all(not i["kinds"] and not i["material"] for i in record["incidents"])


def line(name: str, cases: Sequence[Case]) -> list[str]:
    """One line under :data:`HEAD`."""
    columns = [c for c in cases if c[1]["columns"]]
    return [
        name,
        str(len(cases)),
        share(cases, named),
        share(columns, lambda c: c[1]["column_rank"] == 1),
        share(columns, in_three),
        share(cases, lambda c: named(c) and c[1]["verified"]),
        *(share(cases, lambda c, o=o: c[1]["outcome"] == o) for o in OUTCOMES[1:]),
        share(cases, falsely_accused),
        share(cases, lambda c: c[1]["proposed"]),
        share(columns, lambda c: c[1]["column_proposed"]),
        share(cases, lambda c: bool(c[0]["causes"]) and c[0]["causes"][0]["kind"] == "unrecognised_fault"),
        middle((c[1]["error_of_points"] for c in cases), as_percent=True),
        middle(c[0]["seconds"] for c in cases),
    ]


def grouped(cases: Sequence[Case], by: Callable[[Case], str]) -> str:
    """A line for each group and one for all."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(by(case), []).append(case)
    return table(HEAD, [*(line(name, groups[name]) for name in sorted(groups)), line("all", cases)])


def rules(material: Sequence[Case]) -> str:
    """What the diagnosis, chance and two rules of thumb point to, for faults that have columns."""
    cases = [c for c in material if c[1]["columns"]]
    if not cases:
        return ""

    def by_rule(rule: str, first: int) -> str:
        return share(cases, lambda c: bool(set(c[0]["rules"].get(rule, [])[:first]) & set(c[1]["columns"])))

    def by_chance(key: str) -> str:
        return f"{100 * sum(c[1]['chance'][key] for c in cases) / len(cases):.0f} %"

    words = dict(zip(RULES, ("largest shift", "largest shift times importance"), strict=True))
    return table(
        ("", "kind and column first", "column first", "column in first three"),
        [
            [
                "diagnosis",
                share(cases, named),
                share(cases, lambda c: c[1]["column_rank"] == 1),
                share(cases, in_three),
            ],
            ["chance", by_chance("kind_and_column"), by_chance("column_1"), by_chance("column_3")],
            *([words[rule], "–", by_rule(rule, 1), by_rule(rule, 3)] for rule in RULES),
        ],
    )


def small(single: Sequence[Case]) -> str:
    """Faults below two points or within the noise: naming them is right, naming another column is not."""
    cases = [c for c in single if not c[1]["material"]]
    outcomes = (share(cases, lambda c, o=o: c[1]["outcome"] == o) for o in ("silent", "accused"))
    return table(
        ("", "n", "named", "silent", "wrongly accused"), [["all", str(len(cases)), share(cases, named), *outcomes]]
    )


def quiet(done: Sequence[Record]) -> str:
    """Periods with nothing done, and changes that cost nothing."""
    still = [r for r in done if nothing_costs(r)]
    names = (NOTHING, *(s.name for s in STORIES.values() if s.family == "harmless"))
    groups = {n: [r for r in still if r["story"] == n] for n in names}
    return table(
        (
            "",
            "n",
            "data fault among the causes",
            "a calendar column",
            "listed as harmless",
            "called degraded",
            "seconds",
        ),
        [
            [
                name,
                str(len(rs)),
                share(rs, lambda r: bool(r["accused"])),
                share(rs, lambda r: r["calendar_accused"]),
                share(rs, lambda r: bool(r["harmless"])),
                share(rs, lambda r: r["verdict"].startswith("degraded")),
                middle(r["seconds"] for r in rs),
            ]
            for name, rs in (*groups.items(), ("all", still))
        ],
    )


def counts(records: Sequence[Record]) -> str:
    """Cells without a result, counted."""
    errors = [r for r in records if "error" in r]
    nowhere = sum("not_possible" in r for r in records)
    text = f"{nowhere} of {len(records)} cells had no column for their story; {len(errors)} ended with an error"
    text += f", {percent(sum('took longer' in r['error'] for r in errors), len(records))} of all for their time."
    shown = [r for r in errors if r["part"] == PARTS[0] and "took longer" not in r["error"]]
    return text + "".join(f"\n- `{r['id']}`: {r['error']}" for r in shown)


def said(record: Record) -> str:
    """The first three causes, and what is listed as harmless."""

    def words(causes: Iterable[dict[str, Any]]) -> str:
        return ", ".join(f"{c['kind']}({'+'.join(c['features'][:3]) or c['segment'] or ''})" for c in causes)

    return (words(record["causes"][:3]) or "no cause") + (
        f"; harmless: {words(record['harmless'][:3])}" if record["harmless"] else ""
    )


def failures(missed: Sequence[Case], most: int) -> str:
    """What happened, what it cost, and what was said instead."""
    worst = sorted(missed, key=lambda c: -c[1]["harm"] / c[1]["least"])[:most]
    return table(
        ("cell", "what happened", "harm", "outcome", "verdict", "said"),
        (
            (
                f"`{r['id']}`",
                f"{i['words']} ({', '.join(i['columns'])})".replace("|", "/"),
                f"{i['harm']:.3g} ± {i['error']:.2g}",
                i["outcome"],
                r["verdict"],
                said(r).replace("|", "/"),
            )
            for r, i in worst
        ),
    )


def two_failures(done: Sequence[Record]) -> str:
    """Pairs of material faults."""
    missed = [
        r
        for r in done
        if len(r["incidents"]) == 2 and all(i["material"] for i in r["incidents"]) and not both_in_three(r)
    ]
    rows = [
        (
            f"`{r['id']}`",
            "; ".join(f"{i['words']} ({', '.join(i['columns'])}) rank {i['rank']}" for i in r["incidents"]),
            said(r),
        )
        for r in missed
    ]
    return table(("cell", "what happened", "said"), rows) if rows else ""


def accusations(done: Sequence[Record]) -> str:
    """Natural periods and harmless changes with a data fault named."""
    seen = [r for r in done if nothing_costs(r) and r["accused"]]
    return table(("cell", "verdict", "said"), ((f"`{r['id']}`", r["verdict"], said(r)) for r in seen)) if seen else ""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--failing", type=int, default=40, help="how many failing cells to list")
    parser.add_argument("--into", type=Path, help="page whose table of goals is to be replaced")
    args = parser.parse_args()
    records = [record for path in args.results for record in read(path)]
    parts = {r["part"] for r in records}
    if len(parts) != 1:
        raise SystemExit(f"expected results of one part, found {sorted(parts) or 'none'}; report each part by itself")
    if args.into is None:
        print(render(records, args.failing))
        return
    page, part = args.into.read_text(encoding="utf-8"), parts.pop()
    args.into.write_text(with_part(page, part, render(records, 0)), encoding="utf-8")


def with_part(page: str, part: str, text: str) -> str:
    """The page with the goals, the portions and the rules of one part replaced."""
    begin, end = f"<!-- wild, {part}: written by benchmarks/wild/report.py -->", f"<!-- end of wild, {part} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"the page needs the lines {begin!r} and {end!r} once each; add them where the tables belong")
    wanted = ("What it must show", "Beside chance and two rules", "Nothing done, or nothing that costs anything")
    sections = [s for s in text.split("## ") if s.startswith(wanted)]
    body = "\n".join(f"#### Of the wild, {part}: {s[0].lower()}{s[1:].strip()}\n" for s in sections)
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{body}\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    main()
