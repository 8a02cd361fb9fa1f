"""The state in a database, through SQLAlchemy; its tables are brought up to date by Alembic when it is opened."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from backslide.contracts.errors import ConfigError, StoreError
from backslide.contracts.extras import needs
from backslide.contracts.secrets import remember, scrub, scrubbed
from backslide.store.memory import Book, IncidentEntry, Json, Kind, Message, Mute, entries_of
from backslide.store.records import Records, named_table, utc_now, what_failed

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

DEFAULT = "backslide.db"
IN_ENVIRONMENT = "env:"
PATIENCE_MS = 30_000
"""How long SQLite waits for another process that writes: a look writes for well under a second."""


def from_environment(text: str, what: str, *, receiver: bool = False) -> str:
    """A value, or what the environment holds where it is written ``env:NAME``; a ``receiver`` may be a token in every part.

    Raises:
        ConfigError: the environment has no such variable.
    """
    if not text.startswith(IN_ENVIRONMENT):
        return text
    name = text.removeprefix(IN_ENVIRONMENT)
    value = os.environ.get(name)
    if not value:
        raise ConfigError(f"{what} is {text!r}, but the environment has no variable {name!r}; set it")
    remember(value, receiver=receiver)
    return value


class Database(Records):
    """An open store."""

    def book(self, model: str, settings: Json) -> DatabaseBook:
        """What is kept of a model under these settings; other settings open another book."""
        text = json.dumps([model, settings], sort_keys=True, default=str)
        return DatabaseBook(self.engine, hashlib.sha256(text.encode()).hexdigest()[:32], model, settings)

    def mute(self, model: str, mute: Mute) -> None:
        """Mute streams of a model."""
        self.insert("mutes", model=model, created=utc_now(), **_clean(asdict(mute)))

    def unmute(self, model: str, pattern: str) -> int:
        """Take back every mute of this pattern; returns how many there were."""
        return self.delete("mutes", model=model, pattern=pattern)

    def mark(self, model: str, incident: str, mark: str, note: str, covers: Iterable[Sequence[str]]) -> None:
        """Say what an incident was; another mark of the same incident is replaced."""
        values = {"mark": mark, "note": note, "covers": [list(one) for one in covers], "marked": utc_now()}
        self.update("incidents", {"model": model, "incident": incident}, **_clean(values))

    def incidents(self, model: str) -> dict[str, IncidentEntry]:
        """Incidents of a model by their names."""
        return entries_of(self.where("incidents", model=model))

    def report(self, model: str) -> Json | None:
        """The answer of a model's last look."""
        table = named_table("reports")
        chosen = table.select().with_only_columns(table.c.report).where(table.c.model == model)
        return self.value(chosen.order_by(table.c.changed.desc()).limit(1))

    def reports(self) -> dict[str, Json]:
        """The answer of each model's last look, by its name."""
        return dict(sorted({row.model: row.report for row in self.where("reports", "changed")}.items()))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        """The store itself; it is closed when the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def open_database(url: str | None, base: Path) -> Database:
    """Open a store and bring its tables up to date.

    Args:
        url: SQLAlchemy URL, or ``env:NAME``; None: SQLite beside the configuration.
        base: folder that the default and relative SQLite paths start from.

    Raises:
        MissingExtraError: SQLAlchemy, Alembic or a driver is not installed.
        StoreError: the database cannot be opened, or is of a newer version.
    """
    with needs("watch", "watching"):
        from sqlalchemy import create_engine, event
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    text = from_environment(url, "[store] url") if url is not None else f"sqlite:///{DEFAULT}"
    remember(text)
    try:
        parsed = make_url(text)
        if parsed.get_backend_name() not in ("sqlite", "postgresql", "postgres"):
            raise ArgumentError(parsed.drivername)
        if parsed.drivername.startswith("sqlite") and parsed.database and parsed.database != ":memory:":
            parsed = parsed.set(database=str(base / parsed.database))
            _make_private(Path(str(parsed.database)))
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        with needs("postgres", "the store"):
            engine = create_engine(parsed, pool_pre_ping=True)  # a server that restarted ends no watch
    except (ArgumentError, NoSuchModuleError):
        raise StoreError(
            "[store] url: expected a database URL such as sqlite:///backslide.db or postgresql://user@host/name"
        ) from None
    if parsed.drivername.startswith("sqlite"):
        event.listen(engine, "connect", _careful)
    try:
        _upgrade(engine, parsed.render_as_string(hide_password=True))
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def _make_private(path: Path) -> None:
    """Make the file for its owner alone: the state holds names of columns, classes and segments."""
    if str(path.name).startswith("file:"):
        return
    with suppress(OSError):  # SQLite says why better than we could
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _careful(connection: Any, _: Any) -> None:
    """SQLite: readers beside a writer, waiting instead of failing, nothing lost at a power cut."""
    for pragma in (f"busy_timeout={PATIENCE_MS}", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _upgrade(engine: Engine, shown: str) -> None:
    from backslide.store.upgrade import upgrade

    with needs("watch", "watching"):
        from alembic.util import CommandError
        from sqlalchemy.exc import SQLAlchemyError
    try:
        upgrade(engine)
    except CommandError as error:
        raise StoreError(f"the store {shown} was written by a newer version: {error}; update backslide") from None
    except (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError) as error:
        failure = what_failed(error).replace("cannot be read or written:", "cannot be opened:")
        raise StoreError(f"the store {shown} {failure}; check [store] url") from None


class DatabaseBook(Records, Book):
    """A book in the tables."""

    def __init__(self, engine: Engine, key: str, model: str, settings: Json) -> None:
        super().__init__(engine)
        self.key, self.model = key, model
        self._connection: Connection | None = None
        with self.transaction():
            if not self.where("books", book=key):
                self._insert("books", {"book": key, "model": model, "settings": settings, "created": utc_now()})
            else:  # an earlier version wrote the addresses with their passwords
                self.update("books", {"book": key}, settings=settings)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All writes inside take effect together, or not at all; transactions inside are part of the outer."""
        if self._connection is not None:
            yield self._connection
            return
        with super().transaction() as connection:
            self._connection = connection
            try:
                yield connection
            finally:
                self._connection = None

    def reference(self) -> Json | None:
        """See ``Book``."""
        reference: Json | None = self._book().reference
        return reference

    def keep_reference(self, data: Json) -> None:
        """See ``Book``."""
        self.update("books", {"book": self.key}, reference=data)

    def told_through(self) -> int | None:
        """See ``Book``."""
        number: int | None = self._book().told_through
        return number

    def tell_through(self, number: int) -> None:
        """See ``Book``."""
        self.update("books", {"book": self.key}, told_through=number)

    def periods(self, kind: Kind) -> dict[int, Json]:
        """See ``Book``."""
        return {row.number: row.sums for row in self.where("periods", book=self.key, kind=kind)}

    def freeze(self, kind: Kind, sums: Mapping[int, Json]) -> None:
        """See ``Book``."""
        for number, data in sums.items():
            self._insert(
                "periods", {"book": self.key, "kind": kind, "number": number, "sums": data, "frozen": utc_now()}
            )

    def findings(self) -> dict[str, Json]:
        """See ``Book``."""
        return {row.incident: row.finding for row in self.where("findings", book=self.key)}

    def keep_finding(self, incident: str, data: Json) -> None:
        """See ``Book``."""
        self._insert("findings", {"book": self.key, "incident": incident, "finding": data, "created": utc_now()})

    def messages(self) -> list[Message]:
        """See ``Book``."""
        rows = self.where("messages", "place", book=self.key)
        return [Message(r.incident, r.kind, r.period, r.title, r.body, r.status, r.attempts, r.error) for r in rows]

    def put(self, messages: Iterable[Message]) -> None:
        """See ``Book``."""
        with self.transaction():
            place = len(self.messages())
            for one in messages:
                own = {"book": self.key, "place": place, "created": utc_now(), "changed": utc_now()}
                place += self._insert("messages", own | asdict(one))

    def mark(self, message: Message, status: str, error: str | None) -> None:
        """See ``Book``."""
        same = {"book": self.key, "incident": message.incident, "kind": message.kind, "period": message.period}
        attempts = named_table("messages").c.attempts + 1
        self.update("messages", same, status=status, attempts=attempts, error=error, changed=utc_now())

    def mutes(self) -> list[Mute]:
        """See ``Book``."""
        return [Mute(row.pattern, row.reason, row.until) for row in self.where("mutes", "id", model=self.model)]

    def number(self, incidents: Iterable[str]) -> None:
        """See ``Book``."""
        with self.transaction():
            known = self.incidents()
            following = max((one.number for one in known.values()), default=0) + 1
            for name in incidents:
                if name not in known:  # of two looks at once one finds the number taken, and numbers at the next look
                    row = {"model": self.model, "incident": name, "number": following, "created": utc_now()}
                    following += self._insert("incidents", row)

    def incidents(self) -> dict[str, IncidentEntry]:
        """See ``Book``."""
        return entries_of(self.where("incidents", model=self.model))

    def keep_report(self, data: Json, streams: Sequence[Json] | None = None) -> None:
        """See ``Book``."""
        from backslide.store.aggregates import write_aggregates

        row = {"book": self.key, "model": self.model, "report": data, "changed": utc_now()}
        with self.transaction() as connection:
            if not self._insert("reports", row):
                self.update("reports", {"book": self.key}, report=data, changed=utc_now())
            if streams is not None:
                write_aggregates(connection, self.key, scrubbed(data), streams, utc_now())

    def keep_diagnosis(self, incident: str, data: Json) -> None:
        """See ``Book``."""
        from backslide.store.aggregates import keep_diagnosis

        with self.transaction() as connection:
            keep_diagnosis(connection, self.model, incident, scrubbed(data), utc_now())

    def threads(self, incident: str) -> dict[str, Json]:
        """See ``Book``."""
        return {row.receiver: row.thread for row in self.where("threads", book=self.key, incident=incident)}

    def keep_thread(self, incident: str, receiver: str, thread: Json) -> None:
        """See ``Book``."""
        same = {"book": self.key, "incident": incident, "receiver": receiver}
        with self.transaction():
            if not self._insert("threads", same | {"thread": thread}):
                self.update("threads", same, thread=thread)

    def begin_run(self) -> int:
        """Note that a look began; returns its number."""
        with self.transaction() as connection:
            part = connection.execute(named_table("runs").insert().values(book=self.key, started=utc_now()))
            return int(part.inserted_primary_key[0])  # type: ignore[index]  # SQLAlchemy types no column

    def end_run(self, run: int, status: str, summary: str) -> None:
        """Note how it ended."""
        self.update("runs", {"id": run}, finished=utc_now(), status=status, summary=summary)

    def _book(self) -> Any:
        rows = self.where("books", book=self.key)
        if not rows:
            raise StoreError(f"the store lost what it held of model {self.model!r} while it was read; look again")
        return rows[0]

    def update(self, name: str, same: Mapping[str, object], /, **values: Any) -> int:
        """Write into the rows whose columns hold these values, without what opens anything."""
        return super().update(name, same, **_clean(values))

    def _insert(self, name: str, values: Json) -> int:
        """Insert a row unless its key is there; two looks at once must not fail each other. Returns rows inserted."""
        return self.insert_once(name, _clean(values))


_TEXTS = ("title", "body", "error", "reason", "summary", "note")
"""Columns of sentences; those of sums hold the user's own values, which are compared."""


def _clean(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is written, without credentials: sources are addresses, and errors of others quote them."""
    clean = {name: scrub(text) if name in _TEXTS and isinstance(text, str) else text for name, text in values.items()}
    return clean | {name: scrubbed(clean[name]) for name in ("settings", "finding", "report") if name in clean}
