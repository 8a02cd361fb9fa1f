"""From answers to rates, and from rates to Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import beta

from quiet.answers import Answer, Log
from quiet.pairs import REAL_SIZES, TINY, Pair

TOOLS = ("backslide", "Evidently", "NannyML", "Deepchecks", "whylogs")
MOVED = ("balance", "amount", "region")
"""Columns that a change moves."""


@dataclass
class Rate:
    """How many of how many."""

    hits: int = 0
    of: int = 0

    def add(self, hits: int, of: int = 1) -> None:
        """Count some more."""
        self.hits += hits
        self.of += of

    @property
    def upper(self) -> float:
        """95 % upper limit of the rate (Clopper and Pearson 1934, one-sided), as if all were independent."""
        return 1.0 if self.hits == self.of else float(beta.ppf(0.95, self.hits + 1, self.of - self.hits))

    def __str__(self) -> str:
        """``1.2 % (3/250)``."""
        return f"{100 * self.hits / self.of:.1f} % ({self.hits}/{self.of})" if self.of else "–"

    @property
    def percent(self) -> str:
        """``12`` or ``–``."""
        return f"{100 * self.hits / self.of:.0f}" if self.of else "–"


Key = tuple[str, ...]


@dataclass
class Counted:
    """Rates by table, row and column."""

    rates: dict[tuple[str, Key, str], Rate] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    """Pair and data fault, wherever one was named although nothing happened."""
    errors: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    """Checks of backslide that could not run, with how often."""

    def add(self, table: str, row: Key, column: str, hits: int, of: int = 1) -> None:
        """Count into a cell."""
        self.rates.setdefault((table, row, column), Rate()).add(hits, of)

    def get(self, table: str, row: Key, column: str) -> Rate:
        """A cell, empty where nothing was counted."""
        return self.rates.get((table, row, column), Rate())

    def rows(self, table: str) -> list[Key]:
        """Rows of a table in the order of their pairs' worlds and sizes."""
        return sorted({row for name, row, _ in self.rates if name == table}, key=_order)


def _order(row: Key) -> Any:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in row)


def count(planned: Iterable[Pair], log: Log) -> Counted:
    """Count every answer of the log to a planned pair."""
    counted = Counted()
    for pair in planned:
        for answer in log.of(pair):
            if answer.error:
                counted.errors.setdefault(answer.tool, []).append(f"{pair.name}: {answer.error}")
                continue
            for name, value in answer.said["alarms"].items():
                if isinstance(value, str):
                    counted.errors.setdefault(answer.tool, []).append(f"{pair.name}: {name}: {value}")
            for code in answer.said.get("failed", ()):
                counted.failed[code] = counted.failed.get(code, 0) + 1
            if pair.whole:
                _count_whole(counted, pair, answer)
            elif pair.quiet:
                _count_quiet(counted, pair, answer)
            else:
                _count_power(counted, pair, answer)
    return counted


def group(pair: Pair) -> str:
    """The kind of world, as the tables name it."""
    if not pair.simulated:
        return "real"
    if pair.days is None:
        return "independent rows"
    return "days" if pair.days.reference >= 14 and pair.days.current >= 4 else "few days"


def _count_quiet(counted: Counted, pair: Pair, answer: Answer) -> None:
    said, tool = answer.said, answer.tool
    size = str(pair.rows) if pair.simulated or pair.rows in REAL_SIZES else "half"
    rows = [("size", (group(pair), size)), ("all", (group(pair),)), ("all", ("together",))]
    if pair.days:
        rows.append(("span", (str(pair.days),)))
    if not pair.simulated:
        rows.append(("set", (pair.world,)))
    for table, row in rows:
        counted.add(f"flagged by {table}", row, tool, len(said["flagged"]), said["columns"])
        for alarm, column in _alarms(said, tool).items():
            counted.add(f"alarm by {table}", row, alarm, int(column))
        if "chunks" in said:
            counted.add(f"flagged by {table}", row, f"{tool}, chunks", said["chunks"]["alerts"], said["chunks"]["of"])


def _alarms(said: dict[str, Any], tool: str) -> dict[str, bool]:
    """Every alarm about performance, by the column it is shown in."""
    found = {}
    if tool == "backslide":
        found["backslide, in part"] = said["verdict"] == "degraded_in_part"
        found["backslide, other drift"] = bool(said["elsewhere"])
    for name, value in said["alarms"].items():
        if isinstance(value, bool):
            found[tool if name == "performance" else f"{tool}, {name}"] = value
    return found


def _count_whole(counted: Counted, pair: Pair, answer: Answer) -> None:
    for row in ((group(pair),), ("together",)):
        counted.add("whole", row, "degraded", answer.said["verdict"] == "degraded")
        counted.add("whole", row, "degraded in part", answer.said["verdict"] == "degraded_in_part")
        counted.add("whole", row, "a data fault named", bool(answer.said["faults"]))
    counted.faults += [(pair.name, fault) for fault in answer.said["faults"]]


def _count_power(counted: Counted, pair: Pair, answer: Answer) -> None:
    change = pair.change
    assert change is not None
    said, tool = answer.said, answer.tool
    days, size = f"{pair.days} days" if pair.days else "independent rows", str(pair.rows)
    for column in ("balance", "amount"):
        counted.add("shift", (f"{change.shift:g}", days, size), tool, column in said["flagged"])
    others = len(set(said["flagged"]) - set(MOVED))
    if change == TINY:
        return
    counted.add("share", (f"{change.points:g}", days, size), tool, "region" in said["flagged"])
    for alarm, value in _alarms(said, tool).items():
        counted.add("drop", (f"{change.drop:g}", days, size), alarm, int(value))
    counted.add("unmoved", (days, size), tool, others, said["columns"] - len(MOVED))
