"""A self-test as a page: which faults would be caught in the user's own data, and at which size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.contracts import say
from backslide.contracts.escape import cleaned
from backslide.report.documents.page import Page, PageFact, rows, table_section

if TYPE_CHECKING:
    from backslide.contracts.selftest import FaultTrial, SelfTest

OUTCOMES = {
    "named": "named first",
    "other name": "NAMED AS",
    "harmless": "seen, harmless",
    "missed": "MISSED",
    "failed": "FAILED",
}


def selftest_page(selftest: SelfTest) -> Page:
    """The page of a self-test; strings of foreign origin are made safe to show first."""
    s = cleaned(selftest)
    caught = sum(one.caught for one in s.tried)
    every = caught == len(s.tried)
    lines = tuple(_cells(one, share=s.share) for one in sorted(s.tried, key=lambda one: -one.harm))
    facts = [
        PageFact("rows in each half", say.count(s.rows)),
        PageFact("without a fault", s.quiet.replace("_", " ")),
    ]
    if s.detectable is not None:
        facts.append(PageFact("smallest change that shows", say.change(s.detectable, share=s.share)))
    return Page(
        model=s.model,
        about="which faults would be caught?",
        verdict=f"{caught} of {len(s.tried)} faults recognised",
        sign="●" if every else "◣",
        tone="no_material_change" if every else "inconclusive",
        headline=f"Self-test of {s.model}: {caught} of {len(s.tried)} faults recognised.",
        facts=tuple(facts),
        sections=(
            table_section(
                "Faults",
                f"Each was done to half of the rows, and priced in {say.metric(s.metric)}.",
                ("fault", "column", "rows", "what happens", "it costs", "outcome"),
                lines,
                depth="brief",
            ),
        ),
        inputs=rows(("metric", say.metric(s.metric))),
        notes=s.notes,
    )


def _cells(one: FaultTrial, *, share: bool) -> tuple[str, ...]:
    outcome = OUTCOMES[one.outcome] + (f" {one.said}" if one.outcome in ("other name", "failed") else "")
    harm = say.fixed(one.harm * 100, 1) + " points" if share else say.number(one.harm, 3)
    return (
        one.kind.words,
        ", ".join(one.features),
        say.percent(one.share_of_rows),
        one.description,
        harm,
        outcome,
    )
