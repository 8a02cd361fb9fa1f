"""The state damaged, locked or gone under the watch: one line that names it, never an internal error, never a quiet answer."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
from sqlalchemy import text

from backslide.cli import watch as watching
from backslide.contracts.errors import StoreError
from backslide.store import database as databases
from backslide.store.database import open_database
from commands import backslide
from streams_of_logs import watched_project

LOOK = ("watch", "-q", "--as-of", "2026-02-25")


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A folder in which one look was taken."""
    folder = watched_project(tmp_path_factory.mktemp("watched"), days=12, broken=False)
    assert backslide(folder, *LOOK).code == 0
    return folder


@pytest.fixture
def project(watched, tmp_path, contained):
    return Path(shutil.copytree(watched, tmp_path / "project"))


def statement(sql):
    def damage(path):
        with sqlite3.connect(path) as connection:
            connection.execute(sql)
        connection.close()

    return damage


def cut(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def blank(path):
    data = bytearray(path.read_bytes())
    data[8192 : len(data) // 2] = bytes(len(data) // 2 - 8192)
    path.write_bytes(bytes(data))


def garble_schema(path):
    """Bytes that are no text in the statements that SQLite keeps of its tables: it names them in its message."""
    data = path.read_bytes()
    assert b"tablebooksbooks" in data
    data = data.replace(b"tablebooksbooks", b"table\xf4ooks\xf4ooks").replace(
        b"CREATE TABLE books", b"CROATE TABLE books"
    )
    path.write_bytes(data)


DAMAGES = {
    "no database": lambda path: path.write_bytes(b"what was here before is gone" * 400),
    "cut off": cut,
    "blanked": blank,
    "no text in the schema": garble_schema,
    "empty sums": statement("update periods set sums = '{}'"),
    "sums of no rows": statement(
        """update periods set sums = '{"rows": 0}' where number = (select max(number) from periods)"""
    ),
    "sums cut off": statement("""update periods set sums = '{"rows": 12, "labe'"""),
    "sums of another shape": statement("update periods set sums = '[1, 2]'"),
    "no reference": statement("update books set reference = '{}'"),
    "a reference without periods": statement("""update books set reference = '{"ages": {}, "sums": {}}'"""),
    "a time that is none": statement("update mutes set created = 'x'"),
    "a table that is gone": statement("drop table periods"),
    "a column that is gone": statement("alter table books drop column told_through"),
}


@pytest.mark.sample(4)
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_state_is_said_in_one_line(project, kind):
    DAMAGES[kind](project / "backslide.db")
    for file in project.glob("backslide.db-*"):
        file.unlink()
    result = backslide(project, *LOOK)
    if kind == "a time that is none":  # of a row that is not read
        assert result.code == 0
        return
    assert (result.code, result.out) == (2, ""), result
    assert result.err.startswith("backslide: the st"), result.err
    assert result.err.count("\n") == 1
    assert "SELECT" not in result.err.upper()


def test_a_state_that_is_locked_is_said_after_some_patience(project, monkeypatch):
    monkeypatch.setattr(databases, "PATIENCE_MS", 100)
    holder = sqlite3.connect(project / "backslide.db", isolation_level=None)
    holder.execute("begin exclusive")
    try:
        result = backslide(project, *LOOK)
    finally:
        holder.rollback()
        holder.close()
    assert (result.code, result.out) == (2, "")
    assert "is locked by another process" in result.err
    assert backslide(project, *LOOK).code == 0


def test_the_state_stands_beside_the_configuration_and_is_private(project):
    for file in project.glob("backslide.db*"):
        file.unlink()
    result = backslide(project.parent, "watch", "project/backslide.toml", "-q", "--as-of", "2026-02-25")
    assert result.code == 0, result.err
    path = project / "backslide.db"
    assert path.is_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not (project / "project").exists()


def test_a_store_that_fails_does_not_end_the_watch(project, monkeypatch):
    looks, naps = [], []

    def look(*_, **__):
        looks.append(1)
        if len(looks) < 3:
            raise StoreError("the store is away")
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "_once", look)
    monkeypatch.setattr(watching, "sleep", naps.append)
    result = backslide(project, "watch", "-q", "--every", "1d")
    assert result.code == 130
    assert naps == [watching.SOON, watching.SOON]
    assert "looking again in 60s" in result.err


@pytest.mark.postgres
def test_a_server_that_restarted_is_met_again(postgres, tmp_path):
    database = open_database(f"postgresql://{postgres}", tmp_path)
    try:
        book = database.book("m", {"a": 1})
        book.freeze("inputs", {1: {"rows": 3}})
        other = open_database(f"postgresql://{postgres}", tmp_path)
        with other.engine.begin() as connection:  # what a restart does to every connection
            gone = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
            connection.execute(text(f"{gone} and datname = current_database()"))
        other.close()
        assert book.periods("inputs") == {1: {"rows": 3}}
    finally:
        with database.engine.begin() as connection:
            for table in [*databases.named_table("books").metadata.tables, "backslide_version"]:
                connection.execute(text(f"drop table {table}"))
        database.close()


def test_only_the_owner_reads_a_file_that_is_made(tmp_path):
    former = os.umask(0)
    try:
        open_database("sqlite:///own.db", tmp_path).close()
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "own.db").stat().st_mode) == 0o600
