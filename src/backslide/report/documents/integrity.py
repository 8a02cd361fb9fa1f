"""A comparison of two snapshots as a page: the differences, the most harmful first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.escape import cleaned
from backslide.report.documents.page import Card, Cards, Page, PageFact, Row, filled, rows, section

if TYPE_CHECKING:
    from backslide.contracts.integrity import Integrity, SnapshotIdentity, StackDifference

MOST_DETAILS = 6
"""Values and lines of code listed below a difference."""
RISKS = {"likely": "likely to hurt", "possible": "may hurt", "unlikely": "unlikely to hurt"}
LEVELS = {"likely": "fail", "possible": "warn", "unlikely": "note"}


def integrity_page(integrity: Integrity) -> Page:
    """The page of a comparison; strings of foreign origin are made safe to show first."""
    i = cleaned(integrity)
    verdict = ("Could hurt", "▼", "degraded") if i.hurts else ("Nothing that hurts", "●", "no_material_change")
    facts = [PageFact("compared", f"{i.a.name} → {i.b.name}", (f"{i.a.taken_at} → {i.b.taken_at}",))]
    if i.onset is not None:
        facts.append(PageFact("began", say.moment(i.onset)))
    if i.replay is not None:
        same = f"{say.count(i.replay.equal)} of {say.count(i.replay.rows)} rows alike"
        facts.append(PageFact("golden rows", same, (f"{say.counted(i.replay.flips, 'other prediction')}",)))
    differences = Cards(tuple(map(_difference, i.differences)), first=1)
    return Page(
        f"Integrity of {i.a.name} and {i.b.name}",
        "what differs between the two snapshots",
        *verdict,
        i.summary,
        facts=tuple(facts),
        sections=(section("Differences", differences, depth="brief"),) if i.differences else (),
        inputs=rows(*_snapshot("first", i.a), *_snapshot("second", i.b)),
        notes=i.notes,
    )


def _snapshot(name: str, taken: SnapshotIdentity) -> tuple[tuple[str, str], ...]:
    return (
        (f"{name} snapshot", f"{taken.name}, {taken.taken_at}"),
        (f"{name} commit", taken.commit or ""),
        (f"{name} artefact", taken.artefact or ""),
    )


def _difference(difference: StackDifference) -> Card:
    return Card(
        title=f"{difference.kind.value.replace('_', ' ')}: {difference.subject}",
        text=difference.meaning,
        badge=RISKS[difference.risk],
        means="proven" if difference.proven else "",
        rows=filled(
            Row("why", (difference.reason,)),
            Row("values", _values(difference)),
            Row("commit", _commit(difference)),
        ),
        level=LEVELS[difference.risk],
    )


def _values(difference: StackDifference) -> tuple[str, ...]:
    shown = difference.details if len(difference.details) > 1 else ()
    lines = [f"{d.name}: {d.before or 'absent'} → {d.after or 'absent'}" for d in shown[:MOST_DETAILS]]
    more = [f"and {len(shown) - MOST_DETAILS} more"] if len(shown) > MOST_DETAILS else []
    return (*lines, *more)


def _commit(difference: StackDifference) -> tuple[str, ...]:
    commit = difference.commit
    if commit is None:
        return ()
    pull = f", pull request {commit.pull_request}" if commit.pull_request else ""
    lines = [f"commit {commit.sha[:10]} by {commit.author}, {commit.authored_at}{pull}: {', '.join(commit.files[:5])}"]
    for line in commit.lines[: 1 if difference.where == "fitted" else MOST_DETAILS]:
        at = line.path + (f":{line.line}" if line.line is not None else "")
        inside = f" in {line.function}" if line.function else ""
        lines.append(f"{'-' if line.removed else '+'} {at}{inside}: {line.text.strip()}")
    return tuple(lines)
