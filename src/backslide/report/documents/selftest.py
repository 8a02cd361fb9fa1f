"""A self-test as plain lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say

if TYPE_CHECKING:
    from backslide.contracts.selftest import FaultTrial, SelfTest

_WORDS = {
    "named": "named first",
    "other name": "NAMED AS",
    "harmless": "seen, harmless",
    "missed": "MISSED",
    "failed": "FAILED",
}


def render_selftest(test: SelfTest) -> str:
    """A table of faults with what each does and whether it would be caught."""
    seen = "" if test.detectable is None else f"; the smallest change that shows is {_size(test, test.detectable)}"
    lines = [
        f"Self-test of {test.model}: {sum(t.caught for t in test.tried)} of {len(test.tried)} faults recognised",
        f"{test.rows} rows in each half, priced in {test.metric}{seen}. Without a fault the verdict is {test.quiet}.",
        "",
    ]
    rows = [_row(test, tried) for tried in sorted(test.tried, key=lambda t: -t.harm)]
    header = ("fault", "column", "rows", "what happens", "it costs", "outcome")
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return "\n".join([*lines, *(f"\n{note}" for note in test.notes)])


def _row(test: SelfTest, tried: FaultTrial) -> tuple[str, ...]:
    said = f" {tried.said}" if tried.outcome in ("other name", "failed") else ""
    return (
        tried.kind.value.replace("_", " "),
        ", ".join(tried.features),
        say.percent(tried.share_of_rows),
        tried.description,
        _size(test, tried.harm),
        _WORDS[tried.outcome] + said,
    )


def _size(test: SelfTest, value: float) -> str:
    return f"{value * 100:.1f} points" if test.share else f"{value:.3g}"
