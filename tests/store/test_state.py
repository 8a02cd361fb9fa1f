"""The store: its migrations make its tables, on SQLite and on PostgreSQL; bad URLs are said in one line, without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

pytest.importorskip("sqlalchemy")
import alembic.command
from sqlalchemy import Connection, inspect, text

from backslide.contracts.errors import BackslideError, ConfigError, StoreError
from backslide.store.accounts import Accounts
from backslide.store.database import Database, open_database
from backslide.store.desk import Desk
from backslide.store.memory import Message, Mute
from backslide.store.tables import metadata
from backslide.store.upgrade import VERSION


@pytest.fixture(name="database", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def _database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = None if request.param == "sqlite" else f"postgresql://{request.getfixturevalue('postgres')}"
    database = open_database(url, tmp_path)
    yield database
    with database.engine.begin() as connection:
        for table in [*metadata.tables, "backslide_version"]:
            connection.execute(text(f"drop table {table}"))
    database.close()


def test_migrations_make_the_tables_that_are_used(database: Database):
    held = inspect(database.engine)
    for name, table in metadata.tables.items():
        assert {c["name"] for c in held.get_columns(name)} == set(table.columns.keys())
        assert set(held.get_pk_constraint(name)["constrained_columns"]) == {c.name for c in table.primary_key}


def test_what_is_kept_is_there_again(database: Database):
    book = database.book("m", {"a": 1})
    with book.transaction():
        book.keep_reference({"x": [1, 2.5]})
        book.freeze("inputs", {3: {"rows": 5}, -2: {"rows": 1}})
        book.put([Message("i", "alarm", "d", "t", "b"), Message("i", "reminder", "e", "t", "b")])
        book.tell_through(7)
    book.freeze("inputs", {3: {"rows": 99}})  # what is frozen stays
    book.put([Message("i", "alarm", "d", "other", "b")])
    again = database.book("m", {"a": 1})
    assert again.reference() == {"x": [1, 2.5]}
    assert again.periods("inputs") == {3: {"rows": 5}, -2: {"rows": 1}}
    assert [(m.kind, m.title) for m in again.messages()] == [("alarm", "t"), ("reminder", "t")]
    assert again.told_through() == 7
    again.mark(again.messages()[0], "delivered", None)
    assert [(m.status, m.attempts) for m in book.messages()] == [("delivered", 1), ("waiting", 0)]
    assert database.book("m", {"a": 2}).periods("inputs") == {}


def test_a_transaction_is_whole_or_not_at_all(database: Database):
    book = database.book("m", {})

    def dying() -> None:
        with book.transaction():
            book.freeze("inputs", {1: {}})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        dying()
    assert book.periods("inputs") == {}


def test_mutes_are_of_a_model(database: Database):
    database.mute("m", Mute("missing:*", "known", "2026-03-01"))
    assert database.book("m", {}).mutes() == [Mute("missing:*", "known", "2026-03-01")]
    assert database.book("other", {}).mutes() == []
    assert database.unmute("m", "missing:*") == 1
    assert database.unmute("m", "missing:*") == 0


def test_incidents_keep_their_numbers_and_marks_are_of_the_model(database: Database):
    book = database.book("m", {"a": 1})
    book.number(["2026-03-01", "2026-03-09"])
    book.number(["2026-02-01", "2026-03-01"])  # one that was known later has a later number
    assert {name: one.number for name, one in book.incidents().items()} == {
        "2026-03-01": 1,
        "2026-03-09": 2,
        "2026-02-01": 3,
    }
    database.mark("m", "2026-03-09", "false", "a test", [("performance", "alarm", "2026-03-08")])
    other = database.book("m", {"a": 2})
    assert other.incidents()["2026-03-09"].mark == "false"
    assert other.incidents()["2026-03-09"].covers == (("performance", "alarm", "2026-03-08"),)
    assert database.incidents("n") == {}
    book.keep_report({"status": "quiet"})
    other.keep_report({"status": "watch"})
    book.keep_report({"status": "alarm"})
    assert database.reports() == {"m": {"status": "alarm"}}
    book.keep_thread("2026-03-09", "a digest", {"#alerts": "C42 1.0"})
    book.keep_thread("2026-03-09", "a digest", {"#alerts": "C42 2.0"})
    assert book.threads("2026-03-09") == {"a digest": {"#alerts": "C42 2.0"}}
    assert book.threads("2026-03-01") == {}


def test_a_store_of_the_first_version_is_brought_up_to_date(database: Database):
    book = database.book("m", {"a": 1})
    book.freeze("inputs", {3: {"rows": 5}})
    database.mute("m", Mute("missing:*", "known"))
    with database.engine.begin() as connection:
        for table in metadata.tables.keys() - {"books", "periods", "findings", "messages", "mutes", "runs"}:
            connection.execute(text(f"drop table {table}"))
        connection.execute(text("update backslide_version set version_num = '0001'"))
    url = database.engine.url.render_as_string(hide_password=False)
    again = open_database(url, Path("/"))
    assert again.book("m", {"a": 1}).periods("inputs") == {3: {"rows": 5}}
    assert [one.pattern for one in again.book("m", {"a": 1}).mutes()] == ["missing:*"]
    again.book("m", {"a": 1}).number(["x"])
    assert again.incidents("m")["x"].number == 1
    again.close()


def test_several_who_open_a_new_store_at_once_all_get_it(database: Database, tmp_path: Path):
    """And whoever is ended amid making the tables leaves none of them."""
    url = "sqlite:///new.db"
    if database.engine.dialect.name == "postgresql":
        url = database.engine.url.render_as_string(hide_password=False)
        with database.engine.begin() as connection:
            for table in [*metadata.tables, VERSION]:
                connection.execute(text(f"drop table {table}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alembic.command, "upgrade", lambda config, _: _half_a_table(config.attributes["connection"]))
        with pytest.raises(KeyboardInterrupt):
            open_database(url, tmp_path)
    ready = Barrier(6)

    def open_one(_: int) -> list[str]:
        ready.wait()
        opened = open_database(url, tmp_path)
        try:
            return sorted(set(inspect(opened.engine).get_table_names()))
        finally:
            opened.close()

    with ThreadPoolExecutor(6) as pool:
        assert [*pool.map(open_one, range(6))] == [sorted([*metadata.tables, VERSION])] * 6


def _half_a_table(connection: Connection) -> None:
    metadata.tables["books"].create(connection)
    raise KeyboardInterrupt


def test_opening_twice_changes_nothing(tmp_path: Path):
    one = open_database("sqlite:///state/../kept.db", tmp_path) if (tmp_path / "state").mkdir() is None else None
    assert one is not None
    one.book("m", {}).freeze("inputs", {1: {"rows": 2}})
    two = open_database("sqlite:///kept.db", tmp_path)
    assert two.book("m", {}).periods("inputs") == {1: {"rows": 2}}
    one.close()
    two.close()


def test_errors_are_one_line_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for url in ("not a url", "mysql://keeper@host/x"):
        with pytest.raises(StoreError, match="expected a database URL"):
            open_database(url, tmp_path)
    with pytest.raises(StoreError, match="cannot be opened") as told:
        open_database("sqlite:///no/such/folder/x.db", tmp_path)
    assert "\n" not in str(told.value)
    with pytest.raises(ConfigError, match="no variable 'STATE'"):
        open_database("env:STATE", tmp_path)
    monkeypatch.setenv("STATE", "postgresql://keeper:s3cret@127.0.0.1:1/x?connect_timeout=1")
    with pytest.raises(BackslideError) as refused:
        open_database("env:STATE", tmp_path)
    assert "s3cret" not in str(refused.value)


def test_a_newer_store_is_left_alone(tmp_path: Path):
    database = open_database(None, tmp_path)
    with database.engine.begin() as connection:
        connection.execute(text("update backslide_version set version_num = '9999'"))
    database.close()
    with pytest.raises(StoreError, match="newer version"):
        open_database(None, tmp_path)


def test_what_people_type_is_kept_without_secrets(database: Database):
    secret = "postgresql://ana:tok3nplanted@db/x"
    database.mute("m", Mute("*", f"see {secret}", None))
    database.book("m", {}).number(["i"])
    database.mark("m", "i", "known", f"see {secret}", ())
    Desk(database).annotate("m", "i", "ana", f"see {secret}")
    Accounts(database).note("ana", "mute", f"loans: {secret}", reason=f"see {secret}")
    with database.engine.begin() as connection:
        rows = [str(row) for name in metadata.tables for row in connection.execute(text(f"select * from {name}"))]
    assert sum("see postgresql://ana:" in row for row in rows) == 4
    assert not [row for row in rows if "tok3n" in row]
