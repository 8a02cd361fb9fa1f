"""OpenLineage's own client: takes apart the event that was written, and writes one of a job with the lineage of its columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    source_code_location_job,
)
from openlineage.client.serde import Serde

event = json.loads(Path("event.json").read_text())
(dataset,) = event["inputs"]
facet = dataset["inputFacets"]["dataQualityAssertions"]
made = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
    assertions=[data_quality_assertions_dataset.Assertion(**one) for one in facet["assertions"]],
    producer=facet["_producer"],
)
again = RunEvent(
    eventType=RunState[event["eventType"]],
    eventTime=event["eventTime"],
    run=Run(**event["run"]),
    job=Job(**event["job"]),
    inputs=[InputDataset(dataset["namespace"], dataset["name"], inputFacets={"dataQualityAssertions": made})],
    producer=event["producer"],
)
sent = json.loads(Serde.to_json(again))
(ours,) = sent["inputs"]
assert ours["inputFacets"]["dataQualityAssertions"]["_schemaURL"] == facet["_schemaURL"]
assert len(ours["inputFacets"]["dataQualityAssertions"]["assertions"]) == len(facet["assertions"])
assert (sent["schemaURL"], sent["run"]["runId"]) == (event["schemaURL"], event["run"]["runId"])

with Path("events.jsonl").open("w") as file:
    for number, version in enumerate(("aaaaaaaaaaaa", "bbbbbbbbbbbb")):
        field = column_lineage_dataset.InputField("warehouse", "applications", "salary")
        lineage = column_lineage_dataset.ColumnLineageDatasetFacet({"income": column_lineage_dataset.Fields([field])})
        code = source_code_location_job.SourceCodeLocationJobFacet("git", "https://example.org/etl", version=version)
        run = RunEvent(
            eventType=RunState.COMPLETE,
            eventTime=datetime(2026, 1, 1 + number, tzinfo=UTC).isoformat(),
            run=Run(str(UUID(int=number))),
            job=Job("airflow", "features", facets={"sourceCodeLocation": code}),
            outputs=[OutputDataset("warehouse", "loans", facets={"columnLineage": lineage})],
            producer="https://example.org/etl",
        )
        file.write(Serde.to_json(run) + "\n")
