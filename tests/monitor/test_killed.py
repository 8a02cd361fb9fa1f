"""Killed between any two steps and run again, a look ends in the state of one that was never disturbed; no alert is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backslide.contracts.config import Settings
from backslide.contracts.watch import WatchReport
from backslide.jobs.watch import settings_key, watch
from backslide.monitor import notify
from backslide.store.database import Database, DatabaseBook, open_database
from streams_of_logs import REFERENCE, config, moment, served

sqlalchemy = pytest.importorskip("sqlalchemy")

DAYS = (5, 16, 18, 26)
STEPS = ("keep_reference", "freeze", "keep_finding", "put", "tell_through", "mark", "number", "keep_report")


class Killed(BaseException):
    """What nobody catches."""


@pytest.fixture(name="log", scope="module")
def _log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    def broken(columns: dict[str, Any]) -> None:
        hit = (columns["day"] >= REFERENCE + 12) & (columns["day"] < REFERENCE + 16)
        columns["income"] = columns["income"] / (1 + 11 * hit)

    folder = tmp_path_factory.mktemp("log")
    frame = served(21, REFERENCE + 26, rows=100, change=broken)
    return folder, config(folder, frame, alerts={"urls": ["json://127.0.0.1:9/"], "attempts": 99})


def receive(patch: pytest.MonkeyPatch) -> list[str]:
    """Messages taken by a receiver that always takes them."""
    sent: list[str] = []

    def send(_: Settings, message: Any, *__: Any) -> None:
        sent.append(f"{message.kind} {message.period}")

    patch.setattr(notify, "_send", send)
    return sent


@pytest.fixture(name="sent")
def _sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return receive(monkeypatch)


def state(database: Database) -> dict[str, list[Any]]:
    """Everything that is kept, without the moments at which it was written."""
    wanted = {
        "books": "book, reference, told_through",
        "periods": "kind, number, sums",
        "findings": "incident, finding",
        "messages": "incident, kind, period, title, body, status, attempts",
    }
    with database.engine.connect() as connection:
        return {
            table: sorted(map(tuple, connection.execute(sqlalchemy.text(f"select {columns} from {table}"))), key=repr)
            for table, columns in wanted.items()
        }


def looks(settings: Settings, database: Database, days: tuple[int, ...] = DAYS) -> WatchReport:
    for day in days:
        book = database.book("loans", settings_key(settings))
        found = watch(settings, as_of=moment(day, 6), book=book)
    return found


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two values differ, JSON within them read: a whole book in a message says nothing."""
    if isinstance(one, str) and isinstance(other, str) and one[:1] == other[:1] == "{":
        one, other = json.loads(one), json.loads(other)
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other}, key=str)
        return [d for k in keys for d in differences(one.get(k), other.get(k), f"{path}.{k}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return [d for k, (a, b) in enumerate(zip(one, other, strict=True)) for d in differences(a, b, f"{path}[{k}]")]
    return [] if one == other else [f"{path}: {one!r} and {other!r}"[:300]]


@pytest.fixture(name="undisturbed", scope="module")
def _undisturbed(
    log: tuple[Path, Settings], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, WatchReport, list[str]]:
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('calm') / 'calm.db'}", log[0])
    with pytest.MonkeyPatch.context() as patch:
        sent = receive(patch)
        found = looks(log[1], database)
    kept = state(database)
    database.close()
    return kept, found, sent


@pytest.mark.sample(3)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "before", [pytest.param(True, id="before"), pytest.param(False, id="after", marks=pytest.mark.slow)]
)
def test_the_state_is_that_of_an_undisturbed_run(
    step: str,
    before: bool,
    log: tuple[Path, Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: tuple[Any, WatchReport, list[str]],
    sent: list[str],
) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'killed.db'}", log[0])
    whole = getattr(DatabaseBook, step)
    calls = 0

    def dying(self: DatabaseBook, *arguments: Any) -> Any:
        """Dies at every second call, just before or just after the step."""
        nonlocal calls
        calls += 1
        if calls % 2 and before:
            raise Killed
        found = whole(self, *arguments)
        if calls % 2:
            raise Killed
        return found

    monkeypatch.setattr(DatabaseBook, step, dying)
    kills = 0
    for day in DAYS:
        for _ in range(40):
            try:
                found = looks(log[1], database, (day,))
                break
            except Killed:
                kills += 1
        else:
            pytest.fail("never finished")
    assert kills > 0 or step == "keep_finding"
    calm_state, calm, calm_sent = undisturbed
    mine = state(database)
    assert mine["periods"] == calm_state["periods"]
    assert differences(mine["books"], calm_state["books"]) == []
    assert [row[:5] for row in mine["messages"]] == [row[:5] for row in calm_state["messages"]]
    assert all(row[5] == "delivered" for row in mine["messages"])
    assert found.incidents == calm.incidents
    assert found.streams == calm.streams
    # Who dies between sending and noting it sends again: nothing is lost, and only that can be told twice.
    assert set(sent) == set(calm_sent)
    if step != "mark":
        assert sorted(sent) == sorted(calm_sent)
    database.close()


def test_two_looks_at_once_do_not_fail_each_other(log: tuple[Path, Settings], tmp_path: Path, sent: list[str]):
    database = open_database(f"sqlite:///{tmp_path / 'two.db'}", log[0])
    looks(log[1], database, (5,))
    other = open_database(f"sqlite:///{tmp_path / 'two.db'}", log[0])
    assert looks(log[1], other, (16,)).incidents == looks(log[1], database, (16,)).incidents
    assert len(sent) == len(set(sent))
    database.close()
    other.close()
