"""What the checks of this step share: the comparison of the two snapshots, made once, and a difference as a finding."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from backslide.case import Case
from backslide.contracts.errors import InputError
from backslide.contracts.evidence import Table
from backslide.contracts.finding import Finding, Severity
from backslide.contracts.integrity import Integrity, StackDifference
from backslide.contracts.snapshot import Snapshot
from backslide.engine.columns.cache import once
from backslide.stack.compare import integrity
from backslide.stack.mlflow_snapshots import find_snapshot

MOST_FINDINGS = 20
MOST_ROWS = 20
_SEVERITIES = {"likely": Severity.WARN, "possible": Severity.NOTE, "unlikely": Severity.OK}


@once
def compare_snapshots(case: Case) -> Integrity:
    """Everything that differs between the two stacks, with the commits where ``[artifacts] repository`` is at hand."""
    assert case.snapshots is not None
    folder = case.settings.artifacts.repository
    a, b = case.snapshots
    try:
        return integrity(a, b, repository=folder, base=case.settings.base)
    except InputError as error:
        if folder is None:
            raise
        answer = integrity(a, b)
        note = f"[artifacts] repository: {error}"
        case.notes.append(note)
        return answer.model_copy(update={"notes": (*answer.notes, note)})


def findings(code: str, case: Case, where: Collection[str], same: str) -> Iterator[Finding]:
    """A finding per difference in these places; one that says ``same`` where there is none."""
    differences = [d for d in compare_snapshots(case).differences if d.where in where]
    for difference in differences[:MOST_FINDINGS]:
        yield _finding(code, difference)
    if not differences:
        yield Finding(
            code=code,
            subject="stack",
            severity=Severity.OK,
            summary=same,
            basis="digests of the whole",
        )


def _finding(code: str, difference: StackDifference) -> Finding:
    proven = ", proven by the golden rows" if difference.proven else ""
    return Finding(
        code=code,
        subject=difference.subject,
        severity=Severity.FAIL if difference.proven else _SEVERITIES[difference.risk],
        summary=" ".join(f"{difference.meaning.rstrip('.')}; {difference.reason}{proven}".split()),
        basis="both snapshots",
        since=difference.at,
        numbers={"risk": difference.risk, "score": difference.score, "kind": difference.kind.value},
        evidence=(_table(difference),),
    )


def _table(difference: StackDifference) -> Table:
    commit = difference.commit
    if commit is not None and difference.where == "repository":
        lines = []
        for line in commit.lines:
            at = line.path if line.line is None else f"{line.path}:{line.line}"
            lines.append((at, line.function, ("− " if line.removed else "+ ") + line.text.strip()))
        reading = f"Lines of commit {commit.sha[:10]} that bear most on what the model is given."
        return Table(
            title="What the commit changed", reading=reading, columns=("where", "function", "line"), rows=tuple(lines)
        )
    details = difference.details[:MOST_ROWS]
    rows = tuple((d.name, d.before, d.after) for d in details) or (
        (difference.subject, difference.before, difference.after),
    )
    rest = len(difference.details) - len(details)
    reading = "Each value that differs, before and after" + (f"; {rest} more are not shown." if rest > 0 else ".")
    return Table(title="Before and after", reading=reading, columns=("what", "before", "after"), rows=rows)


def load(
    reference: str | None, current: str | None, base: Path, fitted: Snapshot | None
) -> tuple[Snapshot, Snapshot] | None:
    """The two snapshots of a configuration; the saved reference model's own (``fitted``) stands in for a missing first one.

    Raises:
        InputError: one that is named cannot be read.
    """
    first, second = (None if name is None else find_snapshot(name, base) for name in (reference, current))
    if second is None:
        return None
    if first is None:
        if fitted is None or not second.fitted:
            return None
        # Of the former stack only the model is known: everything else is taken to be as it is now.
        first = second.model_copy(
            update={
                "name": fitted.name,
                "fitted": fitted.fitted,
                "artefact": fitted.artefact,
                "golden": None,
                "notes": (),
            }
        )
    return first, second


def worth_naming(differences: Iterable[StackDifference]) -> list[StackDifference]:
    """Differences that are likely to hurt."""
    return [d for d in differences if d.risk == "likely"]
