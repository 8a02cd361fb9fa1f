"""The one shape of every answer: a headline, facts, what to do now, and sections of blocks. Renderers know nothing else.

Every text in a page is plain: renderers escape it, so that foreign strings can neither mark up nor steer. Numbers are written
already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from backslide.contracts import say
from backslide.report.documents.findings import CheckView, FindingView
from backslide.report.documents.timeline import Sparkline, Timeline

if TYPE_CHECKING:
    from backslide.contracts.evidence import Evidence
    from backslide.contracts.shadow import ShadowInputs

Depth = Literal["brief", "usual", "full"]
"""Where a section stands: everywhere, a notebook cell included; in text, Markdown and page; in the page alone."""


@dataclass(frozen=True, slots=True)
class PageFact:
    """One line of the headline: a name, the value in strong type, notes in small type."""

    name: str
    value: str
    notes: tuple[str, ...] = ()
    direction: str = ""
    """``worse``, ``better``, ``within noise``, ``no different`` or empty: said beside the value, and coloured."""


@dataclass(frozen=True, slots=True)
class Link:
    """A finding that something rests on; ``anchor`` is empty when it is not on the page."""

    text: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class PageLink:
    """Another page, by its address as seen from this one."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Row:
    """One definition: a name with one or several lines."""

    name: str
    lines: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One cause, difference or incident: title and price, how it is known, what it is, and what to do."""

    title: str
    text: str
    value: str = ""
    interval: str = ""
    badge: str = ""
    means: str = ""
    """What the badge rests on."""
    gloss: str = ""
    """What kind of thing it is; only where there is room."""
    rows: tuple[Row, ...] = ()
    links: tuple[Link, ...] = ()
    charts: tuple[Evidence, ...] = ()
    level: str = "note"
    """By which the page filters: ``fail``, ``warn``, ``note``, ``ok``."""
    href: str = ""
    """Address of the page that says more; the title leads there."""
    pages: tuple[PageLink, ...] = ()
    """Further pages about it."""
    spark: Sparkline | None = None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A sentence or several; empty ones are left out."""

    text: str
    kind: str = "paragraph"


@dataclass(frozen=True, slots=True)
class PageTable:
    """Rows under named columns, the first cell of each being its name."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Bullets:
    """Short lines of equal rank."""

    lines: tuple[str, ...]
    kind: str = "bullets"


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards, numbered from ``first`` on where that is given."""

    cards: tuple[Card, ...]
    first: int | None = None
    kind: str = "cards"


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing; text and Markdown leave it out, since its numbers stand in the sentences beside it."""

    evidence: Evidence
    wide: bool = False
    kind: str = "chart"


@dataclass(frozen=True, slots=True)
class CheckBlock:
    """A check with its findings."""

    check: CheckView
    kind: str = "check"


@dataclass(frozen=True, slots=True)
class FindingBlock:
    """One finding by itself."""

    finding: FindingView
    kind: str = "finding"


Block = Paragraph | PageTable | Bullets | Cards | Chart | Timeline | CheckBlock | FindingBlock


@dataclass(frozen=True, slots=True)
class PageSection:
    """A titled run of blocks."""

    title: str
    blocks: tuple[Block, ...]
    depth: Depth = "usual"
    folded: bool = False
    """Whether Markdown and a notebook cell fold it away."""
    step: str = ""
    """Name of the step of the playbook that it holds."""


@dataclass(frozen=True, slots=True)
class StepLink:
    """A line of the contents of a long page: the step, its state and how many checks ran; ``anchor`` to where it stands."""

    name: str
    question: str
    state: str
    tally: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that an answer says, in the order in which it says it."""

    model: str
    about: str
    """The question that the answer answers: ``why it changed``."""
    verdict: str
    sign: str
    """Differs in shape between verdicts, so that colour is never the only difference."""
    tone: str
    headline: str
    """What happened, in one sentence of at most some thirty words."""
    facts: tuple[PageFact, ...] = ()
    why: tuple[Card, ...] = ()
    """The first cause, with the chart that shows it."""
    action: str = ""
    reason: str = ""
    context: tuple[Row, ...] = ()
    """Windows, rows, labels, versions: what a reader must know to trust the rest."""
    warnings: tuple[str, ...] = ()
    more_warnings: int = 0
    """Warnings that the JSON holds besides."""
    sections: tuple[PageSection, ...] = ()
    contents: tuple[StepLink, ...] = ()
    inputs: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    trail: tuple[PageLink, ...] = ()
    """The pages above this one, the highest first."""


def section(title: str, *blocks: Block | None, depth: Depth = "usual", folded: bool = False) -> PageSection:
    """A section of the blocks that are there."""
    return PageSection(title, tuple(block for block in blocks if block is not None), depth, folded)


def filled(*given: Row) -> tuple[Row, ...]:
    """Those of the rows that hold a line."""
    return tuple(row for row in given if row.lines)


def rows(*pairs: tuple[str, str]) -> tuple[Row, ...]:
    """Definitions of one line each; those without a value are left out."""
    return tuple(Row(name, (value,)) for name, value in pairs if value)


def traffic(inputs: ShadowInputs, labelled: str, days: str = "days") -> tuple[tuple[str, str], ...]:
    """Definitions of what went into a comparison of models; ``labelled`` and ``days`` name the rows and days that count."""
    i = inputs
    return (
        ("rows", say.count(i.rows)),
        (labelled, say.count(i.labelled)),
        ("rows from", i.source),
        ("task", i.task),
        (days, say.count(i.days) if i.days else ""),
        ("period", "" if i.period is None else f"{say.moment(i.period[0])} to {say.moment(i.period[1])}"),
    )


def table_section(
    title: str, reading: str, columns: tuple[str, ...], lines: tuple[tuple[str, ...], ...], depth: Depth = "usual"
) -> PageSection:
    """A section of a sentence and the table under it; without lines the sentence alone."""
    return section(title, Paragraph(reading), PageTable(columns, lines, title) if lines else None, depth=depth)
