"""``backslide watch``: one look, a look every so often, or the history replayed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Annotated

import typer

from backslide.cli.memory import bounded_memory
from backslide.cli.options import Config, HtmlFolder, JsonFile, Quiet, option
from backslide.cli.output import Files, note, progress, publish
from backslide.contracts.errors import BackslideError, ConfigError, StoreError
from backslide.contracts.imports import heavy_imports, undocumented
from backslide.contracts.moments import parse_moment

if TYPE_CHECKING:
    from backslide.contracts.config import Settings
    from backslide.contracts.watch import WatchReport
    from backslide.store.database import Database
    from backslide.store.memory import Json

SOON = 60.0
"""Seconds after which a store that failed is tried again, however seldom looks are."""


@dataclass(frozen=True)
class Wish:
    """What is to be done besides looking."""

    replay: bool = False
    every: str | None = None
    as_of: str | None = None
    mute: str | None = None
    unmute: str | None = None
    reason: str | None = None
    until: str | None = None
    test_alert: bool = False
    html: str | None = None
    """Folder of the pages."""

    @property
    def present(self) -> datetime | None:
        """The time that is treated as the present, in UTC without a zone; None: now."""
        return None if self.as_of is None else parse_moment(self.as_of, "--as-of").replace(tzinfo=None)


def watch(
    config: Config = Path("backslide.toml"),
    replay: Annotated[
        bool, typer.Option("--replay", help="Replay the history: show which alarms would have been raised, and when.")
    ] = False,
    every: Annotated[
        str | None, option("--every", "TIME", "Look again every so often (30m, 1h, 1d), until stopped.")
    ] = None,
    as_of: Annotated[str | None, option("--as-of", "TIME", "Treat this time as the present (ISO, UTC).")] = None,
    mute: Annotated[
        str | None, option("--mute", "STREAM", "Suppress alerts for a stream (a name, or missing:*).")
    ] = None,
    reason: Annotated[str | None, option("--reason", "TEXT", "Why the stream is muted.")] = None,
    until: Annotated[str | None, option("--until", "DAY", "Last day of the mute.")] = None,
    unmute: Annotated[str | None, option("--unmute", "STREAM", "Alert again for a muted stream.")] = None,
    test_alert: Annotated[bool, typer.Option("--test-alert", help="Send a test message to every receiver.")] = False,
    json: JsonFile = None,
    html: HtmlFolder = None,
    quiet: Quiet = False,
) -> int:
    """Check what arrived since the last look; alert if it got worse.

    Exits with 1 while an alarm is open, with 2 if this could not be determined.
    """
    from backslide.contracts.config import Settings

    wish = Wish(replay, every, as_of, mute, unmute, reason, until, test_alert, html)
    files = Files(json=json)
    files.check()
    settings = _with_pages(Settings.load(config), wish)
    pause = _seconds(wish.every)
    if wish.replay and (pause is not None or wish.mute or wish.unmute):
        raise ConfigError("--replay covers the history alone; leave out --every, --mute and --unmute")
    if wish.replay:
        from backslide.jobs.watch import watch

        with bounded_memory(settings.engine.max_memory), progress(quiet=quiet) as report_progress:
            report = watch(settings, replay=True, as_of=wish.present, progress=report_progress)
        publish(report, files)
        _write_pages(wish, report, {}, settings.base)
        return 1 if report.alarmed else 0
    from backslide.store.database import open_database

    with open_database(settings.store.url, settings.base) as database:
        if wish.test_alert:
            return _test_alert(settings)
        if wish.mute or wish.unmute:
            return _hush(database, settings, wish)
        return _look(database, settings, files, wish, pause, quiet=quiet)


def _look(database: Database, settings: Settings, files: Files, wish: Wish, pause: float | None, *, quiet: bool) -> int:
    while True:
        try:
            code = _once(database, settings, files, wish, quiet=quiet)
        except BackslideError as error:
            if pause is None:
                raise
            # A source or a store that is away must not end the watch; a server that restarts is back soon.
            wait = min(pause, SOON) if isinstance(error, StoreError) else pause
            note(f"backslide: {error}; looking again in {f'{wait:g}s' if wait < pause else wish.every}")
            sleep(wait)
            continue
        if pause is None:
            return code
        sleep(pause)


def _once(database: Database, settings: Settings, files: Files, wish: Wish, *, quiet: bool) -> int:
    with heavy_imports(), undocumented():
        from backslide.jobs.watch import settings_key, watch

    book = database.book(settings.model.name, settings_key(settings))
    number = book.begin_run()
    with bounded_memory(settings.engine.max_memory), progress(quiet=quiet) as report_progress:
        report = watch(settings, as_of=wish.present, book=book, progress=report_progress)
    book.end_run(number, report.status.value, report.summary)
    publish(report, files)
    _write_pages(wish, report, database.reports() if wish.html is not None else {}, settings.base)
    return 1 if report.alarmed else 0


def _with_pages(settings: Settings, wish: Wish) -> Settings:
    """Where pages are written, reports of diagnoses are kept beside them unless they have a folder of their own."""
    if wish.html is None:
        return settings
    from backslide.contracts.files import check_folder
    from backslide.report.documents.addresses import REPORTS

    folder = Path(wish.html).resolve()
    check_folder(folder, "pages")
    if settings.watch.reports is not None:
        return settings
    watch = settings.watch.model_copy(update={"reports": str(folder / REPORTS)})
    return settings.model_copy(update={"watch": watch})


def _write_pages(wish: Wish, report: WatchReport, reports: dict[str, Json], base: Path) -> None:
    if wish.html is None:
        return
    from backslide.contracts.watch import WatchReport
    from backslide.report.documents.addresses import INDEX
    from backslide.report.render.site import write_site

    others = [WatchReport.from_dict(data) for name, data in reports.items() if name != report.model]
    folder = Path(wish.html).resolve()
    written = write_site(folder, report, others, base)
    note(f"wrote {len(written)} pages; begin with {folder / INDEX}")


def _hush(database: Database, settings: Settings, wish: Wish) -> int:
    from backslide.store.memory import Mute

    if wish.unmute:
        gone = database.unmute(settings.model.name, wish.unmute)
        if not gone:
            raise ConfigError(f"no mute of {wish.unmute!r} for {settings.model.name!r}")
        note(f"unmuted {wish.unmute}")
        return 0
    if not wish.reason:
        raise ConfigError("--mute needs --reason, so that who looks later knows why")
    until = None if wish.until is None else _day(wish.until)
    assert wish.mute is not None
    database.mute(settings.model.name, Mute(wish.mute, wish.reason, until))
    note(f"muted {wish.mute}" + (f" until {until}" if until else " until --unmute"))
    return 0


def _test_alert(settings: Settings) -> int:
    from backslide.monitor.notify import test_message

    trouble = test_message(settings)
    if trouble is not None:
        raise ConfigError(f"the test message was not accepted: {trouble}")
    note(f"the test message was accepted by all {len(settings.alerts.urls)} receivers")
    return 0


def _seconds(text: str | None) -> float | None:
    from backslide.contracts.watch_settings import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--every: {error}") from None


def _day(text: str) -> str:
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        raise ConfigError(f"--until: expected a day such as 2026-03-01, got {text!r}") from None
