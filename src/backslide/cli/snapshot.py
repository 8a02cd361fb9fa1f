"""``backslide snapshot``: write down what serves a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backslide.cli.options import PrintJson, Quiet, Trusted, option
from backslide.cli.output import Files, note, progress, say

if TYPE_CHECKING:
    from backslide.contracts.snapshot import Snapshot


def snapshot(
    model: Annotated[str, option("--model", "MODEL", "A file, an MLflow URI, or module:function.")],
    out: Annotated[Path | None, option("--out", "FILE", "File, or MLflow model to log it with.")] = None,
    data: Annotated[
        str | None, option("--data", "SRC", "Training rows: source of the golden rows and of the training profile.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model; default: the name of the artefact.")
    ] = None,
    config: Annotated[list[str] | None, option("--config", "FILE", "A configuration file; may be repeated.")] = None,
    env: Annotated[
        list[str] | None,
        option("--env", "PATTERN", "Environment variables to record; default: all but those of the login session."),
    ] = None,
    show: Annotated[
        list[str] | None,
        option("--show", "PATTERN", "Variables and keys whose values to write in clear text; default: digests only."),
    ] = None,
    repository: Annotated[
        str | None, option("--repository", "DIR", "Git checkout; default: the one around the working folder.")
    ] = None,
    against: Annotated[
        str | None, option("--against", "SNAPSHOT", "Earlier snapshot whose golden rows this model answers again.")
    ] = None,
    golden: Annotated[
        int, typer.Option("--golden", min=0, help="Number of rows to keep with the model's answers.")
    ] = 24,
    rows: Annotated[
        int,
        typer.Option(
            "--rows",
            min=0,
            help="Number of training rows to keep, so that the snapshot can be a reference window.",
        ),
    ] = 0,
    trusted: Trusted = True,
    json: PrintJson = False,
    quiet: Quiet = False,
) -> int:
    """Record the artefact, libraries and code that serve a model.

    Also its fitted steps, settings and environment, to be compared with `backslide integrity`.
    """
    wish: dict[str, Any] = {"data": data, "name": name, "files": config or (), "env": env or None, "show": show or ()}
    wish |= {"repository": repository, "against": against, "golden": golden, "rows": rows, "trusted": trusted}
    return _take(model, out, wish, as_json=json, quiet=quiet)


def _take(model: str, out: Path | None, wish: dict[str, Any], *, as_json: bool, quiet: bool) -> int:
    """Take it, write it, and say what was left out; always 0."""
    with_model = str(out).startswith(("models:/", "runs:/"))
    Files(json=None if out is None or with_model else str(out)).check()
    from backslide.stack.snapshot import snapshot as take  # after the quick refusals: it is heavy

    with progress(quiet=quiet) as report_progress:
        if report_progress:
            report_progress("taking the snapshot")
        taken = take(model, **wish)
    if with_model:
        note(f"logged {taken.log_to_mlflow(str(out))}")
    elif out is not None:
        taken.to_json(out)
        note(f"wrote {out}")
    if as_json or out is None:
        say(taken.to_json())
        for line in taken.notes:
            note(f"note: {line}")
    elif not quiet:
        say(_describe(taken))
    return 0


def _describe(taken: Snapshot) -> str:
    from backslide.contracts.escape import clean_text

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
