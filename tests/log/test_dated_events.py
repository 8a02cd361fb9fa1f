"""Events by hand and from Grafana's annotations; alarms as annotations."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

import backslide as bs
from backslide.contracts.errors import LogError
from backslide.log.dated_events import read_annotations
from backslide.log.reading import open_log
from backslide.log.rollup import rollup
from backslide.monitor.annotations import annotation_bodies
from commands import backslide
from sample_looks import incident, look

pytest.importorskip("deltalake")


def kept(store: Path) -> list[tuple[datetime, str]]:
    return list(open_log(store, "loans").events().collect().iter_rows())


def test_events_by_hand_and_from_annotations_come_once(tmp_path: Path):
    store = tmp_path / "log"
    with bs.Recorder("loans", store=store) as recorder:
        recorder.record({"a": 1.0}, "yes", {"yes": 0.9}, id="1", at=datetime(2026, 3, 1, tzinfo=UTC))
        recorder.event("deploy v1", at=datetime(2026, 3, 1, 9, tzinfo=UTC))
    rollup(store)
    done = backslide(tmp_path, "log", "event", "deploy v2", "--at", "2026-03-02T12:00")
    assert (done.code, done.out) == (0, "loans: 1 event added\n")
    (tmp_path / "notes.json").write_text(
        json.dumps(
            [
                {"id": 1, "time": 1772618400000, "timeEnd": 0, "text": "income service\n 4.1", "tags": ["deploy"]},
                {"id": 2, "time": 1772618400000, "text": "", "tags": ["maintenance", "warehouse"]},
                {"id": 3, "time": 1772618400000, "text": "loans: accuracy fell", "tags": ["backslide", "alarm"]},
            ]
        ),
        encoding="utf-8",
    )
    first = backslide(tmp_path, "log", "event", "--from", "notes.json", "--json")
    assert json.loads(first.out) == {
        "format": "backslide.log-event/1",
        "model": "loans",
        "read": 3,
        "added": 2,
        "alarms_left_out": 1,
    }
    again = backslide(tmp_path, "log", "event", "--from", "notes.json")
    assert again.out == "loans: 0 events added, 2 there already, 1 of our own alarms left out\n"
    assert [text for _, text in kept(store)] == [
        "deploy v1",
        "deploy v2",
        "income service 4.1",
        "maintenance, warehouse",
    ]
    assert kept(store)[2][0] == datetime(2026, 3, 4, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"message": "Unauthorized"}, "expected a JSON list of annotations"),
        ([{"text": "x"}], "annotation 1: expected a time in milliseconds"),
        ([{"time": True, "text": "x"}], "annotation 1: expected a time in milliseconds"),
        ([{"time": 1.0, "text": "x"}, {"time": 1e99, "text": "x"}], "annotation 2: expected a time in milliseconds"),
        ([{"time": 1.0, "text": "", "tags": []}], "annotation 1: expected a text or tags"),
    ],
)
def test_what_is_no_annotation_is_one_line(data: object, says: str):
    with pytest.raises(LogError, match=says):
        read_annotations(data)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "expected either a text"),
        (["x", "--from", "f.json"], "expected either a text"),
        (["--from", "f.json", "--at", "2026-03-01"], "--at belongs to a text"),
        (["--from", "nowhere.json"], "cannot read the annotations in nowhere.json"),
        (["x", "--at", "soon", "--model", "m"], "--at: expected an ISO date or time"),
        ([" ", "--model", "m"], "expected a text that says what changed"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: list[str], says: str):
    done = backslide(tmp_path, "log", "event", *arguments)
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1


def test_alarms_are_annotations_that_are_found_again():
    (closed, live) = annotation_bodies(look(incidents=(incident(over="2026-03-26"), incident(2, "2026-03-27"))))
    assert closed["time"] == 1000 * int(datetime(2026, 3, 21, tzinfo=UTC).timestamp())
    assert closed["timeEnd"] == 1000 * int(datetime(2026, 3, 26, tzinfo=UTC).timestamp())
    assert live["timeEnd"] == 1000 * int(datetime(2026, 3, 29, 6, tzinfo=UTC).timestamp())
    assert live["tags"] == ["backslide", "alarm", "model:loans", "incident:2"]
    assert live["text"] == "loans: Accuracy fell. fix upstream data: divide it by 12"
    events, ours = read_annotations([closed, live])
    assert (events, ours) == ([], 2)
