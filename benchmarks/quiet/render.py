"""Rates as Markdown tables and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from measure import table
from quiet.tables import TOOLS, Counted, Key

GROUPS = ("real", "independent rows", "days", "few days", "together")
ALARMS = (
    "backslide",
    "backslide, in part",
    "NannyML",
    "NannyML, estimated",
    "Deepchecks",
    "Evidently",
)
FLAGS = ("backslide", "Evidently", "NannyML", "NannyML, chunks", "Deepchecks", "whylogs")
WHOLE = ("degraded", "degraded in part", "a data fault named")


def markdown(counted: Counted, prints: dict[str, str], unavailable: dict[str, str], seeds: range) -> str:
    """Every table, each under a heading, and what could not be run with the reason."""
    sections = {
        "Quiet pairs: features flagged as drifted": [
            _quiet(counted, "flagged by all", ("windows",), FLAGS),
            _quiet(counted, "flagged by size", ("windows", "rows"), FLAGS),
            _quiet(counted, "flagged by span", ("days",), FLAGS),
            _quiet(counted, "flagged by set", ("real set",), FLAGS),
        ],
        "Quiet pairs: alarms that performance fell": [
            _quiet(counted, "alarm by all", ("windows",), ALARMS),
            _quiet(counted, "alarm by size", ("windows", "rows"), ALARMS),
            _quiet(counted, "alarm by span", ("days",), ALARMS),
            _quiet(counted, "alarm by set", ("real set",), ALARMS),
        ],
        "Quiet pairs: the whole diagnosis": [_quiet(counted, "whole", ("windows",), WHOLE), _faults(counted)],
        "Power: a numeric feature shifts by so many standard deviations": [_power(counted, "shift", "shift", TOOLS)],
        "Power: so much of all rows moves from one level to another": [_power(counted, "share", "moved", TOOLS)],
        "Power: accuracy falls by so much": [_power(counted, "drop", "drop", ALARMS)],
        "Features that did not move, flagged beside those that did": [_power(counted, "unmoved", "", TOOLS)],
        "What did not run": [_silence(counted, unavailable)],
    }
    parts = [_head(prints, seeds)]
    for title, tables in sections.items():
        if any(tables):
            parts += [f"## {title}\n", *filter(None, tables)]
    return "\n".join(parts)


def _head(prints: dict[str, str], seeds: range) -> str:
    named = ", ".join(f"{tool} {stamp.partition('+')[0]}" for tool, stamp in prints.items())
    return f"{named}; seeds {seeds.start} to {seeds.stop - 1}, every tool with its defaults\n"


def _used(counted: Counted, name: str, columns: tuple[str, ...]) -> list[str]:
    """Columns that anything was counted in."""
    present = {column for table_name, _, column in counted.rates if table_name == name}
    return [column for column in columns if column in present]


def _quiet(counted: Counted, name: str, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    shown = _used(counted, name, columns)
    rows = sorted(counted.rows(name), key=lambda row: GROUPS.index(row[0]) if row[0] in GROUPS else 0)
    if not rows or not shown:
        return ""
    limit = ["backslide, at most"] if "backslide" in shown and len(keys) == 1 else []
    lines = []
    for row in rows:
        cells = [str(counted.get(name, row, column)) for column in shown]
        if limit:
            cells.append(f"{100 * counted.get(name, row, 'backslide').upper:.1f} %")
        lines.append([_number(part) for part in row] + cells)
    return table([*keys, *shown, *limit], lines) + "\n"


def _number(part: str) -> str:
    return f"{int(part):,}".replace(",", " ") if part.isdigit() else part


def _power(counted: Counted, name: str, what: str, columns: tuple[str, ...]) -> str:
    """A row for each change without and with days; a cell holds the percentages at rising sizes."""
    shown = _used(counted, name, columns)
    rows = counted.rows(name)
    if not rows or not shown:
        return ""
    kinds = list(dict.fromkeys(row[:-1] for row in rows))
    lines = []
    for kind in kinds:
        sizes = [row for row in rows if row[:-1] == kind]
        head = [*_size(name, kind), " · ".join(_number(row[-1]) for row in sizes), _pairs(counted, name, sizes)]
        lines.append(head + [" · ".join(counted.get(name, row, column).percent for row in sizes) for column in shown])
    keys = [what, "windows"] if what else ["windows"]
    return table([*keys, "rows", "n", *(f"{column}, %" for column in shown)], lines) + "\n"


def _size(name: str, kind: Key) -> Key:
    """A change of a share in points."""
    return (f"{100 * float(kind[0]):g} pt", *kind[1:]) if name in ("share", "drop") else kind


def _pairs(counted: Counted, name: str, rows: list[Key]) -> str:
    """How many trials the percentages of backslide rest on."""
    return " · ".join(str(counted.get(name, row, "backslide").of) for row in rows)


def _faults(counted: Counted) -> str:
    lines = [f"- {pair}: {fault}" for pair, fault in counted.faults]
    return "Data faults named although nothing happened:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _silence(counted: Counted, unavailable: dict[str, str]) -> str:
    """What was not run or did not answer, and why."""
    lines = [[tool, "not run", reason] for tool, reason in unavailable.items()]
    for tool, errors in counted.errors.items():
        [(most, times)] = Counter(error.partition(": ")[2] for error in errors).most_common(1)
        lines.append([tool, f"{len(errors)} answers missing", f"{most} ({times} times)"])
    for code, times in counted.failed.items():
        lines.append(["backslide", f"{code} could not run", f"in {times} pairs"])
    if not lines:
        return ""
    return table(["tool", "what", "reason"], lines) + "\n"


def as_json(counted: Counted, prints: dict[str, str], unavailable: dict[str, str], seeds: range) -> dict[str, Any]:
    """The same for programs: hits and trials of every cell."""
    cells: dict[str, list[dict[str, Any]]] = {}
    for (name, row, column), rate in counted.rates.items():
        cells.setdefault(name, []).append({"row": list(row), "column": column, "hits": rate.hits, "of": rate.of})
    return {
        "versions": {tool: stamp.partition("+")[0] for tool, stamp in prints.items()},
        "seeds": [seeds.start, seeds.stop],
        "unavailable": unavailable,
        "errors": counted.errors,
        "failed_checks": counted.failed,
        "data_faults": [list(fault) for fault in counted.faults],
        "tables": {name: sorted(found, key=lambda c: (c["row"], c["column"])) for name, found in sorted(cells.items())},
    }
