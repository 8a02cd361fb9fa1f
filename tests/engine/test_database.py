"""Database tables and queries as sources; no password is ever shown."""

from __future__ import annotations

import sqlite3
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.contracts.errors import MissingExtraError, SourceError
from backslide.contracts.secrets import scrub_address
from backslide.engine.sources import database
from backslide.engine.sources.database import is_database
from backslide.engine.sources.open import describe, open_source
from backslide.jobs.diagnose import diagnose
from commands import backslide
from servers import ESCAPED, SECRET

sqlalchemy = pytest.importorskip("sqlalchemy")


def frame(rows: int = 1500, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    days = np.arange(rows) * 28 // rows
    score = 1 / (1 + np.exp(-2 * x))
    shown = np.where(days < 14, x, 12 * x + 40)
    return pl.DataFrame(
        {
            "id": [f"r-{k}" for k in range(rows)],
            "at": [f"2026-03-{day + 1:02d} 12:00:00" for day in days],
            "x": shown,
            "prediction": np.where(score > 0.5, "yes", "no"),
            "label": np.where(rng.random(rows) < score, "yes", "no"),
            "p_yes": score,
        }
    )


def sqlite(path: Path, rows: pl.DataFrame, table: str = "predictions") -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute(
            f'CREATE TABLE "{table}" ({", ".join(map(chr(34).__add__, [c + chr(34) for c in rows.columns]))})'
        )
        connection.executemany(f'INSERT INTO "{table}" VALUES ({", ".join("?" * rows.width)})', rows.rows())
    connection.close()
    return path


def test_a_table_and_a_query_are_read(tmp_path: Path):
    rows = frame(300)
    path = sqlite(tmp_path / "log.db", rows)
    for uri in (f"sqlite:///{path}#predictions", f"sqlite:///{path}"):
        assert open_source(uri).collect().equals(rows)
    assert open_source("sqlite:///log.db#predictions", base=tmp_path).collect().height == 300
    query = f"sqlite:///{path}#SELECT x, 'a:b' AS name FROM predictions WHERE at < '2026-03-05' AND x IS NOT NULL"
    assert open_source(query).collect().columns == ["x", "name"]
    assert open_source(query).collect().height < 100


def test_values_of_every_kind_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "ROWS", 2)
    rows = {
        "whole": [1, 2, None, 2**62],
        "mixed": [1, 2, 2.5, None],
        "kind": [1, "a", b"\x01", None],
        "late": [None, None, "x", "y"],
        "none": [None] * 4,
    }
    path = sqlite(tmp_path / "log.db", pl.DataFrame(rows, schema=dict.fromkeys(rows, pl.Object)))
    read = open_source(f"sqlite:///{path}").collect()
    assert read["whole"].to_list() == rows["whole"]
    assert read["mixed"].to_list() == rows["mixed"]
    assert read["kind"].to_list() == ["1", "a", "01", None]
    assert read["late"].to_list() == rows["late"]
    assert read["none"].null_count() == 4


def test_what_is_not_there_is_said(tmp_path: Path):
    path = sqlite(tmp_path / "log.db", frame(5))
    with pytest.raises(SourceError, match=r"no table 'predictons'.*did you mean 'predictions'"):
        open_source(f"sqlite:///{path}#predictons")
    with pytest.raises(SourceError, match="no such column: y"):
        open_source(f"sqlite:///{path}#SELECT y FROM predictions")
    with pytest.raises(SourceError, match="two columns named 'x'"):
        open_source(f"sqlite:///{path}#SELECT x, x FROM predictions")
    with pytest.raises(SourceError, match="expected a database at"):
        open_source(f"sqlite:///{tmp_path}/none.db#t")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(SourceError, match="environment variable NO_SUCH"):
        open_source("postgresql://me:${NO_SUCH}@localhost/db#t")
    sqlite(path, frame(5), "more")
    with pytest.raises(SourceError, match=r"expected a table or a query.*'more'"):
        open_source(f"sqlite:///{path}")
    with pytest.raises(SourceError, match="no table"):
        open_source(f"sqlite:///{path}#DELETE FROM more")
    with pytest.raises(SourceError, match=r"readonly|read-only"):
        open_source(f"sqlite:///{path}#WITH t AS (SELECT 1) DELETE FROM more")
    assert open_source(f"sqlite:///{path}#more").collect().height == 5


def test_a_source_may_stand_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SHOP", f"sqlite:///{sqlite(tmp_path / 'log.db', frame(5))}")
    assert open_source("env:SHOP").collect().height == 5
    assert describe("env:SHOP") == "env:SHOP"
    with pytest.raises(SourceError, match="holds no source"):
        open_source("env:NO_SUCH_VARIABLE")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = sqlite(tmp_path / "log.db", frame(5))
    monkeypatch.setitem(sys.modules, "sqlalchemy.exc", None)
    with pytest.raises(MissingExtraError, match=r"backslide\[watch\]"):
        open_source(f"sqlite:///{path}")
    monkeypatch.undo()
    with pytest.raises(MissingExtraError, match="needs a driver"):
        open_source("snowflake://me:secret@account/db#t")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://me:pw@host/db#t", "postgresql://me:***@host/db#t"),
        ("postgresql+psycopg://me:p#w/x@y@host:5432/db#t", "postgresql+psycopg://me:***@host:5432/db#t"),
        ("postgresql://me:${PW}@host/db", "postgresql://me:${PW}@host/db"),
        ("postgresql://host:5432/db#SELECT '@'", "postgresql://host:5432/db#SELECT '@'"),
        ("postgresql://host/db?user=me&password=pw&x=1#t", "postgresql://host/db?user=me&password=***&x=1#t"),
        ("sqlite:///log.db#t", "sqlite:///log.db#t"),
        ("firebird://me:pw@host/db", "firebird://me:***@host/db"),
        ("plain/file@x.csv", "plain/file@x.csv"),
    ],
)
def test_what_opens_a_database_is_not_shown(given: str, shown: str):
    assert scrub_address(given) == shown
    assert describe(given) == shown
    assert is_database(given) == given.startswith(("postgresql", "sqlite"))


CONFIG = """
[model]
name = "m"
label = "label"
prediction = "prediction"
scores = {{ "yes" = "p_yes" }}
timestamp = "at"
id = "id"
features = ["x"]
[data]
source = "{uri}"
[windows]
reference = "2026-03-01..2026-03-14"
current = "2026-03-15..2026-03-28"
"""


def test_a_database_is_diagnosed(tmp_path: Path):
    sqlite(tmp_path / "log.db", frame())
    (tmp_path / "backslide.toml").write_text(CONFIG.format(uri="sqlite:///log.db#predictions"))
    found = diagnose(settings=Settings.load(tmp_path / "backslide.toml"))
    assert found.inputs.rows.reference == found.inputs.rows.current == 750
    numeric = next(outcome for outcome in found.checks if outcome.code == "DRF001")
    assert [finding.subject for finding in numeric.findings if finding.severity.rank >= 2] == ["x"]


@pytest.fixture(scope="module")
def logged(postgres: str) -> str:
    """The same, with the table ``logs.predictions``."""
    rows = frame()
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://{postgres}")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE SCHEMA logs"))
        connection.execute(
            sqlalchemy.text(
                "CREATE TABLE logs.predictions (id text, at timestamptz, x numeric, prediction text, label text, p_yes float8, "
                "day date, more jsonb, ok bool)"
            )
        )
        connection.execute(
            sqlalchemy.text(
                "INSERT INTO logs.predictions VALUES (:id, cast(:at || '+00' AS timestamptz), :x, :prediction, :label, :p_yes, "
                "'2026-03-01', '{\"a\": 1}', true)"
            ),
            rows.to_dicts(),
        )
    engine.dispose()
    return postgres


@pytest.mark.postgres
def test_postgres_is_read(logged: str):
    rows = frame()
    read = open_source(f"postgresql://{logged}#logs.predictions").sort("at", "id").collect()
    assert (read.height, read.schema["at"], read.schema["x"]) == (1500, pl.Datetime("us", "UTC"), pl.Float64)
    assert (read["day"][0], read["ok"][0], read["at"][0]) == (
        date(2026, 3, 1),
        True,
        datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
    assert sorted(read["x"]) == pytest.approx(sorted(rows["x"]))
    query = open_source(
        f"postgres://{logged}#SELECT count(*)::int AS n FROM logs.predictions WHERE id LIKE 'r-1%'"
    ).collect()
    assert query["n"].to_list() == [611]


@pytest.mark.slow
@pytest.mark.postgres
def test_no_password_is_shown(logged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    uri = f"postgresql://{logged}#logs.predictions"
    (tmp_path / "backslide.toml").write_text(CONFIG.format(uri=uri))
    done = backslide(tmp_path, "diagnose", "--json", "d.json", "--html", "d.html", "--md", "d.md")
    assert done.code == 0, done.err  # the accuracy is what it was
    written = "".join((tmp_path / name).read_text() for name in ("d.json", "d.html", "d.md")) + done.out + done.err
    assert "me:***@127.0.0.1" in written
    done = backslide(tmp_path, "init", uri, "--out", "other.toml")
    assert done.code == 0, done.err
    written += (tmp_path / "other.toml").read_text() + done.out + done.err
    monkeypatch.setenv("DATABASE_PASSWORD", SECRET)
    assert open_source(Settings.load(tmp_path / "other.toml").data.source).collect().height == 1500
    for wrong in (
        uri.replace("127.0.0.1", "127.0.0.1:1"),
        uri.replace("/postgres#", "/none#"),
        uri.replace("me:", "you:"),
        uri + "x",
        uri.replace(".predictions", ".predictions?"),
        f"postgresql://{logged}#SELECT nothing FROM logs.predictions",
        f"postgresql://me:{SECRET}@127.0.0.1/postgres#t",
    ):
        with pytest.raises(SourceError) as caught:
            open_source(wrong)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert len(str(caught.value).splitlines()) == 1
        written += str(caught.value)
    for part in (SECRET, ESCAPED, "s3cr", "ss:word"):
        assert part not in written
