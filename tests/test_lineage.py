"""OpenLineage, read and written: the job that makes a broken column, and findings as assertions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import numpy as np
import polars as pl
import pytest

import worlds
from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.errors import LogError
from backslide.log.lineage import read_lineage
from commands import backslide

HERE = Path(__file__).parent
SCHEMA = json.loads((HERE / "openlineage.schema.json").read_text(encoding="utf-8"))
SPACE = "warehouse"


def event(at: str, job: str, dataset: str, columns: dict[str, tuple[str, str]], **facets: Any) -> dict[str, Any]:
    """A run of a job that makes the columns of a dataset, each of a column of another one."""
    fields = {
        column: {
            "inputFields": [
                {"namespace": SPACE, "name": table, "field": made_of, "transformations": [{"type": "DIRECT"}]}
            ]
        }
        for column, (table, made_of) in columns.items()
    }
    base = {"_producer": "https://example.org/etl", "_schemaURL": "https://example.org/facet.json"}
    return {
        "eventType": "COMPLETE",
        "eventTime": at,
        "producer": "https://example.org/etl",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "01941f29-7c00-7bfe-9b22-ad6b6e1d55d2"},
        "job": {"namespace": "airflow", "name": job, "facets": {name: base | facet for name, facet in facets.items()}},
        "inputs": [],
        "outputs": [{"namespace": SPACE, "name": dataset, "facets": {"columnLineage": base | {"fields": fields}}}],
    }


def code(version: str) -> dict[str, str]:
    return {"type": "git", "url": "https://example.org/etl.git", "version": version}


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Two jobs behind ``income``: the nearer one was deployed again in April and in June, the farther one has another query."""
    features = {"income": ("applications", "salary"), "age": ("applications", "age")}
    raw = {"salary": ("crm", "salary"), "age": ("crm", "age")}
    runs = [
        event("2026-03-01T02:00:00Z", "features", "loans", features, sourceCodeLocation=code("aaaaaaaaaaaaaaaa")),
        event("2026-03-01T01:00:00Z", "load", "applications", raw, sql={"query": "SELECT  salary"}),
        event("2026-03-20T01:00:00Z", "load", "applications", raw, sql={"query": "SELECT salary"}),
        event("2026-03-25T01:00:00+00:00", "load", "applications", raw, sql={"query": "SELECT salary / 12"}),
        event("2026-04-02T02:00:00Z", "features", "loans", features, sourceCodeLocation=code("bbbbbbbbbbbbbbbb")),
        event("2026-06-01T02:00:00Z", "features", "loans", features, sourceCodeLocation=code("cccccccccccccccc")),
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(run) + "\n" for run in runs), encoding="utf-8")
    return path


def test_a_column_names_its_jobs_and_when_they_last_changed(events: Path):
    until = datetime(2026, 5, 1, tzinfo=UTC)
    near, far = read_lineage(events).trace("income", until)
    assert (near.job, near.dataset, near.inputs) == (
        "airflow/features",
        "warehouse/loans",
        ("warehouse/applications.salary",),
    )
    assert (near.changed, near.change) == ("2026-04-02T02:00:00+00:00", "code aaaaaaaaaa to bbbbbbbbbb")
    assert (far.job, far.column) == ("airflow/load", "salary")
    assert (far.changed, far.change) == ("2026-03-25T01:00:00+00:00", "another query")
    assert far.known_since == "2026-03-01T01:00:00+00:00"
    assert read_lineage(events, dataset="loans").trace("income")[0].change == "code bbbbbbbbbb to cccccccccc"
    assert read_lineage(events).trace("salary") == ()  # a dataset of which something else is made holds no logged rows
    assert read_lineage(events, namespace=SPACE, dataset="applications").trace("salary")[0].job == "airflow/load"


def test_a_column_that_is_made_of_another_one_has_changed(tmp_path: Path):
    for number, made_of in enumerate(("salary", "wage")):
        run = event(f"2026-03-0{number + 1}T00:00:00Z", "features", "loans", {"income": ("hr", made_of)})
        (tmp_path / f"{number}.json").write_text(json.dumps(run), encoding="utf-8")
    (job,) = read_lineage(tmp_path).trace("income")
    assert job.change == "made of warehouse/hr.wage DIRECT, formerly of warehouse/hr.salary DIRECT"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{]", "cannot read"),
        ('{"eventTime": "2026-03-01T00:00:00Z"}', "event 1: expected an event of OpenLineage"),
        ('[{"eventTime": "now", "job": {"namespace": "a", "name": "b"}}]', "event 1: expected an event of OpenLineage"),
        ("[3]", "event 1"),
        *(
            (
                json.dumps({"eventTime": "2026-03-01", "job": {"namespace": "a", "name": "b", "facets": facets}}),
                "event 1",
            )
            for facets in ([1], {"sourceCodeLocation": "git"}, {"sql": ["select 1"]})
        ),
        (
            json.dumps(event("2026-03-01", "a", "b", {"c": ("d", "e")})).replace('[{"type": "DIRECT"}]', '["DIRECT"]'),
            "event 1",
        ),
    ],
)
def test_what_is_no_event_is_said_in_one_line(text: str, said: str, tmp_path: Path):
    (tmp_path / "events.json").write_text(text, encoding="utf-8")
    with pytest.raises(LogError, match=said):
        read_lineage(tmp_path / "events.json")


def test_a_dataset_that_no_event_makes_is_refused(events: Path, tmp_path: Path):
    with pytest.raises(LogError, match=r"no event makes 'loan'.*loans"):
        read_lineage(events, dataset="loan")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LogError, match="no file of JSON"):
        read_lineage(tmp_path / "empty")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which incomes are twelve times as large in the current window, and its events."""
    folder = tmp_path_factory.mktemp("loans")
    reference, current = worlds.two_months(np.random.default_rng(1), 500)
    current = worlds.scenarios.rescored(current.with_columns(pl.col("income") * 12))
    reference.write_parquet(folder / "reference.parquet")
    current.write_parquet(folder / "current.parquet")
    run = event("2026-01-01T02:00:00Z", "features", "loans", {"income": ("applications", "salary")})
    (folder / "events.json").write_text(json.dumps(run), encoding="utf-8")
    (folder / "backslide.toml").write_text(
        '[model]\nlabel = "label"\nprediction = "prediction"\nscores = { yes = "p_yes" }\ntimestamp = "served_at"\n'
        '[windows]\nreference = "reference.parquet"\ncurrent = "current.parquet"\n'
        f'[lineage]\nevents = "events.json"\nnamespace = "{SPACE}"\ndataset = "loans"\n',
        encoding="utf-8",
    )
    done = backslide(folder, "diagnose", "-q", "--quick", "--json", "why.json", "--openlineage", "event.json")
    assert done.code == 1, done.err
    assert "made by" in done.out
    assert "airflow/features, no change known" in done.out
    return folder


def test_the_cause_names_the_job(broken: Path):
    diagnosis = Diagnosis.from_json((broken / "why.json").read_bytes())
    assert diagnosis.causes[0].features == ("income",)
    (job,) = diagnosis.causes[0].upstream
    assert (job.job, job.changed, job.known_since) == ("airflow/features", None, "2026-01-01T02:00:00+00:00")
    assert diagnosis.inputs.lineage == {"namespace": SPACE, "dataset": "loans"}


def test_the_event_that_is_written_fits_the_published_schema(broken: Path):
    written = json.loads((broken / "event.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    validator.validate(written)
    UUID(written["run"]["runId"])
    (dataset,) = written["inputs"]
    assert (dataset["namespace"], dataset["name"]) == (SPACE, "loans")
    assertions = dataset["inputFacets"]["dataQualityAssertions"]["assertions"]
    (verdict,) = (one for one in assertions if one["assertion"] == "backslide.verdict")
    assert (verdict["success"], verdict["actual"]) == (False, "degraded")
    (cause,) = (one for one in assertions if one["assertion"] == "backslide.unit_change")
    assert (cause["column"], cause["success"]) == ("income", False)
    again = Diagnosis.from_json((broken / "why.json").read_bytes()).to_openlineage()
    assert json.loads(again) == written
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(written | {"run": {}})
    del cause["success"]
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(written)
