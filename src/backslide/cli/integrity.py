"""``backslide integrity``: what differs between two snapshots, and which of it could hurt."""

from __future__ import annotations

from dataclasses import dataclass, field

from backslide.cli.output import Files, note, progress, say


@dataclass(frozen=True)
class Beside:
    """What the two snapshots are read with."""

    onset: str | None = None
    repository: str | None = None
    paths: list[str] = field(default_factory=list)
    model: str | None = None
    trusted: bool = False


def run(first: str, second: str, files: Files, beside: Beside, *, quiet: bool) -> int:
    """Compare, print and write; returns 1 when something differs that could hurt."""
    files.check()
    from backslide.stack.compare import integrity  # after the quick refusals: it is heavy

    with progress(quiet=quiet) as report_progress:
        if report_progress:
            report_progress("comparing the snapshots")
        found = integrity(
            first,
            second,
            onset=beside.onset,
            repository=beside.repository,
            paths=beside.paths,
            model=beside.model,
            trusted=beside.trusted,
        )
    printed = False
    for name, write in ((files.json, found.to_json), (files.md, found.to_markdown)):
        if name == "-":
            say(write())
            printed = True
        elif name is not None:
            write(name)
            note(f"wrote {name}")
    if not printed:
        say(found.to_text())
    return 1 if found.hurts else 0
