"""``backslide incidents``: what watching raised, and what people say of it."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backslide.cli.options import PrintJson, option
from backslide.cli.output import note, say
from backslide.cli.streams import Commands
from backslide.contracts.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backslide.contracts.watch import WatchReport
    from backslide.store.database import Database

MARKS = ("false", "fixed", "known")

incidents = Commands(help="List the incidents that watch raised, and mark what they were.", rich_markup_mode=None)
Config = Annotated[Path, option("--config", "FILE", "Configuration file.")]


@incidents.callback(invoke_without_command=True)
def listing(
    context: typer.Context,
    config: Config = Path("backslide.toml"),
    json: PrintJson = False,
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Print them as bodies of Grafana's POST /api/annotations.")
    ] = False,
) -> None:
    """List the incidents of the last look, or mark with `mark` what one was."""
    if context.invoked_subcommand is None:
        show(config, as_json=json, as_annotations=annotations)
    else:
        context.obj = config


@incidents.command()
def mark(
    context: typer.Context,
    incident: Annotated[str, typer.Argument(metavar="N", help="Number of the incident, or its day.")],
    what: Annotated[str, typer.Argument(metavar="false|fixed|known", help="What it was.")],
    note: Annotated[str, option("--note", "TEXT", "Why, for whoever looks later.")] = "",
    config: Annotated[Path | None, option("--config", "FILE", "Configuration file.")] = None,
) -> int:
    """Mark what an incident was: false counts against the promised rate; false and known alert nobody again."""
    return set_mark(config or context.obj or Path("backslide.toml"), incident, what, note)


def show(config: Path, *, as_json: bool, as_annotations: bool = False) -> None:
    """Print every incident of the configured model."""
    import json

    from backslide.report.documents.watch import incidents_page
    from backslide.report.render.text import page_text

    with last_look(config) as (_, report):
        if as_annotations:
            from backslide.monitor.annotations import annotation_bodies

            say(json.dumps(annotation_bodies(report), indent=2, ensure_ascii=False))
        elif as_json:
            content = report.model_dump(mode="json", include={"model", "as_of", "promise", "incidents"})
            say(json.dumps({"format": "backslide.incidents/1", **content}, indent=2, ensure_ascii=False))
        else:
            say(page_text(incidents_page(report)))


def set_mark(config: Path, name: str, mark: str, text: str) -> int:
    """Mark an incident by its number or its name; returns 0.

    Raises:
        ConfigError: no such incident, or no such mark.
    """
    if mark not in MARKS:
        raise ConfigError(f"expected false, fixed or known, got {mark!r}{did_you_mean(mark, MARKS)}")
    with last_look(config) as (database, report):
        chosen = [one for one in report.incidents if name in (str(one.number), one.id)]
        if not chosen:
            known = ", ".join(str(one.number) for one in report.incidents[-10:]) or "none"
            raise ConfigError(f"no incident {name!r} of {report.model!r}; there are: {known}")
        covers = [(m.stream, m.level.value, m.raised) for m in chosen[0].members]
        database.mark(report.model, chosen[0].id, mark, text, covers)
    with last_look(config) as (_, report):
        note(f"marked incident {chosen[0].number} of {report.model}, {chosen[0].id}, as {mark}")
        if report.promise.marked_note:
            note(report.promise.marked_note)
    return 0


@contextmanager
def last_look(config: Path) -> Iterator[tuple[Database, WatchReport]]:
    """The store of a configuration, and the answer of its model's last look with the marks made since."""
    from backslide.contracts.config import Settings
    from backslide.contracts.watch import WatchReport
    from backslide.monitor.marks import apply_marks
    from backslide.store.database import open_database

    settings = Settings.load(config)
    with open_database(settings.store.url, settings.base) as database:
        model = settings.model.name
        data = database.report(model)
        if data is None:
            raise ConfigError(f"nothing was looked at yet for {model!r}; run backslide watch first")
        yield database, apply_marks(WatchReport.from_dict(data), database.incidents(model))
