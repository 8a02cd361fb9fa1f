"""A diagnosis as an event of OpenLineage: every finding and cause an assertion about the logged rows.

Source: OpenLineage 2-0-2 (``RunEvent``), facet ``dataQualityAssertions`` 1-1-0 of an input dataset.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from backslide.contracts.diagnosis import Diagnosis
from backslide.contracts.finding import Finding, Severity

SPEC = "https://openlineage.io/spec"
EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACET = f"{SPEC}/facets/1-1-0/DataQualityAssertionsDatasetFacet.json#/$defs/DataQualityAssertionsDatasetFacet"
NAMESPACE = "backslide"
"""Of the job, and of the dataset where ``[lineage]`` names none."""


def openlineage(answer: Diagnosis) -> str:
    """The event as JSON on one line.

    The same answer has the same run, so that sending it again adds none.
    """
    producer = "@".join(("pkg:pypi/backslide", *filter(None, [answer.inputs.versions.get("backslide")])))
    made = answer.inputs.made or datetime.now(UTC).isoformat(timespec="seconds")
    known = answer.inputs.lineage
    dataset = {
        "namespace": known.get("namespace", NAMESPACE),
        "name": known.get("dataset") or answer.inputs.sources.get("current") or answer.model,
        "inputFacets": {
            "dataQualityAssertions": {
                "_producer": producer,
                "_schemaURL": FACET,
                "assertions": list(_assertions(answer)),
            }
        },
    }
    event = {
        "eventType": "COMPLETE",
        "eventTime": made,
        "run": {"runId": str(uuid5(NAMESPACE_URL, answer.to_json()))},
        "job": {"namespace": NAMESPACE, "name": f"diagnose.{answer.model}"},
        "inputs": [dataset],
        "outputs": [],
        "producer": producer,
        "schemaURL": EVENT,
    }
    return json.dumps(event, ensure_ascii=False)


def _assertions(answer: Diagnosis) -> Iterator[dict[str, Any]]:
    """The verdict, every cause by column, every finding."""
    yield {
        "assertion": "backslide.verdict",
        "name": answer.metric.name,
        "success": not answer.verdict.bad,
        "severity": "error",
        "description": answer.summary,
        "actual": answer.verdict.value,
    }
    for cause in answer.causes:
        for column in cause.features or (None,):
            yield _about(column) | {
                "assertion": f"backslide.{cause.kind.value}",
                "name": f"cause {cause.rank}",
                "success": False,
                "severity": "error",
                "description": cause.summary,
            }
    for outcome in answer.checks:
        for finding in outcome.findings:
            yield _of_finding(finding, answer.inputs.features)


def _of_finding(finding: Finding, features: tuple[str, ...]) -> dict[str, Any]:
    said = _about(finding.subject if finding.subject in features else None) | {
        "assertion": f"backslide.{finding.code}",
        "name": finding.key,
        "success": finding.severity.rank < Severity.WARN.rank,
        "severity": "error" if finding.severity is Severity.FAIL else "warn",
        "description": finding.summary,
    }
    return said if finding.estimate is None else said | {"actual": str(finding.estimate)}


def _about(column: str | None) -> dict[str, Any]:
    return {} if column is None else {"column": column}
