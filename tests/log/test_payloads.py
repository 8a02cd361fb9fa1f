"""Payload logs of other servers, as they write them, into a log: whole, once, and what is left out is counted."""

from __future__ import annotations

import base64
import gzip
import json
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backslide.contracts.config import PayloadSettings
from backslide.contracts.errors import LogError
from backslide.contracts.roles import Roles
from backslide.engine.sources.records import read_records
from backslide.log.payloads import bodies
from backslide.log.payloads import ingest as module
from backslide.log.payloads.bodies import request_rows, response_rows
from backslide.log.payloads.exchange import UnreadableRecordError
from backslide.log.payloads.ingest import FORMATS, ingest_payloads
from backslide.log.payloads.sample import look_at
from backslide.log.reading import open_log
from commands import backslide
from payload_samples import ANSWERS, AT, LOGS, MONITOR, NAMES, PEOPLE, ROWS, TIME, V2, event, stored

pytest.importorskip("deltalake")


@pytest.mark.parametrize("name", LOGS)
def test_a_call_is_read_as_it_was_served(name: str, tmp_path: Path):
    format, records = LOGS[name]
    report = ingest_payloads(records, tmp_path, "loans", format, settings=NAMES)
    assert (report.calls if format != "bentoml" else 1, report.rows) == (1, 2)
    rows = open_log(tmp_path).predictions().collect().sort("age")
    assert rows["age"].to_list() == [41, 52]
    assert rows["job"].to_list() == ["nurse", "cook"]
    assert [str(int(float(said))) for said in rows["prediction"]] == ["0", "1"]
    first, second = rows["id"]
    assert (first, second) == (("c-1", "c-1-1") if format == "bentoml" else ("c-1-0", "c-1-1"))
    if "p_1" in rows.columns:
        assert rows["p_1"].to_list() == [0.1, 0.8]
    timeless = name in ("kserve, object store",)
    assert rows["at"].to_list() == ([None, None] if timeless else [TIME, TIME])
    again = ingest_payloads(records, tmp_path, "loans", format, settings=NAMES)
    assert again.added["predictions"] == 0


def test_every_format_has_a_sample():
    assert {format for format, _ in LOGS.values()} == set(FORMATS)


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ({"instances": [1, 2]}, [{"feature_0": 1}, {"feature_0": 2}]),
        ({"instances": [{"a": 1}]}, [{"a": 1}]),
        ({"inputs": {"a": [1, 2], "b": ["x", "y"]}}, [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        (
            {"inputs": [{"name": "in", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]}]},
            [{"in_0": 1, "in_1": 2}, {"in_0": 3, "in_1": 4}],
        ),
        (
            {"inputs": [{"name": "v", "shape": [1, 40], "datatype": "FP32", "data": list(range(40))}]},
            [{"v": list(range(40))}],
        ),
        (
            {
                "inputs": [
                    {
                        "name": "t",
                        "shape": [1],
                        "datatype": "BYTES",
                        "data": ["aGk="],
                        "parameters": {"content_type": "base64"},
                    }
                ]
            },
            [{"t": "hi"}],
        ),
        ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
        ({"a": 1, "b": None}, [{"a": 1, "b": None}]),
        ({"features": {"a": 1}, "id": "x"}, [{"a": 1}]),
        ({"input": [0.1, 0.2], "age": 3}, [{"input": [0.1, 0.2], "age": 3}]),
        ([{"v": [0.1, 0.2], "w": [1, 2]}], [{"v": [0.1, 0.2], "w": [1, 2]}]),
    ],
)
def test_rows_of_requests(body: Any, rows: list[dict[str, Any]]):
    assert request_rows(body, PayloadSettings()) == rows


@pytest.mark.parametrize(
    ("body", "settings", "answer"),
    [
        ({"predictions": ["no"]}, {}, {"prediction": "no"}),
        ({"predictions": [[3.5]]}, {}, {"prediction": 3.5}),
        ({"predictions": [{"label": "no", "score": 0.8}]}, {}, {"prediction": "no", "rest": {"score": 0.8}}),
        (
            {"predictions": [{"label": "no", "probabilities": {"no": 0.8, "yes": 0.2}}]},
            {},
            {"prediction": "no", "scores": {"no": 0.8, "yes": 0.2}},
        ),
        (
            {"predictions": [[0.2, 0.8]]},
            {"classes": ("no", "yes")},
            {"scores": {"no": 0.2, "yes": 0.8}, "prediction": "yes", "decided": True},
        ),
        ({"outputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [2.5]}]}, {}, {"prediction": 2.5}),
        (
            {"predictions": [{"decision": "a", "p": [0.1, 0.9]}]},
            {"prediction": "decision", "scores": "p"},
            {"prediction": "a", "scores": {"0": 0.1, "1": 0.9}},
        ),
        ("no", {}, {"prediction": "no"}),
    ],
)
def test_answers_of_responses(body: Any, settings: dict[str, Any], answer: dict[str, Any]):
    assert response_rows(body, PayloadSettings(**settings)) == [answer]


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([event("request", ROWS)], "requests without a response"),
        ([event("response", ANSWERS)], "responses without a request"),
        ([event("request", ROWS), event("response", {"predictions": [1]})], "other numbers of rows asked and answered"),
        ([event("request", ROWS), event("response", {"error": "boom"})], "calls that failed"),
        ([event("request", "%%%"), event("response", ANSWERS)], "bodies that are no JSON"),
        (
            [event("request", {"inputs": [{"name": "a", "shape": [3], "data": [1]}]}), event("response", ANSWERS)],
            "do not fit their shape",
        ),
        ([["a"], 3, None], "records that are no object"),
        ([], "no prediction in 0 records"),
    ],
)
def test_what_tells_no_prediction_is_counted_and_said(records: list[Any], reason: str, tmp_path: Path):
    if not records:
        assert ingest_payloads(records, tmp_path, "loans", "kserve").rows == 0
        return
    with pytest.raises(LogError, match=reason):
        ingest_payloads(records, tmp_path, "loans", "kserve", settings=NAMES)
    sound = [event("request", ROWS, "s"), event("response", ANSWERS, "s")]
    report = ingest_payloads([*records, *sound], tmp_path, "loans", "kserve", settings=NAMES)
    assert report.added["predictions"] == 2
    assert sum(report.skipped.values()) >= 1
    assert any(reason in words for words in report.skipped)


def test_a_row_may_bring_its_own_id_time_and_label(tmp_path: Path):
    body = {"instances": [{"order": "o-9", "at": "2026-02-01T00:00:00Z", "paid": "yes", "age": 3}]}
    roles = Roles(id="order", timestamp="at", label="paid")
    records = [event("request", body), event("response", {"predictions": ["no"]})]
    report = ingest_payloads(records, tmp_path, "loans", "kserve", roles=roles)
    assert report.added == {"predictions": 1, "labels": 1}
    (row,) = open_log(tmp_path).predictions().collect().iter_rows(named=True)
    assert (row["id"], row["at"], row["prediction"], row["age"]) == ("o-9", datetime(2026, 2, 1, tzinfo=UTC), "no", 3)
    assert row["label"] == "yes"


def test_what_a_response_calls_a_label_is_no_outcome(tmp_path: Path):
    answer = {"predictions": [{"prediction": "no", "label": "risky"}]}
    records = [event("request", {"instances": [[1, "cook"]]}), event("response", answer)]
    assert ingest_payloads(records, tmp_path, "loans", "kserve", settings=NAMES).added == {
        "predictions": 1,
        "labels": 0,
    }


def test_outcomes_that_bentoml_kept_are_labels(tmp_path: Path):
    row = PEOPLE[0] | {"said": "no", "truth": "yes", "timestamp": AT[:-1], "request_id": "c-1"}
    assert ingest_payloads([MONITOR, row], tmp_path, "loans", "bentoml").added == {"predictions": 1, "labels": 1}


def test_halves_that_come_again_and_calls_without_a_time_are_counted(tmp_path: Path):
    records = [stored("request", ROWS), stored("request", ROWS), stored("response", ANSWERS)]
    report = ingest_payloads(records, tmp_path, "loans", "kserve", settings=NAMES)
    assert (report.without_time, report.decided) == (1, 2)
    assert report.skipped == {"halves of calls that came again; the last one counts": 1}


def test_errors_that_quote_values_are_one_reason(tmp_path: Path):
    calls = [{"id": f"c{k}", "time": f"soon {k}", "request": {"a": 1}, "response": 1} for k in range(20)]
    sound = {"id": "s", "time": AT, "request": {"a": 1}, "response": 1}
    report = ingest_payloads([*calls, sound], tmp_path, "loans", "json-lines")
    assert list(report.skipped.values()) == [20]


def test_killed_between_commits_and_run_again_nothing_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "BATCH", 10)
    records = [one for k in range(60) for one in (event("request", ROWS, f"c{k}"), event("response", ANSWERS, f"c{k}"))]

    def cut():
        yield from records[:70]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_payloads(cut(), tmp_path, "loans", "kserve", settings=NAMES)
    before = open_log(tmp_path).predictions().collect().height
    assert 0 < before < 120
    assert ingest_payloads(records, tmp_path, "loans", "kserve", settings=NAMES).added["predictions"] == 120 - before
    ids = open_log(tmp_path).predictions().collect()["id"]
    assert sorted(ids) == sorted(f"c{k}-{i}" for k in range(60) for i in (0, 1))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES, st.sampled_from(["request", "response"]))
def test_no_body_breaks_the_reader(body: Any, half: str):
    read = request_rows if half == "request" else response_rows
    wrapped = {"instances" if half == "request" else "predictions": body}
    for one in (body, wrapped, {"inputs": body, "outputs": body}):
        try:
            rows = read(one, PayloadSettings())
        except UnreadableRecordError:
            continue
        assert all(isinstance(row, dict) for row in rows)


def test_on_the_command_line_from_files_of_any_kind(tmp_path: Path):
    folder = tmp_path / "payloads"
    folder.mkdir()
    lines = [
        json.dumps(one)
        for k in range(3)
        for one in (event("request", ROWS, f"c{k}"), event("response", ANSWERS, f"c{k}"))
    ]
    (folder / "a.jsonl").write_text("\n".join(lines[:2]) + "\n\n")
    (folder / "b.json.gz").write_bytes(gzip.compress("\n".join(lines[2:4]).encode()))
    (folder / "c.json").write_text(json.dumps([json.loads(line) for line in lines[4:]], indent=2))
    guess = backslide(tmp_path, "init", "payloads", "--format", "kserve", "--out", "names.toml")
    assert guess.code == 0, guess.err
    text = (tmp_path / "names.toml").read_text()
    assert 'features = ["feature_0", "feature_1"]' in text
    assert 'classes = ["0", "1"]' in text
    (tmp_path / "names.toml").write_text(
        text.replace('"feature_0", "feature_1"', '"age", "job"').replace('["0", "1"]', '["no", "yes"]')
    )
    take = ("log", "ingest", "payloads", "--format", "kserve", "--model", "loans", "--config", "names.toml")
    done = backslide(tmp_path, *take)
    told = "loans: 6 predictions added of 3 calls in 6 records\n  prediction taken from the largest score: 6 rows\n"
    assert done.out == told, done.err
    again = json.loads(backslide(tmp_path, *take, "--json").out)
    assert again["added"] == {"predictions": 0, "labels": 0}
    assert backslide(tmp_path, "log", "export", "--model", "loans", "out.parquet").code == 0
    rows = pl.read_parquet(tmp_path / "out.parquet")
    assert {"age", "job", "p_no", "p_yes"} <= set(rows.columns)
    table = pl.DataFrame(
        [
            {
                "id": "t",
                "reqType": f"org.kubeflow.serving.inference.{half}",
                "bytes": base64.b64encode(json.dumps(body).encode()).decode(),
            }
            for half, body in (("request", ROWS), ("response", ANSWERS))
        ]
    )
    table.write_parquet(tmp_path / "kserve.parquet")
    more = backslide(tmp_path, "log", "ingest", "kserve.parquet", *take[3:])
    assert more.out.startswith("loans: 2 predictions added of 1 call")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.jsonl", "--format", "kserve"), "there is no none.jsonl"),
        (("bad.jsonl", "--format", "kserve"), "no prediction in 2 records read as kserve: lines that are no JSON: 1"),
        (("cut.json", "--format", "kserve"), "no prediction in 1 record read as kserve: lines that are no JSON: 1"),
        (("pipe.jsonl", "--format", "kserve"), "pipe.jsonl: expected a file, got a pipe or device"),
        (("good.jsonl", "--format", "seldon"), "expected a format among kserve, bentoml"),
        (("good.jsonl", "--format", "mlflow"), "no prediction in 1 record read as mlflow: rows without a request"),
        (("good.jsonl", "--format", "kserve", "--prediction", "x"), "--prediction is not for --format"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path):
    (tmp_path / "good.jsonl").write_text(json.dumps(event("request", ROWS)))
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n{"a": \n')
    (tmp_path / "cut.json").write_text('[{"a": 1},\n')
    os.mkfifo(tmp_path / "pipe.jsonl")
    done = backslide(tmp_path, "log", "ingest", *arguments, "--model", "m")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert words in done.err


BATTERED: list[tuple[str, Any, str]] = [
    (
        "mlserver",
        {"id": "x", "request": V2, "response": {"outputs": [{"name": "o", "shape": [10**9, 0], "data": []}]}},
        "tensors whose data do not fit their shape",
    ),
    ("mlserver", {"request": V2, "response": [1, 2]}, "records of another form"),
    ("bentoml", {"meta_data": [7], "columns": [{"name": "age", "role": "feature"}]}, "records of another form"),
    ("bentoml", {"meta_data": {}, "columns": [7]}, "records of another form"),
    (
        "mlflow",
        {"id": "x", "request": "{}", "response": "[1]", "request_metadata": '[{"key": {}, "value": 1}]'},
        "records of another form",
    ),
    (
        "json-lines",
        {"id": "x", "inputs": {"inputs": [{"data": [1], "datatype": "BYTES", "parameters": [1]}]}, "outputs": [1]},
        "calls that cannot be read",
    ),
]
"""Records that are not what their format says, and the reason under which each is counted."""


@pytest.mark.parametrize(("format", "record", "why"), BATTERED)
def test_a_record_of_another_form_is_counted_and_the_others_come_in(format: str, record: Any, why: str, tmp_path: Path):
    sound = next(records for one, records in LOGS.values() if one == format)
    report = ingest_payloads([*sound, record], tmp_path, "loans", format, settings=NAMES)
    assert report.added["predictions"] == 2
    assert sum(n for reason, n in report.skipped.items() if reason.startswith(why)) == 1, report.skipped
    assert look_at([*sound, record], format).calls > 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_half_lines_and_nan_stop_no_file(encoding: str, tmp_path: Path):
    lines = [
        '{"id": "a", "timestamp": "2026-03-01", "inputs": [{"age": NaN, "job": "ü"}], "outputs": [1]}',
        '{"id": "b", "timestamp": "2026-03-01", "inputs": [{"age": 3, "job": "u"}], "outputs": [1]}',
    ]
    file = tmp_path / "calls.jsonl"
    file.write_text('"outputs": [1]}\n' + "\n".join([*lines, lines[0][:40]]), encoding=encoding)
    if encoding == "utf-16":  # amid a character
        file.write_bytes(file.read_bytes()[:-1])
    done = backslide(tmp_path, "log", "ingest", "calls.jsonl", "--format", "json-lines", "--model", "m", "--json")
    answer = json.loads(done.out)
    assert (answer["added"]["predictions"], answer["skipped"]) == (2, {"lines that are no JSON": 2})
    rows = open_log(tmp_path / "log").predictions().collect().sort("id")
    assert math.isnan(rows["age"][0])
    assert rows["job"].to_list() == ["ü", "u"]


def test_an_array_over_many_lines_is_one_value(tmp_path: Path):
    records = [{"id": k, "inputs": [{"age": k}]} for k in range(300)]
    (tmp_path / "calls.json").write_text(json.dumps(records, indent=2))
    assert list(read_records(str(tmp_path / "calls.json"))) == records


@pytest.mark.parametrize("vectors", [False, True])
@pytest.mark.parametrize(
    "tensors",
    [
        [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1.5, 2, None]}],
        [{"name": "a", "shape": [1], "data": [4]}, {"shape": [1, 1], "data": [5]}],
        [{"name": "x", "shape": [1, 2], "data": [1, 2]}, {"name": "wide", "shape": [1, 40], "data": list(range(40))}],
        [{"name": "x", "shape": [2, 1], "data": [1, 2]}],
        [{"name": "x", "shape": [1, 2], "data": [[1, 2]]}],
        [{"name": "x", "shape": [1, 1], "datatype": "BYTES", "data": ["a"]}],
        [{"name": "x", "data": [7]}],
        [{"name": "x", "shape": [1, True], "data": [7]}],
    ],
)
def test_the_quick_way_to_read_one_row_reads_it_like_the_usual_one(tensors: list[dict[str, Any]], vectors: bool):
    for names in ((), ("p", "q", "r")):
        quick = bodies._row_of_tensors(tensors, names, vectors=vectors)
        if tensors[0].get("shape") == [1, 3]:
            assert quick is not None
        if quick is not None:
            usual = bodies._columns_to_rows(bodies._tensor_columns(tensors, names, vectors=vectors), None)
            assert [quick] == usual
