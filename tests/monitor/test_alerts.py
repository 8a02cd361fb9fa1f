"""Who is told what and when; a dead receiver loses nothing."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backslide.contracts.config import Settings
from backslide.contracts.errors import ConfigError
from backslide.contracts.watch import IncidentDiagnosis, Level, WatchReport
from backslide.jobs.watch import settings_key, watch
from backslide.monitor import notify
from backslide.monitor.exposition import exposition
from backslide.store.database import Database, open_database
from backslide.store.memory import Mute
from streams_of_logs import REFERENCE, config, moment, served

pytest.importorskip("apprise")


class Receiver:
    """A web hook on loopback that takes or refuses."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refuse = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not outer.refuse:
                    outer.taken.append(body)
                self.send_response(500 if outer.refuse else 200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Silent."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/"

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.taken]


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture(name="database")
def _database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(None, tmp_path)
    yield database
    database.close()


def broken(columns: dict[str, Any]) -> None:
    hit = (columns["day"] >= REFERENCE + 12) & (columns["day"] < REFERENCE + 24)
    columns["income"] = columns["income"] / (1 + 11 * hit)


def settings_for(folder: Path, *urls: str, **alerts: Any) -> Settings:
    return config(folder, served(31, REFERENCE + 40, rows=100, change=broken), alerts={"urls": list(urls), **alerts})


def look(settings: Settings, database: Database, day: int) -> WatchReport:
    return watch(settings, as_of=moment(day, 6), book=database.book("loans", settings_key(settings)))


def test_alarm_reminder_and_recovery_once_each(tmp_path: Path, database: Database, receiver: Receiver):
    settings = settings_for(tmp_path, receiver.url)
    for day in (5, 11, 14, 15, 16, 21, 22, 24, 30, 36, 40):
        look(settings, database, day)
    kinds = [title.rpartition(": ")[2] for title in receiver.titles]
    assert kinds == ["ALARM", "still open", "still open", "recovered"]
    assert "fell by" in receiver.taken[0]["message"]
    assert receiver.titles[0].startswith("[backslide] loans")


@pytest.mark.slow
def test_a_dead_receiver_loses_no_alert(tmp_path: Path, database: Database, receiver: Receiver):
    settings = settings_for(tmp_path, receiver.url)
    look(settings, database, 5)
    receiver.refuse = True
    found = look(settings, database, 15)
    assert receiver.taken == []
    waiting = [d for d in look(settings, database, 16).deliveries if d.kind == "alarm"]
    assert [(d.status, d.attempts) for d in waiting] == [("waiting", 2)]
    assert found.alarmed
    receiver.refuse = False
    (told,) = [d for d in look(settings, database, 17).deliveries if d.kind == "alarm"]
    assert (told.status, told.attempts) == ("delivered", 3)
    assert len(receiver.taken) == 1


def test_a_message_is_given_up_at_last_and_that_is_said(tmp_path: Path, database: Database, receiver: Receiver):
    receiver.refuse = True
    settings = settings_for(tmp_path, receiver.url, attempts=2)
    look(settings, database, 5)
    for _ in range(3):
        found = look(settings, database, 15)
    (told,) = found.deliveries
    assert (told.status, told.attempts) == ("given_up", 2)
    assert told.error == "number 1 refused it"
    assert "given up" in found.to_text()


def test_no_flood_at_the_first_look(tmp_path: Path, database: Database, receiver: Receiver):
    settings = settings_for(tmp_path, receiver.url)
    found = look(settings, database, 40)
    assert any(one.level == Level.ALARM and not one.open for one in found.incidents)
    assert receiver.taken == []


@pytest.mark.slow
def test_an_early_sign_calls_only_who_asked_and_grows_into_an_alarm(
    tmp_path: Path, database: Database, receiver: Receiver
):
    def slowly(columns: dict[str, Any]) -> None:
        columns["flip"] = (columns["day"] >= REFERENCE + 10) * 0.08

    frame = served(33, REFERENCE + 60, rows=100, change=slowly)
    settings = config(
        tmp_path,
        frame,
        alerts={"urls": [receiver.url], "on": ["watch", "alarm"]},
        watch={"leave_out": ["class:*", "confidence"]},
    )
    for day in range(9, 60, 3):
        look(settings, database, day)
    kinds = [title.rpartition(": ")[2] for title in receiver.titles]
    assert kinds[:2] == ["early sign", "ALARM"]


def test_a_mute_has_a_reason_and_an_end(tmp_path: Path, database: Database, receiver: Receiver):
    settings = settings_for(tmp_path, receiver.url)
    database.mute("loans", Mute("*", "migration of the warehouse", "2026-03-05"))
    look(settings, database, 5)
    found = look(settings, database, 15)
    assert found.status == Level.QUIET
    assert not found.alarmed
    assert receiver.taken == []
    assert {one.muted for one in found.incidents} == {"migration of the warehouse"}
    assert look(settings, database, 22).alarmed  # the mute has ended
    assert database.unmute("loans", "*") == 1


def test_secrets_come_from_the_environment_and_stay_there(
    tmp_path: Path, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    settings = settings_for(tmp_path, "env:HOOK")
    look(settings, database, 5)
    with pytest.raises(ConfigError, match="no variable 'HOOK'"):
        look(settings, database, 15)
    monkeypatch.setenv("HOOK", receiver.url)
    found = look(settings, database, 15)
    assert len(receiver.taken) == 1
    # The port alone may be among the digits of a number.
    assert f"127.0.0.1:{receiver.server.server_port}" not in found.to_json()


def test_one_bad_receiver_does_not_cost_the_others_their_message(tmp_path: Path, receiver: Receiver):
    settings = settings_for(tmp_path, "json://127.0.0.1:9/", receiver.url)
    assert notify.test_message(settings) == "number 1 refused it"
    assert receiver.titles == ["[backslide] loans: test"]
    with pytest.raises(ConfigError, match="does not know"):
        notify.test_message(settings_for(tmp_path, "nosuch://x"))


def test_templates_are_checked_when_the_configuration_is_read(tmp_path: Path):
    with pytest.raises(ConfigError, match="template"):
        settings_for(tmp_path, title="{modle}")


def test_figures_for_prometheus(tmp_path: Path, database: Database):
    settings = config(tmp_path, served(31, REFERENCE + 20, rows=100, change=broken), watch={"metrics_file": "w.prom"})
    found = look(settings, database, 16)
    text = (tmp_path / "w.prom").read_text(encoding="utf-8")
    assert text == exposition(found)
    assert 'backslide_status{model="loans"} 2.0' in text
    assert 'backslide_stream_value{model="loans",stream="performance"}' in text


def test_a_look_just_after_midnight_tells_what_it_opened(tmp_path: Path, database: Database, receiver: Receiver):
    """The labels that make an old period known come before the newest period is complete."""

    def worse(columns: dict[str, Any]) -> None:
        columns["flip"] = np.where(columns["day"] >= REFERENCE + 5, 0.9, 0.0)

    frame = served(34, REFERENCE + 12, rows=100, change=worse)
    frame = frame.with_columns(pl.col("served_at").dt.offset_by("3d").alias("label_at"))
    settings = config(tmp_path, frame, late=True, alerts={"urls": [receiver.url]})
    look(settings, database, 3)
    for day in range(7, 11):
        found = watch(settings, as_of=moment(day), book=database.book("loans", settings_key(settings)))
        assert found.alarmed == bool(receiver.taken)
    assert [title.rpartition(": ")[2] for title in receiver.titles] == ["ALARM"]


def test_an_alarm_says_how_much_and_where_the_report_is_and_carries_it(
    tmp_path: Path, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    def found(*_: Any, **__: Any) -> IncidentDiagnosis:
        (tmp_path / "why").mkdir(exist_ok=True)
        (tmp_path / "why" / "loans 1.html").write_text("<html>", encoding="utf-8")
        return IncidentDiagnosis(
            verdict="degraded", sentence="It got worse.", decision="fix: it", report="why/loans 1.html"
        )

    monkeypatch.setattr("backslide.jobs.investigate._finding", found)
    settings = config(
        tmp_path,
        served(31, REFERENCE + 20, rows=100, change=broken),
        watch={"diagnose": True, "reports": "why"},
        alerts={
            "urls": [receiver.url],
            "report_url": "https://reports.example.org/{file}",
            "attach_report": True,
            "body": "{sentence} ({points})\n\n{decision}\n{report}",
        },
    )
    look(settings, database, 5)
    look(settings, database, 15)
    (one,) = receiver.taken
    first, *rest = one["message"].splitlines()
    assert re.fullmatch(r"It got worse\. \(\d+\.\d points\)", first)
    assert rest[:2] == ["fix: it", "https://reports.example.org/loans%201.html"]
    assert re.fullmatch(r"Message [0-9a-f]{12}\.", rest[-1])
    assert [file["filename"] for file in one["attachments"]] == ["loans 1.html"]
    with pytest.raises(ConfigError, match="in curly brackets"):
        settings_for(tmp_path, report_url="https://reports.example.org/")
