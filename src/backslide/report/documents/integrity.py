"""An integrity report as plain lines and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backslide.report.format.escape import clean_text
from backslide.report.render.markdown import _md, _md_table

if TYPE_CHECKING:
    from backslide.contracts.integrity import Integrity, StackDifference

DETAILS = 6
"""Values told below a difference."""
RISKS = {"likely": "likely to hurt", "possible": "may hurt", "unlikely": "unlikely to hurt"}
SIGNS = {"likely": "!!", "possible": " !", "unlikely": "  "}


def integrity_text(found: Integrity) -> str:
    """The differences for a terminal, the most harmful first."""
    lines = [f"Integrity of {found.a.name} ({found.a.taken_at}) and {found.b.name} ({found.b.taken_at})", found.summary]
    if found.onset is not None:
        lines.append(f"it began {found.onset}")
    for difference in found.differences:
        lines += [
            "",
            f"{SIGNS[difference.risk]} {difference.rank}. {_title(difference)}",
            f"      {difference.meaning}",
        ]
        lines.append(f"      why: {difference.reason}")
        lines += [f"      {line}" for line in _beside(difference)]
    if found.notes:
        lines += ["", "Notes", *(f"  {note}" for note in found.notes)]
    return "\n".join(clean_text(line) for line in lines)


def integrity_markdown(found: Integrity) -> str:
    """The differences for a pull request; foreign strings cannot mark up."""
    blocks = [f"## Integrity of {_md(found.a.name)} and {_md(found.b.name)}", f"**{_md(clean_text(found.summary))}**"]
    if found.differences:
        rows = [
            (str(d.rank), _title(d), clean_text(d.meaning), d.risk, clean_text(d.reason)) for d in found.differences
        ]
        blocks.append(_md_table(("", "difference", "what it means", "hurts", "why"), rows))
    for difference in found.differences:
        beside = _beside(difference)
        if beside:
            lines = "\n".join(f"- {_md(clean_text(line))}" for line in beside)
            blocks.append(f"### {difference.rank}. {_md(clean_text(_title(difference)))}\n\n{lines}")
    if found.notes:
        blocks.append("### Notes\n\n" + "\n".join(f"- {_md(clean_text(note))}" for note in found.notes))
    return "\n\n".join(blocks) + "\n"


def _title(difference: StackDifference) -> str:
    proven = ", proven" if difference.proven else ""
    return f"{difference.kind.value.replace('_', ' ')}: {difference.subject} ({RISKS[difference.risk]}{proven})"


def _beside(difference: StackDifference) -> list[str]:
    """Values and lines that stand below a difference."""
    commit, shown = difference.commit, difference.details if len(difference.details) > 1 else ()
    lines = [f"{d.name}: {d.before or 'absent'} → {d.after or 'absent'}" for d in shown[:DETAILS]]
    if len(shown) > DETAILS:
        lines.append(f"and {len(shown) - DETAILS} more")
    if commit is not None:
        pull = f", pull request {commit.pull_request}" if commit.pull_request else ""
        lines.append(
            f"commit {commit.sha[:10]} by {commit.author}, {commit.authored_at}{pull}: {', '.join(commit.files[:5])}"
        )
        for line in commit.lines[: 1 if difference.where == "fitted" else DETAILS]:
            at = line.path + (f":{line.line}" if line.line is not None else "")
            inside = f" in {line.function}" if line.function else ""
            lines.append(f"{'-' if line.removed else '+'} {at}{inside}: {line.text.strip()}")
    return lines
