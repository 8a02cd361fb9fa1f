"""``backslide snapshot``: write down what serves a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from backslide.cli.output import Files, note, progress, say


@dataclass(frozen=True)
class SnapshotOptions:
    """What goes into a snapshot besides the model."""

    data: str | None = None
    name: str | None = None
    files: list[str] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    show: list[str] = field(default_factory=list)
    repository: str | None = None
    against: str | None = None
    golden: int = 24
    rows: int = 0
    trusted: bool = False


def run(model: str, out: Path | None, chosen: SnapshotOptions, *, as_json: bool, quiet: bool) -> int:
    """Take it, write it, and say what was left out; always 0."""
    with_model = str(out).startswith(("models:/", "runs:/"))
    Files(json=None if out is None or with_model else str(out)).check()
    from backslide.stack.snapshot import snapshot  # after the quick refusals: it is heavy

    with progress(quiet=quiet) as report_progress:
        if report_progress:
            report_progress("taking the snapshot")
        taken = snapshot(
            model,
            chosen.data,
            name=chosen.name,
            files=chosen.files,
            env=chosen.env or None,
            show=chosen.show,
            repository=chosen.repository,
            against=chosen.against,
            golden=chosen.golden,
            trusted=chosen.trusted,
            rows=chosen.rows,
        )
    if with_model:
        note(f"logged {taken.log_to_mlflow(str(out))}")
    elif out is not None:
        taken.to_json(out)
        note(f"wrote {out}")
    if as_json or out is None:
        say(taken.to_json())
        for line in taken.notes:
            note(f"note: {line}")
        return 0
    if not quiet:
        say(_describe(taken))
    return 0


def _describe(taken: object) -> str:
    from backslide.contracts.escape import clean_text
    from backslide.contracts.snapshot import Snapshot

    assert isinstance(taken, Snapshot)
    commit = f", commit {taken.repository.commit[:10]}" if taken.repository is not None else ""
    changed = (
        f" with {len(taken.repository.dirty)} uncommitted changes"
        if taken.repository and taken.repository.dirty
        else ""
    )
    golden = len(taken.golden.rows) if taken.golden is not None else 0
    lines = [
        f"Snapshot of {taken.name}: {len(taken.fitted)} fitted steps, {len(taken.environment.distributions)} distributions, "
        f"{len(taken.variables)} variables, {len(taken.files)} files, {golden} golden rows{commit}{changed}",
        *(f"note: {line}" for line in taken.notes),
    ]
    return "\n".join(clean_text(line) for line in lines)
