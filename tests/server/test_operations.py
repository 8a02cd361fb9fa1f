"""What keeps a server going: figures, bounds, logs, backup and restore, on SQLite and PostgreSQL."""

from __future__ import annotations

import io
import json
import logging
import re
import resource
import tarfile

import pytest
from prometheus_client.parser import text_string_to_metric_families
from running_server import start
from sqlalchemy import text

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError, StoreError
from backslide.contracts.watch import WatchReport
from backslide.server import backup, run
from backslide.server.backup import restore_backup, write_backup
from backslide.server.telemetry import JsonLines
from backslide.store.database import open_database
from backslide.store.memory import Mute
from backslide.store.tables import metadata
from backslide.store.upgrade import newest_version


def test_figures_are_what_prometheus_reads(server):
    server.client.post("/api/v1/models/loans/predictions", json={"features": {}}, headers=server.headers("ingest"))
    for model in ("a", "b"):
        book = server.context.database.book(model, {})
        report = {
            "format": "backslide.watch/1",
            "model": model,
            "as_of": "2026-03-01T00:00:00",
            "status": "alarm",
            "summary": "",
            "metric": "accuracy",
            "period": "day",
            "reference": ["a", "b"],
            "promise": {
                "false_alarms_per_year": 1,
                "false_watches_per_year": 1,
                "periods_per_year": 1,
                "streams": 1,
                "note": "",
            },
            "labels": {"age": 0},
        }
        book.keep_report(WatchReport.from_dict(report).to_dict(), [])
    families = {one.name: one for one in text_string_to_metric_families(server.client.get("/metrics").text)}
    records = [one.value for one in families["backslide_records"].samples if one.labels["kind"] == "predictions"]
    assert records == [1.0]
    assert {one.labels["model"]: one.value for one in families["backslide_status"].samples} == {"a": 2.0, "b": 2.0}
    assert families["backslide_http_requests"].samples[0].labels == {"area": "records", "status": "201"}


def test_more_requests_than_are_taken_are_asked_to_come_again(tmp_path):
    for server in start(tmp_path, max_requests=1):
        app = server.client.app
        shell = app.middleware_stack
        while not hasattr(shell, "_at_work"):
            shell = shell.app
        shell._at_work = 1
        answer = server.client.get("/api/v1/models")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert answer.headers["content-type"] == "application/problem+json"
        assert server.client.get("/health").status_code == 200
        shell._at_work = 0
        assert server.client.get("/api/v1/models").status_code == 200


def test_a_store_that_is_away_is_503_in_one_line(sqlite_server):
    sqlite_server.context.database.engine.dispose()
    (sqlite_server.context.settings.base / "backslide.db").write_bytes(b"no database" * 1000)
    answer = sqlite_server.client.get("/ready")
    assert answer.status_code == 503
    assert re.match(r"the store sqlite:\S+ is damaged", answer.json()["detail"])
    assert sqlite_server.client.get("/api/v1/models").status_code == 503


def test_logs_are_one_json_object_a_line_without_secrets():
    record = logging.LogRecord("x", logging.INFO, "", 1, "asked %s\nwith password=hunter22", ("it",), None)
    record.job = "j"
    line = JsonLines().format(record)
    assert "\n" not in line
    data = json.loads(line)
    assert (data["level"], data["job"], "hunter22" in line) == ("info", "j", False)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_backup_is_restored_elsewhere(kind, tmp_path, request, sqlite_server):
    context = sqlite_server.context
    context.database.mute("loans", Mute("missing:*", "known"))
    sqlite_server.client.post(
        "/api/v1/models/loans/predictions", json={"features": {"a": 1}}, headers=sqlite_server.headers("ingest")
    )
    context.store.roll_up()
    sqlite_server.client.post(
        "/api/v1/models/loans/predictions", json={"features": {"a": 2}}, headers=sqlite_server.headers("ingest")
    )
    file = tmp_path / "backup.tar.gz"
    counts = write_backup(context.settings, context.database, file, with_log=True)
    assert (counts["tokens"], counts["mutes"]) == (4, 1)
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="not empty"):
        restore_backup(context.settings, context.database, file)
    url = None if kind == "sqlite" else f"postgresql://{request.getfixturevalue('postgres')}"
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    database = open_database(url, folder)
    settings = Settings.from_dict({}, base=folder)
    try:
        assert restore_backup(settings, database, file) == {name: n for name, n in counts.items() if n}
        database.mute("loans", Mute("x", "the next number is free"))
        for other in start(folder, url):
            other.context.store.roll_up()
            assert other.context.store.open("loans").counts()["predictions"] == 2
            headers = sqlite_server.headers("ingest")
            assert other.client.get("/openapi.json", headers=headers).status_code == 200
    finally:
        database.close()
        if url is not None:
            again = open_database(url, folder)
            with again.engine.begin() as connection:
                for table in [*metadata.tables, "backslide_version"]:
                    connection.execute(text(f"drop table {table}"))
            again.close()


def test_what_is_no_backup_is_refused_in_one_line(tmp_path, sqlite_server):
    file = tmp_path / "x.tar.gz"
    file.write_bytes(b"no archive")
    with pytest.raises(ConfigError, match="cannot be read as a backup"):
        restore_backup(sqlite_server.context.settings, sqlite_server.context.database, file)


ROW = b'{"table": "mutes", "row": {"id": 1, "model": "m", "pattern": "p", "reason": "r", "created": "2026-01-01T00:00:00"}}\n'
HOSTILE: dict[str, list[tuple[str, bytes | None]]] = {
    "a file beside the log": [("log/spool/../../x", b"x")],
    "an absolute name": [("log/spool//tmp/x", b"x")],
    "a folder as a file": [("log/tables", b"x")],
    "a link": [("log/spool/x", None)],
    "a folder and a file of one name": [("log/tables/a/b", b"x"), ("log/tables/a", b"x")],
    "rows that are no objects": [("rows.jsonl", b"[1]\n")],
    "a row that is a list": [("rows.jsonl", b'{"table": "mutes", "row": []}\n')],
    "a table that is none": [("rows.jsonl", ROW.replace(b"mutes", b"sqlite_master"))],
    "a time that is a number": [("rows.jsonl", ROW.replace(b'"2026-01-01T00:00:00"', b"7"))],
    "a number that no column takes": [("rows.jsonl", ROW.replace(b'"id": 1', b'"id": %d' % 2**70))],
    "a value that is an object": [("rows.jsonl", ROW.replace(b'"p"', b"{}"))],
    "depth": [("rows.jsonl", b"[" * 100_000)],
    "a manifest that is a list": [("manifest.json", b"[]")],
    "an endless manifest": [("manifest.json", b" " * 2**21)],
    "a newer version": [("manifest.json", b'{"format": "backslide.backup/1", "version": "9999"}')],
}
"""What somebody put into an archive; None is a link to a file of the machine."""


@pytest.mark.parametrize("change", [*HOSTILE, "other bytes", "the end cut off"])
def test_a_hostile_backup_changes_nothing(change, tmp_path):
    manifest = json.dumps({"format": "backslide.backup/1", "version": newest_version()}).encode()
    sound: dict[str, bytes | None] = {"manifest.json": manifest, "log/spool/m/a.jsonl": b"{}\n" * 9, "rows.jsonl": ROW}
    file, spoilt = tmp_path / "b.tar.gz", tmp_path / "s.tar.gz"
    _archive(file, sound)
    _archive(spoilt, sound | dict(HOSTILE.get(change, [])))
    data = bytearray(spoilt.read_bytes())
    if change == "other bytes":
        data[40:60] = bytes(20)
    spoilt.write_bytes(data[: len(data) // 2] if change == "the end cut off" else data)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    settings, database = Settings.from_dict({}, base=folder), open_database(None, folder)
    try:
        with pytest.raises((ConfigError, StoreError)) as refused:
            restore_backup(settings, database, spoilt)
        assert "\n" not in str(refused.value)
        assert [path.name for path in folder.rglob("*") if path.is_file() and "backslide.db" not in path.name] == []
        assert not (tmp_path / "x").exists()
        assert restore_backup(settings, database, file) == {"mutes": 1, "files of the log": 1}
    finally:
        database.close()


def _archive(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            if data is None:
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            entry.size = len(data or b"")
            archive.addfile(entry, io.BytesIO(data or b""))


def test_a_backup_is_of_one_moment(tmp_path, sqlite_server, monkeypatch):
    context, tables = sqlite_server.context, []

    def save(connection, table, into):
        count = usual(connection, table, into)
        if not tables:
            context.database.mute("loans", Mute("x", "between two tables"))
        tables.append(table.name)
        return count

    usual = backup._save
    monkeypatch.setattr(backup, "_save", save)
    counts = write_backup(context.settings, context.database, tmp_path / "b.tar.gz", with_log=False)
    assert tables[0] != "mutes"
    assert counts["mutes"] == 0


def test_models_leave_half_of_the_files_to_the_rest(tmp_path, monkeypatch):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        run._hold_many_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2, 2))
    for server in start(tmp_path):
        for model, status in (("a", 201), ("b", 400)):
            body, headers = {"features": {}}, server.headers("ingest")
            answer = server.client.post(f"/api/v1/models/{model}/predictions", json=body, headers=headers)
            assert answer.status_code == status, answer.text
