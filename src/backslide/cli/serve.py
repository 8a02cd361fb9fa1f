"""``backslide serve``: the server, and what its administrator does at the prompt."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backslide.cli.options import option
from backslide.cli.output import note, progress, say
from backslide.cli.streams import Commands
from backslide.contracts.errors import ConfigError
from backslide.contracts.extras import needs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backslide.contracts.config import Settings
    from backslide.store.accounts import Accounts
    from backslide.store.database import Database

DEFAULT = Path("backslide.toml")
DEMO = Path("backslide-demo")
serve = Commands(help="Serve pages and an API for incidents, models and predictions.", rich_markup_mode=None)
token = Commands(help="Make, list and revoke tokens.", rich_markup_mode=None)
serve.add_typer(token, name="token")
Config = Annotated[Path, option("--config", "FILE", "Configuration file; default: backslide.toml, if there is one.")]


@serve.callback(invoke_without_command=True)
def listen(
    context: typer.Context,
    config: Config = DEFAULT,
    host: Annotated[str | None, option("--host", "ADDRESS", "Address to listen on; default: 127.0.0.1.")] = None,
    port: Annotated[int | None, option("--port", "NUMBER", "Port to listen on; default: 8642.")] = None,
    require_login: Annotated[bool, typer.Option("--require-login", help="Require a login for reading, too.")] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Start with a simulated history, in the folder backslide-demo.")
    ] = False,
) -> None:
    """Serve pages and the API until stopped."""
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    settings = _settings(_prepared_demo() if demo else config)
    update = {"host": host, "port": port, "require_login": require_login or None}
    server = settings.server.model_copy(update={key: value for key, value in update.items() if value is not None})
    with needs("server", "backslide serve"):
        from backslide.server.run import run
    run(settings.model_copy(update={"server": server}))


@token.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what the token is for.")],
    scope: Annotated[
        list[str] | None, option("--scope", "SCOPE", "read, ingest, operate or admin; may be repeated.")
    ] = None,
    days: Annotated[float | None, option("--days", "NUMBER", "Days until it expires; default: never.")] = None,
) -> None:
    """Make a token and print its secret, which is shown only once."""
    with _accounts(context.obj) as accounts:
        _, secret = accounts.create_token(name, tuple(scope or ("read",)), "command line", days=days)
    say(secret)


@token.command(name="list")
def listing(context: typer.Context) -> None:
    """List tokens: id, name, scopes, state."""
    with _accounts(context.obj) as accounts:
        for one in accounts.tokens():
            state = "live" if one.live else "revoked" if one.revoked else "expired"
            say(f"{one.token}  {one.name}  {'+'.join(one.scopes)}  {state}")


@token.command()
def revoke(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="Name or id of a token.")]
) -> None:
    """Revoke a token and end its sessions."""
    with _accounts(context.obj) as accounts:
        count = accounts.revoke(name, "command line")
    if not count:
        raise ConfigError(f"no live token {name!r}; see backslide serve token list")
    note(f"revoked {name}")


@serve.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Archive to write, such as backslide.tar.gz.")],
    no_log: Annotated[bool, typer.Option("--no-log", help="Save only the database, without predictions.")] = False,
) -> None:
    """Save the database and the log to one archive; the server may keep running."""
    with needs("server", "a backup"):
        from backslide.server.backup import write_backup
    with _database(context.obj) as (settings, database):
        counts = write_backup(settings, database, file, with_log=not no_log)
    note(f"saved {_sum(counts)} to {file}")


@serve.command()
def restore(
    context: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE", help="Archive written by backup.")]
) -> None:
    """Restore a backup into an empty database and an empty log."""
    with needs("server", "restoring a backup"):
        from backslide.server.backup import restore_backup
    with _database(context.obj) as (settings, database):
        counts = restore_backup(settings, database, file)
    note(f"restored {_sum(counts)} from {file}")


def _sum(counts: dict[str, int]) -> str:
    files = counts.pop("files of the log", 0)
    return f"{sum(counts.values())} rows and {files} files of the log"


def _prepared_demo() -> Path:
    """The configuration of a simulated history, and how to log in to it."""
    with needs("server", "backslide serve"):
        from backslide.server.pages.demo import demo_token, prepare_demo
    with progress(quiet=False) as report_progress:
        config = prepare_demo(DEMO, report_progress)
    note(f"Everything in {DEMO} is simulated. To press buttons, log in with this token:")
    say(demo_token(config))  # notes show no secrets
    return config


def _settings(config: Path) -> Settings:
    from backslide.contracts.config import Settings

    if config == DEFAULT and not config.exists():
        return Settings()
    return Settings.load(config)


@contextmanager
def _database(config: Path) -> Iterator[tuple[Settings, Database]]:
    from backslide.store.database import open_database

    settings = _settings(config)
    with open_database(settings.store.url, settings.base) as database:
        yield settings, database


@contextmanager
def _accounts(config: Path) -> Iterator[Accounts]:
    from backslide.store.accounts import Accounts

    with _database(config) as (_, database):
        yield Accounts(database)
